import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/core/clock.js';
import { openTenants } from '../../src/tenancy/catalog.js';
import { asAdmin } from '../../src/tenancy/database.js';
import { openKeyFiles } from '../../src/tenancy/key-file.js';
import { findPostmaster } from '../../src/tenancy/postgres/cluster.js';
import { type EmbeddedServer, removeEmbedded } from '../../src/tenancy/postgres/embedded.js';
import { findPlace } from '../../src/tenancy/postgres/place.js';
import { openTokenSecret, verifyToken } from '../../src/tenancy/tokens.js';
import { testServer } from '../support/system.js';
import { cenote } from './command-line.js';

describe('with DATABASE_URL', () => {
  let server: EmbeddedServer;
  let env: Record<string, string>;
  const database = `cli_${randomBytes(5).toString('hex')}`;
  const dir = mkdtempSync(join(tmpdir(), 'cenote-cli-'));
  beforeAll(async () => {
    server = await testServer();
    const { user, password, port } = server.address;
    await asAdmin(server.address, (c) => c.query(`create database ${database} template template0`));
    env = {
      DATABASE_URL: `postgres://${user}:${password}@127.0.0.1:${port}/${database}`,
      CENOTE_DATA_DIR: dir,
    };
  });
  afterAll(async () => {
    const address = { ...server.address, database };
    const tenants = await openTenants({
      server: address,
      keys: openKeyFiles(join(dir, 'keys')),
      clock: systemClock,
    });
    await tenants.removeAll();
    await tenants.close();
    await asAdmin(server.address, (c) => c.query(`drop database ${database} (force)`));
    await server.release();
    rmSync(dir, { recursive: true, force: true });
  });

  test('a tenant is created, listed, shown, suspended and resumed', async () => {
    expect((await cenote(['tenant', 'create', 'real'], env)).status).toBe(0);
    expect((await cenote(['tenant', 'list'], env)).out).toMatch(/^name .*\n-.*\nreal +active /);
    const shown = JSON.parse((await cenote(['tenant', 'show', 'real', '--json'], env)).out);
    expect(shown).toMatchObject({
      name: 'real',
      state: 'active',
      epoch: 1,
      databaseBytes: expect.any(Number),
    });
    expect((await cenote(['tenant', 'suspend', 'real'], env)).out).toContain('suspended');
    expect((await cenote(['tenant', 'resume', 'real'], env)).out).toContain('active');
    await cenote(['tenant', 'create', 'strictly', '--validation', 'minimal', '--integrity'], env);
    const discreet = ['tenant', 'create', 'discreet', '--index-privacy', 'bucketed', '--json'];
    expect(JSON.parse((await cenote(discreet, env)).out)).toMatchObject({ indexPrivacy: 'bucketed' });
    const set = async (...args: string[]) =>
      JSON.parse((await cenote(['tenant', 'set', 'strictly', ...args, '--json'], env)).out);
    expect(await set('--no-integrity')).toMatchObject({ validation: 'minimal', integrity: false });
    expect(await set('--integrity')).toMatchObject({ validation: 'minimal', integrity: true });
    expect(await set('--validation', 'server')).toMatchObject({
      validation: 'as the server',
      integrity: true,
    });
    // The embedded server is not needed, so none was made.
    expect(existsSync(join(dir, 'postgres.json'))).toBe(false);
  });

  const wrong = [
    ['tenant', 'create', 'Real'],
    ['tenant', 'create', 'real'],
    ['tenant', 'create', 'other', '--index-privacy', 'most'],
    ['tenant', 'show', 'nobody'],
    ['tenant', 'suspend', 'nobody'],
    ['tenant', 'set', 'real'],
    ['tenant', 'set', 'nobody', '--integrity'],
    ['token', '--tenant', 'nobody', '--scope', 'system/*.rs'],
    ['token', '--tenant', 'real', '--scope', 'nonsense'],
    ['token', '--tenant', 'real', '--scope', 'system/*.rs', '--expires', 'soon'],
    ['token', '--tenant', 'real', '--scope', 'patient/*.rs'],
  ];
  test.each(wrong.map((args) => [args.join(' '), args] as const))(
    'cenote %s says why not',
    async (_, args) => {
      const { status, out, err } = await cenote(args, env);
      expect({ status, out }).toEqual({ status: 2, out: '' });
      expect(err).toMatch(/^cenote: [^\n]+\n$/);
      expect(err).not.toContain('defect');
    },
  );

  test('a token is printed alone on a line and counts for its tenant', async () => {
    const args = [
      'token',
      '--tenant',
      'real',
      '--scope',
      'user/Observation.rs',
      '--subject',
      'me',
      '--expires',
      '8h',
    ];
    const { out } = await cenote(args, env);
    const { id, name } = JSON.parse((await cenote(['tenant', 'show', 'real', '--json'], env)).out);
    const secret = openTokenSecret(join(dir, 'token.secret'));
    const token = verifyToken(secret, systemClock, out.trim(), { id, name });
    expect(token).toMatchObject({ subject: 'me', scopes: ['user/Observation.rs'] });
    expect(token.expiresAt - Date.now()).toBeGreaterThan(7.9 * 3_600_000);
  });

  test('migrate says what it did and may be repeated', async () => {
    const { status, out } = await cenote(['migrate'], env);
    expect({ status, out }).toEqual({
      status: 0,
      out: 'control database: current\ntenant discreet: current\ntenant real: current\ntenant strictly: current\n',
    });
  });

  test('a tenant is moved to a place of the file of places and back, and refusals say what to do', async () => {
    const file = join(dir, 'places.json');
    writeFileSync(file, JSON.stringify({ second: env.DATABASE_URL!.replace(/[^/]+$/, 'postgres') }));
    const places = { ...env, CENOTE_PLACES_FILE: file };
    expect((await cenote(['tenant', 'create', 'wanders'], env)).status).toBe(0);
    const move = (...args: string[]) => cenote(['tenant', 'move', 'wanders', ...args], places);
    chmodSync(file, 0o644);
    expect((await move('--to', 'second')).err).toContain('chmod 600');
    chmodSync(file, 0o600);
    expect((await move()).err).toContain('either --to PLACE or --revert');
    expect((await move('--revert')).err).toContain('No move of this tenant is under way');

    const moved = await move('--to', 'second');
    expect(moved).toMatchObject({ status: 0 });
    expect(moved.out).toMatch(
      /^moved {4}home to second\nrows {5}\d+, the same.*\nwrites {3}refused for [\d.]+ s\nreads {4}held for [\d.]+ s\nThe old/,
    );
    expect(moved.err).toMatch(/Writes are refused from now on.*\nEvery row is copied/);
    const { former, place, epoch } = JSON.parse(
      (await cenote(['tenant', 'show', 'wanders', '--json'], places)).out,
    );
    expect({ place, epoch }).toEqual({ place: 'second', epoch: 2 });
    expect(former).toMatch(/^home\/cenote_t_/);
    expect((await cenote(['verify', '--tenant', 'wanders'], places)).status).toBe(0);
    // A server without the file does not know where it is, and says so.
    expect((await cenote(['verify', '--tenant', 'wanders'], env)).err).toContain(
      'place that is not configured',
    );
    expect((await move('--to', 'home')).status).toBe(0);
    expect((await cenote(['tenant', 'drop-old', 'wanders'], places)).out).toBe('dropped  2\n');
  });

  test('a tenant\u2019s key is rotated, and the tenant is shredded only when its name is repeated', async () => {
    expect((await cenote(['tenant', 'create', 'short-lived'], env)).status).toBe(0);
    const rotated = await cenote(['tenant', 'rotate-key', 'short-lived', '--level', 'tenant'], env);
    expect(rotated.out).toMatch(/^level +tenant\nto +2\ninUseFrom +\d{4}-/);
    expect((await cenote(['tenant', 'rotate-key', 'short-lived', '--level', 'all'], env)).status).toBe(2);
    const refused = await cenote(['tenant', 'shred', 'short-lived', '--confirm', 'short'], env);
    expect(refused).toMatchObject({ status: 2, err: expect.stringContaining('nothing was done') });
    expect((await cenote(['tenant', 'show', 'short-lived'], env)).out).toContain('active');
    expect((await cenote(['tenant', 'shred', 'short-lived', '--confirm', 'short-lived'], env)).out).toContain(
      'destroyed',
    );
    expect((await cenote(['tenant', 'list'], env)).out).toMatch(/short-lived +shredded/);
    const show = await cenote(['tenant', 'show', 'short-lived', '--json'], env);
    expect(JSON.parse(show.out)).toMatchObject({ state: 'shredded' });
  });

  const urls = [
    ['mysql://x/y', 'DATABASE_URL is not a URL'],
    ['postgres://nobody:secret-word@127.0.0.1:1/x', 'nothing listens'],
  ];
  test.each(urls)('DATABASE_URL=%s is refused in one line without its password', async (url, why) => {
    const { status, err } = await cenote(['tenant', 'list'], { ...env, DATABASE_URL: url as string });
    expect(status).toBe(2);
    expect(err).toMatch(/^cenote: [^\n]+\n$/);
    expect(err).toContain(why);
    expect(err).not.toContain('secret-word');
  });
});

describe('with a data folder', () => {
  const base = mkdtempSync(join(tmpdir(), 'cenote-cli-'));
  chmodSync(base, 0o755);
  const dir = join(base, 'data');
  const env = { CENOTE_DATA_DIR: dir };
  afterAll(async () => {
    await removeEmbedded(dir);
    rmSync(base, { recursive: true, force: true });
  });

  test('commands at once share one server, which the last one stops, and the data stays', async () => {
    const made = await Promise.all(['one', 'one'].map((name) => cenote(['tenant', 'create', name], env)));
    expect(made.map((m) => m.status).sort()).toEqual([0, 2]);
    expect(findPostmaster(findPlace(dir)!)).toBeUndefined();
    const { out } = await cenote(['tenant', 'list', '--json', '--data-dir', dir]);
    expect(
      out
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line).name),
    ).toEqual(['one']);
    expect(findPostmaster(findPlace(dir)!)).toBeUndefined();
  });
});
