import { mkdtempSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { currentFeatures } from '../../src/cohort/current-features.js';
import { featureOf, featuresAt } from '../../src/cohort/features.js';
import { readConfig } from '../../src/config.js';
import { readyViews } from '../../src/export/ready-views.js';
import { storedResources } from '../../src/export/view-source.js';
import { writeView } from '../../src/export/view-table.js';
import { compileView, type Row } from '../../src/fhir/views/view.js';
import { createApp } from '../../src/http/app.js';
import { listen } from '../../src/http/server.js';
import type { Actor, Write } from '../../src/store/contract.js';
import { atSnapshot } from '../../src/store/snapshot.js';
import { openSystem, type System } from '../../src/system.js';
import { removeEmbedded } from '../../src/tenancy/postgres/embedded.js';
import type { Tenant } from '../../src/tenancy/tenant.js';
import { line } from './support/figure.js';
import { recordsOf } from './support/records.js';

const actor: Actor = { id: 'bench', kind: 'job' };
const VISITS = 12;
const BATCH = 4_000;
/** Patients whose features are asked for, after as many to warm up. */
const ONLINE_READS = 300;
const INDEX_ROWS = 2_000;

/**
 * `cenote bench views [--resources N] [--runs N] [--data-dir FOLDER]`: the view of observations that comes with the
 * program, evaluated in memory and run over made-up records in each format; features of one patient now, and of many
 * at a time, from a fresh durable embedded PostgreSQL. With FOLDER the records are kept there and found again.
 */
export async function run(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      resources: { type: 'string', default: '100000' },
      runs: { type: 'string', default: '3' },
      'data-dir': { type: 'string' },
    },
  });
  const runs = Number(values.runs);
  const dataDir = values['data-dir'] ?? mkdtempSync(join(tmpdir(), 'cenote-bench-'));
  const system = await openSystem(
    readConfig({ dataDir, port: 0 }, { ...process.env, CENOTE_DATA_DIR: dataDir }),
  );
  const out = mkdtempSync(join(tmpdir(), 'cenote-bench-out-'));
  try {
    const tenant = await filled(system, Number(values.resources));
    evaluate(runs);
    await formats(system, tenant, out, runs);
    await features(system, tenant);
  } finally {
    await system.close();
    rmSync(out, { recursive: true, force: true });
    if (!values['data-dir']) {
      await removeEmbedded(dataDir);
      rmSync(dataDir, { recursive: true, force: true });
    }
  }
}

/** The evaluator alone: resources that are in memory already. */
function evaluate(runs: number): void {
  const view = compileView(readyViews().get('observation'));
  const resources = Array.from({ length: 200 }, (_, i) => recordsOf(i + 1, VISITS))
    .flat()
    .filter((r) => r.resourceType === 'Observation');
  const rates: number[] = [];
  for (let i = 0; i < runs + 1; i++) {
    const from = performance.now();
    let rows = 0;
    for (let n = 0; n < 5; n++) {
      const found: Row[] = [];
      for (const resource of resources) view.rows(resource, found);
      rows += found.length;
    }
    if (i > 0) rates.push((rows / (performance.now() - from)) * 1000);
  }
  line(
    'views',
    'rows evaluated in memory, one core',
    Math.max(...rates),
    '1/s',
    `${resources.length} observations, ${view.columns.length} columns`,
    `worst ${Math.round(Math.min(...rates))}`,
  );
}

async function formats(system: System, tenant: Tenant, out: string, runs: number): Promise<void> {
  const view = compileView(readyViews().get('observation'));
  const context = { blind: tenant.keys.blind, base: system.baseOf(tenant), now: Date.now() };
  let peak = 0;
  const watch = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage.rss());
  }, 50);
  for (const format of ['ndjson', 'csv', 'parquet', 'json'] as const) {
    const rates: number[] = [];
    const busy: number[] = [];
    let data = '';
    peak = 0;
    for (let i = 0; i < runs; i++) {
      const file = await open(join(out, `rows.${format}`), 'w', 0o600);
      const from = performance.now();
      const cpu = process.cpuUsage();
      const { rows, bytes } = await atSnapshot(
        tenant,
        system.clock,
        (snapshot) =>
          writeView(view, storedResources(snapshot, { type: view.resource }, context), {
            format,
            sink: { write: async (chunk) => void (await file.writeFile(chunk)) },
          }),
        { settled: false },
      );
      rates.push((rows / (performance.now() - from)) * 1000);
      busy.push(rows / cpuSeconds(cpu));
      await file.close();
      data = `${rows} rows of ${view.columns.length} columns, ${Math.round(bytes / rows)} bytes each`;
    }
    const note = `best of ${runs}; worst ${Math.round(Math.min(...rates))}; one Node process and PostgreSQL`;
    line('views', `${format}, rows per second`, Math.max(...rates), '1/s', data, note);
    line('views', `${format}, rows per second of this process\u2019s CPU`, Math.max(...busy), '1/s', data);
    line('views', `${format}, highest memory`, peak / 1e6, 'MB', data);
  }
  clearInterval(watch);
}

/** Of this process since then; what others on the machine do counts less in it than in the time of the clock. */
function cpuSeconds(since: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(since);
  return (user + system) / 1e6;
}

async function features(system: System, tenant: Tenant): Promise<void> {
  const wanted = ['observation', 'condition', 'encounter'].map((id) => featureOf(readyViews().get(id)));
  const base = system.baseOf(tenant);
  const ids: string[] = [];
  for await (const batch of system.store.scan(tenant, { types: ['Patient'] })) {
    for (const { id } of batch) if (ids.length < INDEX_ROWS) ids.push(id);
  }
  const times: number[] = [];
  let cpu = process.cpuUsage();
  for (let i = 0; i < ONLINE_READS * 2; i++) {
    if (i === ONLINE_READS) cpu = process.cpuUsage();
    const from = performance.now();
    await currentFeatures(tenant, wanted, { patient: ids[i % ids.length]!, at: Date.now() }, base);
    if (i >= ONLINE_READS) times.push(performance.now() - from);
  }
  const each = (cpuSeconds(cpu) * 1000) / ONLINE_READS;
  times.sort((a, b) => a - b);
  const data = `${wanted.length} features (observation, condition, encounter) of patients with ${VISITS} visits`;
  line('views', 'features of one patient now, p50', times[times.length >> 1]!, 'ms', data);
  line('views', 'features of one patient now, p95', times[Math.floor(times.length * 0.95)]!, 'ms', data);
  line('views', 'features of one patient now, this process\u2019s CPU', each, 'ms', data);
  await overHttp(system, ids, data);
  const from = performance.now();
  let rows = 0;
  const asked = ids.map((patient) => ({ patient, at: Date.now() }));
  for await (const batch of featuresAt(tenant, wanted, asked, { base })) rows += batch.length;
  line(
    'views',
    'features at a time, rows per second',
    (rows / (performance.now() - from)) * 1000,
    '1/s',
    data,
  );
}

/** The same as a client has it, audit entry included; the client is in this process, too. */
async function overHttp(system: System, ids: readonly string[], data: string): Promise<void> {
  const app = createApp(system, { baseUrl: 'http://127.0.0.1', version: '0', dev: true });
  const server = await listen(app, { host: '127.0.0.1', port: 0, dev: true });
  const query = 'feature=observation&feature=condition&feature=encounter';
  const times: number[] = [];
  let cpu = process.cpuUsage();
  try {
    for (let i = 0; i < ONLINE_READS * 2; i++) {
      if (i === ONLINE_READS) cpu = process.cpuUsage();
      const from = performance.now();
      const answer = await fetch(
        `http://127.0.0.1:${server.port}/fhir/bench/Patient/${ids[i % ids.length]}/$features?${query}`,
      );
      const found = (await answer.json()) as Record<string, unknown>;
      if (answer.status !== 200 || found.observation_known_time == null) throw new Error(`${answer.status}`);
      if (i >= ONLINE_READS) times.push(performance.now() - from);
    }
  } finally {
    await server.stop();
  }
  const each = (cpuSeconds(cpu) * 1000) / ONLINE_READS;
  times.sort((a, b) => a - b);
  const name = 'features of one patient now, over HTTP';
  line('views', `${name}, p50`, times[times.length >> 1]!, 'ms', data);
  line('views', `${name}, p95`, times[Math.floor(times.length * 0.95)]!, 'ms', data);
  line('views', `${name}, CPU of server and client`, each, 'ms', data);
}

async function filled(system: System, count: number): Promise<Tenant> {
  if (await system.tenants.find('bench')) return system.tenants.open('bench');
  await system.tenants.create('bench');
  const tenant = await system.tenants.open('bench');
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
  return tenant;
}
