import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Write } from '../../src/store/contract.js';
import { asAdmin } from '../../src/tenancy/database.js';
import { migrateDatabase } from '../../src/tenancy/migrate.js';
import type { Tenant } from '../../src/tenancy/tenant.js';
import { type TestSystem, testSystem } from '../support/system.js';
import { actor, create, observation, patient, remove, testStore, update } from './support.js';

/** The rows in clinical order are found through the terms that a resource keeps of them, those of before by its key. */
let system: TestSystem;
let tenant: Tenant;
const { store, clock } = testStore();
/** Enough to be written by COPY. */
const MANY = 120;

beforeAll(async () => {
  system = await testSystem({ tenants: ['a', 'before'] });
});
afterAll(() => system.close());

const many = (write: (n: number) => Write): Write[] => Array.from({ length: MANY }, (_, n) => write(n));

/** One patient's observations, all of the same code. */
async function fill(): Promise<void> {
  clock.advance(1000);
  await store.commit(
    tenant,
    [update(patient('p1')), update(patient('p2')), ...many((n) => update(observation(`o${n}`, 'p1', n)))],
    actor,
  );
}

/** As the database was before it kept the terms, and migrated from there. */
async function migratedFromBefore(): Promise<void> {
  const address = { ...system.server, database: tenant.record.database };
  await asAdmin(address, async (c) => {
    await c.query('alter table resource drop column sorted');
    await c.query('drop index idx_sorted_by_row');
    await c.query('alter table idx_sorted drop column by_row');
    await c.query('create index idx_sorted_row on idx_sorted (part, rtype, rid)');
    await c.query(`delete from schema_migration where name = '0015_sorted_terms.sql'`);
  });
  await migrateDatabase(address, 'tenant');
}

async function rows(): Promise<{ all: number; old: number }> {
  const found = await tenant.pool.query(
    'select count(*)::int as all, count(*) filter (where by_row)::int as old from idx_sorted',
  );
  return found.rows[0] as { all: number; old: number };
}

const later = { effectiveDateTime: '2025-01-01T00:00:00Z' };
const other = { code: { coding: [{ system: 'http://loinc.org', code: '4548-4' }] } };

/** Each of the fill's observations has three rows: of its type, its code, and its patient and code. */
const changes: [what: string, writes: Write[], all: number, old: number][] = [
  ['one at another time', [update(observation('o1', 'p1', 1, later))], 360, 357],
  ['one with another code', [update(observation('o1', 'p1', 1, other))], 360, 357],
  ['one of another patient', [update(observation('o1', 'p2', 1))], 360, 357],
  ['one without a time', [update(observation('o1', 'p1', 1, { effectiveDateTime: undefined }))], 357, 357],
  ['one deleted', [remove('Observation', 'o1')], 357, 357],
  ['many at another time', many((n) => update(observation(`o${n}`, 'p1', n, later))), 360, 0],
  ['many of another patient', many((n) => update(observation(`o${n}`, 'p2', n, other))), 360, 0],
  ['many deleted', many((n) => remove('Observation', `o${n}`)), 0, 0],
];

describe.each([
  ['as they are written now', 'a'],
  ['as a release of before wrote them', 'before'],
] as const)('rows in clinical order, %s, are gone when it changes', (_what, name) => {
  beforeEach(async () => {
    tenant = await system.tenant(name);
    await fill();
    if (name === 'before') await migratedFromBefore();
  }, 60_000);

  it.each(changes)('%s', async (_change, writes, all, old) => {
    expect(await rows()).toEqual({ all: 360, old: name === 'before' ? 360 : 0 });
    clock.advance(1000);
    await store.commit(tenant, writes, actor);
    expect(await rows()).toEqual({ all, old: name === 'before' ? old : 0 });
    const { first } = await store.verify(tenant);
    expect(first).toEqual([]);
  });
});

it('a record of before is erased with its rows', async () => {
  tenant = await system.tenant('before');
  await fill();
  await migratedFromBefore();
  clock.advance(1000);
  await store.commit(tenant, [update(observation('o1', 'p1', 1, later))], actor);
  await store.erase(tenant, { type: 'Patient', id: 'p1', compartment: true, reason: 'asked' }, actor);
  expect(await rows()).toEqual({ all: 0, old: 0 });
});

it('a created one again after its deletion has its rows once', async () => {
  tenant = await system.tenant('a');
  await fill();
  clock.advance(1000);
  await store.commit(tenant, [remove('Observation', 'o1')], actor);
  await store.commit(tenant, [create(observation('o1', 'p1', 1))], actor);
  expect(await rows()).toEqual({ all: 360, old: 0 });
});
