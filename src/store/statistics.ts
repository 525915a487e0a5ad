import type { Tenant } from '../tenancy/tenant.js';
import { run } from './database.js';

/** Share of the resources from which on what was written changes what the planner expects; autovacuum's own rule. */
const CHANGED_SHARE = 0.1;

/** Tables by whose statistics searches choose between walking and fetching. */
const TABLES = 'resource, locator, idx_date, idx_quantity, idx_reference, idx_sorted';

/**
 * Brings the planner's statistics up to date after a bulk write. They are read from a sample of 90,000 rows, which takes
 * a second however little was written, so a write that is small beside what was there before leaves them as they are.
 * @param written resources that got a new version
 * @returns whether they were read anew
 */
export async function refreshStatistics(tenant: Tenant, written: number): Promise<boolean> {
  if (written === 0) return false;
  const [state] = await run<{ counted: number; changed: bigint }>(
    tenant.pool,
    `select reltuples as counted, pg_stat_get_mod_since_analyze(oid) as changed
     from pg_class where oid = 'resource'::regclass`,
  );
  // Not counted yet: below zero. What connections changed in their last second may not be in the sum.
  const { counted, changed } = state!;
  if (Math.max(written, Number(changed)) < CHANGED_SHARE * counted) return false;
  // Before PostgreSQL 17 the tenant's role may not: the server then skips the tables with a warning, and autovacuum
  // does it within minutes.
  await tenant.pool.query(`analyze ${TABLES}`);
  return true;
}
