import type { Resource, StoredResource } from '../core/resource.js';
import type { Tenant } from '../tenancy/tenant.js';
import type { Erased, EraseRequest } from './erase.js';
import type { TenantParameters } from './parameters.js';
import type { ReindexCounts } from './reindex.js';
import type { LeastVersions, ResealCounts } from './reseal-parts.js';
import type { VerifyOptions, VerifyReport } from './verify-report.js';
import type { KeptBatch } from './write-columns.js';

/** Who acts, for the audit row. No note text, no patient data. */
export interface Actor {
  /** Client or user id, `system` for jobs. */
  readonly id: string;
  readonly kind: 'user' | 'client' | 'job' | 'dev';
  readonly requestId?: string;
}

export type WriteOp = 'create' | 'update' | 'delete';

/** One write. References inside `resource` are already resolved to `Type/id`. */
export interface Write {
  readonly op: WriteOp;
  readonly type: string;
  readonly id: string;
  /** Absent for delete. Its id is `id`; versionId and lastUpdated are the store's to set. */
  readonly resource?: Resource;
  /** Version the caller believes is current; 0 means "must not exist now". */
  readonly ifMatch?: number;
  /**
   * `create` on an id that exists: fault `conflict`. `update` creates where nothing is. With `skipUnchanged` an
   * update whose content equals the current version writes nothing and answers `unchanged`, and a delete of what is
   * not there does so too instead of failing.
   */
  readonly skipUnchanged?: boolean;
  /**
   * An update to the content that one of the last versions had writes nothing and answers `unchanged` with `former`:
   * the caller is to find out whether the resource returns to it or the writer is behind.
   */
  readonly holdFormer?: boolean;
}

export type WriteOutcome = 'created' | 'updated' | 'deleted' | 'unchanged';

export interface WriteResult {
  readonly outcome: WriteOutcome;
  readonly type: string;
  readonly id: string;
  readonly version: number;
  /** ms since the epoch. */
  readonly lastUpdated: number;
  /** See `Write.holdFormer`. */
  readonly former?: boolean;
  /** The stored resource; undefined for a deletion and for `unchanged`. */
  readonly resource?: StoredResource;
}

/** A version as read back. */
export interface VersionRead {
  readonly type: string;
  readonly id: string;
  readonly version: number;
  readonly lastUpdated: number;
  readonly op: WriteOp;
  /** In a history: it followed a deletion, so that it was answered as a creation. */
  readonly revived?: boolean;
  /** Undefined when this version is a deletion. */
  readonly resource: StoredResource | undefined;
}

/** Where a resource row stands; what search hands to `readRows`. */
export interface RowKey {
  readonly part: number;
  readonly rtype: number;
  readonly rid: bigint;
  readonly ver: number;
  readonly sid: bigint;
  readonly slot: number;
}

export interface HistoryOptions {
  readonly sinceMs?: number;
  /** Only versions that were current at this time or, with `atFromMs`, at some time between the two. */
  readonly atMs?: number;
  /** Where a period that ends with `atMs` begins; the same moment when absent. */
  readonly atFromMs?: number;
  /** At most this many, 1 to 1000. */
  readonly count: number;
  /** Only versions below this one (paging, newest first). */
  readonly belowVersion?: number;
}

export interface HistoryPage {
  readonly versions: readonly VersionRead[];
  readonly total: number;
  readonly more: boolean;
}

/** Runs inside the write transaction before anything is written; see `Store.transact`. */
export interface StoreTransaction {
  /**
   * Takes a transaction-wide lock on each name within the tenant (conditional creates on the same criteria). Call it
   * once with all names: taken in two calls, two transactions may wait for each other.
   */
  lock(...names: string[]): Promise<void>;
  /** Runs a query on the transaction's own connection, so that it sees what the transaction wrote. */
  query(sql: string, values: readonly unknown[]): Promise<{ rows: Record<string, unknown>[] }>;
  read(type: string, id: string): Promise<VersionRead | undefined>;
  /** As `Store.readRows`, on the transaction's own connection: conditional operations recheck what they found. */
  readRows(rows: readonly RowKey[]): Promise<StoredResource[]>;
  write(writes: readonly Write[]): Promise<WriteResult[]>;
  /** As `Store.replaceDerivedGroup`, in this transaction. */
  replaceDerivedGroup(documentId: string, resources: readonly Resource[]): Promise<ReplacedGroup>;
  /** The same for several documents at once, answered in their order. No document may stand twice. */
  replaceDerivedGroups(groups: readonly DerivedGroup[]): Promise<ReplacedGroup[]>;
}

/** What one document yields. */
export interface DerivedGroup {
  readonly documentId: string;
  readonly resources: readonly Resource[];
}

export interface ReplacedGroup {
  readonly created: number;
  readonly updated: number;
  readonly deleted: number;
  /** Equal to what stands, or left alone because a person reviewed it. */
  readonly unchanged: number;
  /** Of the resources given, by type. */
  readonly byType: Readonly<Record<string, number>>;
}

/** What to stream; everything where nothing is said. */
export interface ScanOptions {
  readonly types?: readonly string[];
  /** Only resources in the compartment of one of these patients (and of no other), patient by patient. */
  readonly patients?: readonly string[];
  /** Only these parts, both inclusive, 0 to 16383: to share a scan among workers. Not together with `patients`. */
  readonly parts?: { readonly from: number; readonly to: number };
  /** Only what was updated at or after this time, ms. */
  readonly sinceMs?: number;
}

/** A stored resource as the JSON text it would be answered with. */
export interface ResourceText {
  readonly type: string;
  readonly id: string;
  readonly version: number;
  /** ms since the epoch. */
  readonly lastUpdated: number;
  readonly text: string;
}

/** The only writer. Each call is one transaction: version, index, audit and outbox rows together or not at all. */
export interface Store {
  /**
   * Applies writes in one transaction, rows locked in sorted order. No id may stand twice.
   * @throws Fault `conflict` | `precondition` | `not-found` | `gone` naming the write's position in `at` (`writes[3]`).
   */
  commit(tenant: Tenant, writes: readonly Write[], actor: Actor): Promise<WriteResult[]>;
  /**
   * As `commit`, of updates that another thread prepared and will seal; unchanged ones are left alone. For tenants that
   * do not ask for integrity.
   * @returns undefined, with nothing written, where they were prepared by what is no longer in force
   */
  commitKept(tenant: Tenant, batch: KeptBatch, actor: Actor): Promise<WriteResult[] | undefined>;
  /** As `commit`, for callers that must read and decide inside the transaction. Retried on serialization failure. */
  transact<T>(tenant: Tenant, actor: Actor, work: (tx: StoreTransaction) => Promise<T>): Promise<T>;
  /** The current version; undefined where the id never existed. A deletion is returned as such. */
  read(tenant: Tenant, type: string, id: string): Promise<VersionRead | undefined>;
  readVersion(tenant: Tenant, type: string, id: string, version: number): Promise<VersionRead | undefined>;
  /** Many current resources at once, in the order asked; undefined where absent or deleted. */
  readMany(
    tenant: Tenant,
    keys: readonly { type: string; id: string }[],
  ): Promise<(StoredResource | undefined)[]>;
  /** Opens the bodies of rows that search found, in order. */
  readRows(tenant: Tenant, rows: readonly RowKey[]): Promise<StoredResource[]>;
  /** Up to when all that was written is seen by whoever looks from now on: ms since the epoch. */
  settled(tenant: Tenant): Promise<number>;
  /**
   * The texts that rows found by search are sorted by, as `textAt` reads them, in order; undefined where they are not
   * stored beside the body. Nobody is shown them.
   */
  sortLines(tenant: Tenant, rows: readonly RowKey[]): Promise<(string | undefined)[]>;
  history(
    tenant: Tenant,
    type: string,
    id: string,
    options: HistoryOptions,
  ): Promise<HistoryPage | undefined>;
  /**
   * Replaces what one document yields: resources of the group that are not in `resources` are deleted (as
   * versions), changed ones get a new version, equal ones none. Membership is by the extension
   * `derived-from-document`. Resources a person reviewed are left alone.
   */
  replaceDerivedGroup(
    tenant: Tenant,
    documentId: string,
    resources: readonly Resource[],
    actor: Actor,
  ): Promise<ReplacedGroup>;
  /**
   * Streams current resources in storage order, a batch at a time, all from one snapshot of the database. Holds a
   * connection until the iteration ends.
   */
  scan(tenant: Tenant, options: ScanOptions): AsyncIterable<StoredResource[]>;
  /** As `scan`, but as JSON text that was never parsed: for exports. */
  scanText(tenant: Tenant, options: ScanOptions): AsyncIterable<ResourceText[]>;
  /** The search parameters that tenants brought themselves. */
  readonly parameters: TenantParameters;
  /**
   * Rewrites the index rows of current resources of these types in these parts (0 to 16383, both inclusive) where they
   * are not what the tenant's search parameters make of them. Doing it again changes nothing.
   */
  reindex(
    tenant: Tenant,
    types: readonly string[],
    parts: { readonly from: number; readonly to: number },
  ): Promise<ReindexCounts>;
  /**
   * Shuts out writers that have not taken this step of a change of the index key (`TenantKeys.indexPhase`): from then on
   * all rows are written as it asks for. @throws Fault `unavailable` where these keys have not taken it
   */
  fenceIndex(tenant: Tenant, phase: number): Promise<void>;
  /**
   * Seals what is under older keys anew under the current ones, in these parts (0 to 16383, both inclusive); reads and
   * writes go on. Doing it again changes nothing.
   */
  reseal(tenant: Tenant, parts: { readonly from: number; readonly to: number }): Promise<ResealCounts>;
  /**
   * Seals what belongs to no part, and shuts out the older keys if nothing is left under them: no writer uses them any
   * more, and they may be destroyed. @returns the oldest versions still used; undefined where something was left
   */
  endReseal(tenant: Tenant): Promise<LeastVersions | undefined>;
  /**
   * Removes a resource, or a patient's whole compartment, with every version, index row and annotation, for good; an
   * audit row keeps who, when and why. Writers of the tenant wait meanwhile.
   * @throws Fault `not-found`
   */
  erase(tenant: Tenant, request: EraseRequest, actor: Actor): Promise<Erased>;
  /** Recomputes every index row from the sealed bodies, checks version chains and audit rows. Writers may go on. */
  verify(tenant: Tenant, options?: VerifyOptions): Promise<VerifyReport>;
}
