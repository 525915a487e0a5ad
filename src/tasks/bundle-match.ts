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

/** Looks up many criteria at once, answers in their order; each answer holds at most two matches. */
export type FindMany = (
  tenant: Tenant,
  criteria: readonly Criteria[],
  tx: StoreTransaction | undefined,
) => Promise<readonly (readonly StoredResource[])[]>;

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

/**
 * What each of the criteria matches, at most two, apart from resources named `Type/id` in `gone`: those that the same
 * transaction deletes before it looks, or writes anew.
 */
export async function matchesBesides(
  deps: { readonly findMany: FindMany; readonly find: FindMatches },
  tenant: Tenant,
  criteria: readonly Criteria[],
  gone: ReadonlySet<string>,
  tx: StoreTransaction | undefined,
): Promise<(readonly StoredResource[])[]> {
  const staying = (found: readonly StoredResource[]) =>
    found.filter(({ resourceType, id }) => !gone.has(`${resourceType}/${id}`));
  const found = await deps.findMany(tenant, criteria, tx);
  const kept: (readonly StoredResource[])[] = [];
  for (const [i, one] of criteria.entries()) {
    const first = found[i] ?? [];
    const rest = staying(first);
    // Two were looked for: behind those that go there may be others.
    const more = rest.length < first.length && first.length >= 2;
    kept.push(more ? staying(await deps.find(tenant, one, gone.size + 2, tx)) : rest);
  }
  return kept;
}

export function severalMatches(at: string | undefined): Fault {
  return new Fault('precondition', 'The criteria match more than one resource.', {
    at,
    issueCode: 'multiple-matches',
    remedy: 'Use criteria that only one resource can satisfy, such as an identifier with its system.',
  });
}
