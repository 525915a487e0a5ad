import type pg from 'pg';
import type { Tenant } from '../tenancy/tenant.js';
import { assemble } from './assemble.js';
import type { Actor, WriteResult } from './contract.js';
import { lookAtCurrent } from './current.js';
import { faultOf, isRetriable } from './database.js';
import { type Decision, decide } from './decide.js';
import { WITHDRAWN } from './document-state.js';
import { forgetSeen, singleKey } from './patient-keys.js';
import { type PreparedWrite, partOf } from './prepare.js';
import { gatedWrite } from './small-write.js';
import { Written } from './written.js';

/**
 * A write whose time was taken longer ago than this when it gets a connection is left to the transaction, which takes
 * its time anew: what reads changes since an instant relies on it (`snapshot.ts`).
 */
const MAX_AGE_MS = 200;

/**
 * A commit of one write, in one statement where that can be: a creation in one round trip, an update in two (look, then
 * compare and swap). Others (an id that was deleted before, a move between compartments, a document that takes its facts
 * along, a lost race, search parameters that changed) are left to the transaction with locks.
 * @returns undefined where nothing was written and the transaction with locks is to be used
 */
export async function singleWrite(
  tenant: Tenant,
  write: PreparedWrite,
  actor: Actor,
  now: number,
  parameters: number,
  /** Step of a change of the index key that the write was prepared at. */
  index: number,
): Promise<WriteResult | undefined> {
  const began = performance.now();
  try {
    // A creation mostly meets nothing; the statement itself finds out.
    const current = write.op === 'create' ? undefined : await lookAtCurrent(tenant.pool, write);
    const decision = decide(write, current, now);
    if (decision.outcome === 'unchanged') return new Written(decision);
    if (needsLocks(decision)) return undefined;
    const { key, row, epoch: keyEpoch } = await singleKey(tenant, write);
    const own = new Map(key ? [[key.owner, key]] : []);
    const rows = assemble(tenant.keys, [decision], actor, now, own);
    if (row) rows.add('patientKey', partOf(row.owner), row.owner, row.wv, row.wrapped);
    const { epoch } = tenant.record;
    const { currentVersion: body, wrapVersion: patient } = tenant.keys;
    const gate = { epoch, parameters, version: current?.ver ?? 0, keys: keyEpoch, body, patient, index };
    const client = await connect(tenant);
    let broken: Error | undefined;
    try {
      if (performance.now() - began > MAX_AGE_MS) return undefined;
      // The transaction with locks finds out which epoch is another, and what is to be done.
      if ((await gatedWrite(client, rows, gate)).written) return new Written(decision);
      forgetSeen(tenant.keys);
      return undefined;
    } catch (error) {
      broken = error as Error;
      throw error;
    } finally {
      client.release(broken);
    }
  } catch (error) {
    if (isRetriable(error)) return undefined;
    throw faultOf(error);
  }
}

/** By the callback, which the pool answers at once where a connection is free. */
function connect({ pool }: Tenant): Promise<pg.PoolClient> {
  return new Promise((resolve, reject) => {
    pool.connect((error, client) => (client ? resolve(client) : reject(error)));
  });
}

function needsLocks({ write, current }: Decision): boolean {
  if (!current) return false;
  if (write.body && write.body.part !== current.part) return true;
  return write.type === 'DocumentReference' && (write.body?.state ?? WITHDRAWN) === WITHDRAWN;
}
