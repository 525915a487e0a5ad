import { describe, expect, test } from 'vitest';
import { readConfig, SETTINGS } from '../../src/config.js';

const read = (env: Record<string, string>, options = {}) => readConfig(options, env);

test('options win over the environment, and that over the defaults', () => {
  expect(read({})).toMatchObject({
    host: '127.0.0.1',
    port: 8080,
    baseUrl: 'http://127.0.0.1:8080',
    databaseUrl: undefined,
  });
  expect(read({}).dataDir).toBe(`${process.cwd()}/.cenote`);
  const env = {
    CENOTE_PORT: '9000',
    CENOTE_DATA_DIR: '/srv/lake',
    CENOTE_HOST: '::1',
    CENOTE_BASE_URL: 'https://lake.example.org/',
  };
  expect(read(env)).toMatchObject({ port: 9000, dataDir: '/srv/lake', baseUrl: 'https://lake.example.org' });
  expect(read({ ...env, CENOTE_BASE_URL: '' }).baseUrl).toBe('http://[::1]:9000');
  expect(read(env, { port: '1', dataDir: '/tmp/x' })).toMatchObject({ port: 1, dataDir: '/tmp/x' });
});

test('keys and token secret lie in the data folder where nothing else is said', () => {
  expect(read({ CENOTE_DATA_DIR: '/d' })).toMatchObject({
    tokenSecretFile: '/d/token.secret',
    keyProvider: { kind: 'file', folder: '/d/keys' },
  });
});

const wrong: readonly (readonly [Record<string, string>, string])[] = [
  [{ CENOTE_PORT: 'x' }, 'CENOTE_PORT'],
  [{ CENOTE_PORT: '65536' }, 'CENOTE_PORT'],
  [{ CENOTE_PORT: '-1' }, 'CENOTE_PORT'],
  [{ CENOTE_PORT: '1e3' }, 'CENOTE_PORT'],
  [{ CENOTE_BASE_URL: 'lake.example.org' }, 'CENOTE_BASE_URL'],
  [{ DATABASE_URL: 'mysql://secret-word@x/y' }, 'DATABASE_URL'],
  [{ CENOTE_KEY_PROVIDER: 'floppy' }, 'CENOTE_KEY_PROVIDER'],
  [{ CENOTE_KEY_PROVIDER: 'vault' }, 'CENOTE_VAULT_ADDR'],
  [{ CENOTE_KEY_PROVIDER: 'vault', CENOTE_VAULT_ADDR: 'https://x' }, 'CENOTE_VAULT_TOKEN_FILE'],
  [{ CENOTE_KEY_PROVIDER: 'aws-kms' }, 'CENOTE_KMS_REGION'],
  [{ CENOTE_KEY_PROVIDER: 'pkcs11', CENOTE_PKCS11_MODULE: '/m.so' }, 'CENOTE_PKCS11_TOKEN'],
];
test.each(wrong)('%j is refused by the name of the setting, never by its value', (env, name) => {
  expect(() => read(env)).toThrow(
    expect.objectContaining({
      category: 'invalid',
      at: name,
      message: expect.not.stringContaining('secret-word'),
    }),
  );
});

describe('the table of settings', () => {
  test('has a name, an example, a default and a meaning in each row, each name once', () => {
    for (const setting of SETTINGS) {
      expect(setting.name).toMatch(/^(CENOTE_[A-Z0-9_]+|DATABASE_URL)$/);
      for (const text of [setting.example, setting.default, setting.meaning]) expect(text).not.toBe('');
      expect(setting.meaning).toMatch(/\.$/);
    }
    expect(new Set(SETTINGS.map((s) => s.name)).size).toBe(SETTINGS.length);
  });

  const env = Object.fromEntries(SETTINGS.map((s) => [s.name, s.example]));
  test.each(['file', 'vault', 'aws-kms', 'pkcs11'])(
    'has examples that work together with the key provider %s',
    (kind) => {
      expect(read({ ...env, CENOTE_KEY_PROVIDER: kind }).keyProvider.kind).toBe(kind);
    },
  );
});
