import { Fault } from '../core/fault.js';
import { parseJson } from '../core/json.js';
import type { Resource, StoredResource } from '../core/resource.js';
import type { Tenant } from '../tenancy/tenant.js';
import type { Store, StoreTransaction, Write, WriteResult } from './contract.js';
import { faultOf, type Queryable } from './database.js';
import { notCurrent } from './decide.js';
import { seenHistory } from './seen-history.js';
import { readManySeen, readSeen, type SeenIn } from './seen-read.js';
import { resourceOfMember, type Snapshot } from './snapshot.js';
import {
  type Letter,
  narrow,
  narrowedOf,
  narrowedStatement,
  rawOf,
  refusedToNarrowed,
  type Visibility,
} from './visible.js';

type Seen = NonNullable<ReturnType<typeof narrowedOf>>;

/**
 * The store as callers meet it: of a narrowed tenant it gives out what is visible, each version by its own state, and
 * writes what is permitted on the state before and the state after. A hidden resource is one that is not there.
 */
export function guarded(inner: Store): Store {
  const whole = (tenant: Tenant): Tenant => {
    if (narrowedOf(tenant)) throw refusedToNarrowed();
    return tenant;
  };

  const seenIn = ({ raw, visibility }: Seen): SeenIn => ({ raw, db: raw.pool, visibility, letters: ['r'] });

  return {
    ...inner,
    async commit(tenant, writes, actor) {
      const seen = narrowedOf(tenant);
      if (!seen) return inner.commit(tenant, writes, actor);
      return inner.transact(seen.raw, actor, (tx) => guardedTransaction(seen, tx).write(writes));
    },
    commitKept: async (tenant, ...rest) => inner.commitKept(whole(tenant), ...rest),
    async transact(tenant, actor, work) {
      const seen = narrowedOf(tenant);
      if (!seen) return inner.transact(tenant, actor, work);
      return inner.transact(seen.raw, actor, (tx) => work(guardedTransaction(seen, tx)));
    },
    async read(tenant, type, id) {
      const seen = narrowedOf(tenant);
      if (!seen) return inner.read(tenant, type, id);
      if (seen.visibility.allowsAll('r')) return inner.read(seen.raw, type, id);
      return asFault(readSeen(seenIn(seen), type, id));
    },
    async readVersion(tenant, type, id, version) {
      const seen = narrowedOf(tenant);
      if (!seen) return inner.readVersion(tenant, type, id, version);
      if (seen.visibility.allowsAll('r')) return inner.readVersion(seen.raw, type, id, version);
      return asFault(readSeen(seenIn(seen), type, id, version));
    },
    async readMany(tenant, keys) {
      const seen = narrowedOf(tenant);
      if (!seen) return inner.readMany(tenant, keys);
      if (seen.visibility.allowsAll('r')) return inner.readMany(seen.raw, keys);
      return asFault(readManySeen(seenIn(seen), keys));
    },
    async readRows(tenant, rows) {
      const seen = narrowedOf(tenant);
      if (!seen) return inner.readRows(tenant, rows);
      return checkedRows(seen.visibility, seen.letter, await inner.readRows(seen.raw, rows));
    },
    settled: (tenant) => inner.settled(rawOf(tenant)),
    // Of rows that a narrowed statement found; they are opened, and looked at, where they are given out.
    sortLines: (tenant, rows) => inner.sortLines(rawOf(tenant), rows),
    async history(tenant, type, id, options) {
      const seen = narrowedOf(tenant);
      if (!seen) return inner.history(tenant, type, id, options);
      if (seen.visibility.allowsAll('r')) return inner.history(seen.raw, type, id, options);
      return asFault(seenHistory(seenIn(seen), type, id, options));
    },
    replaceDerivedGroup: async (tenant, ...rest) => inner.replaceDerivedGroup(whole(tenant), ...rest),
    async *scan(tenant, options) {
      const seen = narrowedOf(tenant);
      for await (const batch of inner.scan(rawOf(tenant), options))
        yield seen ? batch.filter((r) => seen.visibility.allows('r', r)) : batch;
    },
    async *scanText(tenant, options) {
      const seen = narrowedOf(tenant);
      for await (const batch of inner.scanText(rawOf(tenant), options))
        yield seen
          ? batch.filter(({ text }) => seen.visibility.allows('r', parseJson(text) as Resource))
          : batch;
    },
    // Definitions of search parameters are of nobody's record, and every search needs them.
    parameters: {
      ...inner.parameters,
      assumed: (tenant) => inner.parameters.assumed(rawOf(tenant)),
      current: (tenant, ...rest) => inner.parameters.current(rawOf(tenant), ...rest),
      ofEpoch: (tenant, ...rest) => inner.parameters.ofEpoch(rawOf(tenant), ...rest),
      change: async (tenant, ...rest) => inner.parameters.change(whole(tenant), ...rest),
    },
    reindex: async (tenant, ...rest) => inner.reindex(whole(tenant), ...rest),
    fenceIndex: async (tenant, ...rest) => inner.fenceIndex(whole(tenant), ...rest),
    reseal: async (tenant, ...rest) => inner.reseal(whole(tenant), ...rest),
    endReseal: async (tenant) => inner.endReseal(whole(tenant)),
    erase: async (tenant, ...rest) => inner.erase(whole(tenant), ...rest),
    verify: async (tenant, ...rest) => inner.verify(whole(tenant), ...rest),
  };
}

/** The snapshot as a caller sees it; what it gives is checked once more where it is opened. */
export function narrowedSnapshot(snapshot: Snapshot, visibility: Visibility): Snapshot {
  const { tenant } = snapshot;
  const seen = (text: string, values: readonly unknown[]) =>
    narrowedStatement(tenant, visibility, 'r', text, values, {
      query: (sql, bound) => snapshot.query(sql, bound),
      open: (rows) => snapshot.readRows(rows),
    });
  return {
    tenant: narrow(tenant, visibility, 'r'),
    complete: snapshot.complete,
    async query(text, values) {
      const found = await seen(text, values);
      return snapshot.query(found.text, found.values);
    },
    async *rows(text, values) {
      const found = await seen(text, values);
      yield* snapshot.rows(found.text, found.values);
    },
    async members(rows) {
      const members = await snapshot.members(rows);
      checkedRows(visibility, 'r', members.map(resourceOfMember));
      return members;
    },
    readRows: async (rows) => checkedRows(visibility, 'r', await snapshot.readRows(rows)),
    async readMany(keys) {
      const found = await snapshot.readMany(keys);
      return found.map((r) => (r && visibility.allows('r', r) ? r : undefined));
    },
  };
}

/**
 * Rows come from statements that saw visible rows alone; here the opened bodies are looked at once more. They can differ
 * only by a defect, and then nothing is given.
 */
function checkedRows(
  visibility: Visibility,
  letter: 'r' | 's',
  resources: StoredResource[],
): StoredResource[] {
  if (resources.every((r) => visibility.allows(letter, r))) return resources;
  throw new Fault('internal', 'What was found and what may be seen do not agree.', {
    log: 'a row outside of the caller’s visibility was found',
  });
}

const LETTERS: Readonly<Record<Write['op'], Letter>> = { create: 'c', update: 'u', delete: 'd' };

async function asFault<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw faultOf(error);
  }
}

function guardedTransaction({ raw, visibility, letter }: Seen, tx: StoreTransaction): StoreTransaction {
  const known: readonly Letter[] = ['r', 'u', 'd'];
  const db = {
    query: ({ text, values }: { text: string; values: readonly unknown[] }) => tx.query(text, values),
  } as unknown as Queryable;
  const seenIn: SeenIn = { raw, db, visibility, letters: known };
  return {
    lock: (...names) => tx.lock(...names),
    async query(sql, values) {
      const { text, values: all } = await narrowedStatement(raw, visibility, letter, sql, values);
      return tx.query(text, all);
    },
    /** Also what may be changed though not read: a patch begins with what stands. */
    read: (type, id) => readSeen(seenIn, type, id),
    async readRows(rows) {
      return checkedRows(visibility, letter, await tx.readRows(rows));
    },
    async write(writes): Promise<WriteResult[]> {
      const checked: Write[] = [];
      const absent = new Map<number, WriteResult>();
      for (const [i, write] of writes.entries()) {
        const at = writes.length === 1 ? undefined : `writes[${i}]`;
        // A deletion tells whether something was there: what is hidden was not.
        const deletes = write.op === 'delete';
        const current = (
          await (deletes ? readSeen(seenIn, write.type, write.id) : tx.read(write.type, write.id))
        )?.resource;
        if (deletes && !current) {
          absent.set(i, nothingDeleted(write, at));
          continue;
        }
        const states = [current, write.resource].filter((state) => state !== undefined);
        if (!states.every((state) => visibility.allows(LETTERS[write.op], state))) {
          throw new Fault('forbidden', 'The token does not permit this write.', {
            at,
            remedy: 'What stands and what is to stand must both be within the token’s scopes.',
          });
        }
        // What was judged is what is replaced, whoever else writes meanwhile.
        const ifMatch = write.ifMatch ?? (current ? Number(current.meta.versionId) : 0);
        checked.push(write.op === 'create' ? write : { ...write, ifMatch });
      }
      const results = (await tx.write(checked))[Symbol.iterator]();
      return writes.map((_, i) => absent.get(i) ?? (results.next().value as WriteResult));
    },
    replaceDerivedGroup: () => Promise.reject(refusedToNarrowed()),
    replaceDerivedGroups: () => Promise.reject(refusedToNarrowed()),
  };
}

/** As the store answers a deletion where nothing is. @throws Fault `precondition` | `not-found` */
function nothingDeleted({ type, id, ifMatch, skipUnchanged }: Write, at: string | undefined): WriteResult {
  if (ifMatch !== undefined && ifMatch !== 0) throw notCurrent(0, at);
  if (!skipUnchanged) throw new Fault('not-found', 'There is no resource with this id.', { at });
  return { outcome: 'unchanged', type, id, version: 0, lastUpdated: 0 };
}
