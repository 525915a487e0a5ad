import { type Fault, isFault } from '../core/fault.js';
import type { Resource } from '../core/resource.js';
import { MAX_CCDA_BYTES, mapClinicalDocument } from '../ingest/ccda/index.js';
import { extractText } from '../ingest/extractors.js';
import { mapMessage } from '../ingest/hl7v2/index.js';
import { decodeMessages, MAX_MESSAGES_BYTES, readMessages } from '../ingest/hl7v2/message.js';
import { readWhole } from '../ingest/lines.js';
import { withFilesKept } from '../ingest/original.js';
import type { SourceFile } from '../ingest/source.js';
import { applied, collection, type FileImport, type FileOutcome, finish, reject } from './import-apply.js';
import type { FileState } from './import-ledger.js';
import { type Linkable, linked } from './import-linked.js';

/** Messages that are committed together. */
const MESSAGES_PER_COMMIT = 100;
/** Resources that are committed together. */
const RESOURCES_PER_COMMIT = 2_000;

/** Imports a file of HL7 v2 messages, each by itself: one that cannot be read is refused with its line. */
export async function importMessages(
  file: SourceFile,
  state: FileState,
  run: FileImport,
): Promise<FileOutcome> {
  const text = decodeMessages(await readWhole(file.open(), MAX_MESSAGES_BYTES));
  let groups: Linkable[] = [];
  let faults: { line: number; fault: Fault }[] = [];
  let last = state.position;
  const commit = async (): Promise<boolean> => {
    if (!(await importLinked(groups, state, run))) return false;
    for (const { line, fault } of faults) reject(state, line, fault, true);
    state.position = last;
    groups = [];
    faults = [];
    await run.committed(state);
    run.signal?.throwIfAborted();
    return true;
  };
  let size = 0;
  for (const message of readMessages(text)) {
    if (message.line <= state.position) continue;
    last = message.line;
    try {
      if ('fault' in message) throw message.fault;
      const { resources, authoritative, saidAt } = mapMessage(message);
      groups.push({
        line: message.line,
        resources: await withDocumentsKept(resources),
        authoritative,
        saidAt,
      });
      size += resources.length;
    } catch (error) {
      if (!isFault(error)) throw error;
      faults.push({ line: message.line, fault: error });
    }
    if (groups.length + faults.length >= MESSAGES_PER_COMMIT || size >= RESOURCES_PER_COMMIT) {
      if (!(await commit())) return 'deferred';
      size = 0;
    }
  }
  if (groups.length + faults.length > 0 && !(await commit())) return 'deferred';
  return finish(state);
}

/** Imports a C-CDA document: whom it is about, the document with its original, and what its entries say. */
export async function importClinicalDocument(
  file: SourceFile,
  state: FileState,
  run: FileImport,
): Promise<FileOutcome> {
  const mapped = mapClinicalDocument(await readWhole(file.open(), MAX_CCDA_BYTES));
  const group = { line: undefined, resources: await withDocumentsKept(mapped), authoritative: false };
  return (await importLinked([group], state, run)) ? finish(state) : 'deferred';
}

/** The resources, files inside of documents kept as Binaries and read. */
export async function withDocumentsKept(resources: readonly Resource[]): Promise<Resource[]> {
  const out: Resource[] = [];
  for (const resource of resources) {
    if (resource.resourceType !== 'DocumentReference') out.push(resource);
    else out.push(...(await withFilesKept(resource, extractText)));
  }
  return out;
}

/** Joining to what is here and writing must not be interleaved with another file's that brings the same person. */
const turns = new WeakMap<object, Promise<unknown>>();

/** Links what messages and documents say to what is here, and writes it; false when it must wait. */
export async function importLinked(
  groups: readonly Linkable[],
  state: FileState,
  run: FileImport,
): Promise<boolean> {
  if (groups.length === 0) return true;
  const work = async () => {
    const items = await linked(run.deps, run.tenant, groups);
    return applied(
      collection(items.map(({ resource }) => resource)),
      state,
      run,
      (entry) => items[entry]?.line,
    );
  };
  return inTurn(run, work);
}

/** Runs what joins people to those who are here after whatever of the kind the same import has begun. */
export function inTurn<T>(run: FileImport, work: () => Promise<T>): Promise<T> {
  const before = turns.get(run.cache) ?? Promise.resolve();
  const from = performance.now();
  const mine = () => {
    run.lane.add('wait', performance.now() - from);
    return work();
  };
  const turn = before.then(mine, mine);
  turns.set(
    run.cache,
    turn.catch(() => undefined),
  );
  return turn;
}
