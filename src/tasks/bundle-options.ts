import type { Fault } from '../core/fault.js';
import type { Resource } from '../core/resource.js';
import type { Actor, WriteResult } from '../store/contract.js';
import type { Tenant } from '../tenancy/tenant.js';
import type { Criteria } from './bundle-criteria.js';
import type { Check, Entry } from './bundle-entry.js';
import type { WriteDeps } from './bundle-interactions.js';
import type { FindMany } from './bundle-match.js';
import type { ResolvedReferences, Satisfies } from './bundle-resolve.js';
import type { BundleCounts, EntryError, ReadAnswer } from './bundle-result.js';

/** What bundles need of the system; `bundleDeps` makes it of the store and the search. */
export interface BundleDeps extends WriteDeps {
  readonly findMany: FindMany;
  readonly satisfies: Satisfies;
}

/** What a caller's rights must cover, per entry. @throws Fault `forbidden` */
export type Authorise = (entry: Entry) => void;

/**
 * Answers a GET, HEAD or operation entry through the shell's own interactions. `throw`: failures are thrown, for a
 * transaction; `answer`: they come back as a status with an OperationOutcome.
 */
export type ReadEntry = (entry: Entry, onFailure: 'throw' | 'answer') => Promise<ReadAnswer>;

export interface BundleScope {
  readonly tenant: Tenant;
  readonly actor: Actor;
  /** FHIR base of the tenant, absolute, without trailing slash. */
  readonly base: string;
  readonly authorise?: Authorise;
  readonly maySearch?: (criteria: Criteria) => boolean;
  readonly read?: ReadEntry;
  /** Adds what a read adds to a stored resource (an instance read inside a transaction). */
  readonly decorate?: (read: ReadAnswer) => Promise<ReadAnswer>;
  /** Whether a conditional delete may remove several. */
  readonly multipleDelete?: boolean;
  readonly part?: BundlePart;
}

/**
 * A part of a bundle, for callers that must keep what it wrote before they go on: `searches` only tries whether a
 * transaction's searches can be answered, `writes` writes, `reads` reads what is committed. Entries of other parts are
 * answered by an empty entry. All of it when absent.
 */
export type BundlePart = 'searches' | 'writes' | 'reads';

interface CommonOptions {
  readonly actor: Actor;
  readonly base: string;
  /** How each resource is checked; the basic check when absent. */
  readonly check?: Check;
}

/** As the R4 batch and transaction interactions: POST assigns ids, every entry is answered. */
export interface HttpOptions extends CommonOptions {
  readonly mode: 'http';
  readonly authorise?: Authorise;
  readonly maySearch?: (criteria: Criteria) => boolean;
  readonly read: ReadEntry;
  readonly decorate?: BundleScope['decorate'];
  readonly multipleDelete?: boolean;
  readonly part?: BundlePart;
  readonly returns: 'minimal' | 'representation' | 'OperationOutcome';
  readonly failure: (fault: Fault) => { status: number; outcome: Resource };
}

/** As an import: ids are kept, every resource is an upsert, a second run writes nothing. */
export interface ImportOptions extends CommonOptions {
  readonly mode: 'import';
  /** Shared by the bundles of one job. */
  readonly cache?: ResolvedReferences;
  /** Told of each resource that was written or found unchanged, once that is committed. */
  readonly written?: (result: WriteResult) => void;
  /**
   * The same with the entry it came from and the resource as it was to be stored. Given, records that return to the form
   * of an earlier version are not written and answered so (`Write.holdFormer`), unless `holdsNoMore` says so.
   */
  readonly became?: (result: WriteResult, entry: number, resource: Resource | undefined) => void;
  readonly holdsNoMore?: () => boolean;
  /** Where the bundle is a piece of a longer one: `Type/id` by fullUrl of all of its entries, and which is the first here. */
  readonly targets?: ReadonlyMap<string, string>;
  readonly from?: number;
  /**
   * The entries of a transaction that is too long to be held: called for each attempt, in pieces. The bundle itself
   * then has none. `became` and `written` are not called.
   */
  readonly pieces?: () => AsyncIterable<readonly unknown[]>;
}

export interface BundleResult {
  readonly counts: BundleCounts;
  /** Entries refused, in order; of a transaction in import mode all faults found, with nothing written. */
  readonly errors: readonly EntryError[];
  /** The batch-response or transaction-response; mode `http` only. */
  readonly response?: Resource;
}
