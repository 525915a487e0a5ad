import { resolve } from 'node:path';
import { Fault, invalid, isFault } from '../core/fault.js';
import { parseJson } from '../core/json.js';
import type { Lane } from '../core/profile.js';
import type { Resource } from '../core/resource.js';
import { decodeText } from '../ingest/extractor.js';
import { detectFormat, type InputFormat } from '../ingest/format.js';
import {
  inflated,
  type Line,
  type LineBlock,
  linesOf,
  MAX_FILE_BYTES,
  MAX_LINE_BYTES,
  readLineBlocks,
  readLines,
  readWhole,
} from '../ingest/lines.js';
import type { Note } from '../ingest/note.js';
import { readNoteCsv, readNoteLines } from '../ingest/note-table.js';
import { describesNote } from '../ingest/sidecar.js';
import type { SourceFile } from '../ingest/source.js';
import {
  applied,
  collection,
  type FileImport,
  type FileOutcome,
  finish,
  isUnresolved,
  reject,
} from './import-apply.js';
import { writeBlocks } from './import-blocks.js';
import { addCounted, COMMITS_AT_ONCE, Commits } from './import-commits.js';
import { documentFile } from './import-document.js';
import { importLargeBundle } from './import-large.js';
import type { FileState } from './import-ledger.js';
import { importClinicalDocument, importMessages, inTurn } from './import-messages.js';
import { noteResource } from './import-notes.js';
import { joinPersons } from './import-persons.js';
import { noFileCounts } from './import-report.js';
import type { LinePool } from './line-pool.js';

/** Lines that are committed together: the cheapest size of a batch, measured (decision 0002). */
const LINES_PER_COMMIT = 4_000;
/** Bytes of lines that are committed together, so that large notes do not gather without bound. */
const BYTES_PER_COMMIT = 32 * 1024 * 1024;
/** How much of a file is looked at to tell its format, in bytes. */
const HEAD_BYTES = 64 * 1024;

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
    const head = await run.lane.during('read', () => readHead(file));
    const format = detectFormat(file.name, head);
    if (format === 'sidecar' || (format === 'fhir-json' && (await describesNote(file, head))))
      return 'skipped';
    return await importFormat(format, file, state, run);
  } catch (error) {
    if (!isFault(error) || !endsFile(error)) throw error;
    if (isUnresolved(error) && !run.lastAttempt) return 'deferred';
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
      return run.threads
        ? importBlocks(file, state, run, run.threads)
        : importLines(resourceLines(timed(readLines(file.open()), run.lane), file, state, run), state, run);
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
    case 'hl7v2':
      return importMessages(file, state, run);
    case 'ccda':
      return importClinicalDocument(file, state, run);
    default:
      throw new Fault('unsupported', 'The file is none of the formats that can be imported.', {
        remedy: /\.xml(\.gz)?$/i.test(file.name)
          ? 'Of XML, whole C-CDA documents are read, no parts of them.'
          : 'See `cenote import --help` for the formats.',
      });
  }
}

async function importJson(file: SourceFile, state: FileState, run: FileImport): Promise<FileOutcome> {
  const bytes = await run.lane.during('read', () => smallWhole(file, run));
  if (!bytes) {
    const outcome = await importLargeBundle(file, state, run);
    if (outcome) return outcome;
  }
  return importJsonBytes(bytes ?? (await readWhole(file.open())), state, run);
}

/** A JSON file up to this many bytes is parsed as a whole, which is quicker. */
const WHOLE_BYTES = 32 * 1024 * 1024;

/** The file, unless it is so large that a Bundle is better read entry by entry. */
async function smallWhole(file: SourceFile, run: FileImport): Promise<Buffer | undefined> {
  // People are joined, and references proven, over all entries at once.
  const limit = run.link || run.tenant.record.integrity ? MAX_FILE_BYTES : WHOLE_BYTES;
  try {
    return await readWhole(file.open(), limit);
  } catch (error) {
    if (limit === WHOLE_BYTES && isFault(error) && error.category === 'too-large') return undefined;
    throw error;
  }
}

async function importJsonBytes(bytes: Buffer, state: FileState, run: FileImport): Promise<FileOutcome> {
  const value = run.lane.busy('parse', () => parseJson(decodeText(bytes)));
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
  return (await appliedJoined(bundle, state, run, () => undefined)) ? finish(state) : 'deferred';
}

/** Applies a bundle after its people were joined to those who are here, where that is asked for. */
async function appliedJoined(
  bundle: Resource,
  state: FileState,
  run: FileImport,
  lineOf: (entry: number) => number | undefined,
): Promise<boolean> {
  const entries = bundle.entry as BundleEntry[] | undefined;
  if (!run.link || !Array.isArray(entries)) return applied(bundle, state, run, lineOf);
  return inTurn(run, async () => {
    const places = entries.flatMap((entry, i) => (entry?.resource?.resourceType ? [i] : []));
    const { resources, joined } = await joinPersons(
      run,
      state,
      places.map((i) => withUuid(entries[i]!)),
      (at) => lineOf(places[at]!),
    );
    const moved: BundleEntry[] = [...entries];
    places.forEach((i, at) => {
      const resource = resources[at]!;
      const { request } = entries[i]!;
      const renamed = resource.id !== entries[i]!.resource!.id && request?.method === 'PUT';
      const url = `${resource.resourceType}/${resource.id}`;
      moved[i] = { ...entries[i]!, resource, ...(renamed ? { request: { ...request, url } } : {}) };
    });
    if (!(await applied({ ...bundle, entry: moved }, state, run, lineOf))) return false;
    state.counts.joined = (state.counts.joined ?? 0) + joined;
    return true;
  });
}

interface BundleEntry {
  readonly fullUrl?: string;
  readonly resource?: Resource;
  readonly request?: { readonly method?: string; readonly url?: string };
}

/** A Patient without an id has the one its entry will give it. */
function withUuid({ resource, fullUrl }: BundleEntry): Resource {
  const uuid = /^urn:uuid:([0-9a-f-]{36})$/i.exec(fullUrl ?? '')?.[1];
  if (resource!.resourceType !== 'Patient' || resource!.id !== undefined || !uuid) return resource!;
  return { ...resource!, id: uuid.toLowerCase() };
}

/** A line that takes longer to be parsed is named in the profile, in ms. */
const SLOW_LINE_MS = 100;

/** Counts the time until each next item as reading. */
async function* timed<T>(items: AsyncIterable<T>, lane: Lane): AsyncGenerator<T> {
  const iterator = items[Symbol.asyncIterator]();
  let waited = 0;
  let n = 0;
  try {
    for (;;) {
      const from = performance.now();
      const next = await iterator.next();
      waited += performance.now() - from;
      if (next.done || ++n % 256 === 0) {
        lane.add('read', waited);
        waited = 0;
      }
      if (next.done) return;
      yield next.value;
    }
  } finally {
    await iterator.return?.();
  }
}

/** An item, or why a line is none; `undefined` item: the line was taken already in an earlier run. */
type Taken = Item | { readonly line: number; readonly fault: Fault };

async function* resourceLines(
  lines: AsyncIterable<Line> | Iterable<Line>,
  file: SourceFile,
  state: FileState,
  { lane, profiler }: FileImport,
): AsyncGenerator<Taken> {
  for await (const { line, bytes } of lines) {
    if (line <= state.position) continue;
    if (!bytes) {
      yield { line, fault: new Fault('too-large', `The line is longer than ${MAX_LINE_BYTES} bytes.`) };
      continue;
    }
    try {
      const from = performance.now();
      const value = parseJson(bytes.toString('utf8'));
      const ms = performance.now() - from;
      lane.add('parse', ms);
      if (ms > SLOW_LINE_MS) profiler.line(file.path, line, ms, bytes.length);
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

/**
 * Gathers items into commits. A commit's lines are done together, and the ledger says so right after, in the order of
 * the lines. A commit that writes what one under way writes waits for it: of an id that comes again the last one counts.
 */
async function importLines(
  items: AsyncIterable<Taken>,
  state: FileState,
  run: FileImport,
): Promise<FileOutcome> {
  return (await writeLines(items, state, run)) ? finish(state) : 'deferred';
}

/** @returns false where the file has to wait */
async function writeLines(items: AsyncIterable<Taken>, state: FileState, run: FileImport): Promise<boolean> {
  // What refers to lines before it must find them there.
  const atOnce = run.link || run.lastAttempt || run.tenant.record.integrity ? 1 : COMMITS_AT_ONCE;
  const commits = new Commits<string>(atOnce);
  let batch: Item[] = [];
  let faults: { line: number; fault: Fault }[] = [];
  let size = 0;
  let last = state.position;
  const begin = (): Promise<boolean> => {
    const ids = new Set(batch.map(({ resource }) => `${resource.resourceType}/${resource.id}`));
    const lines = { batch, faults, last };
    batch = [];
    faults = [];
    size = 0;
    return commits.begin(ids, (before) => commitLines(lines, before, state, run, atOnce > 1));
  };
  try {
    for await (const item of items) {
      last = item.line;
      if ('fault' in item) faults.push(item);
      else {
        batch.push(item);
        size += item.size;
      }
      if (batch.length >= LINES_PER_COMMIT || size >= BYTES_PER_COMMIT) if (!(await begin())) return false;
    }
    if (batch.length > 0 || faults.length > 0) if (!(await begin())) return false;
    return await commits.all();
  } finally {
    await commits.settled();
  }
}

/** Writes lines, and notes them once those `before` them are noted. */
async function commitLines(
  {
    batch,
    faults,
    last,
  }: { batch: readonly Item[]; faults: readonly { line: number; fault: Fault }[]; last: number },
  before: Promise<boolean>,
  state: FileState,
  run: FileImport,
  beside: boolean,
): Promise<boolean> {
  const lines = batch.map((i) => i.line);
  // Counted apart: where an earlier commit has to wait, this one is done again, and counts then.
  const counted = beside ? { ...state, counts: noFileCounts(), errors: [] } : state;
  const bundle = collection(batch.map((i) => i.resource));
  if (batch.length > 0 && !(await appliedJoined(bundle, counted, run, (e) => lines[e]))) return false;
  if (!(await before)) return false;
  if (beside) addCounted(state, counted);
  for (const { line, fault } of faults) reject(state, line, fault, true);
  state.counts.withoutPatient += batch.filter(
    ({ resource }) => resource.resourceType === 'DocumentReference' && resource.subject === undefined,
  ).length;
  state.position = last;
  await run.committed(state);
  run.signal?.throwIfAborted();
  return true;
}

/** Lines of a block as one commit, and what a block holds at most. */
const PER_COMMIT = { lines: LINES_PER_COMMIT, bytes: BYTES_PER_COMMIT };

/** Lines that are read, checked, prepared and sealed in other threads, but where something needs this one. */
async function importBlocks(
  file: SourceFile,
  state: FileState,
  run: FileImport,
  threads: LinePool,
): Promise<FileOutcome> {
  const blocks = readLineBlocks(file.open(), PER_COMMIT, state.position);
  const alone = (block: LineBlock) => {
    const lines = linesOf(Buffer.concat(block.parts), block);
    return writeLines(resourceLines(lines, file, state, run), state, run);
  };
  const written = await writeBlocks(timed(blocks, run.lane), threads, { file, state, run, alone });
  return written ? finish(state) : 'deferred';
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
