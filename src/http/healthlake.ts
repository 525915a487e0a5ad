import { Fault, invalid } from '../core/fault.js';
import type { ValidationLevel } from '../fhir/validate.js';
import type { BulkImport, BulkImports } from '../tasks/bulk-imports.js';
import { isObject } from '../tasks/bundle-entry.js';
import type { FhirRequest, FhirResponse } from './exchange.js';
import { labelOf, requireImport } from './import.js';
import type { Route } from './router.js';

/**
 * Import jobs in the shapes of Amazon HealthLake (AWS JSON 1.0: one address, the action in X-Amz-Target), so that a
 * client that speaks to it goes on with another endpoint. S3 addresses are those the operator mapped to folders.
 */
const VALIDATION: Readonly<Record<string, ValidationLevel>> = {
  strict: 'strict',
  'structure-only': 'structure',
  minimal: 'minimal',
};
const MAX_RESULTS = 500;
const CLIENT_TOKEN = /^[a-zA-Z0-9-]{1,64}$/;

type Action = (
  imports: BulkImports,
  request: FhirRequest,
  input: Record<string, unknown>,
) => Promise<unknown>;

const ACTIONS: Readonly<Record<string, Action>> = {
  StartFHIRImportJob: start,
  DescribeFHIRImportJob: describe,
  ListFHIRImportJobs: list,
};

export function healthLakeRoute(imports: BulkImports): Route {
  return {
    method: 'POST',
    path: '$healthlake',
    claim: {
      kind: 'operation',
      name: 'healthlake',
      definition: 'https://cenote.health/fhir/OperationDefinition/system-healthlake',
    },
    needs: 'each',
    async handle(request): Promise<FhirResponse> {
      requireImport(request);
      const name = /^HealthLake\.(\w{1,64})$/.exec(String(request.headers['x-amz-target'] ?? ''))?.[1];
      const action = name && Object.hasOwn(ACTIONS, name) ? ACTIONS[name] : undefined;
      if (!action)
        throw new Fault('unsupported', 'X-Amz-Target names no action that is served here.', {
          remedy: `Use HealthLake.${Object.keys(ACTIONS).join(', HealthLake.')}.`,
        });
      const { json } = await request.body(['json', 'amz-json']);
      if (!isObject(json)) throw invalid('The body is no object.');
      return { status: 200, json: await action(imports, request, json) };
    },
  };
}

function s3Uri(config: unknown, at: string): string {
  const uri = isObject(config) ? config.S3Uri : undefined;
  if (typeof uri !== 'string' || uri.length > 1024) throw invalid('There is no S3Uri.', `${at}.S3Uri`);
  return uri.replace(/\/+$/, '');
}

async function start(imports: BulkImports, request: FhirRequest, input: Record<string, unknown>) {
  const token = input.ClientToken;
  if (token !== undefined && (typeof token !== 'string' || !CLIENT_TOKEN.test(token)))
    throw invalid('ClientToken has 1 to 64 of a-z, A-Z, 0-9 and -.', 'ClientToken');
  const level = input.ValidationLevel;
  const validation =
    typeof level === 'string' && Object.hasOwn(VALIDATION, level) ? VALIDATION[level] : undefined;
  if (level !== undefined && !validation)
    throw invalid('Not a level of validation.', 'ValidationLevel', 'Use strict, structure-only or minimal.');
  const output = isObject(input.JobOutputDataConfig) ? input.JobOutputDataConfig.S3Configuration : undefined;
  const results = output === undefined ? undefined : s3Uri(output, 'JobOutputDataConfig.S3Configuration');
  const { id, kind } = request.actor;
  const name = labelOf(input.JobName, 'JobName');
  const role = labelOf(input.DataAccessRoleArn, 'DataAccessRoleArn');
  const job = await imports.start(request.tenant, {
    inputs: [{ kind: 'store', uri: s3Uri(input.InputDataConfig, 'InputDataConfig') }],
    defaults: {},
    columns: {},
    ...(validation ? { validation } : {}),
    url: `${request.base}/$healthlake`,
    actor: { id, kind },
    ...(name === undefined ? {} : { name }),
    ...(token === undefined ? {} : { clientToken: token }),
    ...(results === undefined ? {} : { results }),
    echo: {
      InputDataConfig: input.InputDataConfig,
      ...(output === undefined ? {} : { JobOutputDataConfig: { S3Configuration: output } }),
      // Understood and given back; what may be read is the operator's to say, not a role's.
      ...(role === undefined ? {} : { DataAccessRoleArn: role }),
      ...(level === undefined ? {} : { ValidationLevel: level }),
    },
  });
  return { DatastoreId: request.tenant.record.name, JobId: shortId(job.id), JobStatus: 'SUBMITTED' };
}

async function describe(imports: BulkImports, request: FhirRequest, { JobId }: Record<string, unknown>) {
  const found = await imports.find(request.tenant, longId(JobId), request.actor);
  return { ImportJobProperties: propertiesOf(request, found) };
}

async function list(imports: BulkImports, request: FhirRequest, input: Record<string, unknown>) {
  const max = Math.min(Number(input.MaxResults ?? MAX_RESULTS) || MAX_RESULTS, MAX_RESULTS);
  const all = (await imports.list(request.tenant, request.actor)).map((one) => propertiesOf(request, one));
  const from =
    typeof input.NextToken === 'string' ? all.findIndex(({ JobId }) => JobId === input.NextToken) : 0;
  if (from < 0) throw invalid('NextToken is none of ours.', 'NextToken');
  const wanted = all
    .slice(from)
    .filter(
      ({ JobName, JobStatus, SubmitTime }) =>
        (input.JobName === undefined || JobName === input.JobName) &&
        (input.JobStatus === undefined || JobStatus === input.JobStatus) &&
        (typeof input.SubmittedAfter !== 'number' || SubmitTime >= input.SubmittedAfter) &&
        (typeof input.SubmittedBefore !== 'number' || SubmitTime <= input.SubmittedBefore),
    );
  const next = wanted[max];
  return {
    ImportJobPropertiesList: wanted.slice(0, max),
    ...(next ? { NextToken: next.JobId } : {}),
  };
}

function propertiesOf({ tenant }: FhirRequest, { job, request, report }: BulkImport) {
  const { progress } = job;
  const seconds = job.startedAt === undefined ? 0 : ((job.endedAt ?? Date.now()) - job.startedAt) / 1000;
  const imported = progress.resources ?? 0;
  const rejected = report?.resources.rejected ?? progress.rejected ?? 0;
  const withErrors = report?.files.filter((file) => file.rejected > 0).length ?? 0;
  return {
    JobId: shortId(job.id),
    ...(request.name === undefined ? {} : { JobName: request.name }),
    JobStatus: statusOf(job.state, rejected),
    // AWS JSON writes times as seconds since the epoch.
    SubmitTime: job.createdAt / 1000,
    ...(job.endedAt === undefined ? {} : { EndTime: job.endedAt / 1000 }),
    DatastoreId: tenant.record.name,
    ...request.echo,
    JobProgressReport: {
      TotalNumberOfScannedFiles: progress.files ?? 0,
      TotalSizeOfScannedFilesInMB: Math.round((progress.bytes ?? 0) / 1024 ** 2),
      TotalNumberOfImportedFiles: progress.filesDone ?? 0,
      TotalNumberOfResourcesScanned: imported + rejected,
      TotalNumberOfResourcesImported: imported,
      TotalNumberOfResourcesWithCustomerError: rejected,
      TotalNumberOfFilesReadWithCustomerError: withErrors,
      Throughput: seconds > 0 ? Math.round(imported / seconds) : 0,
    },
    ...(job.error === undefined ? {} : { Message: job.error }),
  };
}

function statusOf(state: BulkImport['job']['state'], rejected: number): string {
  switch (state) {
    case 'queued':
      return 'SUBMITTED';
    case 'running':
      return 'IN_PROGRESS';
    case 'done':
      return rejected > 0 ? 'COMPLETED_WITH_ERRORS' : 'COMPLETED';
    case 'failed':
      return 'FAILED';
    case 'cancelled':
      return 'CANCEL_COMPLETED';
  }
}

/** HealthLake's job ids have 32 characters: ours without the dashes. */
const shortId = (id: string) => id.replaceAll('-', '');

function longId(value: unknown): string {
  const parts = /^([0-9a-f]{8})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{12})$/i.exec(
    String(value),
  );
  if (!parts) throw new Fault('not-found', 'There is no such import of yours.', { at: 'JobId' });
  return parts.slice(1).join('-');
}
