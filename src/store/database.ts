import type pg from 'pg';
import { Fault } from '../core/fault.js';

/** What runs a query: a pool for single reads, a client inside a transaction. */
export type Queryable = Pick<pg.ClientBase, 'query'> | Pick<pg.Pool, 'query'>;

/**
 * Runs one statement. With a name it is prepared once per connection. The tenant's pool reads int8 as bigint, since keyed
 * hashes fill all 64 bits.
 * @throws Fault `unavailable` | `timeout` for what the database says of itself; other errors as they are.
 */
export async function run<Row>(
  db: Queryable,
  text: string,
  values: readonly unknown[] = [],
  name?: string,
): Promise<Row[]> {
  const result = await (db as pg.ClientBase).query({ text, values: values as unknown[], name });
  return result.rows as Row[];
}

/**
 * SQL states after which the same transaction may succeed: serialization failure, deadlock, a lock not had in time, a
 * segment id met twice.
 */
const RETRIABLE = new Set(['40001', '40P01', '55P03', '23505']);

export function isRetriable(error: unknown): boolean {
  return RETRIABLE.has((error as { code?: string } | undefined)?.code ?? '');
}

/** 28 and 3D000: the role is not let in, or its database is not there, as where a tenant was moved or shredded meanwhile. */
const CONNECTION_CODES = /^(08|28|3D000|57P0[123]|53300|ECONN|ETIMEDOUT|EPIPE|ENOTFOUND)/;

/** A database error as a Fault; Faults and programming errors pass through. */
export function faultOf(error: unknown): unknown {
  if (error instanceof Fault) return error;
  const { code, message } = (error ?? {}) as { code?: string; message?: string };
  if (code && CONNECTION_CODES.test(code))
    return new Fault('unavailable', 'The database of this tenant cannot be reached now.', {
      remedy: 'Try again in a moment.',
      log: `database error ${code}`,
      cause: error,
    });
  if (
    message &&
    /Connection terminated|timeout exceeded when trying to connect|connection error/.test(message)
  )
    return new Fault('unavailable', 'The database of this tenant cannot be reached now.', {
      remedy: 'Try again in a moment.',
      log: message,
      cause: error,
    });
  // insufficient_privilege: the role has its rights taken away while its database is copied, and in the old one for good.
  if (code === '42501')
    return new Fault('unavailable', 'This tenant takes no writes now: it is being moved, or was moved.', {
      remedy: 'Try again in a moment; if it goes on, the operator may look with: cenote tenant show',
      log: `database error ${code}`,
      cause: error,
    });
  if (code === '57014')
    return new Fault('timeout', 'The database did not finish in the time allowed.', {
      remedy: 'Ask for less at once, or try again.',
      log: 'statement timeout',
      cause: error,
    });
  // disk_full, out_of_memory, and the limits of the machine it runs on.
  if (code && /^53[124]00$/.test(code))
    return new Fault('unavailable', 'The database has no room left.', {
      remedy: 'Make room on its disk (or give it more memory), then try again: nothing is half written.',
      log: `database error ${code}`,
      cause: error,
    });
  if (code === '55P03' || code === '40001' || code === '40P01' || code === '23505')
    return new Fault('conflict', 'Other writers held the same resources for too long.', {
      remedy: 'Try again.',
      log: `SQL state ${code} after retries`,
      cause: error,
    });
  return error;
}

/** Array literals: pg's own quoting of arrays costs three times as much, and these values need none. */
export function intArray(values: readonly (number | bigint | null)[]): string {
  let out = '{';
  for (let i = 0; i < values.length; i++) {
    if (i > 0) out += ',';
    const v = values[i]!;
    out += v === null ? 'NULL' : v;
  }
  return `${out}}`;
}
