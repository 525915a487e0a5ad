import type { StoredResource } from '../core/resource.js';
import { typeNumber } from '../fhir/resource-types.js';
import { Binder } from '../search/render.js';
import { openBodies } from '../store/bodies.js';
import { resourceOf } from '../store/content.js';
import type { RowKey } from '../store/contract.js';
import { faultOf } from '../store/database.js';
import { partOf } from '../store/prepare.js';
import type { Snapshot } from '../store/snapshot.js';
import type { Tenant } from '../tenancy/tenant.js';

/** A version that says something, and when it was what we knew. */
export interface FeatureVersion {
  readonly resource: StoredResource;
  /** ms: stored at, and until the next version was. */
  readonly from: number;
  readonly until: number;
}

/** Of the current version: nothing took its place. */
export const FOREVER = Number.POSITIVE_INFINITY;

/** Bodies open at once. */
const VERSIONS_PER_BATCH = 2_000;

interface VersionRow extends RowKey {
  readonly lu: bigint;
  /** When the next version was stored, in whatever part of the database. */
  readonly until: bigint | null;
}

const COLUMNS = 'v.part, v.rtype, v.rid, v.ver, v.lu, v.sid, v.slot';
/** The next version may stand in another part, when the resource moved from one patient to another. */
const NEXT = `(select w.lu from locator l join version w on w.part = any (l.part || coalesce(l.former, '{}'))
  and w.rtype = l.rtype and w.rid = l.rid and w.ver = v.ver + 1 where l.rtype = v.rtype and l.rid = v.rid)`;

/**
 * Every version of one type's resources about these patients that was stored by `latest` (ms). A part of the database
 * is shared with other patients, so some are of others: whoever reads them looks whom they are about.
 *
 * | from | finds |
 * |---|---|
 * | the patients' parts | what is theirs now, what was deleted, what moved away to another patient |
 * | references to them | what belongs to several patients, which stands in parts of its own |
 */
export async function* patientVersions(
  tenant: Tenant,
  patients: readonly string[],
  type: string,
  latest: number,
): AsyncGenerator<FeatureVersion[]> {
  const pkeys = patients.map((id) => tenant.keys.rid('Patient', id));
  const bind = new Binder();
  const rtype = bind.smallint(typeNumber(type));
  bind.values.push([...new Set(pkeys.map(partOf))]);
  const parts = `$${bind.values.length}::int[]`;
  const ours = bind.bigints(pkeys);
  const before = bind.bigint(latest);
  const patient = bind.smallint(typeNumber('Patient'));
  // Lateral: row by row through the primary key. As a plain join it was hashed with every resource of the type.
  const text = `select ${COLUMNS}, ${NEXT} as until from version v
      left join lateral (select x.rid, x.deleted, x.pkey from resource x
        where x.part = v.part and x.rtype = v.rtype and x.rid = v.rid limit 1) r on true
    where v.part = any(${parts}) and v.rtype = ${rtype} and v.lu <= ${before} and v.op <> 2
      and (r.rid is null or r.deleted or r.pkey = any(${ours}))
    union select ${COLUMNS}, ${NEXT} as until from idx_reference f
      join resource r on r.part = f.part and r.rtype = f.rtype and r.rid = f.rid and r.pkey is null
      join version v on v.part = r.part and v.rtype = r.rtype and v.rid = r.rid
    where f.target = any(${ours}) and f.ttype = ${patient} and f.rtype = ${rtype} and v.lu <= ${before} and v.op <> 2`;
  yield* opened(tenant, await query(tenant, text, bind.values));
}

/** As `patientVersions`, the current versions alone: what is known now. */
export async function* presentVersions(
  tenant: Tenant,
  patients: readonly string[],
  types: string | readonly string[],
  latest: number,
): AsyncGenerator<FeatureVersion[]> {
  const pkeys = patients.map((id) => tenant.keys.rid('Patient', id));
  const bind = new Binder();
  const rtypes = bind.smallints((typeof types === 'string' ? [types] : types).map(typeNumber));
  const ours = bind.bigints(pkeys);
  const before = bind.bigint(latest);
  const patient = bind.smallint(typeNumber('Patient'));
  const columns = 'r.part, r.rtype, r.rid, r.ver, r.lu, r.sid, r.slot, null::bigint as until';
  const text = `select ${columns} from resource r
    where r.pkey = any(${ours}) and r.rtype = any(${rtypes}) and not r.deleted and r.lu <= ${before}
    union select ${columns} from idx_reference f
      join resource r on r.part = f.part and r.rtype = f.rtype and r.rid = f.rid and r.pkey is null and not r.deleted
    where f.target = any(${ours}) and f.ttype = ${patient} and f.rtype = any(${rtypes}) and r.lu <= ${before}`;
  yield* opened(tenant, await query(tenant, text, bind.values));
}

/** A current version that was not opened yet. */
export interface PresentRow extends VersionRow {
  /** Clinical time, ms; null where it has none. */
  readonly at: bigint | null;
}

/** The rows that `presentVersions` opens, of one patient. */
export async function presentRows(
  tenant: Tenant,
  patient: string,
  types: readonly string[],
  latest: number,
): Promise<PresentRow[]> {
  const columns = 'r.part, r.rtype, r.rid, r.ver, r.lu, r.at, r.sid, r.slot, null::bigint as until';
  const text = `select ${columns} from resource r
    where r.pkey = $1::bigint and r.rtype = any($2::smallint[]) and not r.deleted and r.lu <= $3::bigint
    union select ${columns} from idx_reference f
      join resource r on r.part = f.part and r.rtype = f.rtype and r.rid = f.rid and r.pkey is null and not r.deleted
    where f.target = $1::bigint and f.ttype = $4::smallint and f.rtype = any($2::smallint[]) and r.lu <= $3::bigint`;
  const pkey = tenant.keys.rid('Patient', patient);
  const values = [pkey, types.map(typeNumber), latest, typeNumber('Patient')];
  return (await query(tenant, text, values)) as PresentRow[];
}

/** Opens rows. */
export async function openRows(tenant: Tenant, rows: readonly PresentRow[]): Promise<FeatureVersion[]> {
  const versions: FeatureVersion[] = [];
  for await (const some of opened(tenant, rows)) versions.push(...some);
  return versions;
}

/** Every version of a type, of everybody: for a table of all that was ever known. */
export async function* allVersions(snapshot: Snapshot, type: string): AsyncGenerator<FeatureVersion[]> {
  const bind = new Binder();
  const text = `select ${COLUMNS}, ${NEXT} as until from version v
    where v.rtype = ${bind.smallint(typeNumber(type))} and v.op <> 2 order by v.part, v.rid, v.ver`;
  for await (const rows of snapshot.rows(text, bind.values)) {
    const members = await snapshot.members(rows);
    yield members.map((member, i) => versionOf(resourceOf(member, member.content), rows[i] as VersionRow));
  }
}

async function query(tenant: Tenant, text: string, values: readonly unknown[]): Promise<VersionRow[]> {
  try {
    return (await tenant.pool.query(text, values as unknown[])).rows;
  } catch (error) {
    throw faultOf(error);
  }
}

async function* opened(tenant: Tenant, rows: readonly VersionRow[]): AsyncGenerator<FeatureVersion[]> {
  for (let i = 0; i < rows.length; i += VERSIONS_PER_BATCH) {
    const some = rows.slice(i, i + VERSIONS_PER_BATCH);
    const members = await openBodies(tenant.keys, tenant.pool, some);
    yield members.map((member, j) => versionOf(resourceOf(member, member.content), some[j]!));
  }
}

function versionOf(resource: StoredResource, { lu, until }: VersionRow): FeatureVersion {
  return { resource, from: Number(lu), until: until === null ? FOREVER : Number(until) };
}
