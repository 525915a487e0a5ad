import { Fault } from '../core/fault.js';
import type { BlobStore } from './blob-store.js';
import type { Removed } from './deidentify/deidentify.js';
import type { ExportedFile } from './shard-output.js';
import type { Shard } from './shard-reader.js';
import type { TableFormat } from './table.js';

const MANIFEST = 'manifest.json';
const STATE = 'export-state.json';

/** What an export wrote; `manifest.json`, written last: a place without it holds an unfinished export. */
export interface ExportManifest {
  /** Instant as of which the content was read. */
  readonly transactionTime: string;
  /** What was asked for, in the words of the request. */
  readonly request: string;
  /** Media type of the files. */
  readonly format: string;
  readonly output: readonly ExportedFile[];
  /** Resources per type over all files. */
  readonly counts: Readonly<Record<string, number>>;
  readonly total: number;
  /** Files beside the data: reports. */
  readonly beside: readonly string[];
}

/** What was asked: an export that was interrupted goes on only where the same is asked again. */
export interface ExportQuestion {
  readonly tenant: string;
  readonly format: TableFormat;
  readonly request: string;
  /** Keyed digest of types, patients, since, options. */
  readonly digest: string;
}

/** How far an export came; `export-state.json`, renewed after each shard, removed when the manifest stands. */
export interface ExportState {
  readonly question: ExportQuestion;
  readonly asOfMs: number;
  readonly shards: readonly Shard[];
  /** By number of the shard. */
  readonly done: Record<string, ShardDone>;
}

export interface ShardDone {
  readonly files: readonly ExportedFile[];
  /** Of a de-identified export. */
  readonly removed?: Removed;
  readonly leftOut?: Readonly<Record<string, number>>;
}

/**
 * The state an interrupted export of the same question left, if any.
 * @throws Fault `conflict` where a finished export, one of another question or anything else stands in the place.
 */
export async function resumable(
  store: BlobStore,
  question: ExportQuestion,
): Promise<ExportState | undefined> {
  if ((await store.get(MANIFEST)) !== undefined) {
    throw new Fault('conflict', 'The place already holds an export.', {
      at: '--out',
      remedy: 'Name an empty one, or remove the old export.',
    });
  }
  const bytes = await store.get(STATE);
  if (bytes === undefined) {
    if (await store.isEmpty()) return undefined;
    throw new Fault('conflict', 'The place for the export is not empty.', {
      at: '--out',
      remedy: 'Name an empty one.',
    });
  }
  const state = JSON.parse(bytes.toString('utf8')) as ExportState;
  if (JSON.stringify(state.question) !== JSON.stringify(question)) {
    throw new Fault('conflict', 'The place holds an unfinished export of something else.', {
      at: '--out',
      remedy:
        'Ask for the same again to finish it (a cohort whose members changed is another), or name an empty place.',
    });
  }
  return state;
}

export async function saveState(store: BlobStore, state: ExportState): Promise<void> {
  await store.put(STATE, Buffer.from(JSON.stringify(state)));
}

/** Writes the manifest; from then on the export is finished. */
export async function saveManifest(store: BlobStore, manifest: ExportManifest): Promise<void> {
  await store.put(MANIFEST, Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`));
  await store.remove(STATE);
}
