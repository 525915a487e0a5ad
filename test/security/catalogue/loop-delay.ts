import { readFileSync } from 'node:fs';

/** How far apart the looks at the event loop are meant to be. */
const EVERY_MS = 10;
const MAX_SAMPLES = 1_000_000;

export interface LoopDelay {
  /** 99th percentile of how late the loop came round by work of its own thread, ms. */
  readonly p99: number;
  /** The same with what the machine added: other programs, other machines on the same hardware, disks; ms. */
  readonly wallP99: number;
  /** The most that the thread computed between two looks: the longest single piece of work, ms. */
  readonly burst: number;
}

/**
 * Watches the event loop of this process. On a machine that others use too, a loop is late without doing anything wrong.
 * Linux tells how long a thread computed and how long it was ready and had no processor (`/proc/self/schedstat`, of the main
 * thread): it is late by its own work by no more than it computed, and not by what it waited. Where the system does not
 * tell, all counts as its own.
 */
export function watchLoop(): { reset(): void; delay(): LoopDelay } {
  let own: number[] = [];
  let wall: number[] = [];
  let burst = 0;
  let last = look();
  const timer = setInterval(() => {
    const now = look();
    const late = now.at - last.at - EVERY_MS;
    if (own.length < MAX_SAMPLES) {
      wall.push(Math.max(0, late));
      const waited = now.waited - last.waited;
      const computed = now.ran === 0 ? Number.POSITIVE_INFINITY : now.ran - last.ran;
      own.push(Math.max(0, Math.min(late - waited, computed)));
    }
    burst = Math.max(burst, now.ran - last.ran);
    last = now;
  }, EVERY_MS);
  timer.unref();
  return {
    reset() {
      own = [];
      wall = [];
      burst = 0;
      last = look();
    },
    delay: () => ({ p99: percentile(own, 0.99), wallP99: percentile(wall, 0.99), burst }),
  };
}

function look(): { at: number; ran: number; waited: number } {
  const at = performance.now();
  try {
    const [ran = 0, waited = 0] = readFileSync('/proc/self/schedstat', 'latin1').split(' ').map(Number);
    return { at, ran: ran / 1e6, waited: waited / 1e6 };
  } catch {
    return { at, ran: 0, waited: 0 };
  }
}

function percentile(list: readonly number[], share: number): number {
  const sorted = [...list].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}
