import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { packageRoot } from '../../src/core/package-root.js';
import { emptyDataDir } from '../../src/tenancy/data-dir.js';
import { asAdmin } from '../../src/tenancy/database.js';
import { packagedNative } from '../../src/tenancy/postgres/binaries.js';
import { dataFolder, findPostmaster, freePort } from '../../src/tenancy/postgres/cluster.js';
import {
  type EmbeddedOptions,
  removeEmbedded,
  stopEmbedded,
  useEmbeddedServer,
} from '../../src/tenancy/postgres/embedded.js';
import { findPlace } from '../../src/tenancy/postgres/place.js';

const isRoot = process.getuid?.() === 0;
const QUICK: EmbeddedOptions = { settings: { fsync: 'off', shared_buffers: '32MB', max_connections: '20' } };
let base: string;
const dirs: string[] = [];

/** A data folder that does not exist yet, under a folder that everyone may pass through. */
function dataDir(name: string): string {
  const dir = join(base, name);
  dirs.push(dir);
  return dir;
}

beforeAll(() => {
  base = mkdtempSync(join(tmpdir(), 'cenote-embedded-'));
  chmodSync(base, 0o755);
});
afterAll(async () => {
  for (const dir of dirs) {
    await stopEmbedded(dir, 'immediate');
    await removeEmbedded(dir);
  }
  rmSync(base, { recursive: true, force: true });
});

const answers = (address: pg.ClientConfig): Promise<string> =>
  asAdmin(address as never, async (client) => {
    const { rows } = await client.query(
      `select current_setting('server_encoding') as encoding, current_setting('data_checksums') as checksums`,
    );
    return `${rows[0].encoding} ${rows[0].checksums}`;
  });

/** Starts a server in `dir`, asks it something, and stops it again. */
async function works(dir: string, options: EmbeddedOptions = {}): Promise<string> {
  const server = await useEmbeddedServer(dir, { ...QUICK, ...options });
  try {
    return await answers(server.address);
  } finally {
    await server.release();
  }
}

// Processes are killed and waited for here: on a machine that starves them a step may run out of time. Each test begins
// without a server, so that one that failed does not fail those after it.
describe('one data folder', { retry: 1 }, () => {
  const place = () => findPlace(join(base, 'shared'))!;
  const dir = () => join(base, 'shared');
  afterEach(() => stopEmbedded(dir()));

  test('started by three at once has one server, which the last of them stops', async () => {
    dataDir('shared');
    const users = await Promise.all([1, 2, 3].map(() => useEmbeddedServer(dir(), QUICK)));
    expect(new Set(users.map((u) => u.pid)).size).toBe(1);
    expect(readdirSync(place().home).sort()).toEqual(['data', 'server.log']);
    await users[0]!.release();
    await users[1]!.release();
    expect(await answers(users[2]!.address)).toBe('UTF8 on');
    await users[2]!.release();
    expect(findPostmaster(place())).toBeUndefined();
  });

  test('left by two at the same moment is stopped all the same', async () => {
    for (let round = 0; round < 3; round++) {
      const users = await Promise.all([1, 2, 3].map(() => useEmbeddedServer(dir(), QUICK)));
      await Promise.all(users.map((u) => u.release()));
      expect(findPostmaster(place())).toBeUndefined();
    }
  });

  test('entered while its last user leaves has a server', async () => {
    for (let round = 0; round < 3; round++) {
      const first = await useEmbeddedServer(dir(), QUICK);
      const [, second] = await Promise.all([first.release(), useEmbeddedServer(dir(), QUICK)]);
      expect(await answers(second.address)).toBe('UTF8 on');
      await second.release();
    }
  });

  test('keeps its data over a restart, its password and its secrets from others', async () => {
    const first = await useEmbeddedServer(dir(), QUICK);
    await asAdmin(first.address, (c) => c.query('create table kept as select 42 as answer'));
    await first.release();
    const second = await useEmbeddedServer(dir(), QUICK);
    const { rows } = await asAdmin(second.address, (c) => c.query('select answer from kept'));
    expect(rows).toEqual([{ answer: 42 }]);
    expect(lstatSync(join(dir(), 'postgres.json')).mode & 0o777).toBe(0o600);
    expect(lstatSync(dataFolder(place())).mode & 0o077).toBe(0);
    await expect(answers({ ...second.address, password: 'guess' })).rejects.toMatchObject({
      category: 'unavailable',
    });
    await second.release();
  });

  test('listens on the loopback address only', async () => {
    const server = await useEmbeddedServer(dir(), QUICK);
    const { rows } = await asAdmin(server.address, (c) =>
      c.query(
        `select current_setting('listen_addresses') as on, current_setting('unix_socket_directories') as sockets`,
      ),
    );
    expect(rows).toEqual([{ on: '127.0.0.1', sockets: '' }]);
    await server.release();
  });

  test('is durable as the product starts it', async () => {
    const server = await useEmbeddedServer(dir());
    const { rows } = await asAdmin(server.address, (c) =>
      c.query(
        `select name, setting from pg_settings where name in ('fsync', 'synchronous_commit', 'full_page_writes')`,
      ),
    );
    await server.release();
    expect(rows.map((r) => r.setting)).toEqual(['on', 'on', 'on']);
  });

  test('whose server is killed under its users has one again at the same address', async () => {
    const users = await Promise.all([1, 2].map(() => useEmbeddedServer(dir(), QUICK)));
    const { pid, address } = users[0]!;
    await asAdmin(address, (c) => c.query('create table survived as select 1 as one'));
    process.kill(pid, 'SIGKILL');
    const deadline = Date.now() + 20_000;
    while (users.some((u) => u.pid === pid) && Date.now() < deadline)
      await new Promise((r) => setTimeout(r, 20));
    expect(users[0]!.pid).not.toBe(pid);
    expect(users[1]!.pid).toBe(users[0]!.pid);
    const { rows } = await asAdmin(address, (c) => c.query('select one from survived'));
    expect(rows).toEqual([{ one: 1 }]);
    for (const user of users) await user.release();
    expect(findPostmaster(place())).toBeUndefined();
  });

  test('whose server was killed as its last user left starts again', async () => {
    const killed = await useEmbeddedServer(dir(), QUICK);
    process.kill(killed.pid, 'SIGKILL');
    await killed.release();
    expect(await works(dir())).toBe('UTF8 on');
  });

  test('whose process number now belongs to another program starts again', async () => {
    writeFileSync(
      join(dataFolder(place()), 'postmaster.pid'),
      `${process.pid}\n/elsewhere\n0\n5432\n\n\n\nready\n`,
    );
    expect(findPostmaster(place())).toBeUndefined();
    expect(await works(dir())).toBe('UTF8 on');
  });

  test('writes no statement and no value of one into its log', async () => {
    const server = await useEmbeddedServer(dir(), QUICK);
    await asAdmin(server.address, async (c) => {
      await c.query('create table names (name text primary key)');
      await c.query('insert into names values ($1)', ['Canary Smith']);
      await expect(c.query('insert into names values ($1)', ['Canary Smith'])).rejects.toThrow();
      await expect(c.query(`select 'Canary Smith'::int`)).rejects.toThrow();
      await expect(c.query('select $1::int', ['Canary Smith'])).rejects.toThrow();
      await expect(c.query(`select Canary Smith from`)).rejects.toThrow();
    });
    await server.release();
    expect(readFileSync(join(place().home, 'server.log'), 'utf8')).not.toMatch(/canary/i);
  });

  test('is not removed while somebody uses it', async () => {
    const server = await useEmbeddedServer(dir(), QUICK);
    await expect(removeEmbedded(dir())).rejects.toMatchObject({ category: 'conflict' });
    expect(await answers(server.address)).toBe('UTF8 on');
    await server.release();
    await removeEmbedded(dir());
    expect(existsSync(place().home)).toBe(false);
    expect(await works(dir())).toBe('UTF8 on');
  });
});

test('a busy port is left alone and another one taken', async () => {
  const busy = createServer();
  const port = await freePort();
  await new Promise<void>((done) => busy.listen(port, '127.0.0.1', done));
  const server = await useEmbeddedServer(dataDir('busy'), { ...QUICK, port });
  expect(server.address.port).not.toBe(port);
  expect(await answers(server.address)).toBe('UTF8 on');
  await server.release();
  await new Promise((done) => busy.close(done));
});

test('a data folder under a folder that others may not enter works', async () => {
  const closed = join(base, 'closed');
  mkdirSync(closed, { mode: 0o700 });
  const dir = join(closed, 'data');
  dirs.push(dir);
  expect(await works(dir)).toBe('UTF8 on');
  const { home } = findPlace(dir)!;
  expect(home.startsWith(closed)).toBe(!isRoot);
  expect(await works(dir)).toBe('UTF8 on');
});

test('umask 077 does no harm', async () => {
  const before = process.umask(0o077);
  try {
    expect(await works(dataDir('umask'))).toBe('UTF8 on');
  } finally {
    process.umask(before);
  }
});

describe('a package', () => {
  /** The server's programs as a package manager left them, without the links of its install script. */
  function unpack(name: string): string {
    const folder = join(base, name, 'package');
    mkdirSync(join(base, name), { mode: 0o755 });
    writeFileSync(join(base, name, '.keep'), '');
    mkdirSync(folder);
    const native = join(folder, 'native');
    cpSync(packagedNative(), native, { recursive: true, verbatimSymlinks: true });
    cpSync(join(packagedNative(), '..', 'package.json'), join(folder, 'package.json'));
    for (const lib of readdirSync(join(native, 'lib'))) {
      const path = join(native, 'lib', lib);
      if (lstatSync(path).isSymbolicLink()) rmSync(path);
    }
    return native;
  }

  test('whose install script did not run works', async () => {
    const native = unpack('no-scripts');
    expect(await works(dataDir('no-scripts-data'), { native })).toBe('UTF8 on');
    expect(lstatSync(join(native, 'lib', 'libpq.so.5')).isSymbolicLink()).toBe(true);
  });

  test('under a folder that others may not enter, unpacked under umask 077, works', async () => {
    const native = unpack('closed-package');
    for (const folder of [native, join(native, 'bin'), join(native, 'lib')]) chmodSync(folder, 0o700);
    for (const program of readdirSync(join(native, 'bin'))) chmodSync(join(native, 'bin', program), 0o700);
    chmodSync(join(base, 'closed-package'), 0o700);
    expect(await works(dataDir('closed-package-data'), { native })).toBe('UTF8 on');
  });
});

/** A mount namespace with an /etc of its own, where this machine lets us have one. */
const canHaveOwnEtc =
  isRoot &&
  spawnSync('unshare', ['--mount', 'mount', '-t', 'tmpfs', 'none', '/mnt'], { stdio: 'ignore' }).status === 0;

test.runIf(canHaveOwnEtc)('root on a machine without a postgres user makes an unprivileged one', async () => {
  const dir = dataDir('no-user');
  const program = join(base, 'start-and-stop.mjs');
  writeFileSync(
    program,
    `import { readFileSync } from 'node:fs';
    import { useEmbeddedServer } from '${packageRoot()}/dist/src/tenancy/postgres/embedded.js';
    const server = await useEmbeddedServer('${dir}');
    const uid = /^Uid:\\t(\\d+)/m.exec(readFileSync('/proc/' + server.pid + '/status', 'utf8'))[1];
    console.log(readFileSync('/etc/passwd', 'utf8').split('\\n').find((line) => line.split(':')[2] === uid));
    await server.release();`,
  );
  const script = [
    'set -e',
    'mount -t tmpfs none /mnt && mkdir /mnt/up /mnt/work',
    'mount -t overlay none -o lowerdir=/etc,upperdir=/mnt/up,workdir=/mnt/work /etc',
    'for f in passwd group shadow gshadow; do [ ! -e /etc/$f ] || sed -i "/^postgres:/d;/^cenote-postgres:/d" /etc/$f; done',
    `exec ${process.execPath} ${program}`,
  ].join('\n');
  const ran = spawnSync('unshare', ['--mount', 'sh', '-c', script], { encoding: 'utf8' });
  expect(ran.stderr).toBe('');
  expect(ran.stdout).toMatch(/^cenote-postgres:/);
});

test('emptying a data folder leaves what others put into it, and refuses a folder that is none', async () => {
  const dir = dataDir('emptied');
  await works(dir);
  writeFileSync(join(dir, 'thesis.txt'), 'mine');
  await emptyDataDir(dir);
  expect(readdirSync(dir)).toEqual(['thesis.txt']);
  await expect(emptyDataDir(dir)).rejects.toMatchObject({ category: 'conflict' });
  expect(readdirSync(dir)).toEqual(['thesis.txt']);
});
