import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Rooms } from '../../src/system.js';
import { importFrom } from '../support/import.js';
import { type TestSystem, testSystem } from '../support/system.js';

/** Whether an import leaves the planner with what it needs to know, and small ones do not pay for it. */
let system: TestSystem;
let rooms: Rooms;

beforeAll(async () => {
  system = await testSystem({ tenants: ['a'] });
  rooms = await system.rooms();
});
afterAll(() => system.close());

async function importPatients(from: number, to: number) {
  const folder = join(system.dir, `patients-${from}-${to}`);
  mkdirSync(folder, { recursive: true });
  const lines = Array.from({ length: to - from }, (_, n) =>
    JSON.stringify({ resourceType: 'Patient', id: `p${from + n}`, gender: 'female' }),
  );
  writeFileSync(join(folder, 'Patient.ndjson'), lines.join('\n'));
  const { resources } = await importFrom(rooms, await system.tenant('a'), { folder });
  return resources;
}

/** How often the table was analysed by request; autovacuum's times are not among them. */
async function analyses(): Promise<number> {
  const { pool } = await system.tenant('a');
  const { rows } = await pool.query(`select pg_stat_get_analyze_count('resource'::regclass)::int as times`);
  return (rows[0] as { times: number }).times;
}

async function counted(): Promise<number> {
  const { pool } = await system.tenant('a');
  const { rows } = await pool.query(
    `select reltuples::int as n from pg_class where oid = 'resource'::regclass`,
  );
  return (rows[0] as { n: number }).n;
}

it('counts anew after a first import and one that adds much, not for a few records or the same again', async () => {
  await importPatients(0, 1000);
  expect(await analyses()).toBe(1);
  expect(await counted()).toBe(1000);

  expect(await importPatients(0, 1000)).toMatchObject({ created: 0, unchanged: 1000 });
  expect(await importPatients(1000, 1020)).toMatchObject({ created: 20 });
  // PostgreSQL hears up to a second late of what a session changed: the first import may count once more.
  const before = await analyses();
  expect(before).toBeLessThanOrEqual(2);

  await importPatients(1020, 1300);
  expect(await analyses()).toBeGreaterThan(before);
  expect(await counted()).toBe(1300);
});
