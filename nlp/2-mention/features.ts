import { type Gazetteer, matchPhrases } from './gazetteer.js';
import { finish, mix, mixSecond } from './hash.js';
import { JOINT, jointsOf, NO_KEY, type Word } from './words.js';

/** Feature hashes token by token in one growing array: token t has `values[starts[t] .. starts[t + 1])`. */
export class FeatureBuffer {
  values = new Int32Array(8192);
  starts = new Int32Array(1024);
  tokens = 0;
  private length = 0;

  clear(): void {
    this.tokens = 0;
    this.length = 0;
    this.starts[0] = 0;
  }

  push(feature: number): void {
    if (this.length === this.values.length) this.grow();
    this.values[this.length++] = feature;
  }

  /** Makes room for `count` features of the current token, which the caller sets; the place of the first. */
  take(count: number): number {
    const at = this.length;
    if (at + count > this.values.length) this.grow();
    this.length = at + count;
    return at;
  }

  private grow(): void {
    const larger = new Int32Array(this.values.length * 2);
    larger.set(this.values);
    this.values = larger;
  }

  /** Closes the current token. */
  endToken(): void {
    if (this.tokens + 2 > this.starts.length) {
      const larger = new Int32Array(this.starts.length * 2);
      larger.set(this.starts);
      this.starts = larger;
    }
    this.starts[++this.tokens] = this.length;
  }

  of(token: number): Int32Array {
    return this.values.subarray(this.starts[token]!, this.starts[token + 1]!);
  }
}

/** What stands before the first word and after the last. */
export const BEFORE_ALL = jointsOf({ id: 1, cluster: 1, coarse: 1, shape: 1 });
export const AFTER_ALL = jointsOf({ id: 2, cluster: 2, coarse: 2, shape: 2 });

const FIRST_OF_SENTENCE = mix(110, 1);
const LAST_OF_SENTENCE = mix(112, 1);
const CONJUNCTIONS = 8;

/**
 * Features of each token that depend on more than one word: pairs of neighbours, phrases of the gazetteer. Those of
 * single words are in `Word.features`, of the sentence in `sentenceFeatures`, hints of earlier models in `hintFeatures`.
 */
export function contextFeatures(words: readonly Word[], gazetteer: Gazetteer, out: FeatureBuffer): void {
  const length = words.length;
  const marks = phraseMarks(words, gazetteer);
  out.clear();
  let left = BEFORE_ALL;
  let here = length > 0 ? words[0]!.joints : AFTER_ALL;
  for (let t = 0; t < length; t++) {
    const right = t + 1 < length ? words[t + 1]!.joints : AFTER_ALL;
    const at = out.take(CONJUNCTIONS);
    const { values } = out;
    values[at] = left[JOINT.leftWord]! ^ here[JOINT.secondWord]!;
    values[at + 1] = here[JOINT.word]! ^ right[JOINT.secondWord]!;
    values[at + 2] = left[JOINT.leftOfGap]! ^ right[JOINT.secondWord]!;
    values[at + 3] = left[JOINT.leftCluster]! ^ here[JOINT.secondCluster]!;
    values[at + 4] = here[JOINT.cluster]! ^ right[JOINT.secondCluster]!;
    const pair = finish(here[JOINT.coarse]! ^ right[JOINT.secondCoarse]!);
    values[at + 5] = left[JOINT.leftCoarse]! ^ mixSecond(pair);
    values[at + 6] = left[JOINT.leftShape]! ^ here[JOINT.secondShape]!;
    values[at + 7] = here[JOINT.shape]! ^ right[JOINT.secondShape]!;
    for (let i = at; i < at + CONJUNCTIONS; i++) values[i] = finish(values[i]!);
    if (t === 0) {
      out.push(FIRST_OF_SENTENCE);
      out.push(mix(111, words[0]!.shape));
    }
    if (t === length - 1) out.push(LAST_OF_SENTENCE);
    if (marks) {
      pushAll(marks[t]?.here, out);
      if (t + 1 < length) pushAll(marks[t + 1]?.before, out);
      if (t > 0) pushAll(marks[t - 1]?.after, out);
    }
    out.endToken();
    left = here;
    here = right;
  }
}

function pushAll(features: Int32Array | undefined, out: FeatureBuffer): void {
  if (features) for (let i = 0; i < features.length; i++) out.push(features[i]!);
}

/** Features that every token of the sentence has. */
export function sentenceFeatures(section: number, listItem: boolean): number[] {
  return [mix(100, 1), mix(113, section), mix(114, listItem ? 1 : 0)];
}

const BEGIN = 1;
const INSIDE = 2;
const END = 3;
const WHOLE = 4;
const KINDS = 16;
/** Kinds of names together with a place in a name that are kept; at the limit all are dropped. */
const MARKS_MAX = 8_192;

/** What a token's place in a phrase says of the token itself, of the one before it and of the one after it. */
interface Mark {
  readonly here: Int32Array;
  readonly before: Int32Array;
  readonly after: Int32Array;
}

const knownMarks = new Map<number, Mark>();

function markOf(kinds: number, place: number, size: number): Mark {
  const key = (kinds << 5) | ((place - 1) * 4 + size - 1);
  let mark = knownMarks.get(key);
  if (mark) return mark;
  const list = [mix(mix(120, kinds), place), mix(mix(121, kinds), place * 8 + size)];
  for (let kind = 0; kind < KINDS; kind++) if (kinds & (1 << kind)) list.push(mix(mix(122, kind), place));
  const under = (template: number): Int32Array => Int32Array.from(list, (value) => mix(template, value));
  mark = { here: under(130), before: under(131), after: under(132) };
  if (knownMarks.size >= MARKS_MAX) knownMarks.clear();
  knownMarks.set(key, mark);
  return mark;
}

/** Per token, what the phrases say that it stands in; undefined where there are none. */
function phraseMarks(words: readonly Word[], gazetteer: Gazetteer): (Mark | undefined)[] | undefined {
  const length = words.length;
  const keys: number[] = [];
  const places: number[] = [];
  for (let t = 0; t < length; t++) {
    const { key } = words[t]!;
    if (key === NO_KEY) continue;
    keys.push(key);
    places.push(t);
  }
  let marks: (Mark | undefined)[] | undefined;
  for (const match of matchPhrases(gazetteer, keys, keys.length)) {
    const first = places[match.first]!;
    const last = places[match.last - 1]! + 1;
    const size = Math.min(match.last - match.first, 4);
    marks ??= new Array<Mark | undefined>(length).fill(undefined);
    for (let t = first; t < last; t++) {
      const place = last - first === 1 ? WHOLE : t === first ? BEGIN : t === last - 1 ? END : INSIDE;
      marks[t] = markOf(match.kinds, place, size);
    }
  }
  return marks;
}

/** Features from what earlier models said of each token (see `hintsFrom`). */
export function hintFeatures(
  hints: readonly (readonly number[])[],
  length: number,
  out: FeatureBuffer,
): void {
  out.clear();
  for (let t = 0; t < length; t++) {
    spread(hints, t, 140, out, length);
    out.endToken();
  }
}

/** Offers to token t its own marks and, under other templates, those of its neighbours. */
function spread(
  marks: readonly (readonly number[])[],
  t: number,
  template: number,
  out: FeatureBuffer,
  length: number,
): void {
  const own = marks[t]!;
  for (let i = 0; i < own.length; i++) out.push(mix(template, own[i]!));
  if (t + 1 < length) {
    const next = marks[t + 1]!;
    for (let i = 0; i < next.length; i++) out.push(mix(template + 1, next[i]!));
  }
  if (t > 0) {
    const previous = marks[t - 1]!;
    for (let i = 0; i < previous.length; i++) out.push(mix(template + 2, previous[i]!));
  }
}
