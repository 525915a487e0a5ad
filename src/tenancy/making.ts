import type pg from 'pg';
import type { CatalogContext } from './catalog-rows.js';
import { dropTenantDatabase } from './tenant-database.js';

/** What the creation of a tenant makes outside of the control database. */
export interface Making {
  readonly id: string;
  readonly keyRef: string;
  readonly database: string;
  readonly role: string;
}

const LOCK = `hashtextextended('cenote making ' || $1, 0)`;

/**
 * Writes down what is about to be made, and holds a lock on it for as long as the connection lives: whoever finds the
 * row without its lock knows that its maker is gone.
 */
export async function beginMaking(
  { keys, clock }: CatalogContext,
  client: pg.ClientBase,
  { id, keyRef, database, role }: Making,
): Promise<void> {
  await client.query(`select pg_advisory_lock(${LOCK})`, [id]);
  await client.query(
    'insert into tenant_making (id, key_provider, key_ref, database, role, started_at) values ($1, $2, $3, $4, $5, $6)',
    [id, keys.kind, keyRef, database, role, clock.now()],
  );
}

/** Within the transaction that makes the tenant real, or after everything was removed. */
export async function endMaking(client: pg.ClientBase, id: string): Promise<void> {
  await client.query('delete from tenant_making where id = $1', [id]);
}

export async function letGo(client: pg.ClientBase, id: string): Promise<void> {
  await client.query(`select pg_advisory_unlock(${LOCK})`, [id]);
}

/**
 * Removes what creations that ended in between have left: databases, roles and customer keys of no tenant. What another
 * key provider holds is left until that one is configured. @returns how many
 */
export async function clearUp({ control, keys, server }: CatalogContext): Promise<number> {
  const { rows } = await control.query<{ id: string; key_ref: string; database: string; role: string }>(
    'select id, key_ref, database, role from tenant_making where key_provider = $1 order by started_at limit 100',
    [keys.kind],
  );
  let cleared = 0;
  for (const { id, key_ref: keyRef, database, role } of rows) {
    const client = await control.connect();
    try {
      const { rows: locked } = await client.query<{ got: boolean }>(
        `select pg_try_advisory_lock(${LOCK}) as got`,
        [id],
      );
      if (!locked[0]?.got) continue;
      try {
        // Looked at again under the lock: it may have become a tenant, or have been cleared, meanwhile.
        const { rowCount } = await client.query(
          'select from tenant_making m where m.id = $1 and not exists (select from tenant t where t.id = m.id)',
          [id],
        );
        if (rowCount) {
          await dropTenantDatabase(server, database, role);
          if (await keys.hasKey(keyRef)) await keys.destroyKey(keyRef);
          cleared++;
        }
        await endMaking(client, id);
      } finally {
        await letGo(client, id);
      }
    } finally {
      client.release();
    }
  }
  return cleared;
}
