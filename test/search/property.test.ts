import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Resource } from '../../src/core/resource.js';
import { conjuncts } from '../../src/search/condition.js';
import { START } from '../../src/search/order.js';
import { poolReader } from '../../src/search/reader.js';
import type { Page } from '../../src/search/request.js';
import type { Search } from '../../src/search/search.js';
import { foundRow, rowsStatement } from '../../src/search/statement.js';
import { spineOf, walkStatement } from '../../src/search/walk-statement.js';
import type { Store } from '../../src/store/contract.js';
import type { Tenant } from '../../src/tenancy/tenant.js';
import { type TestSystem, testSystem } from '../support/system.js';
import { compareBy, naiveSearch } from './model.js';
import { type Param, question, resources, sorted } from './random.js';

/** Cases of the properties that walk pages and compare statements, several round trips each. */
const RUNS = 150;
/** Cases of search against looking at every resource: `CENOTE_PROPERTY_CASES`, and never fewer than 10,000 in CI. */
const CASES = Number(process.env.CENOTE_PROPERTY_CASES ?? (process.env.CI ? 10_000 : 1_000));
/** A seed of its own each time, printed, so that a run can be repeated with `CENOTE_PROPERTY_SEED`. */
const SEED = Number(process.env.CENOTE_PROPERTY_SEED ?? Date.now() % 2 ** 31);
/** Cases asked for at once, and cases between two sets of resources. */
const AT_ONCE = 25;
const PER_SET = 500;
const actor = { id: 'test', kind: 'job' as const };

let system: TestSystem;
let tenant: Tenant;
let store: Store;
let search: Search;
let base: string;
let all: Resource[];

beforeAll(async () => {
  system = await testSystem({ tenants: ['a'] });
  const rooms = await system.rooms();
  ({ store, search } = rooms);
  tenant = await system.tenant('a');
  base = rooms.baseOf(tenant);
  all = fc.sample(resources, { numRuns: 1, seed: 20 })[0] as Resource[];
  // Everything was something else before, so that stale index rows would show.
  await write(fc.sample(resources, { numRuns: 1, seed: 7 })[0] as Resource[]);
  await write(all);
});

afterAll(() => system.close());

function write(list: readonly Resource[]): Promise<unknown> {
  return store.commit(
    tenant,
    list.map((resource) => ({ op: 'update', type: resource.resourceType, id: resource.id!, resource })),
    actor,
  );
}

async function walkAll(type: string, params: readonly Param[], size: number): Promise<string[]> {
  const ids: string[] = [];
  let next: readonly (readonly [string, string])[] | undefined = [...params, ['_count', String(size)]];
  while (next) {
    const page: Page = await search.search(tenant, { type, params: next, strict: true, base });
    ids.push(...page.entries.map((e) => e.resource.id!));
    next = page.next === undefined ? undefined : [...new URLSearchParams(page.next)];
  }
  return ids;
}

test('search finds exactly what looking at every resource finds, in pages of any size, and counts it', async () => {
  await fc.assert(
    fc.asyncProperty(question, fc.constantFrom(1, 3, 50), async ([type, params], size) => {
      const context = { blind: tenant.keys.blind, base };
      const expected = naiveSearch(all, type, params, context);
      expect((await walkAll(type, params, size)).sort()).toEqual(expected);
      const count = await search.search(tenant, {
        type,
        params: [...params, ['_summary', 'count']],
        strict: true,
        base,
      });
      expect(count.total).toBe(expected.length);
    }),
    { numRuns: RUNS, seed: 1 },
  );
});

test(`${CASES} random searches over random resources find what looking at every resource finds`, async () => {
  console.info(`property of search: ${CASES} cases, CENOTE_PROPERTY_SEED=${SEED}`);
  const context = { blind: tenant.keys.blind, base };
  const before = all;
  let tried = 0;
  let matched = 0;
  for (let set = 0; tried < CASES; set++) {
    const seed = SEED + set;
    const [records] = fc.sample(resources, { numRuns: 1, seed }) as [Resource[]];
    await write(records);
    const questions = fc.sample(question, { numRuns: Math.min(PER_SET, CASES - tried), seed });
    for (let i = 0; i < questions.length; i += AT_ONCE) {
      const batch = questions.slice(i, i + AT_ONCE);
      const pages = await Promise.all(
        batch.map(([type, params]) =>
          search.search(tenant, { type, params: [...params, ['_count', '100']], strict: true, base }),
        ),
      );
      pages.forEach((page, k) => {
        const [type, params] = batch[k]!;
        const expected = naiveSearch(records, type, params, context);
        const text = `${type}?${params.map((p) => p.join('=')).join('&')}`;
        const found = page.entries.map((e) => e.resource.id!).sort();
        expect({ seed, text, found }).toEqual({ seed, text, found: expected });
        if (expected.length > 0) matched++;
      });
    }
    tried += questions.length;
  }
  await write(before);
  // The generators must not drift into searches that never find anything.
  expect(matched / tried).toBeGreaterThan(0.2);
}, 600_000);

test('several sort keys give the order of the values, in pages of any size, each resource once', async () => {
  await fc.assert(
    fc.asyncProperty(sorted, fc.constantFrom(2, 5, 50), async ([type, params, keys], size) => {
      const context = { blind: tenant.keys.blind, base };
      const expected = naiveSearch(all, type, params, context);
      const found = await walkAll(type, [...params, ['_sort', keys.join(',')]], size);
      expect([...found].sort()).toEqual(expected);
      const rows = found.map((id) => all.find((r) => r.resourceType === type && r.id === id)!);
      for (let i = 1; i < rows.length; i++)
        expect(compareBy(keys, rows[i - 1]!, rows[i]!)).toBeLessThanOrEqual(0);
    }),
    { numRuns: RUNS, seed: 3 },
  );
});

test('walking an ordered index and fetching by the most selective one give the same rows in the same order', async () => {
  const reader = poolReader(store, tenant);
  await fc.assert(
    fc.asyncProperty(question, fc.constantFrom('', 'date', '-date'), async ([type, params], sort) => {
      const sorted = sort !== '' && (type === 'Observation' || type === 'Encounter');
      const request = {
        type,
        params: [...params, ...(sorted ? [['_sort', sort] as Param] : [])],
        strict: true,
        base,
      };
      const { find } = search.plan(tenant, request);
      const spine = spineOf(find, 0);
      if (!spine) return;
      const rids = async (statement: ReturnType<typeof rowsStatement>) =>
        (await reader.query(statement)).map((r) => String(foundRow(r, find.order).row.rid));
      const fetched = await rids(rowsStatement(find, START, 100));
      for (const driver of conjuncts(find.condition))
        if (find.order.kind === 'row')
          expect(await rids(rowsStatement(find, START, 100, driver))).toEqual(fetched);
      expect(await rids(walkStatement(find, spine, START, 100, 1_000))).toEqual(fetched);
    }),
    { numRuns: RUNS, seed: 2 },
  );
});
