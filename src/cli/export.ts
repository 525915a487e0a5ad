import { open } from 'node:fs/promises';
import { basename } from 'node:path';
import { type Command, Option } from 'commander';
import { Fault } from '../core/fault.js';
import type { Resource } from '../core/resource.js';
import { openPlace } from '../export/place.js';
import type { TableFormat } from '../export/table.js';
import { viewFileName } from '../export/view-source.js';
import { isResourceType } from '../fhir/resource-types.js';
import { MAX_NAMED_PATIENTS } from '../store/audit.js';
import type { System } from '../system.js';
import { runExport } from '../tasks/export.js';
import { goldNotes } from '../tasks/gold.js';
import type { Tenant } from '../tenancy/tenant.js';
import { progress, rate } from './progress.js';
import {
  configOf,
  print,
  recordRead,
  type SharedOptions,
  withDataDir,
  withSystem,
  withTenant,
} from './shell.js';
import { textTable } from './table.js';
import { viewNamed } from './view.js';

interface ExportCommandOptions extends SharedOptions {
  tenant: string;
  out?: string;
  format: TableFormat;
  buckets?: string;
  formulaSafe?: boolean;
  deidentify?: true;
  dates?: 'shift' | 'year';
  notes?: 'drop' | 'scrub';
  report?: true;
  target?: string;
  gold?: string;
  view?: string[];
  cohort?: string;
  patient?: string[];
  type?: string;
  since?: string;
  asOf?: string;
  quiet?: true;
}

export function register(program: Command): void {
  withTenant(withDataDir(program.command('export')))
    .description('write a tenant\u2019s or a cohort\u2019s resources to files')
    .option('--out <place>', 'an empty folder, made where there is none, or s3://bucket/prefix')
    .addOption(
      new Option('--format <format>', 'how to write it')
        .choices(['ndjson', 'parquet', 'csv'])
        .default('ndjson'),
    )
    .option(
      '--buckets <n>',
      'partition: this many folders bucket=0000…, each with all records of its patients',
    )
    .option(
      '--formula-safe',
      'CSV: put \u2019 before text that a spreadsheet would run as a formula (the default)',
    )
    .option(
      '--no-formula-safe',
      'CSV: every text letter by letter, for programs; never open it in a spreadsheet',
    )
    .option('--gold <file>', 'instead: the notes people reviewed, one JSON line each in the form of annotate')
    .option('--view <view...>', 'instead: tables by these ViewDefinitions: files, ids, or canonical URLs')
    .option('--cohort <name>', 'only the patients of this cohort: its name or the id of its Group')
    .option('--patient <id...>', 'only these patients')
    .option('--type <types>', 'only these resource types, separated by commas')
    .option('--since <instant>', 'only what was updated at or after this instant')
    .option('--deidentify', 'take out what says who (Safe Harbor); deidentification.json tells what went')
    .addOption(
      new Option(
        '--dates <how>',
        'de-identified: shift moves all dates of a patient by the same days, year cuts them',
      ).choices(['shift', 'year']),
    )
    .addOption(
      new Option(
        '--notes <how>',
        'de-identified: drop the text of notes, or scrub it of the personal data found in it',
      ).choices(['drop', 'scrub']),
    )
    .option('--as-of <instant>', 'everything as it was at this past instant')
    .option('--report', 'look over the data and write quality.html and quality.json beside it')
    .option('--target <column>', 'with --report: which columns tell this one: Type.column, or VIEW.column')
    .option('--quiet', 'no progress')
    .addHelpText(
      'after',
      '\nWrites a file per resource type (several of a big one) and manifest.json with counts and SHA-256 sums last.\nParquet and CSV are flat tables with the whole resource in the last column.\nAll is as it was at one instant. Interrupted, the same command goes on where it was, to the same content.\nThe files are not encrypted: in a folder they are readable by this user alone (mode 0600).',
    )
    .action((options: ExportCommandOptions) =>
      withSystem(options, async (system, signal) => {
        const tenant = await system.tenants.open(options.tenant);
        if (options.gold) return exportGold(system, tenant, options.gold);
        const place = options.out;
        if (!place) throw new Fault('invalid', 'Say where to: --out FOLDER or --gold FILE.', { at: '--out' });
        if ((options.dates || options.notes) && !options.deidentify) {
          throw new Fault('invalid', '--dates and --notes are said of a de-identified export.', {
            at: '--deidentify',
            remedy: 'Add --deidentify.',
          });
        }
        const views = options.view && (await viewsOf(system, tenant, options.view));
        if (views && options.type)
          throw new Fault('invalid', 'A view says itself which type it is of.', { at: '--type' });
        const types = options.type?.split(',').map((t) => t.trim());
        for (const type of types ?? []) {
          if (!isResourceType(type))
            throw new Fault('invalid', `"${type}" is no resource type.`, { at: '--type' });
        }
        const sinceMs = instant(options.since, '--since');
        const asOfMs = instant(options.asOf, '--as-of');
        if (asOfMs !== undefined && asOfMs > system.clock.now())
          throw new Fault('invalid', '--as-of is in the future.', { at: '--as-of' });
        const base = system.baseOf(tenant);
        const cohort = options.cohort ? await system.cohorts.find(tenant, options.cohort, base) : undefined;
        const patients = cohort
          ? system.cohorts.members(tenant, cohort.id, base)
          : options.patient && only(options.patient);
        const started = Date.now();
        const bar = progress('export', options.quiet);
        const manifest = await runExport(system, tenant, {
          target: openPlace(place, configOf(options).s3, system.clock),
          format: options.format,
          ...(options.buckets === undefined ? {} : { buckets: Number(options.buckets) }),
          ...(options.formulaSafe === undefined ? {} : { csv: { formulaSafe: options.formulaSafe } }),
          ...(options.report || options.target
            ? { report: options.target ? { target: options.target } : {} }
            : {}),
          ...(options.deidentify
            ? { deidentify: { dates: options.dates ?? 'shift', notes: options.notes ?? 'drop' } }
            : {}),
          types,
          ...(views ? { views } : {}),
          patients,
          sinceMs,
          ...(asOfMs === undefined ? {} : { asOfMs }),
          signal,
          record: (ids) =>
            recordRead(system, tenant, 'export', {
              query: queryOf(options),
              ...(ids ? { patients: ids.slice(0, MAX_NAMED_PATIENTS), patientCount: ids.length } : {}),
            }),
          request: options.cohort ? 'cohort' : options.patient ? 'patients' : 'tenant',
          onProgress: (n) =>
            bar.update(0, 1, `${n.toLocaleString('en-US')} resources, ${rate(n, Date.now() - started)}`),
        }).finally(() => bar.stop());
        const what = views ? 'rows' : 'resources';
        print(textTable([views ? 'view' : 'type', what], Object.entries(manifest.counts).sort()));
        print(
          `\n${manifest.total.toLocaleString('en-US')} ${what} in ${manifest.output.length} files, ${place.replace(/\/$/, '')}/manifest.json`,
        );
      }),
    );
}

async function viewsOf(
  system: System,
  tenant: Tenant,
  names: readonly string[],
): Promise<{ name: string; definition: Resource }[]> {
  const views: { name: string; definition: Resource }[] = [];
  for (const name of names) {
    const definition = await viewNamed(system, tenant, name);
    const called = typeof definition.name === 'string' ? definition.name : (definition.id ?? 'view');
    const taken = views.map((view) => view.name);
    views.push({ name: viewFileName(called, taken), definition });
  }
  return views;
}

/** What was asked, for the audit trail: without the place and the patients, which stand beside. */
function queryOf({
  format,
  view,
  type,
  since,
  asOf,
  cohort,
  deidentify,
  dates,
  notes,
}: ExportCommandOptions): string {
  return Object.entries({
    format,
    view: view?.map((v) => basename(v)),
    type,
    since,
    asOf,
    cohort,
    deidentify,
    dates,
    notes,
  })
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${encodeURIComponent(String(value))}`)
    .join('&');
}

function instant(text: string | undefined, at: string): number | undefined {
  const ms = text === undefined ? undefined : Date.parse(text);
  if (Number.isNaN(ms))
    throw new Fault('invalid', `${at} is no instant.`, { at, remedy: 'Write it as 2024-05-01T00:00:00Z.' });
  return ms;
}

async function* only(ids: string[]): AsyncGenerator<string[]> {
  yield ids;
}

async function exportGold(system: System, tenant: Tenant, file: string): Promise<void> {
  const handle = await open(file, 'w', 0o600);
  let notes = 0;
  let reviewed = 0;
  try {
    for await (const note of goldNotes(system.store, tenant)) {
      await handle.writeFile(`${JSON.stringify(note)}\n`);
      notes++;
      reviewed += note.reviewed;
    }
  } finally {
    await handle.close();
  }
  print(`${notes} notes with ${reviewed} reviewed facts, ${file}`);
}
