import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import type { Clock } from '../core/clock.js';
import type { StoredResource } from '../core/resource.js';
import type { Tenant } from '../tenancy/tenant.js';
import { openBodies } from './bodies.js';
import { resourceOf } from './content.js';
import type { RowKey } from './contract.js';
import { faultOf } from './database.js';
import { readMany, readRows } from './read.js';
import type { SegmentMember } from './segment.js';

/** Rows fetched at once: some 2 MB of bodies. */
const ROWS_PER_BATCH = 2000;
/** A statement over a whole lake takes longer than any request may. */
const STATEMENT_TIMEOUT_MS = 60 * 60_000;
/**
 * Between the instant that is promised and the snapshot: longer than a write may wait between taking its time and
 * reaching the database (`single-write.ts`), with room for clocks of several servers that differ a little.
 */
const SETTLE_MS = 500;
/** Writers older than the promised instant are waited for this long; then an earlier instant is promised. */
const MAX_WAIT_MS = 3_000;
const LOOK_EVERY_MS = 50;
/** Names our own reading transactions, which hold no instant back. */
const APPLICATION = 'cenote snapshot';

/** The tenant's data as of one moment, on one connection; calls must come one after the other. */
export interface Snapshot {
  readonly tenant: Tenant;
  /**
   * ms since the epoch: whatever was written up to here is seen. What came later may be seen too; whoever next asks
   * for changes since here misses nothing, however long a writer was under way.
   */
  readonly complete: number;
  query(text: string, values: readonly unknown[]): Promise<Record<string, unknown>[]>;
  /** The rows of a statement that selects `part, rtype, rid, ver, sid, slot`, a batch in memory at a time. */
  rows(text: string, values: readonly unknown[]): AsyncGenerator<RowKey[]>;
  /** Bodies as text, in order. @throws Fault `integrity` */
  members(rows: readonly RowKey[]): Promise<SegmentMember[]>;
  readRows(rows: readonly RowKey[]): Promise<StoredResource[]>;
  readMany(keys: readonly { type: string; id: string }[]): Promise<(StoredResource | undefined)[]>;
}

export const resourceOfMember = (member: SegmentMember): StoredResource => resourceOf(member, member.content);

/**
 * Runs `work` on one snapshot of the tenant's database; holds one connection until it ends. Where nobody will ask for
 * changes since then, `settled: false` saves the wait for writers under way: `complete` is then not to be relied on.
 */
export async function atSnapshot<T>(
  tenant: Tenant,
  clock: Clock,
  work: (snapshot: Snapshot) => Promise<T>,
  { settled = true }: { readonly settled?: boolean } = {},
): Promise<T> {
  const client = await tenant.pool.connect().catch((error: unknown) => {
    throw faultOf(error);
  });
  let broken = true;
  // Before the snapshot is taken: the rows in it have the terms that are searched for now, however long it lasts.
  const seen = withKeptTerms(tenant);
  try {
    const complete = settled ? await completeUpTo(client, clock) : clock.now();
    await client.query(
      'begin isolation level repeatable read read only; set local idle_in_transaction_session_timeout = 0;' +
        ` set local statement_timeout = ${STATEMENT_TIMEOUT_MS}; set local application_name = '${APPLICATION}'; select 1`,
    );
    const result = await work(snapshotOn(seen, client, complete));
    await client.query('commit');
    broken = false;
    return result;
  } catch (error) {
    throw faultOf(error);
  } finally {
    if (broken) {
      broken = await client.query('rollback').then(
        () => false,
        () => true,
      );
    }
    client.release(broken);
  }
}

/**
 * The instant a snapshot taken right after may promise. A write gets its time before it commits, so a snapshot can miss
 * a write that is older than itself: those under way are waited for, and where one takes too long the instant is put
 * before its beginning.
 */
async function completeUpTo(client: pg.PoolClient, clock: Clock): Promise<number> {
  const wanted = clock.now();
  const began = performance.now();
  await sleep(SETTLE_MS);
  for (;;) {
    // Before the snapshot: what is not listed here and not in the snapshot began after this look.
    const { rows } = await client.query<{ age: number | null }>(
      `select extract(epoch from clock_timestamp() - min(xact_start))::float8 * 1000 as age from pg_stat_activity
       where datname = current_database() and pid <> pg_backend_pid() and xact_start is not null
         and backend_type = 'client backend' and application_name <> '${APPLICATION}'`,
    );
    const waited = performance.now() - began;
    const age = rows[0]?.age ?? 0;
    // A write may have taken its time a little before its transaction began.
    const early = age + SETTLE_MS - waited;
    if (rows[0]?.age == null || early <= 0) return wanted;
    if (waited > MAX_WAIT_MS) return Math.floor(wanted - early);
    await sleep(LOOK_EVERY_MS);
  }
}

/** The tenant, whose terms stay what they are now when its index key is changed meanwhile. */
function withKeptTerms(tenant: Tenant): Tenant {
  return { ...tenant, keys: Object.create(tenant.keys, { blind: { value: tenant.keys.blind } }) };
}

function snapshotOn(tenant: Tenant, client: pg.PoolClient, complete: number): Snapshot {
  let cursors = 0;
  return {
    tenant,
    complete,
    async query(text, values) {
      return (await client.query(text, values as unknown[])).rows;
    },
    async *rows(text, values) {
      const name = `rows_${cursors++}`;
      await client.query(`declare ${name} no scroll cursor for ${text}`, values as unknown[]);
      for (;;) {
        const { rows } = await client.query(`fetch ${ROWS_PER_BATCH} from ${name}`);
        if (rows.length > 0) yield rows as RowKey[];
        if (rows.length < ROWS_PER_BATCH) break;
      }
      await client.query(`close ${name}`);
    },
    members: (rows) => openBodies(tenant.keys, client, rows),
    readRows: (rows) => readRows(tenant, client, rows),
    readMany: (keys) => readMany(tenant, client, keys),
  };
}
