/** How long a poll that is in the log speaks for those after it, and how many such are remembered. */
const SPEAKS_MS = 3600_000;
const MAX_REMEMBERED = 10_000;

/**
 * Which polls the log has not seen yet. Whoever waits for a job asks hundreds of times; IHE's patterns ask for an event of
 * what discloses records, and these answers hold counts and addresses of files, whose fetching is logged each time. What is
 * told is that somebody watched the job, and each change of what they were answered.
 */
export function createPolls(now: () => number): { isNew(key: readonly string[]): boolean } {
  const told = new Map<string, number>();
  return {
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
