import type { Fault } from '../core/fault.js';
import { issueCode } from '../fhir/outcome.js';
import type { JobProfile } from '../jobs/profile.js';
import type { Candidate } from './import-persons.js';

/** At most this many rejections are kept of one commit: as many as an imported bundle has entries. */
export const MAX_ERRORS_PER_COMMIT = 200_000;
/** At most this many stand in the report; the error file has them all. */
export const MAX_REPORTED_ERRORS = 10_000;

/** What became of one input file. Counts only: stands unsealed in the ledger. */
export interface FileCounts {
  /** Resources accepted: created, updated or unchanged. */
  resources: number;
  /** DocumentReferences among them. */
  documents: number;
  rejected: number;
  created: number;
  updated: number;
  deleted: number;
  unchanged: number;
  /** Accepted resources by type. */
  byType: Record<string, number>;
  /** Notes that named no patient; kept, without facts. */
  withoutPatient: number;
  /** Patients joined to one who was here. */
  joined?: number;
}

export function noFileCounts(): FileCounts {
  return {
    resources: 0,
    documents: 0,
    rejected: 0,
    created: 0,
    updated: 0,
    deleted: 0,
    unchanged: 0,
    byType: {},
    withoutPatient: 0,
  };
}

/** Counts one resource that was accepted. */
export function countOutcome(
  counts: FileCounts,
  outcome: 'created' | 'updated' | 'deleted' | 'unchanged',
  type: string,
): void {
  counts[outcome]++;
  if (outcome === 'deleted') return;
  counts.resources++;
  if (type === 'DocumentReference') counts.documents++;
  counts.byType[type] = (counts.byType[type] ?? 0) + 1;
}

/** One rejected line or entry. Never a value of it. */
export interface ImportError {
  readonly file: string;
  /** From 1; absent where the file is one JSON document. */
  readonly line?: number;
  /** Place within the resource or bundle. */
  readonly element?: string;
  readonly message: string;
  /** FHIR issue-type. */
  readonly code: string;
}

export function importError(file: string, line: number | undefined, fault: Fault): ImportError {
  const message = fault.remedy ? `${fault.message} ${fault.remedy}` : fault.message;
  const code = issueCode(fault);
  return { file, ...(line !== undefined && { line }), ...(fault.at && { element: fault.at }), message, code };
}

/** Facts the notes of this import yielded. */
export interface DerivedCounts {
  created: number;
  updated: number;
  deleted: number;
  unchanged: number;
  byType: Record<string, number>;
}

export function noDerivedCounts(): DerivedCounts {
  return { created: 0, updated: 0, deleted: 0, unchanged: 0, byType: {} };
}

/** What `import --report` writes. */
export interface ImportReport {
  readonly job: string;
  readonly files: readonly { path: string; resources: number; documents: number; rejected: number }[];
  readonly resources: {
    created: number;
    updated: number;
    unchanged: number;
    deleted: number;
    rejected: number;
    byType: Record<string, number>;
  };
  readonly documents: number;
  readonly documentsWithoutPatient: number;
  readonly derived: DerivedCounts;
  /** At most MAX_REPORTED_ERRORS; the error file has them all. */
  readonly errors: readonly ImportError[];
  /** People joined by an identifier, and those who may be one though no identifier proves it; of imports with `link`. */
  readonly linked?: {
    readonly joined: number;
    readonly candidates: readonly (Candidate & { readonly file: string })[];
  };
  /** Where the time went. */
  readonly profile?: JobProfile;
  /** Wall-clock seconds of this run. */
  readonly seconds: number;
}

export function addCounts(into: Record<string, number>, from: Readonly<Record<string, number>>): void {
  for (const [key, n] of Object.entries(from)) into[key] = (into[key] ?? 0) + n;
}

/** Joins the counts of the files into one report. */
export function importReport(
  job: string,
  files: readonly { path: string; counts: FileCounts }[],
  errors: readonly ImportError[],
  derived: DerivedCounts,
  seconds: number,
): ImportReport {
  const total = noFileCounts();
  for (const { counts } of files) {
    const { byType, ...numbers } = counts;
    addCounts(total as unknown as Record<string, number>, numbers);
    addCounts(total.byType, byType);
  }
  return {
    job,
    files: files.map(({ path, counts: { resources, documents, rejected } }) => ({
      path,
      resources,
      documents,
      rejected,
    })),
    resources: {
      created: total.created,
      updated: total.updated,
      unchanged: total.unchanged,
      deleted: total.deleted,
      rejected: total.rejected,
      byType: Object.fromEntries(Object.entries(total.byType).sort(([a], [b]) => (a < b ? -1 : 1))),
    },
    documents: total.documents,
    documentsWithoutPatient: total.withoutPatient,
    derived,
    errors: inOrder(files, errors),
    seconds,
  };
}

/** In the order of the files, and within a file of the lines. */
function inOrder(files: readonly { path: string }[], errors: readonly ImportError[]): ImportError[] {
  const place = new Map(files.map(({ path }, i) => [path, i]));
  const of = (error: ImportError) => place.get(error.file) ?? files.length;
  return [...errors].sort((a, b) => of(a) - of(b) || (a.line ?? 0) - (b.line ?? 0));
}
