import { resolve } from 'node:path';
import { Fault, invalid, isFault } from '../core/fault.js';
import { parseJson } from '../core/json.js';
import type { Resource } from '../core/resource.js';
import { decodeText } from '../ingest/extractor.js';
import { detectFormat, type InputFormat } from '../ingest/format.js';
import { inflated, MAX_LINE_BYTES, readLines, readWhole } from '../ingest/lines.js';
import type { Note } from '../ingest/note.js';
import { type NoteColumns, readNoteCsv, readNoteLines } from '../ingest/note-table.js';
import { describesNote } from '../ingest/sidecar.js';
import type { SourceFile } from '../ingest/source.js';
import type { Actor } from '../store/contract.js';
import type { Tenant } from '../tenancy/tenant.js';
import { applyBundle, type BundleDeps, type ResolvedReferences } from './bundle.js';
import type { Check } from './bundle-entry.js';
import { documentFile } from './import-document.js';
import type { FileState } from './import-ledger.js';
import { type NoteDefaults, noteResource } from './import-notes.js';
import { addCounts, importError, MAX_ERRORS_PER_FILE } from './import-report.js';

/** Lines that are committed together: the cheapest size of a batch, measured (decision 0002). */
const LINES_PER_COMMIT = 4_000;
/** Bytes of lines that are committed together, so that large notes do not gather without bound. */
const BYTES_PER_COMMIT = 32 * 1024 * 1024;
/** How much of a file is looked at to tell its format, in bytes. */
const HEAD_BYTES = 64 * 1024;

export interface FileImport {
  readonly deps: BundleDeps;
  readonly tenant: Tenant;
  readonly actor: Actor;
  readonly base: string;
  readonly cache: ResolvedReferences;
  readonly defaults: NoteDefaults;
  readonly columns: NoteColumns;
  readonly check: Check;
  /** On the last attempt a reference that cannot be resolved is an error; before, the file is put off. */
  readonly lastAttempt: boolean;
  readonly signal: AbortSignal | undefined;
  /** Called after each commit, when the state has moved on; writes the ledger. */
  readonly committed: (state: FileState) => Promise<void>;
}

/** `deferred`: something in the file refers to what is not here yet; to be tried again after the other files. */
export type FileOutcome = 'done' | 'deferred' | 'skipped';

/** One resource of a file and where it came from. */
interface Item {
  readonly line: number;
  readonly resource: Resource;
  /** Length of what it was read from, in bytes or characters. */
  readonly size: number;
}

/**
 * Imports one file from where its state says, committing as it goes. What cannot be taken is noted with its line and
 * never stops the rest.
 * @throws Fault only for what ends the whole import (the database or the key is gone), or when it is stopped.
 */
export async function importFile(file: SourceFile, state: FileState, run: FileImport): Promise<FileOutcome> {
  try {
    const head = await readHead(file);
    const format = detectFormat(file.name, head);
    if (format === 'sidecar' || (format === 'fhir-json' && (await describesNote(file, head))))
      return 'skipped';
    return await importFormat(format, file, state, run);
  } catch (error) {
    if (!isFault(error) || !endsFile(error)) throw error;
    if (error.issueCode === 'not-found' && error.category === 'precondition' && !run.lastAttempt)
      return 'deferred';
    reject(state, undefined, error);
    return 'done';
  }
}

/** Faults that concern this file alone. */
function endsFile(fault: Fault): boolean {
  return ['invalid', 'unsupported', 'too-large', 'conflict', 'precondition', 'not-found', 'gone'].includes(
    fault.category,
  );
}

function importFormat(
  format: InputFormat,
  file: SourceFile,
  state: FileState,
  run: FileImport,
): Promise<FileOutcome> {
  switch (format) {
    case 'fhir-json':
      return importJson(file, state, run);
    case 'fhir-ndjson':
      return importLines(resourceLines(file, state), state, run);
    case 'note-csv':
      return importLines(noteItems(readNoteCsv(file.open(), run.columns), file, state, run), state, run);
    case 'note-jsonl':
      return importLines(noteItems(readNoteLines(file.open(), run.columns), file, state, run), state, run);
    case 'note-text':
    case 'note-html':
    case 'note-rtf':
    case 'note-docx':
    case 'note-pdf':
      return importWhole(documentFile(format, file, run), state, run);
    default:
      throw new Fault('unsupported', 'The file is none of the formats that can be imported.', {
        remedy: 'See `cenote import --help` for the formats.',
      });
  }
}

async function importJson(file: SourceFile, state: FileState, run: FileImport): Promise<FileOutcome> {
  const value = parseJson(decodeText(await readWhole(file.open())));
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalid('The file is no JSON object.');
  const resource = value as Resource;
  if (resource.resourceType === undefined) {
    throw invalid(
      'The JSON has no resourceType.',
      'resourceType',
      'Only FHIR resources are imported from .json files.',
    );
  }
  const bundle = resource.resourceType === 'Bundle' ? resource : collection([resource]);
  return (await applied(bundle, state, run, () => undefined)) ? finish(state) : 'deferred';
}

function collection(resources: readonly Resource[]): Resource {
  return { resourceType: 'Bundle', type: 'collection', entry: resources.map((resource) => ({ resource })) };
}

/** Applies a bundle and counts; false when it must wait for something that is not here yet. */
async function applied(
  bundle: Resource,
  state: FileState,
  run: FileImport,
  lineOf: (entry: number) => number | undefined,
): Promise<boolean> {
  const { counts, errors } = await applyBundle(run.deps, run.tenant, bundle, {
    mode: 'import',
    actor: run.actor,
    base: run.base,
    cache: run.cache,
    check: run.check,
  });
  if (!run.lastAttempt && errors.some(({ fault }) => isUnresolved(fault))) {
    const nothingWritten = counts.created + counts.updated + counts.deleted + counts.unchanged === 0;
    if (nothingWritten) return false;
  }
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
  for (const { entry, fault } of errors) reject(state, lineOf(entry), fault, lineOf(entry) !== undefined);
  return true;
}

function isUnresolved(fault: Fault): boolean {
  return fault.category === 'precondition' && fault.issueCode === 'not-found';
}

/** Notes what was refused. Within a line the place is the resource's own, not that of the batch it was sent in. */
function reject(state: FileState, line: number | undefined, fault: Fault, ofLine = false): void {
  state.counts.rejected++;
  const at = ofLine ? fault.at?.replace(/^Bundle\.entry\[\d+\]\.?(resource\.?)?/, '') || undefined : fault.at;
  if (state.errors.length < MAX_ERRORS_PER_FILE) {
    state.errors.push({ ...importError(state.path, line, fault), ...(at ? { element: at } : {}) });
    if (!at) delete (state.errors.at(-1) as { element?: string }).element;
  }
}

async function finish(state: FileState): Promise<FileOutcome> {
  state.done = true;
  return 'done';
}

/** An item, or why a line is none; `undefined` item: the line was taken already in an earlier run. */
type Taken = Item | { readonly line: number; readonly fault: Fault };

async function* resourceLines(file: SourceFile, state: FileState): AsyncGenerator<Taken> {
  for await (const { line, bytes } of readLines(file.open())) {
    if (line <= state.position) continue;
    if (!bytes) {
      yield { line, fault: new Fault('too-large', `The line is longer than ${MAX_LINE_BYTES} bytes.`) };
      continue;
    }
    try {
      const value = parseJson(bytes.toString('utf8'));
      if (typeof value !== 'object' || value === null || Array.isArray(value))
        throw invalid('The line is no JSON object.');
      yield { line, resource: value as Resource, size: bytes.length };
    } catch (error) {
      if (!isFault(error)) throw error;
      yield { line, fault: error };
    }
  }
}

async function* noteItems(
  rows: AsyncIterable<{ line: number; note: Note } | { line: number; fault: Fault }>,
  file: SourceFile,
  state: FileState,
  run: FileImport,
): AsyncGenerator<Taken> {
  let ordinal = 0;
  for await (const row of rows) {
    ordinal++;
    if (row.line <= state.position) continue;
    if ('fault' in row) {
      yield row;
      continue;
    }
    // The place of a note without an id is its row among the notes, not its line: text above it may change length.
    const origin = row.note.id === undefined ? `${resolve(file.path)}#${ordinal}` : resolve(file.path);
    try {
      const resource = await noteResource(run.deps, run.tenant, row.note, run.defaults, origin, run.cache);
      yield { line: row.line, resource, size: row.note.text.length };
    } catch (error) {
      if (!isFault(error)) throw error;
      if (isUnresolved(error) && !run.lastAttempt) throw error;
      yield { line: row.line, fault: error };
    }
  }
}

/** Gathers items into commits. A commit's lines are done together, and the ledger says so right after. */
async function importLines(
  items: AsyncIterable<Taken>,
  state: FileState,
  run: FileImport,
): Promise<FileOutcome> {
  let batch: Item[] = [];
  let faults: { line: number; fault: Fault }[] = [];
  let size = 0;
  let last = state.position;
  const commit = async (): Promise<boolean> => {
    const lines = batch.map((i) => i.line);
    if (
      batch.length > 0 &&
      !(await applied(collection(batch.map((i) => i.resource)), state, run, (e) => lines[e]))
    )
      return false;
    for (const { line, fault } of faults) reject(state, line, fault, true);
    state.counts.withoutPatient += batch.filter(
      ({ resource }) => resource.resourceType === 'DocumentReference' && resource.subject === undefined,
    ).length;
    state.position = last;
    batch = [];
    faults = [];
    size = 0;
    await run.committed(state);
    run.signal?.throwIfAborted();
    return true;
  };
  for await (const item of items) {
    last = item.line;
    if ('fault' in item) faults.push(item);
    else {
      batch.push(item);
      size += item.size;
    }
    if (batch.length >= LINES_PER_COMMIT || size >= BYTES_PER_COMMIT)
      if (!(await commit())) return 'deferred';
  }
  if (batch.length > 0 || faults.length > 0) if (!(await commit())) return 'deferred';
  return finish(state);
}

/** Applies what one document file yields: all of it, or it waits. */
async function importWhole(
  resources: Promise<readonly Resource[]>,
  state: FileState,
  run: FileImport,
): Promise<FileOutcome> {
  const all = await resources;
  if (!(await applied(collection(all), state, run, () => undefined))) return 'deferred';
  for (const { resourceType, subject } of all)
    if (resourceType === 'DocumentReference' && subject === undefined) state.counts.withoutPatient++;
  return finish(state);
}

/** The first decompressed bytes of a file as text. */
async function readHead(file: SourceFile): Promise<string> {
  if (file.size === undefined) return '';
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of inflated(file.open())) {
    chunks.push(chunk);
    size += chunk.length;
    if (size >= HEAD_BYTES) break;
  }
  return decodeText(Buffer.concat(chunks).subarray(0, HEAD_BYTES));
}
