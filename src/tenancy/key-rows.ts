import { randomBytes } from 'node:crypto';
import type pg from 'pg';
import type { IndexPrivacy } from '../core/blind.js';
import { Fault } from '../core/fault.js';
import type { TenantKeyMaterial } from './keys.js';
import type { KeyProvider } from './tenant.js';
import { unwrapUnder, type WrappedPurpose, wrapUnder } from './wrap.js';

export const KEY_BYTES = 32;
const DATA_PURPOSES = ['body', 'patient', 'index', 'audit', 'export'] as const;
type DataPurpose = (typeof DATA_PURPOSES)[number];

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
  tenant: { id: string; keyRef: string; roleSecret: Buffer; indexPrivacy: IndexPrivacy },
  now: number,
): Promise<OpenedKeys> {
  const { rows } = await control.query<KeyRow & { created_at: bigint }>(
    'select purpose, version, wrapped, created_at from tenant_key where tenant_id = $1 order by purpose, version desc',
    [tenant.id],
  );
  const tenantRow = rows.find((r) => r.purpose === 'tenant');
  if (!tenantRow) throw incomplete('tenant');
  const context = tenantKeyContext(tenant.id, tenantRow.version);
  const tenantKey = await provider.unwrap(tenant.keyRef, tenantRow.wrapped, context);
  const unwrap = (row: { purpose: WrappedPurpose; version: number; wrapped: Buffer }): Buffer =>
    unwrapUnder(tenantKey, row.wrapped, { tenantId: tenant.id, purpose: row.purpose, version: row.version });
  const newest = (purpose: DataPurpose): Buffer => {
    const row = rows.find((r) => r.purpose === purpose);
    if (!row) throw incomplete(purpose);
    return unwrap({ ...row, purpose });
  };
  const all = (purpose: DataPurpose): Map<number, Buffer> =>
    new Map(rows.filter((r) => r.purpose === purpose).map((r) => [r.version, unwrap({ ...r, purpose })]));
  const body = all('body');
  if (body.size === 0) throw incomplete('body');
  const material: TenantKeyMaterial = {
    tenantId: tenant.id,
    currentVersion: versionInUse(rows, 'body', now),
    body,
    patient: all('patient'),
    wrapVersion: versionInUse(rows, 'patient', now),
    index: newest('index'),
    privacy: tenant.indexPrivacy,
    audit: newest('audit'),
    export: newest('export'),
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
  const tenantMadeAt = rows.find((r) => r.purpose === 'index')?.created_at;
  const known = rows.filter(
    (r) =>
      r.purpose === purpose &&
      ((r.version === 1 && r.created_at === tenantMadeAt) || Number(r.created_at) + KEY_NOTICE_MS <= now),
  );
  return Math.max(0, ...known.map((r) => r.version));
}

function incomplete(purpose: string): Fault {
  return new Fault('integrity', `The tenant has no ${purpose} key in the control database.`, {
    remedy:
      'Restore the tenant_key table from a backup. No new key is made: it could not open what is sealed.',
  });
}
