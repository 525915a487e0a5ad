import type { Clock } from '../core/clock.js';
import type { Tenant } from '../tenancy/tenant.js';
import { run } from './database.js';

/** A write takes its time at most this long before its transaction begins; clocks of several servers differ a little. */
const SETTLE_MS = 2_000;
/** What is settled stays so: what begins later has later times. Looking costs a round trip. */
const LIFE_MS = 1_000;

const looks = new WeakMap<Tenant['keys'], { readonly at: number; readonly upTo: number }>();

/**
 * Up to when all that was written is seen by whoever looks from now on: ms since the epoch. A write gets its time before
 * it commits, so this is before the beginning of the oldest transaction under way. Those that only export are under way
 * for long, and give no write a time.
 */
export async function settledUpTo(tenant: Tenant, clock: Clock): Promise<number> {
  const at = performance.now();
  const known = looks.get(tenant.keys);
  if (known && at - known.at < LIFE_MS) return known.upTo;
  const now = clock.now();
  const [row] = await run<{ age: number | null }>(
    tenant.pool,
    `select extract(epoch from clock_timestamp() - min(xact_start))::float8 * 1000 as age from pg_stat_activity
       where datname = current_database() and pid <> pg_backend_pid() and xact_start is not null
         and backend_type = 'client backend' and application_name <> 'cenote snapshot'`,
    [],
    'store-settled',
  );
  const upTo = Math.floor(now - Math.max(0, row?.age ?? 0) - SETTLE_MS);
  looks.set(tenant.keys, { at, upTo });
  return upTo;
}
