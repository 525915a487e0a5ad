import { invalid } from '../core/fault.js';
import { parseJson } from '../core/json.js';
import type { Resource } from '../core/resource.js';
import { bundleEntries } from '../ingest/json-bundle.js';
import type { SourceFile } from '../ingest/source.js';
import { keptId } from './bundle-import.js';
import { applied, type FileImport, type FileOutcome, finish } from './import-apply.js';
import type { FileState } from './import-ledger.js';

/** Entries, and bytes of them, that are held at a time. */
const ENTRIES_PER_PIECE = 4_000;
const BYTES_PER_PIECE = 32 * 1024 * 1024;

/** What must be known of a Bundle before its first entry is written. */
interface Outline {
  readonly type: unknown;
  /** `Type/id` by fullUrl: entries refer to each other in both directions. */
  readonly targets: ReadonlyMap<string, string>;
}

/**
 * Imports a Bundle too long to be held in memory. It is read twice: for what its entries are called, and for what they
 * hold. A transaction is one transaction of the database; of other Bundles each piece is committed by itself, and the
 * ledger says how many entries are done.
 * @returns undefined where the file is no Bundle
 */
export async function importLargeBundle(
  file: SourceFile,
  state: FileState,
  run: FileImport,
): Promise<FileOutcome | undefined> {
  const outline = await run.lane.during('read', () => outlineOf(file));
  if (!outline) return undefined;
  const { type, targets } = outline;
  const bundle: Resource = { resourceType: 'Bundle', type };
  if (type === 'transaction') {
    const pieces = () => piecesOf(file, 0, run);
    return (await applied(bundle, state, run, () => undefined, { targets, pieces }))
      ? finish(state)
      : 'deferred';
  }
  const pieces = piecesOf(file, state.position, run)[Symbol.asyncIterator]();
  try {
    for (let next = await pieces.next(); !next.done; ) {
      const entry = next.value;
      // The next piece is read while the database writes this one.
      const ahead = pieces.next();
      ahead.catch(() => undefined);
      const from = state.position;
      if (!(await applied({ ...bundle, entry }, state, run, () => undefined, { targets, from })))
        return 'deferred';
      state.position = from + entry.length;
      await run.committed(state);
      run.signal?.throwIfAborted();
      next = await ahead;
    }
  } finally {
    await pieces.return?.(undefined);
  }
  return finish(state);
}

interface EntryHead {
  readonly fullUrl?: unknown;
  readonly resource?: Resource;
  readonly request?: { readonly ifNoneExist?: unknown };
}

async function outlineOf(file: SourceFile): Promise<Outline | undefined> {
  const targets = new Map<string, string>();
  const ordinals = new Map<string, number>();
  const entries = bundleEntries(file.open());
  for (;;) {
    const next = await entries.next();
    if (next.done) {
      const { resourceType, type } = next.value;
      return resourceType === 'Bundle' ? { type, targets } : undefined;
    }
    const { fullUrl, resource, request } = headOf(next.value);
    if (request?.ifNoneExist !== undefined)
      throw invalid(
        'A Bundle of this size takes no conditional creates.',
        'Bundle.entry.request.ifNoneExist',
        'Send those entries in a Bundle of their own, before this one.',
      );
    if (typeof resource?.resourceType !== 'string') continue;
    const url = typeof fullUrl === 'string' && fullUrl !== '' ? fullUrl : undefined;
    // Counted for those without a fullUrl too: equal ones among them are told apart by their order.
    const id = keptId(resource, url, ordinals);
    if (url !== undefined) targets.set(url, `${resource.resourceType}/${id}`);
  }
}

/** The native parser is enough for names; where it fails, ours says why. */
function headOf(text: string): EntryHead {
  try {
    const head = JSON.parse(text) as EntryHead;
    if (typeof head.resource?.id === 'string') return head;
  } catch {
    // Told below.
  }
  return parseJson(text) as EntryHead;
}

/** The entries from the `skip`th on, parsed. */
async function* piecesOf(
  file: SourceFile,
  skip: number,
  { lane }: FileImport,
): AsyncGenerator<readonly unknown[]> {
  let piece: unknown[] = [];
  let size = 0;
  let seen = 0;
  for await (const text of bundleEntries(file.open())) {
    if (seen++ < skip) continue;
    piece.push(lane.busy('parse', () => parseJson(text)));
    size += text.length;
    if (piece.length < ENTRIES_PER_PIECE && size < BYTES_PER_PIECE) continue;
    yield piece;
    piece = [];
    size = 0;
  }
  if (piece.length > 0) yield piece;
}
