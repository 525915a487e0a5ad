import pg from 'pg';
import { Fault } from '../core/fault.js';
import type { ServerAddress } from './postgres/embedded.js';

const CONNECT_TIMEOUT_MS = 15_000;
const OLDEST_MAJOR = 15;
const NEWEST_MAJOR = 18;

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
  /^(?:E(?:CONN|PIPE|TIMEDOUT|NOTFOUND|AI_|HOSTUNREACH|NETUNREACH)|08|57P0[123]|53300|28|3D000|42501)/;
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
    '42501': 'it does not let this role in',
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
