import { Fault, isFault } from '../core/fault.js';
import { isFhirId, newId } from '../core/ids.js';
import type { Resource, StoredResource } from '../core/resource.js';
import type { Actor, Store, StoreTransaction, WriteResult } from '../store/contract.js';
import { isDangling } from '../store/integrity.js';
import type { Tenant } from '../tenancy/tenant.js';
import type { Criteria } from './bundle-criteria.js';
import { type FindMatches, oneMatch } from './bundle-match.js';
import { placedFault } from './bundle-place.js';
import { lockName } from './bundle-resolve.js';
import { inTurn } from './bundle-turn.js';

/** The writing interactions of R4 on one resource, as HTTP and batch entries do them. */
export interface WriteDeps {
  readonly store: Store;
  readonly find: FindMatches;
}

/** Who writes, and where. */
export interface WriteScope {
  readonly tenant: Tenant;
  readonly actor: Actor;
}

/** Times a read-then-write without `If-Match` is tried again when somebody else wrote in between. */
const MAX_RACES = 5;

/** R4 http.html#create and #ccreate. With a match of `ifNoneExist` nothing is written: outcome `unchanged`. */
export async function createResource(
  deps: WriteDeps,
  { tenant, actor }: WriteScope,
  resource: Resource,
  ifNoneExist?: Criteria,
): Promise<WriteResult> {
  const id = newId();
  const type = resource.resourceType;
  const write = { op: 'create', type, id, resource: { ...resource, id } } as const;
  if (!ifNoneExist) return alone(type, deps.store.commit(tenant, [write], actor));
  // Most conditional creates find their match: answer those without a lock.
  const known = await oneMatch(deps.find, tenant, ifNoneExist, 'If-None-Exist');
  if (known) return existing(known);
  return inTurn(`${tenant.record.id} ${ifNoneExist.key}`, async (waited) => {
    // Whoever stood before us in this process most likely made it.
    const made = waited && (await oneMatch(deps.find, tenant, ifNoneExist, 'If-None-Exist'));
    if (made) return existing(made);
    return deps.store.transact(tenant, actor, async (tx) => {
      await tx.lock(lockName(ifNoneExist));
      const match = await oneMatch(deps.find, tenant, ifNoneExist, 'If-None-Exist', tx);
      return match ? existing(match) : alone(type, tx.write([write]));
    });
  });
}

/** R4 http.html#update; creates where nothing is (#upsert). `ifMatch` 0: only where nothing is. */
export async function updateResource(
  deps: WriteDeps,
  { tenant, actor }: WriteScope,
  id: string,
  resource: Resource,
  ifMatch?: number,
): Promise<WriteResult> {
  const type = resource.resourceType;
  return alone(
    type,
    deps.store.commit(tenant, [{ op: 'update', type, id, resource: { ...resource, id }, ifMatch }], actor),
  );
}

/**
 * R4 http.html#cond-update: no match creates (under the body's id where it has one), one match updates it.
 * @throws Fault `precondition` for several matches, `invalid` when the body's id is another than the match's.
 */
export async function updateWhere(
  deps: WriteDeps,
  { tenant, actor }: WriteScope,
  criteria: Criteria,
  resource: Resource,
  ifMatch?: number,
): Promise<WriteResult> {
  return inTurn(`${tenant.record.id} ${criteria.key}`, () =>
    deps.store.transact(tenant, actor, async (tx) => {
      await tx.lock(lockName(criteria));
      const match = await oneMatch(deps.find, tenant, criteria, undefined, tx);
      const id = conditionalUpdateId(resource, match);
      const type = resource.resourceType;
      return alone(type, tx.write([{ op: 'update', type, id, resource: { ...resource, id }, ifMatch }]));
    }),
  );
}

/** The id a conditional update writes under. */
export function conditionalUpdateId(
  resource: Resource,
  match: StoredResource | undefined,
  at = 'id',
): string {
  if (!match) return isFhirId(resource.id) ? resource.id : newId();
  if (resource.id !== undefined && resource.id !== match.id) {
    throw new Fault(
      'invalid',
      'The id in the body is another one than that of the resource the criteria match.',
      {
        at,
        remedy: 'Leave the id out, or correct the criteria.',
      },
    );
  }
  return match.id;
}

/** R4 http.html#delete. Undefined where there was nothing to delete. */
export async function deleteResource(
  deps: WriteDeps,
  { tenant, actor }: WriteScope,
  type: string,
  id: string,
  ifMatch?: number,
): Promise<WriteResult | undefined> {
  const write = { op: 'delete', type, id, ifMatch, skipUnchanged: ifMatch === undefined } as const;
  const result = first(await deps.store.commit(tenant, [write], actor));
  return result.outcome === 'deleted' ? result : undefined;
}

/** Resources one conditional delete removes at most. */
export const MAX_CONDITIONAL_DELETES = 1_000;

/**
 * R4 http.html#3.1.0.7.1 (conditional delete): all matches, in one transaction.
 * @throws Fault `precondition` for several matches unless `multiple`, and for more than MAX_CONDITIONAL_DELETES.
 */
export async function deleteWhere(
  deps: WriteDeps,
  { tenant, actor }: WriteScope,
  criteria: Criteria,
  multiple: boolean,
): Promise<readonly WriteResult[]> {
  return deps.store.transact(tenant, actor, async (tx) => {
    await tx.lock(lockName(criteria));
    const matches = await conditionalDeleteMatches(deps.find, tenant, criteria, multiple, undefined, tx);
    if (matches.length === 0) return [];
    return tx.write(matches.map(({ resourceType, id }) => ({ op: 'delete', type: resourceType, id })));
  });
}

export async function conditionalDeleteMatches(
  find: FindMatches,
  tenant: Tenant,
  criteria: Criteria,
  multiple: boolean,
  at: string | undefined,
  tx: StoreTransaction | undefined,
): Promise<readonly StoredResource[]> {
  if (!multiple) {
    const match = await oneMatch(find, tenant, criteria, at, tx);
    return match ? [match] : [];
  }
  const matches = await find(tenant, criteria, MAX_CONDITIONAL_DELETES + 1, tx);
  if (matches.length > MAX_CONDITIONAL_DELETES) {
    throw new Fault('precondition', `The criteria match more than ${MAX_CONDITIONAL_DELETES} resources.`, {
      at,
      issueCode: 'too-costly',
      remedy: 'Narrow the criteria and delete in several steps.',
    });
  }
  return matches;
}

/** What a patch does to the current content. Must be pure: it runs again after a lost race. */
export type Patch = (current: StoredResource) => Resource;

/**
 * R4 http.html#patch: reads, applies, and writes only if the version read is still the current one.
 * @throws Fault `not-found`, `gone`, `precondition` (If-Match), and what `patch` throws.
 */
export async function patchResource(
  deps: WriteDeps,
  { tenant, actor }: WriteScope,
  type: string,
  id: string,
  patch: Patch,
  ifMatch?: number,
): Promise<WriteResult> {
  for (let race = 0; ; race++) {
    const current = await deps.store.read(tenant, type, id);
    if (!current)
      throw new Fault('not-found', 'No such resource is known here.', {
        remedy: 'Check the type and the id.',
      });
    if (!current.resource)
      throw new Fault('gone', 'The resource was deleted.', { remedy: 'Create it again with PUT.' });
    const resource = patch(current.resource);
    try {
      const write = { op: 'update', type, id, resource, ifMatch: ifMatch ?? current.version } as const;
      return await alone(type, deps.store.commit(tenant, [write], actor));
    } catch (error) {
      if (ifMatch !== undefined || race >= MAX_RACES || !isFault(error)) throw error;
      if (isDangling(error) || (error.category !== 'precondition' && error.category !== 'conflict'))
        throw error;
    }
  }
}

/** What a match of `ifNoneExist` answers. */
export function existing(match: StoredResource): WriteResult {
  return {
    outcome: 'unchanged',
    type: match.resourceType,
    id: match.id,
    version: Number(match.meta.versionId),
    lastUpdated: Date.parse(match.meta.lastUpdated),
    resource: match,
  };
}

/** The one write of an interaction: what the store says of `writes[0].subject` is of `Observation.subject`. */
async function alone(type: string, work: Promise<readonly WriteResult[]>): Promise<WriteResult> {
  try {
    return first(await work);
  } catch (error) {
    throw isFault(error) && /^writes\[0\]./.test(error.at ?? '') ? placedFault(error, () => type) : error;
  }
}

function first(results: readonly WriteResult[]): WriteResult {
  const [result] = results;
  if (!result) throw new Fault('internal', 'The store answered a write with nothing.');
  return result;
}
