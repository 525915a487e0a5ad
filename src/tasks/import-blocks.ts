import { isFault } from '../core/fault.js';
import { parseJson } from '../core/json.js';
import type { LineBlock } from '../ingest/lines.js';
import type { SourceFile } from '../ingest/source.js';
import type { WriteResult } from '../store/contract.js';
import { isInput } from './bundle-import.js';
import { type FileImport, reject } from './import-apply.js';
import { addCounted, COMMITS_AT_ONCE, Commits } from './import-commits.js';
import type { FileState } from './import-ledger.js';
import { countOutcome, noFileCounts } from './import-report.js';
import type { LinePool, ReadyBlock } from './line-pool.js';

interface Taken {
  readonly block: LineBlock;
  /** Undefined where the lines have to be taken one by one. */
  readonly ready: Promise<ReadyBlock | undefined>;
}

/** What the blocks of one file have in common. */
interface BlockImport {
  readonly file: SourceFile;
  readonly state: FileState;
  readonly run: FileImport;
  /** Writes a block's lines in this thread, all of them done and noted when it answers; false: the file has to wait. */
  readonly alone: (block: LineBlock) => Promise<boolean>;
}

/**
 * Writes blocks of lines that other threads prepare and seal: while the database writes two, the next is prepared. What
 * they cannot do (references that are searches, an id twice in a block, a write that is refused) is done in this one.
 * @returns false where the file has to wait
 */
export async function writeBlocks(
  blocks: AsyncIterable<LineBlock>,
  threads: LinePool,
  of: BlockImport,
): Promise<boolean> {
  const { lane, contested } = of.run;
  const commits = new Commits<number>(COMMITS_AT_ONCE);
  // A file with one block of which the threads can make nothing mostly has more of them.
  let others = false;
  const take = async ({ block, ready }: Taken): Promise<boolean> => {
    const there = await ready;
    if (!there) {
      others = true;
      return (await commits.all()) && of.alone(block);
    }
    for (const phase of ['parse', 'validate', 'index'] as const) lane.add(phase, there.ms[phase]);
    // Other ids with the same check do no harm: the one waits for the other.
    return commits.begin(new Set(there.columns.chk), (before) => commitBlock(block, there, before, of));
  };
  let ahead: Taken | undefined;
  try {
    for await (const block of blocks) {
      const sealed = (ms: number) => lane.add('seal', ms);
      const ready = others ? Promise.resolve(undefined) : threads.prepare(block, !contested.full, sealed);
      ready.catch(() => undefined);
      const before = ahead;
      ahead = { block, ready };
      if (before && !(await take(before))) return false;
    }
    const last = ahead;
    ahead = undefined;
    if (last && !(await take(last))) return false;
    return await commits.all();
  } finally {
    await commits.settled();
    ahead?.ready.then(
      (there) => there?.release(),
      () => undefined,
    );
  }
}

/** Commits a block, and notes it once those `before` it are noted. */
async function commitBlock(
  block: LineBlock,
  ready: ReadyBlock,
  before: Promise<boolean>,
  { file, state, run, alone }: BlockImport,
): Promise<boolean> {
  try {
    const results = await written(ready, run);
    if (!results) return (await before) && (await alone(block));
    const counted = { ...state, counts: noFileCounts(), errors: [] };
    await note(results, ready, counted, run);
    for (const { n, size } of ready.documents)
      run.profiler.place(ready.columns.ids[n]!, state.path, ready.lines[n], size);
    for (const { line, ms, bytes } of ready.slow) run.profiler.line(file.path, line, ms, bytes);
    for (const { line, fault } of ready.refused) reject(counted, line, fault, true);
    if (!(await before)) return false;
    addCounted(state, counted);
    for (const { line, fault } of ready.faults) reject(state, line, fault, true);
    state.position = block.last;
    await run.committed(state);
    run.signal?.throwIfAborted();
    return true;
  } finally {
    ready.release();
  }
}

/** @returns undefined where nothing was written and this thread has to find out line by line what can be */
async function written(
  ready: ReadyBlock,
  { deps, tenant, actor }: FileImport,
): Promise<readonly WriteResult[] | undefined> {
  try {
    return await deps.store.commitKept(tenant, ready, actor);
  } catch (error) {
    if (isFault(error) && isInput(error)) return undefined;
    throw error;
  }
}

async function note(
  results: readonly WriteResult[],
  { columns, lines, documents, texts }: ReadyBlock,
  counted: FileState,
  { contested }: FileImport,
): Promise<void> {
  const former = results.flatMap((result, n) => (result.former ? [n] : []));
  const contents = new Map<number, string>();
  for (const [i, text] of (former.length > 0 ? await texts(former) : []).entries())
    contents.set(former[i]!, text);
  results.forEach((result, n) => {
    const { outcome, type, version } = result;
    countOutcome(counted.counts, outcome, type);
    if (version < 2) return;
    const content = contents.get(n);
    const resource =
      content === undefined
        ? undefined
        : { resourceType: type, id: columns.ids[n]!, ...(parseJson(content) as object) };
    contested.note(counted, n, lines[n], result, resource);
  });
  counted.counts.withoutPatient += documents.filter(({ withPatient }) => !withPatient).length;
}
