/** Readings of one text: the first may find code that is not compiled yet, and compiling counts as CPU time. */
const READINGS = 6;
/** How much more than its share a longer text may take: memory is collected, and caches are shared with other work. */
const SLACK = 2.5;
/** Less than this many ms more is no growth: clocks of processes tick in ms. */
const TICKS = 20;

/**
 * Whether reading takes much more than `times` as long for a text that is `times` as long. Compares CPU times, the best of
 * several readings of each, so that other work on the machine does not decide it: too slow is what is slower each time.
 * @param readMs CPU time of one reading, in ms.
 */
export function outgrows(
  readMs: (text: string) => number,
  shorter: string,
  longer: string,
  times: number,
): boolean {
  let short = Number.POSITIVE_INFINITY;
  let long = Number.POSITIVE_INFINITY;
  for (let reading = 0; reading < READINGS; reading++) {
    short = Math.min(short, readMs(shorter));
    long = Math.min(long, readMs(longer));
    if (long <= SLACK * times * short + TICKS) return false;
  }
  return true;
}
