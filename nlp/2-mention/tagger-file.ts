import { gzipSync } from 'node:zlib';
import { unzip } from '../rules/load.js';
import { buildGazetteer, type Gazetteer } from './gazetteer.js';
import { TableMemory, type WasmMemory } from './kernel-memory.js';
import { buildWordTable, type WordTable } from './words.js';

/** One linear-chain model of the file: its columns in the shared rows, and what turns integers into scores. */
export interface PackedModel {
  readonly name: string;
  readonly types: readonly string[];
  /** First column of this model in a row; it has `2 * types.length + 1` columns. */
  readonly column: number;
  /** Score of one unit of an int8 weight. */
  readonly unit: number;
  readonly transitions: readonly number[];
  readonly start: readonly number[];
  /** Per type, added to its labels at every token, against the habit of models to say nothing. */
  readonly bias: readonly number[];
}

/**
 * Weights of all models of the tagger: one row of int8 per feature, the models side by side in it, so that a
 * feature is looked up once for all of them. Plain data on shared memory: threads that are sent it share it.
 */
export interface TaggerFile {
  /** With columns as they stand in `rows`: the last model first, each at a multiple of 4. */
  readonly models: readonly PackedModel[];
  /** `ROW_COLUMNS` weights a feature. */
  readonly rows: Int8Array;
  /** Open addressing by the low bits of a feature: pairs of feature (0 where free) and number of its row. */
  readonly slots: Int32Array;
  /**
   * Bits by the hash of a feature: 0 where the file has no such feature. Small enough for the cache nearest to the
   * core; most features of a text are answered here, without a look into `slots`.
   */
  readonly filter: Int32Array;
  readonly gazetteer: Gazetteer;
  readonly words: WordTable;
  /** Holds all of the above but `words`: the address of an array is its `byteOffset`. */
  readonly memory: WasmMemory;
  /** Where its tables end and the areas of kernels begin. */
  readonly end: number;
  /** How the file came to be; shown by `--explain` and the model card. */
  readonly about: Readonly<Record<string, unknown>>;
}

/** What is written: the same as dense lists. */
export interface TaggerParts {
  readonly models: readonly PackedModel[];
  readonly columns: number;
  readonly features: Int32Array;
  readonly rows: Int8Array;
  readonly wordHashes: Int32Array;
  readonly wordValues: Uint16Array;
  readonly wordWidth: number;
  readonly phraseHashes: Int32Array;
  readonly phraseKinds: Uint16Array;
  readonly about: Readonly<Record<string, unknown>>;
}

/** Columns of a row in use; see `nlp/kernel/kernel.ts`. */
export const ROW_COLUMNS = 32;
/** Columns that the last model may have: only they have sums of words far away. */
const LAST_MODEL_COLUMNS = 16;
const BLOCK_COLUMNS = 4;
/** Bits of the filter for each feature: one unknown feature in sixteen to thirty-two passes it. */
const FILTER_BITS = 16;
const MAGIC = 'CENOTE-TAGGER-1\n';
const ARRAYS = ['features', 'rows', 'wordHashes', 'wordValues', 'phraseHashes', 'phraseKinds'] as const;
const KINDS_OF_ARRAY = {
  features: Int32Array,
  rows: Int8Array,
  wordHashes: Int32Array,
  wordValues: Uint16Array,
  phraseHashes: Int32Array,
  phraseKinds: Uint16Array,
} as const;

/** Bytes of a weights file: a line of magic, a line of JSON, then the arrays little-endian, all gzip. */
export function encodeTagger(parts: TaggerParts): Buffer {
  const header = JSON.stringify({
    models: parts.models,
    columns: parts.columns,
    wordWidth: parts.wordWidth,
    about: parts.about,
    lengths: Object.fromEntries(ARRAYS.map((name) => [name, parts[name].length])),
  });
  const pieces: Buffer[] = [Buffer.from(`${MAGIC}${header}\n`, 'utf8')];
  for (const name of ARRAYS) {
    const array = parts[name];
    pieces.push(Buffer.from(array.buffer, array.byteOffset, array.byteLength));
  }
  return gzipSync(Buffer.concat(pieces), { level: 9 });
}

/** Opens a weights file. @throws Error where the bytes are not one. */
export function decodeTagger(file: Buffer): TaggerFile {
  const bytes = unzip(file);
  const magicEnd = MAGIC.length;
  const headerEnd = bytes.indexOf(10, magicEnd);
  if (bytes.toString('latin1', 0, magicEnd) !== MAGIC || headerEnd < 0) {
    throw new Error(
      'not a weights file of the tagger: build the package again or train it (npm run train:nlp)',
    );
  }
  const header = JSON.parse(bytes.toString('utf8', magicEnd, headerEnd)) as {
    models: PackedModel[];
    columns: number;
    wordWidth: number;
    about: Record<string, unknown>;
    lengths: Record<(typeof ARRAYS)[number], number>;
  };
  let at = headerEnd + 1;
  const take = <T extends keyof typeof KINDS_OF_ARRAY>(name: T): InstanceType<(typeof KINDS_OF_ARRAY)[T]> => {
    const Kind = KINDS_OF_ARRAY[name];
    const size = header.lengths[name] * Kind.BYTES_PER_ELEMENT;
    // Copied, since typed arrays need aligned memory.
    const copy = bytes.buffer.slice(bytes.byteOffset + at, bytes.byteOffset + at + size);
    at += size;
    return new Kind(copy as ArrayBuffer) as InstanceType<(typeof KINDS_OF_ARRAY)[T]>;
  };
  const features = take('features');
  const rows = take('rows');
  const words = buildWordTable(take('wordHashes'), take('wordValues'), header.wordWidth);
  const tables = new TableMemory();
  const gazetteer = buildGazetteer(take('phraseHashes'), take('phraseKinds'), (Kind, length) =>
    tables.array(Kind, length),
  );
  const models = laidOut(header.models);
  let size = 1024;
  while (size < features.length * 1.4) size *= 2;
  const slots = tables.array(Int32Array, size * 2);
  const wide = tables.array(Int8Array, features.length * ROW_COLUMNS);
  let filterSize = 32;
  while (filterSize * 32 < features.length * FILTER_BITS) filterSize *= 2;
  const filter = tables.array(Int32Array, filterSize);
  for (let i = 0; i < features.length; i++) {
    const feature = features[i]! | 0;
    let slot = feature & (size - 1);
    while (slots[slot * 2] !== 0) slot = (slot + 1) & (size - 1);
    slots[slot * 2] = feature;
    slots[slot * 2 + 1] = i;
    const bit = filterBits(feature);
    const word = bit & (filterSize - 1);
    filter[word] = filter[word]! | (1 << (bit >>> 27));
    for (let m = 0; m < models.length; m++) {
      const from = i * header.columns + header.models[m]!.column;
      wide.set(rows.subarray(from, from + labelsOf(models[m]!)), i * ROW_COLUMNS + models[m]!.column);
    }
  }
  const { memory, end } = tables;
  return { models, rows: wide, slots, filter, words, gazetteer, memory, end, about: header.about };
}

function labelsOf(model: PackedModel): number {
  return 2 * model.types.length + 1;
}

/** The models with their columns in use. @throws Error where they are too many for a row. */
function laidOut(models: readonly PackedModel[]): PackedModel[] {
  const width = (model: PackedModel): number => Math.ceil(labelsOf(model) / BLOCK_COLUMNS) * BLOCK_COLUMNS;
  const last = models.length - 1;
  let next = last < 0 ? 0 : width(models[last]!);
  if (next > LAST_MODEL_COLUMNS) throw new Error('the last model of the weights file has too many types');
  const out = models.map((model, m) => {
    if (m === last) return { ...model, column: 0 };
    const column = next;
    next += width(model);
    return { ...model, column };
  });
  if (next > ROW_COLUMNS) throw new Error('the models of the weights file have too many types together');
  return out;
}

/** Features are hashes, so `slots` go by their low bits; the filter goes by other ones. */
function filterBits(feature: number): number {
  return Math.imul(feature, 0x9e3779b1);
}

/** False only where the file does not have the feature. */
export function mayHave(filter: Int32Array, feature: number): boolean {
  const bits = filterBits(feature);
  return ((filter[bits & (filter.length - 1)]! >>> (bits >>> 27)) & 1) !== 0;
}

/** Number of a feature's row, or -1. */
export function findRow(file: TaggerFile, feature: number): number {
  const { slots } = file;
  const mask = slots.length / 2 - 1;
  const wanted = feature | 0;
  let slot = feature & mask;
  for (;;) {
    const key = slots[slot * 2]!;
    if (key === wanted) return slots[slot * 2 + 1]!;
    if (key === 0) return -1;
    slot = (slot + 1) & mask;
  }
}
