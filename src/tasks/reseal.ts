import { setTimeout as sleep } from 'node:timers/promises';
import { Fault } from '../core/fault.js';
import type { Job } from '../jobs/job.js';
import type { Jobs } from '../jobs/jobs.js';
import type { Store } from '../store/contract.js';
import type { Rotation } from '../tenancy/key-rotation.js';
import type { Tenant } from '../tenancy/tenant.js';
import { resealLedger } from './import-ledger.js';
import { keptJob } from './kept-job.js';

/** All parts (0 to 16383), and how many are sealed anew between two looks at the job. */
const PARTS = 16_384;
const PARTS_PER_STEP = 256;
/** Times that all parts are gone over until nothing is left: what was written meanwhile is under the new key. */
const MAX_ROUNDS = 3;
/** How often a job that waits for its key looks whether it is stopped, in ms. */
const WAIT_MS = 500;

export interface ResealDeps {
  readonly store: Store;
  readonly jobs: Jobs;
  readonly clock: { now(): number };
  readonly tenants: {
    dropOldKeys(name: string, least: { readonly body: number; readonly patient: number }): Promise<number>;
  };
}

interface ResealParams {
  /** ms since the epoch from which on the newest key is in use; nothing is done before. */
  readonly notBefore: number;
}

/** What a reseal did, and how far it is; counts only. */
export interface ResealProgress extends Record<string, number> {
  readonly parts: number;
  readonly partsDone: number;
  /** Pieces sealed anew. */
  readonly resealed: number;
  /** Patients' keys wrapped anew. */
  readonly rewrapped: number;
  /** Versions of the keys that the parts done are under. */
  readonly body: number;
  readonly patient: number;
  /** Versions of keys destroyed at the end. */
  readonly keysDestroyed: number;
}

/** Makes the job that follows a rotation of a key that seals or wraps. */
export async function requestReseal(
  { jobs }: Pick<ResealDeps, 'jobs'>,
  tenant: Tenant,
  { level, from }: Pick<Rotation, 'level' | 'from'>,
): Promise<Job> {
  if (level !== 'body' && level !== 'patient')
    throw new Fault('invalid', 'Nothing is sealed anew after a change of this key: it wraps others only.', {
      remedy: 'Reseal after a rotation of level body or patient.',
    });
  const params: ResealParams = { notBefore: from };
  return jobs.create(tenant, 'reseal', params);
}

/**
 * Seals everything under the newest keys, part by part, while reads and writes go on; then destroys the older versions.
 * Waits until the newest key is in use. Stopped or killed, it goes on behind the parts that are done.
 */
export async function runReseal(
  deps: ResealDeps,
  tenant: Tenant,
  job: Job,
  signal?: AbortSignal,
): Promise<ResealProgress> {
  const { store, jobs, clock } = deps;
  const { keys } = tenant;
  let progress: ResealProgress = {
    parts: PARTS,
    partsDone: 0,
    resealed: 0,
    rewrapped: 0,
    body: 0,
    patient: 0,
    keysDestroyed: 0,
  };
  return keptJob(
    jobs,
    tenant,
    job,
    signal,
    () => progress,
    async (stopped) => {
      const { notBefore } = await jobs.params<ResealParams>(tenant, job.id);
      while (clock.now() < notBefore && !stopped()) await sleep(WAIT_MS);
      await keys.reload();
      const versions = { body: keys.currentVersion, patient: keys.wrapVersion };
      const before = job.progress as Partial<ResealProgress>;
      if (before.body === versions.body && before.patient === versions.patient)
        progress = { ...progress, ...before } as ResealProgress;
      progress = { ...progress, ...versions };
      for (let round = 1; ; round++) {
        while (progress.partsDone < PARTS) {
          if (stopped()) return false;
          const from = progress.partsDone;
          const to = Math.min(from + PARTS_PER_STEP, PARTS) - 1;
          const { resealed, rewrapped } = await store.reseal(tenant, { from, to });
          progress = {
            ...progress,
            partsDone: to + 1,
            resealed: progress.resealed + resealed,
            rewrapped: progress.rewrapped + rewrapped,
          };
        }
        const rest = (await resealLedger(tenant)) + (await jobs.reseal(tenant));
        const least = await store.endReseal(tenant);
        if (least && least.body === versions.body && least.patient === versions.patient) {
          const keysDestroyed = await deps.tenants.dropOldKeys(tenant.record.name, least);
          progress = { ...progress, resealed: progress.resealed + rest, keysDestroyed };
          return true;
        }
        if (round === MAX_ROUNDS)
          throw new Fault('conflict', 'Something is still sealed under an older key; no key was destroyed.', {
            remedy: 'Resume the job.',
          });
        progress = { ...progress, partsDone: 0 };
      }
    },
  );
}
