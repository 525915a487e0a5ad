import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openVault } from '../../src/tenancy/key-providers/vault.js';
import { keyProviderContract } from './key-provider.contract.js';
import { startVault, type VaultStandIn } from './stand-ins/vault.js';

const base = mkdtempSync(join(tmpdir(), 'cenote-vault-'));
afterAll(() => rmSync(base, { recursive: true, force: true }));

function settings(vault: VaultStandIn, name: string) {
  const tokenFile = join(base, name);
  writeFileSync(tokenFile, `${vault.token}\n`, { mode: 0o600 });
  return { address: vault.address, tokenFile, mount: 'transit' };
}

keyProviderContract('Vault', async () => {
  const vault = await startVault();
  const given = settings(vault, 'contract');
  return { provider: openVault(given), again: async () => openVault(given), close: () => vault.close() };
});

describe('Vault', () => {
  let vault: VaultStandIn;
  beforeAll(async () => {
    vault = await startVault();
  });
  afterAll(() => vault.close());
  const plain = Buffer.alloc(32, 3);

  test('is tried again while it is sealed or overloaded, and then given up', async () => {
    const provider = openVault(settings(vault, 'retry'));
    await provider.createKey('one');
    for (const status of [503, 429, 500]) {
      vault.fail(status, 2);
      expect(await provider.hasKey('one')).toBe(true);
    }
    vault.fail(503, 99);
    await expect(provider.wrap('one', plain, 'x')).rejects.toMatchObject({
      category: 'unavailable',
      message: expect.stringContaining('sealed'),
    });
    vault.fail(0, 0);
  });

  test('that refuses the token is unavailable, and the token is in no message', async () => {
    const given = settings(vault, 'wrong-token');
    writeFileSync(given.tokenFile, 'hvs.secret-word');
    const fault = await openVault(given)
      .hasKey('one')
      .catch((error: Error) => error);
    expect(fault).toMatchObject({
      category: 'unavailable',
      message: expect.stringContaining('allow this token'),
    });
    expect(JSON.stringify(fault) + String(fault)).not.toContain('secret-word');
  });

  test('takes a renewed token without a restart', async () => {
    const given = settings(vault, 'renewed');
    writeFileSync(given.tokenFile, 'expired');
    const provider = openVault(given);
    await expect(provider.hasKey('one')).rejects.toMatchObject({ category: 'unavailable' });
    writeFileSync(given.tokenFile, vault.token);
    expect(await provider.hasKey('one')).toBe(true);
  });

  test('is not asked with a token that others may read', async () => {
    const given = settings(vault, 'open-token');
    chmodSync(given.tokenFile, 0o644);
    const before = vault.requests;
    await expect(openVault(given).hasKey('one')).rejects.toMatchObject({ category: 'forbidden' });
    expect(vault.requests).toBe(before);
  });

  test('that would make a missing key is not let to', async () => {
    const provider = openVault(settings(vault, 'upsert'));
    expect(vault.upsert).toBe(true);
    await expect(provider.wrap('missing', plain, 'x')).rejects.toMatchObject({ category: 'unavailable' });
    expect(await provider.hasKey('missing')).toBe(false);
  });

  test('that does not run is unavailable', async () => {
    const gone = await startVault();
    const given = settings(gone, 'gone');
    await gone.close();
    await expect(openVault(given).hasKey('one')).rejects.toMatchObject({ category: 'unavailable' });
  });

  test.each(['http://vault.example.org', 'ftp://127.0.0.1', 'vault', 'http://127.0.0.1.evil.example'])(
    'at %s is refused: keys would cross an open wire',
    (address) => {
      expect(() => openVault({ address, tokenFile: 'x', mount: 'transit' })).toThrow('not an https address');
    },
  );
});
