import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Tenant } from '../../src/tenancy/tenant.js';
import { type TestSystem, testSystem } from '../support/system.js';
import { actor, create, note, observation, patient, remove, testStore, update } from './support.js';

let system: TestSystem;
let tenant: Tenant;
const { store, clock } = testStore();

beforeAll(async () => {
  system = await testSystem({ tenants: ['a'] });
  tenant = await system.tenant('a');
});
afterAll(() => system.close());

async function partsOf(table: string, type: string, id: string): Promise<number[]> {
  const { rows } = await tenant.pool.query(`select part from ${table} where rid = $1 order by part`, [
    tenant.keys.rid(type, id),
  ]);
  return rows.map((row) => row.part);
}

async function partOfPatient(id: string): Promise<number> {
  const [part] = await partsOf('resource', 'Patient', id);
  return part!;
}

test.each([
  ['one at a time', 1],
  ['in a big transaction', 120],
])(
  'a resource that changes its patient moves with all its rows, and its history is whole: %s',
  async (_, size) => {
    const tag = `s${size}`;
    const [a, b] = [`${tag}-a`, `${tag}-b`];
    const id = `${tag}-o0`;
    await store.commit(tenant, [create(patient(a)), create(patient(b))], actor);
    const [partA, partB] = [await partOfPatient(a), await partOfPatient(b)];
    expect(partA).not.toBe(partB);
    const all = (subject: string, value: number) =>
      Array.from({ length: size }, (_, i) => update(observation(`${tag}-o${i}`, subject, value)));
    const steps: [subject: string, value: number][] = [
      [a, 1],
      [b, 2],
      [b, 3],
      [a, 4],
      [b, 5],
    ];
    for (const [subject, value] of steps) {
      clock.advance(10);
      await store.commit(tenant, all(subject, value), actor);
      const part = subject === a ? partA : partB;
      for (const table of ['resource', 'idx_date', 'idx_quantity', 'idx_reference'])
        expect(new Set(await partsOf(table, 'Observation', id)), table).toEqual(new Set([part]));
    }
    const page = (await store.history(tenant, 'Observation', id, { count: 10 }))!;
    expect(
      page.versions.map((v) => [v.version, (v.resource!.valueQuantity as { value: number }).value]),
    ).toEqual([5, 4, 3, 2, 1].map((n) => [n, n]));
    for (let v = 1; v <= 5; v++) {
      const read = await store.readVersion(tenant, 'Observation', id, v);
      expect(read!.resource!.subject).toEqual({ reference: `Patient/${steps[v - 1]![0]}` });
    }
    const { rows } = await tenant.pool.query('select pkey from resource where rid = $1', [
      tenant.keys.rid('Observation', id),
    ]);
    expect(rows).toEqual([{ pkey: tenant.keys.rid('Patient', b) }]);
  },
);

test('a moved document takes its place in the annotation queue along, once', async () => {
  await store.commit(tenant, [create(patient('x')), create(patient('y'))], actor);
  await store.commit(tenant, [create(note('doc', 'x', 'Feels well.'))], actor);
  await store.commit(tenant, [update(note('doc', 'y', 'Feels well.'))], actor);
  expect(await partsOf('annotation', 'DocumentReference', 'doc')).toEqual([await partOfPatient('y')]);
});

test('a deleted resource can come back with another patient', async () => {
  await store.commit(tenant, [update(observation('back', 'x', 1))], actor);
  await store.commit(tenant, [remove('Observation', 'back')], actor);
  await store.commit(tenant, [create(observation('back', 'y', 3))], actor);
  const page = (await store.history(tenant, 'Observation', 'back', { count: 10 }))!;
  expect(page.versions.map((v) => v.version)).toEqual([3, 2, 1]);
  expect(await store.read(tenant, 'Observation', 'back')).toMatchObject({ version: 3, op: 'create' });
  expect(await partsOf('resource', 'Observation', 'back')).toEqual([await partOfPatient('y')]);
});
