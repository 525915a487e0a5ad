import { gunzipSync, gzipSync } from 'node:zlib';
import { buildGazetteer, type Gazetteer } from './gazetteer.js';
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
 * feature is looked up once for all of them.
 */
export interface TaggerFile {
  readonly models: readonly PackedModel[];
  readonly columns: number;
  /**
   * Open addressing: each entry is the feature (0 where free) and its row of weights, in one line of the cache. Two
   * weights share a number, each raised by `LANE_ZERO` and in 16 bits, so that one addition adds both.
   */
  readonly entries: Int32Array;
  /** Numbers of an entry, a multiple of 8; entries are a power of two. */
  readonly stride: number;
  /** Numbers of a row: half the columns, rounded up. */
  readonly lanes: number;
  readonly words: WordTable;
  readonly gazetteer: Gazetteer;
  /** How the file came to be; shown by `--explain` and the model card. */
  readonly about: Readonly<Record<string, unknown>>;
}

/** What is written: the same as dense lists. */
export interface TaggerParts {
  readonly models: readonly PackedModel[];
  readonly columns: number;
  readonly features: Uint32Array;
  readonly rows: Int8Array;
  readonly wordHashes: Uint32Array;
  readonly wordValues: Uint16Array;
  readonly wordWidth: number;
  readonly phraseHashes: Uint32Array;
  readonly phraseKinds: Uint16Array;
  readonly about: Readonly<Record<string, unknown>>;
}

/** What weight 0 is stored as: makes every int8 weight positive. */
export const LANE_ZERO = 128;
/** Half a line of the cache, in numbers. */
const CACHE_PART = 8;
const MAGIC = 'CENOTE-TAGGER-1\n';
const ARRAYS = ['features', 'rows', 'wordHashes', 'wordValues', 'phraseHashes', 'phraseKinds'] as const;
const KINDS_OF_ARRAY = {
  features: Uint32Array,
  rows: Int8Array,
  wordHashes: Uint32Array,
  wordValues: Uint16Array,
  phraseHashes: Uint32Array,
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
  const bytes = gunzipSync(file);
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
  const gazetteer = buildGazetteer(take('phraseHashes'), take('phraseKinds'));
  const lanes = (header.columns + 1) >> 1;
  const stride = Math.ceil((1 + lanes) / CACHE_PART) * CACHE_PART;
  let size = 1024;
  while (size < features.length * 1.4) size *= 2;
  const entries = new Int32Array(size * stride);
  for (let i = 0; i < features.length; i++) {
    const feature = features[i]! | 0;
    let slot = feature & (size - 1);
    while (entries[slot * stride] !== 0) slot = (slot + 1) & (size - 1);
    entries[slot * stride] = feature;
    for (let column = 0; column < header.columns; column++) {
      const at = slot * stride + 1 + (column >> 1);
      const weight = rows[i * header.columns + column]! + LANE_ZERO;
      entries[at] = entries[at]! | (weight << ((column & 1) << 4));
    }
  }
  return {
    models: header.models,
    columns: header.columns,
    entries,
    stride,
    lanes,
    words,
    gazetteer,
    about: header.about,
  };
}

/** First number of a feature's row in `entries`, or -1. Features are hashes, so their low bits are the slot. */
export function findRow(file: TaggerFile, feature: number): number {
  const { entries, stride } = file;
  const mask = entries.length / stride - 1;
  const wanted = feature | 0;
  let slot = feature & mask;
  for (;;) {
    const key = entries[slot * stride]!;
    if (key === wanted) return slot * stride + 1;
    if (key === 0) return -1;
    slot = (slot + 1) & mask;
  }
}
