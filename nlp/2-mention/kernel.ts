import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ByForm } from '../1-segment/forms.js';
import type { Token } from '../model.js';
import { nlpRoot } from '../rules/load.js';
import { IMPOSSIBLE, mayFollow } from './crf.js';
import type { DrugMarks } from './drug-marks.js';
import { AFTER_ALL, BEFORE_ALL, sentenceFeatures } from './features.js';
import { mix } from './hash.js';
import { takeArea, wasm } from './kernel-memory.js';
import { type PackedModel, ROW_COLUMNS, type TaggerFile } from './tagger-file.js';
import { describeWord, FAR_LEFT, FAR_RIGHT, OFFSETS, type Word, type WordTable } from './words.js';

/** A run of tokens that is read as one. */
export interface TaggerSentence {
  readonly tokens: readonly Token[];
  readonly section: number;
  readonly listItem: boolean;
  /** For the last model. */
  readonly drugs: DrugMarks;
}

/** Longer sentences (broken input) are read in pieces of this many tokens, which bounds memory. */
export const SENTENCE_MAX_TOKENS = 400;
/** Words kept with their sums of weights. At the limit all are dropped; results do not depend on it. */
const WORD_CACHE_MAX = 32_768;
/** Sums kept for kinds of sentences and drug marks, beside the hints. At the limit these are dropped. */
const ENTRIES_MAX = 2_048;
/** One for its kind, three for each of the marks that `drugMarks` can make. */
const ENTRIES_OF_SENTENCE_MAX = 1 + 3 * (8 * 4 + 16 * 5);
/** Longer words are described by their beginning. */
const WORD_MAX_CHARACTERS = 60;
/** More than a word of `WORD_MAX_CHARACTERS` has for all places together, and than a sentence has numbers of marks. */
const FEATURES_MAX = 2_048;
/** Levels of certainty of a hint, as in `hintsFrom`. */
const HINT_LEVELS = 5;
/** Labels of a model, at most, in the kernel's tables. */
const MODEL_ROW = 12;
/** Templates of a hint for the token itself, the one before it and the one after it. */
const HINT_TEMPLATES = [140, 141, 142] as const;
const MARGIN = Math.max(FAR_LEFT, FAR_RIGHT) + 1;
const ENTRY_BYTES = 2 * ROW_COLUMNS;
/** Places of words that stand for what is before and after every sentence. */
const PLACE_BEFORE = 0;
const PLACE_AFTER = 1;

/** What `nlp/kernel/kernel.ts` exports. Addresses and sizes are bytes. */
interface Exports {
  setTables(
    slots: number,
    slotMask: number,
    rows: number,
    filter: number,
    filterMask: number,
    phraseKeys: number,
    phraseKinds: number,
    phraseMask: number,
    models: number,
    helpers: number,
  ): void;
  setScratch(
    entries: number,
    hints: number,
    marks: number,
    scratch: number,
    words: number,
    tokens: number,
  ): void;
  scratchBytes(tokens: number, features: number): number;
  markBytes(): number;
  wordBytes(): number;
  modelBytes(): number;
  placesAt(): number;
  featuresAt(): number;
  chancesAt(model: number): number;
  labelsAt(): number;
  jointsAt(place: number): number;
  sumEntry(entry: number, count: number): void;
  learn(place: number, n0: number, n1: number, n2: number, n3: number, n4: number): void;
  tag(model: number, length: number, kind: number, marks: number): number;
}

/** The word of a token as the tagger knows it, with bounded length. */
export function describeTagged(token: Token, table: WordTable): Word {
  return describeWord(
    token.text.slice(0, WORD_MAX_CHARACTERS),
    token.norm.slice(0, WORD_MAX_CHARACTERS),
    table,
  );
}

let compiled: object | undefined;

function kernelModule(): object {
  compiled ??= new wasm.Module(readFileSync(join(nlpRoot(), 'kernel', 'kernel.wasm')));
  return compiled;
}

/**
 * Reads sentences by the weights of a file, in whose memory it has an area for what it works with and for the words that
 * were read so far. What a word brings to each place around it depends on the word alone, so it is summed once and kept.
 */
export class Kernel {
  private readonly run: Exports;
  private readonly integers: Int32Array;
  private readonly floats: Float32Array;
  private readonly bytes: Uint8Array;
  /** Place of each known word in the memory. */
  private readonly places = new ByForm((token) => this.learn(token));
  private known = 0;
  /** First entries of drug marks by their hash and entries of kinds of sentences by their key. */
  private readonly marks = new Map<number, number>();
  private readonly kinds = new Map<number, number>();
  private readonly firstEntry: number;
  private nextEntry: number;

  /** @param thread that it works in, by whose number its area is freed. */
  constructor(
    private readonly file: TaggerFile,
    thread: number,
  ) {
    const { slots, rows, filter, gazetteer, models, memory } = file;
    const instance = new wasm.Instance(kernelModule(), { env: { memory } });
    this.run = instance.exports as Exports;
    const hints = hintsOf(models);
    this.firstEntry = hints.length * HINT_TEMPLATES.length;
    this.nextEntry = this.firstEntry;
    const sizes = [
      models.length * this.run.modelBytes(),
      (this.firstEntry + ENTRIES_MAX) * ENTRY_BYTES,
      this.run.markBytes(),
      this.run.scratchBytes(SENTENCE_MAX_TOKENS, FEATURES_MAX),
      // What is not used of it is never touched, and takes no room but in the address space.
      WORD_CACHE_MAX * this.run.wordBytes(),
    ].map((size) => Math.ceil(size / 16) * 16);
    const area = takeArea(
      memory,
      file.end,
      sizes.reduce((sum, size) => sum + size, 0),
      thread,
    );
    let next = area;
    const [modelsAt, entries, marks, scratch, words] = sizes.map((size) => {
      next += size;
      return next - size;
    }) as [number, number, number, number, number];
    this.integers = new Int32Array(memory.buffer);
    this.floats = new Float32Array(memory.buffer);
    this.bytes = new Uint8Array(memory.buffer);
    this.run.setTables(
      slots.byteOffset,
      slots.length / 2 - 1,
      rows.byteOffset,
      filter.byteOffset,
      filter.length - 1,
      gazetteer.keys.byteOffset,
      gazetteer.kinds.byteOffset,
      gazetteer.keys.length - 1,
      modelsAt,
      models.length - 1,
    );
    for (const [m, model] of models.entries()) this.writeModel(model, modelsAt + m * this.run.modelBytes());
    this.run.setScratch(entries, 0, marks, scratch, words, SENTENCE_MAX_TOKENS);
    hints.forEach((hint, i) => {
      this.sumHint(hint, i * HINT_TEMPLATES.length);
    });
    this.forget();
  }

  /**
   * Reads one sentence of at most `SENTENCE_MAX_TOKENS` by model m, the last one after its helpers.
   * @param chances tokens × types: filled with the probability that the token belongs to a span of the type.
   * @returns the labels of the best path, to be read before the next call; undefined where all are 0.
   */
  tag(m: number, sentence: TaggerSentence, chances: Float32Array): Uint8Array | undefined {
    const { tokens } = sentence;
    const { length } = tokens;
    if (this.known + length > WORD_CACHE_MAX) this.forget();
    if (this.nextEntry + ENTRIES_OF_SENTENCE_MAX > this.firstEntry + ENTRIES_MAX) {
      this.marks.clear();
      this.kinds.clear();
      this.nextEntry = this.firstEntry;
    }
    const at = this.run.placesAt() / 4;
    for (let i = 0; i < MARGIN; i++) {
      this.integers[at + i] = PLACE_BEFORE;
      this.integers[at + MARGIN + length + i] = PLACE_AFTER;
    }
    for (let t = 0; t < length; t++) {
      const token = tokens[t]!;
      this.integers[at + MARGIN + t] = this.places.get(token);
    }
    const kind = this.kindOf(sentence);
    const marks = this.writeMarks(sentence.drugs, length);
    const found = this.run.tag(m, length, kind, marks);
    const types = this.file.models[m]!.types.length;
    const from = this.run.chancesAt(m) / 4;
    const { floats } = this;
    for (let t = 0; t < length; t++) {
      const row = from + t * MODEL_ROW;
      for (let type = 0; type < types; type++)
        chances[t * types + type] = floats[row + 2 * type + 1]! + floats[row + 2 * type + 2]!;
    }
    const labels = this.run.labelsAt();
    return found === 0 ? undefined : this.bytes.subarray(labels, labels + length);
  }

  /** Of the sentence read last: the probability of token t for a type of a model that was asked then. */
  chanceOf(m: number, type: number, t: number): number {
    const at = this.run.chancesAt(m) / 4 + t * MODEL_ROW + 2 * type;
    return this.floats[at + 1]! + this.floats[at + 2]!;
  }

  /** Drops all words but those that stand for none. */
  private forget(): void {
    this.places.clear();
    this.known = 0;
    const nothing = { ...describeWord('', '', this.file.words), features: [], farBefore: 0, farAfter: 0 };
    for (const joints of [BEFORE_ALL, AFTER_ALL]) this.write({ ...nothing, joints });
  }

  private learn(token: Token): number {
    return this.write(describeTagged(token, this.file.words));
  }

  private write(word: Word): number {
    const place = this.known++;
    let at = this.run.featuresAt() / 4;
    const counts: number[] = [];
    for (let o = 0; o < OFFSETS; o++) {
      const features = word.features[o] ?? NO_FEATURES;
      this.integers.set(features, at);
      at += features.length;
      counts.push(features.length);
    }
    this.integers[at] = word.farBefore;
    this.integers[at + 1] = word.farAfter;
    this.run.learn(place, counts[0]!, counts[1]!, counts[2]!, counts[3]!, counts[4]!);
    const joints = this.run.jointsAt(place) / 4;
    this.integers.set(word.joints, joints);
    this.integers[joints + word.joints.length] = word.key;
    this.integers[joints + word.joints.length + 1] = word.shape;
    return place;
  }

  private sumHint(hint: number, entry: number): void {
    const at = this.run.featuresAt() / 4;
    HINT_TEMPLATES.forEach((template, i) => {
      this.integers[at] = mix(template, hint);
      this.run.sumEntry(entry + i, 1);
    });
  }

  /** A free entry and `count - 1` after it: `tag` sees to it that there are some. */
  private takeEntries(count: number): number {
    const entry = this.nextEntry;
    this.nextEntry += count;
    return entry;
  }

  private kindOf(sentence: TaggerSentence): number {
    const key = sentence.section * 2 + (sentence.listItem ? 1 : 0);
    let entry = this.kinds.get(key);
    if (entry !== undefined) return entry;
    entry = this.takeEntries(1);
    const features = sentenceFeatures(sentence.section, sentence.listItem);
    this.integers.set(features, this.run.featuresAt() / 4);
    this.run.sumEntry(entry, features.length);
    this.kinds.set(key, entry);
    return entry;
  }

  /** Writes tokens and entries of their drug marks; the number of pairs. */
  private writeMarks(drugs: DrugMarks, length: number): number {
    const pairs: number[] = [];
    for (let t = 0; t < length; t++) {
      const marks = drugs[t];
      if (!marks) continue;
      for (const mark of marks) {
        let entry = this.marks.get(mark);
        if (entry === undefined) {
          entry = this.takeEntries(HINT_TEMPLATES.length);
          this.sumHint(mark, entry);
          this.marks.set(mark, entry);
        }
        pairs.push(t, entry);
      }
    }
    if (pairs.length > 0) this.integers.set(pairs, this.run.featuresAt() / 4);
    return pairs.length / 2;
  }

  /** Numbers in the order of `MODEL_…` of the kernel. */
  private writeModel(model: PackedModel, at: number): void {
    const labels = 2 * model.types.length + 1;
    const { integers, floats } = this;
    integers[at / 4] = model.column;
    integers[at / 4 + 1] = labels;
    integers[at / 4 + 2] = Math.ceil(labels / 4) * 4;
    floats[at / 4 + 3] = model.unit;
    let row = at / 4 + 4;
    const put = (value: (label: number) => number, filler: number): void => {
      for (let y = 0; y < MODEL_ROW; y++) floats[row + y] = y < labels ? value(y) : filler;
      row += MODEL_ROW;
    };
    const start = (y: number): number => (mayFollow(-1, y) ? model.start[y]! : IMPOSSIBLE);
    const step = (from: number, to: number): number =>
      mayFollow(from, to) ? model.transitions[from * labels + to]! : IMPOSSIBLE;
    put((y) => (y === 0 ? 0 : model.bias[(y - 1) >> 1]!), IMPOSSIBLE);
    put(start, IMPOSSIBLE);
    put((y) => Math.exp(start(y)), 0);
    for (let x = 0; x < MODEL_ROW; x++) put((y) => (x < labels ? step(x, y) : IMPOSSIBLE), IMPOSSIBLE);
    for (let x = 0; x < MODEL_ROW; x++) put((y) => (x < labels ? Math.exp(step(x, y)) : 0), 0);
    for (let y = 0; y < MODEL_ROW; y++) put((x) => (y < labels ? Math.exp(step(x, y)) : 0), 0);
  }
}

const NO_FEATURES = new Int32Array(0);

/** Everything that a helper may say of a token, in the order of `addHints` of the kernel: see `hintsFrom`. */
function hintsOf(models: readonly PackedModel[]): number[] {
  const hints: number[] = [];
  models.slice(0, -1).forEach(({ types }, m) => {
    for (let type = 0; type < types.length; type++)
      for (let level = 1; level <= HINT_LEVELS; level++) hints.push(mix(mix(150 + m, type), level));
    for (let label = 1; label <= 2 * types.length; label++) hints.push(mix(mix(160 + m, label), 1));
  });
  return hints;
}
