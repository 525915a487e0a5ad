import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openPkcs11 } from '../../src/tenancy/key-providers/pkcs11.js';
import { keyProviderContract } from './key-provider.contract.js';

/**
 * Against SoftHSM2 (Debian: softhsm2), a real PKCS#11 module in software. The driver compiles native code, so this
 * test installs it for itself, and only when asked: npm run test:pkcs11.
 */
const DRIVER = 'pkcs11js@2.1.7';
const MODULES = [
  process.env.CENOTE_TEST_SOFTHSM ?? '',
  '/usr/lib/softhsm/libsofthsm2.so',
  '/usr/lib64/softhsm/libsofthsm2.so',
  '/opt/homebrew/lib/softhsm/libsofthsm2.so',
];
const module = MODULES.find((path) => path !== '' && existsSync(path));
const util = process.env.CENOTE_TEST_SOFTHSM_UTIL ?? 'softhsm2-util';
const wanted = process.env.CENOTE_TEST_PKCS11 === '1';

test('a driver that is not installed is said to be missing, with the command that installs it', () => {
  const settings = {
    module: '/nowhere.so',
    token: 't',
    pinFile: '/nowhere',
    driver: 'no-such-package-of-pkcs11',
  };
  expect(() => openPkcs11(settings)).toThrow(
    expect.objectContaining({
      category: 'unavailable',
      remedy: expect.stringContaining('npm install pkcs11js'),
    }),
  );
});

describe.runIf(wanted)('SoftHSM2', () => {
  const base = mkdtempSync(join(tmpdir(), 'cenote-pkcs11-'));
  const driver = join(base, 'node_modules', 'pkcs11js');
  const pinFile = join(base, 'pin');
  const settings = { module: module ?? '', token: 'cenote-test', pinFile, driver };

  beforeAll(() => {
    if (!module) throw new Error('SoftHSM2 is not installed (Debian: apt-get install softhsm2)');
    writeFileSync(join(base, 'package.json'), '{"private":true,"allowScripts":{"pkcs11js":true}}');
    const install = spawnSync('npm', ['install', '--no-audit', '--no-fund', DRIVER], {
      cwd: base,
      encoding: 'utf8',
    });
    if (install.status !== 0) throw new Error(install.stderr);
    mkdirSync(join(base, 'tokens'));
    writeFileSync(join(base, 'softhsm2.conf'), `directories.tokendir = ${join(base, 'tokens')}\n`);
    process.env.SOFTHSM2_CONF = join(base, 'softhsm2.conf');
    const args = [
      '--init-token',
      '--free',
      '--label',
      'cenote-test',
      '--pin',
      '4711',
      '--so-pin',
      '0815',
      '--module',
      module,
    ];
    const init = spawnSync(util, args, { encoding: 'utf8' });
    if (init.status !== 0) throw new Error(`${init.stdout}${init.stderr}${init.error ?? ''}`);
    writeFileSync(pinFile, '4711\n', { mode: 0o600 });
  }, 300_000);
  afterAll(() => rmSync(base, { recursive: true, force: true }));

  keyProviderContract('PKCS#11', async () => ({
    provider: openPkcs11(settings),
    again: async () => openPkcs11(settings),
    close: async () => {},
  }));

  test('an absent token is unavailable', async () => {
    await expect(openPkcs11({ ...settings, token: 'another' }).hasKey('x')).rejects.toMatchObject({
      category: 'unavailable',
    });
  });

  test('a PIN that others may read is not used', async () => {
    const open = join(base, 'open-pin');
    writeFileSync(open, '4711\n');
    chmodSync(open, 0o644);
    await expect(openPkcs11({ ...settings, pinFile: open }).hasKey('x')).rejects.toMatchObject({
      category: 'forbidden',
    });
  });
});
