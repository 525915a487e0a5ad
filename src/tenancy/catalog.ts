import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import type { Clock } from '../core/clock.js';
import { Fault } from '../core/fault.js';
import { asAdmin, checkServerVersion, controlPool, tenantPool } from './database.js';
import { insertKeyRows, makeTenantKeys, openTenantKeys } from './key-rows.js';
import { appliedMigrations, migrateDatabase, pendingMigrations } from './migrate.js';
import type { ServerAddress } from './postgres/embedded.js';
import type { KeyProvider, Tenant, TenantRecord, TenantState, Tenants } from './tenant.js';
import {
  createTenantDatabase,
  dropTenantDatabase,
  grantTenantRole,
  newTenantPlace,
} from './tenant-database.js';

/** Tenants kept open at once; the least recently used one that is idle makes room. */
export const MAX_OPEN_TENANTS = 50;
/** How long an open tenant goes on without asking the catalog whether it was suspended. */
const STATE_CACHE_MS = 1_000;
/** How long unwrapped keys serve without asking the key provider again; a withdrawn key works no longer than this. */
const KEY_CACHE_MS = 5 * 60_000;
const NAME = /^[a-z][a-z0-9-]{0,39}$/;

export interface CatalogOptions {
  /** The server's administrator; `database` is the control database. */
  readonly server: ServerAddress;
  readonly keys: KeyProvider;
  readonly clock: Clock;
  readonly maxOpen?: number;
}

/** The catalog with what administration needs beyond `Tenants`. */
export interface Catalog extends Tenants {
  /** The control database; int8 columns are read as bigint. */
  readonly control: pg.Pool;
  readonly server: ServerAddress;
  /** Suspends a tenant or lets it work again; other processes follow within a second. */
  setState(name: string, state: Exclude<TenantState, 'shredded'>): Promise<TenantRecord>;
  /** Brings one tenant's database to the current schema, suspended or not; names of what was applied. */
  migrateRecord(record: TenantRecord): Promise<string[]>;
  /** Bytes a tenant's database takes on the disk. */
  diskBytes(record: TenantRecord): Promise<bigint>;
  /** Removes a tenant where there is one: database, role, keys, rows. For tests and `demo --reset`. */
  remove(name: string): Promise<void>;
  /** Removes every tenant. For tests. */
  removeAll(): Promise<void>;
}

interface CatalogRow {
  id: string;
  name: string;
  database: string;
  state: TenantState;
  epoch: number;
  created_at: bigint;
  key_provider: string;
  key_ref: string;
  role: string | null;
  role_secret: Buffer | null;
}

interface OpenTenant {
  tenant: Tenant;
  stateCheckedAt: number;
  keysOpenedAt: number;
}

const COLUMNS = 'id, name, database, state, epoch, created_at, key_provider, key_ref, role, role_secret';

/** 1 to 40 of a-z 0-9 -, starting with a letter: it stands in URLs. @throws Fault `invalid`. */
export function checkTenantName(name: string): void {
  if (!NAME.test(name))
    throw new Fault('invalid', 'A tenant name has 1 to 40 of a-z, 0-9 and -, and starts with a letter.', {
      at: 'tenant',
    });
}

/**
 * Opens the catalog and brings the control database to the current schema.
 * @throws Fault `unavailable` where the server cannot be reached, `unsupported` for a version we do not know.
 */
export async function openTenants(options: CatalogOptions): Promise<Catalog> {
  const { server, keys, clock } = options;
  const maxOpen = options.maxOpen ?? MAX_OPEN_TENANTS;
  await asAdmin(server, checkServerVersion);
  await migrateDatabase(server, 'control');
  const control = controlPool(server);
  /** In order of use, oldest first. Promises, so that two first requests open a tenant once. */
  const open = new Map<string, Promise<OpenTenant>>();
  /**
   * Pools of tenants that made room. Whoever still holds the tenant may go on: the connections close when idle, the
   * pool goes when nobody has it any more, and what is left then closes with us.
   */
  const retired = new Set<WeakRef<pg.Pool>>();
  let closed = false;

  async function row(name: string): Promise<CatalogRow | undefined> {
    const { rows } = await control.query<CatalogRow>(`select ${COLUMNS} from tenant where name = $1`, [name]);
    return rows[0];
  }

  async function usableRow(name: string): Promise<CatalogRow> {
    const found = NAME.test(name) ? await row(name) : undefined;
    if (!found)
      throw new Fault('not-found', 'There is no tenant of that name.', {
        remedy: 'See the names with: cenote tenant list',
      });
    if (found.state === 'suspended') throw new Fault('forbidden', 'This tenant is suspended.');
    if (found.state === 'shredded') throw new Fault('gone', 'This tenant was erased.');
    return found;
  }

  async function openKeys(found: CatalogRow) {
    if (found.key_provider !== keys.kind)
      throw new Fault(
        'unavailable',
        `This tenant's key is with another key provider (${found.key_provider}).`,
        {
          remedy: 'Configure that provider.',
        },
      );
    if (!found.role || !found.role_secret)
      throw new Fault('unavailable', 'This tenant has no database role.', {
        remedy: 'It was made by an unfinished version of Cenote; make it anew.',
      });
    const opened = await openTenantKeys(control, keys, {
      id: found.id,
      keyRef: found.key_ref,
      roleSecret: found.role_secret,
    });
    return { ...opened, role: found.role };
  }

  async function openNow(name: string): Promise<OpenTenant> {
    const found = await usableRow(name);
    const { keys: tenantKeys, rolePassword, role } = await openKeys(found);
    const pool = tenantPool({ ...server, database: found.database, user: role, password: rolePassword });
    try {
      await migrateLazily(pool, found);
    } catch (error) {
      await pool.end();
      throw error;
    }
    const now = clock.now();
    const tenant: Tenant = { record: recordOf(found), pool, keys: tenantKeys };
    return { tenant, stateCheckedAt: now, keysOpenedAt: now };
  }

  async function migrateLazily(pool: pg.Pool, found: CatalogRow): Promise<void> {
    if (pendingMigrations('tenant', await appliedMigrations(pool)).length > 0) await migrateTenant(found);
  }

  async function migrateTenant(found: CatalogRow): Promise<string[]> {
    const database = { ...server, database: found.database };
    const applied = await migrateDatabase(database, 'tenant');
    if (found.role) await grantTenantRole(database, found.role);
    return applied;
  }

  /** Asks again what may have changed since: the state each second, the customer's key every few minutes. */
  async function refresh(name: string, entry: OpenTenant): Promise<void> {
    const now = clock.now();
    if (now - entry.stateCheckedAt < STATE_CACHE_MS) return;
    const found = await usableRow(name);
    if (found.id !== entry.tenant.record.id)
      throw new Fault('unavailable', 'This tenant was made anew; try again.');
    if (now - entry.keysOpenedAt >= KEY_CACHE_MS) {
      const { keys: tenantKeys } = await openKeys(found);
      entry.tenant = { record: recordOf(found), pool: entry.tenant.pool, keys: tenantKeys };
      entry.keysOpenedAt = now;
    }
    entry.stateCheckedAt = now;
  }

  function retire(pool: pg.Pool): void {
    for (const ref of retired) if (!ref.deref()) retired.delete(ref);
    retired.add(new WeakRef(pool));
  }

  async function forget(name: string): Promise<void> {
    const entry = open.get(name);
    open.delete(name);
    const opened = await entry?.catch(() => undefined);
    if (opened) retire(opened.tenant.pool);
  }

  async function makeRoom(): Promise<void> {
    if (open.size <= maxOpen) return;
    for (const [name, entry] of open) {
      const { pool } = (await entry).tenant;
      if (pool.waitingCount === 0 && pool.idleCount === pool.totalCount) {
        await forget(name);
        return;
      }
    }
  }

  async function insertTenant(name: string): Promise<TenantRecord> {
    const id = randomUUID();
    const keyRef = `tenant-${id}`;
    const place = newTenantPlace();
    const client = await control.connect();
    let keyMade = false;
    try {
      await client.query('begin');
      // Two creations of one name take turns; the second then finds the first's row.
      await client.query(`select pg_advisory_xact_lock(hashtextextended('cenote tenant ' || $1, 0))`, [name]);
      const { rowCount } = await client.query('select 1 from tenant where name = $1', [name]);
      if (rowCount) throw new Fault('conflict', 'There is a tenant of that name already.', { at: 'tenant' });
      await keys.createKey(keyRef);
      keyMade = true;
      const made = await makeTenantKeys(keys, keyRef, id, place.password);
      await createTenantDatabase(server, place);
      const now = clock.now();
      const { rows } = await client.query<CatalogRow>(
        `insert into tenant (id, name, database, state, key_provider, key_ref, role, role_secret, created_at)
         values ($1, $2, $3, 'active', $4, $5, $6, $7, $8) returning ${COLUMNS}`,
        [id, name, place.database, keys.kind, keyRef, place.role, made.roleSecret, now],
      );
      await insertKeyRows(client, id, made.rows, now);
      await client.query('commit');
      return recordOf(rows[0]!);
    } catch (error) {
      await client.query('rollback').catch(() => {});
      if (keyMade) {
        await dropTenantDatabase(server, place.database, place.role).catch(() => {});
        await keys.destroyKey(keyRef).catch(() => {});
      }
      throw error;
    } finally {
      client.release();
    }
  }

  async function removeTenant(found: CatalogRow): Promise<void> {
    await forget(found.name);
    await dropTenantDatabase(server, found.database, found.role ?? found.database);
    await keys.destroyKey(found.key_ref).catch(() => {});
    await control.query('delete from job where tenant_id = $1', [found.id]);
    await control.query('delete from tenant_key where tenant_id = $1', [found.id]);
    await control.query('delete from tenant where id = $1', [found.id]);
  }

  return {
    control,
    server,

    async create(name) {
      checkTenantName(name);
      return insertTenant(name);
    },

    async list() {
      const { rows } = await control.query<CatalogRow>(`select ${COLUMNS} from tenant order by name`);
      return rows.map(recordOf);
    },

    async find(name) {
      const found = NAME.test(name) ? await row(name) : undefined;
      return found && recordOf(found);
    },

    async open(name) {
      if (closed) throw new Fault('unavailable', 'The system is closing.');
      let entry = open.get(name);
      if (entry) {
        open.delete(name);
        open.set(name, entry);
      } else {
        entry = openNow(name);
        open.set(name, entry);
        await entry.catch(() => open.get(name) === entry && open.delete(name));
        await makeRoom();
      }
      const opened = await entry;
      try {
        await refresh(name, opened);
      } catch (error) {
        await forget(name);
        throw error;
      }
      return opened.tenant;
    },

    async migrate(name) {
      await migrateTenant(await usableRow(name));
    },

    async setState(name, state) {
      const { rows } = await control.query<CatalogRow>(
        `update tenant set state = $2 where name = $1 and state <> 'shredded' returning ${COLUMNS}`,
        [name, state],
      );
      if (!rows[0]) throw new Fault('not-found', 'There is no tenant of that name.');
      if (state === 'suspended') await forget(name);
      return recordOf(rows[0]);
    },

    async migrateRecord(record) {
      const found = await row(record.name);
      return found ? migrateTenant(found) : [];
    },

    async diskBytes(record) {
      const { rows } = await control.query<{ bytes: bigint }>('select pg_database_size($1) as bytes', [
        record.database,
      ]);
      return rows[0]?.bytes ?? 0n;
    },

    async remove(name) {
      const { rows } = await control.query<CatalogRow>(`select ${COLUMNS} from tenant where name = $1`, [
        name,
      ]);
      for (const found of rows) await removeTenant(found);
    },

    async removeAll() {
      const { rows } = await control.query<CatalogRow>(`select ${COLUMNS} from tenant`);
      for (const found of rows) await removeTenant(found);
    },

    async close() {
      closed = true;
      const entries = await Promise.allSettled(open.values());
      open.clear();
      const pools = entries.flatMap((e) => (e.status === 'fulfilled' ? [e.value.tenant.pool] : []));
      for (const ref of retired) {
        const pool = ref.deref();
        if (pool) pools.push(pool);
      }
      await Promise.all(pools.map((pool) => pool.end()));
      retired.clear();
      await control.end();
    },
  };
}

function recordOf(row: CatalogRow): TenantRecord {
  return {
    id: row.id,
    name: row.name,
    database: row.database,
    state: row.state,
    epoch: row.epoch,
    createdAt: Number(row.created_at),
  };
}
