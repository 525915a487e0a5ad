import { coarseLevel } from '../core/blind.js';
import type { Clock } from '../core/clock.js';
import { Fault } from '../core/fault.js';
import type { Resource, StoredResource } from '../core/resource.js';
import { type ParameterRegistry, standardRegistry } from '../fhir/registry.js';
import { RESOURCE_TYPES, typeNumber } from '../fhir/resource-types.js';
import type { IndexContext } from '../indexing/parameter-type.js';
import type { Store, StoreTransaction } from '../store/contract.js';
import type { Snapshot } from '../store/snapshot.js';
import { narrowedOf } from '../store/visible.js';
import type { Tenant } from '../tenancy/tenant.js';
import { sortedPage } from './body-sort.js';
import type { Total } from './control.js';
import { type CursorScope, openCursor, type Position, sealCursor } from './cursor.js';
import { guess } from './estimate.js';
import { fillPage, type Recheck, streamMatches } from './fill.js';
import { includeFor } from './include.js';
import { START } from './order.js';
import { type ParsedSearch, parseSearch } from './parse-search.js';
import { planSearch } from './plan.js';
import { poolReader, type Reader, SEARCH_TIME_MS, snapshotReader, transactionReader } from './reader.js';
import { recheckerOf } from './recheck.js';
import type { Page, PageEntry, SearchRequest } from './request.js';
import { mentionsCodes, resolveCodes } from './resolve-codes.js';
import { shape } from './shape.js';
import { countStatement, type Find } from './statement.js';
import { queryString } from './syntax.js';
import type { Node } from './tree.js';
import { steadily, understand } from './understand.js';
import { codeKnowledge } from './value-sets.js';

/** Where `findMatches` looks: the tenant, or inside a write transaction, whose own writes it then sees. */
export type MatchScope = Tenant | { readonly tenant: Tenant; readonly tx: StoreTransaction };

export interface Search {
  /**
   * One page of a search.
   * @throws Fault `invalid` for parameters that cannot be understood (all unknown ones, when strict) and for page links
   * that are not ours, `timeout` when the database takes longer than allowed.
   */
  search(tenant: Tenant, request: SearchRequest): Promise<Page>;
  /**
   * Up to `limit` current resources of a type that match a query string, for conditional operations. Unknown
   * parameters and empty criteria are faults: they would select far more than was meant.
   */
  findMatches(
    scope: MatchScope,
    type: string,
    query: string,
    limit: number,
    base: string,
  ): Promise<StoredResource[]>;
  /**
   * All matches in row order, in batches of bounded size; `_count`, `_sort` and includes are not heeded. Of one moment
   * where a snapshot is given.
   */
  stream(tenant: Tenant, request: SearchRequest, within?: Snapshot): AsyncGenerator<StoredResource[]>;
  /**
   * What a search was understood as, without asking the database anything: R4's parameters alone are known to it.
   * @throws UnknownParameter; Fault `unsupported` for modifiers that need a value set or a hierarchy; `prepare` looks them up.
   */
  plan(tenant: Tenant, request: SearchRequest): PlannedSearch;
  /** What a search was understood as, for callers that work on its rows in SQL (cohorts). */
  prepare(tenant: Tenant, request: SearchRequest): Promise<PlannedSearch>;
}

export interface PlannedSearch {
  readonly find: Find;
  /** The index alone decides; no body need be opened. */
  readonly exact: boolean;
  readonly recheck: Recheck;
  readonly reader: Reader;
  readonly warnings: readonly Fault[];
}

export function createSearch(parts: { readonly store: Store; readonly clock: Clock }): Search {
  const { store, clock } = parts;

  function prepareNow(
    reader: Reader,
    parsed: ParsedSearch,
    base: string,
    registry: ParameterRegistry = standardRegistry,
  ) {
    const context: IndexContext = { blind: reader.tenant.keys.blind, base, now: clock.now(), registry };
    const { find, exact } = planSearch(parsed, reader.tenant.keys, context);
    const recheck = recheckerOf(parsed.trees, reader, context);
    return { context, find, exact, recheck };
  }

  /** As `prepareNow`, after value sets and hierarchies were looked up. */
  async function prepare(reader: Reader, parsed: ParsedSearch, base: string, registry: ParameterRegistry) {
    if (![...parsed.trees.values()].some(mentionsCodes)) return prepareNow(reader, parsed, base, registry);
    const knowledge = codeKnowledge(reader, { blind: reader.tenant.keys.blind, base });
    const trees = new Map<string, Node>();
    for (const [type, tree] of parsed.trees) trees.set(type, await resolveCodes(tree, knowledge));
    return prepareNow(reader, { ...parsed, trees }, base, registry);
  }

  return {
    async search(tenant, request) {
      const scope: CursorScope = {
        kind: 'search',
        type: request.type,
        compartment: request.compartment?.id,
        caller: request.caller,
      };
      const cursorText = request.params.find(([name]) => name === '_cursor')?.[1];
      const cursor = cursorText === undefined ? undefined : openCursor(tenant.keys, scope, cursorText);
      const reader = poolReader(store, tenant, SEARCH_TIME_MS);
      const asked = cursor ? { ...request, params: cursor.params } : request;
      return steadily(store, tenant, asked, async ({ parsed, registry }) => {
        const { context, find, exact, recheck } = await prepare(reader, parsed, request.base, registry);
        const { controls } = parsed;
        const self =
          cursorText === undefined ? queryString(parsed.used) : queryString([['_cursor', cursorText]]);

        if (controls.summary === 'count' || controls.count === 0) {
          const total =
            controls.summary !== 'count' && controls.total === 'estimate'
              ? await estimateTotal(reader, find, exact, recheck)
              : await countMatches(reader, find, exact, recheck);
          return { entries: [], total, self, warnings: parsed.warnings };
        }
        const from = cursor?.position ?? START;
        const page =
          find.order.kind === 'bodies'
            ? await sortedPage(reader, find, find.order.keys, from, controls.count, exact, recheck, registry)
            : await fillPage(reader, find, from, controls.count, exact, recheck);
        const included = await includeFor(reader, page.matches, controls.includes, context);
        const total =
          cursor?.total ?? (await totalOf(reader, find, exact, recheck, controls.total, from, page));
        const warnings = [...parsed.warnings, ...included.warnings];
        return {
          entries: entriesOf(page.matches, included.resources, parsed),
          ...(total === undefined ? {} : { total }),
          self,
          ...(page.next ? { next: nextLink(tenant, scope, parsed, page.next, total) } : {}),
          warnings,
        };
      });
    },

    async findMatches(scope, type, query, limit, base) {
      const reader =
        'tx' in scope ? transactionReader(scope.tenant, scope.tx) : poolReader(store, scope, SEARCH_TIME_MS);
      const params = [...new URLSearchParams(query)];
      const { parsed, registry } = await understand(
        store,
        reader.tenant,
        { type, params, strict: true, base },
        'tx' in scope ? scope.tx : undefined,
      );
      if (parsed.filters === 0)
        throw new Fault('precondition', 'The condition has no search parameter with a value.', {
          remedy: 'Name the resource by its identifier, such as identifier=system|value.',
        });
      const { find, exact, recheck } = await prepare(reader, parsed, base, registry);
      const { matches } = await fillPage(
        reader,
        { ...find, order: { kind: 'row' } },
        START,
        limit,
        exact,
        recheck,
      );
      return [...matches];
    },

    async *stream(tenant, request, within) {
      const reader = within ? snapshotReader(within) : poolReader(store, tenant);
      const { parsed, registry } = await understand(store, tenant, request);
      const { find, recheck } = await prepare(reader, parsed, request.base, registry);
      yield* streamMatches(reader, { ...find, order: { kind: 'row' } }, recheck);
    },

    plan(tenant, request) {
      const reader = poolReader(store, tenant);
      const parsed = parseSearch(request);
      const { find, exact, recheck } = prepareNow(reader, parsed, request.base);
      return { find, exact, recheck, reader, warnings: parsed.warnings };
    },

    async prepare(tenant, request) {
      const reader = poolReader(store, tenant);
      const { parsed, registry } = await understand(store, tenant, request);
      const { find, exact, recheck } = await prepare(reader, parsed, request.base, registry);
      return { find, exact, recheck, reader, warnings: parsed.warnings };
    },
  };
}

function nextLink(
  tenant: Tenant,
  scope: CursorScope,
  parsed: ParsedSearch,
  position: Position,
  total: number | undefined,
): string {
  const cursor = { params: parsed.used, position, ...(total === undefined ? {} : { total }) };
  return queryString([['_cursor', sealCursor(tenant.keys, scope, cursor)]]);
}

function entriesOf(
  matches: readonly StoredResource[],
  included: readonly StoredResource[],
  parsed: ParsedSearch,
): PageEntry[] {
  const { summary, elements } = parsed.controls;
  // "The list of elements does not apply to included resources" (R4 search.html#elements), unless it names their type.
  const along = (type: string) => elements.filter((element) => element.startsWith(`${type}.`));
  const entry = (resource: Resource, mode: PageEntry['mode']): PageEntry => ({ resource, mode });
  return [
    ...matches.map((r) => entry(shape(r, summary, elements), 'match')),
    ...included.map((r) => entry(shape(r, summary, along(r.resourceType)), 'include')),
  ];
}

async function totalOf(
  reader: Reader,
  find: Find,
  exact: boolean,
  recheck: Recheck,
  wanted: Total | undefined,
  from: Position,
  page: { matches: readonly StoredResource[]; next: Position | undefined; total?: number },
): Promise<number | undefined> {
  if (wanted === 'none') return undefined;
  if (page.total !== undefined) return page.total;
  // The first page holds them all: they are counted already.
  if (from === START && !page.next) return page.matches.length;
  if (wanted === undefined) return undefined;
  return wanted === 'estimate'
    ? estimateTotal(reader, find, exact, recheck)
    : countMatches(reader, find, exact, recheck);
}

async function countMatches(reader: Reader, find: Find, exact: boolean, recheck: Recheck): Promise<number> {
  if (exact) return Number((await reader.query(countStatement(find)))[0]!.n);
  let n = 0;
  for await (const batch of streamMatches(reader, { ...find, order: { kind: 'row' } }, recheck))
    n += batch.length;
  return n;
}

async function estimateTotal(reader: Reader, find: Find, exact: boolean, recheck: Recheck): Promise<number> {
  // The statistics are of all rows: to a caller who sees some of them they would tell of the others.
  // At other levels than `exact` a term is many values': its frequency says little of any.
  if (narrowedOf(reader.tenant) || (!exact && coarseLevel(reader.tenant.keys.blind)))
    return countMatches(reader, find, exact, recheck);
  return Math.round((await guess(reader, find.condition, find.types)).matches);
}

/** Types a search over several types may name: all of them. */
export const ALL_TYPE_NUMBERS: readonly number[] = RESOURCE_TYPES.map(typeNumber);
