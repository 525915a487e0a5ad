import { randomBytes } from 'node:crypto';
import type pg from 'pg';
import { Fault } from '../core/fault.js';
import { type CatalogContext, checkProvider, findRow, noSuchTenant } from './catalog-rows.js';
import { KEY_BYTES, KEY_NOTICE_MS, type KeyRow, tenantKeyContext } from './key-rows.js';
import { identityOf } from './keys.js';
import { unwrapUnder, type WrappedPurpose, wrapUnder } from './wrap.js';

/**
 * Which key is changed. `customer`: a new key in the provider wraps the tenant key. `tenant`: a new tenant key wraps
 * the data keys. `body`: a new key seals what is written from `from` on; what is stored stays under its own version,
 * which is kept as long as anything needs it. `patient`: the same for the key that wraps patients' own keys. `index`: the
 * first step of a change of the key that the terms of the index are made under; a job takes the others. `audit`, `export`:
 * as `body`, for what is logged and for files; former versions stay for what is under them.
 */
export type RotationLevel = 'customer' | 'tenant' | 'body' | 'patient' | 'index' | 'audit' | 'export';
export const ROTATION_LEVELS: readonly RotationLevel[] = [
  'customer',
  'tenant',
  'body',
  'patient',
  'index',
  'audit',
  'export',
];

export interface Rotation {
  readonly level: RotationLevel;
  /** The new version of the key, or the new key's name in the provider. */
  readonly to: string;
  /** ms since the epoch from which on the new key is in use. */
  readonly from: number;
  /** `customer`: the key that nothing here needs any more. It is not destroyed: backups of the catalog need it. */
  readonly superseded?: string;
}

/**
 * Changes a key of a tenant while it is in use: the data keys stay the same for `customer` and `tenant`, so open
 * tenants notice nothing; a new body key is used only when every process has had time to load it.
 * @throws Fault `not-found`, `unavailable` (no key), `gone`.
 */
export async function rotateKey(
  context: CatalogContext,
  name: string,
  level: RotationLevel,
): Promise<Rotation> {
  const client = await context.control.connect();
  try {
    await client.query('begin');
    // Rotations of one tenant take turns.
    await client.query('select 1 from tenant where name = $1 for update', [name]);
    const rotation = await ROTATIONS[level](context, client, name);
    await client.query('commit');
    return rotation;
  } catch (error) {
    await client.query('rollback').catch(() => {});
    throw error;
  } finally {
    client.release();
  }
}

type Rotate = (context: CatalogContext, client: pg.ClientBase, name: string) => Promise<Rotation>;

const ROTATIONS: Readonly<Record<RotationLevel, Rotate>> = {
  async customer(context, client, name) {
    const { tenant, tenantKey, tenantRow } = await openTenantKey(context, client, name);
    const generation = Number(/-(\d+)$/.exec(tenant.key_ref.slice(GENERATION_AT))?.[1] ?? '1') + 1;
    const to = `tenant-${tenant.id}-${generation}`;
    // A key of that name is left from a rotation that could not finish; it wraps nothing else.
    if (!(await context.keys.hasKey(to))) await context.keys.createKey(to);
    const wrapped = await context.keys.wrap(to, tenantKey, tenantKeyContext(tenant.id, tenantRow.version));
    tenantKey.fill(0);
    await client.query(
      `update tenant_key set wrapped = $3 where tenant_id = $1 and purpose = 'tenant' and version = $2`,
      [tenant.id, tenantRow.version, wrapped],
    );
    await client.query('update tenant set key_ref = $2 where id = $1', [tenant.id, to]);
    return { level: 'customer', to, from: context.clock.now(), superseded: tenant.key_ref };
  },

  async tenant(context, client, name) {
    const { tenant, tenantKey, tenantRow, dataRows } = await openTenantKey(context, client, name);
    const next = randomBytes(KEY_BYTES);
    const version = tenantRow.version + 1;
    const rewrap = (wrapped: Buffer, purpose: WrappedPurpose, of: number): Buffer => {
      const place = { tenantId: tenant.id, purpose, version: of };
      const key = unwrapUnder(tenantKey, wrapped, place);
      const again = wrapUnder(next, key, place);
      key.fill(0);
      return again;
    };
    for (const row of dataRows)
      await client.query(
        'update tenant_key set wrapped = $4 where tenant_id = $1 and purpose = $2 and version = $3',
        [
          tenant.id,
          row.purpose,
          row.version,
          rewrap(row.wrapped, row.purpose as WrappedPurpose, row.version),
        ],
      );
    if (tenant.role_secret)
      await client.query('update tenant set role_secret = $2 where id = $1', [
        tenant.id,
        rewrap(tenant.role_secret, 'role', 1),
      ]);
    const wrapped = await context.keys.wrap(tenant.key_ref, next, tenantKeyContext(tenant.id, version));
    await client.query(`delete from tenant_key where tenant_id = $1 and purpose = 'tenant'`, [tenant.id]);
    await insertKey(context, client, tenant.id, { purpose: 'tenant', version, wrapped });
    tenantKey.fill(0);
    next.fill(0);
    return { level: 'tenant', to: String(version), from: context.clock.now() };
  },

  body: (context, client, name) => newVersion(context, client, name, 'body'),
  patient: (context, client, name) => newVersion(context, client, name, 'patient'),
  audit: (context, client, name) => newVersion(context, client, name, 'audit'),

  async export(context, client, name) {
    const rotation = await newVersion(context, client, name, 'export');
    // No file is kept as long as that: what was under the versions that were replaced then is gone.
    await client.query(
      `delete from tenant_key k using tenant t where t.id = k.tenant_id and t.name = $1 and k.purpose = 'export'
         and exists (select from tenant_key n where n.tenant_id = k.tenant_id and n.purpose = 'export'
           and n.version = k.version + 1 and n.created_at < $2)`,
      [name, context.clock.now() - EXPORT_KEY_KEPT_MS],
    );
    return rotation;
  },

  async index(context, client, name) {
    const { tenant, tenantKey, dataRows } = await openTenantKey(context, client, name);
    const own = dataRows.filter((r) => r.purpose === 'index');
    if (own.length !== 1)
      throw new Fault('conflict', 'The index key of this tenant is being changed already.', {
        remedy: 'Let the job of kind rotate-index end first; see: cenote job list',
      });
    const [before] = own as [KeyRow];
    const place = { tenantId: tenant.id, purpose: 'index' } as const;
    if (!dataRows.some((r) => r.purpose === 'identity')) {
      const root = unwrapUnder(tenantKey, before.wrapped, { ...place, version: before.version });
      const identity = identityOf(root, tenant.id);
      const wrapped = wrapUnder(tenantKey, identity, { ...place, purpose: 'identity', version: 1 });
      await insertKey(context, client, tenant.id, { purpose: 'identity', version: 1, wrapped });
      root.fill(0);
      identity.fill(0);
    }
    const version = before.version + 1;
    const key = randomBytes(KEY_BYTES);
    const wrapped = wrapUnder(tenantKey, key, { ...place, version });
    await insertKey(context, client, tenant.id, { purpose: 'index', version, wrapped });
    await nextPhase(context, client, tenant.id);
    tenantKey.fill(0);
    key.fill(0);
    return { level: 'index', to: String(version), from: context.clock.now() };
  },
};

/** Longer than any export or upload stands on the disk. */
const EXPORT_KEY_KEPT_MS = 40 * 24 * 3_600_000;

/**
 * Where a change of the index key stands. `none`: there is one key. `writing`: rows get the terms of the new one besides,
 * and searches ask under the old. `searching`: the same the other way round.
 */
export interface IndexKeyStep {
  readonly at: 'none' | 'writing' | 'searching';
  /** Steps taken in the life of the tenant: writers must have taken the last. */
  readonly phase: number;
  /** When it was taken, ms. */
  readonly since: number;
}

export async function indexKeyStep({ control }: CatalogContext, name: string): Promise<IndexKeyStep> {
  return stepOf(control, name);
}

async function stepOf(client: pg.Pool | pg.ClientBase, name: string): Promise<IndexKeyStep> {
  const { rows } = await client.query<{ phase: number; since: bigint; newer: boolean; older: boolean }>(
    `select t.index_phase as phase, t.index_phase_at as since,
       exists (select from tenant_key k where k.tenant_id = t.id and k.purpose = 'index' and k.version > t.index_version) as newer,
       exists (select from tenant_key k where k.tenant_id = t.id and k.purpose = 'index' and k.version < t.index_version) as older
     from tenant t where t.name = $1`,
    [name],
  );
  const row = rows[0];
  if (!row) throw noSuchTenant();
  const at = row.newer ? 'writing' : row.older ? 'searching' : 'none';
  return { at, phase: row.phase, since: Number(row.since) };
}

/**
 * From `writing` to `searching`, when every row has the new terms; from there to `none`, when nobody searches under the
 * old key any more: it is destroyed. Nothing happens where the step is another than `from` by now.
 */
export async function advanceIndexKey(
  context: CatalogContext,
  name: string,
  from: IndexKeyStep,
): Promise<IndexKeyStep> {
  const client = await context.control.connect();
  try {
    await client.query('begin');
    const { rows } = await client.query<{ id: string }>('select id from tenant where name = $1 for update', [
      name,
    ]);
    const id = rows[0]?.id;
    if (id === undefined) throw noSuchTenant();
    const now = await stepOf(client, name);
    if (now.at === from.at && now.phase === from.phase && now.at !== 'none') {
      if (now.at === 'writing') {
        await client.query('update tenant set index_version = index_version + 1 where id = $1', [id]);
      } else {
        await client.query(
          `delete from tenant_key k using tenant t
           where t.id = $1 and k.tenant_id = t.id and k.purpose = 'index' and k.version < t.index_version`,
          [id],
        );
      }
      await nextPhase(context, client, id);
    }
    const step = await stepOf(client, name);
    await client.query('commit');
    return step;
  } catch (error) {
    await client.query('rollback').catch(() => {});
    throw error;
  } finally {
    client.release();
  }
}

async function nextPhase({ clock }: CatalogContext, client: pg.ClientBase, id: string): Promise<void> {
  await client.query('update tenant set index_phase = index_phase + 1, index_phase_at = $2 where id = $1', [
    id,
    clock.now(),
  ]);
}

/** A further version of a key that seals or wraps; used from when every process has had time to load it. */
async function newVersion(
  context: CatalogContext,
  client: pg.ClientBase,
  name: string,
  purpose: 'body' | 'patient' | 'audit' | 'export',
): Promise<Rotation> {
  const { tenant, tenantKey, dataRows } = await openTenantKey(context, client, name);
  const version = Math.max(0, ...dataRows.filter((r) => r.purpose === purpose).map((r) => r.version)) + 1;
  const key = randomBytes(KEY_BYTES);
  const wrapped = wrapUnder(tenantKey, key, { tenantId: tenant.id, purpose, version });
  await insertKey(context, client, tenant.id, { purpose, version, wrapped });
  tenantKey.fill(0);
  key.fill(0);
  return { level: purpose, to: String(version), from: context.clock.now() + KEY_NOTICE_MS };
}

/**
 * Destroys versions of keys that nothing needs any more, which the tenant's database has been told (`Store.endReseal`):
 * what is sealed under them in older copies of the database opens no more, unless the copy is of the control database,
 * too, and of the same age. A version is only destroyed where the one that replaced it is there.
 * @returns how many
 */
export async function dropOldKeys(
  context: CatalogContext,
  name: string,
  least: { readonly body: number; readonly patient: number },
): Promise<number> {
  const tenant = await findRow(context.control, name);
  if (!tenant) throw noSuchTenant();
  let dropped = 0;
  for (const purpose of ['body', 'patient'] as const) {
    const { rowCount } = await context.control.query(
      `delete from tenant_key k where k.tenant_id = $1 and k.purpose = $2 and k.version < $3
         and exists (select from tenant_key n where n.tenant_id = $1 and n.purpose = $2 and n.version = $3)`,
      [tenant.id, purpose, least[purpose]],
    );
    dropped += rowCount ?? 0;
  }
  return dropped;
}

/** Where a key's name may hold its generation: after `tenant-` and the 36 characters of the id. */
const GENERATION_AT = 'tenant-'.length + 36;

async function openTenantKey(context: CatalogContext, client: pg.ClientBase, name: string) {
  const tenant = await findRow(client, name);
  if (!tenant) throw noSuchTenant();
  if (tenant.state === 'shredded') throw new Fault('gone', 'This tenant was erased.');
  checkProvider(tenant, context.keys);
  const { rows } = await client.query<KeyRow>(
    'select purpose, version, wrapped from tenant_key where tenant_id = $1',
    [tenant.id],
  );
  const tenantRow = rows.find((r) => r.purpose === 'tenant');
  if (!tenantRow) throw new Fault('integrity', 'The tenant has no tenant key in the control database.');
  const tenantKey = await context.keys.unwrap(
    tenant.key_ref,
    tenantRow.wrapped,
    tenantKeyContext(tenant.id, tenantRow.version),
  );
  return { tenant, tenantKey, tenantRow, dataRows: rows.filter((r) => r.purpose !== 'tenant') };
}

async function insertKey(
  context: CatalogContext,
  client: pg.ClientBase,
  tenantId: string,
  row: KeyRow,
): Promise<void> {
  await client.query(
    'insert into tenant_key (tenant_id, purpose, version, wrapped, created_at) values ($1, $2, $3, $4, $5)',
    [tenantId, row.purpose, row.version, row.wrapped, context.clock.now()],
  );
}
