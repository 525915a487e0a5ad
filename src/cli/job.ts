import { writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import { Fault, invalid } from '../core/fault.js';
import { isResourceType, RESOURCE_TYPES } from '../fhir/resource-types.js';
import { diagnose } from '../jobs/diagnosis.js';
import type { Job } from '../jobs/job.js';
import type { JobProfile } from '../jobs/profile.js';
import { writeImportResults } from '../tasks/import-results.js';
import { importWithProgress, showReport } from './import.js';
import { profileHtml, profileText } from './job-profile.js';
import { print, type SharedOptions, withDataDir, withSystem, withTenant } from './shell.js';
import { textTable } from './table.js';

interface JobOptions extends SharedOptions {
  tenant: string;
  json?: true;
  report?: string;
  strict?: true;
  quiet?: true;
  profile?: true;
  html?: string;
  results?: string;
  type?: string;
}

export function register(program: Command): void {
  const job = program.command('job').description('list, show, cancel and resume jobs');

  withTenant(withDataDir(job.command('list')))
    .description('list the jobs of a tenant, newest first')
    .option('--json', 'one JSON object a line')
    .action((options: JobOptions) =>
      withSystem(options, async ({ tenants, jobs }) => {
        const found = await jobs.list(await tenants.open(options.tenant));
        if (options.json) for (const j of found) print(JSON.stringify(shown(j)));
        else print(textTable(['job', 'kind', 'state', 'created', 'progress'], found.map(columns)));
      }),
    );

  withTenant(withDataDir(job.command('show <job>')))
    .description('show one job with its result, or where its time went')
    .option('--profile', 'where the time went, what held the job up and what to do about it')
    .option('--json', 'with --profile: as JSON')
    .option('--html <file>', 'with --profile: a page with a heat map')
    .action((id: string, options: JobOptions) =>
      withSystem(options, async ({ tenants, jobs }) => {
        const tenant = await tenants.open(options.tenant);
        const found = await jobs.get(tenant, id);
        if (options.profile || options.html) {
          showProfile((await jobs.result<{ profile?: JobProfile }>(tenant, id))?.profile, found, options);
          return;
        }
        print(JSON.stringify({ ...shown(found), result: await jobs.result(tenant, id) }, null, 2));
      }),
    );

  withTenant(withDataDir(job.command('reindex')))
    .description('write the index rows of stored resources anew, as a release may ask for; searches go on')
    .option('--type <types>', 'resource types, by commas; all when absent')
    .action((options: JobOptions) =>
      withSystem(options, async (system, signal) => {
        const types = options.type?.split(',') ?? RESOURCE_TYPES;
        const bad = types.find((type) => !isResourceType(type));
        if (bad !== undefined)
          throw invalid('No resource type.', '--type', 'Name types such as ValueSet,CodeSystem.');
        const tenant = await system.tenants.open(options.tenant);
        const { requestReindexOf, runReindex } = await import('../tasks/reindex.js');
        const { id } = await requestReindexOf(system, tenant, types);
        const done = await runReindex(system, tenant, await system.jobs.claim(tenant, id), signal);
        print(
          `${done.partsDone} of ${done.parts} parts, ${done.resources} resources, ${done.rewritten} rewritten`,
        );
      }),
    );

  withTenant(withDataDir(job.command('cancel <job>')))
    .description('stop a job; what it has committed stays')
    .action((id: string, options: JobOptions) =>
      withSystem(options, async ({ tenants, jobs }) => {
        await jobs.cancel(await tenants.open(options.tenant), id);
        print('cancelled');
      }),
    );

  withTenant(withDataDir(job.command('resume <job>')))
    .description(
      'go on with an import, a reindex, a reseal or a change of the index key that was stopped, from where it stood',
    )
    .option('--report <file>', 'write the report as JSON')
    .option('--results <folder>', 'write manifest.json and errors.ndjson')
    .option('--strict', 'exit with 1 if anything was rejected')
    .option('--quiet', 'no progress, only the report')
    .action((id: string, options: JobOptions) =>
      withSystem(options, async (system, signal) => {
        const tenant = await system.tenants.open(options.tenant);
        const { kind } = await system.jobs.get(tenant, id);
        if (kind === 'bulk-import' && system.imports) {
          await system.imports.resume(tenant, id);
          print('A worker goes on with it (cenote serve, cenote worker).');
          return;
        }
        if (kind === 'reseal') {
          const { runReseal } = await import('../tasks/reseal.js');
          const done = await runReseal(system, tenant, await system.jobs.claim(tenant, id), signal);
          print(
            `${done.partsDone} of ${done.parts} parts, ${done.resealed} pieces sealed anew, ${done.rewrapped} patients' keys wrapped anew, ${done.keysDestroyed} old keys destroyed`,
          );
          return;
        }
        if (kind === 'rotate-index') {
          const { runRotateIndex } = await import('../tasks/rotate-index.js');
          const done = await runRotateIndex(system, tenant, await system.jobs.claim(tenant, id), signal);
          print(`${done.partsDone} of ${done.parts} parts, ${done.rewritten} resources indexed anew`);
          return;
        }
        if (kind !== 'import' && kind !== 'reindex')
          throw new Fault('unsupported', 'A job of this kind is not resumed: start it again.');
        if (kind === 'reindex') {
          const { runReindex } = await import('../tasks/reindex.js');
          const done = await runReindex(system, tenant, await system.jobs.claim(tenant, id), signal);
          print(
            `${done.partsDone} of ${done.parts} parts, ${done.resources} resources, ${done.rewritten} rewritten`,
          );
          return;
        }
        const report = await importWithProgress(system, tenant, id, { signal, quiet: options.quiet });
        if (options.results) await writeImportResults(tenant, report, options.results, system.clock.now());
        await showReport(report, options);
      }),
    );
}

function showProfile(profile: JobProfile | undefined, job: Job, options: JobOptions): void {
  if (!profile)
    throw new Fault('not-found', 'The job has no profile.', {
      remedy:
        'An import has one when it ended or was stopped; one that was killed has none until it is resumed.',
    });
  // Names of files may name patients.
  if (options.html) writeFileSync(options.html, profileHtml(profile, job.id), { mode: 0o600 });
  if (options.json) print(JSON.stringify({ job: job.id, ...profile, findings: diagnose(profile) }, null, 2));
  else if (!options.html) print(profileText(profile));
}

function shown(job: Job): Record<string, unknown> {
  const at = (ms: number | undefined) => (ms === undefined ? undefined : new Date(ms).toISOString());
  const { id, kind, state, progress, error } = job;
  return {
    id,
    kind,
    state,
    created: at(job.createdAt),
    started: at(job.startedAt),
    ended: at(job.endedAt),
    error,
    progress,
  };
}

function columns(job: Job): string[] {
  const progress = Object.entries(job.progress)
    .filter(([name]) =>
      ['filesDone', 'files', 'partsDone', 'parts', 'resources', 'rewritten', 'resealed', 'rejected'].includes(
        name,
      ),
    )
    .map(([name, n]) => `${name} ${n}`)
    .join(', ');
  return [job.id, job.kind, job.state, new Date(job.createdAt).toISOString(), job.error ?? progress];
}
