import pg from 'pg';
import { Fault } from '../core/fault.js';
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

const OLDEST_MAJOR = 15;
const NEWEST_MAJOR = 18;

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

/** A pool for the control database. */
export function controlPool(address: ServerAddress): pg.Pool {
  return pool(address, MAX_CONTROL_CONNECTIONS, 'cenote control', [
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
export function tenantPool(address: ServerAddress): pg.Pool {
  return pool(address, MAX_TENANT_CONNECTIONS, 'cenote', [
    'plan_cache_mode=auto',
    `statement_timeout=${STATEMENT_TIMEOUT_MS}`,
    `lock_timeout=${LOCK_TIMEOUT_MS}`,
    `idle_in_transaction_session_timeout=${IDLE_IN_TRANSACTION_TIMEOUT_MS}`,
  ]);
}

function pool(address: ServerAddress, max: number, name: string, settings: readonly string[]): pg.Pool {
  const made = new CleanPool({
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
  return made;
}

type Connected = (
  error: Error | undefined,
  client: pg.PoolClient | undefined,
  done: (release?: unknown) => void,
) => void;

/**
 * A pool that closes a connection given back in the middle of a transaction, rather than hand it on: the next one to
 * use it would work inside somebody else's transaction, or find it aborted.
 */
class CleanPool extends pg.Pool {
  override connect(): Promise<pg.PoolClient>;
  override connect(callback: Connected): void;
  override connect(callback?: Connected): Promise<pg.PoolClient> | undefined {
    if (!callback) return super.connect().then(closeIfDirty);
    super.connect((error, client) => {
      const clean = client && closeIfDirty(client);
      callback(error, clean, clean ? (clean.release as (release?: unknown) => void) : () => {});
    });
    return undefined;
  }
}

function closeIfDirty(client: pg.PoolClient): pg.PoolClient {
  const release = client.release;
  client.release = (destroy) => {
    const status = client.getTransactionStatus();
    release(destroy || (status !== 'I' && status !== null) ? destroy || true : undefined);
  };
  return client;
}

/** Runs `work` on one connection of the administrator and closes it. @throws Fault `unavailable` if unreachable. */
export async function asAdmin<T>(
  address: ServerAddress,
  work: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = new pg.Client({
    ...address,
    application_name: 'cenote admin',
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
  });
  client.on('error', () => {});
  try {
    await client.connect();
  } catch (cause) {
    throw connectFault(cause);
  }
  try {
    return await work(client);
  } finally {
    await client.end().catch(() => {});
  }
}

/** @throws Fault `unsupported` in one line where the server is none of PostgreSQL 15 to 18. */
export async function checkServerVersion(client: pg.ClientBase): Promise<number> {
  const { rows } = await client.query<{ server_version_num: string }>('show server_version_num');
  const major = Math.floor(Number(rows[0]?.server_version_num) / 10_000);
  if (major < OLDEST_MAJOR || major > NEWEST_MAJOR)
    throw new Fault('unsupported', `The database server is PostgreSQL ${major}; Cenote needs 15 to 18.`, {
      remedy: 'Set DATABASE_URL to such a server, or unset it to use the embedded one.',
    });
  return major;
}

const CONNECTION_CODES =
  /^(?:E(?:CONN|PIPE|TIMEDOUT|NOTFOUND|AI_|HOSTUNREACH|NETUNREACH)|08|57P0[123]|53300|28|3D000)/;
const CONNECTION_MESSAGES =
  /connection terminated|timeout exceeded when trying to connect|client was closed|not queryable/i;

/** Whether an error says that the database cannot be had now, rather than that a statement was wrong. */
export function isConnectionError(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code } = error as { code?: unknown };
  return typeof code === 'string' ? CONNECTION_CODES.test(code) : CONNECTION_MESSAGES.test(error.message);
}

/** What a failed connection means; names no host and no password. */
export function connectFault(cause: unknown): Fault {
  const { code } = cause as { code?: string };
  const why: Record<string, string> = {
    ECONNREFUSED: 'nothing listens at its address',
    ENOTFOUND: 'its host name is not known',
    ETIMEDOUT: 'it did not answer in time',
    '28P01': 'it does not accept the password',
    '28000': 'it does not accept the user',
    '3D000': 'the database named does not exist',
    '53300': 'it has no free connection',
    '57P03': 'it is starting or stopping',
  };
  return new Fault(
    'unavailable',
    `The database cannot be reached: ${why[code ?? ''] ?? 'the connection failed'}.`,
    {
      remedy: 'Check DATABASE_URL and that the server runs.',
      log: cause instanceof Error ? cause.message : String(cause),
      cause,
    },
  );
}
