import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseJson, stringifyJson } from '../../src/core/json.js';
import type { ScanOptions } from '../../src/store/contract.js';
import type { Tenant } from '../../src/tenancy/tenant.js';
import { type TestSystem, testSystem } from '../support/system.js';
import { actor, create, observation, patient, remove, testStore, update } from './support.js';

let system: TestSystem;
let tenant: Tenant;
const { store, clock } = testStore();
const PATIENTS = 30;
const PER_PATIENT = 80;

beforeAll(async () => {
  system = await testSystem({ tenants: ['a'] });
  tenant = await system.tenant('a');
  const writes = Array.from({ length: PATIENTS }, (_, p) => [
    create(patient(`p${p}`)),
    ...Array.from({ length: PER_PATIENT }, (_, o) => create(observation(`o${p}-${o}`, `p${p}`, o))),
  ]).flat();
  await store.commit(tenant, writes, actor);
  clock.advance(60_000);
  await store.commit(tenant, [remove('Observation', 'o0-0'), update(observation('o1-0', 'p2', 99))], actor);
});
afterAll(() => system.close());

async function names(options: ScanOptions): Promise<string[]> {
  const found: string[] = [];
  for await (const batch of store.scan(tenant, options))
    found.push(...batch.map((r) => `${r.resourceType}/${r.id}`));
  return found;
}

test('a scan gives every current resource once', async () => {
  const found = await names({});
  expect(found).toHaveLength(PATIENTS * (PER_PATIENT + 1) - 1);
  expect(new Set(found).size).toBe(found.length);
  expect(found).not.toContain('Observation/o0-0');
});

const cases: [what: string, options: ScanOptions, count: number][] = [
  ['one type', { types: ['Patient'] }, PATIENTS],
  ['two types', { types: ['Patient', 'Observation'] }, PATIENTS * (PER_PATIENT + 1) - 1],
  ['a type nothing is of', { types: ['Basic', 'NoSuchType'] }, 0],
  ['one patient', { patients: ['p2'] }, PER_PATIENT + 2],
  ['one type of two patients', { patients: ['p0', 'p1'], types: ['Observation'] }, 2 * PER_PATIENT - 2],
  ['a patient who is none', { patients: ['nobody'] }, 0],
  ['what changed since', { sinceMs: clock.now() + 1 }, 1],
];
test.each(cases)('a scan of %s', async (_, options, count) => {
  expect(await names(options)).toHaveLength(count);
});

test('ranges of parts share a scan without gap or overlap', async () => {
  const shares = await Promise.all(
    [0, 1, 2, 3].map((i) => names({ parts: { from: i * 4096, to: i * 4096 + 4095 } })),
  );
  expect(shares.flat().sort()).toEqual((await names({})).sort());
});

test('a scan sees one moment: what is written meanwhile is left out, what is deleted stays', async () => {
  const found: string[] = [];
  let first = true;
  for await (const batch of store.scan(tenant, { types: ['Observation'] })) {
    if (first)
      await store.commit(
        tenant,
        [create(observation('late', 'p3')), remove('Observation', 'o29-1'), remove('Observation', 'o5-5')],
        actor,
      );
    first = false;
    found.push(...batch.map((r) => r.id));
  }
  expect(found).toHaveLength(PATIENTS * PER_PATIENT - 1);
  expect(found).not.toContain('late');
});

test('a consumer that stops early gives the connection back', async () => {
  for (let i = 0; i < 20; i++) for await (const _ of store.scan(tenant, {})) break;
  expect(tenant.pool.totalCount).toBeLessThanOrEqual(8);
  expect(tenant.pool.idleCount).toBe(tenant.pool.totalCount);
});

test('the text of a scan is the resource digit for digit', async () => {
  const texts = new Map<string, string>();
  for await (const batch of store.scanText(tenant, { patients: ['p2'] }))
    for (const r of batch) texts.set(`${r.type}/${r.id}`, r.text);
  for await (const batch of store.scan(tenant, { patients: ['p2'] }))
    for (const r of batch) {
      const text = texts.get(`${r.resourceType}/${r.id}`)!;
      expect(stringifyJson(parseJson(text))).toBe(text);
      expect(parseJson(text)).toEqual(r);
    }
});
