import { randomBytes } from 'node:crypto';
import { chownSync, existsSync, readFileSync, renameSync, rmSync, statSync, truncateSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { Fault } from '../../core/fault.js';
import { writeSecretFile } from '../secret-file.js';
import type { Binaries } from './binaries.js';
import type { ClusterPlace } from './place.js';
import { type RunAs, run } from './run-as.js';
import { serverSettings } from './settings.js';

/** The server's superuser, used for the control database and to make tenants; never by a tenant's own pool. */
export const ADMIN_ROLE = 'cenote_admin';

const INITDB_TIMEOUT_MS = 120_000;
const START_TIMEOUT_S = 120;
const STOP_TIMEOUT_MS = 120_000;
const STOP_POLL_MS = 15;
/** The server's log is cut at a start when it has grown beyond this. */
const MAX_LOG_BYTES = 8 * 1024 * 1024;

/** A running server as its own `postmaster.pid` describes it. */
export interface Postmaster {
  readonly pid: number;
  readonly port: number;
  readonly ready: boolean;
}

export interface Cluster {
  readonly place: ClusterPlace;
  readonly binaries: Binaries;
  readonly user: RunAs | undefined;
  /** Extra settings of this start; tests turn durability off with them. */
  readonly settings?: Readonly<Record<string, string>>;
}

export const dataFolder = (place: ClusterPlace): string => join(place.home, 'data');
const logFile = (place: ClusterPlace): string => join(place.home, 'server.log');

/** Makes the database files where there are none. Two processes at once: the second uses what the first made. */
export async function ensureCluster(cluster: Cluster): Promise<void> {
  const data = dataFolder(cluster.place);
  if (existsSync(join(data, 'PG_VERSION'))) return;
  const draft = join(cluster.place.home, `data.${process.pid}.${randomBytes(4).toString('hex')}`);
  const passwordFile = `${draft}.password`;
  writeSecretFile(passwordFile, `${cluster.place.password}\n`);
  if (cluster.user) chownSync(passwordFile, cluster.user.uid, cluster.user.gid);
  try {
    const args = [
      `--pgdata=${draft}`,
      `--username=${ADMIN_ROLE}`,
      `--pwfile=${passwordFile}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      '--locale=C',
      '--data-checksums',
      ...(cluster.settings?.fsync === 'off' ? ['--no-sync'] : []),
    ];
    const made = await run(cluster.binaries.initdb, args, {
      user: cluster.user,
      cwd: cluster.place.home,
      timeoutMs: INITDB_TIMEOUT_MS,
    });
    if (made.code !== 0) throw startFault('PostgreSQL could not make its database files.', made.output);
    try {
      renameSync(draft, data);
    } catch (error) {
      if (!existsSync(join(data, 'PG_VERSION'))) throw error;
    }
  } finally {
    rmSync(passwordFile, { force: true });
    rmSync(draft, { recursive: true, force: true });
  }
}

/** The server that runs on these files now, if one does. A file left behind by a killed one counts as none. */
export function findPostmaster(place: ClusterPlace): Postmaster | undefined {
  let lines: string[];
  try {
    lines = readFileSync(join(dataFolder(place), 'postmaster.pid'), 'utf8').split('\n');
  } catch {
    return undefined;
  }
  const pid = Number(lines[0]);
  if (!Number.isInteger(pid) || pid <= 1 || !isPostgresOn(pid, dataFolder(place))) return undefined;
  return { pid, port: Number(lines[3] ?? 0), ready: (lines[7] ?? '').trim() === 'ready' };
}

/** Whether process `pid` is a postgres on this folder, and not another program that got a dead one's number. */
function isPostgresOn(pid: number, data: string): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(data);
  } catch {
    // No /proc on this system: it lives, and the server itself sorts out the rest.
    return true;
  }
}

export type StartOutcome = 'started' | 'runs-already' | 'port-taken';

/**
 * Starts the server on `port`, detached from us; returns when it accepts connections. PostgreSQL's own lock on
 * the data folder decides between two starters.
 * @throws Fault `unavailable` with the server's last words in `log`.
 */
export async function startServer(cluster: Cluster, port: number): Promise<StartOutcome> {
  const { place, user } = cluster;
  const log = logFile(place);
  if (existsSync(log) && statSync(log).size > MAX_LOG_BYTES) truncateSync(log);
  const before = existsSync(log) ? statSync(log).size : 0;
  setAsideForeignPid(place);
  const settings = { ...serverSettings(port), ...cluster.settings };
  const options = Object.entries(settings).map(
    ([name, value]) => `-c ${name}=${value === '' ? "''" : value}`,
  );
  const started = await run(
    cluster.binaries.pgCtl,
    [
      'start',
      '-w',
      '-t',
      String(START_TIMEOUT_S),
      '-D',
      dataFolder(place),
      '-l',
      log,
      '-o',
      options.join(' '),
    ],
    { user, cwd: place.home, timeoutMs: (START_TIMEOUT_S + 10) * 1000 },
  );
  if (started.code === 0) return 'started';
  const words = `${started.output}\n${existsSync(log) ? readFileSync(log, 'utf8').slice(before) : ''}`;
  if (/could not bind|address already in use|could not create any TCP\/IP sockets/i.test(words))
    return 'port-taken';
  // The second: processes of a server that was killed are still on their way out.
  if (
    /lock file "postmaster.pid" already exists|another server might be running|is still in use/i.test(words)
  )
    return 'runs-already';
  throw startFault('PostgreSQL did not start.', words);
}

/**
 * Removes a `postmaster.pid` whose number now belongs to a program that is no PostgreSQL on this folder (in a
 * container numbers repeat); PostgreSQL would refuse to start for it. It clears up after a dead number itself.
 */
function setAsideForeignPid(place: ClusterPlace): void {
  const file = join(dataFolder(place), 'postmaster.pid');
  if (!existsSync(file) || findPostmaster(place)) return;
  const aside = `${file}.stale.${process.pid}`;
  try {
    renameSync(file, aside);
  } catch {
    return;
  }
  const pid = Number(readFileSync(aside, 'utf8').split('\n')[0]);
  // A server that started in between has written a new file under the old name: give it back.
  if (isPostgresOn(pid, dataFolder(place))) renameSync(aside, file);
  else rmSync(aside, { force: true });
}

/**
 * Stops the server; its clients are disconnected, its transactions rolled back, its files left consistent
 * (`immediate`: as after a crash). Waits for this very process: `pg_ctl stop -w` waits for the lock file to vanish,
 * and would wait on where the next user has started the server anew in the meantime.
 */
export async function stopServer(cluster: Cluster, mode: 'fast' | 'immediate' = 'fast'): Promise<void> {
  const running = findPostmaster(cluster.place);
  if (!running) return;
  const data = dataFolder(cluster.place);
  if (process.platform === 'win32') {
    await run(cluster.binaries.pgCtl, ['stop', '-W', '-m', mode, '-D', data], {
      user: undefined,
      cwd: cluster.place.home,
      timeoutMs: STOP_TIMEOUT_MS,
    });
  } else {
    try {
      process.kill(running.pid, mode === 'fast' ? 'SIGINT' : 'SIGQUIT');
    } catch {
      // Gone by itself.
    }
  }
  const deadline = Date.now() + STOP_TIMEOUT_MS;
  while (isPostgresOn(running.pid, data)) {
    if (Date.now() > deadline)
      throw new Fault('unavailable', 'PostgreSQL did not stop in time.', {
        remedy: `See ${logFile(cluster.place)}.`,
      });
    await new Promise((done) => setTimeout(done, STOP_POLL_MS));
  }
}

/** A port of the loopback address that nobody listens on just now. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() =>
        address && typeof address === 'object' ? resolve(address.port) : reject(new Error('no port')),
      );
    });
  });
}

export function removeCluster(place: ClusterPlace): void {
  rmSync(place.home, { recursive: true, force: true });
}

function startFault(message: string, output: string): Fault {
  return new Fault('unavailable', message, {
    remedy: `Its last words: ${lastLines(output)}`,
    log: output,
  });
}

/** The server's log holds no statements and no values (see settings.ts), so its words may be shown. */
function lastLines(output: string): string {
  const lines = output
    .split('\n')
    .map((l) => l.trim())
    .filter((l) => l !== '' && !l.startsWith('pg_ctl: could not start'));
  return lines.slice(-4).join(' / ') || 'none.';
}
