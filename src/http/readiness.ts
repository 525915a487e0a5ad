import type { Clock } from '../core/clock.js';
import type { Tenants } from '../tenancy/tenant.js';

const CHECK_TIMEOUT_MS = 2_000;
/** A balancer may ask often; the database is asked once a second. */
const CACHE_MS = 1_000;

export interface Readiness {
  check(): Promise<boolean>;
  drain(): void;
}

/** Ready while the catalog answers and no shutdown is under way. */
export function createReadiness(tenants: Tenants, clock: Clock): Readiness {
  let draining = false;
  let last: { at: number; ready: Promise<boolean> } | undefined;
  return {
    async check() {
      if (draining) return false;
      const now = clock.now();
      if (!last || now - last.at >= CACHE_MS || now < last.at) last = { at: now, ready: answers(tenants) };
      return last.ready;
    },
    drain() {
      draining = true;
    },
  };
}

/** A look-up of a name that none need have: it is the answer of the database that counts. */
async function answers(tenants: Tenants): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), CHECK_TIMEOUT_MS);
  });
  try {
    return await Promise.race([tenants.find('readiness').then(() => true), late]);
  } catch {
    return false;
  } finally {
    clearTimeout(timer);
  }
}
