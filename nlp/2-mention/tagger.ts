import type { Token } from '../model.js';
import { readModel } from '../rules/load.js';
import { Lattice, spansOf, type TaggedSpan } from './crf.js';
import { contextFeatures, FeatureBuffer, hintFeatures, sentenceFeatures } from './features.js';
import { hashString, mix } from './hash.js';
import { decodeTagger, findRow, LANE_ZERO, type TaggerFile } from './tagger-file.js';
import { describeWord, findWord, foldDigits, OFFSETS, REACH, type Word, type WordTable } from './words.js';

/** Words kept with their sums of weights. At the limit all are dropped; results do not depend on it. */
const WORD_CACHE_MAX = 30_000;
/** Longer sentences (broken input) are read in pieces of this many tokens, which bounds memory. */
export const SENTENCE_MAX_TOKENS = 400;
/** Longer words are described by their beginning. */
const WORD_MAX_CHARACTERS = 60;

/** A run of tokens that is read as one. */
export interface TaggerSentence {
  readonly tokens: readonly Token[];
  readonly section: number;
  readonly listItem: boolean;
}

export interface Tagger {
  readonly file: TaggerFile;
  /** Names of the span types of the last model. */
  readonly types: readonly string[];
  /** In names of which kinds the word stands (bits of `NAME_KIND`); 0 where in none or in all alike. */
  nameKinds(norm: string): number;
  /** How common the word is in the text that the vectors come from: 0 unknown, else 1 + log2 of its count. */
  frequencyClass(norm: string): number;
  /** Spans of one sentence, token indices relative to it, by the last model, with its doubts. */
  tag(sentence: TaggerSentence): Tagged;
  /** Spans of one sentence by the named model. */
  tagWith(model: string, sentence: TaggerSentence): Tagged;
}

export interface Tagged {
  readonly spans: readonly TaggedSpan[];
  /** Tokens × types: the probability that the token belongs to a span of the type. */
  readonly probabilities: Float32Array;
}

interface KnownWord {
  readonly word: Word;
  /** Sum of the rows of the word's features, OFFSETS × lanes, each raised by `WORD_ZERO`. */
  readonly sums: Int32Array;
}

/** Where the table of words has kinds of names and frequency, counted from the end of a word's numbers. */
const KINDS_FROM_END = 3;
const FREQUENCY_FROM_END = 1;

let shipped: Tagger | undefined;

/** The tagger with the weights that the package ships, read once. */
export function loadTagger(): Tagger {
  shipped ??= openTagger(decodeTagger(readModel('tagger.bin.gz')));
  return shipped;
}

/** The word of a token as the tagger knows it, with bounded length. */
export function describeTagged(token: Token, table: WordTable): Word {
  return describeWord(
    token.text.slice(0, WORD_MAX_CHARACTERS),
    token.norm.slice(0, WORD_MAX_CHARACTERS),
    table,
  );
}

/** A kind of section as the tagger is told of it. */
export function sectionHash(kind: string): number {
  return hashString(kind);
}

/**
 * What a model's probabilities say about one token, as hashes for the model after it.
 * @param probabilities tokens × labels; @param hints one list per token, added to.
 */
export function hintsFrom(
  model: number,
  probabilities: ArrayLike<number>,
  labels: number,
  length: number,
  hints: readonly number[][],
): void {
  for (let t = 0; t < length; t++) {
    const at = t * labels;
    if (probabilities[at]! > HINT_SILENCE) continue;
    let best = 0;
    for (let y = 1; y < labels; y++) if (probabilities[at + y]! > probabilities[at + best]!) best = y;
    for (let type = 0; 2 * type + 2 < labels; type++) {
      const p = probabilities[at + 2 * type + 1]! + probabilities[at + 2 * type + 2]!;
      if (p <= 0.05) continue;
      const level = p > 0.95 ? 5 : p > 0.8 ? 4 : p > 0.5 ? 3 : p > 0.2 ? 2 : 1;
      hints[t]!.push(mix(mix(150 + model, type), level));
    }
    if (best !== 0) hints[t]!.push(mix(mix(160 + model, best), 1));
  }
}

/**
 * Lanes are 16 bits: five words of at most 2 × 4,095 and 96 rows of at most 255 are 65,435. A word's sum beyond the
 * limit is cut; no word of the trained sets comes near it. Rows beyond the maximum are left out.
 */
const WORD_LIMIT = 4_095;
const WORD_ZERO = 4_096;
const ROWS_MAX = 96;

/** A model this sure that a token is nothing gives no hint. */
const HINT_SILENCE = 0.95;

export function openTagger(file: TaggerFile): Tagger {
  const { columns, entries, lanes, models } = file;
  const lattices = models.map(
    (model) => new Lattice(2 * model.types.length + 1, model.transitions, model.start),
  );
  const cache = new Map<string, KnownWord>();
  const last = models.length - 1;

  const know = (token: Token): KnownWord => {
    let known = cache.get(token.text);
    if (known) return known;
    const word = describeTagged(token, file.words);
    const sums = new Int32Array(OFFSETS * lanes);
    const exact = new Int32Array(columns);
    for (let o = 0; o < OFFSETS; o++) {
      exact.fill(0);
      for (const feature of word.features[o]!) {
        const row = findRow(file, feature);
        if (row < 0) continue;
        for (let c = 0; c < columns; c++) {
          exact[c] = exact[c]! + ((entries[row + (c >> 1)]! >>> ((c & 1) << 4)) & 0xffff) - LANE_ZERO;
        }
      }
      for (let c = 0; c < columns; c++) {
        const kept = Math.max(-WORD_LIMIT, Math.min(WORD_LIMIT, exact[c]!)) + WORD_ZERO;
        const at = o * lanes + (c >> 1);
        sums[at] = sums[at]! | (kept << ((c & 1) << 4));
      }
    }
    known = { word: { ...word, features: [] }, sums };
    if (cache.size >= WORD_CACHE_MAX) cache.clear();
    cache.set(token.text, known);
    return known;
  };

  let sums = new Int32Array(0);
  /** What the lanes of each token hold too much by the zeros raised above nothing. */
  let raised = new Int32Array(0);
  let rowCount = new Int32Array(0);
  const buffer = new FeatureBuffer();
  const hints: number[][] = [];

  /** Fills `sums` (tokens × lanes) with the weights of all features; with the hints of earlier models if wanted. */
  const score = (sentence: TaggerSentence, withHints: boolean): void => {
    const { tokens } = sentence;
    const length = tokens.length;
    if (raised.length < length) {
      sums = new Int32Array(length * lanes * 2);
      raised = new Int32Array(length * 2);
      rowCount = new Int32Array(length * 2);
    }
    const common = new Int32Array(lanes);
    let commonRows = 0;
    for (const feature of sentenceFeatures(sentence.section, sentence.listItem)) {
      const row = findRow(file, feature);
      if (row < 0) continue;
      commonRows++;
      for (let l = 0; l < lanes; l++) common[l] = common[l]! + entries[row + l]!;
    }
    const words: Word[] = [];
    const norms: string[] = [];
    const ofWords: Int32Array[] = [];
    for (let t = 0; t < length; t++) {
      const token = tokens[t]!;
      const known = know(token);
      words.push(known.word);
      ofWords.push(known.sums);
      norms.push(token.norm);
    }
    for (let t = 0; t < length; t++) {
      const to = t * lanes;
      for (let l = 0; l < lanes; l++) sums[to + l] = common[l]!;
      const low = Math.max(0, t - REACH);
      const high = Math.min(length - 1, t + REACH);
      for (let other = low; other <= high; other++) {
        const from = (other - t + REACH) * lanes;
        const add = ofWords[other]!;
        for (let l = 0; l < lanes; l++) sums[to + l] = sums[to + l]! + add[from + l]!;
      }
      rowCount[t] = commonRows;
      raised[t] = (high - low + 1) * WORD_ZERO + commonRows * LANE_ZERO;
    }
    contextFeatures(
      { words, norms, section: sentence.section, listItem: sentence.listItem },
      file.gazetteer,
      buffer,
    );
    addFeatures();
    if (!withHints) return;
    for (let t = 0; t < length; t++) {
      if (hints.length <= t) hints.push([]);
      else hints[t]!.length = 0;
    }
    for (let m = 0; m < last; m++) {
      read(m, length);
      const lattice = lattices[m]!;
      lattice.marginals(length);
      hintsFrom(m, lattice.probabilities, lattice.labels, length, hints);
    }
    hintFeatures(hints, length, buffer);
    addFeatures();
  };

  const addFeatures = (): void => {
    for (let t = 0; t < buffer.tokens; t++) {
      const base = t * lanes;
      const end = buffer.starts[t + 1]!;
      let count = rowCount[t]!;
      const before = count;
      for (let i = buffer.starts[t]!; i < end && count < ROWS_MAX; i++) {
        const row = findRow(file, buffer.values[i]!);
        if (row < 0) continue;
        count++;
        for (let l = 0; l < lanes; l++) sums[base + l] = sums[base + l]! + entries[row + l]!;
      }
      rowCount[t] = count;
      raised[t] = raised[t]! + (count - before) * LANE_ZERO;
    }
  };

  const read = (m: number, length: number): void => {
    const model = models[m]!;
    const lattice = lattices[m]!;
    const { labels } = lattice;
    const { column, unit, bias } = model;
    lattice.reset(length);
    for (let t = 0; t < length; t++) {
      const from = t * lanes;
      const zero = raised[t]!;
      for (let y = 0; y < labels; y++) {
        const c = column + y;
        const lane = (sums[from + (c >> 1)]! >>> ((c & 1) << 4)) & 0xffff;
        lattice.emissions[t * labels + y] = (lane - zero) * unit + (y === 0 ? 0 : bias[(y - 1) >> 1]!);
      }
    }
  };

  const tagModel = (m: number, sentence: TaggerSentence, out: Float32Array): TaggedSpan[] => {
    if (sentence.tokens.length > SENTENCE_MAX_TOKENS) {
      const spans: TaggedSpan[] = [];
      for (let from = 0; from < sentence.tokens.length; from += SENTENCE_MAX_TOKENS) {
        const piece = { ...sentence, tokens: sentence.tokens.slice(from, from + SENTENCE_MAX_TOKENS) };
        const types = models[m]!.types.length;
        for (const span of tagModel(m, piece, out.subarray(from * types))) {
          spans.push({ ...span, first: span.first + from, last: span.last + from });
        }
      }
      return spans;
    }
    const length = sentence.tokens.length;
    score(sentence, m === last && last > 0);
    read(m, length);
    const lattice = lattices[m]!;
    const path = lattice.viterbi(length);
    lattice.marginals(length);
    if (out) {
      const types = models[m]!.types.length;
      for (let t = 0; t < length; t++) {
        for (let type = 0; type < types; type++) {
          const at = t * lattice.labels + 2 * type + 1;
          out[t * types + type] = lattice.probabilities[at]! + lattice.probabilities[at + 1]!;
        }
      }
    }
    return spansOf(path, lattice.labels, lattice.probabilities);
  };

  const tagged = (m: number, sentence: TaggerSentence): Tagged => {
    const probabilities = new Float32Array(sentence.tokens.length * models[m]!.types.length);
    return { spans: tagModel(m, sentence, probabilities), probabilities };
  };

  const numberOfWord = (norm: string, fromEnd: number): number => {
    const at = findWord(file.words, hashString(foldDigits(norm)));
    return at < 0 ? 0 : file.words.values[at + file.words.width - fromEnd]!;
  };

  return {
    file,
    types: models[last]!.types,
    nameKinds: (norm) => numberOfWord(norm, KINDS_FROM_END),
    frequencyClass: (norm) => numberOfWord(norm, FREQUENCY_FROM_END),
    tag: (sentence) => tagged(last, sentence),
    tagWith: (name, sentence) => {
      const m = models.findIndex((model) => model.name === name);
      if (m < 0) throw new Error(`the tagger has no model named ${name}`);
      return tagged(m, sentence);
    },
  };
}
