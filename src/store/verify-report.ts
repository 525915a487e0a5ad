/** What can be found wrong. Each is counted, and the first few are named by place. */
export type DifferenceKind =
  /** A segment that does not open, or whose list is not what its row says. */
  | 'body'
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
  /** An index row that the body yields is not there. */
  | 'index-missing'
  /** An index row that no current body yields. */
  | 'index-extra'
  /** The locator does not lead to the resource, or leads nowhere. */
  | 'locator'
  /** A live document without annotation row. */
  | 'annotation'
  /** An audit row that does not open, or a version that none speaks of, or a version spoken of that is not there. */
  | 'audit';

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
  readonly differences: Readonly<Partial<Record<DifferenceKind, number>>>;
  readonly total: number;
  readonly first: readonly Difference[];
}

export interface VerifyOptions {
  /** Called after each window of parts with the versions done and all there are. */
  readonly onProgress?: (done: number, of: number) => void;
  readonly signal?: AbortSignal;
}
