import type { StoredResource } from '../core/resource.js';
import { isResourceType, typeNumber } from '../fhir/resource-types.js';
import type { Tenant } from '../tenancy/tenant.js';
import { type BodyPlace, openBodies, openOne, type RowWithBody } from './bodies.js';
import { resourceOf } from './content.js';
import type { HistoryOptions, HistoryPage, RowKey, VersionRead, WriteOp } from './contract.js';
import { intArray, type Queryable, run } from './database.js';
import { ownKeyOf } from './patient-keys.js';
import type { SegmentMember } from './segment.js';

const OPS: readonly WriteOp[] = ['create', 'update', 'delete'];

interface VersionPlace extends BodyPlace {
  readonly lu: bigint;
  readonly op: number;
}

type VersionRow = VersionPlace & RowWithBody;

const BODY_COLUMNS =
  'v.part, v.rid, v.ver, v.lu, v.op, v.sid, v.slot, s.bind, s.sealed, s.owner, pk.wv, pk.wrapped';

/** The current version: three primary-key look-ups, and the sealed segment along with them. */
const READ = `select ${BODY_COLUMNS} from locator l
  join resource r on r.part = l.part and r.rtype = l.rtype and r.rid = l.rid
  join version v on v.part = r.part and v.rtype = r.rtype and v.rid = r.rid and v.ver = r.ver
  left join segment s on s.part = v.part and s.sid = v.sid ${ownKeyOf('s')}
  where l.rtype = $1 and l.rid = $2`;

/** Any version; after moves between compartments older ones stand in the parts named by `former`. */
const READ_VERSION = `select ${BODY_COLUMNS} from locator l
  join version v on v.part = any (l.part || coalesce(l.former, '{}')) and v.rtype = l.rtype and v.rid = l.rid
    and v.ver = $3
  left join segment s on s.part = v.part and s.sid = v.sid ${ownKeyOf('s')}
  where l.rtype = $1 and l.rid = $2`;

/** @returns undefined where the id never existed, or only another one with the same rid */
export async function readCurrent(
  tenant: Tenant,
  db: Queryable,
  type: string,
  id: string,
): Promise<VersionRead | undefined> {
  if (!isResourceType(type)) return undefined;
  const [row] = await run<VersionRow>(db, READ, [typeNumber(type), tenant.keys.rid(type, id)], 'store-read');
  return row && versionRead(tenant, row, type, id);
}

export async function readVersion(
  tenant: Tenant,
  db: Queryable,
  type: string,
  id: string,
  version: number,
): Promise<VersionRead | undefined> {
  if (!isResourceType(type) || !Number.isInteger(version) || version < 1 || version > 0x7fffffff)
    return undefined;
  const [row] = await run<VersionRow>(
    db,
    READ_VERSION,
    [typeNumber(type), tenant.keys.rid(type, id), version],
    'store-read-version',
  );
  return row && versionRead(tenant, row, type, id);
}

function versionRead(tenant: Tenant, row: VersionRow, type: string, id: string): VersionRead | undefined {
  const head = { type, id, version: row.ver, lastUpdated: Number(row.lu), op: OPS[row.op]! };
  if (row.op === 2) return { ...head, resource: undefined };
  const member = openOne(tenant, row);
  if (member.id !== id || member.type !== type) return undefined;
  return { ...head, lastUpdated: member.lastUpdated, resource: resourceOf(member, member.content) };
}

interface ManyRow {
  rtype: number;
  part: number;
  rid: bigint;
  ver: number;
  sid: bigint;
  slot: number;
}

const READ_MANY = `select r.rtype, r.part, r.rid, r.ver, r.sid, r.slot from locator l
  join unnest($1::smallint[], $2::bigint[]) as k (rtype, rid) on l.rtype = k.rtype and l.rid = k.rid
  join resource r on r.part = l.part and r.rtype = l.rtype and r.rid = l.rid
  where not r.deleted`;

export async function readMany(
  tenant: Tenant,
  db: Queryable,
  asked: readonly { type: string; id: string }[],
  /** A predicate on the row `r` besides; adds its values. */
  shown?: (bind: { values: unknown[] }) => string,
): Promise<(StoredResource | undefined)[]> {
  const rids = asked.map((k) => (isResourceType(k.type) ? tenant.keys.rid(k.type, k.id) : undefined));
  const known = asked.flatMap((k, i) =>
    rids[i] === undefined ? [] : [{ rtype: typeNumber(k.type), rid: rids[i]! }],
  );
  if (known.length === 0) return asked.map(() => undefined);
  const distinct = new Map(known.map((k) => [`${k.rtype}/${k.rid}`, k]));
  const keys = [...distinct.values()];
  const values: unknown[] = [intArray(keys.map((k) => k.rtype)), intArray(keys.map((k) => k.rid))];
  const rows = await (shown
    ? run<ManyRow>(db, `${READ_MANY} and ${shown({ values })}`, values)
    : run<ManyRow>(db, READ_MANY, values, 'store-read-many'));
  const members = await openBodies(tenant.keys, db, rows);
  const found = new Map<string, SegmentMember>();
  for (const member of members) found.set(`${member.type}/${member.id}`, member);
  return asked.map((k) => {
    const member = found.get(`${k.type}/${k.id}`);
    return member && resourceOf(member, member.content);
  });
}

export async function readRows(
  tenant: Tenant,
  db: Queryable,
  rows: readonly RowKey[],
): Promise<StoredResource[]> {
  if (rows.length === 0) return [];
  const members = await openBodies(tenant.keys, db, rows);
  return members.map((member) => resourceOf(member, member.content));
}

const OF_RESOURCE = `from locator l
  join version v on v.part = any (l.part || coalesce(l.former, '{}')) and v.rtype = l.rtype and v.rid = l.rid
  where l.rtype = $1 and l.rid = $2 and ($3::bigint is null or v.lu >= $3)
    and ($4::bigint is null or v.lu <= $4 and not exists (select from version w
      where w.part = any (l.part || coalesce(l.former, '{}')) and w.rtype = v.rtype and w.rid = v.rid
        and w.ver = v.ver + 1 and w.lu <= $5))`;

/**
 * Versions of one resource, newest first. `atMs` selects the one version that was current at that time,
 * with `atFromMs` all that were at some time of the period (R4, 3.1.0.10, `_at`).
 * @returns undefined where the id never existed
 */
export async function history(
  tenant: Tenant,
  db: Queryable,
  type: string,
  id: string,
  options: HistoryOptions,
): Promise<HistoryPage | undefined> {
  if (!isResourceType(type)) return undefined;
  const key = { rtype: typeNumber(type), rid: tenant.keys.rid(type, id) };
  return historyOf(tenant, db, key, type, id, options);
}

/** The same by key. Without a name the versions are those of whatever resource has the key. */
export async function historyOf(
  tenant: Tenant,
  db: Queryable,
  { rtype, rid }: { readonly rtype: number; readonly rid: bigint },
  type: string | undefined,
  id: string | undefined,
  options: HistoryOptions,
): Promise<HistoryPage | undefined> {
  const key = [rtype, rid];
  const at = options.atMs ?? null;
  const filter = [...key, options.sinceMs ?? null, at, options.atFromMs ?? at];
  const [counted] = await run<{ total: bigint }>(
    db,
    `select count(*) as total ${OF_RESOURCE}`,
    filter,
    'store-history-total',
  );
  const total = Number(counted!.total);
  if (total === 0 && !(await exists(db, key))) return undefined;
  const rows = await run<VersionPlace & { before_op: number | null }>(
    db,
    `select v.part, v.rid, v.ver, v.lu, v.op, v.sid, v.slot, (select w.op from version w
       where w.part = any (l.part || coalesce(l.former, '{}')) and w.rtype = v.rtype and w.rid = v.rid
         and w.ver = v.ver - 1) as before_op ${OF_RESOURCE} and ($6::int is null or v.ver < $6)
     order by v.ver desc limit $7`,
    [...filter, options.belowVersion ?? null, options.count + 1],
    'store-history',
  );
  const page = rows.slice(0, options.count);
  const bodies = await openBodies(
    tenant.keys,
    db,
    page.filter((row) => row.op !== 2),
  );
  if (id !== undefined && bodies.some((member) => member.id !== id)) return undefined;
  let next = 0;
  const versions = page.map((row): VersionRead => {
    const head = {
      type: type ?? '',
      id: id ?? '',
      version: row.ver,
      lastUpdated: Number(row.lu),
      op: OPS[row.op]!,
      ...(row.before_op === 2 ? { revived: true } : {}),
    };
    if (row.op === 2) return { ...head, resource: undefined };
    const member = bodies[next++]!;
    return { ...head, resource: resourceOf(member, member.content) };
  });
  return { versions, total, more: rows.length > page.length };
}

async function exists(db: Queryable, key: unknown[]): Promise<boolean> {
  const rows = await run(db, 'select 1 from locator where rtype = $1 and rid = $2', key, 'store-exists');
  return rows.length > 0;
}
