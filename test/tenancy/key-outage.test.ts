import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { fixedClock } from '../../src/core/clock.js';
import { type Catalog, openTenants } from '../../src/tenancy/catalog.js';
import { openVault } from '../../src/tenancy/key-providers/vault.js';
import { KEY_CACHE_MS } from '../../src/tenancy/key-rows.js';
import { type TestSystem, testSystem } from '../support/system.js';
import { startVault, type VaultStandIn } from './stand-ins/vault.js';

const clock = fixedClock(Date.UTC(2026, 0, 1));
const folder = mkdtempSync(join(tmpdir(), 'cenote-outage-'));
let system: TestSystem;
let vault: VaultStandIn;
let tenants: Catalog;
const open = () =>
  openTenants({
    server: system.server,
    keys: openVault({ address: vault.address, tokenFile: join(folder, 'token'), mount: 'transit' }),
    clock,
  });
beforeAll(async () => {
  system = await testSystem({ tenants: ['on-file'], clock });
  vault = await startVault();
  writeFileSync(join(folder, 'token'), vault.token, { mode: 0o600 });
  tenants = await open();
  await tenants.create('on-vault');
});
afterAll(async () => {
  vault.fail(0, 0);
  await tenants.remove('on-vault');
  await tenants.close();
  await vault.close();
  await system.close();
  rmSync(folder, { recursive: true, force: true });
});

test('while the key service is away, open tenants work for the life of the cache, then are unavailable, then work again', async () => {
  const before = await tenants.open('on-vault');
  const sealed = before.keys.seal(Buffer.from('words'), { purpose: 'body', bind: [] });
  vault.fail(503, Number.POSITIVE_INFINITY);
  const newcomer = await open();
  await expect(newcomer.open('on-vault')).rejects.toMatchObject({ category: 'unavailable' });
  await newcomer.close();
  clock.advance(KEY_CACHE_MS - 1_000);
  expect((await tenants.open('on-vault')).keys.open(sealed, { purpose: 'body', bind: [] }).toString()).toBe(
    'words',
  );
  clock.advance(1_000);
  await expect(tenants.open('on-vault')).rejects.toMatchObject({ category: 'unavailable' });
  // Nor does whoever held the tenant all the while go on with the keys, to read or to write.
  const held = (work: () => unknown) => {
    try {
      return work();
    } catch (error) {
      return (error as { category?: string }).category;
    }
  };
  expect(held(() => before.keys.open(sealed, { purpose: 'body', bind: [] }))).toBe('unavailable');
  expect(held(() => before.keys.seal(Buffer.from('more'), { purpose: 'body', bind: [] }))).toBe(
    'unavailable',
  );
  expect(held(() => before.keys.newPatientKey(1n))).toBe('unavailable');
  vault.fail(0, 0);
  const after = await tenants.open('on-vault');
  expect(after.keys.open(sealed, { purpose: 'body', bind: [] }).toString()).toBe('words');
});

test('a tenant whose key is with another provider is unavailable, and no key is made for it here', async () => {
  await expect(tenants.open('on-file')).rejects.toMatchObject({
    category: 'unavailable',
    message: expect.stringContaining('another key provider (file)'),
  });
  await expect(system.tenant('on-vault')).rejects.toMatchObject({ category: 'unavailable' });
});
