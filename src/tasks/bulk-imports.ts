import { join } from 'node:path';
import type { Clock } from '../core/clock.js';
import { Fault, isFault } from '../core/fault.js';
import type { Job } from '../jobs/job.js';
import type { Jobs } from '../jobs/jobs.js';
import type { Actor } from '../store/contract.js';
import type { Tenant } from '../tenancy/tenant.js';
import type { BundleDeps } from './bundle.js';
import { type ImportParams, runImport } from './import.js';
import { checkInputs, type ImportInput, type ImportReach, inputSource, storePath } from './import-inputs.js';
import { removeLedger } from './import-ledger.js';
import type { ImportReport } from './import-report.js';
import { writeImportResults } from './import-results.js';
import { keepUpload, removeUploads } from './import-upload.js';

/** An import that was asked for through the API; the sealed parameters of its job. */
export interface BulkImportRequest extends ImportParams {
  readonly inputs: readonly ImportInput[];
  /** The address that was asked, for the manifest. */
  readonly url: string;
  readonly actor: Pick<Actor, 'id' | 'kind'>;
  readonly name?: string;
  /** The same token of the same client is the same import. */
  readonly clientToken?: string;
  /** Address of a store where manifest and errors are written as files, too. */
  readonly results?: string;
  /** What a caller of another product's API gave and gets back as it was. */
  readonly echo?: Readonly<Record<string, unknown>>;
}

export interface BulkImport {
  readonly job: Job;
  readonly request: BulkImportRequest;
  /** Of a finished one. */
  readonly report: ImportReport | undefined;
}

/** What an import refused can be read for this long after it ended, in ms. */
export const IMPORT_KEPT_MS = 30 * 24 * 3600_000;

/** Imports that clients asked for, of all tenants. Each is seen by who asked for it. */
export interface BulkImports {
  readonly deps: BulkImportDeps;
  readonly jobs: Jobs;
  /** Keeps a file that a client sends until its import has read it. */
  upload(tenant: Tenant, name: string, bytes: AsyncIterable<Buffer>): Promise<ImportInput>;
  /** @throws Fault `invalid`, `forbidden` for an input that may not be read. */
  start(tenant: Tenant, request: Omit<BulkImportRequest, 'paths' | 'folder'>): Promise<Job>;
  /** @throws Fault `not-found` for one of others. */
  find(tenant: Tenant, id: string, actor: Pick<Actor, 'id' | 'kind'>): Promise<BulkImport>;
  list(tenant: Tenant, actor: Pick<Actor, 'id' | 'kind'>): Promise<BulkImport[]>;
  /** Stops it; what is in stays in. */
  cancel(tenant: Tenant, found: BulkImport): Promise<void>;
  /** Lets one that failed or was stopped go on from where it stood. */
  resume(tenant: Tenant, id: string): Promise<void>;
  /** Runs a claimed job; stopped by the signal it waits for the next worker. */
  run(tenant: Tenant, job: Job, signal: AbortSignal): Promise<void>;
  /** Tells a worker in this process that something waits. @returns what ends it */
  onStart(listener: () => void): () => void;
}

export interface BulkImportDeps {
  readonly clock: Clock;
  readonly jobs: Jobs;
  readonly bundles: BundleDeps;
  readonly baseOf: (tenant: Tenant) => string;
  readonly reach: ImportReach;
  /** Holds a folder of uploads for each tenant. */
  readonly directory: string;
}

export function createBulkImports(deps: BulkImportDeps): BulkImports {
  const { jobs, reach, clock } = deps;
  const listeners = new Set<() => void>();
  const ring = () => {
    for (const listener of listeners) listener();
  };
  const uploadsOf = (tenant: Tenant) => join(deps.directory, tenant.record.id);
  const gone = () => new Fault('not-found', 'There is no such import of yours.');

  async function of(tenant: Tenant, job: Job): Promise<BulkImport> {
    const request = await jobs.params<BulkImportRequest>(tenant, job.id);
    const report = job.state === 'done' ? await jobs.result<ImportReport>(tenant, job.id) : undefined;
    return { job, request, report };
  }

  const mine = ({ request }: BulkImport, actor: Pick<Actor, 'id' | 'kind'>) =>
    request.actor.id === actor.id && request.actor.kind === actor.kind;

  async function discard(tenant: Tenant, request: BulkImportRequest): Promise<void> {
    await removeUploads(
      uploadsOf(tenant),
      request.inputs.flatMap((input) => (input.kind === 'upload' ? [input.id] : [])),
    );
  }

  return {
    deps,
    jobs,

    async upload(tenant, name, bytes) {
      const { id, size } = await keepUpload(tenant.keys, uploadsOf(tenant), bytes);
      return { kind: 'upload', id, name, size };
    },

    async start(tenant, request) {
      await checkInputs(request.inputs, reach);
      if (request.results !== undefined)
        await storePath(request.results, reach.stores, 'JobOutputDataConfig.S3Configuration.S3Uri');
      if (request.clientToken !== undefined) {
        for (const job of await jobs.list(tenant, 'bulk-import')) {
          const known = await of(tenant, job);
          if (known.request.clientToken === request.clientToken && mine(known, request.actor)) return job;
        }
      }
      const job = await jobs.create(tenant, 'bulk-import', { ...request, paths: [], folder: '' });
      ring();
      return job;
    },

    async find(tenant, id, actor) {
      const job = await jobs.get(tenant, id).catch((error) => {
        throw isFault(error) && error.category === 'not-found' ? gone() : error;
      });
      if (job.kind !== 'bulk-import') throw gone();
      const found = await of(tenant, job);
      if (!mine(found, actor)) throw gone();
      return found;
    },

    async list(tenant, actor) {
      const all: BulkImport[] = [];
      for (const job of await jobs.list(tenant, 'bulk-import')) {
        const found = await of(tenant, job);
        if (mine(found, actor)) all.push(found);
      }
      return all;
    },

    async cancel(tenant, { job }) {
      await jobs.cancel(tenant, job.id);
    },

    async resume(tenant, id) {
      await jobs.requeue(tenant, id);
      ring();
    },

    async run(tenant, job, signal) {
      const request = await jobs.params<BulkImportRequest>(tenant, job.id);
      await runImport({ jobs, bundle: deps.bundles, clock }, tenant, job, {
        base: deps.baseOf(tenant),
        signal,
        onStop: 'release',
        source: inputSource(
          { store: deps.bundles.store, reach, uploads: uploadsOf(tenant) },
          tenant,
          request.inputs,
        ),
        before: async (finished) => {
          if (request.results === undefined) return;
          const home = await storePath(request.results, reach.stores);
          await writeImportResults(tenant, finished, join(home, `import-${job.id}`), clock.now());
        },
      });
      // Only at the end: an import that is resumed reads its uploads again.
      await discard(tenant, request);
    },

    onStart(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

/** Removes imports that ended long ago, with what they refused and what was uploaded for them. */
export async function expireImports(
  { jobs, clock, directory }: Pick<BulkImportDeps, 'jobs' | 'clock' | 'directory'>,
  open: (tenantId: string) => Promise<Tenant | undefined>,
): Promise<number> {
  const old = await jobs.endedBefore('bulk-import', clock.now() - IMPORT_KEPT_MS);
  for (const { id, tenantId } of old) {
    // Of a tenant that cannot be opened now, another time.
    const tenant = await open(tenantId);
    if (!tenant) continue;
    const { inputs } = await jobs.params<BulkImportRequest>(tenant, id);
    const uploads = inputs.flatMap((input) => (input.kind === 'upload' ? [input.id] : []));
    await removeUploads(join(directory, tenantId), uploads);
    await removeLedger(tenant, id);
    await jobs.remove(id);
  }
  return old.length;
}
