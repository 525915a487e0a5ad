import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemClock } from '../../src/core/clock.js';
import { type Catalog, openTenants } from '../../src/tenancy/catalog.js';
import { asAdmin } from '../../src/tenancy/database.js';
import { openKeyFiles } from '../../src/tenancy/key-file.js';
import type { EmbeddedServer, ServerAddress } from '../../src/tenancy/postgres/embedded.js';
import { actor, create, observation, patient, testStore } from '../store/support.js';
import { testServer } from '../support/system.js';
import { cenote } from './command-line.js';

let server: EmbeddedServer;
let address: ServerAddress;
let tenants: Catalog;
let env: Record<string, string>;
const dir = mkdtempSync(join(tmpdir(), 'cenote-verify-'));

beforeAll(async () => {
  server = await testServer();
  const database = `verify_${randomBytes(5).toString('hex')}`;
  await asAdmin(server.address, (c) => c.query(`create database ${database} template template0`));
  const { user, password, port } = server.address;
  env = {
    DATABASE_URL: `postgres://${user}:${password}@127.0.0.1:${port}/${database}`,
    CENOTE_DATA_DIR: dir,
  };
  address = { ...server.address, database };
  tenants = await openTenants({ server: address, keys: openKeyFiles(join(dir, 'keys')), clock: systemClock });
  await tenants.create('real');
  const { store } = testStore();
  await store.commit(
    await tenants.open('real'),
    [create(patient('p')), create(observation('o', 'p'))],
    actor,
  );
});
afterAll(async () => {
  await tenants.removeAll();
  await tenants.close();
  await asAdmin(server.address, (c) => c.query(`drop database ${address.database} (force)`));
  await server.release();
  rmSync(dir, { recursive: true, force: true });
});

test('cenote verify counts what agrees and ends with 0; with 1 and the place once a row differs', async () => {
  const good = await cenote(['verify', '--tenant', 'real'], env);
  expect(good.err).toBe('');
  expect(good.status).toBe(0);
  expect(good.out).toMatch(/^current resources {2}2\n[\s\S]*differences {8}0\n$/);

  const tenant = await tenants.open('real');
  await tenant.pool.query('delete from idx_date where rid = $1', [tenant.keys.rid('Observation', 'o')]);
  const bad = await cenote(['verify', '--tenant', 'real'], env);
  expect(bad.status).toBe(1);
  expect(bad.out).toMatch(/index-missing: 1\n/);
  expect(bad.out).not.toContain('Quillfeather');

  const json = await cenote(['verify', '--tenant', 'real', '--json'], env);
  expect(JSON.parse(json.out)).toMatchObject({ resources: 2, total: 1, differences: { 'index-missing': 1 } });
  expect((await cenote(['verify', '--tenant', 'nobody'], env)).status).toBe(2);
});
