import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Resource } from '../../src/core/resource.js';
import type { Search } from '../../src/search/search.js';
import type { Store } from '../../src/store/contract.js';
import type { Tenant } from '../../src/tenancy/tenant.js';
import { type TestSystem, testSystem } from '../support/system.js';

/** In which order results come, by each type of parameter. */

const actor = { id: 'test', kind: 'job' as const };
const UCUM = 'http://unitsofmeasure.org';
let system: TestSystem;
let tenant: Tenant;
let store: Store;
let search: Search;
let base: string;

const quantity = (value: number, code?: string, comparator?: string) => ({
  value,
  ...(comparator ? { comparator } : {}),
  ...(code ? { system: UCUM, code } : {}),
});
const observation = (id: string, more: object): Resource => ({
  resourceType: 'Observation',
  id,
  status: 'final',
  code: { coding: [{ system: 'urn:c', code: 'weight' }] },
  ...more,
});
const of = (id: string, value: number, code?: string, comparator?: string) =>
  observation(id, { valueQuantity: quantity(value, code, comparator) });
const parts = (id: string, ...values: object[]) =>
  observation(id, {
    code: { coding: [{ system: 'urn:c', code: 'parts' }] },
    component: values.map((valueQuantity) => ({
      code: { coding: [{ system: 'urn:c', code: 'x' }] },
      valueQuantity,
    })),
  });

const RECORDS: Resource[] = [
  of('mg1500', 1500, 'mg'),
  of('g1', 1, 'g'),
  of('kg2', 2, 'kg'),
  of('mg2', 2, 'mg'),
  of('g300', 300, 'g'),
  of('kg0.001', 0.001, 'kg'),
  of('below-mg1', 1, 'mg', '<'),
  observation('none', {}),
  parts('mg1500-g2', quantity(1500, 'mg'), quantity(2, 'g')),
  parts('kg1-mg1', quantity(1, 'kg'), quantity(1, 'mg')),
  parts('g5', quantity(5, 'g')),
  {
    resourceType: 'RiskAssessment',
    id: 'r0.2',
    status: 'final',
    subject: { reference: 'Patient/p' },
    prediction: [{ probabilityDecimal: 0.2 }],
  },
  {
    resourceType: 'RiskAssessment',
    id: 'r0.15',
    status: 'final',
    subject: { reference: 'Patient/p' },
    prediction: [{ probabilityDecimal: 0.15 }, { probabilityDecimal: 0.9 }],
  },
  { resourceType: 'RiskAssessment', id: 'r', status: 'final', subject: { reference: 'Patient/p' } },
  { resourceType: 'ValueSet', id: 'b', status: 'active', url: 'http://example.org/b', name: 'Émile' },
  { resourceType: 'ValueSet', id: 'a', status: 'draft', url: 'http://example.org/a', name: 'zoe' },
  { resourceType: 'ValueSet', id: 'c', status: 'active', name: 'Adam' },
];

beforeAll(async () => {
  system = await testSystem({ tenants: ['a'] });
  const rooms = await system.rooms();
  ({ store, search } = rooms);
  tenant = await system.tenant('a');
  base = rooms.baseOf(tenant);
  await store.commit(
    tenant,
    RECORDS.map((resource) => ({ op: 'create', type: resource.resourceType, id: resource.id!, resource })),
    actor,
  );
});

afterAll(() => system.close());

/** All of a result, in pages of two. */
async function order(type: string, query: string): Promise<string[]> {
  const seen: string[] = [];
  for (let link: string | undefined = `${query}&_count=2`; link !== undefined; ) {
    const page = await search.search(tenant, {
      type,
      params: [...new URLSearchParams(link)],
      strict: true,
      base,
    });
    seen.push(...page.entries.map((e) => e.resource.id!));
    link = page.next;
  }
  return seen;
}

test.each([
  [
    'a quantity, whatever its unit',
    'Observation',
    'code=weight&_sort=value-quantity',
    ['below-mg1', 'mg2', ['g1', 'kg0.001'], 'mg1500', 'g300', 'kg2', 'none'],
  ],
  [
    'a quantity, largest first',
    'Observation',
    'code=weight&_sort=-value-quantity',
    ['kg2', 'g300', 'mg1500', ['g1', 'kg0.001'], 'mg2', 'below-mg1', 'none'],
  ],
  [
    'a quantity, among bodies',
    'Observation',
    'code=weight&_sort=status,value-quantity',
    ['below-mg1', 'mg2', ['g1', 'kg0.001'], 'mg1500', 'g300', 'kg2', 'none'],
  ],
  [
    'a quantity, among bodies, largest first',
    'Observation',
    'code=weight&_sort=status,-value-quantity',
    ['kg2', 'g300', 'mg1500', ['g1', 'kg0.001'], 'mg2', 'below-mg1', 'none'],
  ],
  [
    'the least of several quantities',
    'Observation',
    'code=parts&_sort=component-value-quantity',
    ['kg1-mg1', 'mg1500-g2', 'g5'],
  ],
  [
    'the largest of several quantities',
    'Observation',
    'code=parts&_sort=-component-value-quantity',
    ['kg1-mg1', 'g5', 'mg1500-g2'],
  ],
  ['a number', 'RiskAssessment', '_sort=probability', ['r0.15', 'r0.2', 'r']],
  ['a number, largest first', 'RiskAssessment', '_sort=-probability', ['r0.15', 'r0.2', 'r']],
  ['a uri', 'ValueSet', '_sort=url', ['a', 'b', 'c']],
  ['a uri, last first', 'ValueSet', '_sort=-url', ['b', 'a', 'c']],
  ['a string, without case and accents', 'ValueSet', '_sort=name', ['c', 'b', 'a']],
  ['a token and a string', 'ValueSet', '_sort=status,-name', ['b', 'c', 'a']],
] as [string, string, string, (string | string[])[]][])('by %s', async (_name, type, query, expected) => {
  const found = await order(type, query);
  let at = 0;
  for (const place of expected) {
    const size = Array.isArray(place) ? place.length : 1;
    expect(found.slice(at, at + size).sort()).toEqual([place].flat().sort());
    at += size;
  }
  expect(found.length).toBe(at);
});

test.each([
  ['code-value-quantity', 'Observation', /composite/],
  ['near', 'Location', /distance|point/],
  ['nonsense', 'Patient', /nonsense/],
])('by %s is refused with the reason', async (code, type, reason) => {
  await expect(order(type, `_sort=${code}`)).rejects.toMatchObject({
    category: expect.stringMatching(/invalid|unsupported/),
    message: expect.stringMatching(reason),
  });
});
