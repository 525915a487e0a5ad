import { isFault } from '../core/fault.js';
import type { Job, JobKind } from '../jobs/job.js';
import { type AnnotateDeps, annotatePending } from '../tasks/annotate.js';
import { noDerivedCounts } from '../tasks/import-report.js';
import { type ReindexDeps, requestReindex, runReindex } from '../tasks/reindex.js';
import { type ResealDeps, runReseal } from '../tasks/reseal.js';
import { type RotateIndexDeps, runRotateIndex } from '../tasks/rotate-index.js';
import type { Tenant, Tenants } from '../tenancy/tenant.js';

/** How often a worker looks at every tenant for documents it was not told of, in ms. */
const SWEEP_MS = 5_000;
/** Tenants looked at by one sweep; the next sweep goes on behind them, so that many tenants cost no more than a few. */
const TENANTS_PER_SWEEP = 20;

export interface WorkerDeps {
  readonly tenants: Tenants;
  /** Started with the first document: a server without notes needs no reader. */
  readonly annotate: () => Promise<AnnotateDeps>;
  /** What makes a tenant's own search parameters live. */
  readonly reindex: ReindexDeps;
  /** What seals a tenant anew after a rotation of its keys. */
  readonly reseal: ResealDeps;
  /** What takes a change of the index key to its end. */
  readonly rotateIndex: RotateIndexDeps;
  /** Told of what went wrong, by category; never of whom it was about. */
  readonly onError?: (category: string) => void;
}

/** Jobs that a worker runs beside the documents, one of each kind at a time. */
const JOBS = {
  reindex: (deps: WorkerDeps, tenant: Tenant, job: Job, signal: AbortSignal): Promise<unknown> =>
    runReindex(deps.reindex, tenant, job, signal),
  reseal: (deps: WorkerDeps, tenant: Tenant, job: Job, signal: AbortSignal): Promise<unknown> =>
    runReseal(deps.reseal, tenant, job, signal),
  'rotate-index': (deps: WorkerDeps, tenant: Tenant, job: Job, signal: AbortSignal): Promise<unknown> =>
    runRotateIndex(deps.rotateIndex, tenant, job, signal),
} as const;

export interface Worker {
  /** Says that this tenant has a new document or search parameter, so that it is looked at at once. */
  wake(tenant: string): void;
  /** Finishes what is under way and stops. */
  stop(): Promise<void>;
}

/**
 * Annotates documents of all tenants as they arrive, and runs their reindex and reseal jobs beside that. Several processes may run
 * one each.
 */
export function startWorker(deps: WorkerDeps): Worker {
  const stopping = new AbortController();
  const woken = new Set<string>();
  let ring: (() => void) | undefined;
  let after = '';

  async function sweep(): Promise<void> {
    const names = (await deps.tenants.list())
      .filter((t) => t.state === 'active' && !t.moving)
      .map((t) => t.name)
      .sort();
    const from = names.findIndex((n) => n > after);
    const turn = [...names.slice(Math.max(from, 0)), ...names.slice(0, Math.max(from, 0))].slice(
      0,
      TENANTS_PER_SWEEP,
    );
    after = turn.at(-1) ?? '';
    for (const name of turn) woken.add(name);
  }

  async function work(name: string): Promise<void> {
    const tenant = await deps.tenants.open(name);
    // It can only be read; the next sweep after the move finds what waits.
    if (tenant.record.moving) return;
    if (await requestReindex(deps.reindex, tenant)) start('reindex');
    if (!(await hasPending(tenant))) return;
    await annotatePending(
      await deps.annotate(),
      tenant,
      { ...noDerivedCounts(), documents: 0 },
      { signal: stopping.signal },
    );
  }

  const running = new Map<JobKind, Promise<void>>();

  /** Runs the jobs of a kind that wait, one after the other; new documents are read meanwhile. */
  function start(kind: keyof typeof JOBS): void {
    if (running.has(kind)) return;
    running.set(
      kind,
      runAll(kind)
        .catch((error) => deps.onError?.(isFault(error) ? error.category : 'internal'))
        .finally(() => running.delete(kind)),
    );
  }

  async function runAll(kind: keyof typeof JOBS): Promise<void> {
    const { jobs } = deps.reindex;
    while (!stopping.signal.aborted) {
      const next = await jobs.next([kind]);
      if (!next) return;
      const tenant = await deps.tenants.open(next.tenant);
      const job = await jobs.claim(tenant, next.id).catch((error: unknown) => {
        // Another worker was faster.
        if (isFault(error) && error.category === 'conflict') return undefined;
        throw error;
      });
      if (job) await JOBS[kind](deps, tenant, job, stopping.signal);
    }
  }

  async function run(): Promise<void> {
    let nextSweep = 0;
    while (!stopping.signal.aborted) {
      try {
        if (Date.now() >= nextSweep) {
          nextSweep = Date.now() + SWEEP_MS;
          await sweep();
          start('reindex');
          start('reseal');
          start('rotate-index');
        }
        const [name] = woken;
        if (name !== undefined) {
          woken.delete(name);
          await work(name);
          continue;
        }
      } catch (error) {
        deps.onError?.(isFault(error) ? error.category : 'internal');
      }
      await new Promise<void>((resume) => {
        const timer = setTimeout(resume, Math.max(nextSweep - Date.now(), 50));
        ring = () => {
          clearTimeout(timer);
          resume();
        };
        if (woken.size > 0 || stopping.signal.aborted) ring();
      });
    }
  }

  const looking = run();
  return {
    wake(tenant) {
      woken.add(tenant);
      ring?.();
    },
    async stop() {
      stopping.abort();
      ring?.();
      await looking;
      await Promise.all(running.values());
    },
  };
}

/** Documents that wait, or whose worker may have died: the partial index answers it. */
async function hasPending(tenant: Tenant): Promise<boolean> {
  const { rows } = await tenant.pool.query('select 1 from annotation where state in (0, 1) limit 1');
  return rows.length > 0;
}
