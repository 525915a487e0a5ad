import pg from 'pg';
import { CleanPool, ConnectionBudget } from './clean-pool.js';
import type { ServerAddress } from './postgres/embedded.js';

/** Most connections one tenant's pool opens; they close after `IDLE_MS` unused. */
export const MAX_TENANT_CONNECTIONS = 8;
const MAX_CONTROL_CONNECTIONS = 4;
const IDLE_MS = 10_000;
const CONNECT_TIMEOUT_MS = 15_000;
const MAX_CONNECTION_LIFE_S = 3600;

/** For one statement; work that takes longer says so itself with `set local statement_timeout`. */
const STATEMENT_TIMEOUT_MS = 60_000;
const LOCK_TIMEOUT_MS = 2_000;
const IDLE_IN_TRANSACTION_TIMEOUT_MS = 30_000;

const INT8 = 20;
const INT8_ARRAY = 1016;

/**
 * How our own pools read values: `int8` columns (and `count(*)`) as `bigint`, `int8[]` as `bigint[]`, the rest as
 * node-postgres does. Set per pool, never on the library, which others in the process may use.
 */
export const typeParsers: pg.CustomTypesConfig = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary') => {
    if (format !== 'binary') {
      if (oid === INT8) return (text: string) => BigInt(text);
      if (oid === INT8_ARRAY) return parseBigintArray;
    }
    return pg.types.getTypeParser(oid, format as 'text');
  }) as pg.CustomTypesConfig['getTypeParser'],
};

/** `{1,-2,NULL}` → [1n, -2n, null]. One dimension: we have no others. */
function parseBigintArray(text: string): (bigint | null)[] {
  if (text === '{}') return [];
  return text
    .slice(1, -1)
    .split(',')
    .map((item) => (item === 'NULL' ? null : BigInt(item)));
}

/** The part of the server's connections that one process takes at most: others run beside it. */
const SHARE_OF_SERVER = 0.6;

/** A budget of `max` connections, or of our share in what the server allows. */
export async function connectionBudget(control: pg.Pool, max?: number): Promise<ConnectionBudget> {
  if (max !== undefined) return new ConnectionBudget(max);
  const { rows } = await control.query<{ free: number }>(
    `select sum(case name when 'max_connections' then 1 else -1 end * setting::int)::int as free from pg_settings
     where name in ('max_connections', 'superuser_reserved_connections', 'reserved_connections')`,
  );
  return new ConnectionBudget(
    Math.max(MAX_TENANT_CONNECTIONS, Math.floor((rows[0]?.free ?? 0) * SHARE_OF_SERVER)),
  );
}

/** A pool for the control database. */
export function controlPool(address: ServerAddress): pg.Pool {
  return pool(address, MAX_CONTROL_CONNECTIONS, 'cenote control', undefined, [
    `statement_timeout=${STATEMENT_TIMEOUT_MS}`,
    `idle_in_transaction_session_timeout=${STATEMENT_TIMEOUT_MS}`,
  ]);
}

/**
 * A pool for one tenant's database under its own role. Plans: a statement without a name is always planned for the values
 * at hand, and searches must stay so (a generic plan turned a 0.3 ms search by terms into 260 ms). The store names its
 * few key look-ups and writes, which then are planned once per connection: planning a read by id takes 0.5 ms, running
 * it 0.03.
 */
export function tenantPool(address: ServerAddress, budget: ConnectionBudget): pg.Pool {
  return pool(address, MAX_TENANT_CONNECTIONS, 'cenote', budget, [
    'plan_cache_mode=auto',
    `statement_timeout=${STATEMENT_TIMEOUT_MS}`,
    `lock_timeout=${LOCK_TIMEOUT_MS}`,
    `idle_in_transaction_session_timeout=${IDLE_IN_TRANSACTION_TIMEOUT_MS}`,
  ]);
}

function pool(
  address: ServerAddress,
  max: number,
  name: string,
  budget: ConnectionBudget | undefined,
  settings: readonly string[],
): pg.Pool {
  const made = new CleanPool(budget, {
    ...address,
    max,
    application_name: name,
    idleTimeoutMillis: IDLE_MS,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    maxLifetimeSeconds: MAX_CONNECTION_LIFE_S,
    options: settings.map((s) => `-c ${s}`).join(' '),
    types: typeParsers,
  });
  // An idle connection that breaks is dropped by the pool; without a listener it would end the process.
  made.on('error', () => {});
  // The pool listens to idle connections only. One that is lent and loses its server tells its query, and then its own
  // listeners: without one the process would end because a tenant was shredded or PostgreSQL restarted.
  made.on('connect', (client) => client.on('error', () => {}));
  return made;
}
