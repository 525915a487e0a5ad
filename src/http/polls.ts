import { HttpFault } from './outcome.js';

export interface Polls {
  /** Whether the log has no such poll of the last hour. */
  isNew(key: readonly string[]): boolean;
  /**
   * Counts a question of one caller after one job (Bulk Data Access, "Bulk Data Status Request": hasty clients).
   * @throws HttpFault 429 with Retry-After for a client that does not wait between them.
   */
  spend(key: readonly string[]): void;
}

/** How long a poll that is in the log speaks for those after it, and how many such are remembered. */
const SPEAKS_MS = 3600_000;
const MAX_REMEMBERED = 10_000;

/**
 * Questions after one job that a caller may ask at once, and per second after that. It is told to ask every second at
 * first and every ten later, and common clients ask ten times as often as they are told.
 */
export const POLLS_AHEAD = 150;
const POLLS_PER_SECOND = 2;
/** Seconds that a hasty client is asked to stay away. */
const HASTY_WAIT_S = 10;

/**
 * Which polls the log has not seen yet. Whoever waits for a job asks hundreds of times; IHE's patterns ask for an event of
 * what discloses records, and these answers hold counts and addresses of files, whose fetching is logged each time. What is
 * told is that somebody watched the job, and each change of what they were answered.
 */
export function createPolls(now: () => number, steady: () => number = () => performance.now()): Polls {
  const told = new Map<string, number>();
  const buckets = new Map<string, { left: number; at: number }>();
  return {
    spend(parts) {
      const key = JSON.stringify(parts);
      const at = steady();
      const bucket = buckets.get(key) ?? { left: POLLS_AHEAD, at };
      const left = Math.min(POLLS_AHEAD, bucket.left + ((at - bucket.at) / 1000) * POLLS_PER_SECOND) - 1;
      buckets.delete(key);
      if (buckets.size >= MAX_REMEMBERED) buckets.delete(buckets.keys().next().value!);
      buckets.set(key, { left: Math.max(0, left), at });
      if (left >= 0) return;
      throw new HttpFault(429, 'The state of this job is asked for too often.', {
        issueCode: 'throttled',
        remedy: 'Wait as long as Retry-After says.',
        headers: { 'Retry-After': String(HASTY_WAIT_S) },
      });
    },
    isNew(parts) {
      const key = JSON.stringify(parts);
      const at = told.get(key);
      if (at !== undefined && now() - at < SPEAKS_MS) return false;
      told.delete(key);
      if (told.size >= MAX_REMEMBERED) told.delete(told.keys().next().value!);
      told.set(key, now());
      return true;
    },
  };
}
