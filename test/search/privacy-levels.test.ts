import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { IndexPrivacy } from '../../src/core/blind.js';
import type { Resource } from '../../src/core/resource.js';
import type { Search } from '../../src/search/search.js';
import type { Store } from '../../src/store/contract.js';
import type { Tenant } from '../../src/tenancy/tenant.js';
import { type TestSystem, testSystem } from '../support/system.js';
import { compareBy, naiveSearch } from './model.js';
import { type Param, question, resources, sorted } from './random.js';

/** Cases of each property at each level; `CENOTE_PRIVACY_CASES` for a long run. */
const CASES = Number(process.env.CENOTE_PRIVACY_CASES ?? 60);
const SEED = Number(process.env.CENOTE_PROPERTY_SEED ?? Date.now() % 2 ** 31);
const AT_ONCE = 12;
const actor = { id: 'test', kind: 'job' as const };
const LEVELS: readonly IndexPrivacy[] = ['bucketed', 'none'];

let system: TestSystem;

beforeAll(async () => {
  system = await testSystem({ tenants: [] });
  for (const indexPrivacy of LEVELS) await system.tenants.create(indexPrivacy, { indexPrivacy });
});

afterAll(() => system.close());

describe.each(LEVELS)('an index of level %s', (level) => {
  let tenant: Tenant;
  let store: Store;
  let search: Search;
  let base: string;
  let all: Resource[];

  const write = (list: readonly Resource[]) =>
    store.commit(
      tenant,
      list.map((resource) => ({ op: 'update', type: resource.resourceType, id: resource.id!, resource })),
      actor,
    );

  const walk = async (type: string, params: readonly Param[], size: number): Promise<string[]> => {
    const ids: string[] = [];
    let next: readonly (readonly [string, string])[] | undefined = [...params, ['_count', String(size)]];
    while (next) {
      const page = await search.search(tenant, { type, params: next, strict: true, base });
      ids.push(...page.entries.map((e) => e.resource.id!));
      next = page.next === undefined ? undefined : [...new URLSearchParams(page.next)];
    }
    return ids;
  };

  beforeAll(async () => {
    const rooms = await system.rooms();
    ({ store, search } = rooms);
    tenant = await system.tenant(level);
    base = rooms.baseOf(tenant);
    await write(fc.sample(resources, { numRuns: 1, seed: SEED + 1 })[0] as Resource[]);
    all = fc.sample(resources, { numRuns: 1, seed: SEED })[0] as Resource[];
    await write(all);
  });

  test(`finds and counts what looking at every resource finds, in ${CASES} random searches`, async () => {
    console.info(`${level}: CENOTE_PROPERTY_SEED=${SEED}`);
    const context = { blind: tenant.keys.blind, base };
    const questions = fc.sample(question, { numRuns: CASES, seed: SEED });
    for (let i = 0; i < questions.length; i += AT_ONCE)
      await Promise.all(
        questions.slice(i, i + AT_ONCE).map(async ([type, params], k) => {
          const expected = naiveSearch(all, type, params, context);
          const text = `${type}?${params.map((p) => p.join('=')).join('&')}`;
          const found = (await walk(type, params, [1, 3, 50][k % 3]!)).sort();
          expect({ text, found }).toEqual({ text, found: expected });
          const asked = [
            ['_summary', 'count'],
            ['_total', 'accurate'],
          ][k % 2] as Param;
          const counted = await search.search(tenant, {
            type,
            params: [...params, asked, ...(k % 2 ? [['_count', '0'] as Param] : [])],
            strict: true,
            base,
          });
          expect({ text, total: counted.total }).toEqual({ text, total: expected.length });
        }),
      );
  }, 300_000);

  test('gives every order that values have, in pages of any size, each resource once', async () => {
    const context = { blind: tenant.keys.blind, base };
    const questions = fc.sample(sorted, { numRuns: CASES / 2, seed: SEED });
    for (let i = 0; i < questions.length; i += AT_ONCE)
      await Promise.all(
        questions.slice(i, i + AT_ONCE).map(async ([type, params, keys], k) => {
          const found = await walk(type, [...params, ['_sort', keys.join(',')]], [2, 5, 50][k % 3]!);
          expect([...found].sort()).toEqual(naiveSearch(all, type, params, context));
          const rows = found.map((id) => all.find((r) => r.resourceType === type && r.id === id)!);
          for (let at = 1; at < rows.length; at++)
            expect(compareBy(keys, rows[at - 1]!, rows[at]!), keys.join()).toBeLessThanOrEqual(0);
        }),
      );
  }, 300_000);

  test('agrees with the rows that are stored', async () => {
    const report = await store.verify(tenant);
    expect(report.differences).toEqual({});
  });
});
