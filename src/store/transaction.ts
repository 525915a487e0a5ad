import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { Fault } from '../core/fault.js';
import type { Tenant } from '../tenancy/tenant.js';
import { faultOf, isRetriable } from './database.js';

/** Retries of a transaction that lost against others, after the first attempt. */
const MAX_RETRIES = 3;
/** First pause before a retry, doubled each time, with as much again at random. */
const RETRY_PAUSE_MS = 5;

/**
 * Runs `work` in one transaction of the tenant's database, fenced by its epoch: the first statement takes a share lock
 * on the epoch's row, so a tenant that is being moved waits for writers, and a writer with a stale catalog entry is
 * refused. Retried when the database asks for it; `work` must therefore start from scratch each time. It is told the
 * epoch of the tenant's own search parameters, which stays as it is while the transaction lasts.
 */
export async function inTransaction<T>(
  tenant: Tenant,
  work: (client: pg.PoolClient, parameters: number) => Promise<T>,
): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await attemptOnce(tenant, work);
    } catch (error) {
      if (!isRetriable(error) || attempt >= MAX_RETRIES) throw faultOf(error);
      await sleep(RETRY_PAUSE_MS * 2 ** attempt * (1 + Math.random()));
    }
  }
}

async function attemptOnce<T>(
  tenant: Tenant,
  work: (client: pg.PoolClient, parameters: number) => Promise<T>,
): Promise<T> {
  const client = await tenant.pool.connect();
  let broken: Error | undefined;
  try {
    const parameters = await begin(client, tenant);
    const result = await work(client, parameters);
    await client.query('commit');
    return result;
  } catch (error) {
    try {
      await client.query('rollback');
    } catch (rollbackError) {
      // The connection is not known to be clean: the pool must not lend it again.
      broken = rollbackError as Error;
    }
    throw error;
  } finally {
    client.release(broken);
  }
}

/** Two statements in one round trip; the simple protocol answers them as a list. */
async function begin(client: pg.PoolClient, { record: { epoch }, keys }: Tenant): Promise<number> {
  const results = (await client.query(
    'begin; select epoch, parameters, least_body, least_patient, least_index from tenant_epoch where part = 0 for share',
  )) as unknown as pg.QueryResult<EpochRow>[];
  const row = results[1]?.rows[0];
  if (!row || Number(row.epoch) !== epoch) throw fencedOff(epoch);
  const behind = () =>
    keys.currentVersion < Number(row.least_body) ||
    keys.wrapVersion < Number(row.least_patient) ||
    keys.indexPhase < Number(row.least_index);
  if (behind()) await keys.reload();
  if (behind())
    throw new Fault('unavailable', 'The keys of this tenant were changed; nothing was written.', {
      remedy: 'Try again in a moment.',
    });
  return Number(row.parameters);
}

interface EpochRow {
  epoch: number;
  parameters: number;
  /** Oldest versions of the body key and of the key that wraps patients' that may still be written under. */
  least_body: number;
  least_patient: number;
  /** The step of a change of the index key that writers must have taken. */
  least_index: number;
}

export function fencedOff(epoch: number): Fault {
  return new Fault('unavailable', 'This tenant is being moved, or was moved; nothing was written.', {
    remedy: 'Try again in a moment.',
    log: `epoch ${epoch} of the catalog entry is not the database's`,
  });
}
