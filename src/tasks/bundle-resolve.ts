import { createHash } from 'node:crypto';
import { Fault, invalid, isFault } from '../core/fault.js';
import type { Resource } from '../core/resource.js';
import { findSearchParameter } from '../fhir/registry.js';
import type { StoreTransaction } from '../store/contract.js';
import type { Tenant } from '../tenancy/tenant.js';
import { type Criteria, conditionalReference } from './bundle-criteria.js';
import { type FindMany, type FindMatches, matchesBesides, severalMatches } from './bundle-match.js';
import { rewriteLinks } from './bundle-rewrite.js';

/**
 * Whether a resource that is not stored yet satisfies criteria, by the same definition the search uses; undefined where
 * only other resources could tell (chains, `_has`, value sets).
 */
export type Satisfies = (tenant: Tenant, criteria: Criteria, resource: Resource) => boolean | undefined;

export interface ResolveDeps {
  readonly find: FindMatches;
  readonly findMany: FindMany;
  readonly satisfies: Satisfies;
}

/**
 * What conditional references were resolved to in one import job, `Type/id` by criteria key. Only committed
 * resources stand in it. Bounded: the oldest half goes when it is full.
 */
export class ResolvedReferences {
  private known = new Map<string, string>();
  private before = new Map<string, string>();

  constructor(private readonly maxEntries = 100_000) {}

  get(key: string): string | undefined {
    const now = this.known.get(key);
    if (now !== undefined) return now;
    const old = this.before.get(key);
    if (old !== undefined) this.set(key, old);
    return old;
  }

  set(key: string, reference: string): void {
    if (this.known.size >= this.maxEntries / 2) {
      this.before = this.known;
      this.known = new Map();
    }
    this.known.set(key, reference);
  }
}

/** A resource about to be written, and where it stands in the caller's input. */
export interface Pending {
  readonly resource: Resource;
  readonly at: string;
  readonly fullUrl: string | undefined;
}

/** Comparisons of criteria with new resources that one bundle may cost, beyond those a code or identifier decides. */
const MAX_COMPARISONS = 1_000_000;
/** Longer values are looked for in all resources of the type. */
const MAX_LEAF_CHARS = 100;

/**
 * New resources, found by criteria without comparing each with each: criteria on a code or an identifier look only at
 * the resources that hold that value anywhere.
 */
export class NewResources {
  private readonly byType = new Map<string, Resource[]>();
  private readonly byLeaf = new Map<string, Resource[]>();
  private comparisons = 0;

  constructor(
    private readonly tenant: Tenant,
    private readonly satisfies: Satisfies,
    resources: Iterable<Resource>,
  ) {
    for (const resource of resources) this.add(resource);
  }

  add(resource: Resource): void {
    push(this.byType, resource.resourceType, resource);
    for (const leaf of leavesOf(resource)) push(this.byLeaf, `${resource.resourceType} ${leaf}`, resource);
  }

  /**
   * Ids of the new resources that satisfy the criteria.
   * @throws Fault `unsupported` where only resources that are not stored yet could tell.
   */
  matching(criteria: Criteria): string[] {
    const found = new Set<string>();
    for (const resource of this.candidates(criteria)) {
      if (++this.comparisons > MAX_COMPARISONS) {
        throw new Fault('invalid', 'The bundle compares too many criteria with too many new resources.', {
          issueCode: 'too-costly',
          remedy: 'Refer by identifier=system|value, or by the fullUrl of the entry.',
        });
      }
      if (resource.id === undefined) continue;
      const satisfied = this.satisfies(this.tenant, criteria, resource);
      if (satisfied === undefined) {
        throw new Fault('unsupported', 'A new resource of the bundle may be what the criteria mean.', {
          issueCode: 'not-supported',
          remedy:
            'Criteria that look through other resources are decided on stored ones alone: refer to the entry by its fullUrl or an identifier, or send it first.',
        });
      }
      if (satisfied) found.add(resource.id);
    }
    return [...found];
  }

  private candidates(criteria: Criteria): readonly Resource[] {
    let fewest = this.byType.get(criteria.type) ?? [];
    for (const [name, value] of criteria.params) {
      const leaf = leafAsked(criteria.type, name, value);
      const found = leaf === undefined ? fewest : (this.byLeaf.get(`${criteria.type} ${leaf}`) ?? []);
      if (found.length < fewest.length) fewest = found;
    }
    return fewest;
  }
}

/** The value that must stand somewhere in what a criterion matches: one token with its system, or an identifier. */
function leafAsked(type: string, name: string, text: string): string | undefined {
  if (/[,\\]/.test(text) || findSearchParameter(type, name)?.type !== 'token') return undefined;
  const bar = text.indexOf('|');
  // Without a system a token may be one that is compared by less than its characters (a telephone number).
  if (bar <= 0 && name !== 'identifier') return undefined;
  const leaf = text.slice(bar + 1);
  return leaf === '' || leaf.length > MAX_LEAF_CHARS ? undefined : leaf;
}

function leavesOf(resource: Resource): Set<string> {
  const leaves = new Set<string>();
  const visit = (node: unknown): void => {
    if (typeof node === 'object' && node !== null) for (const value of Object.values(node)) visit(value);
    else if (node !== undefined && node !== null) {
      const text = String(node);
      if (text.length <= MAX_LEAF_CHARS) leaves.add(text);
    }
  };
  visit(resource);
  return leaves;
}

function push<V>(map: Map<string, V[]>, key: string, value: V): void {
  const list = map.get(key);
  if (list) list.push(value);
  else map.set(key, [value]);
}

export interface ResolveOptions {
  readonly tenant: Tenant;
  readonly base: string;
  /** `Type/id` of each entry by its fullUrl. */
  readonly targets: ReadonlyMap<string, string>;
  /** Stored resources, `Type/id`, that the same transaction deletes: they match no more. */
  readonly deleted?: ReadonlySet<string>;
  readonly tx?: StoreTransaction;
  readonly cache?: ResolvedReferences;
  /** True: a `urn:uuid:` reference that no entry has is a fault; false: it stays as it is. */
  readonly refuseUnknownUrns: boolean;
  /**
   * Takes the fault of one resource, by its position in the input; that resource is then left out of the result's
   * meaning and the rest goes on. Without it the first fault is thrown.
   */
  readonly refused?: (position: number, fault: Fault) => void;
  /** Whether the caller may search so; a conditional reference is a search. */
  readonly maySearch?: (criteria: Criteria) => boolean;
}

/**
 * Puts `Type/id` in place of references to other entries (by fullUrl, in every element that is a uri) and of
 * conditional references, which are looked up all at once and once each, among stored and new resources.
 * @throws Fault `precondition` at the place of a conditional reference with no match or several, `invalid` at a
 * `urn:` reference that nothing stands for.
 */
export async function resolveReferences(
  deps: ResolveDeps,
  pending: readonly Pending[],
  options: ResolveOptions,
): Promise<Resource[]> {
  const asked = new Map<string, { criteria: Criteria; at: string }>();
  for (const { resource, at } of pending) {
    rewriteLinks(resource, (text, isReference, path) => {
      if (isReference && text.includes('?')) {
        const place = placeIn(at, path);
        const criteria = conditionalReference(text, options.base, place);
        if (criteria && !asked.has(criteria.key)) asked.set(criteria.key, { criteria, at: place });
      }
      return text;
    });
  }
  const resolved = await lookUp(deps, [...asked.values()], pending, options);
  return pending.map((item, position) => {
    try {
      return rewrite(item, resolved, options);
    } catch (error) {
      if (!options.refused || !isFault(error)) throw error;
      options.refused(position, error);
      return item.resource;
    }
  });
}

function rewrite(
  { resource, at, fullUrl }: Pending,
  resolved: ReadonlyMap<string, string | Fault>,
  options: ResolveOptions,
): Resource {
  const root = restBase(fullUrl);
  return rewriteLinks(resource, (text, isReference, path) => {
    const [bare, fragment] = splitFragment(text);
    const target = options.targets.get(bare);
    if (target !== undefined) return target + fragment;
    if (!isReference) return text;
    if (root !== undefined && !text.includes(':')) {
      // A relative reference is relative to its own entry's fullUrl (R4 bundle.html#references).
      const sibling = options.targets.get(`${root}/${bare}`);
      if (sibling !== undefined) return sibling + fragment;
    }
    if (text.includes('?')) {
      const criteria = conditionalReference(text, options.base, placeIn(at, path));
      const found = criteria && resolved.get(criteria.key);
      if (found instanceof Fault) throw movedTo(found, placeIn(at, path));
      if (found !== undefined) return found;
    }
    if (options.refuseUnknownUrns && (text.startsWith('urn:uuid:') || text.startsWith('urn:oid:'))) {
      throw invalid(
        'The reference names an entry that the bundle does not have.',
        placeIn(at, path),
        'Give the entry that fullUrl, or refer by Type/id.',
      );
    }
    return text;
  });
}

function movedTo({ category, message, remedy, issueCode }: Fault, at: string): Fault {
  return new Fault(category, message, { at, remedy, issueCode });
}

/** What each criterion stands for: `Type/id`, or why it stands for nothing. */
async function lookUp(
  deps: ResolveDeps,
  asked: readonly { criteria: Criteria; at: string }[],
  pending: readonly Pending[],
  { tenant, tx, cache, maySearch, targets, deleted }: ResolveOptions,
): Promise<Map<string, string | Fault>> {
  const resolved = new Map<string, string | Fault>();
  const open: { criteria: Criteria; at: string }[] = [];
  for (const item of asked) {
    const { type, key } = item.criteria;
    if (maySearch && !maySearch(item.criteria)) {
      throw new Fault('forbidden', 'The token does not permit the search that a conditional reference is.', {
        at: item.at,
        remedy: `Ask for a scope that searches ${type}.`,
      });
    }
    const known = cache?.get(key);
    if (known === undefined) open.push(item);
    else resolved.set(key, known);
  }
  if (open.length === 0) return resolved;
  const types = new Set(open.map(({ criteria }) => criteria.type));
  const own = pending.flatMap(({ resource }) => (types.has(resource.resourceType) ? [resource] : []));
  const fresh = new NewResources(
    tenant,
    deps.satisfies,
    own.map((resource) => rewriteLinks(resource, (text) => targets.get(text) ?? text)),
  );
  // What is written anew is found by what it will be, not by what it was.
  const gone = new Set(deleted);
  for (const { resourceType, id } of own) if (id !== undefined) gone.add(`${resourceType}/${id}`);
  const asking = open.map((item) => item.criteria);
  const stored = await matchesBesides(deps, tenant, asking, gone, tx);
  open.forEach(({ criteria, at }, i) => {
    const ids = new Set((stored[i] ?? []).map((match) => match.id));
    let own: string[];
    try {
      own = fresh.matching(criteria);
    } catch (error) {
      if (!isFault(error)) throw error;
      resolved.set(criteria.key, error);
      return;
    }
    for (const id of own) ids.add(id);
    const [id] = ids;
    if (ids.size > 1 || id === undefined) {
      resolved.set(criteria.key, ids.size > 1 ? severalMatches(at) : noMatch(at));
      return;
    }
    const reference = `${criteria.type}/${id}`;
    resolved.set(criteria.key, reference);
    if (own.length === 0) cache?.set(criteria.key, reference);
  });
  return resolved;
}

function noMatch(at: string): Fault {
  return new Fault('precondition', 'The conditional reference matches no resource.', {
    at,
    issueCode: 'not-found',
    remedy: 'Load what it refers to first, or correct the criteria.',
  });
}

/** `Encounter.subject.reference` at `Bundle.entry[3].resource` is `Bundle.entry[3].resource.subject.reference`. */
function placeIn(at: string, path: string): string {
  const dot = path.search(/[.[]/);
  return dot < 0 ? at : `${at}${path.slice(dot)}`;
}

function splitFragment(text: string): [string, string] {
  const hash = text.indexOf('#');
  return hash <= 0 ? [text, ''] : [text.slice(0, hash), text.slice(hash)];
}

const REST_URL = /^(https?:\/\/.+)\/[A-Z][A-Za-z]+\/[A-Za-z0-9\-.]{1,64}$/;

/** `http://host/fhir` of the fullUrl `http://host/fhir/Patient/1`. */
export function restBase(fullUrl: string | undefined): string | undefined {
  return fullUrl === undefined ? undefined : REST_URL.exec(fullUrl)?.[1];
}

const LOCK_BUCKETS = 1024;

/**
 * The lock that conditional writes of the same criteria meet at, in this process and in others. Names fall into
 * buckets, as a bundle may hold thousands of criteria and the database has room for a few thousand locks.
 */
export function lockName(criteria: Criteria): string {
  const hash = createHash('sha256').update(criteria.key).digest().readUInt16BE(0);
  return `criteria:${hash % LOCK_BUCKETS}`;
}
