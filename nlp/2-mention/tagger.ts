import { readModel } from '../rules/load.js';
import { spansOf, type TaggedSpan } from './crf.js';
import { hashString, mix } from './hash.js';
import { Kernel, SENTENCE_MAX_TOKENS, type TaggerSentence } from './kernel.js';
import { decodeTagger, type TaggerFile } from './tagger-file.js';
import { findWord, foldDigits } from './words.js';

export { SENTENCE_MAX_TOKENS, type TaggerSentence };

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
  /**
   * Of the last model, where its helpers see a drug: `DRUG_OPINIONS` numbers a token, how much all models together
   * speak for one (the likelihoods of the last one and of drug events, and half of that of chemicals), and what drug
   * events and chemicals say alone.
   */
  readonly drugs?: Float32Array;
}

/** Where the table of words has kinds of names and frequency, counted from the end of a word's numbers. */
const KINDS_FROM_END = 3;
const FREQUENCY_FROM_END = 1;

let weights: TaggerFile | undefined;
let shipped: Tagger | undefined;
/** The thread that this is, among those that share weights. */
let thread = 1;

/** The weights that the package ships, read once. Threads that are sent them share their memory. */
export function loadWeights(): TaggerFile {
  weights ??= decodeTagger(readModel('tagger.bin.gz'));
  return weights;
}

/** Takes the shipped weights as another thread has read them. @param number of this thread, 1 or more. */
export function takeWeights(file: TaggerFile, number: number): void {
  weights = file;
  thread = number;
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

/** Numbers of a token in `Tagged.drugs`. */
export const DRUG_OPINIONS = 3;
/** What a chemical counts towards a drug, and the sum below which nothing is said. */
const CHEMICAL_SHARE = 0.5;
const DRUG_SILENCE = 0.2;
/** A model this sure that a token is nothing gives no hint. */
const HINT_SILENCE = 0.95;

const ZEROS_AT_ONCE = 1 << 14;
let numbers = new Float32Array(0);
let taken = 0;

/** Zeros for one sentence, out of what is taken for many at once: a long note has thousands of sentences. */
function zeros(length: number): Float32Array {
  if (taken + length > numbers.length) {
    numbers = new Float32Array(Math.max(ZEROS_AT_ONCE, length));
    taken = 0;
  }
  taken += length;
  return numbers.subarray(taken - length, taken);
}

export function openTagger(file: TaggerFile): Tagger {
  const { models } = file;
  const last = models.length - 1;
  const kernel = new Kernel(file, thread);
  const helperOf = (type: string): number =>
    models.findIndex((model, m) => m !== last && model.types[0] === type);
  const event = helperOf('Drug');
  const chemical = helperOf('Chemical');

  const tagged = (m: number, sentence: TaggerSentence): Tagged => {
    const { length } = sentence.tokens;
    const types = models[m]!.types.length;
    const probabilities = zeros(length * types);
    if (length <= SENTENCE_MAX_TOKENS) {
      const labels = kernel.tag(m, sentence, probabilities);
      const spans = labels ? spansOf(labels, probabilities, types) : [];
      const drugs = m === last && event >= 0 ? drugOpinions(probabilities, types, length) : undefined;
      return drugs ? { spans, probabilities, drugs } : { spans, probabilities };
    }
    const spans: TaggedSpan[] = [];
    for (let from = 0; from < length; from += SENTENCE_MAX_TOKENS) {
      const piece = tagged(m, {
        ...sentence,
        tokens: sentence.tokens.slice(from, from + SENTENCE_MAX_TOKENS),
        drugs: sentence.drugs.slice(from, from + SENTENCE_MAX_TOKENS),
      });
      probabilities.set(piece.probabilities, from * types);
      for (const span of piece.spans)
        spans.push({ ...span, first: span.first + from, last: span.last + from });
    }
    return { spans, probabilities };
  };

  /** After the last model has read a sentence; undefined where no helper sees a drug. */
  const drugOpinions = (
    probabilities: Float32Array,
    types: number,
    length: number,
  ): Float32Array | undefined => {
    let out: Float32Array | undefined;
    for (let t = 0; t < length; t++) {
      const drug = kernel.chanceOf(event, 0, t);
      const substance = chemical < 0 ? 0 : kernel.chanceOf(chemical, 0, t);
      const sum = probabilities[t * types]! + drug + CHEMICAL_SHARE * substance;
      if (sum < DRUG_SILENCE) continue;
      out ??= zeros(DRUG_OPINIONS * length);
      out[DRUG_OPINIONS * t] = sum;
      out[DRUG_OPINIONS * t + 1] = drug;
      out[DRUG_OPINIONS * t + 2] = substance;
    }
    return out;
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
