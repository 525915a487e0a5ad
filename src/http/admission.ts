import { Fault } from '../core/fault.js';

/** Requests answered at once for one tenant, and for all; more are told to come again. */
const MAX_PER_TENANT = 256;
const MAX_TOTAL = 1_024;

export interface Admission {
  /**
   * Lets a request in.
   * @returns what to call when it is answered.
   * @throws Fault `too-many` for a tenant with too many under way, `unavailable` when the server has.
   */
  enter(tenant: string): () => void;
}

/**
 * Refuses before anything is read or parsed, so that a flood for one tenant neither fills the memory nor keeps the
 * others waiting.
 */
export function createAdmission(maxPerTenant = MAX_PER_TENANT, maxTotal = MAX_TOTAL): Admission {
  const underWay = new Map<string, number>();
  let total = 0;
  return {
    enter(tenant) {
      const own = underWay.get(tenant) ?? 0;
      if (total >= maxTotal) {
        throw new Fault('unavailable', 'The server has too many requests under way.', {
          remedy: 'Try again in a moment.',
        });
      }
      if (own >= maxPerTenant) {
        throw new Fault('too-many', 'This tenant has too many requests under way.', {
          remedy: 'Send fewer at once, or gather them in a batch.',
        });
      }
      underWay.set(tenant, own + 1);
      total++;
      return () => {
        total--;
        const left = (underWay.get(tenant) ?? 1) - 1;
        if (left > 0) underWay.set(tenant, left);
        else underWay.delete(tenant);
      };
    },
  };
}
