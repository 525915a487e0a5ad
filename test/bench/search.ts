import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { readConfig } from '../../src/config.js';
import type { Resource } from '../../src/core/resource.js';
import { typeNumber } from '../../src/fhir/resource-types.js';
import { openSystem, type System } from '../../src/system.js';
import type { Tenant } from '../../src/tenancy/tenant.js';
import { line } from './support/figure.js';
import { isFullScan, type Work, workOf } from './support/plans.js';
import { otherRecords, type Probe, probesOf } from './support/probes.js';
import { random, recordsOf } from './support/records.js';

const VISITS = 10;
const BATCH = 4_000;
const actor = { id: 'bench', kind: 'job' as const };

/**
 * `cenote bench search [--sizes 20000,200000] [--rounds 50] [--data-dir FOLDER] [--only TEXT] [--explain] [--plans]`:
 * latency of each kind of search as the tenant grows, one client; then one search for each parameter type, modifier and
 * prefix, with what its plans read. `--plans` leaves the first part out. With a data folder the tenants are kept and used
 * again.
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
      plans: { type: 'boolean', default: false },
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
        const { tenant, patients, encounter } = await tenantOf(system, size);
        const asked = (name: string) => !values.only || name.includes(values.only);
        for (const [name, query] of Object.entries(values.plans ? {} : queries(patients)))
          if (asked(name))
            await measure(system, tenant, size, name, query, Number(values.rounds), values.explain);
        for (const probe of probesOf({ patient: patients[0]!, encounter }))
          if (asked(probe.name)) await checkPlan(system, tenant, size, probe, values.explain);
      }
    } finally {
      await system.close();
    }
  } finally {
    if (!kept && values['data-dir'] === undefined) rmSync(dataDir, { recursive: true, force: true });
  }
}

/** A tenant with about `size` resources, made where it is not there yet. */
async function tenantOf(
  system: System,
  size: number,
): Promise<{ tenant: Tenant; patients: string[]; encounter: string }> {
  const name = `search-${size}`;
  const fresh = !(await system.tenants.find(name));
  if (fresh) await system.tenants.create(name);
  const tenant = await system.tenants.open(name);
  const patients: string[] = [];
  let pending: Resource[] = [];
  let made = 0;
  let encounter: string | undefined;
  const flush = async () => {
    if (fresh) await write(system, tenant, pending);
    pending = [];
  };
  for (let n = 1; made < size; n++) {
    const records = recordsOf(n, VISITS);
    patients.push(records.find((r) => r.resourceType === 'Patient')!.id!);
    encounter ??= records.find((r) => r.resourceType === 'Encounter')!.id!;
    made += records.length;
    pending.push(...records);
    if (pending.length >= BATCH) await flush();
  }
  await flush();
  // What autovacuum does within a minute of such a load.
  const others = otherRecords(patients);
  const [{ n }] = (
    await tenant.pool.query('select count(*)::int as n from locator where rtype = $1', [
      typeNumber('Location'),
    ])
  ).rows as [{ n: number }];
  if (n === 0) {
    for (let i = 0; i < others.length; i += BATCH) await write(system, tenant, others.slice(i, i + BATCH));
    await tenant.pool.query('vacuum analyze');
  }
  return { tenant, patients, encounter: encounter! };
}

function write(system: System, tenant: Tenant, resources: readonly Resource[]): Promise<unknown> {
  return system.store.commit(
    tenant,
    resources.map((resource) => ({
      op: 'update',
      type: resource.resourceType,
      id: resource.id!,
      resource,
    })),
    actor,
  );
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
    'sorted by name': () => 'Patient?_sort=family,given&_count=20',
    'sorted by the text of a code': () => 'Condition?_sort=code&_count=20',
    'sorted by two dates': () => 'Condition?_sort=-onset-date,recorded-date&_count=20',
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
  let plans: Pick<Work, 'blocks' | 'whole'> = { blocks: 0, whole: [] };
  for (let i = -3; i < rounds; i++) {
    const [type = '', params = ''] = query(pick).split('?');
    const request = {
      type,
      params: [...new URLSearchParams(params)],
      strict: true,
      base: system.baseOf(tenant),
    };
    if (i === -1) plans = await workOf(system.search, tenant, request, explain ? printPlan : undefined);
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

function printPlan(text: string, plan: string): void {
  process.stderr.write(`${text}\n${plan}\n\n`);
}

/** What one search reads: as many rows as it finds, or all of its type. */
async function checkPlan(
  system: System,
  tenant: Tenant,
  size: number,
  probe: Probe,
  explain: boolean,
): Promise<void> {
  const [type = '', params = ''] = probe.query.split(/\?(.*)/s);
  const request = {
    ...(type === '' ? {} : { type }),
    params: [...new URLSearchParams(params)],
    strict: true,
    base: system.baseOf(tenant),
  };
  const rows = await rowsOf(tenant, type);
  const from = performance.now();
  const { entries } = await system.search.search(tenant, { ...request });
  const ms = performance.now() - from;
  const work = await workOf(system.search, tenant, request, explain ? printPlan : undefined);
  const full = isFullScan(work, rows);
  const said = probe.reads === 'all' ? 'as is said of it' : full ? 'NOT SAID OF IT' : '';
  line(
    'search',
    `${probe.name}, rows examined`,
    work.examined,
    'rows',
    `${size} resources, ${rows} of the type`,
    `${full ? `full scan ${said}` : 'by index'}; ${entries.length} found, ${work.opened} bodies opened, ${work.blocks} blocks, ${ms.toFixed(1)} ms`,
  );
}

async function rowsOf(tenant: Tenant, type: string): Promise<number> {
  const { rows } = await tenant.pool.query(
    'select count(*)::int as n from locator where $1::smallint is null or rtype = $1',
    [type === '' ? null : typeNumber(type)],
  );
  return (rows[0] as { n: number }).n;
}
