import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { readConfig } from '../../src/config.js';
import { packageRoot } from '../../src/core/package-root.js';
import { openSystem } from '../../src/system.js';
import { drainAnnotations } from '../../src/tasks/annotate.js';
import { runImport } from '../../src/tasks/import.js';
import { removeEmbedded } from '../../src/tenancy/postgres/embedded.js';
import { line } from './support/figure.js';

/**
 * `cenote bench import [PATH] [--no-notes]`: imports a folder into a fresh tenant on a durable embedded PostgreSQL, reads
 * its notes, then imports it again. The folder is the project's sample where none is given.
 */
export async function run(args: readonly string[]): Promise<void> {
  const path = resolve(args.find((a) => !a.startsWith('--')) ?? join(packageRoot(), 'examples', 'sample'));
  const dataDir = mkdtempSync(join(tmpdir(), 'cenote-bench-'));
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
