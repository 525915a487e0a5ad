import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Catalog } from '../../src/tenancy/catalog.js';
import { actor, create, observation, patient, testStore } from '../store/support.js';
import { cenote } from './command-line.js';
import { type OwnServer, ownServer } from './own-server.js';

let own: OwnServer;
let tenants: Catalog;
let env: Record<string, string>;
const dir = mkdtempSync(join(tmpdir(), 'cenote-verify-'));

beforeAll(async () => {
  own = await ownServer('verify', dir);
  ({ tenants, env } = own);
  const { store } = testStore();
  await store.commit(
    await tenants.open('real'),
    [create(patient('p')), create(observation('o', 'p'))],
    actor,
  );
});
afterAll(() => own.close());

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
