import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { readConfig } from '../../src/config.js';
import { packageRoot } from '../../src/core/package-root.js';
import { PHASES } from '../../src/core/profile.js';
import { openSystem } from '../../src/system.js';
import { drainAnnotations } from '../../src/tasks/annotate.js';
import { runImport } from '../../src/tasks/import.js';
import { removeEmbedded } from '../../src/tenancy/postgres/embedded.js';
import { line } from './support/figure.js';
import { recordsOf } from './support/records.js';

/**
 * `cenote bench import [PATH | --made=PATIENTS | --bundle=MB] [--no-notes]`: imports a folder into a fresh tenant on a
 * durable embedded PostgreSQL, reads its notes, then imports it again. The folder is the project's sample where none is
 * given; `--made` writes bulk NDJSON of so many made-up patients, by type, some 37 resources each; `--bundle` writes the
 * like as one transaction Bundle of so many MB. The time of each phase is that of the two workers, what they wait for the
 * database within `commit` and for each other included.
 */
export async function run(args: readonly string[]): Promise<void> {
  const dataDir = mkdtempSync(join(tmpdir(), 'cenote-bench-'));
  const made = args.find((a) => a.startsWith('--made='));
  const bundle = args.find((a) => a.startsWith('--bundle='));
  const path = made
    ? makeBulkFiles(join(dataDir, 'input'), Number(made.slice('--made='.length)))
    : bundle
      ? makeBundle(join(dataDir, 'bundle.json'), Number(bundle.slice('--bundle='.length)))
      : resolve(args.find((a) => !a.startsWith('--')) ?? join(packageRoot(), 'examples', 'sample'));
  try {
    const system = await openSystem(
      readConfig({ dataDir, port: 0 }, { ...process.env, CENOTE_DATA_DIR: dataDir }),
    );
    try {
      await system.tenants.create('bench');
      const tenant = await system.tenants.open('bench');
      const once = async () => {
        const params = { paths: [path], folder: process.cwd(), defaults: {}, columns: {} };
        const job = await system.jobs.create(tenant, 'import', params);
        const cpu = process.cpuUsage();
        const database = await databaseCpu(tenant.pool);
        const log = await logPosition(tenant.pool);
        const from = performance.now();
        const claimed = await system.jobs.claim(tenant, job.id);
        const report = await runImport(
          { jobs: system.jobs, bundle: system.bundles, clock: system.clock },
          tenant,
          claimed,
          { base: system.baseOf(tenant) },
        );
        const seconds = (performance.now() - from) / 1000;
        const used = process.cpuUsage(cpu);
        const { created, updated, unchanged, rejected } = report.resources;
        return {
          report,
          seconds,
          cpu: (used.user + used.system) / 1e6,
          databaseCpu: (await databaseCpu(tenant.pool)) - database,
          logBytes: (await logPosition(tenant.pool)) - log,
          total: created + updated + unchanged,
          created,
          unchanged,
          rejected,
        };
      };
      const first = await once();
      const data = `${first.report.files.length} files, ${first.total} resources`;
      line(
        'import',
        'resources per second, fresh tenant',
        first.total / first.seconds,
        '1/s',
        data,
        'one Node process and PostgreSQL, fsync on',
      );
      line('import', 'CPU of the Node process per resource', (first.cpu / first.total) * 1e6, 'us', data);
      line(
        'import',
        'CPU of PostgreSQL per resource',
        (first.databaseCpu / first.total) * 1e6,
        'us',
        data,
        'all of its processes, checkpoints and vacuum included',
      );
      line('import', 'write-ahead log per resource', first.logBytes / first.total, 'bytes', data);
      for (const phase of PHASES) {
        const ms = first.report.profile?.workers.reduce((sum, worker) => sum + worker.ms[phase], 0) ?? 0;
        if (ms > 0) line('import', `time of ${phase} per resource`, (ms * 1000) / first.total, 'us', data);
      }
      line('import', 'peak memory of the Node process', first.report.profile?.peakRssMb ?? 0, 'MB', data);
      line('import', 'rejected', first.rejected, '1', data);
      if (!args.includes('--no-notes')) {
        const from = performance.now();
        const { documents, created } = await drainAnnotations(await system.annotation(), tenant);
        const seconds = (performance.now() - from) / 1000;
        line(
          'import',
          'notes read and their facts stored per second',
          documents / seconds,
          '1/s',
          `${documents} notes, ${created} facts`,
        );
      }
      const again = await once();
      line('import', 'resources per second, the same again', again.total / again.seconds, '1/s', data);
      line('import', 'new versions, the same again', again.total - again.unchanged, '1', data);
    } finally {
      await system.close();
    }
  } finally {
    // The cluster may lie elsewhere, where an unprivileged user can reach it.
    await removeEmbedded(dataDir);
    rmSync(dataDir, { recursive: true, force: true });
  }
}

/** Bulk NDJSON by type, written patient by patient so that nothing is held. */
function makeBulkFiles(folder: string, patients: number): string {
  mkdirSync(folder, { recursive: true });
  const held = new Map<string, string[]>();
  const flush = (type: string, lines: string[]) => {
    writeFileSync(join(folder, `${type}.ndjson`), `${lines.join('\n')}\n`, { flag: 'a' });
    lines.length = 0;
  };
  for (let n = 0; n < patients; n++) {
    for (const resource of recordsOf(n, 3)) {
      const lines = held.get(resource.resourceType) ?? [];
      held.set(resource.resourceType, lines);
      lines.push(JSON.stringify(resource));
      if (lines.length >= 10_000) flush(resource.resourceType, lines);
    }
  }
  for (const [type, lines] of held) if (lines.length > 0) flush(type, lines);
  return folder;
}

/** One transaction Bundle of at least so many MB, written as it is made. */
function makeBundle(file: string, megabytes: number): string {
  let text = '{"resourceType":"Bundle","type":"transaction","entry":[';
  let written = 0;
  for (let n = 0; written + text.length < megabytes * 1e6; n++) {
    for (const resource of recordsOf(n, 3)) {
      const entry = {
        fullUrl: `urn:uuid:${resource.id}`,
        resource,
        request: { method: 'PUT', url: `${resource.resourceType}/${resource.id}` },
      };
      text += `${written + text.length > 100 ? ',' : ''}\n${JSON.stringify(entry)}`;
    }
    if (text.length > 1e6) {
      writeFileSync(file, text, { flag: 'a' });
      written += text.length;
      text = '';
    }
  }
  writeFileSync(file, `${text}\n]}\n`, { flag: 'a' });
  return file;
}

/** Bytes that the server has ever written to its log; other databases of it write there too. */
async function logPosition(pool: { query(sql: string): Promise<{ rows: unknown[] }> }): Promise<number> {
  const { rows } = await pool.query(`select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::float8 as bytes`);
  return (rows[0] as { bytes: number }).bytes;
}

/** Clock ticks a second in `/proc` (USER_HZ is 100 on every Linux that Node runs on). */
const TICKS = 100;

/** CPU seconds of the PostgreSQL on this machine with all its processes, those that ended included; NaN off Linux. */
async function databaseCpu(pool: { query(sql: string): Promise<{ rows: unknown[] }> }): Promise<number> {
  const { rows } = await pool.query('select pg_backend_pid() as pid');
  const backend = (rows[0] as { pid: number }).pid;
  const stats = new Map<number, { parent: number; ticks: number; ended: number }>();
  try {
    for (const name of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
      try {
        const text = readFileSync(`/proc/${name}/stat`, 'utf8');
        const after = text.slice(text.lastIndexOf(')') + 2).split(' ');
        const [user, system, endedUser, endedSystem] = after.slice(11, 15).map(Number);
        stats.set(Number(name), {
          parent: Number(after[1]),
          ticks: user! + system!,
          ended: endedUser! + endedSystem!,
        });
      } catch {
        // Ended meanwhile.
      }
    }
  } catch {
    return Number.NaN;
  }
  const postmaster = stats.get(backend)?.parent;
  const own = postmaster === undefined ? undefined : stats.get(postmaster);
  if (!own) return Number.NaN;
  let ticks = own.ticks + own.ended;
  for (const { parent, ticks: used } of stats.values()) if (parent === postmaster) ticks += used;
  return ticks / TICKS;
}
