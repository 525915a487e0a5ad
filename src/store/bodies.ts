import { Fault } from '../core/fault.js';
import type { Tenant, TenantKeys } from '../tenancy/tenant.js';
import { intArray, type Queryable, run } from './database.js';
import { type OwnerColumns, ownKeyOf } from './patient-keys.js';
import {
  memberAt,
  openSegment,
  openSortLines,
  SEGMENT_COLUMNS,
  type SegmentMember,
  type SegmentRow,
} from './segment.js';

/** Where a version's body stands. */
export interface BodyPlace {
  readonly part: number;
  readonly rid: bigint;
  readonly ver: number;
  readonly sid: bigint;
  readonly slot: number;
}

const SEGMENTS = `select ${SEGMENT_COLUMNS} from segment s
  join unnest($1::int[], $2::bigint[]) as k (part, sid) on s.part = k.part and s.sid = k.sid ${ownKeyOf('s')}`;

/** Segments asked for in one statement: some 4 MB of answer. */
const SEGMENTS_PER_QUERY = 1000;

/**
 * Opens the bodies at `places`, in that order; each segment is fetched and opened once.
 * @throws Fault `integrity` when a body is missing or is not what its row says.
 */
export async function openBodies(
  keys: TenantKeys,
  db: Queryable,
  places: readonly BodyPlace[],
): Promise<SegmentMember[]> {
  const wanted = new Map<string, BodyPlace>();
  for (const p of places) wanted.set(`${p.part}/${p.sid}`, p);
  const opened = new Map<string, SegmentMember[]>();
  const distinct = [...wanted.values()];
  for (let i = 0; i < distinct.length; i += SEGMENTS_PER_QUERY) {
    const some = distinct.slice(i, i + SEGMENTS_PER_QUERY);
    const rows = await run<SegmentRow>(
      db,
      SEGMENTS,
      [intArray(some.map((p) => p.part)), intArray(some.map((p) => p.sid))],
      'store-segments',
    );
    for (const row of rows) opened.set(`${row.part}/${row.sid}`, openSegment(keys, row));
  }
  return places.map((place) => {
    const members = opened.get(`${place.part}/${place.sid}`);
    if (!members) throw missing();
    return memberAt(keys, members, place);
  });
}

/** Places asked for at once by `openSortLines`, each a segment of its own at worst: some 2 MB of answer. */
const LINES_PER_QUERY = 1000;

/**
 * The lines of texts that the versions at `places` are sorted by, in that order; undefined where a segment has none.
 * @throws Fault `integrity`
 */
export async function readSortLines(
  keys: TenantKeys,
  db: Queryable,
  places: readonly Pick<BodyPlace, 'part' | 'sid' | 'slot'>[],
): Promise<(string | undefined)[]> {
  const wanted = new Map(places.map((p) => [`${p.part}/${p.sid}`, p]));
  const lines = new Map<string, string[] | undefined>();
  const distinct = [...wanted.values()];
  for (let i = 0; i < distinct.length; i += LINES_PER_QUERY) {
    const some = distinct.slice(i, i + LINES_PER_QUERY);
    const parts = intArray(some.map((p) => p.part));
    const sids = intArray(some.map((p) => p.sid));
    for (const row of await run<SegmentRow>(db, SEGMENTS, [parts, sids], 'store-segments'))
      lines.set(`${row.part}/${row.sid}`, openSortLines(keys, row));
  }
  return places.map((p) => lines.get(`${p.part}/${p.sid}`)?.[p.slot]);
}

/** A body that came along with its row, as single reads fetch it; nulls where there is no such segment. */
export interface RowWithBody extends BodyPlace, OwnerColumns {
  readonly bind: bigint | null;
  readonly sealed: Buffer | null;
}

export function openOne(tenant: Tenant, row: RowWithBody): SegmentMember {
  const { sealed, bind } = row;
  if (sealed === null || bind === null) throw missing();
  const members = openSegment(tenant.keys, { ...row, sealed, bind });
  return memberAt(tenant.keys, members, row);
}

function missing(): Fault {
  return new Fault('integrity', 'A stored body is missing.', {
    remedy: 'Run `cenote verify` for this tenant and restore the affected rows from a backup.',
  });
}
