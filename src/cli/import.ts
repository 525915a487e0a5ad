import { writeFile } from 'node:fs/promises';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { VALIDATION_LEVELS, type ValidationLevel } from '../fhir/validate.js';
import type { Note } from '../ingest/note.js';
import { streamSource } from '../ingest/source.js';
import type { Job } from '../jobs/job.js';
import type { System } from '../system.js';
import { drainAnnotations } from '../tasks/annotate.js';
import { runImport } from '../tasks/import.js';
import type { DerivedCounts, ImportReport } from '../tasks/import-report.js';
import { writeImportResults } from '../tasks/import-results.js';
import type { Tenant } from '../tenancy/tenant.js';
import { progress, rate } from './progress.js';
import { EXIT } from './report.js';
import { print, type SharedOptions, withDataDir, withSystem, withTenant } from './shell.js';
import { textTable } from './table.js';

interface ImportCommandOptions extends SharedOptions {
  tenant: string;
  report?: string;
  results?: string;
  strict?: true;
  quiet?: true;
  link?: true;
  patient?: string;
  date?: string;
  type?: string;
  author?: string;
  encounter?: string;
  column?: Partial<Record<keyof Note, string>>;
  validation?: ValidationLevel;
}

const FIELDS: readonly (keyof Note)[] = ['id', 'text', 'patient', 'date', 'type', 'author', 'encounter'];

function column(
  value: string,
  previous: Partial<Record<keyof Note, string>> = {},
): Partial<Record<keyof Note, string>> {
  const [field, name] = value.split('=', 2);
  if (!name || !FIELDS.includes(field as keyof Note)) {
    throw new InvalidArgumentError(`Write it as FIELD=NAME with a field of ${FIELDS.join(', ')}.`);
  }
  return { ...previous, [field as keyof Note]: name };
}

export function register(program: Command): void {
  withTenant(withDataDir(program.command('import <path...>')))
    .description('bring records and notes into a tenant; run again, it changes nothing')
    .option('--report <file>', 'write the report as JSON')
    .option(
      '--results <folder>',
      'write manifest.json and errors.ndjson (an OperationOutcome for each refusal)',
    )
    .option('--strict', 'exit with 1 if anything was rejected')
    .addOption(
      new Option(
        '--validation <level>',
        'how strictly resources are checked; as the tenant or else the server is set where not given',
      ).choices(VALIDATION_LEVELS),
    )
    .option(
      '--link',
      'join Patients of FHIR files to those who have one of their identifiers, and report who may be one',
    )
    .option('--quiet', 'no progress, only the report')
    .option('--patient <ref>', 'patient of notes that do not say: Patient/ID, an id, or system|identifier')
    .option('--date <date>', 'date of notes that do not say')
    .option('--type <type>', 'type of notes that do not say: a LOINC code or a name')
    .option('--author <name>', 'author of notes that do not say')
    .option('--encounter <id>', 'encounter of notes that do not say')
    .option('--column <field=name>', 'column of a note table that holds a field (repeatable)', column)
    .addHelpText(
      'after',
      `
Reads files, folders and archives (.zip .tar .tar.gz) of: FHIR bundles and resources (.json), bulk NDJSON (.ndjson),
HL7 v2 messages and batches, C-CDA documents (.xml), notes (.txt .md .html .rtf .docx .pdf, with a JSON sidecar beside
each: visit.pdf.json), tables of notes (.csv .tsv .jsonl); any of them gzipped, in any usual character set.
A note's sidecar or columns: id, text, patient, date, type, author, encounter. "-" reads standard input.
Ctrl-C stops it; cenote job resume JOB goes on where it stood.`,
    )
    .action((paths: string[], options: ImportCommandOptions) =>
      withSystem(options, async (system, signal) => {
        const tenant = await system.tenants.open(options.tenant);
        const { patient, date, type, author, encounter } = options;
        const job = await system.jobs.create(tenant, 'import', {
          paths,
          folder: process.cwd(),
          defaults: { patient, date, type, author, encounter },
          columns: options.column ?? {},
          link: options.link ?? false,
          validation: options.validation ?? tenant.record.validation ?? system.config.validation,
        });
        const report = await importWithProgress(system, tenant, job.id, { signal, quiet: options.quiet });
        if (options.results) await writeImportResults(tenant, report, options.results, system.clock.now());
        await showReport(report, options);
      }),
    );
}

/** Claims the job, runs it with a bar, and reads the notes while the files come in. */
export async function importWithProgress(
  system: System,
  tenant: Tenant,
  jobId: string,
  options: { signal?: AbortSignal; quiet?: boolean },
): Promise<ImportReport> {
  const job: Job = await system.jobs.claim(tenant, jobId);
  const params = await system.jobs.params<{ paths: string[] }>(tenant, jobId);
  const started = Date.now();
  const files = progress('files', options.quiet);
  let notes: ReturnType<typeof progress> | undefined;
  try {
    return await runImport({ jobs: system.jobs, bundle: system.bundles, clock: system.clock }, tenant, job, {
      base: system.baseOf(tenant),
      signal: options.signal,
      source:
        params.paths.length === 1 && params.paths[0] === '-'
          ? streamSource('stdin.ndjson', process.stdin)
          : undefined,
      onProgress: (p) =>
        files.update(
          p.bytesDone,
          p.bytes,
          `${p.filesDone}/${p.files} files, ${p.resources.toLocaleString('en-US')} resources, ${rate(p.resources, Date.now() - started)}${p.rejected > 0 ? `, ${p.rejected} rejected` : ''}`,
        ),
      annotate: async (signal, profiler): Promise<DerivedCounts> => {
        files.stop();
        const lane = profiler.lane('notes');
        notes = progress('notes', options.quiet);
        const from = Date.now();
        const annotation = await system.annotation();
        const drain = () =>
          drainAnnotations(annotation, tenant, {
            signal,
            onRead: (id, ms) => profiler.document(id, ms),
            onProgress: (read, waiting) =>
              notes?.update(read, read + waiting, `${read} read, ${rate(read, Date.now() - from)}`),
          });
        const { documents: _, ...derived } = await lane.during('nlp', drain);
        return derived;
      },
    });
  } finally {
    files.stop();
    notes?.stop();
  }
}

/** Prints the report, writes it where asked, and sets the exit status. */
export async function showReport(
  report: ImportReport,
  options: { report?: string; strict?: true },
): Promise<void> {
  if (options.report)
    await writeFile(options.report, `${JSON.stringify(report, null, 2)}\n`, { mode: 0o600 });
  print(reportText(report));
  if (options.strict && report.resources.rejected > 0) process.exitCode = EXIT.foundWrong;
}

/** Reasons of refusals the screen shows, and places of each; the JSON report has them all. */
const SHOWN_KINDS = 20;
const SHOWN_PLACES = 3;

export function reportText(report: ImportReport): string {
  const { resources, derived } = report;
  const types = [...new Set([...Object.keys(resources.byType), ...Object.keys(derived.byType)])].sort();
  const lines = [
    textTable(
      ['type', 'imported', 'from notes'],
      types.map((t) => [t, resources.byType[t] ?? 0, derived.byType[t] ?? 0]),
    ),
    '',
    `imported  ${resources.created} created, ${resources.updated} updated, ${resources.unchanged} unchanged, ${resources.rejected} rejected`,
    `notes     ${report.documents}${report.documentsWithoutPatient > 0 ? `, of which ${report.documentsWithoutPatient} without a patient are kept without facts` : ''}`,
    `derived   ${derived.created} created, ${derived.updated} updated, ${derived.deleted} deleted, ${derived.unchanged} unchanged`,
    ...(report.linked
      ? [
          `linked    ${report.linked.joined} joined, ${report.linked.candidates.length} who may be one (--report)`,
        ]
      : []),
    `job       ${report.job}, ${report.files.length} files in ${report.seconds.toFixed(1)} s`,
  ];
  if (report.errors.length > 0) lines.push('', 'rejected:', ...refusals(report));
  return lines.join('\n');
}

/** What was refused, for each reason the first places: hundreds of one kind must not hide the others. */
export function refusals({ errors, resources }: Pick<ImportReport, 'errors' | 'resources'>): string[] {
  const kinds = new Map<string, string[]>();
  for (const e of errors) {
    const place = [e.file, e.line === undefined ? undefined : `line ${e.line}`, e.element]
      .filter(Boolean)
      .join(', ');
    const places = kinds.get(e.message);
    if (places) places.push(place);
    else kinds.set(e.message, [place]);
  }
  const lines: string[] = [];
  const most = [...kinds].sort(([, a], [, b]) => b.length - a.length);
  for (const [message, places] of most.slice(0, SHOWN_KINDS)) {
    const more = places.length - SHOWN_PLACES;
    lines.push(`  ${places.length} × ${message}`, ...places.slice(0, SHOWN_PLACES).map((p) => `      ${p}`));
    if (more > 0) lines.push(`      … and ${more} more`);
  }
  const untold = resources.rejected - errors.length;
  const hidden = most.slice(SHOWN_KINDS).reduce((sum, [, places]) => sum + places.length, untold);
  if (hidden > 0) lines.push(`  ${hidden} × something else`);
  if (hidden > 0 || most.some(([, places]) => places.length > SHOWN_PLACES))
    lines.push('  (--report FILE and --results FOLDER have all places)');
  return lines;
}
