import type { IncomingMessage, ServerResponse } from 'node:http';
import express, { type Express } from 'express';
import type { Cohorts } from '../cohort/cohort.js';
import type { Clock } from '../core/clock.js';
import { Fault, invalid } from '../core/fault.js';
import { parsePartialDate } from '../fhir/dates.js';
import type { ValidationLevel } from '../fhir/validate.js';
import type { Jobs } from '../jobs/jobs.js';
import type { Search } from '../search/search.js';
import { visibilityOf } from '../search/visibility.js';
import type { AccessLog } from '../store/access-log.js';
import type { Store } from '../store/contract.js';
import { narrow } from '../store/visible.js';
import type { AnnotateDeps } from '../tasks/annotate.js';
import type { BulkExports } from '../tasks/bulk-exports.js';
import type { BulkImports } from '../tasks/bulk-imports.js';
import type { BundleDeps } from '../tasks/bundle.js';
import { basicCheck, checkAt } from '../tasks/bundle-entry.js';
import { createTenantProfiles } from '../tasks/profiles.js';
import type { AdminAudit } from '../tenancy/admin-audit.js';
import type { Authorization } from '../tenancy/clients-authorization.js';
import type { Tenant, Tenants } from '../tenancy/tenant.js';
import type { Timeline } from '../timeline/timeline.js';
import { createAdmin } from './admin.js';
import type { AdminDeps } from './admin-routes.js';
import { createAdmission, createRate } from './admission.js';
import { annotateRoute } from './annotate.js';
import { auditLogRoutes } from './audit-log.js';
import type { VerifyToken } from './auth.js';
import { type BatchOptions, batchHandler } from './batch.js';
import { bulkExportRoutes } from './bulk-export.js';
import { capabilityStatement, terminologyCapabilities } from './capabilities.js';
import { codesInUseRoutes } from './codes-in-use.js';
import { cohortRoutes } from './cohort.js';
import { cors } from './cors.js';
import { documentRoutes } from './document.js';
import { annotationRoute, withAnnotationStatus } from './document-reference.js';
import { eraseRoute } from './erase.js';
import { everythingRoutes } from './everything.js';
import { oneParam } from './exchange.js';
import { featureRoutes } from './features.js';
import { authorise, createFhirEndpoint, type Narrow, type Seen } from './fhir-endpoint.js';
import { healthLakeRoute } from './healthlake.js';
import { isLoopback, ownOrigin, parseHost, publicUrl } from './hosts.js';
import { idempotentHandler } from './idempotency.js';
import { importRoutes } from './import.js';
import { interactionRoutes } from './interactions.js';
import { jobRoutes } from './jobs.js';
import { lastnRoutes } from './lastn.js';
import { metaRoutes } from './meta.js';
import { createMetrics, type Metrics } from './metrics.js';
import { createOAuth, isDiscovery, oauthTenant } from './oauth.js';
import type { ReadAs } from './oauth-authorize.js';
import { asFault, failure, HttpFault, logText } from './outcome.js';
import { createPolls } from './polls.js';
import { createReadiness } from './readiness.js';
import { requestId } from './request-id.js';
import { respond, SECURITY_HEADERS, STRICT_TRANSPORT } from './respond.js';
import { reviewRoute } from './review.js';
import { createRouter, type Route, type Router } from './router.js';
import type { Search as FindPage } from './search.js';
import { shapeRead } from './shape-answer.js';
import { terminologyRoutes } from './terminology.js';
import { lexiconNames } from './terminology-lexicon.js';
import { timelineRoutes } from './timeline.js';
import { validateRoutes } from './validate.js';
import { viewDefinitionRoutes } from './view-definition.js';
import { viewExportRoutes } from './view-definition-export.js';
import { serveWeb } from './web.js';

/** What the API needs of the system. */
export interface HttpSystem {
  readonly clock: Clock;
  readonly tenants: Tenants;
  readonly store: Store;
  readonly search: Search;
  readonly audit: AccessLog;
  /** Writes down what administrators do. */
  readonly administration: AdminAudit;
  readonly bundles: BundleDeps;
  readonly timeline: Timeline;
  readonly cohorts: Cohorts;
  /** Absent where there is no folder for them: then they are not served. */
  readonly exports?: BulkExports | undefined;
  readonly imports?: BulkImports | undefined;
  readonly jobs: Jobs;
  /** Starts what reads texts, at the first call. */
  annotation(): Promise<AnnotateDeps>;
  /** The base the index knows references to ourselves by: the configured one, whatever address a caller used. */
  baseOf(tenant: Tenant): string;
  /** File of the site's own lexicon; the shipped one where not given. */
  readonly lexicon?: string | undefined;
}

export interface AppOptions {
  /** `http://host:port`, or how clients reach us through a proxy. */
  readonly baseUrl: string;
  readonly version: string;
  /** No token, this machine only: the Host header must name it, against DNS rebinding. */
  readonly dev: boolean;
  /** Absent in development mode alone. */
  readonly verify?: VerifyToken;
  /** Issues tokens to registered clients; without it, or in development mode, none are issued here. */
  readonly authorization?: Authorization;
  /** What `/admin` works with; without it there is none. */
  readonly admin?: AdminDeps;
  /** Takes finished log lines; nothing is logged without it. */
  readonly log?: (line: Readonly<Record<string, unknown>>) => void;
  /** Told of each tenant that may have a new document or search parameter, so that it is looked at at once. */
  readonly wake?: (tenant: string) => void;
  /** Origins whose browser apps may call the API; none by default. */
  readonly corsOrigins?: readonly string[];
  /** Whether a conditional delete may remove several resources. */
  readonly multipleDelete?: boolean;
  /** How strictly what is written is checked where a request says nothing; `strict` by default. */
  readonly validation?: ValidationLevel;
  /** Requests under way at once, for one tenant and for all. */
  readonly maxPerTenant?: number;
  readonly maxTotal?: number;
  /** Requests per second of each tenant; no limit where not given. */
  readonly tenantRate?: number | undefined;
  /** Clients reach us by TLS: they are told never to try it without. */
  readonly secureTransport?: boolean;
  readonly requestTimeoutMs?: number;
  readonly bundleTimeoutMs?: number;
}

export interface App {
  readonly express: Express;
  readonly router: Router;
  /** From now on `/readyz` says no, so that a load balancer sends nobody any more. */
  drain(): void;
}

const REQUEST_TIMEOUT_MS = 60_000;
const BUNDLE_TIMEOUT_MS = 300_000;

/** The API as an express application. The chain is short on purpose: each layer of express costs throughput. */
export function createApp(system: HttpSystem, options: AppOptions): App {
  if (!options.dev && !options.verify)
    throw new Fault('internal', 'Without --dev the API must check tokens.');
  const metrics = createMetrics();
  const rate =
    options.tenantRate === undefined ? undefined : createRate(options.tenantRate, () => system.clock.now());
  const readiness = createReadiness(system.tenants, system.clock);
  const router = buildRouter(system, options);
  const endpoint = createFhirEndpoint({
    clock: system.clock,
    validation: options.validation ?? 'strict',
    tenants: system.tenants,
    audit: system.audit,
    router,
    verify: options.dev ? undefined : options.verify,
    narrow: narrowFor(system),
    publicUrl: (request) => publicUrl(options.baseUrl, request.headers.host),
    polls: createPolls(() => system.clock.now()),
    admit: rate && ((tenant) => rate.spend(tenant)),
    requestTimeoutMs: options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS,
    bundleTimeoutMs: options.bundleTimeoutMs ?? BUNDLE_TIMEOUT_MS,
  });

  const oauth =
    options.authorization && oauthServed(options)
      ? createOAuth({
          authorization: options.authorization,
          tenants: system.tenants,
          audit: system.audit,
          readAs: readAs(system),
          origin: (request) => ownOrigin(options.baseUrl, request.headers.host),
        })
      : undefined;
  const admin =
    options.admin && (options.dev || options.authorization)
      ? createAdmin(options.admin, options.dev ? undefined : options.authorization?.verifyAdmin, {
          acts: system.administration,
          audit: system.audit,
          clock: system.clock,
        })
      : undefined;
  const origins = new Set(options.corsOrigins);
  const registered = options.dev ? undefined : options.authorization?.clients;
  const crossing = (url: string, tenant: string) => ({
    open: !options.dev && isDiscovery(url),
    mayCall: async (origin: string) =>
      origins.has(origin) || (await registered?.hasOrigin(tenant, origin)) === true,
  });
  const admission = createAdmission(options.maxPerTenant, options.maxTotal);
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.set('query parser', false);
  app.use(async (request: IncomingMessage, response: ServerResponse, next: () => void) => {
    const url = request.url ?? '/';
    const place = FHIR_PATH.exec(url);
    if (options.secureTransport) response.setHeader('Strict-Transport-Security', STRICT_TRANSPORT);
    if (options.dev && !isOurHost(request)) return refuse(request, response, wrongHost());
    const administers = admin !== undefined && ADMIN_PATH.test(url);
    const issuing = oauth && oauthTenant(url);
    if (!place && !issuing && !administers) return next();
    if (!administers && (await cors(request, response, crossing(url, issuing ?? place?.[1] ?? '')))) return;
    const start = performance.now();
    let leave: () => void;
    try {
      leave = admission.enter(administers ? ADMIN : (issuing ?? place![1]!));
    } catch (error) {
      const { status } = failure(error);
      metrics.observe('refused', status, 0);
      return refuse(request, response, error);
    }
    metrics.enter();
    try {
      if (administers) {
        const { route, subject, status, error } = await admin(request, response);
        metrics.observe('admin', status, (performance.now() - start) / 1000);
        options.log?.({ admin: route, subject, status, ...(error === undefined ? {} : { error }) });
        return;
      }
      if (issuing) {
        const { endpoint: name, status, reason, alert } = await oauth(request, response);
        metrics.observe(`oauth-${name}`, status, (performance.now() - start) / 1000);
        if (alert !== undefined) metrics.observe(`alert-${alert}`, status, 0);
        options.log?.({
          ...(alert === undefined ? {} : { alert, tenant: issuing }),
          oauth: name,
          status,
          ...(reason === undefined ? {} : { reason }),
        });
        return;
      }
      if (!place) return;
      const seen = await endpoint(request, response, place[1]!, place[2] ?? '', place[3] ?? '');
      record(metrics, options, seen, start);
      if (options.wake && bringsWork(seen)) options.wake(place[1]!);
    } finally {
      metrics.leave();
      leave();
    }
  });
  serveWeb(app);
  app.get('/healthz', (_request, response) => text(response, 200, 'ok\n'));
  app.get('/readyz', async (_request, response) => {
    const ready = await readiness.check();
    text(response, ready ? 200 : 503, ready ? 'ready\n' : 'not ready\n');
  });
  app.get('/metrics', (_request, response) => text(response, 200, metrics.text()));
  app.use((request: IncomingMessage, response: ServerResponse) => {
    const fault = new HttpFault(404, 'There is nothing at this address.', {
      issueCode: 'not-found',
      remedy: 'FHIR is served below /fhir/{tenant}.',
    });
    return refuse(request, response, fault);
  });
  // Four parameters make it express' handler of errors; its own would show the stack.
  app.use((error: unknown, request: IncomingMessage, response: ServerResponse, _next: () => void) => {
    options.log?.({ interaction: 'none', status: 500, error: logText(error) });
    if (response.headersSent) response.destroy();
    else void refuse(request, response, asFault(error)).catch(() => response.destroy());
  });
  return { express: app, router, drain: () => readiness.drain() };
}

const oauthServed = ({ authorization, dev }: AppOptions): boolean => authorization !== undefined && !dev;

/** No browser app of another origin is let in: there is no CORS here. */
/** Under this name, which no tenant can have, administration is admitted. */
const ADMIN = '/admin';
const ADMIN_PATH = /^\/admin(?:[/?]|$)/;
/** Tenant, path below it, query. Nothing is unescaped: no legal address of ours needs it. */
const FHIR_PATH = /^\/fhir\/([a-z][a-z0-9-]{0,39})(\/[^?#]*)?(?:\?(.*))?$/;

function isOurHost(request: IncomingMessage): boolean {
  const host = parseHost(request.headers.host);
  return host !== undefined && isLoopback(host.name);
}

function wrongHost(): Fault {
  return new HttpFault(421, 'Development mode serves this machine only.', {
    issueCode: 'security',
    remedy: 'Use http://localhost or http://127.0.0.1, or run the server without --dev.',
  });
}

async function refuse(request: IncomingMessage, response: ServerResponse, fault: unknown): Promise<void> {
  const { status, headers, outcome } = failure(fault);
  const unread = !request.complete && request.method !== 'GET' && request.method !== 'HEAD';
  await respond(
    response,
    { status, resource: outcome, headers: unread ? { ...headers, Connection: 'close' } : headers },
    {
      head: request.method === 'HEAD',
      contentType: 'application/fhir+json; charset=utf-8',
      pretty: false,
      prefer: {},
      acceptsGzip: false,
      requestId: requestId(request.headers['x-request-id']),
    },
  );
}

function text(response: ServerResponse, status: number, body: string): void {
  response
    .writeHead(status, {
      ...SECURITY_HEADERS,
      'Content-Type': 'text/plain; charset=utf-8',
      'Content-Length': String(Buffer.byteLength(body)),
    })
    .end(body);
}

const WRITES = new Set(['create', 'update', 'patch', 'delete']);

/** Whether a request may have brought a worker something to do: a document, a search parameter, a bundle. */
function bringsWork({ status, interaction, type }: Seen): boolean {
  if (status >= 400) return false;
  if (interaction === 'batch' || interaction === 'transaction') return true;
  return (type === 'DocumentReference' || type === 'SearchParameter') && WRITES.has(interaction);
}

function record(metrics: Metrics, { log }: AppOptions, seen: Seen, start: number): void {
  const ms = performance.now() - start;
  metrics.observe(seen.interaction, seen.status, ms / 1000);
  log?.({
    request: seen.requestId,
    interaction: seen.interaction,
    ...(seen.type === undefined ? {} : { type: seen.type }),
    status: seen.status,
    ms: Math.round(ms * 10) / 10,
    ...(seen.error !== undefined && seen.status >= 500 ? { error: logText(seen.error) } : {}),
  });
}

/**
 * Narrows the tenant to what the caller's scopes cover. What an operation that reads (`r`) finds must be readable; what
 * any other request finds, conditional writes and bundles among them, must be searchable.
 */
function narrowFor({ clock, baseOf }: HttpSystem): Narrow {
  return (tenant, { grants }, { route }) => {
    if (grants === undefined) return tenant;
    const context = { blind: tenant.keys.blind, base: baseOf(tenant), now: clock.now() };
    return narrow(tenant, visibilityOf(grants, tenant.keys, context), route.needs === 'r' ? 'r' : 's');
  };
}

/** Reads a record with the rights of a token that is shown to the authorisation server. */
function readAs(system: HttpSystem): ReadAs {
  return async (tenant, { grants }, type, id) => {
    const context = { blind: tenant.keys.blind, base: system.baseOf(tenant), now: system.clock.now() };
    const seen =
      grants === undefined ? tenant : narrow(tenant, visibilityOf(grants, tenant.keys, context), 'r');
    return (await system.store.read(seen, type, id))?.resource;
  };
}

function buildRouter(system: HttpSystem, options: AppOptions): Router {
  const { search, bundles, clock } = system;
  const decorate = withAnnotationStatus;
  const multipleDelete = options.multipleDelete ?? false;
  const started = clock.now();
  const find: FindPage = (tenant, request) =>
    search.search(tenant, { ...request, base: system.baseOf(tenant) });
  const batchOptions: BatchOptions = {
    decorate,
    multipleDelete,
    match: (method, path) => router.match(method, path),
    dispatch: (matched, request) => {
      authorise(request, matched);
      const tenant = narrowFor(system)(request.tenant, request.access, matched);
      return matched.route.handle({ ...request, tenant });
    },
  };
  const routes: Route[] = interactionRoutes({
    clock,
    bundles,
    search: find,
    decorate,
    multipleDelete,
    parseInstant,
    capabilities: async (request) => {
      const settings = {
        base: request.base,
        version: options.version,
        date: started,
        secured: !options.dev,
        ...(oauthServed(options) ? { oauth: request.base.replace('/fhir/', '/oauth/') } : {}),
        multipleDelete,
        validation: request.recognised?.record.validation ?? options.validation ?? 'strict',
        integrity: request.recognised?.record.integrity ?? false,
        indexPrivacy: request.recognised?.record.indexPrivacy,
        registry: request.recognised && (await system.store.parameters.current(request.recognised)).live,
      };
      const mode = oneParam(request, 'mode') ?? 'full';
      if (mode === 'terminology')
        return { status: 200, resource: shapeRead(request, terminologyCapabilities(settings)) };
      if (mode !== 'full' && mode !== 'normative')
        throw invalid('Not a mode of metadata.', 'mode', 'Use full, normative or terminology.');
      return { status: 200, resource: shapeRead(request, capabilityStatement(routes, settings)) };
    },
    batch: idempotentHandler(bundles, clock, (within, part) => batchHandler(within, batchOptions, part)),
    operations: [
      ...everythingRoutes({ store: system.store, search: find, decorate, parseInstant }),
      ...metaRoutes(bundles, search),
      ...validateRoutes(system.store, checkAt('strict'), createTenantProfiles(system)),
      ...lastnRoutes(find, decorate),
      ...auditLogRoutes(),
      ...documentRoutes(bundles),
      ...terminologyRoutes({
        store: system.store,
        search,
        baseOf: (tenant) => system.baseOf(tenant),
        lexicon: lexiconNames(system.lexicon),
      }),
      annotationRoute,
      ...timelineRoutes(system.timeline),
      ...codesInUseRoutes(system),
      ...(system.exports
        ? [
            ...bulkExportRoutes({ exports: system.exports, store: system.store, secured: !options.dev }),
            ...viewExportRoutes({ ...system, exports: system.exports }),
          ]
        : []),
      ...(system.imports
        ? [
            ...importRoutes({ imports: system.imports, secured: !options.dev }),
            healthLakeRoute(system.imports),
          ]
        : []),
      ...jobRoutes({ jobs: system.jobs, imports: system.imports }),
      ...viewDefinitionRoutes(system),
      ...featureRoutes(system),
      ...cohortRoutes({ ...system, baseOf: (tenant) => system.baseOf(tenant) }),
      annotateRoute(async () => (await system.annotation()).reader),
      reviewRoute(system, basicCheck),
      eraseRoute(system.store),
    ],
  });
  const router = createRouter(routes);
  return router;
}

function parseInstant(text: string): { lo: number; hi: number } {
  const range = parsePartialDate(text);
  if (!range) throw invalid('Not a date or an instant.', undefined, 'Send one such as 2024-05-01T10:00:00Z.');
  return range;
}
