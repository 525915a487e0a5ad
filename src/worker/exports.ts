import { isFault } from '../core/fault.js';
import { runBulkExport } from '../tasks/bulk-export.js';
import type { BulkExports } from '../tasks/bulk-exports.js';
import type { Tenants } from '../tenancy/tenant.js';

/** How often the queue is looked at for exports that another process took in, in ms. */
const LOOK_MS = 1_000;
/** How often files that expired are removed, in ms. */
const EXPIRE_MS = 60_000;

export interface ExportWorkerDeps {
  readonly tenants: Tenants;
  readonly exports: BulkExports;
  /** Told of what went wrong, by category. */
  readonly onError?: ((category: string) => void) | undefined;
}

/** Runs the exports that wait, one after the other, and removes those that expired. Several processes may run one each. */
export function startExportWorker({ tenants, exports, onError }: ExportWorkerDeps): {
  stop(): Promise<void>;
} {
  const stopping = new AbortController();
  let ring = () => {};
  let rung = false;
  const silence = exports.onStart(() => {
    rung = true;
    ring();
  });

  async function work(): Promise<void> {
    const { jobs } = exports.deps;
    while (!stopping.signal.aborted) {
      const next = await jobs.next(['export']);
      if (!next) return;
      const tenant = await tenants.open(next.tenant);
      const job = await jobs.claim(tenant, next.id).catch((error: unknown) => {
        // Another worker was faster, or the export was deleted.
        if (isFault(error) && (error.category === 'conflict' || error.category === 'not-found'))
          return undefined;
        throw error;
      });
      if (job) await runBulkExport(exports.deps, tenant, job, stopping.signal);
    }
  }

  async function run(): Promise<void> {
    let nextExpiry = 0;
    while (!stopping.signal.aborted) {
      rung = false;
      try {
        if (Date.now() >= nextExpiry) {
          nextExpiry = Date.now() + EXPIRE_MS;
          await exports.expire();
        }
        await work();
      } catch (error) {
        onError?.(isFault(error) ? error.category : 'internal');
      }
      if (rung) continue;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, LOOK_MS);
        ring = () => {
          clearTimeout(timer);
          resolve();
        };
        if (stopping.signal.aborted) ring();
      });
    }
  }

  const running = run();
  return {
    async stop() {
      silence();
      stopping.abort();
      ring();
      await running;
    },
  };
}
