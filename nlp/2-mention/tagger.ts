import { readModel } from '../rules/load.js';
import { Lattice, spansOf, type TaggedSpan } from './crf.js';
import { FeatureBuffer, hintFeatures } from './features.js';
import { hashString, mix } from './hash.js';
import { decodeTagger, type TaggerFile } from './tagger-file.js';
import { type TaggerSentence, WeightSums } from './weight-sums.js';
import { findWord, foldDigits } from './words.js';

export type { TaggerSentence };

/** Longer sentences (broken input) are read in pieces of this many tokens, which bounds memory. */
export const SENTENCE_MAX_TOKENS = 400;
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

/** Where the table of words has kinds of names and frequency, counted from the end of a word's numbers. */
const KINDS_FROM_END = 3;
const FREQUENCY_FROM_END = 1;

let weights: TaggerFile | undefined;
let shipped: Tagger | undefined;

/** The weights that the package ships, read once. Threads that are sent them share their memory. */
export function loadWeights(): TaggerFile {
  weights ??= decodeTagger(readModel('tagger.bin.gz'));
  return weights;
}

/** Takes the shipped weights as another thread has read them. */
export function takeWeights(file: TaggerFile): void {
  weights = file;
  shipped = undefined;
}

/** The tagger with the weights that the package ships. */
export function loadTagger(): Tagger {
  shipped ??= openTagger(loadWeights());
  return shipped;
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

/** A model this sure that a token is nothing gives no hint. */
const HINT_SILENCE = 0.95;

export function openTagger(file: TaggerFile): Tagger {
  const { models } = file;
  const lattices = models.map(
    (model) => new Lattice(2 * model.types.length + 1, model.transitions, model.start),
  );
  const last = models.length - 1;
  const sums = new WeightSums(file);
  const buffer = new FeatureBuffer();
  const hints: number[][] = [];

  /** Fills the lattice of model m, after those before it where it is the last one and takes hints from them. */
  const score = (m: number, sentence: TaggerSentence): void => {
    const { length } = sentence.tokens;
    sums.load(sentence);
    if (m === last && last > 0) {
      for (let t = 0; t < length; t++) {
        if (hints.length <= t) hints.push([]);
        else hints[t]!.length = 0;
        const marks = sentence.drugs[t];
        if (marks) hints[t]!.push(...marks);
      }
      for (let helper = 0; helper < last; helper++) {
        const lattice = lattices[helper]!;
        sums.read(models[helper]!, lattice, length);
        lattice.marginals(length);
        hintsFrom(helper, lattice.probabilities, lattice.labels, length, hints);
      }
      hintFeatures(hints, length, buffer);
      sums.add(buffer);
    }
    sums.read(models[m]!, lattices[m]!, length);
  };

  const tagModel = (m: number, sentence: TaggerSentence, out: Float32Array): TaggedSpan[] => {
    if (sentence.tokens.length > SENTENCE_MAX_TOKENS) {
      const spans: TaggedSpan[] = [];
      for (let from = 0; from < sentence.tokens.length; from += SENTENCE_MAX_TOKENS) {
        const piece = {
          ...sentence,
          tokens: sentence.tokens.slice(from, from + SENTENCE_MAX_TOKENS),
          drugs: sentence.drugs.slice(from, from + SENTENCE_MAX_TOKENS),
        };
        const types = models[m]!.types.length;
        for (const span of tagModel(m, piece, out.subarray(from * types))) {
          spans.push({ ...span, first: span.first + from, last: span.last + from });
        }
      }
      return spans;
    }
    const length = sentence.tokens.length;
    score(m, sentence);
    const lattice = lattices[m]!;
    lattice.marginals(length);
    const path = lattice.bestPath(length);
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
