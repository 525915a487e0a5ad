import { pipeline, Readable } from 'node:stream';
import { createGzip } from 'node:zlib';
import { Fault, invalid } from '../core/fault.js';
import { informationOutcome } from '../fhir/outcome.js';
import { VALIDATION_LEVELS, type ValidationLevel } from '../fhir/validate.js';
import type { BulkImport, BulkImports } from '../tasks/bulk-imports.js';
import { isObject } from '../tasks/bundle-entry.js';
import { EXTENSIONS, type ImportInput, mediaType } from '../tasks/import-inputs.js';
import { errorLines } from '../tasks/import-results.js';
import { type FhirRequest, type FhirResponse, type Handler, oneParam, segment } from './exchange.js';
import { HttpFault } from './outcome.js';
import { acceptsGzip } from './respond.js';
import type { Route } from './router.js';

/**
 * `$import`: the asynchronous bulk import of SMART's proposal (import manifest: inputFormat, inputSource, input with
 * type and url, storageDetail), as JSON or as Parameters, or one file as the body. What an import does is
 * `src/tasks/import.ts`; this file speaks HTTP for it.
 */
export interface ImportRoutesDeps {
  readonly imports: BulkImports;
  readonly secured: boolean;
}

const ERRORS = 'errors.ndjson';
const FIRST_RETRY_S = 1;
const LATER_RETRY_S = 10;
const LATER_AFTER_MS = 30_000;
/** An upload may take this long, in ms. */
const UPLOAD_MS = 6 * 3600_000;
const MAX_NAME_CHARS = 200;

export function importRoutes(deps: ImportRoutesDeps): Route[] {
  const claim = {
    kind: 'operation',
    name: 'import',
    definition: 'https://cenote.health/fhir/OperationDefinition/system-import',
  } as const;
  return [
    {
      method: 'POST',
      path: '$import',
      claim,
      needs: 'each',
      timeoutMs: UPLOAD_MS,
      handle: kickOff(deps),
    },
    {
      method: 'GET',
      path: '$import-status/:id',
      claim,
      needs: 'each',
      polled: true,
      handle: status(deps),
    },
    {
      method: 'DELETE',
      path: '$import-status/:id',
      claim,
      needs: 'each',
      handle: cancel(deps),
    },
    {
      method: 'GET',
      path: '$import-file/:id/:file',
      claim,
      needs: 'each',
      handle: errorFile(deps),
    },
  ];
}

/** An import writes what it is given: only who may create and update every type may ask for one. */
export function requireImport({ access }: Pick<FhirRequest, 'access'>): void {
  if (access.allowsAll('c') && access.allowsAll('u')) return;
  throw new Fault('forbidden', 'An import needs the right to create and update every type.', {
    remedy: 'Ask for a scope such as system/*.cu.',
  });
}

function kickOff({ imports }: ImportRoutesDeps): Handler {
  return async (request) => {
    requireImport(request);
    if (!/(^|[,;\s])respond-async([,;\s]|$)/i.test(String(request.headers.prefer ?? '').slice(0, 1000))) {
      throw new HttpFault(400, 'An import is asynchronous.', {
        issueCode: 'value',
        remedy: 'Send Prefer: respond-async.',
      });
    }
    const type = mediaType(request.headers['content-type']);
    const isManifest = type === '' || /^application\/(fhir\+)?json(\+fhir)?$/.test(type);
    const inputs = isManifest
      ? manifestInputs((await request.body(['json'])).json, request.base)
      : [await uploaded(imports, request, type)];
    const { id, kind } = request.actor;
    const job = await imports.start(request.tenant, {
      inputs,
      defaults: {},
      columns: {},
      link: oneParam(request, 'link') === 'true',
      ...validationOf(request),
      url: `${request.base}/$import`,
      actor: { id, kind },
    });
    return {
      status: 202,
      resource: informationOutcome('The import was taken in. Ask for its state at Content-Location.'),
      headers: { 'Content-Location': `${request.base}/$import-status/${job.id}` },
    };
  };
}

function validationOf(request: FhirRequest): { validation?: ValidationLevel } {
  const asked = request.headers['x-cenote-validation'];
  const level = VALIDATION_LEVELS.find((known) => known === asked);
  return level ? { validation: level } : {};
}

/** One file as the body. Its name comes as RFC 6266 has it, never in the address. */
async function uploaded(imports: BulkImports, request: FhirRequest, type: string): Promise<ImportInput> {
  const extension = EXTENSIONS[type];
  const name = /filename="([^"\\/]{1,200})"/.exec(String(request.headers['content-disposition'] ?? ''))?.[1];
  if (extension === undefined && (type !== 'application/octet-stream' || name === undefined)) {
    throw new HttpFault(415, 'The content type of the upload is none that can be imported.', {
      remedy:
        'Send a manifest as application/json, NDJSON as application/fhir+ndjson, or any file as application/octet-stream with Content-Disposition: attachment; filename="…".',
    });
  }
  return imports.upload(request.tenant, name ?? `upload${extension}`, request.stream());
}

/** The inputs of a manifest (JSON) or of Parameters. */
export function manifestInputs(json: unknown, base: string): ImportInput[] {
  if (!isObject(json)) throw invalid('The body is no object.', undefined, 'Send an import manifest.');
  const inputs = json.resourceType === 'Parameters' ? parameterInputs(json) : plainInputs(json);
  return inputs.map((input, i) => inputOf(input, base, `input[${i}]`));
}

interface GivenInput {
  readonly type?: unknown;
  readonly url?: unknown;
}

const FORMATS = new Set(['application/fhir+ndjson', 'application/ndjson', 'application/x-ndjson', 'ndjson']);

function requireFormat(format: unknown): void {
  if (format === undefined || FORMATS.has(String(format).toLowerCase().replace(' ', '+'))) return;
  throw new Fault('unsupported', 'inputFormat is not NDJSON.', {
    at: 'inputFormat',
    remedy: 'Leave it out: each file is told by its content and its name.',
  });
}

function plainInputs(json: Record<string, unknown>): GivenInput[] {
  requireFormat(json.inputFormat);
  if (!Array.isArray(json.input))
    throw invalid('The manifest has no list of inputs.', 'input', 'Give "input": [{"type": …, "url": …}].');
  return json.input.map((one, i) => {
    if (!isObject(one)) throw invalid('The input is no object.', `input[${i}]`);
    return one;
  });
}

function parameterInputs({ parameter }: Record<string, unknown>): GivenInput[] {
  const list = (Array.isArray(parameter) ? parameter : []).filter(isObject);
  const primitive = (one: Record<string, unknown>) =>
    one[Object.keys(one).find((key) => key.startsWith('value')) ?? ''];
  requireFormat(list.filter(({ name }) => name === 'inputFormat').map(primitive)[0]);
  return list
    .filter(({ name }) => name === 'input' || name === 'source')
    .map(({ part }) => {
      const parts = (Array.isArray(part) ? part : []).filter(isObject);
      const named = (...names: string[]) =>
        parts.filter(({ name }) => names.includes(String(name))).map(primitive)[0];
      return { type: named('type', 'resourceType'), url: named('url') };
    });
}

function inputOf({ type, url }: GivenInput, base: string, at: string): ImportInput {
  if (type !== undefined && (typeof type !== 'string' || !/^[A-Z][A-Za-z]{1,63}$/.test(type)))
    throw invalid('The type of the input is no resource type.', `${at}.type`);
  if (typeof url !== 'string') throw invalid('The input has no url.', `${at}.url`);
  const own = url.startsWith(`${base}/`) ? url.slice(base.length + 1) : url;
  const binary = /^Binary\/([A-Za-z0-9\-.]{1,64})$/.exec(own)?.[1];
  const typed = type === undefined ? {} : { type };
  if (binary) return { kind: 'binary', id: binary, ...typed };
  if (/^(s3|file|gs|abfss?):/.test(url)) return { kind: 'store', uri: url };
  return { kind: 'url', url, ...typed };
}

async function own({ imports }: ImportRoutesDeps, request: FhirRequest): Promise<BulkImport> {
  requireImport(request);
  return imports.find(request.tenant, segment(request, 'id'), request.actor);
}

function status(deps: ImportRoutesDeps): Handler {
  return async (request): Promise<FhirResponse> => {
    const { job, request: wanted, report } = await own(deps, request);
    if (job.state === 'cancelled') throw new Fault('not-found', 'The import was cancelled.');
    if (job.state === 'failed') {
      throw new Fault('internal', 'The import failed; what it had taken in stays.', {
        remedy: `Resume it (POST ${'$'}jobs/{id}/resume); nothing is taken in twice.`,
      });
    }
    if (!report) {
      const retry = request.now - job.createdAt < LATER_AFTER_MS ? FIRST_RETRY_S : LATER_RETRY_S;
      const { resources = 0, rejected = 0, filesDone = 0, files = 0 } = job.progress;
      return {
        status: 202,
        headers: {
          'X-Progress':
            job.state === 'queued'
              ? 'queued'
              : `in progress, ${resources} resources taken in, ${rejected} refused, ${filesDone} of ${files} files`,
          'Retry-After': String(retry),
        },
      };
    }
    const { created, updated, unchanged, deleted, rejected, byType } = report.resources;
    const errors = `${request.base}/$import-file/${job.id}/${ERRORS}`;
    return {
      status: 200,
      json: {
        transactionTime: new Date(job.endedAt ?? request.now).toISOString(),
        request: wanted.url,
        requiresAccessToken: deps.secured,
        input: report.files,
        output: Object.entries(byType).map(([type, count]) => ({ type, count })),
        error: rejected === 0 ? [] : [{ type: 'OperationOutcome', url: errors, count: rejected }],
        extension: {
          counts: { created, updated, unchanged, deleted, accepted: created + updated + unchanged, rejected },
          documents: report.documents,
          documentsWithoutPatient: report.documentsWithoutPatient,
          seconds: report.seconds,
        },
      },
    };
  };
}

function cancel(deps: ImportRoutesDeps): Handler {
  return async (request) => {
    await deps.imports.cancel(request.tenant, await own(deps, request));
    return {
      status: 202,
      resource: informationOutcome('The import was stopped; what it had taken in stays.'),
    };
  };
}

function errorFile(deps: ImportRoutesDeps): Handler {
  return async (request) => {
    const { job } = await own(deps, request);
    if (request.at.file !== ERRORS) throw new Fault('not-found', 'There is no such file of the import.');
    const zipped = acceptsGzip(request.headers['accept-encoding']);
    const plain = Readable.from(errorLines(request.tenant, job.id), { objectMode: false });
    const stream = zipped ? pipeline(plain, createGzip({ level: 4 }), () => {}) : plain;
    return {
      status: 200,
      stream,
      headers: {
        'Content-Type': 'application/fhir+ndjson',
        Vary: 'Accept-Encoding',
        ...(zipped ? { 'Content-Encoding': 'gzip' } : {}),
      },
    };
  };
}

/** A short text of a request that is no more than a label. */
export function labelOf(value: unknown, at: string): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'string' || value.length > MAX_NAME_CHARS)
    throw invalid(`Not a text of at most ${MAX_NAME_CHARS} characters.`, at);
  return value;
}
