import { Fault } from '../core/fault.js';
import { parseJson } from '../core/json.js';
import type { Resource, StoredResource } from '../core/resource.js';
import type { Tenant } from '../tenancy/tenant.js';
import type {
  HistoryOptions,
  HistoryPage,
  Store,
  StoreTransaction,
  VersionRead,
  Write,
  WriteResult,
} from './contract.js';
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

/** Versions of one resource looked at where some may be hidden. */
const MAX_VERSIONS = 10_000;
const VERSIONS_PER_READ = 1_000;

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

  /** The state by which a version is judged: of a deletion, what was deleted. */
  async function stateOf(raw: Tenant, version: VersionRead): Promise<Resource | undefined> {
    if (version.resource || version.version <= 1) return version.resource;
    const before = await inner.readVersion(raw, version.type, version.id, version.version - 1);
    return before?.resource;
  }

  async function ifVisible(
    { raw, visibility }: Seen,
    version: VersionRead | undefined,
  ): Promise<VersionRead | undefined> {
    if (!version) return undefined;
    const state = await stateOf(raw, version);
    return state && visibility.allows('r', state) ? version : undefined;
  }

  async function history(
    seen: Seen,
    type: string,
    id: string,
    { count, belowVersion, ...when }: HistoryOptions,
  ): Promise<HistoryPage | undefined> {
    const all: VersionRead[] = [];
    for (let below: number | undefined; all.length < MAX_VERSIONS; ) {
      const options = {
        ...when,
        count: VERSIONS_PER_READ,
        ...(below === undefined ? {} : { belowVersion: below }),
      };
      const page = await inner.history(seen.raw, type, id, options);
      if (!page) return undefined;
      all.push(...page.versions);
      if (!page.more) break;
      below = page.versions.at(-1)!.version;
    }
    const visible: VersionRead[] = [];
    for (const version of all) if (await ifVisible(seen, version)) visible.push(version);
    if (visible.length === 0) {
      // Where no version at all is visible there is no such resource.
      const filtered = when.sinceMs !== undefined || when.atMs !== undefined;
      if (!filtered || !(await history(seen, type, id, { count: 1 }))) return undefined;
    }
    const rest = visible.filter((v) => belowVersion === undefined || v.version < belowVersion);
    return { versions: rest.slice(0, count), total: visible.length, more: rest.length > count };
  }

  return {
    ...inner,
    async commit(tenant, writes, actor) {
      const seen = narrowedOf(tenant);
      if (!seen) return inner.commit(tenant, writes, actor);
      return inner.transact(seen.raw, actor, (tx) => guardedTransaction(seen, tx).write(writes));
    },
    async transact(tenant, actor, work) {
      const seen = narrowedOf(tenant);
      if (!seen) return inner.transact(tenant, actor, work);
      return inner.transact(seen.raw, actor, (tx) => work(guardedTransaction(seen, tx)));
    },
    async read(tenant, type, id) {
      const seen = narrowedOf(tenant);
      if (!seen) return inner.read(tenant, type, id);
      return ifVisible(seen, await inner.read(seen.raw, type, id));
    },
    async readVersion(tenant, type, id, version) {
      const seen = narrowedOf(tenant);
      if (!seen) return inner.readVersion(tenant, type, id, version);
      return ifVisible(seen, await inner.readVersion(seen.raw, type, id, version));
    },
    async readMany(tenant, keys) {
      const seen = narrowedOf(tenant);
      if (!seen) return inner.readMany(tenant, keys);
      const found = await inner.readMany(seen.raw, keys);
      return found.map((r) => (r && seen.visibility.allows('r', r) ? r : undefined));
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
      return history(seen, type, id, options);
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

function guardedTransaction({ raw, visibility, letter }: Seen, tx: StoreTransaction): StoreTransaction {
  const known: readonly Letter[] = ['r', 'u', 'd'];
  return {
    lock: (...names) => tx.lock(...names),
    async query(sql, values) {
      const { text, values: all } = await narrowedStatement(raw, visibility, letter, sql, values);
      return tx.query(text, all);
    },
    /** Also what may be changed though not read: a patch begins with what stands. */
    async read(type, id) {
      const found = await tx.read(type, id);
      if (!found?.resource) return found;
      return known.some((l) => visibility.allows(l, found.resource!)) ? found : undefined;
    },
    async readRows(rows) {
      return checkedRows(visibility, letter, await tx.readRows(rows));
    },
    async write(writes): Promise<WriteResult[]> {
      const checked: Write[] = [];
      const absent = new Map<number, WriteResult>();
      for (const [i, write] of writes.entries()) {
        const at = writes.length === 1 ? undefined : `writes[${i}]`;
        const current = (await tx.read(write.type, write.id))?.resource;
        // A deletion tells whether something was there: what is hidden was not.
        if (write.op === 'delete' && current && !known.some((l) => visibility.allows(l, current))) {
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

/** As the store answers a deletion where nothing is. @throws Fault `not-found` */
function nothingDeleted({ type, id, skipUnchanged }: Write, at: string | undefined): WriteResult {
  if (!skipUnchanged) throw new Fault('not-found', 'There is no resource with this id.', { at });
  return { outcome: 'unchanged', type, id, version: 0, lastUpdated: 0 };
}
