import { isResourceType, typeNumber } from '../fhir/resource-types.js';
import type { IndexRows } from '../indexing/parameter-type.js';
import type { TenantKeys } from '../tenancy/tenant.js';
import { CopyBytes } from './copy-bytes.js';
import { TABLES } from './row-set.js';

/** The tables of index rows, in the order of their numbers here. */
export const BULK_TABLES = ['date', 'quantity', 'reference', 'sorted'] as const;
const TERMS = BULK_TABLES.length;
const STREAMS = TERMS + 1;

const columns = BULK_TABLES.map((table) => TABLES[table].columns.length);
/** Bytes of a row: two for the number of columns, at most twelve for each. */
const rowBytes = columns.map((count) => 2 + count * 12);

/** Bytes each stream begins with for a resource; they grow where that is too little. */
const FIRST_BYTES = [96, 128, 192, 256, 490];

/**
 * The index rows and terms of the resources of one bulk write, in the form in which they are sent. They are known before
 * the database is asked what stands there; what turns out to be unchanged is left out when they are sent.
 */
export class BulkRows {
  private readonly streams: readonly CopyBytes[];
  /** Where the rows of the n-th resource end in each stream. */
  private readonly ends: number[] = [];

  /** @param resources how many are expected */
  constructor(resources: number) {
    this.streams = FIRST_BYTES.map((bytes) => new CopyBytes(bytes * resources));
  }

  /** Forgets the rows and keeps the buffers. What was given out of them is overwritten. */
  reset(): void {
    for (const stream of this.streams) stream.reset();
    this.ends.length = 0;
  }

  /** Bytes that it holds on to. */
  get capacity(): number {
    return this.streams.reduce((sum, { capacity }) => sum + capacity, 0);
  }

  /** @returns the number by which the rows are taken out again */
  add(
    keys: TenantKeys,
    part: number,
    rtype: number,
    rid: bigint,
    { dates, quantities, references, sorted, at, terms }: IndexRows,
  ): number {
    const [date, quantity, reference, order, array] = this.streams as [
      CopyBytes,
      CopyBytes,
      CopyBytes,
      CopyBytes,
      CopyBytes,
    ];
    date.room(dates.length * rowBytes[0]!);
    for (const d of dates) {
      date.columns(columns[0]!);
      date.key(part, rtype, rid);
      date.int8(d.param);
      date.whole(d.lo);
      date.whole(d.hi);
    }
    quantity.room(quantities.length * rowBytes[1]!);
    for (const q of quantities) {
      quantity.columns(columns[1]!);
      quantity.key(part, rtype, rid);
      quantity.int8(q.term);
      quantity.int8(q.unit);
      quantity.float8(q.lo);
      quantity.float8(q.hi);
    }
    reference.room(references.length * rowBytes[2]!);
    for (const r of references) {
      if (!isResourceType(r.targetType)) continue;
      reference.columns(columns[2]!);
      reference.key(part, rtype, rid);
      reference.int8(r.param);
      reference.int2(typeNumber(r.targetType));
      reference.int8(keys.rid(r.targetType, r.targetId));
    }
    if (at !== undefined) {
      order.room(sorted.length * rowBytes[3]!);
      for (const term of sorted) {
        order.columns(columns[3]!);
        order.key(part, rtype, rid);
        order.int8(term);
        order.whole(at);
      }
    }
    array.room(CopyBytes.int8sBytes(terms.length) + CopyBytes.int8sBytes(sorted.length));
    array.int8s(terms);
    array.int8s(sorted);
    for (const stream of this.streams) this.ends.push(stream.length);
    return this.ends.length / STREAMS - 1;
  }

  /** The arrays of terms and of sorted terms of the n-th resource, as two columns. */
  terms(n: number): Buffer {
    return this.slice(TERMS, n, n);
  }

  /** The rows of these resources in the table of that number, in as few pieces as they stand together. */
  pieces(table: number, numbers: readonly number[]): Buffer[] {
    const pieces: Buffer[] = [];
    for (let i = 0; i < numbers.length; ) {
      let last = i;
      while (last + 1 < numbers.length && numbers[last + 1] === numbers[last]! + 1) last++;
      const piece = this.slice(table, numbers[i]!, numbers[last]!);
      if (piece.length > 0) pieces.push(piece);
      i = last + 1;
    }
    return pieces;
  }

  private slice(stream: number, first: number, last: number): Buffer {
    const from = first === 0 ? 0 : this.ends[(first - 1) * STREAMS + stream]!;
    return this.streams[stream]!.slice(from, this.ends[last * STREAMS + stream]!);
  }
}
