import type { Token } from '../model.js';
import { readModel } from '../rules/load.js';
import { Lattice, spansOf, type TaggedSpan } from './crf.js';
import { contextFeatures, hintFeatures } from './features.js';
import { hashString, mix } from './hash.js';
import { decodeTagger, findRow, type TaggerFile } from './tagger-file.js';
import { describeWord, OFFSETS, REACH, type Word, type WordTable } from './words.js';

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
  /** Spans of one sentence, token indices relative to it, by the last model, with its doubts. */
  tag(sentence: TaggerSentence): Tagged;
  /** Spans of one sentence by the named model. */
  tagWith(model: string, sentence: TaggerSentence): TaggedSpan[];
}

export interface Tagged {
  readonly spans: readonly TaggedSpan[];
  /** Tokens × types: the probability that the token belongs to a span of the type. */
  readonly probabilities: Float32Array;
}

interface KnownWord {
  readonly word: Word;
  /** Sum of the rows of the word's features: OFFSETS × columns. */
  readonly sums: Int16Array;
}

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

/** What a model's probabilities say about one token, as hashes for the model after it. */
export function hintsFrom(
  model: number,
  probabilities: ArrayLike<number>,
  path: ArrayLike<number>,
  labels: number,
  hints: number[][],
): void {
  for (let t = 0; t < hints.length; t++) {
    for (let type = 0; 2 * type + 2 < labels; type++) {
      const p = probabilities[t * labels + 2 * type + 1]! + probabilities[t * labels + 2 * type + 2]!;
      if (p <= 0.05) continue;
      const level = p > 0.95 ? 5 : p > 0.8 ? 4 : p > 0.5 ? 3 : p > 0.2 ? 2 : 1;
      hints[t]!.push(mix(mix(150 + model, type), level));
    }
    if (path[t] !== 0) hints[t]!.push(mix(mix(160 + model, path[t]!), 1));
  }
}

export function openTagger(file: TaggerFile): Tagger {
  const { columns, rows, models } = file;
  const lattices = models.map(
    (model) => new Lattice(2 * model.types.length + 1, model.transitions, model.start),
  );
  const cache = new Map<string, KnownWord>();
  const last = models.length - 1;

  const know = (token: Token): KnownWord => {
    let known = cache.get(token.text);
    if (known) return known;
    const word = describeTagged(token, file.words);
    const sums = new Int16Array(OFFSETS * columns);
    for (let o = 0; o < OFFSETS; o++) {
      for (const feature of word.features[o]!) {
        const row = findRow(file, feature);
        if (row < 0) continue;
        for (let c = 0; c < columns; c++) sums[o * columns + c] = sums[o * columns + c]! + rows[row + c]!;
      }
    }
    known = { word: { ...word, features: [] }, sums };
    if (cache.size >= WORD_CACHE_MAX) cache.clear();
    cache.set(token.text, known);
    return known;
  };

  const score = (sentence: TaggerSentence, upTo: number): Int32Array => {
    const { tokens } = sentence;
    const length = tokens.length;
    const known = tokens.map(know);
    const sums = new Int32Array(length * columns);
    for (let t = 0; t < length; t++) {
      const to = t * columns;
      for (let o = -REACH; o <= REACH; o++) {
        const other = known[t + o];
        if (!other) continue;
        const from = (o + REACH) * columns;
        for (let c = 0; c < columns; c++) sums[to + c] = sums[to + c]! + other.sums[from + c]!;
      }
    }
    const view = {
      words: known.map((entry) => entry.word),
      norms: tokens.map((token) => token.norm),
      section: sentence.section,
      listItem: sentence.listItem,
    };
    add(sums, contextFeatures(view, file.gazetteer));
    const hints: number[][] = Array.from({ length }, () => []);
    for (let m = 0; m < upTo; m++) {
      read(m, sums, length);
      const lattice = lattices[m]!;
      const path = lattice.viterbi(length);
      lattice.marginals(length);
      hintsFrom(m, lattice.probabilities, path, lattice.labels, hints);
    }
    if (upTo > 0) add(sums, hintFeatures(hints));
    return sums;
  };

  const add = (sums: Int32Array, features: readonly (readonly number[])[]): void => {
    for (let t = 0; t < features.length; t++) {
      const to = t * columns;
      for (const feature of features[t]!) {
        const row = findRow(file, feature);
        if (row < 0) continue;
        for (let c = 0; c < columns; c++) sums[to + c] = sums[to + c]! + rows[row + c]!;
      }
    }
  };

  const read = (m: number, sums: Int32Array, length: number): void => {
    const model = models[m]!;
    const lattice = lattices[m]!;
    const { labels } = lattice;
    lattice.reset(length);
    for (let t = 0; t < length; t++) {
      const from = t * columns + model.column;
      for (let y = 0; y < labels; y++) lattice.emissions[t * labels + y] = sums[from + y]! * model.unit;
      lattice.emissions[t * labels] = lattice.emissions[t * labels]! - model.bias;
    }
  };

  const tagModel = (m: number, sentence: TaggerSentence, out?: Float32Array): TaggedSpan[] => {
    if (sentence.tokens.length > SENTENCE_MAX_TOKENS) {
      const spans: TaggedSpan[] = [];
      for (let from = 0; from < sentence.tokens.length; from += SENTENCE_MAX_TOKENS) {
        const piece = { ...sentence, tokens: sentence.tokens.slice(from, from + SENTENCE_MAX_TOKENS) };
        const types = models[m]!.types.length;
        for (const span of tagModel(m, piece, out?.subarray(from * types))) {
          spans.push({ ...span, first: span.first + from, last: span.last + from });
        }
      }
      return spans;
    }
    const length = sentence.tokens.length;
    const sums = score(sentence, m === last ? last : 0);
    read(m, sums, length);
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

  return {
    file,
    types: models[last]!.types,
    tag: (sentence) => {
      const probabilities = new Float32Array(sentence.tokens.length * models[last]!.types.length);
      return { spans: tagModel(last, sentence, probabilities), probabilities };
    },
    tagWith: (name, sentence) => {
      const m = models.findIndex((model) => model.name === name);
      if (m < 0) throw new Error(`the tagger has no model named ${name}`);
      return tagModel(m, sentence);
    },
  };
}
