import { type Gazetteer, matchPhrases, wordKey } from './gazetteer.js';
import { mix } from './hash.js';
import type { Word } from './words.js';

/** What the features of a sentence are made from. */
export interface SentenceView {
  readonly words: readonly Word[];
  readonly norms: readonly string[];
  /** Hash of the kind of section, and whether grammar is not to be expected. */
  readonly section: number;
  readonly listItem: boolean;
}

/** Feature hashes token by token in one growing array: token t has `values[starts[t] .. starts[t + 1])`. */
export class FeatureBuffer {
  values = new Uint32Array(8192);
  starts = new Int32Array(1024);
  tokens = 0;
  private length = 0;

  clear(): void {
    this.tokens = 0;
    this.length = 0;
    this.starts[0] = 0;
  }

  push(feature: number): void {
    if (this.length === this.values.length) {
      const larger = new Uint32Array(this.length * 2);
      larger.set(this.values);
      this.values = larger;
    }
    this.values[this.length++] = feature;
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

  of(token: number): Uint32Array {
    return this.values.subarray(this.starts[token]!, this.starts[token + 1]!);
  }
}

const BEGIN = 1;
const INSIDE = 2;
const END = 3;
const WHOLE = 4;
const NO_MARKS: readonly number[] = [];

/**
 * Features of each token that depend on more than one word: pairs of neighbours, phrases of the gazetteer. Those of
 * single words are in `Word.features`, of the sentence in `sentenceFeatures`, hints of earlier models in `hintFeatures`.
 */
export function contextFeatures(view: SentenceView, gazetteer: Gazetteer, out: FeatureBuffer): void {
  const { words } = view;
  const length = words.length;
  const marks = phraseMarks(view.norms, gazetteer);
  out.clear();
  for (let t = 0; t < length; t++) {
    const here = words[t]!;
    const before = t > 0 ? words[t - 1]! : undefined;
    const after = t + 1 < length ? words[t + 1]! : undefined;
    const left = before ? before.id : 1;
    const right = after ? after.id : 2;
    out.push(mix(mix(101, left), here.id));
    out.push(mix(mix(102, here.id), right));
    out.push(mix(mix(103, left), right));
    out.push(mix(mix(104, before ? before.cluster : 1), here.cluster));
    out.push(mix(mix(105, here.cluster), after ? after.cluster : 2));
    out.push(mix(mix(106, before ? before.coarse : 1), mix(here.coarse, after ? after.coarse : 2)));
    out.push(mix(mix(107, before ? before.shape : 1), here.shape));
    out.push(mix(mix(108, here.shape), after ? after.shape : 2));
    if (t === 0) {
      out.push(mix(110, 1));
      out.push(mix(111, here.shape));
    }
    if (t === length - 1) out.push(mix(112, 1));
    spread(marks, t, 130, out);
    out.endToken();
  }
}

/** Features that every token of the sentence has. */
export function sentenceFeatures(section: number, listItem: boolean): number[] {
  return [mix(100, 1), mix(113, section), mix(114, listItem ? 1 : 0)];
}

/** Per token, what the phrases say that it stands in. */
function phraseMarks(norms: readonly string[], gazetteer: Gazetteer): (readonly number[])[] {
  const length = norms.length;
  // Hyphens are not words of a name: "non-small-cell" finds "non small cell".
  const keys: number[] = [];
  const places: number[] = [];
  for (let t = 0; t < length; t++) {
    const norm = norms[t]!;
    if (norm === '-' || norm === '’' || norm === "'") continue;
    keys.push(wordKey(norm));
    places.push(t);
  }
  const marks: (readonly number[])[] = new Array(length).fill(NO_MARKS);
  for (const match of matchPhrases(gazetteer, keys, keys.length)) {
    const first = places[match.first]!;
    const last = places[match.last - 1]! + 1;
    const size = Math.min(match.last - match.first, 4);
    for (let t = first; t < last; t++) {
      const place = last - first === 1 ? WHOLE : t === first ? BEGIN : t === last - 1 ? END : INSIDE;
      const list = [mix(mix(120, match.kinds), place), mix(mix(121, match.kinds), place * 8 + size)];
      for (let kind = 0; kind < 16; kind++) {
        if (match.kinds & (1 << kind)) list.push(mix(mix(122, kind), place));
      }
      marks[t] = list;
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
  length = marks.length,
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
