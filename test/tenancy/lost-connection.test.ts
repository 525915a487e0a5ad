import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Tenant } from '../../src/tenancy/tenant.js';
import { type TestSystem, testSystem } from '../support/system.js';

let system: TestSystem;
let tenant: Tenant;
let admin: pg.Client;
const uncaught: unknown[] = [];
const note = (error: unknown) => uncaught.push(error);

beforeAll(async () => {
  system = await testSystem({ tenants: ['a'] });
  tenant = await system.tenant('a');
  admin = new pg.Client({ ...system.server, database: tenant.record.database });
  await admin.connect();
  process.prependListener('uncaughtException', note);
});
afterAll(async () => {
  process.off('uncaughtException', note);
  await admin.end();
  await system.close();
});

async function cut(): Promise<void> {
  await admin.query(
    `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`,
  );
}

test.each([
  ['a transaction that waits for its next statement', 'select 1'],
  ['a statement that runs', 'select pg_sleep(30)'],
])('a connection lost in %s fails that work alone, and the next works', async (_, sql) => {
  const client = await tenant.pool.connect();
  await client.query('begin');
  const running = client.query(sql).catch((error: unknown) => error);
  if (sql === 'select 1') await running;
  else await new Promise((resolve) => setTimeout(resolve, 200));
  await cut();
  await new Promise((resolve) => setTimeout(resolve, 200));
  await expect(client.query('commit')).rejects.toThrow();
  client.release(true);
  const { rows } = await tenant.pool.query('select 1 as n');
  expect(rows).toEqual([{ n: 1 }]);
  expect(uncaught).toEqual([]);
});
