import { Fault } from '../core/fault.js';
import type { StoredResource } from '../core/resource.js';
import type { StoreTransaction } from '../store/contract.js';
import type { Tenant } from '../tenancy/tenant.js';
import type { Criteria } from './bundle-criteria.js';

/**
 * Finds the current resources that satisfy criteria; more than `limit` are not looked for. Unknown parameters are a
 * fault, as ignoring one would widen the criteria. Inside a transaction it must see what others committed before the
 * criteria's lock was taken, so it runs on the transaction's own connection.
 */
export type FindMatches = (
  tenant: Tenant,
  criteria: Criteria,
  limit: number,
  tx: StoreTransaction | undefined,
) => Promise<readonly StoredResource[]>;

/**
 * The one match, or none.
 * @throws Fault `precondition` for several (R4 http.html#ccreate, #cond-update).
 */
export async function oneMatch(
  find: FindMatches,
  tenant: Tenant,
  criteria: Criteria,
  at: string | undefined,
  tx?: StoreTransaction,
): Promise<StoredResource | undefined> {
  const found = await find(tenant, criteria, 2, tx);
  if (found.length > 1) throw severalMatches(at);
  return found[0];
}

export function severalMatches(at: string | undefined): Fault {
  return new Fault('precondition', 'The criteria match more than one resource.', {
    at,
    issueCode: 'multiple-matches',
    remedy: 'Use criteria that only one resource can satisfy, such as an identifier with its system.',
  });
}
