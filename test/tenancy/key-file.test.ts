import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { openKeyFiles } from '../../src/tenancy/key-file.js';
import { keyProviderContract } from './key-provider.contract.js';

const base = mkdtempSync(join(tmpdir(), 'cenote-keys-'));
afterAll(() => rmSync(base, { recursive: true, force: true }));
const mode = (path: string): number => statSync(path).mode & 0o777;
const plain = Buffer.alloc(32, 7);

keyProviderContract('file', async () => {
  const folder = mkdtempSync(join(base, 'contract-'));
  return {
    provider: openKeyFiles(folder),
    again: async () => openKeyFiles(folder),
    close: async () => {},
  };
});

test('keeps its keys in files that only their owner may read, whatever the umask', async () => {
  const before = process.umask(0);
  try {
    const folder = join(base, 'modes');
    await openKeyFiles(folder).createKey('one');
    expect(mode(folder)).toBe(0o700);
    expect(readdirSync(folder)).toEqual(['one.key']);
    expect(mode(join(folder, 'one.key'))).toBe(0o600);
  } finally {
    process.umask(before);
  }
});

test.each([0o640, 0o604, 0o660, 0o644, 0o610])(
  'refuses a key file with mode %o and says what to do',
  async (bits) => {
    const folder = join(base, `wide-${bits}`);
    const provider = openKeyFiles(folder);
    await provider.createKey('one');
    chmodSync(join(folder, 'one.key'), bits);
    await expect(provider.wrap('one', plain, 'here')).rejects.toMatchObject({
      category: 'forbidden',
      remedy: expect.stringContaining('chmod 600'),
    });
  },
);

test('refuses a damaged key file and leaves it as it is', async () => {
  const folder = join(base, 'damaged');
  const provider = openKeyFiles(folder);
  await provider.createKey('one');
  const file = join(folder, 'one.key');
  writeFileSync(file, 'c2hvcnQ=\n');
  await expect(provider.wrap('one', plain, 'here')).rejects.toMatchObject({ category: 'integrity' });
  await expect(provider.createKey('one')).rejects.toMatchObject({ category: 'conflict' });
  expect(readFileSync(file, 'utf8')).toBe('c2hvcnQ=\n');
});

test('a key stands in its file as Base64, with or without its padding and the end of the line', async () => {
  for (let i = 0; i < 20; i++) {
    const folder = join(base, `text-${i}`);
    const provider = openKeyFiles(folder);
    await provider.createKey('one');
    const file = join(folder, 'one.key');
    const text = readFileSync(file, 'utf8');
    const key = Buffer.from(text, 'base64');
    expect(key.length).toBe(32);
    expect(text).toBe(`${key.toString('base64')}\n`);
    const wrapped = await provider.wrap('one', plain, 'c');
    for (const other of [text.trim(), `${text.trim()}\r\n`, text.replace('=', '')]) {
      writeFileSync(file, other);
      expect(await provider.unwrap('one', wrapped, 'c')).toEqual(plain);
    }
  }
});
