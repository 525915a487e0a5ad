import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { readConfig } from '../../src/config.js';
import type { Actor, Write } from '../../src/store/contract.js';
import { openSystem, type System } from '../../src/system.js';
import { runExport } from '../../src/tasks/export.js';
import { removeEmbedded } from '../../src/tenancy/postgres/embedded.js';
import type { Tenant } from '../../src/tenancy/tenant.js';
import { line } from './support/figure.js';
import { recordsOf } from './support/records.js';

const actor: Actor = { id: 'bench', kind: 'job' };
const VISITS = 12;
const BATCH = 4_000;

/**
 * `cenote bench export [--resources N] [--runs N] [--data-dir FOLDER]`: exports made-up records as NDJSON, Parquet and
 * CSV, and de-identified, from a fresh durable embedded PostgreSQL. Each figure is the best and the worst of the runs;
 * memory is the highest resident size of the process. With FOLDER the records are kept there and found again.
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
    ] as const) {
      const rates: number[] = [];
      let data = '';
      peak = 0;
      for (let i = 0; i < Number(values.runs); i++) {
        const directory = join(out, `${figure}-${i}`);
        const from = performance.now();
        const manifest = await runExport(system, tenant, { directory, request: 'bench', ...options });
        rates.push((manifest.total / (performance.now() - from)) * 1000);
        const bytes = manifest.output.reduce((sum, f) => sum + f.bytes, 0);
        data = `${manifest.total} made-up resources, ${Math.round(bytes / manifest.total)} bytes each in the files`;
        statSync(join(directory, 'manifest.json'));
        rmSync(directory, { recursive: true });
      }
      const note = `best of ${rates.length}; worst ${Math.round(Math.min(...rates))}; one Node process and PostgreSQL`;
      line('export', `${figure}, rows per second`, Math.max(...rates), '1/s', data, note);
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

async function filled(system: System, count: number): Promise<Tenant> {
  if (await system.tenants.find('bench')) return system.tenants.open('bench');
  await system.tenants.create('bench');
  const tenant = await system.tenants.open('bench');
  const from = performance.now();
  let writes: Write[] = [];
  let made = 0;
  for (let patient = 1; made < count; patient++) {
    for (const resource of recordsOf(patient, VISITS))
      writes.push({ op: 'update', type: resource.resourceType, id: resource.id!, resource });
    if (writes.length < BATCH && made + writes.length < count) continue;
    await system.store.commit(tenant, writes, actor);
    made += writes.length;
    writes = [];
  }
  await tenant.pool.query('vacuum analyze');
  line('export', 'records stored before', made / ((performance.now() - from) / 1000), '1/s', `${made}`);
  return tenant;
}
