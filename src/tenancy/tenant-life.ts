import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import { Fault } from '../core/fault.js';
import {
  type CatalogContext,
  type CatalogRow,
  COLUMNS,
  checkTenantName,
  noSuchTenant,
} from './catalog-rows.js';
import { insertKeyRows, makeTenantKeys } from './key-rows.js';
import { beginMaking, clearUp, endMaking, letGo } from './making.js';
import { dropPlaces, serverOf } from './places.js';
import type { NewTenant } from './tenant.js';
import { createTenantDatabase, dropTenantDatabase, newTenantPlace } from './tenant-database.js';

/**
 * Makes a tenant: its customer key, its wrapped keys, its role and database, and last its row, which makes it real.
 * @throws Fault `invalid` for the name, `conflict` where it is taken. What was made before a failure is removed; what a
 * process left that ended in between, by the next creation.
 */
export async function createTenant(
  context: CatalogContext,
  name: string,
  defaults: NewTenant = {},
): Promise<CatalogRow> {
  checkTenantName(name);
  const { control, keys, server, clock } = context;
  const id = randomUUID();
  const keyRef = `tenant-${id}`;
  const place = newTenantPlace();
  // Whatever is in the way of it: it was not asked for.
  await clearUp(context).catch(() => 0);
  const client = await control.connect();
  let keyMade = false;
  let committing = false;
  try {
    await beginMaking(context, client, { id, keyRef, database: place.database, role: place.role });
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
      `insert into tenant (id, name, database, state, key_provider, key_ref, role, role_secret, created_at,
         validation, integrity, index_privacy)
       values ($1, $2, $3, 'active', $4, $5, $6, $7, $8, $9, $10, $11) returning ${COLUMNS}`,
      [
        id,
        name,
        place.database,
        keys.kind,
        keyRef,
        place.role,
        made.roleSecret,
        now,
        defaults.validation ?? null,
        defaults.integrity ?? false,
        defaults.indexPrivacy ?? 'exact',
      ],
    );
    await insertKeyRows(client, id, made.rows, now);
    await endMaking(client, id);
    committing = true;
    await client.query('commit');
    return rows[0]!;
  } catch (error) {
    await client.query('rollback').catch(() => {});
    // A commit whose answer was lost may have happened: then the key must stay, whatever else.
    if (!(committing && (await mayExist(control, id)))) {
      try {
        if (keyMade) {
          await dropTenantDatabase(server, place.database, place.role);
          await keys.destroyKey(keyRef);
        }
        await endMaking(client, id);
      } catch {
        // It stays written down, for the next creation.
      }
    }
    throw error;
  } finally {
    // A connection that cannot let go of the lock is not lent again: with it the lock ends.
    client.release(
      await letGo(client, id).then(
        () => false,
        () => true,
      ),
    );
  }
}

async function mayExist(control: pg.Pool, id: string): Promise<boolean> {
  try {
    return (await control.query('select 1 from tenant where id = $1', [id])).rowCount !== 0;
  } catch {
    return true;
  }
}

/** Removes every trace of a tenant: database, role, customer key, rows. Its name is free again. */
export async function removeTenant(context: CatalogContext, found: CatalogRow): Promise<void> {
  const { control, keys } = context;
  await dropDatabases(context, found);
  await keys.destroyKey(found.key_ref).catch(() => {});
  await control.query('delete from job where tenant_id = $1', [found.id]);
  await control.query('delete from tenant_key where tenant_id = $1', [found.id]);
  await control.query('delete from tenant where id = $1', [found.id]);
}

/** What a shredding did, for its protocol. */
export interface Shredded {
  readonly record: CatalogRow;
  /** Whether the customer's key was still there to destroy. */
  readonly keyDestroyed: boolean;
}

/**
 * Erases a tenant by destroying the customer's key: whatever copies of the database exist, backups and dumps
 * included, none of it can be opened any more. Then its wrapped keys, its database and its role go. The row stays as
 * the record of it, and the name is never given again. May be repeated after a failure; it goes on where it stood.
 *
 * Refused from now on: every new request here at once, in other processes within a second. A process that has the
 * keys in memory could read what it has on its connections until they are cut, which the dropping does. Plain dates
 * and counts in a backup of the database stay readable, tied to nothing.
 * @throws Fault `not-found`.
 */
export async function shredTenant(context: CatalogContext, name: string): Promise<Shredded> {
  const { control, keys } = context;
  const { rows } = await control.query<CatalogRow>(
    `update tenant set state = 'shredded' where name = $1 returning ${COLUMNS}`,
    [name],
  );
  const record = rows[0];
  if (!record) throw noSuchTenant();
  let keyDestroyed = false;
  try {
    await keys.destroyKey(record.key_ref);
    keyDestroyed = true;
  } catch (error) {
    // Gone already, by an earlier attempt or by the customer. Any other failure stops here, to be tried again.
    if (!(error instanceof Fault) || error.category !== 'unavailable' || (await keys.hasKey(record.key_ref)))
      throw error;
  }
  await control.query('delete from tenant_key where tenant_id = $1', [record.id]);
  await control.query('update tenant set role_secret = null where id = $1', [record.id]);
  await control.query('delete from job where tenant_id = $1', [record.id]);
  await dropDatabases(context, record);
  return { record, keyDestroyed };
}

/** Drops the database of a tenant and those that moves have left. @throws once what can be reached is gone */
async function dropDatabases(context: CatalogContext, found: CatalogRow): Promise<void> {
  const { error } = await dropPlaces(context, found, ['copying', 'abandoned', 'former']);
  await dropTenantDatabase(serverOf(context, found.place), found.database, found.role ?? found.database);
  if (error) throw error;
}
