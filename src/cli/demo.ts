import { join } from 'node:path';
import type { Command } from 'commander';
import { packageRoot } from '../core/package-root.js';
import type { System } from '../system.js';
import type { Tenant } from '../tenancy/tenant.js';
import { timelineTable } from '../timeline/table.js';
import { importWithProgress, reportText } from './import.js';
import { serveUntilStopped } from './serve.js';
import { configOf, print, type SharedOptions, withAddress, withDataDir, withSystem } from './shell.js';
import { textTable } from './table.js';
import { understood, understoodText } from './understood.js';

interface DemoOptions extends SharedOptions {
  exit?: true;
  reset?: true;
}

const TENANT = 'demo';
/** The patient whose timeline is shown, by the identifier in the sample. */
const SHOWN_PATIENT = 'https://clinic.example/mrn|MR-100201';
const SHOWN_EVENTS = 30;
const COHORT = 'Type 2 diabetes on metformin';

export function register(program: Command): void {
  withAddress(withDataDir(program.command('demo')))
    .description('start everything with sample data and show what comes out')
    .option('--exit', 'end when everything was shown, instead of serving')
    .option('--reset', 'empty the data folder first')
    .action(async (options: DemoOptions) => {
      if (!options.exit) await (await import('../system.js')).checkServe(configOf(options), true);
      if (options.reset) await reset(options);
      await withSystem(options, async (system, signal) => {
        const tenant = await demoTenant(system);
        await load(system, tenant, signal);
        await showTimeline(system, tenant);
        await showCohort(system, tenant);
        if (options.exit) return;
        await serveUntilStopped(system, signal, { dev: true, worker: true });
      });
    });
}

/**
 * Empties the data folder, with the database in it. On a database of one's own only the demo's tenant goes; the
 * folder may hold the keys of others.
 */
async function reset(options: DemoOptions): Promise<void> {
  const { dataDir, databaseUrl } = configOf(options);
  if (databaseUrl) {
    await withSystem(options, ({ tenants }) => tenants.remove(TENANT));
    return;
  }
  const { emptyDataDir } = await import('../tenancy/data-dir.js');
  await emptyDataDir(dataDir);
}

async function demoTenant(system: System): Promise<Tenant> {
  if (!(await system.tenants.find(TENANT))) await system.tenants.create(TENANT);
  return system.tenants.open(TENANT);
}

async function load(system: System, tenant: Tenant, signal: AbortSignal): Promise<void> {
  const job = await system.jobs.create(tenant, 'import', {
    paths: [join(packageRoot(), 'examples', 'sample')],
    folder: process.cwd(),
    defaults: {},
    columns: {},
  });
  heading('Sample data in');
  print(reportText(await importWithProgress(system, tenant, job.id, { signal })));
  heading('What the notes say');
  print(understoodText(await understood(system.store, tenant)));
}

async function showTimeline(system: System, tenant: Tenant): Promise<void> {
  const base = system.baseOf(tenant);
  const query = `identifier=${encodeURIComponent(SHOWN_PATIENT)}`;
  const [patient] = await system.search.findMatches(tenant, 'Patient', query, 1, base);
  if (!patient) return;
  const page = await system.timeline.timeline(tenant, {
    patient: patient.id,
    params: [['_count', String(SHOWN_EVENTS)]],
    strict: true,
    base,
  });
  heading(`Timeline of Patient/${patient.id} (its first ${page.events.length} events)`);
  print(timelineTable(page.events, process.stdout.columns ?? 110));
}

async function showCohort(system: System, tenant: Tenant): Promise<void> {
  const base = system.baseOf(tenant);
  const { cohort } = await system.cohorts.create(
    tenant,
    {
      name: COHORT,
      description: 'Type 2 diabetes by record or note, and a note of metformin since 2018',
      criteria: {
        and: [
          { search: 'Condition?code=http://snomed.info/sct|44054006' },
          {
            search:
              'MedicationStatement?code=http://www.nlm.nih.gov/research/umls/rxnorm|6809&_lastUpdated=ge2018-01-01',
          },
        ],
      },
    },
    { actor: { id: 'demo', kind: 'dev' }, base, replace: true },
  );
  const rows: (string | number)[][] = [];
  for await (const ids of system.cohorts.members(tenant, cohort.id, base)) {
    const patients = await system.store.readMany(
      tenant,
      ids.map((id) => ({ type: 'Patient', id })),
    );
    for (const patient of patients) {
      if (!patient) continue;
      const [name] = (patient.name ?? []) as { family?: string; given?: string[] }[];
      rows.push([
        [...(name?.given ?? []), name?.family].filter(Boolean).join(' '),
        String(patient.gender ?? ''),
        String(patient.birthDate ?? ''),
        patient.id,
      ]);
    }
  }
  heading(`Cohort "${cohort.name}", ${cohort.size} of the sample's patients, stored as Group/${cohort.id}`);
  print(textTable(['patient', 'sex', 'born', 'id'], rows));
}

function heading(text: string): void {
  print(`\n== ${text} ==\n`);
}
