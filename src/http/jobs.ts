import { Fault } from '../core/fault.js';
import { informationOutcome } from '../fhir/outcome.js';
import { diagnose } from '../jobs/diagnosis.js';
import type { Job } from '../jobs/job.js';
import type { Jobs } from '../jobs/jobs.js';
import type { BulkImports } from '../tasks/bulk-imports.js';
import type { ImportReport } from '../tasks/import-report.js';
import { type FhirRequest, type Handler, segment } from './exchange.js';
import type { Route } from './router.js';

/**
 * The jobs of a tenant, for who may read all of it: names of files may name patients, so they are shown to nobody else,
 * and stand in no address and no log.
 */
const MAX_SHOWN_ERRORS = 200;

export function jobRoutes(deps: { readonly jobs: Jobs; readonly imports: BulkImports | undefined }): Route[] {
  const { jobs, imports } = deps;
  const claim = {
    kind: 'operation',
    name: 'jobs',
    definition: 'https://cenote.health/fhir/OperationDefinition/system-jobs',
  } as const;
  const list: Handler = async (request) => {
    requireAll(request, 'r');
    const found = await jobs.list(request.tenant);
    return { status: 200, json: { jobs: found.map((job) => summary(job, request.now)) } };
  };
  const show: Handler = async (request) => {
    requireAll(request, 'r');
    const job = await jobs.get(request.tenant, segment(request, 'id'));
    const ofImport = job.kind === 'import' || job.kind === 'bulk-import';
    const result = ofImport ? await jobs.result<Partial<ImportReport>>(request.tenant, job.id) : undefined;
    const { errors = [], profile, ...report } = result ?? {};
    return {
      status: 200,
      json: {
        ...summary(job, request.now),
        ...(result && report.files ? { report } : {}),
        ...(errors.length > 0 ? { errors: errors.slice(0, MAX_SHOWN_ERRORS) } : {}),
        ...(profile ? { profile, findings: diagnose(profile) } : {}),
      },
    };
  };
  const cancel: Handler = async (request) => {
    requireAll(request, 'u');
    await jobs.cancel(request.tenant, segment(request, 'id'));
    return { status: 200, resource: informationOutcome('The job was stopped; what it has done stays.') };
  };
  const resume: Handler = async (request) => {
    requireAll(request, 'u');
    const job = await jobs.get(request.tenant, segment(request, 'id'));
    if (job.kind === 'bulk-import' && imports) await imports.resume(request.tenant, job.id);
    else if (job.kind === 'reindex' || job.kind === 'reseal' || job.kind === 'rotate-index')
      await jobs.requeue(request.tenant, job.id);
    else
      throw new Fault('unsupported', 'A job of this kind is not resumed through the API.', {
        remedy: 'An import of local files goes on with: cenote job resume JOB --tenant T.',
      });
    return { status: 202, resource: informationOutcome('The job goes on from where it stood.') };
  };
  return [
    {
      method: 'GET',
      path: '$jobs',
      claim,
      needs: 'each',
      polled: true,
      handle: list,
    },
    { method: 'GET', path: '$jobs/:id', claim, needs: 'each', polled: true, handle: show },
    { method: 'POST', path: '$jobs/:id/cancel', claim, needs: 'each', handle: cancel },
    { method: 'POST', path: '$jobs/:id/resume', claim, needs: 'each', handle: resume },
  ];
}

function requireAll({ access }: FhirRequest, permission: 'r' | 'u'): void {
  if (access.allowsAll(permission)) return;
  throw new Fault(
    'forbidden',
    'Jobs are shown to who may read all of the tenant, and stopped by who may write it.',
    {
      remedy: `Ask for a scope such as system/*.${permission}.`,
    },
  );
}

function summary(job: Job, now: number): Record<string, unknown> {
  const at = (ms: number | undefined) => (ms === undefined ? undefined : new Date(ms).toISOString());
  const { id, kind, state, progress, error } = job;
  const seconds = job.startedAt === undefined ? 0 : ((job.endedAt ?? now) - job.startedAt) / 1000;
  const done = progress.resources ?? 0;
  return {
    id,
    kind,
    state,
    created: at(job.createdAt),
    started: at(job.startedAt),
    ended: at(job.endedAt),
    progress,
    ...(seconds > 0 && done > 0 ? { resourcesPerSecond: Math.round(done / seconds) } : {}),
    ...(error === undefined ? {} : { error }),
  };
}
