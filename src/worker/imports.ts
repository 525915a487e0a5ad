import { isFault } from '../core/fault.js';
import { type BulkImports, expireImports } from '../tasks/bulk-imports.js';
import type { Tenants } from '../tenancy/tenant.js';

/** How often the queue is looked at for imports that another process took in, in ms. */
const LOOK_MS = 1_000;
/** How often imports that ended long ago are removed, in ms. */
const EXPIRE_MS = 3600_000;
/** Imports one process runs at once; as many more as there are workers. */
const IMPORTS_AT_ONCE = 2;

export interface ImportWorkerDeps {
  readonly tenants: Tenants;
  readonly imports: BulkImports;
  /** Told of what went wrong, by category; never of which file. */
  readonly onError?: ((category: string) => void) | undefined;
}

/** Runs the imports that clients asked for. Several processes may run one each; one that dies loses nothing. */
export function startImportWorker({ tenants, imports, onError }: ImportWorkerDeps): {
  stop(): Promise<void>;
} {
  const stopping = new AbortController();
  const sleepers = new Set<() => void>();
  const ring = () => {
    for (const wake of sleepers) wake();
  };
  const silence = imports.onStart(ring);
  const category = (error: unknown) => (isFault(error) ? error.category : 'internal');

  async function work(): Promise<void> {
    while (!stopping.signal.aborted) {
      const next = await imports.jobs.next(['bulk-import']);
      if (!next) return;
      const tenant = await tenants.open(next.tenant);
      const job = await imports.jobs.claim(tenant, next.id).catch((error: unknown) => {
        // Another worker was faster, or the import was cancelled.
        if (isFault(error) && (error.category === 'conflict' || error.category === 'not-found'))
          return undefined;
        throw error;
      });
      if (!job) continue;
      try {
        await imports.run(tenant, job, stopping.signal);
      } catch (error) {
        if (!stopping.signal.aborted) onError?.(category(error));
      }
    }
  }

  async function expire(): Promise<void> {
    const known = await tenants.list();
    await expireImports(imports.deps, async (id) => {
      const found = known.find((tenant) => tenant.id === id && tenant.state === 'active');
      return found && tenants.open(found.name);
    });
  }

  async function run(first: boolean): Promise<void> {
    let nextExpiry = 0;
    while (!stopping.signal.aborted) {
      try {
        if (first && Date.now() >= nextExpiry) {
          nextExpiry = Date.now() + EXPIRE_MS;
          await expire();
        }
        await work();
      } catch (error) {
        onError?.(category(error));
      }
      if (stopping.signal.aborted) return;
      await new Promise<void>((resolve) => {
        const wake = () => {
          clearTimeout(timer);
          sleepers.delete(wake);
          resolve();
        };
        const timer = setTimeout(wake, LOOK_MS);
        sleepers.add(wake);
      });
    }
  }

  const running = Array.from({ length: IMPORTS_AT_ONCE }, (_, i) => run(i === 0));
  return {
    async stop() {
      silence();
      stopping.abort();
      ring();
      await Promise.all(running);
    },
  };
}
