import type { Token } from '../model.js';
import type { Lattice } from './crf.js';
import type { DrugMarks } from './drug-marks.js';
import { contextFeatures, FeatureBuffer, sentenceFeatures } from './features.js';
import { ownCopy } from './own-copy.js';
import { findRow, LANES_PER_NUMBER, laneOf, mayHave, type TaggerFile, WEIGHT_ZERO } from './tagger-file.js';
import { describeWord, FAR_LEFT, FAR_RIGHT, OFFSETS, REACH, type Word, type WordTable } from './words.js';

/** A run of tokens that is read as one. */
export interface TaggerSentence {
  readonly tokens: readonly Token[];
  readonly section: number;
  readonly listItem: boolean;
  /** For the last model. */
  readonly drugs: DrugMarks;
}

/** Words kept with their sums of weights. At the limit all are dropped; results do not depend on it. */
const WORD_CACHE_MAX = 30_000;
/** Words that the table of sums has room for at first. */
const WORD_CACHE_START = 2_048;
/** Kinds of sentences kept with their sums. */
const KIND_CACHE_MAX = 256;
/** Longer words are described by their beginning. */
const WORD_MAX_CHARACTERS = 60;

/**
 * Halves of lanes are 16 bits: five words of at most 2 × 4,095, seven far words of one row and 88 other rows of at
 * most 255 are 65,180. A word's sum beyond the limit is cut; no word of the trained sets comes near it. Rows beyond
 * the maximum are left out.
 */
const WORD_LIMIT = 4_095;
const WORD_ZERO = 4_096;
const ROWS_MAX = 88;
const WORD_ZEROS = WORD_ZERO | (WORD_ZERO << 16);
const FAR_ZEROS = WEIGHT_ZERO | (WEIGHT_ZERO << 16);
const FAR_WORDS = FAR_LEFT - REACH + (FAR_RIGHT - REACH);
/** Of each known word: a sum for each place in the window, one for far before and one for far after. */
const SUMS_OF_WORD = OFFSETS + 2;
/** Places before and after the sentence that the windows reach. */
const MARGIN = Math.max(FAR_LEFT, FAR_RIGHT) + 1;

/** The word of a token as the tagger knows it, with bounded length. */
export function describeTagged(token: Token, table: WordTable): Word {
  return describeWord(
    token.text.slice(0, WORD_MAX_CHARACTERS),
    token.norm.slice(0, WORD_MAX_CHARACTERS),
    table,
  );
}

/**
 * Sums of the weights of all models for the tokens of one sentence. What a word brings to each place around it
 * depends on the word alone, so it is summed once and kept.
 */
export class WeightSums {
  private readonly lanes: number;
  /** Two halves a lane, tokens × lanes. */
  private sums = new Int32Array(0);
  /** What the halves of each token hold too much, by the zeros raised above nothing. */
  private raised = new Int32Array(0);
  private rowCount = new Int32Array(0);

  /** Place of each known word in `known` and `wordSums`; place 0 stands for what is outside the sentence. */
  private readonly places = new Map<string, number>();
  private readonly known: Word[] = [];
  /**
   * Place × `SUMS_OF_WORD` × lanes: sums of the rows of the word's features, each half raised by `WORD_ZERO`, by
   * `WEIGHT_ZERO` for the far ones.
   */
  private wordSums = new Int32Array(0);
  private readonly kinds = new Map<number, { readonly sums: Int32Array; readonly rows: number }>();

  private readonly context = new FeatureBuffer();
  private readonly words: Word[] = [];
  /** Sums of the far words of the current token. */
  private readonly far: Int32Array;
  private atPlace = new Int32Array(0);
  private candidates = new Int32Array(256);
  private rows = new Int32Array(256);

  constructor(private readonly file: TaggerFile) {
    this.lanes = file.lanes;
    this.far = new Int32Array(file.lanes);
    this.forget();
  }

  /** Begins a sentence: weights of its kind, its words and their context. */
  load(sentence: TaggerSentence): void {
    const { lanes } = this;
    const { tokens } = sentence;
    const length = tokens.length;
    if (this.raised.length < length) {
      this.sums = new Int32Array(length * lanes * 2);
      this.raised = new Int32Array(length * 2);
      this.rowCount = new Int32Array(length * 2);
      this.atPlace = new Int32Array(length * 2 + 2 * MARGIN);
    }
    const kind = this.kindOf(sentence);
    const { atPlace, words, sums } = this;
    if (this.known.length + length > WORD_CACHE_MAX) this.forget();
    words.length = length;
    for (let i = 0; i < MARGIN; i++) {
      atPlace[i] = 0;
      atPlace[MARGIN + length + i] = 0;
    }
    for (let t = 0; t < length; t++) {
      const token = tokens[t]!;
      const place = this.places.get(token.text) ?? this.learn(token);
      atPlace[t + MARGIN] = place * SUMS_OF_WORD * lanes;
      words[t] = this.known[place]!;
    }
    const { wordSums, far } = this;
    const common = kind.sums;
    // The far words of the token before the first, from which those of each token follow.
    far.fill(FAR_WORDS * FAR_ZEROS);
    const before = OFFSETS * lanes;
    const after = before + lanes;
    for (let i = REACH + 1; i < FAR_RIGHT; i++) {
      const entering = atPlace[MARGIN - 1 + i]! + after;
      for (let l = 0; l < lanes; l++) far[l] = far[l]! + wordSums[entering + l]! - FAR_ZEROS;
    }
    for (let t = 0; t < length; t++) {
      const at = t + MARGIN;
      // The word at offset o from t speaks of t from its own row o.
      const a = atPlace[at - 2]!;
      const b = atPlace[at - 1]! + lanes;
      const c = atPlace[at]! + 2 * lanes;
      const d = atPlace[at + 1]! + 3 * lanes;
      const e = atPlace[at + 2]! + 4 * lanes;
      const inLeft = atPlace[at - REACH - 1]! + before;
      const outLeft = atPlace[at - FAR_LEFT - 1]! + before;
      const inRight = atPlace[at + FAR_RIGHT]! + after;
      const outRight = atPlace[at + REACH]! + after;
      const to = t * lanes;
      for (let l = 0; l < lanes; l++) {
        const further =
          (far[l]! +
            wordSums[inLeft + l]! -
            wordSums[outLeft + l]! +
            wordSums[inRight + l]! -
            wordSums[outRight + l]!) |
          0;
        far[l] = further;
        sums[to + l] =
          (common[l]! +
            further +
            wordSums[a + l]! +
            wordSums[b + l]! +
            wordSums[c + l]! +
            wordSums[d + l]! +
            wordSums[e + l]!) |
          0;
      }
      this.rowCount[t] = kind.rows;
      this.raised[t] = OFFSETS * WORD_ZERO + (FAR_WORDS + kind.rows) * WEIGHT_ZERO;
    }
    contextFeatures(words, this.file.gazetteer, this.context);
    this.add(this.context);
  }

  /** Adds the weights of more features of the sentence's tokens. */
  add(features: FeatureBuffer): void {
    const { file, lanes, sums } = this;
    const { entries, filter } = file;
    const { values, starts } = features;
    for (let t = 0; t < features.tokens; t++) {
      const first = starts[t]!;
      const end = starts[t + 1]!;
      if (first === end) continue;
      if (this.rows.length < end - first) {
        this.candidates = new Int32Array((end - first) * 2);
        this.rows = new Int32Array((end - first) * 2);
      }
      const { candidates, rows } = this;
      // In passes, so that the memory is asked for many rows at once.
      let possible = 0;
      for (let i = first; i < end; i++) {
        const feature = values[i]!;
        candidates[possible] = feature;
        if (mayHave(filter, feature)) possible++;
      }
      let count = this.rowCount[t]!;
      let found = 0;
      for (let i = 0; i < possible && count < ROWS_MAX; i++) {
        const row = findRow(file, candidates[i]!);
        if (row < 0) continue;
        rows[found++] = row;
        count++;
      }
      this.rowCount[t] = count;
      this.raised[t] = this.raised[t]! + found * WEIGHT_ZERO;
      addRows(entries, rows, found, sums, t * lanes, lanes);
    }
  }

  /** Fills the emissions of a model's lattice for the sentence. */
  read(
    model: { readonly column: number; readonly unit: number; readonly bias: readonly number[] },
    lattice: Lattice,
    length: number,
  ): void {
    const { lanes, sums } = this;
    const { labels } = lattice;
    lattice.reset(length);
    const { emissions } = lattice;
    for (let y = 0; y < labels; y++) {
      const { lane, shift } = laneOf(model.column + y);
      const bias = y === 0 ? 0 : model.bias[(y - 1) >> 1]!;
      for (let t = 0; t < length; t++) {
        const half = (sums[t * lanes + lane]! >>> shift) & 0xffff;
        emissions[t * labels + y] = (half - this.raised[t]!) * model.unit + bias;
      }
    }
  }

  /** Drops all words but the one that stands for none. */
  private forget(): void {
    const size = SUMS_OF_WORD * this.lanes;
    this.places.clear();
    this.known.length = 0;
    this.wordSums = new Int32Array(WORD_CACHE_START * size);
    this.known.push({ ...describeWord('', '', this.file.words), features: [] });
    this.wordSums.fill(WORD_ZEROS, 0, OFFSETS * this.lanes);
    this.wordSums.fill(FAR_ZEROS, OFFSETS * this.lanes, size);
  }

  private learn(token: Token): number {
    const { file, lanes } = this;
    const size = SUMS_OF_WORD * lanes;
    const place = this.known.length;
    if ((place + 1) * size > this.wordSums.length) {
      const larger = new Int32Array(this.wordSums.length * 2);
      larger.set(this.wordSums);
      this.wordSums = larger;
    }
    const word = describeTagged(token, file.words);
    for (let o = 0; o < OFFSETS; o++) {
      const features = word.features[o]!;
      if (this.rows.length < features.length) this.rows = new Int32Array(features.length * 2);
      const { rows } = this;
      let found = 0;
      for (let i = 0; i < features.length; i++) {
        if (!mayHave(file.filter, features[i]!)) continue;
        const row = findRow(file, features[i]!);
        if (row >= 0) rows[found++] = row;
      }
      const at = place * size + o * lanes;
      addRows(file.entries, rows, found, this.wordSums, at, lanes);
      const zero = found * WEIGHT_ZERO;
      for (let l = at; l < at + lanes; l++) {
        const both = this.wordSums[l]!;
        this.wordSums[l] = limited((both & 0xffff) - zero) | (limited((both >>> 16) - zero) << 16);
      }
    }
    for (const [i, feature] of [word.farBefore, word.farAfter].entries()) {
      const at = place * size + (OFFSETS + i) * lanes;
      const row = findRow(file, feature);
      if (row < 0) this.wordSums.fill(FAR_ZEROS, at, at + lanes);
      else addRows(file.entries, Int32Array.of(row), 1, this.wordSums, at, lanes);
    }
    this.known.push({ ...word, features: [] });
    this.places.set(ownCopy(token.text), place);
    return place;
  }

  private kindOf(sentence: TaggerSentence): { readonly sums: Int32Array; readonly rows: number } {
    const key = sentence.section * 2 + (sentence.listItem ? 1 : 0);
    let kind = this.kinds.get(key);
    if (kind) return kind;
    const rows = Int32Array.from(
      sentenceFeatures(sentence.section, sentence.listItem)
        .map((feature) => findRow(this.file, feature))
        .filter((row) => row >= 0),
    );
    kind = { sums: new Int32Array(this.lanes), rows: rows.length };
    addRows(this.file.entries, rows, rows.length, kind.sums, 0, this.lanes);
    if (this.kinds.size >= KIND_CACHE_MAX) this.kinds.clear();
    this.kinds.set(key, kind);
    return kind;
  }
}

function limited(sum: number): number {
  return Math.max(-WORD_LIMIT, Math.min(WORD_LIMIT, sum)) + WORD_ZERO;
}

/**
 * Adds `count` rows to the lanes from `at` on. Weights 0 and 2 of a number go to the halves of one lane, 1 and 3 to
 * those of the next: two additions for four weights.
 */
function addRows(
  entries: Int32Array,
  rows: Int32Array,
  count: number,
  sums: Int32Array,
  at: number,
  lanes: number,
): void {
  if (count === 0) return;
  for (let lane = 0, number = 0; lane < lanes; lane += LANES_PER_NUMBER, number++) {
    let even = sums[at + lane]!;
    let odd = sums[at + lane + 1]!;
    for (let i = 0; i < count; i++) {
      const four = entries[rows[i]! + number]!;
      even = (even + (four & 0x00ff00ff)) | 0;
      odd = (odd + ((four >>> 8) & 0x00ff00ff)) | 0;
    }
    sums[at + lane] = even;
    sums[at + lane + 1] = odd;
  }
}
