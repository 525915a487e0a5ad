/** What can be found wrong. Each is counted, and the first few are named by place. */
export type DifferenceKind =
  /** A segment that does not open, or whose list is not what its row says. */
  | 'body'
  /** A segment or an annotation whose patient's key is not there. */
  | 'patient-key'
  /** A version whose body is missing, or is another version's. */
  | 'version-body'
  /** A body that no version points at. */
  | 'unreferenced-body'
  /** Versions of a resource with a gap, a wrong start, or time running backwards. */
  | 'version-chain'
  /** The current row does not match the newest version. */
  | 'current-version'
  /** The current row's own columns (terms, patient, time, digest, part) are not what its body yields. */
  | 'current-columns'
  /** The texts it is sorted by are not what its body yields. */
  | 'sort-texts'
  /** An index row that the body yields is not there. */
  | 'index-missing'
  /** An index row that no current body yields. */
  | 'index-extra'
  /** The locator does not lead to the resource, or leads nowhere. */
  | 'locator'
  /** A live document without annotation row. */
  | 'annotation'
  /** An audit row that does not open, or a version that none speaks of, or a version spoken of that is not there. */
  | 'audit'
  /**
   * A strand of the audit chain with a row altered, added or taken away; the place is the first row at which it breaks,
   * or the anchor that it no longer agrees with.
   */
  | 'audit-chain';

export interface Difference {
  readonly kind: DifferenceKind;
  /** Where: table, part, type and keyed hashes; nothing that names a patient. */
  readonly place: string;
}

export interface VerifyReport {
  readonly resources: number;
  readonly deleted: number;
  readonly versions: number;
  readonly segments: number;
  readonly indexRows: number;
  readonly auditRows: number;
  /** Strands of the audit chain that were followed from end to end. */
  readonly auditStrands: number;
  readonly differences: Readonly<Partial<Record<DifferenceKind, number>>>;
  readonly total: number;
  readonly first: readonly Difference[];
}

/** Where a strand of the audit chain stood when it was anchored. */
export interface AnchoredEnd {
  readonly part: number;
  readonly strand: number;
  readonly seq: number;
  /** Base64 of the row's place. */
  readonly chain: string;
  /** When, ms. */
  readonly at: number;
}

export interface VerifyOptions {
  /** Called after each window of parts with the versions done and all there are. */
  readonly onProgress?: (done: number, of: number) => void;
  readonly signal?: AbortSignal;
  /** Ends of strands that were anchored outside the database. */
  readonly anchors?: readonly AnchoredEnd[];
}
