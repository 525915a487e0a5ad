import { Fault } from '../core/fault.js';
import type { PatientKey } from '../tenancy/patient-key.js';
import type { Tenant, TenantKeys, WrappedPatientKey } from '../tenancy/tenant.js';
import { intArray, type Queryable, run } from './database.js';
import { type PreparedWrite, partOf } from './prepare.js';

/**
 * Which patient's own key a body is sealed under besides the tenant's body key: that of the compartment it is in. A
 * Binary is in none, and holds the file of a note: it has a key of its own. What is of several patients or of none is
 * sealed under the body key alone.
 */
export function ownerOf({ type, rid, body }: PreparedWrite): bigint | null {
  if (!body) return null;
  return body.pkey ?? (type === 'Binary' ? rid : null);
}

/** A sealed row's owner with its key, which is null where it was destroyed. */
export interface OwnerColumns {
  readonly owner: bigint | null;
  readonly wv: number | null;
  readonly wrapped: Buffer | null;
}

/** Joins the own key of the rows of a table, so that no other query is needed for it. */
export const ownKeyOf = (table: string): string =>
  `left join patient_key pk on pk.part = ${table}.part and pk.owner = ${table}.owner`;

/** @throws Fault `integrity` where the key is gone */
export function ownKey(keys: TenantKeys, { owner, wv, wrapped }: OwnerColumns): PatientKey | undefined {
  if (owner === null) return undefined;
  if (wv === null || wrapped === null)
    throw new Fault('integrity', 'The key of this record is gone: it was erased, and cannot be read.', {
      remedy: 'Where nothing was erased, restore table patient_key together with the rest of the database.',
    });
  return keys.openPatientKey({ owner, wv, wrapped });
}

const FIND = `select k.owner, k.wv, k.wrapped from patient_key k
  join unnest($1::int[], $2::bigint[]) as o (part, owner) on k.part = o.part and k.owner = o.owner`;

/** In order, so that two writers who make keys of the same patients never wait for each other. */
const MAKE = `insert into patient_key (part, owner, wv, wrapped)
  select part, owner, $4::int, decode(wrapped, 'hex')
    from unnest($1::int[], $2::bigint[], $3::text[]) as o (part, owner, wrapped) order by 1, 2
  on conflict do nothing returning owner`;

/**
 * The keys of these owners for a transaction that holds the epoch; those that have none get one. Asked anew in each
 * transaction: a key made in one that was rolled back must never seal anything.
 */
export function ownKeys(
  keys: TenantKeys,
  db: Queryable,
  owners: Iterable<bigint>,
): Promise<ReadonlyMap<bigint, PatientKey>> {
  return gather(
    keys,
    db,
    owners,
    (row) => keys.openPatientKey(row),
    ({ key }) => key,
  );
}

/** The same as they are stored, for another thread to open. */
export async function ownRows(
  keys: TenantKeys,
  db: Queryable,
  owners: Iterable<bigint>,
): Promise<WrappedPatientKey[]> {
  const found = await gather(
    keys,
    db,
    owners,
    (row) => row,
    ({ row }) => row,
  );
  return [...found.values()];
}

async function gather<T>(
  keys: TenantKeys,
  db: Queryable,
  owners: Iterable<bigint>,
  ofRow: (row: WrappedPatientKey) => T,
  ofNew: (made: ReturnType<TenantKeys['newPatientKey']>) => T,
): Promise<Map<bigint, T>> {
  const wanted = new Set(owners);
  const found = new Map<bigint, T>();
  if (keys.wrapVersion === 0 || wanted.size === 0) return found;
  const find = async (some: readonly bigint[]) => {
    const values = [intArray(some.map(partOf)), intArray(some)];
    for (const row of await run<WrappedPatientKey>(db, FIND, values, 'store-patient-keys'))
      found.set(row.owner, ofRow(row));
  };
  await find([...wanted]);
  const missing = [...wanted].filter((owner) => !found.has(owner));
  if (missing.length === 0) return found;
  const made = new Map(missing.map((owner) => [owner, keys.newPatientKey(owner)]));
  const rows = await run<{ owner: bigint }>(
    db,
    MAKE,
    [
      intArray(missing.map(partOf)),
      intArray(missing),
      missing.map((owner) => made.get(owner)!.row.wrapped.toString('hex')),
      keys.wrapVersion,
    ],
    'store-patient-keys-make',
  );
  for (const { owner } of rows) found.set(owner, ofNew(made.get(owner)!));
  // Those that another writer made a moment ago.
  const others = missing.filter((owner) => !found.has(owner));
  if (others.length > 0) await find(others);
  if (found.size !== wanted.size) throw new Fault('internal', "A patient's key could not be made.");
  return found;
}

/** What a write that is one statement seals with, and what has to hold still when it is run. */
export interface SingleKey {
  /** Undefined where the body key alone seals. */
  readonly key: PatientKey | undefined;
  /** Where the key is new: its row, to be written with the rest. */
  readonly row: WrappedPatientKey | undefined;
  /** `tenant_epoch.keys` as it was when the key was there; undefined where no key matters. */
  readonly epoch: number | undefined;
}

/** Keys that single writes met last, with the epoch they were seen at; forgotten with the tenant's keys. */
const seen = new WeakMap<TenantKeys, Map<bigint, Seen>>();
interface Seen {
  readonly key: PatientKey;
  readonly epoch: number;
}
const MAX_SEEN = 10_000;

export async function singleKey(tenant: Tenant, write: PreparedWrite): Promise<SingleKey> {
  const { keys, pool } = tenant;
  const owner = ownerOf(write);
  if (owner === null || keys.wrapVersion === 0) return { key: undefined, row: undefined, epoch: undefined };
  const known = seen.get(keys) ?? new Map<bigint, Seen>();
  seen.set(keys, known);
  const before = known.get(owner);
  if (before) return { ...before, row: undefined };
  const [row] = await run<OwnerColumns & { keys: number }>(
    pool,
    `select e.keys, k.owner, k.wv, k.wrapped from tenant_epoch e
       left join patient_key k on k.part = $1 and k.owner = $2 where e.part = 0`,
    [partOf(owner), owner],
    'store-patient-key',
  );
  const epoch = Number(row?.keys);
  const key = row && ownKey(keys, row);
  if (!key) {
    const made = keys.newPatientKey(owner);
    return { ...made, epoch };
  }
  if (known.size >= MAX_SEEN) known.clear();
  known.set(owner, { key, epoch });
  return { key, row: undefined, epoch };
}

/** After a gate stayed shut: what is remembered may be what was wrong. */
export function forgetSeen(keys: TenantKeys): void {
  seen.delete(keys);
}
