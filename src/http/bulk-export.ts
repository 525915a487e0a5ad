import { pipeline, Readable } from 'node:stream';
import { createGzip } from 'node:zlib';
import { Fault, isFault } from '../core/fault.js';
import { VIEW_MEDIA_TYPES } from '../export/view-table.js';
import { informationOutcome } from '../fhir/outcome.js';
import type { Job } from '../jobs/job.js';
import type { Store } from '../store/contract.js';
import type { BulkExportRequest } from '../tasks/bulk-export-job.js';
import type { BulkExport, BulkExports } from '../tasks/bulk-exports.js';
import { bulkExportRequest, type Level } from './bulk-export-request.js';
import { type FhirRequest, type FhirResponse, type Handler, httpDate, segment } from './exchange.js';
import { HttpFault } from './outcome.js';
import { acceptsGzip } from './respond.js';
import type { Route } from './router.js';
import { readsAllOf } from './scopes.js';
import { viewExportManifest } from './view-export-manifest.js';

/**
 * Bulk Data Access 2.0 (hl7.fhir.uv.bulkdata): kick-off, status, deletion and files of exports. What an export gives is
 * `src/tasks/bulk-export.ts`; this file speaks HTTP for it.
 */
export interface BulkExportRoutesDeps {
  readonly exports: BulkExports;
  readonly store: Store;
  /** Whether the API asks for tokens. */
  readonly secured: boolean;
}

const DEFINITION = 'http://hl7.org/fhir/uv/bulkdata/OperationDefinition';
/** Seconds until a client should ask again: soon at first, as most exports are small. */
const FIRST_RETRY_S = 1;
const LATER_RETRY_S = 10;
const LATER_AFTER_MS = 30_000;
const RETRY_TOO_MANY_S = 60;

export function bulkExportRoutes(deps: BulkExportRoutesDeps): Route[] {
  const levels = [
    { level: 'system', path: '$export', name: 'export', type: undefined },
    { level: 'patient', path: 'Patient/$export', name: 'patient-export', type: 'Patient' },
    { level: 'group', path: 'Group/:id/$export', name: 'group-export', type: 'Group' },
  ] as const;
  const routes: Route[] = [];
  for (const { level, path, name, type } of levels) {
    for (const method of ['GET', 'POST'] as const) {
      routes.push({
        method,
        path,
        claim: {
          kind: 'operation',
          name: 'export',
          definition: `${DEFINITION}/${name}`,
          ...(type ? { type } : {}),
        },
        needs: 'each',
        handle: kickOff(deps, level),
      });
    }
  }
  const claim = (code: string) => ({ kind: 'system', code }) as const;
  routes.push(
    {
      method: 'GET',
      path: '$export-status/:id',
      claim: claim('export-status'),
      needs: 'each',
      polled: true,
      handle: status(deps),
    },
    {
      method: 'DELETE',
      path: '$export-status/:id',
      claim: claim('export-delete'),
      needs: 'each',
      handle: remove(deps),
    },
    {
      method: 'GET',
      path: '$export-file/:id/:file',
      claim: claim('export-file'),
      needs: 'each',
      handle: file(deps),
    },
  );
  return routes;
}

function kickOff({ exports, store }: BulkExportRoutesDeps, level: Level): Handler {
  return async (request) => {
    if (!prefersAsync(request)) {
      throw new HttpFault(400, 'An export is asynchronous.', {
        issueCode: 'value',
        remedy: 'Send Prefer: respond-async.',
      });
    }
    const wanted = await bulkExportRequest(request, level);
    // What cannot be searched is refused now, not in an hour.
    for (const { type, params } of wanted.filters)
      await exports.deps.search.prepare(request.tenant, { type, params, strict: true, base: request.base });
    const group = level === 'group' ? segment(request, 'id') : undefined;
    if (group !== undefined) {
      if (!request.access.allows('Group', 'r'))
        throw new Fault('forbidden', 'The token does not permit reading the Group.');
      const read = await store.read(request.tenant, 'Group', group);
      if (!read?.resource) throw new Fault(read ? 'gone' : 'not-found', 'There is no Group with this id.');
    }
    for (const [at, found] of (
      await store.readMany(
        request.tenant,
        (wanted.patients ?? []).map((id) => ({ type: 'Patient', id })),
      )
    ).entries()) {
      if (!found)
        throw new Fault('invalid', 'A patient is not here.', {
          at: `patient[${at}]`,
          issueCode: 'not-found',
        });
    }
    const { id, kind } = request.actor;
    const job = await started(exports, request, {
      ...wanted,
      level,
      ...(group === undefined ? {} : { group }),
      base: request.base,
      url: addressOf(request, level, group),
      actor: { id, kind },
    });
    return {
      status: 202,
      resource: informationOutcome('The export was taken in. Ask for its state at Content-Location.'),
      headers: { 'Content-Location': `${request.base}/$export-status/${job.id}` },
    };
  };
}

/** Starts an export; who has too many of them is told when to ask again. */
export async function started(
  exports: BulkExports,
  { tenant }: FhirRequest,
  wanted: BulkExportRequest,
): Promise<Job> {
  try {
    return await exports.start(tenant, wanted);
  } catch (error) {
    if (!isFault(error) || error.category !== 'too-many') throw error;
    throw new HttpFault(429, error.message, {
      issueCode: 'throttled',
      ...(error.remedy === undefined ? {} : { remedy: error.remedy }),
      headers: { 'Retry-After': String(RETRY_TOO_MANY_S) },
    });
  }
}

function prefersAsync({ headers }: FhirRequest): boolean {
  return String(headers.prefer ?? '')
    .slice(0, 1000)
    .split(/[,;]/)
    .some((part) => part.trim().toLowerCase() === 'respond-async');
}

/** The address that was asked; of a POST without what stood in its body. */
function addressOf({ base, params }: FhirRequest, level: Level, group: string | undefined): string {
  const path =
    level === 'system' ? '$export' : level === 'patient' ? 'Patient/$export' : `Group/${group}/$export`;
  const query = params
    .map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`)
    .join('&');
  return query === '' ? `${base}/${path}` : `${base}/${path}?${query}`;
}

/**
 * Finds an export of the caller's own. Its token must still cover what is in it.
 * @throws Fault `not-found`, `forbidden`
 */
async function own({ exports }: BulkExportRoutesDeps, request: FhirRequest): Promise<BulkExport> {
  const found = await exports.find(request.tenant, segment(request, 'id'), request.actor);
  if (!readsAllOf(request.access, found.request.types, found.request.grants)) {
    throw new Fault('forbidden', 'The token no longer covers what was exported.', {
      remedy: 'Use a token with the scopes of the one that asked for the export.',
    });
  }
  return found;
}

function status(deps: BulkExportRoutesDeps): Handler {
  return async (request): Promise<FhirResponse> => {
    const found = await own(deps, request);
    const { job, result } = found;
    if (job.state === 'failed') {
      throw new Fault('internal', 'The export failed.', {
        remedy: 'Delete it and start another; if it goes on, give the operator the id of the export.',
      });
    }
    if (!result || found.expires === undefined) {
      const retry = request.now - job.createdAt < LATER_AFTER_MS ? FIRST_RETRY_S : LATER_RETRY_S;
      const done = job.progress.resources ?? 0;
      return {
        status: 202,
        headers: {
          // No number first: clients take one for a percentage.
          'X-Progress': job.state === 'queued' ? 'queued' : `in progress, ${done} resources written`,
          'Retry-After': String(retry),
        },
      };
    }
    if (found.request.views) return viewExportManifest(request, found);
    const { base } = request;
    const files = (kind: string) =>
      result.files
        .filter((f) => f.kind === kind)
        .map(({ type, name, count }) => ({
          ...(type === '' ? {} : { type }),
          url: `${base}/$export-file/${job.id}/${name}`,
          count,
        }));
    return {
      status: 200,
      json: {
        transactionTime: new Date(result.transactionTime).toISOString(),
        request: found.request.url,
        requiresAccessToken: deps.secured,
        ...(found.request.byPatient ? { outputOrganizedBy: 'Patient' } : {}),
        output: files('output'),
        deleted: files('deleted'),
        error: files('error'),
        ...reportsOf(files),
      },
      headers: { Expires: httpDate(found.expires) },
    };
  };
}

/** Files about an export, by the extension of the manifest that names them. */
const REPORTS = [
  ['report', 'quality-report'],
  ['deidentification', 'deidentification-report'],
] as const;

function reportsOf(files: (kind: string) => readonly { readonly url: string }[]): { extension?: object } {
  const named = REPORTS.map(
    ([kind, name]) => [name, files(kind).map(({ url }) => ({ url }))] as const,
  ).filter(([, urls]) => urls.length > 0);
  if (named.length === 0) return {};
  return {
    extension: Object.fromEntries(named.map(([name, urls]) => [`https://cenote.health/fhir/${name}`, urls])),
  };
}

function remove(deps: BulkExportRoutesDeps): Handler {
  return async (request) => {
    const found = await deps.exports.find(request.tenant, segment(request, 'id'), request.actor);
    await deps.exports.remove(request.tenant, found);
    return { status: 202, resource: informationOutcome('The export and its files were removed.') };
  };
}

function file(deps: BulkExportRoutesDeps): Handler {
  return async (request) => {
    const found = await own(deps, request);
    const pieces = await deps.exports.read(request.tenant, found, request.at.file ?? '');
    const zipped = acceptsGzip(request.headers['accept-encoding']);
    const plain = Readable.from(pieces, { objectMode: false });
    // Its callback: what fails on the way ends the answer, and is told there.
    const stream = zipped ? pipeline(plain, createGzip({ level: 4 }), () => {}) : plain;
    return {
      status: 200,
      stream,
      headers: {
        'Content-Type': mediaTypeOf(found, request.at.file ?? ''),
        ...(request.at.file?.endsWith('.html')
          ? { 'Content-Security-Policy': "default-src 'none'; style-src 'unsafe-inline'; sandbox" }
          : {}),
        Vary: 'Accept-Encoding',
        ...(zipped ? { 'Content-Encoding': 'gzip' } : {}),
        ...(found.expires === undefined ? {} : { Expires: httpDate(found.expires) }),
      },
    };
  };
}

function mediaTypeOf({ request, result }: BulkExport, name: string): string {
  const kind = result?.files.find((f) => f.name === name)?.kind;
  if (kind !== 'report' && kind !== 'deidentification')
    return request.views ? VIEW_MEDIA_TYPES[request.views.format] : 'application/fhir+ndjson';
  return name.endsWith('.html') ? 'text/html; charset=utf-8' : 'application/json';
}
