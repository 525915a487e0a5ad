import { Fault } from '../core/fault.js';

/** Requests answered at once for one tenant, and for all; more are told to come again. */
const MAX_PER_TENANT = 256;
const MAX_TOTAL = 1_024;

/** Requests a tenant may send at once after a pause, in seconds of its rate. */
const BURST_S = 2;

export interface Rate {
  /** @throws Fault `too-many` for a tenant that sent more than its rate permits. */
  spend(tenant: string): void;
}

/**
 * Requests per second of each tenant (token bucket), for requests that proved whose they are: nobody else spends a
 * tenant's share. Bounded by the number of tenants.
 */
export function createRate(perSecond: number, now: () => number): Rate {
  const buckets = new Map<string, { left: number; at: number }>();
  const most = Math.max(1, perSecond * BURST_S);
  return {
    spend(tenant) {
      const at = now();
      const bucket = buckets.get(tenant) ?? { left: most, at };
      const gained = (Math.max(0, at - bucket.at) / 1000) * perSecond;
      const left = Math.min(most, bucket.left + gained) - 1;
      buckets.set(tenant, { left: Math.max(0, left), at });
      if (left >= 0) return;
      throw new Fault('too-many', 'This tenant sends more requests than its rate permits.', {
        remedy: 'Wait a second, or gather requests in a batch.',
      });
    },
  };
}

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
