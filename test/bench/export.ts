import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { readConfig } from '../../src/config.js';
import { openSystem } from '../../src/system.js';
import { runExport } from '../../src/tasks/export.js';
import { removeEmbedded } from '../../src/tenancy/postgres/embedded.js';
import { line } from './support/figure.js';
import { filled } from './support/lake.js';

/**
 * `cenote bench export [--resources N] [--runs N] [--data-dir FOLDER]`: exports made-up records as NDJSON, Parquet and
 * CSV, de-identified and with a report, from a fresh durable embedded PostgreSQL. Each figure is the best and the worst
 * of the runs; processor time is the least, and other work on the machine changes it less; memory is the highest
 * resident size of the process. With FOLDER the records are kept there and found again.
 */
export async function run(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      resources: { type: 'string', default: '200000' },
      runs: { type: 'string', default: '3' },
      'data-dir': { type: 'string' },
    },
  });
  const dataDir = values['data-dir'] ?? mkdtempSync(join(tmpdir(), 'cenote-bench-'));
  const system = await openSystem(
    readConfig({ dataDir, port: 0 }, { ...process.env, CENOTE_DATA_DIR: dataDir }),
  );
  const out = mkdtempSync(join(tmpdir(), 'cenote-bench-out-'));
  try {
    const tenant = await filled(system, Number(values.resources));
    let peak = 0;
    const watch = setInterval(() => {
      peak = Math.max(peak, process.memoryUsage.rss());
    }, 50);
    for (const [figure, options] of [
      ['NDJSON', { format: 'ndjson' }],
      ['Parquet', { format: 'parquet' }],
      ['CSV', { format: 'csv' }],
      ['NDJSON de-identified', { format: 'ndjson', deidentify: {} }],
      ['NDJSON with a quality report', { format: 'ndjson', report: {} }],
    ] as const) {
      const rates: number[] = [];
      const costs: number[] = [];
      let data = '';
      peak = 0;
      for (let i = 0; i < Number(values.runs); i++) {
        const directory = join(out, `${figure}-${i}`);
        const from = performance.now();
        const cpu = process.cpuUsage();
        const manifest = await runExport(system, tenant, { directory, request: 'bench', ...options });
        rates.push((manifest.total / (performance.now() - from)) * 1000);
        const used = process.cpuUsage(cpu);
        costs.push((used.user + used.system) / manifest.total);
        const bytes = manifest.output.reduce((sum, f) => sum + f.bytes, 0);
        data = `${manifest.total} made-up resources, ${Math.round(bytes / manifest.total)} bytes each in the files`;
        statSync(join(directory, 'manifest.json'));
        rmSync(directory, { recursive: true });
      }
      const note = `best of ${rates.length}; worst ${Math.round(Math.min(...rates))}; one Node process and PostgreSQL`;
      line('export', `${figure}, rows per second`, Math.max(...rates), '1/s', data, note);
      line(
        'export',
        `${figure}, CPU of the Node process per row`,
        Math.min(...costs),
        'us',
        data,
        'all its threads',
      );
      line('export', `${figure}, highest memory`, peak / 1e6, 'MB', data);
    }
    clearInterval(watch);
  } finally {
    await system.close();
    rmSync(out, { recursive: true, force: true });
    if (!values['data-dir']) {
      await removeEmbedded(dataDir);
      rmSync(dataDir, { recursive: true, force: true });
    }
  }
}
