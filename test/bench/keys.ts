import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { newId } from '../../src/core/ids.js';
import type { Resource } from '../../src/core/resource.js';
import { readShard } from '../../src/export/shard-reader.js';
import { createJobs } from '../../src/jobs/jobs.js';
import { createSearch } from '../../src/search/search.js';
import type { Actor, Store, Write } from '../../src/store/contract.js';
import { createStore } from '../../src/store/index.js';
import { requestReseal, runReseal } from '../../src/tasks/reseal.js';
import { requestRotateIndex, runRotateIndex } from '../../src/tasks/rotate-index.js';
import { type Catalog, openTenants } from '../../src/tenancy/catalog.js';
import { openKeyFiles } from '../../src/tenancy/key-file.js';
import { KEY_NOTICE_MS } from '../../src/tenancy/key-rows.js';
import { removeEmbedded } from '../../src/tenancy/postgres/embedded.js';
import { makeDataDir } from '../../src/tenancy/postgres/place.js';
import { embeddedServer } from '../../src/tenancy/server.js';
import type { Tenant } from '../../src/tenancy/tenant.js';
import { recordsOf } from './support/records.js';

const actor: Actor = { id: 'bench', kind: 'job' };
const BATCH = 2000;
const CLIENTS = 4;

/**
 * `cenote bench keys [--resources N] [--seconds N] [--rotation]`: what patients' own keys cost, as ratios of a tenant that has them
 * to one without, both filled and read in turns in one run; then a new body key and a new index key for the first while
 * clients read, search and write: how long until everything is sealed and indexed anew, and whether anything was not to be
 * read or found meanwhile. `--rotation`: that alone.
 */
export async function run(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      resources: { type: 'string', default: '200000' },
      seconds: { type: 'string', default: '3' },
      rotation: { type: 'boolean', default: false },
    },
  });
  const dataDir = mkdtempSync(join(tmpdir(), 'cenote-bench-'));
  makeDataDir(dataDir);
  const server = await embeddedServer(dataDir);
  // The time that a new key waits before it is used is leapt over.
  let leap = 0;
  const clock = { now: () => Date.now() + leap };
  const tenants = await openTenants({
    server: server.address,
    keys: openKeyFiles(join(dataDir, 'keys')),
    clock,
  });
  try {
    for (const name of ['keyed', 'plain']) await tenants.create(name);
    await tenants.control.query(
      `delete from tenant_key where purpose = 'patient' and tenant_id = (select id from tenant where name = 'plain')`,
    );
    const store = createStore({ clock, base: 'http://localhost/fhir' });
    const pair = [await tenants.open('keyed'), await tenants.open('plain')] as const;
    const resources = madeUp(Number(values.resources));
    const report = figures(`made-up records, ${resources.length} resources`);
    if (values.rotation) await fill(store, pair.slice(0, 1), resources);
    else await compare(store, pair, resources, Number(values.seconds), report);
    const ahead = () => {
      leap += KEY_NOTICE_MS;
    };
    await rotate(store, tenants, pair[0], resources, clock, report, ahead);
    await rotateIndex(store, tenants, pair[0], resources, clock, report, ahead);
  } finally {
    await tenants.close();
    await server.close();
    await removeEmbedded(dataDir);
    rmSync(dataDir, { recursive: true, force: true });
  }
}

type Report = (figure: string, value: number, unit: string, note?: string) => void;

function figures(data: string): Report {
  return (figure, value, unit, note = '') =>
    process.stdout.write(
      `${JSON.stringify({ bench: 'keys', figure, value: Number(value.toPrecision(4)), unit, limitRatio: null, data, note })}\n`,
    );
}

/** Every measure is taken of both in turns, so that what else the machine does touches both alike. */
async function compare(
  store: Store,
  pair: readonly [Tenant, Tenant],
  resources: readonly Resource[],
  seconds: number,
  report: Report,
): Promise<void> {
  const ratio = (figure: string, [keyed, plain]: readonly number[], note: string) => {
    report(figure, keyed! / plain!, 'times as long', note);
  };
  const bulk = await fill(store, pair, resources);
  ratio('bulk', bulk, `batches of ${BATCH}, with patients' keys against without`);
  report('bulk-rate', resources.length / bulk[0]!, 'resources/s', "with patients' keys");

  const single = [0, 0];
  const read = [0, 0];
  const ROUNDS = 20;
  const times = Math.max(20, Math.round(seconds * 10));
  for (let round = 0; round < ROUNDS; round++)
    for (const side of turns(round)) {
      read[side]! += await timed(async () => {
        for (let n = 0; n < times * 5; n++) {
          const r = resources[((round * times * 5 + n) * 7919) % resources.length]!;
          await store.read(pair[side]!, r.resourceType, r.id!);
        }
      });
      single[side]! += await timed(async () => {
        for (let n = 0; n < times; n++) {
          const r = { ...resources[(round * times + n) % resources.length]!, id: newId() };
          await store.commit(
            pair[side]!,
            [{ op: 'create', type: r.resourceType, id: r.id, resource: r }],
            actor,
          );
        }
      });
    }
  ratio('read', read, 'one client, one resource at a time');
  ratio('single-create', single, 'one client, durable');

  const scan = [0, 0];
  const shard = [0, 0];
  for (let round = 0; round < 4; round++)
    for (const side of turns(round)) {
      scan[side]! += await timed(async () => {
        for await (const _ of store.scanText(pair[side]!, {}));
      });
      shard[side]! += await timed(() => exportAll(pair[side]!));
    }
  ratio('scan', scan, 'all resources as text, one connection');
  ratio('export', shard, 'all resources as an export reads them, one connection');
  const disk = await Promise.all(pair.map(diskBytes));
  report('disk', disk[0]! / disk[1]!, 'times as much', 'tables and indexes');
}

/** @returns seconds for each */
async function fill(
  store: Store,
  tenants: readonly Tenant[],
  resources: readonly Resource[],
): Promise<number[]> {
  const bulk = tenants.map(() => 0);
  for (let i = 0; i < resources.length; i += BATCH) {
    const writes = resources.slice(i, i + BATCH).map((resource): Write => {
      const { resourceType: type, id } = resource;
      return { op: 'update', type, id: id!, resource, skipUnchanged: true };
    });
    for (const side of turns(i / BATCH)) {
      const tenant = tenants[side];
      if (tenant) bulk[side]! += await timed(() => store.commit(tenant, writes, actor));
    }
  }
  return bulk;
}

const turns = (round: number): readonly number[] => (Math.floor(round) % 2 ? [1, 0] : [0, 1]);

async function exportAll(tenant: Tenant): Promise<void> {
  const client = await tenant.pool.connect();
  try {
    for await (const _ of readShard(tenant, client, { from: 0, to: 16_383 }, { asOfMs: 4e12 }));
  } finally {
    client.release();
  }
}

async function rotate(
  store: Store,
  tenants: Catalog,
  tenant: Tenant,
  resources: readonly Resource[],
  clock: { now(): number },
  report: Report,
  leap: () => void,
): Promise<void> {
  const jobs = createJobs({ control: tenants.control, clock });
  const rotation = await tenants.rotateKey('keyed', 'body');
  const { id } = await requestReseal({ jobs }, tenant, rotation);
  leap();
  const clients = underLoad(store, tenant, resources, async (r) => {
    const found = await store.read(tenant, r.resourceType, r.id!);
    return found?.resource?.id === r.id;
  });
  const job = await jobs.claim(tenant, id);
  const started = performance.now();
  const progress = await runReseal({ store, jobs, clock, tenants }, tenant, job);
  const seconds = (performance.now() - started) / 1000;
  const { reads, writes, refused, looks } = await clients.end();
  const load = `${CLIENTS} clients, ${reads} reads and ${writes} writes meanwhile`;
  report('reseal', seconds, 's', load);
  report('reseal-rate', progress.resealed / seconds, 'pieces/s', load);
  report('keys-destroyed', progress.keysDestroyed, 'keys');
  report(
    'refused',
    refused,
    'reads or writes',
    'that failed or gave something else, while all was sealed anew',
  );
  waits('read', looks, report);
  let readable = 0;
  for await (const batch of store.scanText(tenant, {})) readable += batch.length;
  const { rows } = await tenant.pool.query('select count(*)::int as n from resource where not deleted');
  report('unreadable', rows[0].n - readable, 'resources', 'after the old key was destroyed');
}

/** Clients that look and write until they are told to end. `look` says whether it found what it should. */
function underLoad(
  store: Store,
  tenant: Tenant,
  resources: readonly Resource[],
  look: (resource: Resource) => Promise<boolean>,
) {
  const counts = { reads: 0, writes: 0, refused: 0, looks: [] as number[] };
  let done = false;
  const clients = Array.from({ length: CLIENTS }, async (_, client) => {
    for (let n = client; !done; n += CLIENTS) {
      const r = resources[(n * 7919) % resources.length]!;
      try {
        const started = performance.now();
        if (!(await look(r))) counts.refused++;
        counts.looks.push(performance.now() - started);
        counts.reads++;
        if (n % 10 === 0) {
          const made = { ...r, id: newId() };
          const write: Write = { op: 'create', type: made.resourceType, id: made.id, resource: made };
          await store.commit(tenant, [write], actor);
          counts.writes++;
        }
      } catch {
        counts.refused++;
      }
    }
  });
  return {
    async end() {
      done = true;
      await Promise.all(clients);
      return counts;
    },
  };
}

/** How long one client waited for one answer meanwhile. */
function waits(what: string, ms: readonly number[], report: Report): void {
  const sorted = [...ms].sort((a, b) => a - b);
  for (const [name, share] of [
    ['median', 0.5],
    ['p99', 0.99],
    ['longest', 1],
  ] as const)
    report(`${what}-${name}`, sorted[Math.ceil(share * sorted.length) - 1] ?? 0, 'ms', 'meanwhile');
}

async function rotateIndex(
  store: Store,
  tenants: Catalog,
  tenant: Tenant,
  resources: readonly Resource[],
  clock: { now(): number },
  report: Report,
  leap: () => void,
): Promise<void> {
  const jobs = createJobs({ control: tenants.control, clock });
  const search = createSearch({ store, clock });
  await tenants.rotateKey('keyed', 'index');
  const { id } = await requestRotateIndex({ jobs }, tenant);
  const coded = resources.filter((r) => firstCoding(r) !== undefined);
  const clients = underLoad(store, tenant, coded, async (r) => {
    const { system, code } = firstCoding(r)!;
    const params = [
      ['_id', r.id!],
      ['code', `${system}|${code}`],
    ] as const;
    const page = await search.search(tenant, {
      type: r.resourceType,
      params,
      strict: true,
      base: 'http://localhost/fhir/keyed',
    });
    return page.entries.length === 1;
  });
  const job = await jobs.claim(tenant, id);
  const watch = setInterval(() => {
    tenants
      .indexKeyStep('keyed')
      .then(({ at }) => at === 'searching' && leap())
      .catch(() => undefined);
  }, 1_000);
  const started = performance.now();
  const progress = await runRotateIndex({ store, jobs, clock, tenants }, tenant, job).finally(() =>
    clearInterval(watch),
  );
  const seconds = (performance.now() - started) / 1000;
  const { reads, writes, refused, looks } = await clients.end();
  const load = `${CLIENTS} clients, ${reads} searches and ${writes} writes meanwhile; both passes, without the wait for other processes`;
  report('index-rotation', seconds, 's', load);
  report('index-rotation-rate', progress.rewritten / seconds, 'resources/s', 'each is written twice');
  report('not-found', refused, 'searches or writes', 'that failed or missed something meanwhile');
  waits('search', looks, report);
  const { differences } = await store.verify(tenant);
  report('differences', Object.keys(differences).length, 'kinds', 'cenote verify afterwards');
}

function firstCoding(resource: Resource): { system: string; code: string } | undefined {
  const concept = (resource as { code?: { coding?: { system?: string; code?: string }[] } }).code;
  const coding = concept?.coding?.[0];
  return coding?.system && coding.code ? { system: coding.system, code: coding.code } : undefined;
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
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
  for (let p = 1; out.length < count; p++) out.push(...recordsOf(p, 12));
  return out.slice(0, count);
}
