import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import type { Clock } from '../core/clock.js';
import { Fault, isFault } from '../core/fault.js';
import {
  type CatalogContext,
  type CatalogRow,
  COLUMNS,
  checkProvider,
  findRow,
  noSuchTenant,
  recordOf,
  usableRow,
} from './catalog-rows.js';
import { asAdmin, checkServerVersion, connectFault, isConnectionError } from './database.js';
import {
  advanceIndexKey,
  dropOldKeys,
  type IndexKeyStep,
  indexKeyStep,
  type Rotation,
  type RotationLevel,
  rotateKey,
} from './key-rotation.js';
import { KEY_CACHE_MS, openTenantKeys } from './key-rows.js';
import { createTenantKeys, type LiveKeys } from './keys.js';
import { migrateDatabase, pendingMigrations } from './migrate.js';
import { type Moved, type MoveOptions, moveTenant, revertMove } from './move.js';
import { dropPlaces, HOME, type Places, placesOf, serverOf } from './places.js';
import { connectionBudget, controlPool, tenantPool } from './pools.js';
import type { ServerAddress } from './postgres/embedded.js';
import type { KeyProvider, Tenant, TenantDefaults, TenantRecord, TenantState, Tenants } from './tenant.js';
import { grantTenantRole, schemaStateOf } from './tenant-database.js';
import { createTenant, removeTenant, type Shredded, shredTenant } from './tenant-life.js';

/** Tenants kept open at once; the least recently used one that is idle makes room. */
export const MAX_OPEN_TENANTS = 50;
/** How long an open tenant goes on without asking the catalog whether it was suspended. */
const STATE_CACHE_MS = 1_000;
/** While its place is switched a tenant is waited for, at most this long. */
const MAX_SWITCH_MS = 5_000;
const SWITCH_POLL_MS = 25;
/** How often the keys of open tenants are looked after, whether anybody asks for them or not. */
const KEY_CARE_MS = 60_000;

export interface CatalogOptions {
  /** The server's administrator; `database` is the control database. */
  readonly server: ServerAddress;
  readonly keys: KeyProvider;
  readonly clock: Clock;
  /** Other servers that tenants may be on. */
  readonly places?: Places | undefined;
  readonly maxOpen?: number;
  /** Connections to all tenants together; by what the server allows where not given. */
  readonly maxConnections?: number;
}

/** The catalog with what administration needs beyond `Tenants`. */
export interface Catalog extends Tenants {
  /** The control database; int8 columns are read as bigint. */
  readonly control: pg.Pool;
  readonly server: ServerAddress;
  /** Tenants that this process has open now. */
  opened(): Promise<Tenant[]>;
  /** Suspends a tenant or lets it work again; other processes follow within a second. */
  setState(name: string, state: Exclude<TenantState, 'shredded'>): Promise<TenantRecord>;
  /**
   * Changes what a tenant asks of what is written to it; what is not named stays, and `server` forgets the tenant's own
   * level of validation. Other processes follow within a second. What is stored already is not looked at.
   */
  setDefaults(name: string, defaults: DefaultsChange): Promise<TenantRecord>;
  /** Changes one of a tenant's keys while it is in use. */
  rotateKey(name: string, level: RotationLevel): Promise<Rotation>;
  /** Destroys the versions of a tenant's keys that are older than these; see `dropOldKeys`. */
  dropOldKeys(name: string, least: { readonly body: number; readonly patient: number }): Promise<number>;
  /** How far a change of the tenant's index key is. */
  indexKeyStep(name: string): Promise<IndexKeyStep>;
  /** Takes the next step of it, where `from` is the step it is at; see `advanceIndexKey`. */
  advanceIndexKey(name: string, from: IndexKeyStep): Promise<IndexKeyStep>;
  /** Erases a tenant for good by destroying its key; see `shredTenant`. */
  shred(name: string): Promise<Shredded>;
  /** Moves a tenant's database to another place; see `moveTenant`. */
  move(name: string, options: MoveOptions): Promise<Moved>;
  /** Ends what a killed mover has left; see `revertMove`. */
  revertMove(name: string): Promise<void>;
  /** Databases that moves have left behind, as `place/database`. */
  formerPlaces(record: TenantRecord): Promise<string[]>;
  /** Drops them. @returns how many. @throws where one cannot be reached; it stays written down */
  dropFormer(name: string): Promise<number>;
  /** Brings one tenant's database to the current schema, suspended or not; names of what was applied. */
  migrateRecord(record: TenantRecord): Promise<string[]>;
  /** Bytes a tenant's database takes on the disk. */
  diskBytes(record: TenantRecord): Promise<bigint>;
  /** Removes a tenant where there is one: database, role, keys, rows. For tests and `demo --reset`. */
  remove(name: string): Promise<void>;
  /** Removes every tenant. For tests. */
  removeAll(): Promise<void>;
}

export interface DefaultsChange {
  readonly validation?: TenantDefaults['validation'] | 'server';
  readonly integrity?: boolean;
}

interface OpenTenant {
  tenant: Tenant;
  /** The same as the tenant's, to be kept up to date where they are: jobs hold a tenant for hours. */
  readonly keys: LiveKeys;
  stateCheckedAt: number;
  keysOpenedAt: number;
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
  const budget = await connectionBudget(control, options.maxConnections);
  const context: CatalogContext = { server, places: options.places ?? new Map(), control, keys, clock };
  /** In order of use, oldest first. Promises, so that two first requests open a tenant once. */
  const open = new Map<string, Promise<OpenTenant>>();
  /**
   * Pools of tenants that made room. Whoever still holds the tenant may go on: the connections close when idle, the
   * pool goes when nobody has it any more, and what is left then closes with us.
   */
  const retired = new Set<WeakRef<pg.Pool>>();
  let closed = false;

  async function openKeys(found: CatalogRow) {
    checkProvider(found, keys);
    if (!found.role || !found.role_secret)
      throw new Fault('unavailable', 'This tenant has no database role.', {
        remedy: 'Restore the tenant table of the control database from a backup.',
      });
    const tenant = {
      id: found.id,
      keyRef: found.key_ref,
      roleSecret: found.role_secret,
      indexPrivacy: found.index_privacy,
    };
    return { ...(await openTenantKeys(control, keys, tenant, clock.now())), role: found.role };
  }

  async function openNow(name: string): Promise<OpenTenant> {
    const found = await settledRow(name);
    const { material, rolePassword, role } = await openKeys(found);
    const pool = tenantPool(
      { ...serverOf(context, found.place), database: found.database, user: role, password: rolePassword },
      budget,
    );
    try {
      const schema = await schemaStateOf(pool);
      if (!schema.granted || pendingMigrations('tenant', schema.applied).length > 0)
        await migrateTenant(found);
    } catch (error) {
      await pool.end();
      throw error;
    }
    const now = clock.now();
    const live: LiveKeys = createTenantKeys(material, async () => {
      live.adopt((await openKeys(await usableRow(control, name))).material);
    });
    const tenant: Tenant = { record: recordOf(found), pool, keys: live };
    return { tenant, keys: live, stateCheckedAt: now, keysOpenedAt: now };
  }

  /** @throws Fault `unavailable` while the tenant is moved: rights given now would open what is closed */
  async function migrateTenant(found: CatalogRow): Promise<string[]> {
    if (found.moving) throw beingMoved();
    const database = { ...serverOf(context, found.place), database: found.database };
    const applied = await migrateDatabase(database, 'tenant');
    const now = await findRow(control, found.name);
    if (now?.moving || now?.database !== found.database) throw beingMoved();
    if (found.role) await grantTenantRole(database, found.role);
    return applied;
  }

  /** As `usableRow`, when the tenant has one place. @throws Fault `unavailable` where that takes long */
  async function settledRow(name: string): Promise<CatalogRow> {
    for (const deadline = Date.now() + MAX_SWITCH_MS; ; ) {
      const found = await usableRow(control, name);
      if (found.moving !== 'switching') return found;
      if (Date.now() > deadline) throw beingMoved();
      await sleep(SWITCH_POLL_MS);
    }
  }

  /**
   * Asks again what may have changed since: the state each second, of a tenant that is being moved each time, the customer's
   * key every few minutes. @returns whether it is to be opened anew, as it is at another place
   */
  async function refresh(name: string, entry: OpenTenant): Promise<boolean> {
    const now = clock.now();
    if (now - entry.stateCheckedAt < STATE_CACHE_MS && !entry.tenant.record.moving) return false;
    const found = await settledRow(name);
    if (found.id !== entry.tenant.record.id)
      throw new Fault('unavailable', 'This tenant was made anew; try again.');
    const { database, epoch } = entry.tenant.record;
    if (found.database !== database || found.epoch !== epoch) return true;
    if (now - entry.keysOpenedAt >= KEY_CACHE_MS) {
      entry.keys.adopt((await openKeys(found)).material);
      entry.tenant = { ...entry.tenant, record: recordOf(found) };
      entry.keysOpenedAt = now;
    } else if (!sameRules(recordOf(found), entry.tenant.record)) {
      entry.tenant = { ...entry.tenant, record: recordOf(found) };
    }
    entry.stateCheckedAt = now;
    return false;
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
      const pool = (await entry.catch(() => undefined))?.tenant.pool;
      if (!pool) continue;
      if (pool.waitingCount === 0 && pool.idleCount === pool.totalCount) {
        await forget(name);
        return;
      }
    }
  }

  async function openAndRefresh(name: string): Promise<Tenant> {
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
      if (await refresh(name, opened)) {
        // Once: others that held the same entry may have opened it anew meanwhile.
        if (open.get(name) === entry) await forget(name);
        return openAndRefresh(name);
      }
    } catch (error) {
      // A catalog that cannot be asked now says nothing about the tenant; its pool is kept for when it can.
      if (isFault(error)) {
        // Whoever still holds the tenant has its keys no longer than others.
        if (clock.now() - opened.keysOpenedAt >= KEY_CACHE_MS) opened.keys.withdraw();
        await forget(name);
      }
      throw error;
    }
    return opened.tenant;
  }

  /** Jobs hold a tenant for hours without asking for it again: its keys are looked after all the same. */
  const care = setInterval(() => {
    for (const name of [...open.keys()]) openAndRefresh(name).catch(() => undefined);
  }, KEY_CARE_MS);
  care.unref();

  async function removeNow(found: CatalogRow): Promise<void> {
    await forget(found.name);
    await removeTenant(context, found);
  }

  return {
    control,
    server,

    async create(name, defaults) {
      return recordOf(await createTenant(context, name, defaults));
    },

    async list() {
      const { rows } = await control.query<CatalogRow>(`select ${COLUMNS} from tenant order by name`);
      return rows.map(recordOf);
    },

    async find(name) {
      const found = await findRow(control, name);
      return found && recordOf(found);
    },

    async open(name) {
      if (closed) throw new Fault('unavailable', 'The system is closing.');
      try {
        return await openAndRefresh(name);
      } catch (error) {
        throw isConnectionError(error) ? connectFault(error) : error;
      }
    },

    async opened() {
      const entries = await Promise.allSettled(open.values());
      return entries.flatMap((e) => (e.status === 'fulfilled' ? [e.value.tenant] : []));
    },

    async migrate(name) {
      await migrateTenant(await usableRow(control, name));
    },

    async setState(name, state) {
      const { rows } = await control.query<CatalogRow>(
        `update tenant set state = $2 where name = $1 and state <> 'shredded' returning ${COLUMNS}`,
        [name, state],
      );
      if (!rows[0]) throw noSuchTenant();
      if (state === 'suspended') await forget(name);
      return recordOf(rows[0]);
    },

    async setDefaults(name, { validation, integrity }) {
      const { rows } = await control.query<CatalogRow>(
        `update tenant set validation = case when $2 = 'server' then null else coalesce($2, validation) end,
           integrity = coalesce($3, integrity)
         where name = $1 and state <> 'shredded' returning ${COLUMNS}`,
        [name, validation ?? null, integrity ?? null],
      );
      if (!rows[0]) throw noSuchTenant();
      const opened = await open.get(name)?.catch(() => undefined);
      if (opened) opened.stateCheckedAt = Number.NEGATIVE_INFINITY;
      return recordOf(rows[0]);
    },

    rotateKey: (name, level) => rotateKey(context, name, level),

    indexKeyStep: (name) => indexKeyStep(context, name),

    advanceIndexKey: (name, from) => advanceIndexKey(context, name, from),

    dropOldKeys: (name, least) => dropOldKeys(context, name, least),

    async shred(name) {
      await forget(name);
      return shredTenant(context, name);
    },

    async migrateRecord(record) {
      const found = await findRow(control, record.name);
      return found ? migrateTenant(found) : [];
    },

    async move(name, options) {
      try {
        return await moveTenant(context, name, options, {
          migrate: migrateTenant,
          rolePassword: async (found) => (await openKeys(found)).rolePassword,
        });
      } finally {
        // Its epoch is another one, also where it stayed.
        await forget(name);
      }
    },

    async revertMove(name) {
      await revertMove(context, name);
      await forget(name);
    },

    async formerPlaces(record) {
      const places = await placesOf(control, record.id, ['former', 'abandoned']);
      return places.map(({ place, database }) => `${place ?? HOME}/${database}`);
    },

    async dropFormer(name) {
      const found = await findRow(control, name);
      if (!found) throw noSuchTenant();
      const { dropped, left, error } = await dropPlaces(context, found, ['former', 'abandoned']);
      if (left > 0)
        throw new Fault(
          'unavailable',
          `${left} of ${dropped + left} former databases could not be dropped.`,
          {
            remedy: 'Run this again when their servers can be reached; cenote tenant show NAME lists them.',
            cause: error,
          },
        );
      return dropped;
    },

    async diskBytes(record) {
      if (record.place !== undefined && record.state !== 'shredded')
        return asAdmin({ ...serverOf(context, record.place), database: record.database }, async (admin) => {
          const { rows } = await admin.query<{ bytes: string }>(
            'select pg_database_size(current_database()) as bytes',
          );
          return BigInt(rows[0]!.bytes);
        });

      // No row for a shredded tenant, whose database is gone.
      const { rows } = await control.query<{ bytes: bigint }>(
        'select pg_database_size(oid) as bytes from pg_database where datname = $1',
        [record.database],
      );
      return rows[0]?.bytes ?? 0n;
    },

    async remove(name) {
      const found = await findRow(control, name);
      if (found) await removeNow(found);
    },

    async removeAll() {
      const { rows } = await control.query<CatalogRow>(`select ${COLUMNS} from tenant`);
      for (const found of rows) await removeNow(found);
    },

    async close() {
      closed = true;
      clearInterval(care);
      const entries = await Promise.allSettled(open.values());
      open.clear();
      // A set: one that makes room at this very moment is in both.
      const pools = new Set(entries.flatMap((e) => (e.status === 'fulfilled' ? [e.value.tenant.pool] : [])));
      for (const ref of retired) {
        const pool = ref.deref();
        if (pool) pools.add(pool);
      }
      await Promise.all([...pools].map((pool) => pool.end()));
      retired.clear();
      await control.end();
    },
  };
}

function sameRules(one: TenantRecord, other: TenantRecord): boolean {
  return (
    one.validation === other.validation && one.integrity === other.integrity && one.moving === other.moving
  );
}

function beingMoved(): Fault {
  return new Fault('unavailable', 'This tenant is being moved to another place.', {
    remedy:
      'Try again in a moment. Where nobody moves it any more, the operator lets it go on: cenote tenant move NAME --revert',
  });
}
