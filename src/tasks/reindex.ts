import { Fault, isFault } from '../core/fault.js';
import type { Resource, StoredResource } from '../core/resource.js';
import { customParameters } from '../fhir/custom-parameters.js';
import { typeNumber } from '../fhir/resource-types.js';
import { HEARTBEAT_MS, type Job } from '../jobs/job.js';
import type { Jobs } from '../jobs/jobs.js';
import type { Search } from '../search/search.js';
import type { Store } from '../store/contract.js';
import type { OwnParameter } from '../store/parameters.js';
import type { Tenant } from '../tenancy/tenant.js';

/** Own search parameters of one tenant: each is looked at for every resource of its types that is written. */
export const MAX_OWN_PARAMETERS = 500;
/** All parts (0 to 16383), and how many are rewritten between two looks at the job. */
const PARTS = 16_384;
const PARTS_PER_STEP = 64;
/** After a reindex failed, the same change is tried again no sooner than this. */
const RETRY_AFTER_MS = 10 * 60_000;

export interface ReindexDeps {
  readonly store: Store;
  readonly search: Search;
  readonly jobs: Jobs;
  readonly clock: { now(): number };
  readonly baseOf: (tenant: Tenant) => string;
}

/** What a reindex did, and how far it is; counts only. */
export interface ReindexProgress extends Record<string, number> {
  readonly parts: number;
  readonly partsDone: number;
  readonly resources: number;
  readonly rewritten: number;
  /** Epoch of the parameters that the parts done were indexed by. */
  readonly epoch: number;
}

/**
 * Makes a reindex job where SearchParameter resources of the tenant were written since the last one, by whatever way
 * they came. @returns whether one was made
 */
export async function requestReindex(deps: ReindexDeps, tenant: Tenant): Promise<boolean> {
  const [known, mark] = [await deps.store.parameters.current(tenant), await markOf(tenant)];
  // A tenant that never had any asks nothing further.
  if (mark === known.mark) return false;
  const jobs = await deps.jobs.list(tenant, 'reindex');
  if (jobs.some(({ state }) => state === 'queued' || state === 'running')) return false;
  const recent = deps.clock.now() - RETRY_AFTER_MS;
  if (jobs.some(({ state, endedAt }) => state !== 'done' && (endedAt ?? 0) > recent)) return false;
  await deps.jobs.create(tenant, 'reindex', {});
  return true;
}

/**
 * Makes a job that rewrites the index rows of all resources of these types: what a release asks for that indexes more
 * than the one before it. Searches go on meanwhile, over the rows there are.
 */
export async function requestReindexOf(
  deps: Pick<ReindexDeps, 'store' | 'jobs'>,
  tenant: Tenant,
  types: readonly string[],
): Promise<Job> {
  await deps.store.parameters.change(tenant, ({ parameters, dirty, mark }) => ({
    parameters,
    dirty: [...new Set([...dirty, ...types])].sort(),
    mark,
  }));
  return deps.jobs.create(tenant, 'reindex', {});
}

/** Every write of a SearchParameter adds a row that this counts; empty where there are none. */
async function markOf(tenant: Tenant): Promise<string> {
  const { rows } = await tenant.pool.query(
    'select count(*)::text as n, sum(lu)::text as s from version where rtype = $1',
    [typeNumber('SearchParameter')],
  );
  return rows[0]?.n === '0' ? '' : `${rows[0]?.n} ${rows[0]?.s}`;
}

/**
 * Brings the index in line with the tenant's SearchParameter resources: first everybody writes by the new parameters,
 * then the rows of all resources of the types concerned are rewritten part by part, then the parameters can be searched.
 * Stopped or killed, it goes on behind the parts that are done.
 */
export async function runReindex(
  deps: ReindexDeps,
  tenant: Tenant,
  job: Job,
  signal?: AbortSignal,
): Promise<ReindexProgress> {
  const { store, jobs } = deps;
  const before = job.progress as Partial<ReindexProgress>;
  let progress: ReindexProgress = { parts: PARTS, partsDone: 0, resources: 0, rewritten: 0, epoch: 0 };
  let lost: unknown;
  const beat = setInterval(() => {
    jobs.beat(job, progress).catch((error) => {
      lost = error;
    });
  }, HEARTBEAT_MS);
  try {
    const mark = await markOf(tenant);
    const known = await begin(deps, tenant);
    if (before.epoch === known.epoch) progress = { ...progress, ...before } as ReindexProgress;
    progress = { ...progress, epoch: known.epoch };
    if (known.dirty.length === 0) progress = { ...progress, partsDone: PARTS };
    while (progress.partsDone < PARTS) {
      if (lost) throw lost;
      if (signal?.aborted) {
        await jobs.release(job, progress);
        return progress;
      }
      const from = progress.partsDone;
      const to = Math.min(from + PARTS_PER_STEP, PARTS) - 1;
      const { resources, rewritten } = await store.reindex(tenant, known.dirty, { from, to });
      progress = {
        ...progress,
        partsDone: to + 1,
        resources: progress.resources + resources,
        rewritten: progress.rewritten + rewritten,
      };
    }
    await store.parameters.change(tenant, (now) => {
      if (now.epoch !== known.epoch)
        throw new Fault('conflict', 'The search parameters were changed by another job meanwhile.');
      const parameters = now.parameters.map((p) => ({ ...p, state: 'live' as const }));
      return { parameters, dirty: [], mark };
    });
    await jobs.finish(tenant, job, 'done', progress);
    return progress;
  } catch (error) {
    if (lost !== undefined) throw lost;
    const text = isFault(error) ? `${error.category}: ${error.message}` : 'internal';
    await jobs.finish(tenant, job, 'failed', progress, undefined, text).catch(() => undefined);
    throw error;
  } finally {
    clearInterval(beat);
  }
}

/** Puts the parameters into force for writing. What is new or another than before cannot be searched yet. */
async function begin(deps: ReindexDeps, tenant: Tenant) {
  const wanted = await usable(deps, tenant);
  return deps.store.parameters.change(tenant, (before) => {
    const same = new Map(before.parameters.map((p) => [textOf(p), p]));
    const parameters = wanted.map((p) => same.get(textOf(p)) ?? p);
    const kept = new Set(parameters);
    const gone = before.parameters.filter((p) => !kept.has(p));
    const fresh = parameters.filter((p) => p.state === 'indexing' && !before.parameters.includes(p));
    if (gone.length === 0 && fresh.length === 0) return undefined;
    const types = [...gone, ...fresh].flatMap(({ definition }) =>
      codesOf(definition).map((code) => code.split(' ')[0]!),
    );
    return { parameters, dirty: [...new Set([...before.dirty, ...types])].sort(), mark: before.mark };
  });
}

const textOf = ({ id, definition }: OwnParameter) => JSON.stringify([id, definition]);

/**
 * The active SearchParameter resources that can be served, by id. Those of R4's own codes (implementation guides repeat
 * them) and of kinds that are not served stay ordinary resources; of two with one code for a type the first by id counts.
 */
async function usable({ search, baseOf }: ReindexDeps, tenant: Tenant): Promise<OwnParameter[]> {
  const found: StoredResource[] = [];
  const request = { type: 'SearchParameter', params: [], strict: true, base: baseOf(tenant) };
  for await (const batch of search.stream(tenant, request))
    found.push(...batch.filter(({ status }) => status === 'active'));
  found.sort((a, b) => (a.id < b.id ? -1 : 1));
  const taken = new Set<string>();
  const parameters: OwnParameter[] = [];
  for (const resource of found) {
    const codes = codesOf(resource);
    if (codes.length === 0 || codes.some((code) => taken.has(code))) continue;
    for (const code of codes) taken.add(code);
    const { url, code, base, type, expression, target } = resource;
    const definition: Resource = { resourceType: 'SearchParameter', url, code, base, type, expression };
    parameters.push({
      id: resource.id,
      state: 'indexing',
      definition: target === undefined ? definition : { ...definition, target },
    });
    if (parameters.length > MAX_OWN_PARAMETERS) {
      throw new Fault(
        'too-large',
        `A tenant has at most ${MAX_OWN_PARAMETERS} search parameters of its own.`,
        {
          remedy: 'Retire those that are not needed.',
        },
      );
    }
  }
  return parameters;
}

/** `Patient nickname`, one for each base; none for what cannot be served. */
function codesOf(resource: Resource): string[] {
  try {
    return customParameters(resource).map(({ base, code }) => `${base} ${code}`);
  } catch (error) {
    if (isFault(error)) return [];
    throw error;
  }
}
