import { Fault } from '../core/fault.js';
import { type ParameterRegistry, standardRegistry } from '../fhir/registry.js';
import type { Store, StoreTransaction } from '../store/contract.js';
import type { Tenant } from '../tenancy/tenant.js';
import type { SearchRegistry } from './parse.js';
import { type ParsedSearch, parseSearch } from './parse-search.js';
import type { SearchRequest } from './request.js';

/** A search request, understood by the parameters that the tenant has at this moment. */
export interface Understood {
  readonly parsed: ParsedSearch;
  readonly registry: ParameterRegistry;
  /** Epoch of the tenant's own parameters; undefined where none of them is used. */
  readonly epoch: number | undefined;
}

/**
 * Parses a request. Most name R4's parameters alone, and the database is not asked for the tenant's own; where one is
 * missing, or all are meant (`_include=*`), it is, so that no search relies on a parameter that is no longer indexed.
 * Inside a transaction its own connection is asked.
 * @throws as `parseSearch`
 */
export async function understand(
  store: Store,
  tenant: Tenant,
  request: SearchRequest,
  tx?: StoreTransaction,
): Promise<Understood> {
  let missed = false;
  const watched: SearchRegistry = {
    parametersOf: standardRegistry.parametersOf,
    find(type, code) {
      const found = standardRegistry.find(type, code);
      if (!found) missed = true;
      return found;
    },
  };
  try {
    const parsed = parseSearch(request, watched);
    missed ||= parsed.controls.includes.some(({ parameter }) => parameter === '*');
    if (!missed) return { parsed, registry: standardRegistry, epoch: undefined };
  } catch (error) {
    if (!missed) throw error;
  }
  const { live, indexed, epoch } = await store.parameters.current(tenant, tx);
  const registry: SearchRegistry = {
    parametersOf: (type) => live.parametersOf(type),
    find: (type, code) => live.find(type, code),
    isPending: (type, code) => !live.find(type, code) && indexed.find(type, code) !== undefined,
  };
  return { parsed: parseSearch(request, registry), registry: live, epoch };
}

/** A search that finds the parameters changed under it is done anew, at most this often. */
const MAX_ATTEMPTS = 3;

/**
 * Does a search, and again where the tenant's parameters changed while it used one: what it read may have been indexed
 * by the old ones in part and by the new ones in part.
 */
export async function steadily<T>(
  store: Store,
  tenant: Tenant,
  request: SearchRequest,
  work: (understood: Understood) => Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    const understood = await understand(store, tenant, request);
    const answer = await work(understood);
    if (understood.epoch === undefined) return answer;
    if ((await store.parameters.current(tenant)).epoch === understood.epoch) return answer;
    if (attempt === MAX_ATTEMPTS) {
      throw new Fault('conflict', 'The search parameters of this tenant are being changed.', {
        remedy: 'Try again in a moment.',
      });
    }
  }
}
