import { existsSync, statSync } from 'node:fs';
import pg from 'pg';
import { Fault } from '../../core/fault.js';
import { usableBinaries } from './binaries.js';
import {
  ADMIN_ROLE,
  type Cluster,
  dataFolder,
  ensureCluster,
  findPostmaster,
  freePort,
  removeCluster,
  startServer,
  stopServer,
} from './cluster.js';
import { type ClusterPlace, choosePlace, findPlace } from './place.js';
import type { RunAs } from './run-as.js';
import { unprivilegedUser } from './unprivileged-user.js';

/** How to reach a server as its administrator. `database` is the one to connect to first. */
export interface ServerAddress {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string | undefined;
  readonly database: string;
  readonly ssl?: pg.ClientConfig['ssl'];
}

/** Our share in a running embedded server. */
export interface EmbeddedServer {
  readonly address: ServerAddress;
  readonly pid: number;
  /** Gives the share back; stops the server when nobody else has one. */
  release(): Promise<void>;
}

export interface EmbeddedOptions {
  /** First port to try; a free one where it is taken or not given. */
  readonly port?: number;
  readonly settings?: Readonly<Record<string, string>>;
  /** Leave the server running when the last share is given back. */
  readonly keepRunning?: boolean;
  /** Folder of the packaged server programs. */
  readonly native?: string;
}

const DATABASE = 'postgres';
const READY_TIMEOUT_MS = 180_000;
const MAX_PORTS_TRIED = 8;
const POLL_MS = 40;
/** A server that keeps going down is given up after this many starts, some six minutes. */
const MAX_RESTORES = 12;
const RESTORE_PAUSE_MS = 100;
const CONNECT_TIMEOUT_MS = 15_000;
/**
 * Advisory lock in database `postgres` that says who uses the server: every user holds it shared for as long as it
 * lives, on a connection of its own, so that a killed one's share is gone with it and no file of process numbers can
 * go stale. Whoever leaves tries to take it alone, and stops the server when that works; a newcomer then waits for
 * the lock, is disconnected by the stop, and starts the server anew.
 */
const USERS_LOCK = 7_236_019_201;

/**
 * A share in the embedded PostgreSQL of `dataDir`: the one that runs there already, or one started now (its files
 * made first where there are none). While we hold the share the server is kept running: where it was killed or
 * crashed it is started again on the same port, so that pools find it at its address.
 * @throws Fault `unavailable` where it cannot be made to run, with the reason.
 */
export async function useEmbeddedServer(
  dataDir: string,
  options: EmbeddedOptions = {},
): Promise<EmbeddedServer> {
  let share = await acquire(dataDir, options);
  const { address } = share;
  let released = false;
  let restoring: Promise<void> | undefined;

  function watch(): void {
    share.client.once('end', () => {
      if (!released) restoring = restore();
    });
  }

  async function restore(): Promise<void> {
    for (let attempt = 0; attempt < MAX_RESTORES && !released; attempt++) {
      await pause(RESTORE_PAUSE_MS * 2 ** attempt);
      try {
        share = await acquire(dataDir, { ...options, port: address.port });
        if (!released) watch();
        return;
      } catch {
        // Tried again; meanwhile every use of the database says that it cannot be reached.
      }
    }
  }

  watch();
  return {
    address,
    get pid() {
      return share.pid;
    },
    async release() {
      if (released) return;
      released = true;
      await restoring;
      await share.giveBack();
    },
  };
}

/** One connection that holds the lock, and the server it is to. */
interface Share {
  readonly address: ServerAddress;
  readonly pid: number;
  readonly client: pg.Client;
  giveBack(): Promise<void>;
}

async function acquire(dataDir: string, options: EmbeddedOptions): Promise<Share> {
  const cluster = await prepare(dataDir, options);
  await ensureCluster(cluster);
  const deadline = Date.now() + READY_TIMEOUT_MS;
  let port = options.port ?? (await freePort());
  let portsTried = 0;
  while (Date.now() < deadline) {
    const running = findPostmaster(cluster.place);
    if (running) {
      const share = running.ready ? await takeShare(cluster, running.pid, running.port, options) : undefined;
      if (share) return share;
      // It is starting or stopping.
      await pause(POLL_MS);
      continue;
    }
    const outcome = await startServer(cluster, port);
    if (outcome === 'port-taken') {
      portsTried += 1;
      if (portsTried >= MAX_PORTS_TRIED)
        throw new Fault('unavailable', 'No free port was found for PostgreSQL.');
      port = await freePort();
    }
    if (outcome === 'runs-already') await pause(POLL_MS);
  }
  throw new Fault('unavailable', 'PostgreSQL was not ready in time.', {
    remedy: `See server.log in ${cluster.place.home}.`,
  });
}

async function prepare(dataDir: string, options: EmbeddedOptions): Promise<Cluster> {
  const found = findPlace(dataDir);
  // Files that exist keep their owner, whatever users the machine has got since.
  const user = (found && ownerOf(found)) ?? (await unprivilegedUser());
  const place = choosePlace(dataDir, user);
  const binaries = usableBinaries(place.home, user, options.native);
  return { place, user, binaries, settings: options.settings };
}

function ownerOf(place: ClusterPlace): RunAs | undefined {
  if (typeof process.getuid !== 'function' || process.getuid() !== 0) return undefined;
  const data = dataFolder(place);
  if (!existsSync(data)) return undefined;
  const s = statSync(data);
  return s.uid === 0 ? undefined : { uid: s.uid, gid: s.gid };
}

async function takeShare(
  cluster: Cluster,
  pid: number,
  port: number,
  options: EmbeddedOptions,
): Promise<Share | undefined> {
  const address: ServerAddress = {
    host: '127.0.0.1',
    port,
    user: ADMIN_ROLE,
    password: cluster.place.password,
    database: DATABASE,
  };
  const client = new pg.Client({
    ...address,
    application_name: 'cenote user',
    keepAlive: true,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
  });
  // Another user may stop the server under us only while we are about to take our share, or by force.
  client.on('error', () => {});
  try {
    await client.connect();
    await client.query('select pg_advisory_lock_shared($1)', [USERS_LOCK]);
  } catch (error) {
    await client.end().catch(() => {});
    const code = (error as { code?: string }).code;
    if (code === '28P01')
      throw new Fault('unavailable', 'The embedded PostgreSQL does not accept the password kept for it.', {
        remedy: `Restore postgres.json of this data folder; the database files are in ${cluster.place.home}.`,
      });
    return undefined;
  }
  return {
    address,
    pid,
    client,
    async giveBack() {
      const alone = options.keepRunning ? false : await leave(client);
      if (alone) await stopServer(cluster);
      await client.end().catch(() => {});
    },
  };
}

/** True when nobody else uses the server; the lock is then held alone until the server stops. */
async function leave(client: pg.Client): Promise<boolean> {
  try {
    await client.query('select pg_advisory_unlock_shared($1)', [USERS_LOCK]);
    const { rows } = await client.query<{ alone: boolean }>('select pg_try_advisory_lock($1) as alone', [
      USERS_LOCK,
    ]);
    return rows[0]?.alone === true;
  } catch {
    // The server is gone already.
    return false;
  }
}

/** Stops whatever embedded server runs on `dataDir`, users or not. For tests' end and for `removeEmbedded`. */
export async function stopEmbedded(dataDir: string, mode: 'fast' | 'immediate' = 'fast'): Promise<void> {
  const place = findPlace(dataDir);
  if (!place || !findPostmaster(place)) return;
  const user = ownerOf(place);
  await stopServer({ place, user, binaries: usableBinaries(place.home, user) }, mode);
}

/**
 * Deletes the embedded cluster of `dataDir`, wherever it lies.
 * @throws Fault `conflict` while another process uses it.
 */
export async function removeEmbedded(dataDir: string): Promise<void> {
  const place = findPlace(dataDir);
  if (!place) return;
  const running = findPostmaster(place);
  if (running) {
    const user = ownerOf(place);
    const cluster: Cluster = { place, user, binaries: usableBinaries(place.home, user) };
    const share = await takeShare(cluster, running.pid, running.port, {});
    await share?.giveBack();
    if (findPostmaster(place))
      throw new Fault('conflict', 'Another process uses this data folder.', {
        remedy: 'End it first (cenote demo, serve or worker on the same --data-dir).',
      });
  }
  removeCluster(place);
}

const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));
