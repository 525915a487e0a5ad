import { readFileSync, statSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import type { Command } from 'commander';
import { Fault, invalid } from '../core/fault.js';
import { parseJson } from '../core/json.js';
import type { Resource } from '../core/resource.js';
import { readyViews } from '../export/ready-views.js';
import type { ByteSink } from '../export/table.js';
import { findView, requireScope, storedResources } from '../export/view-source.js';
import { VIEW_MEDIA_TYPES, type ViewFormat, writeView } from '../export/view-table.js';
import { compileView } from '../fhir/views/view.js';
import { atSnapshot } from '../store/snapshot.js';
import type { System } from '../system.js';
import { deidentifier, stripped } from '../tasks/deidentify.js';
import type { Tenant } from '../tenancy/tenant.js';
import { print, recordRead, type SharedOptions, withDataDir, withSystem, withTenant } from './shell.js';
import { textTable } from './table.js';

interface ViewOptions extends SharedOptions {
  tenant: string;
}

interface RunOptions extends ViewOptions {
  format: string;
  out?: string;
  patient?: string[];
  cohort?: string;
  since?: string;
  limit?: string;
  deidentify?: true;
}

/** Of a tenant's own views, those that are listed. */
const MAX_LISTED = 1_000;

export function register(program: Command): void {
  const view = program
    .command('view')
    .description('show records as tables by ViewDefinitions (SQL on FHIR v2)')
    .action(() => view.help());
  withTenant(withDataDir(view.command('list')))
    .description('the views there are: the tenant\u2019s own and those that come with the program')
    .action((options: ViewOptions) =>
      withSystem(options, async (system) => {
        const tenant = await system.tenants.open(options.tenant);
        print(textTable(['view', 'of', 'title'], await listed(system, tenant)));
      }),
    );
  withTenant(withDataDir(view.command('run <view>')))
    .description('the rows of a view: a file with a ViewDefinition, an id, or a canonical URL')
    .option('--format <format>', 'csv, ndjson, json or parquet', 'csv')
    .option('--out <file>', 'write to this file, readable by this user alone, instead of printing')
    .option('--patient <id...>', 'only of these patients')
    .option('--cohort <name>', 'only of the patients of this cohort: its name or the id of its Group')
    .option('--since <instant>', 'only of what was updated at or after this instant')
    .option('--limit <rows>', 'at most this many rows')
    .option(
      '--deidentify',
      'take out what says who (Safe Harbor); `cenote export --view` also tells what went',
    )
    .action((name: string, options: RunOptions) =>
      withSystem(options, (system, signal) => run(system, signal, name, options)),
    );
}

async function listed(system: System, tenant: Tenant): Promise<string[][]> {
  const rows: string[][] = [];
  const base = system.baseOf(tenant);
  for await (const batch of system.search.stream(tenant, {
    type: 'ViewDefinition',
    params: [],
    strict: true,
    base,
  })) {
    for (const { id, resource, title, name } of batch)
      rows.push([id, String(resource), String(title ?? name ?? '')]);
    if (rows.length > MAX_LISTED) break;
  }
  const own = new Set(rows.map(([id]) => id));
  for (const { id, resource, title } of readyViews().values())
    if (!own.has(id)) rows.push([id, String(resource), String(title)]);
  return rows.sort(([a], [b]) => (a! < b! ? -1 : 1));
}

/** A ViewDefinition in a file, or one that the tenant knows. @throws Fault `invalid`, `not-found` */
export async function viewNamed(system: System, tenant: Tenant, name: string): Promise<Resource> {
  if (!statSync(name, { throwIfNoEntry: false })?.isFile()) return findView(system, tenant, name, 'view');
  const read = parseJson(readFileSync(name, 'utf8'));
  if (typeof read !== 'object' || read === null) throw invalid('The file holds no ViewDefinition.', 'view');
  return read as Resource;
}

/** @throws Fault `invalid` */
export function viewFormat(text: string): ViewFormat {
  if (Object.hasOwn(VIEW_MEDIA_TYPES, text)) return text as ViewFormat;
  throw invalid('There is no such format.', '--format', 'Use csv, ndjson, json or parquet.');
}

/** @throws Fault `invalid` */
export function instantOption(text: string | undefined, option: string): number | undefined {
  const ms = text === undefined ? undefined : Date.parse(text);
  if (Number.isNaN(ms))
    throw invalid(`${option} is no instant.`, option, 'Write it as 2024-05-01T00:00:00Z.');
  return ms;
}

/** Runs `write` on a file that only this user may read, or on stdout. Parquet is never printed. */
export async function withSink(
  out: string | undefined,
  format: ViewFormat,
  write: (sink: ByteSink) => Promise<void>,
): Promise<void> {
  if (out === undefined) {
    if (format === 'parquet')
      throw new Fault('invalid', 'Parquet is no text to print.', {
        at: '--out',
        remedy: 'Name a file with --out.',
      });
    return write({
      write: (chunk) =>
        new Promise((done, failed) => {
          process.stdout.write(chunk, (error) => (error ? failed(error) : done()));
        }),
    });
  }
  const file: FileHandle = await open(out, 'w', 0o600);
  try {
    await write({ write: async (chunk) => void (await file.writeFile(chunk)) });
  } finally {
    await file.close();
  }
}

async function run(system: System, signal: AbortSignal, name: string, options: RunOptions): Promise<void> {
  const tenant = await system.tenants.open(options.tenant);
  const format = viewFormat(options.format);
  const view = compileView(await viewNamed(system, tenant, name));
  const base = system.baseOf(tenant);
  const limit = options.limit === undefined ? undefined : Number(options.limit);
  if (limit !== undefined && !(Number.isInteger(limit) && limit > 0))
    throw invalid('--limit is no positive whole number.', '--limit');
  let patients = options.patient;
  if (options.cohort !== undefined) {
    const { id } = await system.cohorts.find(tenant, options.cohort, base);
    patients = [];
    for await (const ids of system.cohorts.members(tenant, id, base)) patients.push(...ids);
  }
  const choice = { type: view.resource, patients, sinceMs: instantOption(options.since, '--since') };
  requireScope(choice);
  const context = { blind: tenant.keys.blind, base, now: system.clock.now() };
  const strip = options.deidentify && deidentifier(tenant, {}, context.now, new Map());
  const { cohort, since } = options;
  await recordRead(system, tenant, 'view-run', {
    query: JSON.stringify({
      view: view.name,
      of: view.resource,
      cohort,
      since,
      limit,
      format,
      deidentify: options.deidentify,
    }),
    ...(patients === undefined ? {} : { patients }),
  });
  await withSink(options.out, format, async (sink) => {
    await atSnapshot(
      tenant,
      system.clock,
      (snapshot) => {
        const found = storedResources(snapshot, choice, context);
        return writeView(view, strip ? stripped(found, strip) : found, { format, sink, limit, signal });
      },
      { settled: false },
    );
  });
}
