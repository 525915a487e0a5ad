import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Fault, isFault } from '../core/fault.js';
import { openSealedFile } from '../export/sealed-file.js';
import type { Job } from '../jobs/job.js';
import type { Actor } from '../store/contract.js';
import { narrowedOf } from '../store/visible.js';
import type { Tenant } from '../tenancy/tenant.js';
import { type BulkExportDeps, folderOf, placeOf } from './bulk-export.js';
import { BULK_KEPT_MS, type BulkExportRequest, type BulkExportResult } from './bulk-export-job.js';

/** Exports one client may have waiting or running at once. */
export const MAX_EXPORTS_PER_CLIENT = 4;

/** An export as the one who asked for it sees it. */
export interface BulkExport {
  readonly job: Job;
  readonly request: BulkExportRequest;
  /** Of a finished one. */
  readonly result: BulkExportResult | undefined;
  /** ms; when its files go. Undefined while it runs. */
  readonly expires: number | undefined;
}

/** The exports of all tenants that clients asked for. Each is seen by who asked for it alone. */
export interface BulkExports {
  /** @throws Fault `too-many` */
  start(tenant: Tenant, request: BulkExportRequest): Promise<Job>;
  /** @throws Fault `not-found` for one of others, one that was removed, and one that expired. */
  find(tenant: Tenant, id: string, actor: Actor): Promise<BulkExport>;
  /** Plain bytes of a finished file, piece by piece. @throws Fault `not-found` */
  read(tenant: Tenant, found: BulkExport, name: string): Promise<AsyncGenerator<Buffer>>;
  /** Stops it where it runs, and removes it with its files. */
  remove(tenant: Tenant, found: BulkExport): Promise<void>;
  /** Removes what expired, of all tenants. @returns how many */
  expire(): Promise<number>;
  /** Tells a worker in this process that something waits. @returns what ends it */
  onStart(listener: () => void): () => void;
  readonly deps: BulkExportDeps;
}

export function createBulkExports(deps: BulkExportDeps): BulkExports {
  const { jobs, clock, directory } = deps;
  const listeners = new Set<() => void>();
  const gone = () =>
    new Fault('not-found', 'There is no such export of yours.', {
      remedy: 'It may have been deleted or have expired: start another.',
    });

  async function isMine(tenant: Tenant, id: string, { id: who, kind }: Pick<Actor, 'id' | 'kind'>) {
    const { actor } = await jobs.params<BulkExportRequest>(tenant, id);
    return actor.id === who && actor.kind === kind;
  }

  return {
    deps,
    async start(tenant, request) {
      let active = 0;
      for (const { id, state } of await jobs.list(tenant, 'export')) {
        if (state !== 'queued' && state !== 'running') continue;
        if (await isMine(tenant, id, request.actor)) active++;
      }
      if (active >= MAX_EXPORTS_PER_CLIENT) {
        throw new Fault('too-many', `At most ${MAX_EXPORTS_PER_CLIENT} exports of a client run at once.`, {
          remedy: 'Wait for one to end, or delete it.',
        });
      }
      // The job runs later and by another: what its caller sees goes along with it.
      const grants = narrowedOf(tenant)?.visibility.grants as BulkExportRequest['grants'];
      const job = await jobs.create(tenant, 'export', { ...request, ...(grants ? { grants } : {}) });
      for (const listener of listeners) listener();
      return job;
    },

    async find(tenant, id, actor) {
      const job = await jobs.get(tenant, id).catch((error) => {
        if (isFault(error) && error.category === 'not-found') throw gone();
        throw error;
      });
      if (job.kind !== 'export' || job.state === 'cancelled') throw gone();
      const request = await jobs.params<BulkExportRequest>(tenant, id);
      if (request.actor.id !== actor.id || request.actor.kind !== actor.kind) throw gone();
      const expires = job.endedAt === undefined ? undefined : job.endedAt + BULK_KEPT_MS;
      if (expires !== undefined && expires <= clock.now()) throw gone();
      const result = job.state === 'done' ? await jobs.result<BulkExportResult>(tenant, id) : undefined;
      return { job, request, result, expires };
    },

    async read(tenant, { job, result }, name) {
      // The name is looked for in the list of what was written; nothing of the address reaches the file system.
      const file = result?.files.find((f) => f.name === name);
      if (!result || !file) throw gone();
      const folder = join(folderOf(directory, tenant.record.id, job.id), String(result.epoch));
      return openSealedFile(tenant.keys, folder, file.name, placeOf(job.id, result.epoch, file.name));
    },

    async remove(tenant, { job }) {
      await jobs.remove(job.id);
      await rm(folderOf(directory, tenant.record.id, job.id), { recursive: true, force: true });
    },

    async expire() {
      const old = await jobs.endedBefore('export', clock.now() - BULK_KEPT_MS);
      for (const { id, tenantId } of old) {
        await rm(folderOf(directory, tenantId, id), { recursive: true, force: true });
        await jobs.remove(id);
      }
      return old.length;
    },

    onStart(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
