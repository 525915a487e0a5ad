import { createHash } from 'node:crypto';
import { Fault, invalid, isFault } from '../core/fault.js';
import { isFhirId, uuidV5 } from '../core/ids.js';
import { stringifyJson } from '../core/json.js';
import { laneOf } from '../core/profile.js';
import type { Resource, StoredResource } from '../core/resource.js';
import type { StoreTransaction, Write, WriteResult } from '../store/contract.js';
import type { Tenant } from '../tenancy/tenant.js';
import { type Criteria, parseCriteria } from './bundle-criteria.js';
import { basicCheck, type Check, entriesOf, isObject, moved, parseEntry } from './bundle-entry.js';
import { severalMatches } from './bundle-match.js';
import type { BundleDeps, BundleResult, ImportOptions } from './bundle-options.js';
import { placedFault } from './bundle-place.js';
import { lockName, type Pending, resolveReferences } from './bundle-resolve.js';
import { type BundleCounts, countWrite, type EntryError, noCounts } from './bundle-result.js';

/** Entries one imported bundle holds at most. */
export const MAX_IMPORT_ENTRIES = 200_000;
/** Resources of one commit, unless a transaction asks for all at once. Measured as the cheapest size. */
const COMMIT_RESOURCES = 4_000;
/** Entries of one commit that the store may refuse one after the other before the commit is given up. */
const MAX_REFUSED_PER_COMMIT = 50;

/** One resource to upsert, or to delete. */
interface Item {
  readonly index: number;
  readonly at: string;
  readonly op: 'update' | 'delete';
  readonly type: string;
  readonly id: string;
  readonly resource: Resource | undefined;
  readonly fullUrl: string | undefined;
  readonly ifNoneExist: Criteria | undefined;
}

/**
 * Imports a bundle of any type that carries current resources. A transaction is all or nothing; of every other type,
 * entries that are refused are reported and the rest is written. Running it again writes nothing.
 */
export async function importBundle(
  deps: BundleDeps,
  tenant: Tenant,
  bundle: Resource,
  options: ImportOptions,
): Promise<BundleResult> {
  if (bundle.type === 'history') {
    throw invalid(
      'A history bundle is no set of current resources.',
      'Bundle.type',
      'Export current resources instead.',
    );
  }
  const atomic = bundle.type === 'transaction';
  if (atomic && options.pieces) return importPieces(deps, tenant, options.pieces, options);
  const errors: EntryError[] = [];
  const counts = noCounts();
  const items = checkedItems(entriesOf(bundle, MAX_IMPORT_ENTRIES), options, errors, options.from ?? 0);
  if (atomic && errors.length > 0) return refuseAll(items.length + errors.length, errors);
  const targets = new Map<string, string>(options.targets);
  for (const item of items) if (item.fullUrl) targets.set(item.fullUrl, `${item.type}/${item.id}`);
  for (const wave of waves(items, atomic)) {
    try {
      await writeWave(deps, tenant, wave, targets, options, atomic, counts, errors);
    } catch (error) {
      if (!atomic || !isFault(error) || !isInput(error)) throw error;
      return refuseAll(items.length, errorsOf(error));
    }
  }
  counts.rejected = errors.length;
  return { counts, errors: errors.sort((a, b) => a.entry - b.entry) };
}

/** Faults that are told of one transaction in pieces. */
const MAX_ERRORS_OF_PIECES = 1_000;

/** What reading one piece, or one statement that writes it, may take. */
const PIECE_TIMEOUT = '10min';

/**
 * A transaction whose entries come piece by piece: all in one transaction of the database, or nothing. After the first
 * entry that is refused the rest is only checked.
 */
async function importPieces(
  deps: BundleDeps,
  tenant: Tenant,
  pieces: () => AsyncIterable<readonly unknown[]>,
  options: ImportOptions,
): Promise<BundleResult> {
  let counts = noCounts();
  let errors: EntryError[] = [];
  let entries = 0;
  const refused = new Error('refused');
  try {
    await deps.store.transact(tenant, options.actor, async (tx) => {
      // Between two pieces the next is read and checked, which on a busy machine takes longer than a query may wait.
      await tx.query(`set local idle_in_transaction_session_timeout = '${PIECE_TIMEOUT}'`, []);
      await tx.query(`set local statement_timeout = '${PIECE_TIMEOUT}'`, []);
      counts = noCounts();
      errors = [];
      entries = 0;
      const ids = new Set<string>();
      const ordinals = new Map<string, number>();
      for await (const values of pieces()) {
        const items = checkedItems(values, options, errors, entries, ordinals);
        entries += values.length;
        for (const item of items) {
          const key = `${item.type}/${item.id}`;
          if (ids.has(key)) errors.push({ entry: item.index, fault: twice(item) });
          ids.add(key);
        }
        if (errors.length >= MAX_ERRORS_OF_PIECES) break;
        if (errors.length > 0 || items.length === 0) continue;
        const { results } = await writeIn(
          tx,
          deps,
          tenant,
          items,
          options.targets ?? NO_TARGETS,
          options,
          true,
        );
        for (const result of results) countWrite(counts, result);
      }
      if (errors.length > 0) throw refused;
    });
  } catch (error) {
    if (error === refused) return refuseAll(entries, errors);
    if (!isFault(error) || !isInput(error)) throw error;
    return refuseAll(entries, errorsOf(error));
  }
  return { counts, errors };
}

const NO_TARGETS: ReadonlyMap<string, string> = new Map();

function twice(item: Item): Fault {
  return invalid(
    'The entry writes the same resource as an earlier one.',
    item.at,
    'Let each resource stand once in a transaction.',
  );
}

function checkedItems(
  values: readonly unknown[],
  options: ImportOptions,
  errors: EntryError[],
  from: number,
  ordinals?: Map<string, number>,
): Item[] {
  const check = () => itemsOf(values, options, errors, from, ordinals);
  return laneOf(options.actor)?.busy('validate', check) ?? check();
}

/** Faults of what was sent; anything else (database gone, key gone) ends the import and is tried again later. */
export function isInput(fault: Fault): boolean {
  return ['invalid', 'conflict', 'precondition', 'not-found', 'gone', 'unsupported', 'too-large'].includes(
    fault.category,
  );
}

function refuseAll(entries: number, errors: EntryError[]): BundleResult {
  const counts = noCounts();
  counts.rejected = Math.max(entries, 1);
  return { counts, errors };
}

/** One error for each entry that a fault tells of. */
function errorsOf(fault: Fault): EntryError[] {
  const own = entryOf(fault);
  if (fault.also.every((other) => entryOf(other) === own)) return [{ entry: own, fault }];
  const { category, message, at, remedy, log, issueCode, cause } = fault;
  const alone = new Fault(category, message, { at, remedy, log, issueCode, cause });
  return [alone, ...fault.also].map((one) => ({ entry: entryOf(one), fault: one }));
}

function entryOf(fault: Fault): number {
  return Number(/^Bundle\.entry\[(\d+)\]/.exec(fault.at ?? '')?.[1] ?? 0);
}

function itemsOf(
  values: readonly unknown[],
  { base, check = basicCheck }: ImportOptions,
  errors: EntryError[],
  from: number,
  ordinals = new Map<string, number>(),
): Item[] {
  const items: Item[] = [];
  values.forEach((value, at) => {
    const index = from + at;
    try {
      const item = itemOf(value, index, base, check, ordinals);
      if (item) items.push(item);
    } catch (error) {
      if (!isFault(error)) throw error;
      errors.push({ entry: index, fault: error });
    }
  });
  return items;
}

function itemOf(
  value: unknown,
  index: number,
  base: string,
  check: Check,
  ordinals: Map<string, number>,
): Item | undefined {
  const at = `Bundle.entry[${index}]`;
  if (!isObject(value)) throw invalid('The entry is not an object.', at);
  const { fullUrl, request, resource } = value;
  const url = typeof fullUrl === 'string' && fullUrl !== '' ? fullUrl : undefined;
  // A searchset says with an outcome entry what it left out; that is no record.
  if (isObject(value.search) && value.search.mode === 'outcome') return undefined;
  if (isObject(request) && (request.method === 'PUT' || request.method === 'DELETE')) {
    const entry = parseEntry(value, index, base, check);
    if (entry.criteria) {
      throw new Fault('unsupported', 'An import takes no conditional update or delete.', {
        at: `${at}.request.url`,
        remedy: 'Write it as an update of a known id, or send the bundle to the API.',
      });
    }
    const op = entry.method === 'DELETE' ? 'delete' : 'update';
    return {
      index,
      at,
      op,
      type: entry.type!,
      id: entry.id!,
      resource: entry.resource,
      fullUrl: url,
      ifNoneExist: undefined,
    };
  }
  if (isObject(request) && (request.method === 'GET' || request.method === 'HEAD')) return undefined;
  if (isObject(request) && request.method === 'PATCH') {
    throw new Fault('unsupported', 'An import takes no patches.', {
      at: `${at}.request.method`,
      remedy: 'Send the bundle to the API.',
    });
  }
  let checked: Resource;
  try {
    checked = check(resource, undefined, 'bundle');
  } catch (error) {
    throw isFault(error) ? moved(error, `${at}.resource`) : error;
  }
  const type = checked.resourceType;
  const ifNoneExist =
    isObject(request) && typeof request.ifNoneExist === 'string'
      ? parseCriteria(type, request.ifNoneExist, `${at}.request.ifNoneExist`)
      : undefined;
  return {
    index,
    at,
    op: 'update',
    type,
    id: keptId(checked, url, ordinals),
    resource: checked,
    fullUrl: url,
    ifNoneExist,
  };
}

const URN_UUID = /^urn:uuid:([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})$/i;
/** Namespace of ids made from content, our own. */
const CONTENT_NAMESPACE = 'b3c1f0a2-6f0e-4f6b-9d55-8a4f2b1c7e90';

/**
 * The id under which a resource is kept: its own, the UUID of its fullUrl, the id in a RESTful fullUrl; and where it
 * has none of these one made from its content, so that a second run finds it again.
 */
export function keptId(
  resource: Resource,
  fullUrl: string | undefined,
  ordinals: Map<string, number>,
): string {
  if (resource.id !== undefined) return resource.id;
  const uuid = URN_UUID.exec(fullUrl ?? '')?.[1];
  if (uuid) return uuid.toLowerCase();
  const last = /^https?:\/\/.+\/[A-Z][A-Za-z]+\/([^/]+)$/.exec(fullUrl ?? '')?.[1];
  if (isFhirId(last)) return last;
  const digest = createHash('sha256').update(stringifyJson(resource)).digest('hex');
  const ordinal = ordinals.get(digest) ?? 0;
  ordinals.set(digest, ordinal + 1);
  return uuidV5(CONTENT_NAMESPACE, `${digest} ${ordinal}`);
}

/**
 * Groups that can each be committed at once: no id stands twice in one. A transaction is one group, and an id that
 * stands twice in it is refused; elsewhere the later one is a later version.
 */
function waves(items: readonly Item[], atomic: boolean): Item[][] {
  const groups: Item[][] = [];
  const seen = new Map<string, number>();
  for (const item of items) {
    const key = `${item.type}/${item.id}`;
    const turn = seen.get(key) ?? 0;
    if (turn > 0 && atomic) {
      throw twice(item);
    }
    seen.set(key, turn + 1);
    const group = groups[turn];
    if (group) group.push(item);
    else groups.push([item]);
  }
  if (atomic) return groups;
  return groups.flatMap((group) => {
    const parts: Item[][] = [];
    for (let i = 0; i < group.length; i += COMMIT_RESOURCES) parts.push(group.slice(i, i + COMMIT_RESOURCES));
    return parts;
  });
}

async function writeWave(
  deps: BundleDeps,
  tenant: Tenant,
  wave: readonly Item[],
  targets: Map<string, string>,
  options: ImportOptions,
  atomic: boolean,
  counts: BundleCounts,
  errors: EntryError[],
): Promise<void> {
  let rest = wave;
  for (let refused = 0; ; refused++) {
    try {
      const { results, taken, writes, unresolved } = await writeOnce(
        deps,
        tenant,
        rest,
        targets,
        options,
        atomic,
      );
      results.forEach((result, i) => {
        countWrite(counts, result);
        if (!('id' in result)) return;
        options.written?.(result);
        options.became?.(result, taken[i]!.index, writes[i]!.resource);
      });
      errors.push(...unresolved);
      return;
    } catch (error) {
      if (atomic || !isFault(error) || !isInput(error) || refused >= MAX_REFUSED_PER_COMMIT) throw error;
      const found = errorsOf(error);
      const refusedNow = new Set(found.map(({ entry }) => entry));
      if (!rest.some((item) => refusedNow.has(item.index))) throw error;
      errors.push(...found);
      rest = rest.filter((item) => !refusedNow.has(item.index));
    }
  }
}

interface Written extends Prepared {
  /** Those of `writes` first. */
  readonly results: readonly (WriteResult | { outcome: 'unchanged'; type: string })[];
}

async function writeOnce(
  deps: BundleDeps,
  tenant: Tenant,
  items: readonly Item[],
  targets: Map<string, string>,
  options: ImportOptions,
  atomic: boolean,
): Promise<Written> {
  const conditional = items.filter((item) => item.ifNoneExist);
  if (conditional.length === 0) {
    const { taken, writes, unresolved } = await prepare(
      deps,
      tenant,
      items,
      targets,
      options,
      atomic,
      undefined,
    );
    return {
      results: await placed(taken, () => deps.store.commit(tenant, writes, options.actor)),
      taken,
      writes,
      unresolved,
    };
  }
  return deps.store.transact(tenant, options.actor, (tx) =>
    writeIn(tx, deps, tenant, items, targets, options, atomic),
  );
}

/** The same within a transaction. */
async function writeIn(
  tx: StoreTransaction,
  deps: BundleDeps,
  tenant: Tenant,
  items: readonly Item[],
  targets: ReadonlyMap<string, string>,
  options: ImportOptions,
  atomic: boolean,
): Promise<Written> {
  const conditional = items.filter((item) => item.ifNoneExist);
  const locks = new Set(conditional.map((item) => lockName(item.ifNoneExist!)));
  if (locks.size > 0) await tx.lock(...locks);
  const found =
    conditional.length === 0
      ? []
      : await deps.findMany(
          tenant,
          conditional.map((item) => item.ifNoneExist!),
          tx,
        );
  const matched = new Map<Item, StoredResource>();
  conditional.forEach((item, i) => {
    const matches = found[i] ?? [];
    if (matches.length > 1) throw severalMatches(`${item.at}.request.ifNoneExist`);
    const [match] = matches;
    if (match) matched.set(item, match);
  });
  const there = new Map(targets);
  for (const [item, match] of matched) if (item.fullUrl) there.set(item.fullUrl, `${item.type}/${match.id}`);
  const open = items.filter((item) => !matched.has(item));
  const { taken, writes, unresolved } = await prepare(deps, tenant, open, there, options, atomic, tx);
  const written = await placed(taken, () => (writes.length === 0 ? Promise.resolve([]) : tx.write(writes)));
  const unchanged = [...matched.keys()].map(({ type }) => ({ outcome: 'unchanged' as const, type }));
  return { results: [...written, ...unchanged], taken, writes, unresolved };
}

interface Prepared {
  /** The items that are written, in the order of `writes`. */
  readonly taken: readonly Item[];
  readonly writes: readonly Write[];
  /** Entries whose references stand for nothing; none in a transaction, which fails instead. */
  readonly unresolved: readonly EntryError[];
}

async function prepare(
  deps: BundleDeps,
  tenant: Tenant,
  items: readonly Item[],
  targets: ReadonlyMap<string, string>,
  { base, cache, actor, became, holdsNoMore }: ImportOptions,
  atomic: boolean,
  tx: StoreTransaction | undefined,
): Promise<Prepared> {
  const withBody = items.filter((item) => item.resource);
  const pending: Pending[] = withBody.map(({ resource, id, at, fullUrl }) => ({
    resource: resource!.id === id ? resource! : { ...resource!, id },
    at: `${at}.resource`,
    fullUrl,
  }));
  const refused = new Map<Item, Fault>();
  const lane = laneOf(actor);
  const work = () =>
    resolveReferences(deps, pending, {
      tenant,
      base,
      targets,
      tx,
      cache,
      refuseUnknownUrns: false,
      refused: atomic ? undefined : (position, fault) => refused.set(withBody[position]!, fault),
    });
  const resolved = await (lane ? lane.during('resolve', work) : work());
  const bodies = new Map(withBody.map((item, i) => [item, resolved[i]!]));
  const taken = items.filter((item) => !refused.has(item));
  const holdFormer = became !== undefined && !holdsNoMore?.();
  return {
    taken,
    writes: taken.map((item) => ({
      op: item.op,
      type: item.type,
      id: item.id,
      resource: bodies.get(item),
      skipUnchanged: true,
      holdFormer,
    })),
    unresolved: [...refused].map(([item, fault]) => ({ entry: item.index, fault })),
  };
}

/** The store names the write it refused; here that is an entry. */
async function placed<T>(items: readonly Item[], write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (error) {
    if (!isFault(error)) throw error;
    throw placedFault(error, (write) => items[write]?.at);
  }
}
