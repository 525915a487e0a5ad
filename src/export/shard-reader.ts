import type pg from 'pg';
import { to as copyTo } from 'pg-copy-streams';
import { Fault } from '../core/fault.js';
import { typeNumber } from '../fhir/resource-types.js';
import { ownKeyOf } from '../store/patient-keys.js';
import { memberAt, openSegment, SEGMENT_COLUMNS, type SegmentMember } from '../store/segment.js';
import type { Tenant } from '../tenancy/tenant.js';

/** Members handed on at once: a few MB. */
const MEMBERS_PER_BATCH = 2_000;
const COPY_HEADER_BYTES = 19;
/** slot int2, ver int4, rid int8 */
const PLACE_BYTES = 14;
export const MAX_PART = 16_383;

/** A range of parts that is read, written and resumed as one; both inclusive. */
export interface Shard {
  readonly from: number;
  readonly to: number;
}

export interface ShardChoice {
  /** Everything is given as it was at this instant, ms; what changed later, in its version of then. */
  readonly asOfMs: number;
  readonly types?: readonly string[] | undefined;
  /** Last updated at or after, ms. */
  readonly sinceMs?: number | undefined;
  /** Name of a table of (part, rtype, rid) that the rows must stand in: the choice of a cohort's export. */
  readonly chosen?: string | undefined;
}

/** The rows of a shard as of an instant; all values are numbers of ours, as COPY takes no parameters. */
function rowsOf(shard: Shard, choice: ShardChoice): string {
  const asOf = int(choice.asOfMs);
  const within = (row: string) => `${row}.part between ${int(shard.from)} and ${int(shard.to)}`;
  const types = choice.types
    ? (row: string) => ` and ${row}.rtype in (${choice.types!.map((t) => int(typeNumber(t))).join(',')})`
    : () => '';
  const since =
    choice.sinceMs === undefined ? () => '' : (row: string) => ` and ${row}.lu >= ${int(choice.sinceMs!)}`;
  const chosen = choice.chosen
    ? (row: string) =>
        ` and exists (select from ${choice.chosen} c where c.rtype = ${row}.rtype and c.rid = ${row}.rid)`
    : () => '';
  const parts = "l.part || coalesce(l.former, '{}')";
  return (
    `select r.part, r.rid, r.ver, r.sid, r.slot from resource r where ${within('r')} and not r.deleted` +
    ` and r.lu <= ${asOf}${types('r')}${since('r')}${chosen('r')}` +
    ` union all select v.part, v.rid, v.ver, v.sid, v.slot from resource r join locator l on l.rtype = r.rtype and l.rid = r.rid` +
    ` join version v on v.part = any(${parts}) and v.rtype = r.rtype and v.rid = r.rid` +
    ` where r.lu > ${asOf}${types('r')}${chosen('r')} and ${within('v')} and v.lu <= ${asOf} and v.op <> 2${since('v')}` +
    ` and not exists (select from version w where w.part = any(${parts}) and w.rtype = v.rtype and w.rid = v.rid` +
    ` and w.ver > v.ver and w.lu <= ${asOf})`
  );
}

function int(value: number): string {
  if (!Number.isSafeInteger(value)) throw new Fault('internal', 'A number of a statement is none.');
  return String(value);
}

/**
 * Reads a shard segment by segment, in one order whoever reads it and whenever: by (part, segment, place in it). Each
 * segment is fetched once, as bytes, and opened once; contents stay text.
 * @throws Fault `integrity` when a body is not what its row says.
 */
export async function* readShard(
  tenant: Tenant,
  client: pg.PoolClient,
  shard: Shard,
  choice: ShardChoice,
): AsyncGenerator<SegmentMember[]> {
  const stream = client.query(
    copyTo(
      `copy (select ${SEGMENT_COLUMNS}, k.places from (select part, sid,` +
        " string_agg(int2send(slot) || int4send(ver) || int8send(rid), '' order by slot) as places" +
        ` from (${rowsOf(shard, choice)}) w group by part, sid) k` +
        ` join segment s on s.part = k.part and s.sid = k.sid ${ownKeyOf('s')}` +
        ' order by s.part, s.sid) to stdout (format binary)',
    ),
  );
  const rows = new CopyRows();
  let members: SegmentMember[] = [];
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      for (const [part, sid, bind, sealed, owner, wv, wrapped, places] of rows.of(chunk)) {
        const opened = openSegment(tenant.keys, {
          part: part!.readInt32BE(),
          sid: sid!.readBigInt64BE(),
          bind: bind!.readBigInt64BE(),
          sealed: sealed!,
          owner: owner?.readBigInt64BE() ?? null,
          wv: wv?.readInt32BE() ?? null,
          wrapped,
        });
        for (let at = 0; at < places!.length; at += PLACE_BYTES) {
          members.push(
            memberAt(tenant.keys, opened, {
              slot: places!.readInt16BE(at),
              ver: places!.readInt32BE(at + 2),
              rid: places!.readBigInt64BE(at + 6),
            }),
          );
        }
        if (members.length >= MEMBERS_PER_BATCH) {
          yield members;
          members = [];
        }
      }
    }
  } finally {
    // A consumer that stops early leaves the connection in the middle of an answer: its owner must not use it again.
    if (!stream.readableEnded) stream.destroy();
  }
  if (members.length > 0) yield members;
}

/** Null where the column is. */
type Field = Buffer | null;
type Row = readonly [
  part: Field,
  sid: Field,
  bind: Field,
  sealed: Field,
  owner: Field,
  wv: Field,
  wrapped: Field,
  places: Field,
];
const FIELDS = 8;

/** Reads rows of as many fields in the binary COPY format (documentation of COPY, "Binary Format") from chunks. */
class CopyRows {
  private rest: Buffer = Buffer.alloc(0);
  private header = true;

  of(chunk: Buffer): Row[] {
    const buffer = this.rest.length === 0 ? chunk : Buffer.concat([this.rest, chunk]);
    const rows: Row[] = [];
    let at = 0;
    if (this.header) {
      if (buffer.length < COPY_HEADER_BYTES) {
        this.rest = buffer;
        return rows;
      }
      at = COPY_HEADER_BYTES;
      this.header = false;
    }
    for (;;) {
      const row = rowAt(buffer, at);
      if (row === undefined) break;
      at = row.end;
      rows.push(row.fields);
    }
    this.rest = buffer.subarray(at);
    return rows;
  }
}

function rowAt(buffer: Buffer, start: number): { fields: Row; end: number } | undefined {
  let at = start;
  if (at + 2 > buffer.length || buffer.readInt16BE(at) !== FIELDS) return undefined;
  at += 2;
  const fields: Field[] = [];
  for (let i = 0; i < FIELDS; i++) {
    if (at + 4 > buffer.length) return undefined;
    const length = buffer.readInt32BE(at);
    at += 4;
    if (length === -1) {
      fields.push(null);
      continue;
    }
    if (at + length > buffer.length) return undefined;
    fields.push(buffer.subarray(at, at + length));
    at += length;
  }
  return { fields: fields as unknown as Row, end: at };
}
