import { setTimeout as sleep } from 'node:timers/promises';
import { Fault } from '../core/fault.js';
import { RESOURCE_TYPES } from '../fhir/resource-types.js';
import type { Job } from '../jobs/job.js';
import type { Jobs } from '../jobs/jobs.js';
import type { Store } from '../store/contract.js';
import type { IndexKeyStep } from '../tenancy/key-rotation.js';
import { KEY_NOTICE_MS } from '../tenancy/key-rows.js';
import type { Tenant } from '../tenancy/tenant.js';
import { keptJob } from './kept-job.js';

/** All parts (0 to 16383), and how many are rewritten between two looks at the job. */
const PARTS = 16_384;
const PARTS_PER_STEP = 512;
/** How often a job that waits looks whether it is stopped, in ms. */
const WAIT_MS = 500;

export interface RotateIndexDeps {
  readonly store: Store;
  readonly jobs: Jobs;
  readonly clock: { now(): number };
  readonly tenants: {
    indexKeyStep(name: string): Promise<IndexKeyStep>;
    advanceIndexKey(name: string, from: IndexKeyStep): Promise<IndexKeyStep>;
  };
}

/** What a change of the index key did, and how far it is; counts only. */
export interface RotateIndexProgress extends Record<string, number> {
  /** Both times that all parts are gone over: to add the new terms, and to take the old ones away. */
  readonly parts: number;
  readonly partsDone: number;
  readonly resources: number;
  readonly rewritten: number;
  /** The step that the parts done are of. */
  readonly phase: number;
}

/** Makes the job that takes a change of the index key to its end. */
export function requestRotateIndex({ jobs }: Pick<RotateIndexDeps, 'jobs'>, tenant: Tenant): Promise<Job> {
  return jobs.create(tenant, 'rotate-index', {});
}

/**
 * Takes a change of the index key from where it is to its end, while reads and writes go on:
 *
 * 1. Everybody writes under both keys; the rows that are there get the terms of the new key besides, part by part.
 * 2. Searches ask under the new key. When every process does, the old key is destroyed.
 * 3. Everybody writes under the new key alone; the terms of the old one are taken away, part by part.
 *
 * At each moment a search asks under one key whose terms every row has, so it is never another search for it. Stopped or
 * killed, it goes on behind the parts that are done.
 */
export async function runRotateIndex(
  deps: RotateIndexDeps,
  tenant: Tenant,
  job: Job,
  signal?: AbortSignal,
): Promise<RotateIndexProgress> {
  const { store, jobs, clock, tenants } = deps;
  const { name } = tenant.record;
  const before = job.progress as Partial<RotateIndexProgress>;
  let progress: RotateIndexProgress = {
    parts: 2 * PARTS,
    partsDone: 0,
    resources: 0,
    rewritten: 0,
    phase: -1,
    ...before,
  } as RotateIndexProgress;

  /** @returns whether the end was reached */
  async function rewriteAll(phase: number, offset: number, stopped: () => boolean): Promise<boolean> {
    await tenant.keys.reload();
    await store.fenceIndex(tenant, phase);
    if (progress.phase !== phase) progress = { ...progress, phase, partsDone: offset };
    while (progress.partsDone < offset + PARTS) {
      if (stopped()) return false;
      const from = progress.partsDone - offset;
      const to = Math.min(from + PARTS_PER_STEP, PARTS) - 1;
      const { resources, rewritten } = await store.reindex(tenant, RESOURCE_TYPES, { from, to });
      progress = {
        ...progress,
        partsDone: offset + to + 1,
        resources: progress.resources + resources,
        rewritten: progress.rewritten + rewritten,
      };
    }
    return true;
  }

  return keptJob(
    jobs,
    tenant,
    job,
    signal,
    () => progress,
    async (stopped) => {
      let step = await tenants.indexKeyStep(name);
      let whole = true;
      if (step.at === 'writing') {
        whole = await rewriteAll(step.phase, 0, stopped);
        if (whole) step = await tenants.advanceIndexKey(name, step);
      }
      if (whole && step.at === 'searching') {
        await tenant.keys.reload();
        // Every process has asked for the keys anew by then, and what it searched for before has ended.
        while (clock.now() < step.since + KEY_NOTICE_MS && !stopped()) await sleep(WAIT_MS);
        whole = !stopped();
        if (whole) step = await tenants.advanceIndexKey(name, step);
      }
      if (whole && step.at === 'none' && step.phase > 0) whole = await rewriteAll(step.phase, PARTS, stopped);
      if (!whole) return false;
      if (step.at !== 'none')
        throw new Fault('conflict', 'The index key was changed by another job meanwhile.', {
          remedy: 'Resume the job.',
        });
      return true;
    },
  );
}
