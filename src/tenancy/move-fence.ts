import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { Fault } from '../core/fault.js';
import { READS_WRITE } from './copy-database.js';
import { connectFault, isConnectionError } from './database.js';
import { MIGRATION_LOCK, MIGRATION_TABLE } from './migrate.js';
import type { ServerAddress } from './postgres/embedded.js';
import { grantTenantRole } from './tenant-database.js';

const quote = pg.escapeIdentifier;
const CONNECT_TIMEOUT_MS = 15_000;
/** How long writers under way, or somebody who migrates, are waited for. */
const WRITERS_TIMEOUT = '20s';
/** A first, polite attempt: writers that come meanwhile are let by. */
const POLITE_TIMEOUT = '2s';
const LOCK_NOT_HAD = '55P03';
/** How long readers under way are let finish before they are cut off. */
const READERS_MS = 2_000;
/** Nobody was at work in so many looks, one after the other. */
const QUIET_LOOKS = 3;
const CUT_TIMEOUT_MS = 15_000;
const POLL_MS = 20;

/**
 * A connection of the administrator to a tenant's database, whose lock keeps migrations and every other mover away for as
 * long as it lives. @throws Fault `conflict` where somebody else has it, `unavailable`
 */
export async function hold(address: ServerAddress): Promise<pg.Client> {
  const client = await administrator(address);
  try {
    await client.query(`set lock_timeout = '${WRITERS_TIMEOUT}'`);
    await client.query('select pg_advisory_lock($1)', [MIGRATION_LOCK]);
    return client;
  } catch (error) {
    await client.end().catch(() => {});
    if ((error as { code?: string }).code === LOCK_NOT_HAD)
      throw new Fault('conflict', 'The database of this tenant is being migrated or moved.', {
        remedy: 'Try again when that has ended.',
      });
    throw error;
  }
}

/** A connection whose end the server notices within half a minute, also where this machine is gone. */
export async function administrator(address: ServerAddress): Promise<pg.Client> {
  const client = new pg.Client({
    ...address,
    application_name: 'cenote move',
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
  });
  client.on('error', () => {});
  try {
    await client.connect();
    await client.query(
      'set tcp_keepalives_idle = 10; set tcp_keepalives_interval = 5; set tcp_keepalives_count = 3; set statement_timeout = 0',
    );
    return client;
  } catch (cause) {
    await client.end().catch(() => {});
    throw isConnectionError(cause) ? connectFault(cause) : cause;
  }
}

async function tablesBut(gate: pg.Client, left: readonly string[]): Promise<string[]> {
  const { rows } = await gate.query<{ name: string }>(
    `select relname as name from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')
       and relname <> all($1) order by relname`,
    [[MIGRATION_TABLE, `${MIGRATION_TABLE}_lock`, ...left]],
  );
  return rows.map((r) => `public.${quote(r.name)}`);
}

/** Takes from the role what writes in these tables, and waits until nobody who had it has a transaction open in them. */
async function seal(gate: pg.Client, role: string, tables: readonly string[]): Promise<void> {
  await gate.query(`revoke insert, update, delete, truncate on ${tables.join(', ')} from ${quote(role)}`);
  // A writer takes the table's lock before it is asked for its rights, and keeps it to the end of its transaction. One table
  // after the other: held together, writers and we could wait for each other.
  for (const table of tables) await gate.query(`begin; lock table ${table} in share mode; commit`);
}

/**
 * Closes a tenant's database to writers, all of whom have committed or were refused when this returns; reads go on, and
 * are written down. @returns the epoch of the database from now on
 * @throws Fault `timeout` where a writer does not end
 */
export async function fence(gate: pg.Client, role: string): Promise<number> {
  const bump = async (timeout: string) => {
    await gate.query(`set lock_timeout = '${timeout}'`);
    return gate.query('update tenant_epoch set epoch = epoch + 1 where part = 0');
  };
  const tables = await tablesBut(gate, READS_WRITE);
  try {
    await bump(POLITE_TIMEOUT).catch(async (error: { code?: string }) => {
      if (error.code !== LOCK_NOT_HAD) throw error;
      // Writers follow each other without a gap: no new ones first.
      await gate.query(`revoke update on tenant_epoch from ${quote(role)}`);
      await bump(WRITERS_TIMEOUT);
    });
    await gate.query(`set lock_timeout = '${WRITERS_TIMEOUT}'`);
    await seal(gate, role, tables);
  } catch (error) {
    if ((error as { code?: string }).code !== LOCK_NOT_HAD) throw error;
    throw new Fault('timeout', 'Writers of this tenant did not end in time; nothing was moved.', {
      remedy: 'Let imports and other long work end, then try again.',
    });
  }
  return epochOf(gate);
}

export async function epochOf(gate: pg.Client): Promise<number> {
  const { rows } = await gate.query<{ epoch: number }>('select epoch from tenant_epoch where part = 0');
  return rows[0]!.epoch;
}

/** Lets readers under way end, then closes the database to the role altogether. */
export async function close(gate: pg.Client, database: string, role: string): Promise<void> {
  const deadline = Date.now() + READERS_MS;
  for (let quiet = 0; quiet < QUIET_LOOKS && Date.now() < deadline; ) {
    const { rowCount } = await gate.query(
      `select from pg_stat_activity where datname = current_database() and usename = $1 and state <> 'idle'`,
      [role],
    );
    quiet = rowCount === 0 ? quiet + 1 : 0;
    await sleep(POLL_MS);
  }
  await gate.query(`revoke connect, temporary on database ${quote(database)} from ${quote(role)}`);
  await cut(gate, role);
  await seal(
    gate,
    role,
    READS_WRITE.map((name) => `public.${name}`),
  );
}

async function cut(gate: pg.Client, role: string): Promise<void> {
  const deadline = Date.now() + CUT_TIMEOUT_MS;
  for (;;) {
    const { rowCount } = await gate.query(
      'select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and usename = $1',
      [role],
    );
    if (rowCount === 0) return;
    if (Date.now() > deadline)
      throw new Fault('timeout', 'Connections of this tenant could not be ended.', {
        remedy: 'Look at pg_stat_activity of its database, then try again.',
      });
    await sleep(POLL_MS);
  }
}

/** Whether the database is still as it was closed: what was copied is all there is. @throws Fault `conflict` */
export async function checkClosed(gate: pg.Client, role: string, epoch: number): Promise<void> {
  const { rows } = await gate.query<{ closed: boolean }>(
    `select (select e.epoch from tenant_epoch e where e.part = 0) = $2
       and not has_database_privilege($1, current_database(), 'connect')
       and not exists (select from pg_stat_activity where datname = current_database() and usename = $1)
       and not exists (select from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
         and has_table_privilege($1, c.oid, 'insert, update, delete, truncate')) as closed`,
    [role, epoch],
  );
  if (!rows[0]?.closed)
    throw new Fault(
      'conflict',
      'The database of this tenant was opened by somebody while it was copied; the copy is given up.',
      { remedy: 'See that nobody grants rights in it by hand, then try again.' },
    );
}

/** Opens it again, wherever the closing stood. */
export async function reopen(gate: pg.Client, address: ServerAddress, role: string): Promise<void> {
  // What failed in a transaction would otherwise fail all that follows.
  await gate.query('rollback');
  await gate.query(`grant connect, temporary on database ${quote(address.database)} to ${quote(role)}`);
  await grantTenantRole(address, role);
}
