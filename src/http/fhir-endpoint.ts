import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../core/clock.js';
import { Fault } from '../core/fault.js';
import { parseJson } from '../core/json.js';
import { VALIDATION_LEVELS, type ValidationLevel } from '../fhir/validate.js';
import type { AccessLog } from '../store/access-log.js';
import { type Check, checkAt } from '../tasks/bundle-entry.js';
import type { Tenant, Tenants } from '../tenancy/tenant.js';
import { type AccessRequest, accessOfAnswer, accessOfFailure } from './accesses.js';
import { authenticate, bearerToken, type Caller, DEV_CALLER, type VerifyToken } from './auth.js';
import { asksForContent, BINARY_PATH } from './binary.js';
import {
  MAX_BUNDLE_BYTES,
  MAX_BUNDLE_VALUES,
  MAX_CONTENT_BYTES,
  MAX_FORM_BYTES,
  MAX_RESOURCE_BYTES,
  MAX_RESOURCE_VALUES,
  readBytes,
  readText,
} from './body.js';
import type { FhirRequest, FhirResponse } from './exchange.js';
import { type BodyKind, bodyKind, GIVES_TABLES, type Pair, parsePrefer, responseType } from './negotiate.js';
import { failure, HttpFault } from './outcome.js';
import type { Polls } from './polls.js';
import { requireDecodable } from './query-text.js';
import { requestId } from './request-id.js';
import { acceptsGzip, type RenderContext, respond } from './respond.js';
import type { Matched, Router } from './router.js';
import { type Access, accessOf } from './scopes.js';

export interface FhirEndpointOptions {
  readonly validation: ValidationLevel;
  readonly clock: Clock;
  readonly tenants: Tenants;
  /** Told of every access before its answer is sent. */
  readonly audit: AccessLog;
  readonly router: Router;
  /** Absent in development mode: no token is asked for. */
  readonly verify: VerifyToken | undefined;
  /** The tenant as a caller with these rights sees it. */
  readonly narrow: Narrow;
  /** `http://host:port` as the caller sees it. */
  readonly publicUrl: (request: IncomingMessage) => string;
  /** Told of each request once its caller is known. @throws Fault `too-many` */
  readonly admit?: ((tenant: string) => void) | undefined;
  /** Which polls are new to the log. */
  readonly polls: Polls;
  readonly requestTimeoutMs: number;
  /** A bundle of thousands of entries takes longer than any other request. */
  readonly bundleTimeoutMs: number;
}

const TOO_MANY = 429;

export type Narrow = (tenant: Tenant, access: Access, matched: Matched) => Tenant;

/** What is counted and logged of a request: no path, no query, no id. */
export interface Seen {
  readonly requestId: string;
  readonly interaction: string;
  readonly type: string | undefined;
  readonly status: number;
  readonly error: unknown;
}

export type FhirEndpoint = (
  request: IncomingMessage,
  response: ServerResponse,
  tenantName: string,
  /** Below `/fhir/{tenant}`, as sent, without the query. */
  path: string,
  query: string,
) => Promise<Seen>;

/** Serves `/fhir/{tenant}`: understands the request, checks the caller's rights, makes one call, renders. */
export function createFhirEndpoint(options: FhirEndpointOptions): FhirEndpoint {
  return async (request, response, tenantName, path, query) => {
    const id = requestId(request.headers['x-request-id']);
    const params: Pair[] = query === '' ? [] : [...new URLSearchParams(query)];
    let interaction = 'none';
    let type: string | undefined;
    let context: RenderContext = {
      head: request.method === 'HEAD',
      contentType: 'application/fhir+json; charset=utf-8',
      pretty: false,
      prefer: {},
      acceptsGzip: acceptsGzip(request.headers['accept-encoding']),
      requestId: id,
    };
    let status: number;
    let failed: unknown;
    try {
      requireDecodable(query);
      context = {
        ...context,
        contentType: choosesFormat(request, path, params)
          ? context.contentType
          : responseType(request.headers, params, /^\/\$(ex|im)port/.test(path)),
        pretty: params.some(([name, value]) => name === '_pretty' && value === 'true'),
        prefer: parsePrefer(request.headers.prefer),
      };
      const matched = options.router.match(request.method ?? 'GET', path);
      interaction = nameOf(matched);
      type = matched.at.type;
      const answer = await withTimeout(
        handle(options, matched, request, tenantName, params, context),
        matched.route.timeoutMs ??
          (interaction === 'batch' || interaction === 'transaction'
            ? options.bundleTimeoutMs
            : options.requestTimeoutMs),
      );
      status = answer.status;
      await respond(response, answer, context);
    } catch (error) {
      failed = error;
      const { status: code, headers, outcome } = failure(error);
      status = code;
      if (!response.headersSent) {
        // What is left of a refused body is not read: the connection ends with the answer.
        const unread = !request.complete && request.method !== 'GET' && request.method !== 'HEAD';
        const extra = unread ? { ...headers, Connection: 'close' } : headers;
        await respond(response, { status: code, resource: outcome, headers: extra }, context);
      } else response.destroy();
    }
    return { requestId: id, interaction, type, status, error: failed };
  };
}

/** Whether what answers has a format of its own: then `Accept` may name another than JSON. */
function choosesFormat({ method, headers }: IncomingMessage, path: string, params: readonly Pair[]): boolean {
  const reads = method === 'GET' || method === 'HEAD';
  return GIVES_TABLES.test(path) || (reads && BINARY_PATH.test(path) && asksForContent(headers, params));
}

export function nameOf({ route: { claim } }: Matched): string {
  return claim.kind === 'metadata'
    ? 'capabilities'
    : claim.kind === 'operation'
      ? `$${claim.name}`
      : claim.code;
}

async function handle(
  options: FhirEndpointOptions,
  matched: Matched,
  request: IncomingMessage,
  tenantName: string,
  params: readonly Pair[],
  context: RenderContext,
): Promise<FhirResponse> {
  const open = matched.route.needs === 'open';
  // The token is looked for before the tenant, so that without one nobody learns which tenants there are.
  const token = options.verify && !open ? bearerToken(request, params) : undefined;
  // What needs no token is alike for every name, for the same reason.
  const tenant = open ? undefined : await options.tenants.open(tenantName);
  if (!tenant) return perform(options, matched, request, tenantName, params, NOBODY, undefined, context);
  let seen: AccessRequest = {
    actor: { ...NOBODY.actor, requestId: context.requestId },
    at: options.clock.now(),
    interaction: nameOf(matched),
    place: matched.at,
    params,
  };
  let answer: FhirResponse;
  try {
    const caller = await callerOf(options, token, tenant);
    seen = {
      ...seen,
      actor: { ...caller.actor, requestId: context.requestId },
      emergency: caller.emergency,
    };
    options.admit?.(tenant.record.name);
    if (matched.route.polled && matched.at.id !== undefined)
      options.polls.spend([tenant.record.id, caller.actor.id, seen.interaction, matched.at.id]);
    const form = (text: string) => {
      seen = { ...seen, params: [...params, ...new URLSearchParams(text)] };
    };
    answer = await perform(options, matched, request, tenantName, params, caller, tenant, context, form);
  } catch (error) {
    const refusal = accessOfFailure(seen, error);
    // Refused either way: that it could not be written down does not change what the caller is told.
    if (refusal.status !== TOO_MANY || isForLog(options, matched, tenant, seen, refusal.status))
      await options.audit.record(tenant, refusal).catch(() => undefined);
    throw error;
  }
  const access = accessOfAnswer(seen, answer);
  try {
    if (access && isForLog(options, matched, tenant, seen, answer.status))
      await options.audit.record(tenant, access);
  } catch (error) {
    answer.stream?.destroy();
    throw error;
  }
  return answer;
}

/** Polls are told once in a while; whoever reads in an emergency is told of each time. */
function isForLog(
  { polls }: FhirEndpointOptions,
  { route, at }: Matched,
  tenant: Tenant,
  { actor, interaction, emergency }: AccessRequest,
  status: number,
): boolean {
  if (!route.polled || emergency !== undefined) return true;
  return polls.isNew([tenant.record.id, actor.id, interaction, at.id ?? '', `${status}`]);
}

async function perform(
  options: FhirEndpointOptions,
  matched: Matched,
  request: IncomingMessage,
  tenantName: string,
  params: readonly Pair[],
  caller: Caller,
  tenant: Tenant | undefined,
  { requestId: id, prefer }: RenderContext,
  onForm?: (text: string) => void,
): Promise<FhirResponse> {
  authorise(caller, matched);
  const seen = tenant && options.narrow(tenant, caller.access, matched);
  return matched.route.handle({
    get tenant() {
      if (!seen) throw new Fault('internal', 'What needs no token asked for the tenant.');
      return seen;
    },
    recognised: tenant ?? (await recognised(options, request, params, tenantName)),
    actor: { ...caller.actor, requestId: id },
    access: caller.access,
    base: `${options.publicUrl(request)}/fhir/${tenantName}`,
    at: matched.at,
    method: request.method === 'HEAD' ? 'GET' : (request.method ?? 'GET'),
    params,
    now: options.clock.now(),
    headers: request.headers,
    prefer,
    check: checkOf(request, tenant?.record.validation ?? options.validation),
    stream: () => request,
    body: bodyReader(request, matched, onForm),
  });
}

/**
 * The tenant of a request that needs no token, where the caller shows one all the same, or none is ever asked for. To
 * everybody else every name is alike.
 */
async function recognised(
  options: FhirEndpointOptions,
  request: IncomingMessage,
  params: readonly Pair[],
  tenantName: string,
): Promise<Tenant | undefined> {
  try {
    const token = options.verify ? bearerToken(request, params) : undefined;
    const tenant = await options.tenants.open(tenantName);
    await callerOf(options, token, tenant);
    return tenant;
  } catch (error) {
    if (error instanceof Fault) return undefined;
    throw error;
  }
}

/** The header by which a request chooses how strictly what it writes is checked. */
const VALIDATION_HEADER = 'x-cenote-validation';

function checkOf(request: IncomingMessage, level: ValidationLevel): Check {
  const asked = request.headers[VALIDATION_HEADER];
  if (asked === undefined) return CHECKS[level];
  const found = VALIDATION_LEVELS.find((known) => known === asked);
  if (found) return CHECKS[found];
  throw new HttpFault(400, 'X-Cenote-Validation names no level.', {
    issueCode: 'value',
    remedy: `Use one of ${VALIDATION_LEVELS.join(', ')}.`,
  });
}

const CHECKS = {
  minimal: checkAt('minimal'),
  structure: checkAt('structure'),
  strict: checkAt('strict'),
} as const satisfies Record<ValidationLevel, Check>;

async function callerOf(
  options: FhirEndpointOptions,
  token: string | undefined,
  tenant: Tenant,
): Promise<Caller> {
  if (!options.verify) return DEV_CALLER;
  if (token === undefined) return NOBODY;
  return authenticate(options.verify, token, tenant.record);
}

/** Of routes that need no token. */
const NOBODY: Caller = {
  access: accessOf(''),
  actor: { id: 'anonymous', kind: 'client' },
};

/** @throws Fault `forbidden` unless the caller may do what the route needs. */
export function authorise({ access }: Pick<Caller, 'access'>, { route, at }: Matched): void {
  const { needs } = route;
  if (needs === 'open' || needs === 'each') return;
  const allowed =
    typeof needs === 'object' ? access.allowsAll(needs.all) : access.allows(at.type ?? '*', needs);
  if (!allowed) {
    throw new Fault('forbidden', 'The token does not permit this interaction.', {
      remedy: 'Ask for a token with a scope that covers the type and the interaction.',
    });
  }
}

/** Reads the body at the first call; whoever asks again gets the same. A form is a query: `onForm` is told of it. */
function bodyReader(
  request: IncomingMessage,
  matched: Matched,
  onForm?: (text: string) => void,
): FhirRequest['body'] {
  let read: ReturnType<FhirRequest['body']> | undefined;
  return (kinds) => {
    read ??= readBody(request, matched, kinds).then((body) => {
      if (body.kind === 'form') {
        requireDecodable(body.text);
        onForm?.(body.text);
      }
      return body;
    });
    return read;
  };
}

async function readBody(request: IncomingMessage, matched: Matched, kinds: readonly BodyKind[]) {
  const kind = bodyKind(request.headers, kinds);
  if (kind === 'form') return { kind, text: await readText(request, MAX_FORM_BYTES), json: undefined };
  if (kind === 'bytes')
    return { kind, text: '', json: undefined, bytes: await readBytes(request, MAX_CONTENT_BYTES) };
  const whole = matched.route.path === '';
  const text = await readText(request, whole ? MAX_BUNDLE_BYTES : MAX_RESOURCE_BYTES);
  return { kind, text, json: parseJson(text, whole ? MAX_BUNDLE_VALUES : MAX_RESOURCE_VALUES) };
}

/** The work itself is not stopped (a commit may be under way); its answer is no longer waited for. */
function withTimeout<T>(work: Promise<T>, ms: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(
        new Fault('timeout', 'The request took too long.', {
          remedy: 'Ask for less at a time. A write may have happened: read before you repeat it.',
        }),
      );
    }, ms);
    work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
