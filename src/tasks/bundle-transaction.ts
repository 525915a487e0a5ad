import { Fault, invalid, isFault } from '../core/fault.js';
import { newId } from '../core/ids.js';
import type { Resource, StoredResource } from '../core/resource.js';
import type { StoreTransaction, Write, WriteResult } from '../store/contract.js';
import { type Entry, METHOD_ORDER, moved, within } from './bundle-entry.js';
import { conditionalDeleteMatches, conditionalUpdateId, existing } from './bundle-interactions.js';
import { matchesBesides, severalMatches } from './bundle-match.js';
import type { BundleDeps, BundleScope } from './bundle-options.js';
import { patchOf } from './bundle-patch.js';
import { placedFault } from './bundle-place.js';
import {
  lockName,
  NewResources,
  type Pending,
  type ResolveOptions,
  resolveReferences,
} from './bundle-resolve.js';
import { type EntryResult, OTHER_PART } from './bundle-result.js';

/**
 * A transaction (R4 http.html#transaction): all entries or none, in the order DELETE, POST, PUT, PATCH, GET,
 * whatever their order in the bundle.
 * @throws Fault naming the entry that failed; nothing is written then.
 */
export async function runTransaction(
  deps: BundleDeps,
  scope: BundleScope,
  entries: readonly Entry[],
): Promise<EntryResult[]> {
  refuseRepeatedFullUrls(entries);
  const searches = entries.filter(isRead).filter((entry) => !instanceRead(entry));
  // A search cannot be undone by a transaction that fails after it, nor run inside one; so that a bad one stops
  // everything, it is tried before anything is written, and runs again on what was written.
  if (scope.part === 'reads') return readAfter(scope, entries);
  if (scope.part !== 'writes') for (const entry of searches) await readOrFail(scope, entry);
  if (scope.part === 'searches') return entries.map(() => OTHER_PART);
  const results = needsTransaction(entries)
    ? await deps.store.transact(scope.tenant, scope.actor, (tx) => execute(deps, scope, entries, tx))
    : await execute(deps, scope, entries, undefined);
  if (scope.part === 'writes')
    return entries.map((entry) => (isRead(entry) ? OTHER_PART : results[entry.index]!));
  for (const entry of searches) results[entry.index] = await readOrFail(scope, entry);
  // Only now, as it asks the database by another connection: held together, the two could exhaust the pool.
  for (const entry of entries) {
    const result = results[entry.index];
    if (result?.kind === 'read' && instanceRead(entry) && scope.decorate) {
      results[entry.index] = { kind: 'read', read: await scope.decorate(result.read) };
    }
  }
  return entries.map((entry) => {
    const result = results[entry.index];
    if (!result) throw new Fault('internal', 'An entry of the transaction was left without a result.');
    return result;
  });
}

/** Without conditions, patches and reads one plain commit does, which saves the round trips of a dialogue. */
function needsTransaction(entries: readonly Entry[]): boolean {
  return entries.some(
    (entry) => entry.ifNoneExist || entry.criteria || entry.method === 'PATCH' || instanceRead(entry),
  );
}

function isRead(entry: Entry): boolean {
  return entry.method === 'GET' || entry.method === 'HEAD';
}

/** `Patient/1`: read inside the transaction itself, so that it sees what the transaction wrote. */
function instanceRead(entry: Entry): boolean {
  return isRead(entry) && entry.type !== undefined && /^[A-Za-z]+\/[A-Za-z0-9\-.]{1,64}$/.test(entry.url);
}

function refuseRepeatedFullUrls(entries: readonly Entry[]): void {
  const seen = new Map<string, Entry>();
  for (const entry of entries) {
    if (entry.fullUrl === undefined || isRead(entry)) continue;
    const before = seen.get(entry.fullUrl);
    if (before)
      throw invalid(`The entry has the same fullUrl as entry ${before.index}.`, `${entry.at}.fullUrl`);
    seen.set(entry.fullUrl, entry);
  }
}

/** The reads of a transaction that is committed: one that fails now has its own status and undoes nothing. */
async function readAfter(scope: BundleScope, entries: readonly Entry[]): Promise<EntryResult[]> {
  const results: EntryResult[] = [];
  for (const entry of entries)
    results.push(
      isRead(entry) && scope.read ? { kind: 'read', read: await scope.read(entry, 'answer') } : OTHER_PART,
    );
  return results;
}

async function readOrFail(scope: BundleScope, entry: Entry): Promise<EntryResult> {
  if (!scope.read)
    throw new Fault('unsupported', 'A bundle of an import cannot read.', {
      at: `${entry.at}.request.method`,
    });
  return { kind: 'read', read: await scope.read(entry, 'throw') };
}

/** What an entry will write, once its conditions are decided. */
interface Planned {
  readonly entry: Entry;
  readonly type: string;
  readonly id: string;
  readonly op: 'create' | 'update' | 'delete';
  readonly resource: Resource | undefined;
  readonly ifMatch: number | undefined;
}

async function execute(
  deps: BundleDeps,
  scope: BundleScope,
  entries: readonly Entry[],
  tx: StoreTransaction | undefined,
): Promise<(EntryResult | undefined)[]> {
  const results: (EntryResult | undefined)[] = [];
  const { matches, deleted } = tx
    ? await decideConditions(deps, scope, entries, tx)
    : { matches: NO_MATCHES, deleted: deletedBy(entries, NO_MATCHES) };
  const targets = new Map<string, string>();
  const planned: Planned[] = [];
  const createdFor = new Map<string, string>();
  const again: { entry: Entry; name: string }[] = [];
  const siblings = createSiblings(deps, scope, entries);

  for (const method of METHOD_ORDER) {
    for (const entry of entries) {
      if (entry.method !== method || isRead(entry) || entry.type === undefined) continue;
      const found = matches.get(entry) ?? [];
      if (method === 'DELETE' && entry.criteria) {
        results[entry.index] = { kind: 'deleted', results: [] };
        for (const { id } of found) planned.push(plan(entry, id, 'delete'));
        continue;
      }
      if (entry.ifNoneExist) {
        const [match] = found;
        const sibling = createdFor.get(entry.ifNoneExist.key) ?? siblings.match(entry, match);
        const id = match?.id ?? sibling;
        if (id !== undefined) {
          const name = `${entry.type}/${id}`;
          if (entry.fullUrl) targets.set(entry.fullUrl, name);
          if (match) results[entry.index] = { kind: 'written', result: existing(match) };
          else again.push({ entry, name });
          continue;
        }
      } else if (entry.criteria && siblings.match(entry, found[0]) !== undefined) {
        throw invalid(
          'The criteria match a resource that another entry creates.',
          conditionPlace(entry),
          'Let each resource stand once in a transaction.',
        );
      }
      const item = planWrite(entry, found);
      if (method === 'POST') siblings.add({ ...item.resource!, id: item.id });
      if (entry.ifNoneExist) createdFor.set(entry.ifNoneExist.key, item.id);
      if (entry.fullUrl && method !== 'DELETE') targets.set(entry.fullUrl, `${item.type}/${item.id}`);
      planned.push(item);
    }
  }
  refuseSameTarget(planned);

  const bodies = await prepareBodies(deps, scope, planned, { targets, deleted }, tx);
  const writes: Write[] = [];
  for (const item of planned) {
    // Deleting what is not there is no failure (R4 http.html#delete), unless a version was named.
    const skipUnchanged = item.op === 'delete' && item.ifMatch === undefined;
    writes.push({
      op: item.op,
      type: item.type,
      id: item.id,
      resource: bodies.get(item),
      ifMatch: item.ifMatch,
      skipUnchanged,
    });
  }
  const written = await writeAll(deps, scope, writes, planned, tx);
  const byName = new Map<string, WriteResult>();
  written.forEach((result, i) => {
    const { entry, op } = planned[i]!;
    byName.set(`${result.type}/${result.id}`, result);
    const before = results[entry.index];
    if (before?.kind === 'deleted')
      results[entry.index] = { kind: 'deleted', results: [...before.results, result] };
    else if (op === 'delete') results[entry.index] = { kind: 'deleted', results: [result] };
    else results[entry.index] = { kind: 'written', result };
  });
  for (const { entry, name } of again) {
    const result = byName.get(name);
    if (result) results[entry.index] = { kind: 'written', result: { ...result, outcome: 'unchanged' } };
  }
  if (tx) {
    for (const entry of entries) if (instanceRead(entry)) results[entry.index] = await readInside(entry, tx);
  }
  return results;
}

/** What the POST entries before one create: conditions look at it too, as the entries are done one after the other. */
function createSiblings(deps: BundleDeps, { tenant }: BundleScope, entries: readonly Entry[]) {
  const asked = new Set(
    entries.flatMap((entry) => ((entry.ifNoneExist ?? entry.criteria) ? [entry.type] : [])),
  );
  const created = new NewResources(tenant, deps.satisfies, []);
  return {
    add(resource: Resource): void {
      if (asked.has(resource.resourceType)) created.add(resource);
    },
    /** The id of the one that the entry's criteria match. @throws Fault `precondition` for several, `stored` among them. */
    match(entry: Entry, stored: StoredResource | undefined): string | undefined {
      const at = conditionPlace(entry);
      const ids = within(at, () => created.matching((entry.ifNoneExist ?? entry.criteria)!));
      if (ids.length + (stored ? 1 : 0) > 1) throw severalMatches(at);
      return ids[0];
    },
  };
}

function plan(entry: Entry, id: string, op: Planned['op'], resource?: Resource, ifMatch?: number): Planned {
  return { entry, type: entry.type!, id, op, resource, ifMatch };
}

function planWrite(entry: Entry, found: readonly StoredResource[]): Planned {
  switch (entry.method) {
    case 'POST':
      return plan(entry, newId(), 'create', entry.resource);
    case 'DELETE':
      return plan(entry, entry.id!, 'delete', undefined, entry.ifMatch);
    case 'PATCH': {
      const id = entry.id ?? found[0]?.id;
      if (id === undefined) {
        throw new Fault('not-found', 'The criteria of the patch match no resource.', {
          at: `${entry.at}.request.url`,
        });
      }
      return plan(entry, id, 'update', entry.resource, entry.ifMatch);
    }
    default: {
      const id = entry.id ?? conditionalUpdateId(entry.resource!, found[0], `${entry.at}.resource.id`);
      return plan(entry, id, 'update', entry.resource, entry.ifMatch);
    }
  }
}

interface Decided {
  /** What the criteria of each conditional entry match. */
  readonly matches: ReadonlyMap<Entry, readonly StoredResource[]>;
  /** `Type/id` of everything the transaction deletes. */
  readonly deleted: ReadonlySet<string>;
}

const NO_MATCHES: Decided['matches'] = new Map();

function deletedBy(entries: readonly Entry[], matches: Decided['matches']): Decided['deleted'] {
  const deleted = new Set<string>();
  for (const entry of entries) {
    if (entry.method !== 'DELETE') continue;
    if (entry.id !== undefined) deleted.add(`${entry.type}/${entry.id}`);
    for (const { id } of matches.get(entry) ?? []) deleted.add(`${entry.type}/${id}`);
  }
  return deleted;
}

/**
 * Takes the locks of all conditions in one order, then looks all of them up at once: those of DELETE first, as what is
 * deleted is there for no other entry (R4 http.html#trules).
 */
async function decideConditions(
  deps: BundleDeps,
  { tenant, multipleDelete }: BundleScope,
  entries: readonly Entry[],
  tx: StoreTransaction,
): Promise<Decided> {
  const conditional = entries.filter((entry) => entry.ifNoneExist ?? entry.criteria);
  const locks = new Set(conditional.map((entry) => lockName((entry.ifNoneExist ?? entry.criteria)!)));
  if (locks.size > 0) await tx.lock(...locks);
  const decided = new Map<Entry, readonly StoredResource[]>();
  for (const entry of conditional) {
    if (entry.method !== 'DELETE') continue;
    const at = conditionPlace(entry);
    decided.set(
      entry,
      await conditionalDeleteMatches(deps.find, tenant, entry.criteria!, multipleDelete ?? false, at, tx),
    );
  }
  const deleted = deletedBy(entries, decided);
  const single = conditional.filter((entry) => entry.method !== 'DELETE');
  const criteria = single.map((entry) => (entry.ifNoneExist ?? entry.criteria)!);
  // What a POST would find deleted is made anew; a PUT or PATCH of it would write what is deleted here, and fails.
  const found = await matchesBesides(deps, tenant, criteria, deleted, tx);
  single.forEach((entry, i) => {
    const matches = found[i] ?? [];
    if (matches.length > 1) throw severalMatches(conditionPlace(entry));
    decided.set(entry, matches);
  });
  return { matches: decided, deleted };
}

function conditionPlace(entry: Entry): string {
  return `${entry.at}.request.${entry.ifNoneExist ? 'ifNoneExist' : 'url'}`;
}

/** "If any resource identities overlap, the transaction SHALL fail" (R4 http.html#trules). */
function refuseSameTarget(planned: readonly Planned[]): void {
  const seen = new Map<string, Planned>();
  for (const item of planned) {
    const key = `${item.type}/${item.id}`;
    const before = seen.get(key);
    if (before && before.entry !== item.entry) {
      throw invalid(
        `The entry writes the same resource as entry ${before.entry.index}.`,
        item.entry.at,
        'Let each resource stand once in a transaction.',
      );
    }
    seen.set(key, item);
  }
}

/** Applies patches to what is stored, and resolves the references of everything that is to be written. */
async function prepareBodies(
  deps: BundleDeps,
  scope: BundleScope,
  planned: readonly Planned[],
  { targets, deleted }: Pick<ResolveOptions, 'targets' | 'deleted'>,
  tx: StoreTransaction | undefined,
): Promise<Map<Planned, Resource>> {
  const items: Planned[] = [];
  const pending: Pending[] = [];
  for (const item of planned) {
    if (item.op === 'delete') continue;
    const resource = item.entry.method === 'PATCH' ? await patched(item, tx!) : item.resource!;
    items.push(item);
    pending.push({
      resource: { ...resource, id: item.id },
      at: `${item.entry.at}.resource`,
      fullUrl: item.entry.fullUrl,
    });
  }
  const resolved = await resolveReferences(deps, pending, {
    tenant: scope.tenant,
    base: scope.base,
    targets,
    deleted,
    tx,
    refuseUnknownUrns: true,
    maySearch: scope.maySearch,
  });
  return new Map(items.map((item, i) => [item, resolved[i]!]));
}

async function patched({ entry, type, id }: Planned, tx: StoreTransaction): Promise<Resource> {
  const current = await tx.read(type, id);
  if (!current)
    throw new Fault('not-found', 'There is no such resource to patch.', { at: `${entry.at}.request.url` });
  if (!current.resource)
    throw new Fault('gone', 'The resource to patch was deleted.', { at: `${entry.at}.request.url` });
  try {
    return patchOf(entry.resource)(current.resource);
  } catch (error) {
    throw isFault(error) ? moved(error, `${entry.at}.resource`) : error;
  }
}

async function readInside(entry: Entry, tx: StoreTransaction): Promise<EntryResult> {
  const found = await tx.read(entry.type!, entry.id!);
  if (!found?.resource) {
    throw new Fault(found ? 'gone' : 'not-found', 'There is no such resource to read.', {
      at: `${entry.at}.request.url`,
    });
  }
  const { resource, version, lastUpdated } = found;
  const body = entry.method === 'HEAD' ? {} : { resource };
  return { kind: 'read', read: { status: 200, ...body, version, lastUpdated } };
}

/** Writes everything at once; the store's fault names a write, the caller's an entry. */
async function writeAll(
  deps: BundleDeps,
  { tenant, actor }: BundleScope,
  writes: readonly Write[],
  planned: readonly Planned[],
  tx: StoreTransaction | undefined,
): Promise<WriteResult[]> {
  if (writes.length === 0) return [];
  try {
    return tx ? await tx.write(writes) : await deps.store.commit(tenant, writes, actor);
  } catch (error) {
    if (!isFault(error)) throw error;
    throw placedFault(error, (write) => planned[write]?.entry.at);
  }
}
