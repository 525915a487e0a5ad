import type { Fault } from '../core/fault.js';
import type { Lane } from '../core/profile.js';
import type { Resource } from '../core/resource.js';
import type { NoteColumns } from '../ingest/note-table.js';
import type { Profiler } from '../jobs/profile.js';
import type { Actor } from '../store/contract.js';
import { isDangling } from '../store/integrity.js';
import type { Tenant } from '../tenancy/tenant.js';
import { applyBundle, type BundleDeps, type ResolvedReferences } from './bundle.js';
import type { Check } from './bundle-entry.js';
import type { ImportOptions } from './bundle-options.js';
import type { Contested } from './import-contested.js';
import type { FileState } from './import-ledger.js';
import type { NoteDefaults } from './import-notes.js';
import type { Postponed } from './import-postponed.js';
import { addCounts, importError, MAX_ERRORS_PER_COMMIT } from './import-report.js';
import type { LinePool } from './line-pool.js';

export interface FileImport {
  readonly deps: BundleDeps;
  readonly tenant: Tenant;
  readonly actor: Actor;
  readonly base: string;
  readonly cache: ResolvedReferences;
  readonly defaults: NoteDefaults;
  readonly columns: NoteColumns;
  readonly check: Check;
  /** Whether Patients of FHIR files are joined to those who have one of their identifiers. */
  readonly link: boolean;
  /** On the last attempt a reference that cannot be resolved is an error; before, the file is put off. */
  readonly lastAttempt: boolean;
  /** Takes resources whose references point to what is not here yet. */
  readonly postponed: Postponed;
  /** Takes records that return to an earlier form. */
  readonly contested: Contested;
  /** Prepares lines in other threads; undefined where people are joined or references proven, line after line. */
  readonly threads: LinePool | undefined;
  /** Where this worker's time is counted. */
  readonly lane: Lane;
  readonly profiler: Profiler;
  readonly signal: AbortSignal | undefined;
  /** Called after each commit, when the state has moved on; writes the ledger. */
  readonly committed: (state: FileState) => Promise<void>;
}

/** `deferred`: something in the file refers to what is not here yet; to be tried again after the other files. */
export type FileOutcome = 'done' | 'deferred' | 'skipped';

export function collection(resources: readonly Resource[]): Resource {
  return { resourceType: 'Bundle', type: 'collection', entry: resources.map((resource) => ({ resource })) };
}

/** Applies a bundle and counts; false when it must wait for something that is not here yet. */
export async function applied(
  bundle: Resource,
  state: FileState,
  run: FileImport,
  lineOf: (entry: number) => number | undefined,
  more: Pick<ImportOptions, 'targets' | 'from' | 'pieces'> = {},
): Promise<boolean> {
  const { counts, errors } = await applyBundle(run.deps, run.tenant, bundle, {
    ...more,
    mode: 'import',
    actor: run.actor,
    base: run.base,
    cache: run.cache,
    check: run.check,
    became: (result, entry, resource) => run.contested.note(state, entry, lineOf(entry), result, resource),
    holdsNoMore: () => run.contested.full,
  });
  if (!run.lastAttempt && errors.some(({ fault }) => isUnresolved(fault))) {
    const nothingWritten = counts.created + counts.updated + counts.deleted + counts.unchanged === 0;
    // A bundle's own entries may refer to each other by fullUrl: it waits as a whole, and is written again as a whole.
    if (nothingWritten || errors.some(({ entry, fault }) => isDangling(fault) && lineOf(entry) === undefined))
      return false;
  }
  noteDocuments(bundle, state, run, lineOf);
  const { byType, ...numbers } = counts;
  addCounts(state.counts.byType, byType);
  state.counts.created += numbers.created;
  state.counts.updated += numbers.updated;
  state.counts.deleted += numbers.deleted;
  state.counts.unchanged += numbers.unchanged;
  state.counts.resources += numbers.created + numbers.updated + numbers.unchanged;
  state.counts.documents += byType.DocumentReference ?? 0;
  const perEntry = Math.max(counts.rejected - errors.length, 0);
  state.counts.rejected += perEntry;
  const entries = (bundle.entry as { resource?: Resource }[] | undefined) ?? [];
  for (const { entry, fault } of errors) {
    const line = lineOf(entry);
    if (!run.postponed.take(state, line, entries[entry]?.resource, fault))
      reject(state, line, fault, line !== undefined);
  }
  return true;
}

/** Long documents are remembered by where they came from, so that the profile can name one that is slow to read. */
function noteDocuments(
  bundle: Resource,
  state: FileState,
  { profiler }: FileImport,
  lineOf: (entry: number) => number | undefined,
): void {
  const entries = (bundle.entry as { resource?: Resource }[] | undefined) ?? [];
  entries.forEach(({ resource }, i) => {
    if (resource?.resourceType !== 'DocumentReference' || resource.id === undefined) return;
    profiler.place(resource.id, state.path, lineOf(i), attachedUnits(resource));
  });
}

/** Length of what is attached to a document itself, in UTF-16 units of base64. */
export function attachedUnits({ content }: Resource): number {
  let size = 0;
  for (const one of (Array.isArray(content) ? content : []) as { attachment?: { data?: unknown } }[]) {
    const data = one?.attachment?.data;
    if (typeof data === 'string') size += data.length;
  }
  return size;
}

export function isUnresolved(fault: Fault): boolean {
  return isDangling(fault) || (fault.category === 'precondition' && fault.issueCode === 'not-found');
}

/** Notes what was refused. Within a line the place is the resource's own, not that of the batch it was sent in. */
export function reject(state: FileState, line: number | undefined, fault: Fault, ofLine = false): void {
  state.counts.rejected++;
  if (state.errors.length >= MAX_ERRORS_PER_COMMIT) return;
  const at = ofLine ? fault.at?.replace(/^Bundle\.entry\[\d+\]\.?(resource\.?)?/, '') || undefined : fault.at;
  const { element: _, ...error } = importError(state.path, line, fault);
  state.errors.push(at ? { ...error, element: at } : error);
}

export async function finish(state: FileState): Promise<FileOutcome> {
  state.done = true;
  return 'done';
}
