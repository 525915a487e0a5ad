import { createReadStream } from 'node:fs';
import type { Command } from 'commander';
import { parse } from 'csv-parse';
import { allVersions } from '../cohort/feature-versions.js';
import {
  type Disguise,
  type Feature,
  featureColumns,
  featureOf,
  featuresAt,
  historyColumns,
  historyRows,
  type IndexRow,
  type KnownBy,
  MAX_INDEX_ROWS,
} from '../cohort/features.js';
import { indexTimes } from '../cohort/index-times.js';
import { Fault, invalid } from '../core/fault.js';
import { isFhirId } from '../core/ids.js';
import { type ViewFormat, writeRows } from '../export/view-table.js';
import { parsePartialDate } from '../fhir/dates.js';
import type { Row } from '../fhir/views/view.js';
import { atSnapshot, type Snapshot } from '../store/snapshot.js';
import type { System } from '../system.js';
import { deidentifier } from '../tasks/deidentify.js';
import type { Tenant } from '../tenancy/tenant.js';
import { recordRead, type SharedOptions, withDataDir, withSystem, withTenant } from './shell.js';
import { viewFormat, viewNamed, withSink } from './view.js';

interface FeatureOptions extends SharedOptions {
  tenant: string;
  feature: string[];
  rows?: string;
  cohort?: string;
  at?: string;
  index?: string;
  history?: true;
  deidentify?: true;
  known: string;
  format: string;
  out?: string;
}

export function register(program: Command): void {
  withTenant(withDataDir(program.command('features')))
    .description('what was known of patients at a point in time, by views')
    .requiredOption('--feature <view...>', 'NAME=VIEW or VIEW: a file, an id, or a canonical URL')
    .option('--rows <file>', 'CSV with the columns patient and time: one answer for each row')
    .option('--cohort <name>', 'the patients of this cohort: its name or the id of its Group')
    .option('--at <time>', 'with --cohort: the time for all of them')
    .option(
      '--index <search>',
      'with --cohort: when this search (Condition?code=\u2026) first finds something of theirs',
    )
    .option('--history', 'instead: every row of one feature that was ever known, and from when until when')
    .option(
      '--known <by>',
      'version: known from when it was stored here; column: from when the view says',
      'version',
    )
    .option(
      '--deidentify',
      'take out what says who (Safe Harbor): keyed ids, all times of a patient moved alike',
    )
    .option('--format <format>', 'csv, ndjson, json or parquet', 'csv')
    .option('--out <file>', 'write to this file, readable by this user alone, instead of printing')
    .addHelpText(
      'after',
      '\nGives the last row of each view that had happened and was known at the time; a date without a time is its\n' +
        'first moment as an index time, and counts as happened when the day is over.',
    )
    .action((options: FeatureOptions) =>
      withSystem(options, async (system, signal) => {
        const tenant = await system.tenants.open(options.tenant);
        const features: Feature[] = [];
        for (const text of options.feature) {
          const named = /^([A-Za-z][A-Za-z0-9_]{0,62})=(.+)$/.exec(text);
          features.push(featureOf(await viewNamed(system, tenant, named?.[2] ?? text), named?.[1]));
        }
        await write(system, tenant, features, options, signal);
      }),
    );
}

async function write(
  system: System,
  tenant: Tenant,
  features: readonly Feature[],
  options: FeatureOptions,
  signal: AbortSignal,
): Promise<void> {
  const format: ViewFormat = viewFormat(options.format);
  const base = system.baseOf(tenant);
  const disguise = options.deidentify && deidentifier(tenant, {}, system.clock.now(), new Map());
  if (options.history) {
    const [feature, ...others] = features;
    if (!feature || others.length > 0) throw invalid('--history is of one feature.', '--history');
    await recordRead(system, tenant, 'features', {
      query: JSON.stringify({ features: [feature.name], history: true, format }),
    });
    await withSink(options.out, format, (sink) =>
      atSnapshot(tenant, system.clock, async (snapshot) => {
        await writeRows(historyColumns(feature), history(snapshot, feature, disguise), {
          format,
          sink,
          signal,
        });
      }),
    );
    return;
  }
  if (options.known !== 'version' && options.known !== 'column')
    throw invalid('--known is version or column.', '--known');
  const knownBy: KnownBy = options.known;
  const rows = await indexRows(system, tenant, options, base);
  const { cohort, at, index } = options;
  await recordRead(system, tenant, 'features', {
    query: JSON.stringify({
      features: features.map(({ name }) => name),
      cohort,
      at,
      index,
      format,
      deidentify: options.deidentify,
    }),
    patients: [...new Set(rows.map(({ patient }) => patient))],
  });
  await withSink(options.out, format, async (sink) => {
    await writeRows(
      featureColumns(features),
      featuresAt(tenant, features, rows, { base, knownBy, disguise }),
      {
        format,
        sink,
        signal,
      },
    );
  });
}

async function* history(
  snapshot: Snapshot,
  feature: Feature,
  disguise: Disguise | undefined,
): AsyncGenerator<Row[]> {
  for await (const versions of allVersions(snapshot, feature.view.resource))
    yield historyRows(feature, versions, disguise);
}

async function indexRows(
  system: System,
  tenant: Tenant,
  options: FeatureOptions,
  base: string,
): Promise<IndexRow[]> {
  if (options.rows !== undefined && options.cohort === undefined) return readRows(options.rows);
  if (options.rows !== undefined || options.cohort === undefined)
    throw invalid('Say for whom: --rows FILE, or --cohort NAME.', '--rows');
  if ((options.at === undefined) === (options.index === undefined))
    throw invalid('Say at which time: --at TIME, or --index SEARCH.', '--at');
  const at = options.at === undefined ? undefined : timeOf(options.at, '--at');
  const firsts =
    options.index === undefined ? undefined : await indexTimes(system.search, tenant, options.index, base);
  const { id } = await system.cohorts.find(tenant, options.cohort, base);
  const rows: IndexRow[] = [];
  for await (const ids of system.cohorts.members(tenant, id, base)) {
    for (const patient of ids) {
      const when = at ?? firsts?.get(patient);
      if (when !== undefined) rows.push({ patient, at: when });
    }
  }
  return rows;
}

async function readRows(file: string): Promise<IndexRow[]> {
  const rows: IndexRow[] = [];
  const parser = createReadStream(file).pipe(
    parse({ columns: true, bom: true, trim: true, skip_empty_lines: true }),
  );
  try {
    for await (const record of parser as AsyncIterable<Record<string, string | undefined>>) {
      const at = `line ${rows.length + 2}`;
      const patient = (record.patient ?? record.patient_id ?? '').replace(/^Patient\//, '');
      if (!isFhirId(patient))
        throw invalid('A row names no patient.', at, 'Call the columns patient and time.');
      rows.push({ patient, at: timeOf(record.time ?? record.index_time ?? '', at) });
      if (rows.length > MAX_INDEX_ROWS)
        throw new Fault('too-large', `The file has more than ${MAX_INDEX_ROWS} rows.`);
    }
  } catch (cause) {
    if (cause instanceof Fault) throw cause;
    throw new Fault('invalid', 'The file of rows cannot be read as CSV.', { at: '--rows', cause });
  }
  return rows;
}

function timeOf(text: string, at: string): number {
  const parsed = parsePartialDate(text);
  if (!parsed) throw invalid('Not a date or an instant.', at, 'Write it as 2024-05-01T10:00:00Z.');
  return parsed.lo;
}
