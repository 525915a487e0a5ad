import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { systemClock } from '../../src/core/clock.js';
import { newId } from '../../src/core/ids.js';
import { parseJson } from '../../src/core/json.js';
import type { Resource } from '../../src/core/resource.js';
import type { Actor, Store, Write } from '../../src/store/contract.js';
import { createStore } from '../../src/store/index.js';
import { openTenants } from '../../src/tenancy/catalog.js';
import { openKeyFiles } from '../../src/tenancy/key-file.js';
import { removeEmbedded } from '../../src/tenancy/postgres/embedded.js';
import { makeDataDir } from '../../src/tenancy/postgres/place.js';
import { embeddedServer } from '../../src/tenancy/server.js';
import type { Tenant } from '../../src/tenancy/tenant.js';
import { recordsOf } from './support/records.js';

const actor: Actor = { id: 'bench', kind: 'job' };
const VISITS = 12;

/**
 * `cenote bench store [--resources N] [--batch N] [--concurrency N] [--data FOLDER] [--seconds N]`: the store alone on a
 * fresh durable embedded server: bulk commits with every index live, unchanged re-import, single creates, reads, scan.
 * FOLDER holds transaction bundles; made-up records where it is not given.
 */
export async function run(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      resources: { type: 'string', default: '60000' },
      batch: { type: 'string', default: '2000' },
      concurrency: { type: 'string', default: '2' },
      seconds: { type: 'string', default: '3' },
      data: { type: 'string' },
      keep: { type: 'boolean', default: false },
    },
  });
  const dataDir = mkdtempSync(join(tmpdir(), 'cenote-bench-'));
  makeDataDir(dataDir);
  const server = await embeddedServer(dataDir);
  const tenants = await openTenants({
    server: server.address,
    keys: openKeyFiles(join(dataDir, 'keys')),
    clock: systemClock,
  });
  try {
    await tenants.create('bench');
    const tenant = await tenants.open('bench');
    const store = createStore({ clock: systemClock, base: 'http://localhost/fhir' });
    const resources = values.data ? load(values.data) : madeUp(Number(values.resources));
    const bytes = resources.reduce((sum, r) => sum + JSON.stringify(r).length, 0);
    const report = figures(
      `${values.data ? 'bundles' : 'made-up records'}, ${resources.length} resources, ${Math.round(bytes / resources.length)} bytes each`,
    );
    await measure(store, tenant, resources, report, {
      batch: Number(values.batch),
      concurrency: Number(values.concurrency),
      seconds: Number(values.seconds),
    });
  } finally {
    await tenants.close();
    await server.close();
    if (!values.keep) {
      await removeEmbedded(dataDir);
      rmSync(dataDir, { recursive: true, force: true });
    }
  }
}

type Report = (figure: string, value: number, unit: string, note?: string) => void;

function figures(data: string): Report {
  return (figure, value, unit, note = '') =>
    process.stdout.write(
      `${JSON.stringify({ bench: 'store', figure, value: Number(value.toPrecision(4)), unit, limitRatio: null, data, note })}\n`,
    );
}

interface Load {
  readonly batch: number;
  readonly concurrency: number;
  readonly seconds: number;
}

async function measure(
  store: Store,
  tenant: Tenant,
  resources: Resource[],
  report: Report,
  load: Load,
): Promise<void> {
  const bulk = async (skipUnchanged: boolean) => {
    const batches: Write[][] = [];
    for (let i = 0; i < resources.length; i += load.batch)
      batches.push(
        resources.slice(i, i + load.batch).map((resource) => ({
          op: 'update',
          type: resource.resourceType,
          id: resource.id!,
          resource,
          skipUnchanged,
        })),
      );
    const cpu = process.cpuUsage();
    const seconds = await timed(() =>
      parallel(load.concurrency, async () => {
        for (let batch = batches.shift(); batch; batch = batches.shift())
          await store.commit(tenant, batch, actor);
      }),
    );
    const used = process.cpuUsage(cpu);
    return { rate: resources.length / seconds, node: (used.user + used.system) / resources.length };
  };
  const note = `batches of ${load.batch}, ${load.concurrency} at a time, all indexes live`;
  const first = await bulk(false);
  report('bulk', first.rate, 'resources/s', note);
  report('bulk-node-cpu', first.node, 'µs/resource', note);
  report('reimport-unchanged', (await bulk(true)).rate, 'resources/s', note);
  report('disk', (await diskBytes(tenant)) / resources.length, 'bytes/resource', 'tables and indexes');

  const reads = async (clients: number) => {
    let n = 0;
    const until = Date.now() + load.seconds * 1000;
    const seconds = await timed(() =>
      parallel(clients, async () => {
        while (Date.now() < until) {
          const r = resources[(n++ * 7919) % resources.length]!;
          await store.read(tenant, r.resourceType, r.id!);
        }
      }),
    );
    return n / seconds;
  };
  report('read', await reads(1), 'reads/s', 'one client');
  report('read', await reads(8), 'reads/s', '8 clients');

  let made = 0;
  for (const clients of [1, 8]) {
    const until = Date.now() + load.seconds * 1000;
    const before = made;
    const seconds = await timed(() =>
      parallel(clients, async () => {
        while (Date.now() < until) {
          const resource = { ...resources[made++ % resources.length]!, id: newId() };
          await store.commit(
            tenant,
            [{ op: 'create', type: resource.resourceType, id: resource.id, resource }],
            actor,
          );
        }
      }),
    );
    report(
      'single-create',
      (made - before) / seconds,
      'creates/s',
      `${clients} client${clients > 1 ? 's' : ''}, durable`,
    );
  }

  for (const [figure, scan] of [
    ['scan', store.scan],
    ['scan-text', store.scanText],
  ] as const) {
    let seen = 0;
    const seconds = await timed(async () => {
      for await (const batch of scan(tenant, {})) seen += batch.length;
    });
    report(figure, seen / seconds, 'resources/s', 'one connection');
  }
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}

async function parallel(n: number, work: () => Promise<void>): Promise<void> {
  await Promise.all(Array.from({ length: n }, work));
}

async function diskBytes(tenant: Tenant): Promise<number> {
  const { rows } = await tenant.pool.query(
    `select sum(pg_total_relation_size(c.oid))::float8 as bytes from pg_class c
     join pg_namespace n on n.oid = c.relnamespace where c.relkind = 'r' and n.nspname = 'public'`,
  );
  return rows[0].bytes;
}

function madeUp(count: number): Resource[] {
  const out: Resource[] = [];
  for (let p = 1; out.length < count; p++) out.push(...recordsOf(p, VISITS));
  return out.slice(0, count);
}

/** Resources of the bundles in a folder, `urn:uuid` references resolved to the ids their entries are stored under. */
function load(folder: string): Resource[] {
  if (!existsSync(folder)) throw new Error(`no folder ${folder}`);
  const out = new Map<string, Resource>();
  for (const name of readdirSync(folder).sort()) {
    if (!/\.json(\.gz)?$/.test(name)) continue;
    const bytes = readFileSync(join(folder, name));
    const text = (name.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8');
    const entries = (parseJson(text) as { entry?: { fullUrl?: string; resource: Resource }[] }).entry ?? [];
    const types = new Map(entries.map((e) => [e.fullUrl?.replace('urn:uuid:', ''), e.resource.resourceType]));
    const resolved = text.replace(/"urn:uuid:([0-9a-f-]{36})"/g, (all, id: string) =>
      types.has(id) ? `"${types.get(id)}/${id}"` : all,
    );
    for (const entry of (parseJson(resolved) as { entry?: { resource: Resource }[] }).entry ?? [])
      if (entry.resource.id) out.set(`${entry.resource.resourceType}/${entry.resource.id}`, entry.resource);
  }
  return [...out.values()];
}
