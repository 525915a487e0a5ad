import { join } from 'node:path';
import { type Cohorts, createCohorts } from './cohort/cohort.js';
import type { Config, KeyProviderSettings } from './config.js';
import { type Clock, systemClock } from './core/clock.js';
import type { AppOptions } from './http/app.js';
import { createJobs, type Jobs } from './jobs/jobs.js';
import { createSearch, type Search } from './search/search.js';
import { type AccessLog, createAccessLog } from './store/access-log.js';
import { type AuditAnchors, createAuditAnchors } from './store/audit-anchor.js';
import type { Store } from './store/contract.js';
import { guarded } from './store/guarded.js';
import { createStore } from './store/index.js';
import type { AnnotateDeps } from './tasks/annotate.js';
import { type BulkExports, createBulkExports } from './tasks/bulk-exports.js';
import { type BulkImports, createBulkImports } from './tasks/bulk-imports.js';
import type { BundleDeps } from './tasks/bundle.js';
import { bundleDeps } from './tasks/bundle-deps.js';
import type { ImportReach } from './tasks/import-inputs.js';
import type { NlpPool } from './tasks/nlp-pool.js';
import { siteLexicon } from './tasks/site-lexicon.js';
import { type AdminAudit, createAdminAudit } from './tenancy/admin-audit.js';
import { type Catalog, openTenants } from './tenancy/catalog.js';
import { type Clients, createClients } from './tenancy/clients.js';
import { type Authorization, createAuthorization } from './tenancy/clients-authorization.js';
import { readOidcProviders } from './tenancy/clients-oidc.js';
import { openKeyFiles } from './tenancy/key-file.js';
import { readPlaces } from './tenancy/places.js';
import { makeDataDir } from './tenancy/postgres/place.js';
import { embeddedServer, foreignServer } from './tenancy/server.js';
import type { KeyProvider, Tenant } from './tenancy/tenant.js';
import { openTokenSecret } from './tenancy/tokens.js';
import { createTimeline, type Timeline } from './timeline/timeline.js';
import type { Worker } from './worker/worker.js';

/** Everything a shell needs, wired. What it opens it closes, last first. */
export interface System extends Rooms {
  readonly config: Config;
  /** Starts the API on the configured address. @throws Fault `unavailable` for a busy port. */
  serve(options: ServeOptions): Promise<Serving>;
  /** Starts a job worker in this process. */
  work(onError?: (category: string) => void): Promise<Worker>;
  close(): Promise<void>;
}

export interface ServeOptions extends Pick<AppOptions, 'version' | 'log' | 'wake'> {
  /** No tokens, loopback only. */
  readonly dev: boolean;
}

/** An API that listens. */
export interface Serving {
  readonly port: number;
  /** Lets the requests under way end. */
  stop(): Promise<void>;
}

/** The rooms on top of a catalog of tenants. Tests wire them over a server of their own. */
export interface Rooms {
  readonly clock: Clock;
  readonly tenants: Catalog;
  readonly store: Store;
  readonly search: Search;
  /** Writes down who read what, in the tenant's audit chain. */
  readonly audit: AccessLog;
  /** Writes down what administrators do, in a chain of its own. */
  readonly administration: AdminAudit;
  /** Keeps the ends of audit chains outside the database; undefined without a data folder. */
  readonly anchors: AuditAnchors | undefined;
  readonly timeline: Timeline;
  readonly cohorts: Cohorts;
  /** Exports that clients ask for; undefined without a data folder. */
  readonly exports: BulkExports | undefined;
  /** Imports that clients ask for; undefined without a data folder. */
  readonly imports: BulkImports | undefined;
  readonly jobs: Jobs;
  readonly bundles: BundleDeps;
  /** FHIR base of a tenant, absolute, without trailing slash. */
  baseOf(tenant: Tenant): string;
  /** File of the site’s own lexicon; undefined where the shipped one is in use. */
  readonly lexicon: string | undefined;
  /** What annotates documents. The reader's threads start at the first call. */
  annotation(): Promise<AnnotateDeps>;
  /** Ends what was started on demand. */
  closeRooms(): Promise<void>;
}

export interface Foundation {
  readonly clock: Clock;
  readonly tenants: Catalog;
  /** How clients reach us, without trailing slash. */
  readonly baseUrl: string;
  /** The site’s own lexicon for reading notes, where `terminology load` made one. */
  readonly lexicon?: string | undefined;
  /** Where files of ours are kept. */
  readonly dataDir?: string | undefined;
  /** What imports through the API may read; uploads alone where not given. */
  readonly importReach?: ImportReach | undefined;
  /** Whether an answer waits until what it gives out is written down on the disk; see `AccessLogSettings`. */
  readonly auditDurable?: boolean | undefined;
  /** Key of the audit chain of administration; a key of this process alone where not given. */
  readonly controlAuditKeyFile?: string | undefined;
  /** Folder of the anchors of audit chains. */
  readonly anchorDir?: string | undefined;
}

/** Builds the rooms; what they open on demand, `closeRooms` closes. */
export function wireRooms({
  clock,
  tenants,
  baseUrl,
  lexicon,
  dataDir,
  importReach,
  auditDurable,
  anchorDir,
  controlAuditKeyFile,
}: Foundation): Rooms {
  const base = `${baseUrl}/fhir`;
  const baseOf = (tenant: Tenant) => `${base}/${tenant.record.name}`;
  const store = guarded(createStore({ clock, base }));
  const search = createSearch({ store, clock });
  const jobs = createJobs({ control: tenants.control, clock });
  const cohorts = createCohorts({ store, search, clock });
  const directory = dataDir && join(dataDir, 'exports');
  const bundles = bundleDeps(store, search, baseOf);
  let pool: Promise<NlpPool> | undefined;
  return {
    clock,
    tenants,
    store,
    search,
    audit: createAccessLog({ durable: auditDurable ?? false }),
    administration: createAdminAudit({
      control: tenants.control,
      clock,
      keyFile: controlAuditKeyFile,
      anchorDir,
    }),
    anchors: anchorDir === undefined ? undefined : createAuditAnchors({ directory: anchorDir, clock }),
    timeline: createTimeline({ store, clock }),
    cohorts,
    exports: directory ? createBulkExports({ clock, jobs, search, cohorts, baseOf, directory }) : undefined,
    imports:
      dataDir === undefined
        ? undefined
        : createBulkImports({
            clock,
            jobs,
            bundles,
            baseOf,
            reach: importReach ?? { origins: [], privateOrigins: [], stores: [] },
            directory: join(dataDir, 'imports'),
          }),
    jobs,
    bundles,
    baseOf,
    lexicon,
    async annotation() {
      // Loaded here: a command that reads no notes pays for no reader.
      pool ??= import('./tasks/nlp-pool.js').then((module) => module.createNlpPool({ lexicon }));
      return { store, reader: await pool };
    },
    closeRooms: async () => (await pool)?.close(),
  };
}

/**
 * Opens the system: the database (embedded, started where it does not run, or DATABASE_URL's), the catalog brought
 * to its current schema, and the rooms on top. Tenants are opened when first asked for.
 * @throws Fault `unavailable`, `unsupported`, `forbidden` (a key file open to others).
 */
export async function openSystem(config: Config, options: { clock?: Clock } = {}): Promise<System> {
  const clock = options.clock ?? systemClock;
  makeDataDir(config.dataDir);
  // Before the database: a provider that is set up wrongly is said at once.
  const keys = await openKeyProvider(config.keyProvider, clock);
  const server = config.databaseUrl
    ? foreignServer(config.databaseUrl, { plain: config.databasePlain })
    : await embeddedServer(config.dataDir);
  try {
    const places =
      config.placesFile === undefined
        ? undefined
        : readPlaces(config.placesFile, { plain: config.databasePlain });
    const tenants = await openTenants({ server: server.address, keys, clock, places });
    const rooms = wireRooms({
      clock,
      tenants,
      baseUrl: config.baseUrl,
      lexicon: siteLexicon(config.dataDir),
      dataDir: config.dataDir,
      importReach: config.imports,
      auditDurable: config.auditDurable,
      anchorDir: config.anchorDir,
      controlAuditKeyFile: config.controlAuditKeyFile,
    });
    let closing: Promise<void> | undefined;
    return {
      config,
      ...rooms,
      serve: (how) => serve(config, rooms, how),
      work: (onError) => work(rooms, onError),
      close: () => {
        closing ??= anchorOpened(rooms)
          .then(() => rooms.closeRooms())
          .finally(() => tenants.close())
          .finally(() => server.close());
        return closing;
      },
    };
  } catch (error) {
    await server.close();
    throw error;
  }
}

/** Only the provider that is chosen is loaded. @throws Fault `invalid` for its settings. */
async function openKeyProvider(settings: KeyProviderSettings, clock: Clock): Promise<KeyProvider> {
  switch (settings.kind) {
    case 'file':
      return openKeyFiles(settings.folder);
    case 'vault':
      return (await import('./tenancy/key-providers/vault.js')).openVault(settings);
    case 'aws-kms':
      return (await import('./tenancy/key-providers/aws-kms.js')).openAwsKms(settings, clock);
    case 'pkcs11':
      return (await import('./tenancy/key-providers/pkcs11.js')).openPkcs11(settings);
  }
}

/** How often the ends of the audit chains of tenants in use are anchored. */
const ANCHOR_EVERY_MS = 5 * 60_000;

/** Anchors the audit chains of the tenants that are open here. A tenant that cannot be reached now is left for later. */
async function anchorOpened({ tenants, anchors }: Pick<Rooms, 'tenants' | 'anchors'>): Promise<void> {
  if (!anchors) return;
  for (const tenant of await tenants.opened()) await anchors.anchor(tenant).catch(() => false);
}

/** Anchors every few minutes as long as it is not stopped. */
function keepAnchoring(rooms: Pick<Rooms, 'tenants' | 'anchors'>): () => void {
  const timer = setInterval(() => void anchorOpened(rooms).catch(() => undefined), ANCHOR_EVERY_MS);
  timer.unref();
  return () => clearInterval(timer);
}

/** Refuses what `serve` would refuse, before a database is started for nothing. @throws Fault `invalid`. */
export async function checkServe(config: Config, dev: boolean): Promise<void> {
  const { requireSecure } = await import('./http/server.js');
  requireSecure({ ...config, dev });
}

/** Tokens and clients, with this data folder's secret; it is made at the first use. */
export function authorizationOf(
  config: Pick<Config, 'tokenSecretFile' | 'idTokenKeyFile' | 'jwksOrigins' | 'oidcFile'>,
  { tenants, clock }: Pick<Rooms, 'tenants' | 'clock'>,
): Authorization {
  const trustedOrigins = new Set(config.jwksOrigins);
  return createAuthorization({
    control: tenants.control,
    clock,
    secret: openTokenSecret(config.tokenSecretFile),
    idTokenKeys: config.idTokenKeyFile,
    trustedOrigins,
    ...(config.oidcFile === undefined
      ? {}
      : { providers: readOidcProviders(config.oidcFile, trustedOrigins) }),
  });
}

function clientsOf({ jwksOrigins }: Config, { tenants, clock }: Rooms): Clients {
  return createClients({ control: tenants.control, clock, trustedOrigins: new Set(jwksOrigins) });
}

async function serve(
  config: Config,
  rooms: Rooms,
  { dev, version, log, wake }: ServeOptions,
): Promise<Serving> {
  const [{ createApp }, { listen }] = await Promise.all([
    import('./http/app.js'),
    import('./http/server.js'),
  ]);
  const authorization = dev ? undefined : authorizationOf(config, rooms);
  const app = createApp(rooms, {
    baseUrl: config.baseUrl,
    version,
    dev,
    ...(authorization ? { authorization, verify: authorization.verify } : {}),
    admin: {
      tenants: rooms.tenants,
      jobs: rooms.jobs,
      clients: authorization?.clients ?? clientsOf(config, rooms),
    },
    log,
    wake,
    validation: config.validation,
    corsOrigins: config.corsOrigins,
    tenantRate: dev ? undefined : config.tenantRate,
    secureTransport:
      config.tls !== undefined || (config.behindTlsProxy && config.baseUrl.startsWith('https:')),
    multipleDelete: config.conditionalDelete === 'multiple',
  });
  const { host, port, tls, behindTlsProxy } = config;
  const serving = await listen(app, { host, port, dev, tls, behindTlsProxy });
  const stopAnchoring = keepAnchoring(rooms);
  return {
    port: serving.port,
    stop: () => {
      stopAnchoring();
      return serving.stop();
    },
  };
}

async function work(rooms: Rooms, onError?: (category: string) => void): Promise<Worker> {
  const { startWorker } = await import('./worker/worker.js');
  const worker = startWorker({
    tenants: rooms.tenants,
    annotate: () => rooms.annotation(),
    reindex: rooms,
    reseal: rooms,
    rotateIndex: rooms,
    onError,
  });
  if (!rooms.exports) return worker;
  const { startExportWorker } = await import('./worker/exports.js');
  const exporter = startExportWorker({ tenants: rooms.tenants, exports: rooms.exports, onError });
  const { startImportWorker } = await import('./worker/imports.js');
  const importer =
    rooms.imports && startImportWorker({ tenants: rooms.tenants, imports: rooms.imports, onError });
  return {
    wake: (tenant) => worker.wake(tenant),
    stop: async () => {
      await Promise.all([worker.stop(), exporter.stop(), importer?.stop()]);
    },
  };
}
