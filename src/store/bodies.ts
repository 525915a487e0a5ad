import { Fault } from '../core/fault.js';
import type { Tenant, TenantKeys } from '../tenancy/tenant.js';
import { intArray, type Queryable, run } from './database.js';
import { type OwnerColumns, ownKeyOf } from './patient-keys.js';
import { memberAt, openSegment, SEGMENT_COLUMNS, type SegmentMember, type SegmentRow } from './segment.js';

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
