import type { Resource, StoredResource } from '../core/resource.js';
import { matchesParameter, valuesOf } from '../indexing/index.js';
import { canGoTogether, findManyMatches, type Lookup } from '../search/match-many.js';
import { parseFilters, type SearchRegistry, UnknownParameter } from '../search/parse.js';
import { poolReader, transactionReader } from '../search/reader.js';
import { mentionsCodes } from '../search/resolve-codes.js';
import type { Search } from '../search/search.js';
import type { Node } from '../search/tree.js';
import type { Store, StoreTransaction } from '../store/contract.js';
import type { Tenant } from '../tenancy/tenant.js';
import type { Criteria } from './bundle-criteria.js';
import type { BundleDeps } from './bundle-options.js';

/**
 * What bundles and conditional interactions need, made of the store and the search. `baseOf` is the base that the
 * index was written with, by which absolute references to ourselves are known.
 */
export function bundleDeps(store: Store, search: Search, baseOf: (tenant: Tenant) => string): BundleDeps {
  return {
    store,
    find: async (tenant, criteria, limit, tx) => {
      // Whether there is one match, or more than one, is the common question, and one statement answers it.
      if (limit <= 2) return (await findMany(store, search, tenant, [criteria], tx, baseOf(tenant)))[0] ?? [];
      return search.findMatches(
        tx ? { tenant, tx } : tenant,
        criteria.type,
        queryOf(criteria),
        limit,
        baseOf(tenant),
      );
    },
    findMany: (tenant, criteria, tx) => findMany(store, search, tenant, criteria, tx, baseOf(tenant)),
    satisfies: (tenant, criteria, resource) =>
      satisfies(tenant, criteria, resource, baseOf(tenant), store.parameters.assumed(tenant).live),
  };
}

function queryOf({ params }: Criteria): string {
  return new URLSearchParams(params.map(([name, value]): [string, string] => [name, value])).toString();
}

/** Criteria that the index decides are looked up together, the rest one by one. */
async function findMany(
  store: Store,
  search: Search,
  tenant: Tenant,
  criteria: readonly Criteria[],
  tx: StoreTransaction | undefined,
  base: string,
): Promise<(readonly StoredResource[])[]> {
  const found: (readonly StoredResource[])[] = [];
  const together: { at: number; lookup: Lookup }[] = [];
  for (const [at, one] of criteria.entries()) {
    const lookup = plainLookup(search, tenant, one, base);
    if (lookup) together.push({ at, lookup });
    else found[at] = await search.findMatches(tx ? { tenant, tx } : tenant, one.type, queryOf(one), 2, base);
  }
  const matches = await findManyMatches(
    tx ? transactionReader(tenant, tx) : poolReader(store, tenant),
    together.map(({ lookup }) => lookup),
  );
  together.forEach(({ at }, i) => {
    found[at] = matches[i] ?? [];
  });
  return found;
}

/** Names that need no value set looked up: parameters with few modifiers, or chains of them. */
const PLAIN =
  /^[a-z-]+(:identifier|:exact|:[A-Z][A-Za-z]+)?(\.[a-z-]+(:identifier|:exact|:[A-Z][A-Za-z]+)?)*$/;

/** Criteria that the index decides. */
function plainLookup(
  search: Search,
  tenant: Tenant,
  { type, params }: Criteria,
  base: string,
): Lookup | undefined {
  if (!params.every(([name]) => PLAIN.test(name))) return undefined;
  let lookup: Lookup;
  try {
    lookup = { type, plan: search.plan(tenant, { type, params, strict: true, base }) };
  } catch (error) {
    // It may be one of the tenant's own parameters, which have to be looked up first.
    if (error instanceof UnknownParameter) return undefined;
    throw error;
  }
  return canGoTogether(lookup) ? lookup : undefined;
}

/** Criteria are compared with many resources and parsed once. */
const trees = new WeakMap<Criteria, Node>();

/** Whether a resource that is not stored yet satisfies criteria; undefined where only other resources can tell. */
function satisfies(
  tenant: Tenant,
  criteria: Criteria,
  resource: Resource,
  base: string,
  registry: SearchRegistry,
): boolean | undefined {
  let tree = trees.get(criteria);
  if (!tree) {
    tree = parseFilters(criteria.type, criteria.params, registry);
    trees.set(criteria, tree);
  }
  return holds(tree, resource, { blind: tenant.keys.blind, base });
}

function holds(
  node: Node,
  resource: Resource,
  context: { blind: Tenant['keys']['blind']; base: string },
): boolean | undefined {
  switch (node.kind) {
    case 'everything':
      return true;
    case 'nothing':
      return false;
    case 'and': {
      const parts = node.of.map((part) => holds(part, resource, context));
      return parts.includes(false) ? false : parts.includes(undefined) ? undefined : true;
    }
    case 'or': {
      const parts = node.of.map((part) => holds(part, resource, context));
      return parts.includes(true) ? true : parts.includes(undefined) ? undefined : false;
    }
    case 'not': {
      const held = holds(node.of, resource, context);
      return held === undefined ? undefined : !held;
    }
    case 'chain':
      // Whoever refers to nobody refers to nobody who is such.
      return valuesOf(node.query.parameter, resource).length === 0 ? false : undefined;
    case 'parameter':
      if (mentionsCodes(node)) return undefined;
      return matchesParameter(node.query, resource, context);
    case 'coded-quantity':
      return (
        matchesParameter(node.code, resource, context) && matchesParameter(node.quantity, resource, context)
      );
    case 'id':
      return resource.id !== undefined && node.ids.includes(resource.id);
    default:
      return undefined;
  }
}
