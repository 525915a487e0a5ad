import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { coreDumpsOn } from '../../src/cli/core-dumps.js';
import { packageRoot } from '../../src/core/package-root.js';
import { removeEmbedded } from '../../src/tenancy/postgres/embedded.js';

const limits = (core: string) =>
  `Limit                     Soft Limit           Hard Limit           Units
Max data size             unlimited            unlimited            bytes
Max core file size        ${core}                    unlimited            bytes
Max resident set          unlimited            unlimited            bytes
`;

it.each([
  ['0', false],
  ['1', false],
  ['unlimited', true],
  ['1048576', true],
])('a limit of %s for core files means that a crash leaves memory in a file: %s', (core, on) => {
  expect(coreDumpsOn(limits(core))).toBe(on);
});

it('is not known where the system does not tell', () => {
  expect(coreDumpsOn('Max data size unlimited')).toBeUndefined();
});

const linux = process.platform === 'linux';
const dir = mkdtempSync(join(tmpdir(), 'cenote-core-'));
const running: ChildProcess[] = [];
afterAll(async () => {
  for (const child of running) child.kill('SIGTERM');
  await Promise.all(running.map(ended));
  await removeEmbedded(join(dir, 'data'));
  rmSync(dir, { recursive: true, force: true });
});

/** Runs the built command where core files are on, and waits until it says that it runs. */
function start(...args: string[]): Promise<ChildProcess> {
  const main = join(packageRoot(), 'dist', 'src', 'cli', 'main.js');
  const child = spawn(
    '/bin/sh',
    ['-c', 'ulimit -S -c unlimited; exec "$0" "$@"', process.execPath, main, ...args],
    {
      cwd: dir,
      env: { PATH: process.env.PATH ?? '', CENOTE_DATA_DIR: join(dir, 'data') },
      stdio: ['ignore', 'pipe', 'ignore'],
    },
  );
  running.push(child);
  return new Promise((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`It ended with ${code}.`)));
    child.stdout!.on('data', () => resolve(child));
  });
}

const ended = (child: ChildProcess) =>
  child.exitCode !== null || child.signalCode !== null
    ? Promise.resolve()
    : new Promise<void>((resolve) => child.once('exit', () => resolve()));

const statusOf = (pid: string) => {
  try {
    return readFileSync(`/proc/${pid}/status`, 'utf8');
  } catch {
    return '';
  }
};

/** Its own PostgreSQL, and what that started. */
function postgresOf({ pid }: ChildProcess): string[] {
  const all = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  const parentOf = new Map(all.map((name) => [name, /^PPid:\s+(\d+)/m.exec(statusOf(name))?.[1]]));
  const startedFor = (name: string) => {
    try {
      const environment = readFileSync(`/proc/${name}/environ`, 'latin1').split('\0');
      return environment.includes(`PG_GRANDPARENT_PID=${pid}`);
    } catch {
      return false;
    }
  };
  const masters = all.filter((name) => /^Name:\s+postgres$/m.test(statusOf(name)) && startedFor(name));
  return [...masters, ...all.filter((name) => masters.includes(parentOf.get(name) ?? ''))];
}

it.runIf(linux)(
  'neither server nor worker nor the database they start leave their memory in a file when they crash',
  async () => {
    const server = await start('serve', '--dev', '--no-worker', '--port', '0');
    const worker = await start('worker');
    const database = postgresOf(server);
    expect(database.length).toBeGreaterThan(3);
    for (const pid of [String(server.pid), String(worker.pid), ...database])
      expect(coreDumpsOn(readFileSync(`/proc/${pid}/limits`, 'latin1')), pid).toBe(false);
    server.kill('SIGABRT');
    await ended(server);
    expect(server.signalCode).toBe('SIGABRT');
    expect(readdirSync(dir)).toEqual(['data']);
  },
  60_000,
);
