import { randomBytes } from 'node:crypto';
import type pg from 'pg';
import type { IndexPrivacy } from '../core/blind.js';
import { Fault } from '../core/fault.js';
import type { TenantKeyMaterial } from './keys.js';
import type { KeyProvider } from './tenant.js';
import { unwrapUnder, type WrappedPurpose, wrapUnder } from './wrap.js';

export const KEY_BYTES = 32;
const DATA_PURPOSES = ['body', 'patient', 'index', 'audit', 'export'] as const;
type DataPurpose = (typeof DATA_PURPOSES)[number] | 'identity';

/** How long unwrapped keys serve without asking the key provider again; a withdrawn key works no longer than this. */
export const KEY_CACHE_MS = 5 * 60_000;
/**
 * A new key that seals or wraps is not used before it is this old: by then every process has loaded it, so that none meets a sealed
 * piece whose key it does not have.
 */
export const KEY_NOTICE_MS = KEY_CACHE_MS + 60_000;

/** A row of `tenant_key`. Purpose `tenant` is wrapped by the customer's key, the others by the tenant key. */
export interface KeyRow {
  readonly purpose: 'tenant' | DataPurpose;
  readonly version: number;
  readonly wrapped: Buffer;
}

export interface NewTenantKeys {
  readonly rows: readonly KeyRow[];
  /** The password of the tenant's database role, wrapped by the tenant key. */
  readonly roleSecret: Buffer;
}

/** What the customer's key is told to bind the tenant key to. */
export const tenantKeyContext = (tenantId: string, version: number): string =>
  `tenant ${tenantId} ${version}`;

/** Makes a tenant's keys, version 1 of each, and wraps them. `ref` must exist in the provider. */
export async function makeTenantKeys(
  provider: KeyProvider,
  ref: string,
  tenantId: string,
  rolePassword: string,
): Promise<NewTenantKeys> {
  const tenantKey = randomBytes(KEY_BYTES);
  const version = 1;
  const rows: KeyRow[] = [
    {
      purpose: 'tenant',
      version,
      wrapped: await provider.wrap(ref, tenantKey, tenantKeyContext(tenantId, version)),
    },
  ];
  for (const purpose of DATA_PURPOSES) {
    const key = randomBytes(KEY_BYTES);
    rows.push({ purpose, version, wrapped: wrapUnder(tenantKey, key, { tenantId, purpose, version }) });
    key.fill(0);
  }
  const roleSecret = wrapUnder(tenantKey, Buffer.from(rolePassword), { tenantId, purpose: 'role', version });
  tenantKey.fill(0);
  return { rows, roleSecret };
}

export async function insertKeyRows(
  client: pg.ClientBase,
  tenantId: string,
  rows: readonly KeyRow[],
  now: number,
): Promise<void> {
  for (const row of rows)
    await client.query(
      'insert into tenant_key (tenant_id, purpose, version, wrapped, created_at) values ($1, $2, $3, $4, $5)',
      [tenantId, row.purpose, row.version, row.wrapped, now],
    );
}

export interface OpenedKeys {
  readonly material: TenantKeyMaterial;
  readonly rolePassword: string;
}

/**
 * Unwraps a tenant's keys.
 * @throws Fault `unavailable` when the customer's key cannot be had, `integrity` when a row was changed or swapped.
 */
export async function openTenantKeys(
  control: pg.Pool,
  provider: KeyProvider,
  tenant: {
    id: string;
    keyRef: string;
    roleSecret: Buffer;
    indexPrivacy: IndexPrivacy;
  },
  now: number,
): Promise<OpenedKeys> {
  // One statement: the versions that are there and the one that is searched under are of one moment.
  const { rows } = await control.query<
    KeyRow & { created_at: bigint; index_version: number; index_phase: number }
  >(
    `select k.purpose, k.version, k.wrapped, k.created_at, t.index_version, t.index_phase
     from tenant_key k join tenant t on t.id = k.tenant_id where t.id = $1 order by k.purpose, k.version desc`,
    [tenant.id],
  );
  const tenantRow = rows.find((r) => r.purpose === 'tenant');
  if (!tenantRow) throw incomplete('tenant');
  const context = tenantKeyContext(tenant.id, tenantRow.version);
  const tenantKey = await provider.unwrap(tenant.keyRef, tenantRow.wrapped, context);
  const unwrap = (row: { purpose: WrappedPurpose; version: number; wrapped: Buffer }): Buffer =>
    unwrapUnder(tenantKey, row.wrapped, { tenantId: tenant.id, purpose: row.purpose, version: row.version });
  const some = (purpose: DataPurpose): Map<number, Buffer> =>
    new Map(rows.filter((r) => r.purpose === purpose).map((r) => [r.version, unwrap({ ...r, purpose })]));
  const all = (purpose: DataPurpose): Map<number, Buffer> => {
    const found = some(purpose);
    if (found.size === 0) throw incomplete(purpose);
    return found;
  };
  const body = all('body');
  const indexes = all('index');
  const { index_version: indexVersion, index_phase: indexPhase } = tenantRow;
  const index = indexes.get(indexVersion);
  if (!index) throw incomplete('index');
  const [also] = [...indexes.keys()].filter((version) => version !== indexVersion);
  // Without it ids would be hashed under whatever index key is the first now.
  const identity = some('identity').get(1);
  if (!identity && indexPhase > 0) throw incomplete('identity');
  const material: TenantKeyMaterial = {
    tenantId: tenant.id,
    currentVersion: versionInUse(rows, 'body', now),
    body,
    patient: some('patient'),
    wrapVersion: versionInUse(rows, 'patient', now),
    index,
    alsoIndex: also === undefined ? undefined : indexes.get(also),
    indexPhase,
    identity,
    privacy: tenant.indexPrivacy,
    audit: all('audit'),
    auditVersion: versionInUse(rows, 'audit', now),
    export: all('export'),
    exportVersion: versionInUse(rows, 'export', now),
  };
  const rolePassword = unwrap({ purpose: 'role', version: 1, wrapped: tenant.roleSecret }).toString('utf8');
  tenantKey.fill(0);
  return { material, rolePassword };
}

/**
 * The newest key of a purpose that has been announced long enough; until then the one made with the tenant; 0 where there
 * is none to be used yet.
 */
function versionInUse(
  rows: readonly { purpose: string; version: number; created_at: bigint }[],
  purpose: DataPurpose,
  now: number,
): number {
  const own = rows.filter((r) => r.purpose === purpose);
  // All keys of a tenant are made at once with it; one of them that is never destroyed tells when.
  const tenantMadeAt = rows.find((r) => r.purpose === 'audit' && r.version === 1)?.created_at;
  const known = own.filter(
    (r) => (r.version === 1 && r.created_at === tenantMadeAt) || Number(r.created_at) + KEY_NOTICE_MS <= now,
  );
  return Math.max(0, ...known.map((r) => r.version));
}

function incomplete(purpose: string): Fault {
  return new Fault('integrity', `The tenant has no ${purpose} key in the control database.`, {
    remedy:
      'Restore the tenant_key table from a backup. No new key is made: it could not open what is sealed.',
  });
}
