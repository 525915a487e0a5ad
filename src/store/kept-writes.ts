import type { Resource } from '../core/resource.js';
import { sortLine } from '../indexing/index.js';
import type { IndexContext } from '../indexing/parameter-type.js';
import type { PatientKey } from '../tenancy/patient-key.js';
import type { TenantKeys } from '../tenancy/tenant.js';
import { assemble } from './assemble.js';
import { BulkRows } from './bulk-rows.js';
import { contentOf } from './content.js';
import { CopyBytes } from './copy-bytes.js';
import { type CopyRows, copyRows } from './copy-write.js';
import { WITHDRAWN } from './document-state.js';
import { bodyOf, headOf, type PreparedBody } from './prepare.js';
import {
  decisionsOf,
  HAS_PATIENT,
  IS_DERIVED,
  IS_WITHDRAWN,
  type KeptContents,
  type SealRequest,
  type WriteColumns,
  writesOf,
} from './write-columns.js';

/** Bytes of content that are expected of a resource; there is more room where it is too little. */
const CONTENT_BYTES = 1_024;

/** Buffers of batches that are done, for the next ones: as garbage they would ask for collections of all there is. */
const free: { readonly contents: CopyBytes; readonly rows: BulkRows }[] = [];
const MAX_FREE = 4;
/** Buffers that have grown beyond this are let go. */
const MAX_FREE_BYTES = 24 * 1024 * 1024;

/** A JSON text as UTF-8. */
export interface Canonical {
  readonly bytes: Buffer;
  /** Its length in UTF-16 units. */
  readonly units: number;
}

/**
 * Updates of many resources, prepared one by one so that each resource is garbage before the next is parsed: what is kept
 * of it are bytes in buffers, which cost the garbage collector nothing. Used in a thread that does nothing else.
 */
export class KeptWrites implements KeptContents {
  private readonly all: WriteColumns;
  private count = 0;
  private readonly ids: string[] = [];
  private readonly lines: string[] = [];
  private readonly contents: CopyBytes;
  private readonly ends: Float64Array;
  private readonly lengths: Int32Array;
  private readonly rows: BulkRows;

  /**
   * @param most resources that are added at most
   * @param holdFormer see `Write.holdFormer`
   */
  constructor(
    private readonly context: IndexContext,
    most: number,
    holdFormer: boolean,
  ) {
    const { contents, rows } = free.pop() ?? {
      contents: new CopyBytes(CONTENT_BYTES * most),
      rows: new BulkRows(most),
    };
    this.contents = contents;
    this.rows = rows;
    this.ends = new Float64Array(most);
    this.lengths = new Int32Array(most);
    this.all = {
      ids: this.ids,
      rtype: new Int16Array(most),
      rid: new BigInt64Array(most),
      chk: new Int32Array(most),
      part: new Int32Array(most),
      pkey: new BigInt64Array(most),
      digest: new BigInt64Array(most),
      at: new Float64Array(most),
      flags: new Uint8Array(most),
      holdFormer,
    };
  }

  /**
   * @param text what the resource was read from, where `stringifyJson` would write the same of it
   * @throws Fault `invalid`
   */
  add(keys: TenantKeys, resource: Resource, id: string, text?: Canonical): void {
    const n = this.count;
    const { resourceType: type } = resource;
    const { rtype, rid, chk } = headOf(keys, type, id, `writes[${n}]`);
    const whole = resource.id === id ? resource : { ...resource, id };
    const { rows, at, part, pkey, derived, state } = bodyOf(keys, this.context, whole, rid);
    const from = this.contents.length;
    const head = text && resource.meta === undefined ? headBytes(text.bytes, type, id) : 0;
    if (text && head > 0) {
      // The head goes, and what follows begins the object instead of going on with it.
      this.contents.room(text.bytes.length - head);
      this.contents.put(text.bytes.subarray(head));
      this.contents.replace(from, OPEN_BRACE);
      this.lengths[n] = text.units - head;
    } else {
      const content = contentOf(whole);
      this.contents.utf8(content);
      this.lengths[n] = content.length;
    }
    const end = this.contents.length;
    this.rows.add(keys, part, rtype, rid, rows);
    this.ends[n] = end;
    this.lines.push(sortLine(whole));
    this.ids.push(id);
    const c = this.all;
    c.rtype[n] = rtype;
    c.rid[n] = rid;
    c.chk[n] = chk;
    c.part[n] = part;
    c.pkey[n] = pkey ?? 0n;
    c.digest[n] = keys.digest(this.contents.slice(from, end));
    c.at[n] = at ?? Number.NaN;
    c.flags[n] =
      (pkey === null ? 0 : HAS_PATIENT) |
      (derived ? IS_DERIVED : 0) |
      (state === WITHDRAWN ? IS_WITHDRAWN : 0);
    this.count++;
  }

  /** What is to be known of those that were added. */
  get columns(): WriteColumns {
    const { all, count } = this;
    return {
      ids: all.ids,
      rtype: all.rtype.slice(0, count),
      rid: all.rid.slice(0, count),
      chk: all.chk.slice(0, count),
      part: all.part.slice(0, count),
      pkey: all.pkey.slice(0, count),
      digest: all.digest.slice(0, count),
      at: all.at.slice(0, count),
      flags: all.flags.slice(0, count),
      holdFormer: all.holdFormer,
    };
  }

  /** Gives the buffers to another; nothing may be asked of this one any more. */
  release(): void {
    const { contents, rows } = this;
    if (free.length >= MAX_FREE || contents.capacity + rows.capacity > MAX_FREE_BYTES) return;
    contents.reset();
    rows.reset();
    free.push({ contents, rows });
  }

  get length(): number {
    return this.count;
  }

  content(n: number): Uint8Array {
    return this.contents.slice(n === 0 ? 0 : this.ends[n - 1]!, this.ends[n]!);
  }

  units(n: number): number {
    return this.lengths[n]!;
  }

  sortLine(n: number): string {
    return this.lines[n]!;
  }

  bulk(n: number): PreparedBody['bulk'] {
    return { rows: this.rows, n };
  }

  /** Rows of what was decided, sealed and in the form in which they are sent. */
  seal(keys: TenantKeys, request: SealRequest): CopyRows {
    const own = new Map<bigint, PatientKey>();
    for (const row of request.own)
      own.set(row.owner, keys.openPatientKey({ ...row, wrapped: Buffer.from(row.wrapped) }));
    const decisions = decisionsOf(request, writesOf(this.all, this));
    return copyRows(assemble(keys, decisions, request.actor, request.now, own));
  }
}

const OPEN_BRACE = 0x7b;
const COMMA = 0x2c;

/** Bytes of `{"resourceType":"…","id":"…"` where a resource begins with them and goes on; else 0. */
function headBytes(text: Buffer, type: string, id: string): number {
  const head = `{"resourceType":"${type}","id":"${id}"`;
  if (text[head.length] !== COMMA) return 0;
  return text.toString('latin1', 0, head.length) === head ? head.length : 0;
}
