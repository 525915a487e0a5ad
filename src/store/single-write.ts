import type { Tenant } from '../tenancy/tenant.js';
import { assemble } from './assemble.js';
import type { Actor, WriteResult } from './contract.js';
import { lookAtCurrent } from './current.js';
import { faultOf, isRetriable } from './database.js';
import { type Decision, decide } from './decide.js';
import { documentState, WITHDRAWN } from './document-state.js';
import type { PreparedWrite } from './prepare.js';
import { gatedWrite } from './small-write.js';
import { Written } from './written.js';

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
): Promise<WriteResult | undefined> {
  try {
    // A creation mostly meets nothing; the statement itself finds out.
    const current = write.op === 'create' ? undefined : await lookAtCurrent(tenant.pool, write);
    const decision = decide(write, current, now);
    if (decision.outcome === 'unchanged') return new Written(decision);
    if (needsLocks(decision)) return undefined;
    const rows = assemble(tenant.keys, [decision], actor, now);
    const { epoch } = tenant.record;
    const gate = { epoch, parameters, version: current?.ver ?? 0 };
    // The transaction with locks finds out which epoch is another, and what is to be done.
    return (await gatedWrite(tenant.pool, rows, gate)).written ? new Written(decision) : undefined;
  } catch (error) {
    if (isRetriable(error)) return undefined;
    throw faultOf(error);
  }
}

function needsLocks({ write, current }: Decision): boolean {
  if (!current) return false;
  if (write.body && write.body.part !== current.part) return true;
  return write.type === 'DocumentReference' && documentState(write.body?.resource) === WITHDRAWN;
}
