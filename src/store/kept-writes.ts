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
    this.contents = new CopyBytes(CONTENT_BYTES * most);
    this.rows = new BulkRows(most);
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

  /** @throws Fault `invalid` */
  add(keys: TenantKeys, resource: Resource, id: string): void {
    const n = this.count;
    const { resourceType: type } = resource;
    const { rtype, rid, chk } = headOf(keys, type, id, `writes[${n}]`);
    const whole = resource.id === id ? resource : { ...resource, id };
    const { rows, at, part, pkey, derived, state } = bodyOf(keys, this.context, whole, rid);
    const content = contentOf(whole);
    const from = this.contents.length;
    this.contents.utf8(content);
    const end = this.contents.length;
    this.rows.add(keys, part, rtype, rid, rows);
    this.ends[n] = end;
    this.lengths[n] = content.length;
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
