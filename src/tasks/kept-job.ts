import { isFault } from '../core/fault.js';
import { HEARTBEAT_MS, type Job } from '../jobs/job.js';
import type { Jobs } from '../jobs/jobs.js';
import type { Tenant } from '../tenancy/tenant.js';

/**
 * Does the work of a claimed job with its heart beating, and writes down how it ended: done, given back where the work
 * says that it did not come to its end, or failed, with the fault's category and message alone.
 * @param at the progress as it is now
 * @param work is given what tells whether to stop, which throws once the job is lost; answers whether it is at its end
 */
export async function keptJob<P extends Record<string, number>>(
  jobs: Jobs,
  tenant: Tenant,
  job: Job,
  signal: AbortSignal | undefined,
  at: () => P,
  work: (stopped: () => boolean) => Promise<boolean>,
): Promise<P> {
  let lost: unknown;
  const beat = setInterval(() => {
    jobs.beat(job, at()).catch((error) => {
      lost = error;
    });
  }, HEARTBEAT_MS);
  const stopped = (): boolean => {
    if (lost) throw lost;
    return signal?.aborted ?? false;
  };
  try {
    if (await work(stopped)) await jobs.finish(tenant, job, 'done', at());
    else await jobs.release(job, at());
    return at();
  } catch (error) {
    if (lost !== undefined) throw lost;
    const text = isFault(error) ? `${error.category}: ${error.message}` : 'internal';
    await jobs.finish(tenant, job, 'failed', at(), undefined, text).catch(() => undefined);
    throw error;
  } finally {
    clearInterval(beat);
  }
}
