import { Fault } from '../core/fault.js';
import type { StoredResource } from '../core/resource.js';
import type { RowKey, Store, StoreTransaction } from '../store/contract.js';
import { faultOf } from '../store/database.js';
import type { Snapshot } from '../store/snapshot.js';
import { narrowedOf, rawOf } from '../store/visible.js';
import type { Tenant } from '../tenancy/tenant.js';
import type { Statement } from './statement.js';

/** How search talks to the database: on the tenant's pool, or inside a write transaction so as to see its writes. */
export interface Reader {
  readonly tenant: Tenant;
  query(statement: Statement): Promise<Record<string, unknown>[]>;
  /** Opens bodies, in the order of the rows. */
  open(rows: readonly RowKey[]): Promise<StoredResource[]>;
  /**
   * Opens versions of before, to tell where they stood and not to be given out: undefined for what the caller could not
   * have seen.
   */
  openFormer(rows: readonly RowKey[]): Promise<(StoredResource | undefined)[]>;
  /** The texts that rows are sorted by; undefined where they are not stored beside the body. */
  sortLines(rows: readonly RowKey[]): Promise<(string | undefined)[]>;
  /** As `Store.settled`. */
  settled(): Promise<number>;
  /** Current resources by id, in the order asked; undefined where absent or deleted. */
  resolve(keys: readonly { type: string; id: string }[]): Promise<(StoredResource | undefined)[]>;
  /** @throws Fault `timeout` when the time for the whole search is used up; asked before each batch. */
  checkTime(): void;
}

/** A page that must open match after match is given up after this long. */
export const SEARCH_TIME_MS = 30_000;

/** Throws once `ms` have passed since now. */
function timeLimit(ms: number): () => void {
  const until = performance.now() + ms;
  return () => {
    if (performance.now() > until)
      throw new Fault('timeout', 'The search did not finish in the time allowed.', {
        remedy:
          'Narrow it by another parameter, or leave out _sort by names, codes and ids, :contains, and exact totals.',
      });
  };
}

export function poolReader(store: Store, tenant: Tenant, limitMs = Number.POSITIVE_INFINITY): Reader {
  const inTime = timeLimit(limitMs);
  const { indexPhase } = tenant.keys;
  return {
    checkTime() {
      // Terms of the key before the last are taken away.
      if (tenant.keys.indexPhase > indexPhase + 1)
        throw new Fault('unavailable', 'The index key of this tenant was changed meanwhile.', {
          remedy: 'Ask again.',
        });
      inTime();
    },
    tenant,
    async query({ text, values }) {
      try {
        return (await tenant.pool.query(text, values as unknown[])).rows;
      } catch (error) {
        throw faultOf(error);
      }
    },
    open: (rows) => (rows.length === 0 ? Promise.resolve([]) : store.readRows(tenant, rows)),
    settled: () => store.settled(tenant),
    sortLines: (rows) => (rows.length === 0 ? Promise.resolve([]) : store.sortLines(tenant, rows)),
    async openFormer(rows) {
      if (rows.length === 0) return [];
      const seen = narrowedOf(tenant);
      const opened = await store.readRows(rawOf(tenant), rows);
      return opened.map((r) => (!seen || seen.visibility.allows(seen.letter, r) ? r : undefined));
    },
    resolve: (keys) => (keys.length === 0 ? Promise.resolve([]) : store.readMany(tenant, keys)),
  };
}

/** Inside a transaction and of one snapshot everything is read in the order of rows. */
function neverPaged(): never {
  throw new Fault('internal', 'Pages are read on the pool.');
}

export function transactionReader(tenant: Tenant, tx: StoreTransaction): Reader {
  return {
    checkTime: timeLimit(SEARCH_TIME_MS),
    tenant,
    query: async ({ text, values }) => (await tx.query(text, values)).rows,
    open: (rows) => (rows.length === 0 ? Promise.resolve([]) : tx.readRows(rows)),
    openFormer: neverPaged,
    sortLines: neverPaged,
    settled: neverPaged,
    resolve: async (keys) => {
      const found: (StoredResource | undefined)[] = [];
      for (const { type, id } of keys) found.push((await tx.read(type, id))?.resource);
      return found;
    },
  };
}

/** Reads everything as of one moment; as long as it takes. */
export function snapshotReader(snapshot: Snapshot): Reader {
  return {
    checkTime: timeLimit(Number.POSITIVE_INFINITY),
    tenant: snapshot.tenant,
    query: ({ text, values }) => snapshot.query(text, values),
    open: (rows) => (rows.length === 0 ? Promise.resolve([]) : snapshot.readRows(rows)),
    openFormer: neverPaged,
    sortLines: neverPaged,
    settled: neverPaged,
    resolve: (keys) => (keys.length === 0 ? Promise.resolve([]) : snapshot.readMany(keys)),
  };
}
