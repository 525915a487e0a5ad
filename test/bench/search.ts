import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { readConfig } from '../../src/config.js';
import type { Resource } from '../../src/core/resource.js';
import { openSystem, type System } from '../../src/system.js';
import type { Tenant } from '../../src/tenancy/tenant.js';
import { line } from './support/figure.js';
import { random, recordsOf } from './support/records.js';

const VISITS = 10;
const BATCH = 4_000;
const actor = { id: 'bench', kind: 'job' as const };

/**
 * `cenote bench search [--sizes 20000,200000] [--rounds 50] [--data-dir FOLDER] [--only TEXT] [--explain]`: latency of
 * each kind of search as the tenant grows, one client. With a data folder the tenants are kept and used again.
 */
export async function run(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      sizes: { type: 'string', default: '20000,200000' },
      rounds: { type: 'string', default: '50' },
      'data-dir': { type: 'string' },
      only: { type: 'string' },
      explain: { type: 'boolean', default: false },
    },
  });
  const dataDir = values['data-dir'] ?? mkdtempSync(join(tmpdir(), 'cenote-bench-'));
  const kept = values['data-dir'] !== undefined && existsSync(dataDir);
  try {
    const system = await openSystem(
      readConfig({ dataDir, port: 0 }, { ...process.env, CENOTE_DATA_DIR: dataDir }),
    );
    try {
      for (const size of values.sizes.split(',').map(Number)) {
        const { tenant, patients } = await tenantOf(system, size);
        for (const [name, query] of Object.entries(queries(patients)))
          if (!values.only || name.includes(values.only))
            await measure(system, tenant, size, name, query, Number(values.rounds), values.explain);
      }
    } finally {
      await system.close();
    }
  } finally {
    if (!kept && values['data-dir'] === undefined) rmSync(dataDir, { recursive: true, force: true });
  }
}

/** A tenant with about `size` resources, made where it is not there yet. */
async function tenantOf(system: System, size: number): Promise<{ tenant: Tenant; patients: string[] }> {
  const name = `search-${size}`;
  const fresh = !(await system.tenants.find(name));
  if (fresh) await system.tenants.create(name);
  const tenant = await system.tenants.open(name);
  const patients: string[] = [];
  let pending: Resource[] = [];
  let made = 0;
  const flush = async () => {
    if (fresh)
      await system.store.commit(
        tenant,
        pending.map((resource) => ({
          op: 'update',
          type: resource.resourceType,
          id: resource.id!,
          resource,
        })),
        actor,
      );
    pending = [];
  };
  for (let n = 1; made < size; n++) {
    const records = recordsOf(n, VISITS);
    patients.push(records.find((r) => r.resourceType === 'Patient')!.id!);
    made += records.length;
    pending.push(...records);
    if (pending.length >= BATCH) await flush();
  }
  await flush();
  // What autovacuum does within a minute of such a load.
  if (fresh) await tenant.pool.query('vacuum analyze');
  return { tenant, patients };
}

type Query = (pick: <T>(from: readonly T[]) => T) => string;

const LOINC = 'http://loinc.org|';
const CODES = ['2339-0', '4548-4', '2160-0', '29463-7', '8867-4'];

/** The kinds of search a clinical client makes. */
function queries(patients: readonly string[]): Record<string, Query> {
  return {
    'read by patient, newest first': (pick) =>
      `Observation?patient=Patient/${pick(patients)}&_sort=-date&_count=20`,
    'patient, code and date, newest first': (pick) =>
      `Observation?patient=Patient/${pick(patients)}&code=${LOINC}${pick(CODES)}&date=ge2015-01-01&_sort=-date&_count=20`,
    'patient alone': (pick) => `Observation?patient=Patient/${pick(patients)}&_count=20`,
    'code and quantity': () => `Observation?code=${LOINC}2339-0&value-quantity=gt215&_count=20`,
    'code, newest first': (pick) => `Observation?code=${LOINC}${pick(CODES)}&_sort=-date&_count=20`,
    'code alone': (pick) => `Observation?code=${LOINC}${pick(CODES)}&_count=20`,
    'name and birth date': () => 'Patient?name=family1&birthdate=ge1960-01-01&_count=20',
    'by id': (pick) => `Patient?_id=${pick(patients)}`,
    'chain to the patient': () => 'Observation?patient.gender=female&_count=20',
    'chain, selective': (pick) => `Observation?patient._id=${pick(patients)}&_count=20`,
    'reverse chain': () => `Patient?_has:Observation:patient:code=${LOINC}4548-4&_count=20`,
    'date range, no other': () => 'Observation?date=ge2014-01-01&date=lt2014-02-01&_count=20',
    include: (pick) => `Observation?patient=Patient/${pick(patients)}&_include=Observation:patient&_count=20`,
    'reverse include': (pick) => `Patient?_id=${pick(patients)}&_revinclude=Observation:patient`,
    'accurate total of a code': () => `Observation?code=${LOINC}2339-0&_total=accurate&_count=20`,
    'count of a type': () => 'Observation?_summary=count',
    'newest of a type': () => 'Observation?_sort=-date&_count=20',
    'last updated': () => 'Observation?_sort=-_lastUpdated&_count=20',
    'first page of a type': () => 'Encounter?_count=20',
    'text of a code': () => 'Condition?code:text=diab&_count=20',
    'nothing found': () => `Observation?code=${LOINC}0000-0&_count=20`,
  };
}

async function measure(
  system: System,
  tenant: Tenant,
  size: number,
  name: string,
  query: Query,
  rounds: number,
  explain: boolean,
): Promise<void> {
  const next = random(7);
  const pick = <T>(from: readonly T[]): T => from[Math.floor(next() * from.length)]!;
  const times: number[] = [];
  let entries = 0;
  let plans = { blocks: 0, whole: [] as string[] };
  for (let i = -3; i < rounds; i++) {
    const [type = '', params = ''] = query(pick).split('?');
    const request = {
      type,
      params: [...new URLSearchParams(params)],
      strict: true,
      base: system.baseOf(tenant),
    };
    if (i === -1) plans = await plansOf(system, tenant, request, explain);
    const from = performance.now();
    const page = await system.search.search(tenant, request);
    if (i >= 0) times.push(performance.now() - from);
    entries = page.entries.length;
  }
  times.sort((a, b) => a - b);
  const at = (share: number) => times[Math.min(times.length - 1, Math.floor(times.length * share))]!;
  const data = `${size} resources, generated`;
  line('search', `${name}, median`, at(0.5), 'ms', data, `${entries} entries, one client`);
  const read =
    plans.whole.length === 0 ? 'no table read as a whole' : `reads the whole of ${plans.whole.join(', ')}`;
  line('search', `${name}, blocks touched`, plans.blocks, '8 kB', data, read);
  line('search', `${name}, 95th percentile`, at(0.95), 'ms', data, `${rounds} rounds`);
}

interface PlanNode {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Shared Hit Blocks': number;
  readonly 'Shared Read Blocks': number;
  readonly Plans?: readonly PlanNode[];
}

/**
 * Runs a search with every statement explained as well: the blocks its plans touch, which no other load on the machine
 * changes, and the tables they read as a whole. Prints the plans where asked to.
 */
async function plansOf(
  system: System,
  tenant: Tenant,
  request: Parameters<System['search']['search']>[1],
  show: boolean,
): Promise<{ blocks: number; whole: string[] }> {
  let blocks = 0;
  const whole = new Set<string>();
  const visit = (node: PlanNode) => {
    if (node['Node Type'] === 'Seq Scan' && node['Relation Name']) whole.add(node['Relation Name']);
    for (const inner of node.Plans ?? []) visit(inner);
  };
  const explain = async (text: string, values: unknown[] | undefined) => {
    const { rows } = await tenant.pool.query(`explain (analyze, buffers, format json) ${text}`, values);
    const [{ Plan }] = rows[0]['QUERY PLAN'] as [{ Plan: PlanNode }];
    blocks += Plan['Shared Hit Blocks'] + Plan['Shared Read Blocks'];
    visit(Plan);
    if (!show) return;
    const plain = await tenant.pool.query(`explain (analyze, buffers) ${text}`, values);
    process.stderr.write(`${text}\n${plain.rows.map((r) => `  ${r['QUERY PLAN']}`).join('\n')}\n\n`);
  };
  const pool = new Proxy(tenant.pool, {
    get(target, property) {
      if (property !== 'query') return Reflect.get(target, property);
      return async (...args: [string | { text: string; values?: unknown[] }, unknown[]?]) => {
        const [first, second] = args;
        const text = typeof first === 'string' ? first : first.text;
        if (/^\s*select/i.test(text)) await explain(text, typeof first === 'string' ? second : first.values);
        return target.query(...(args as [string, unknown[]]));
      };
    },
  });
  await system.search.search({ ...tenant, pool }, request);
  return { blocks, whole: [...whole] };
}
