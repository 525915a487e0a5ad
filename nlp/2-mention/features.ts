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

const BEGIN = 1;
const INSIDE = 2;
const END = 3;
const WHOLE = 4;

/**
 * Features of each token that depend on more than one word: pairs of neighbours, phrases of the gazetteer, the
 * section. Those of single words are in `Word.features`.
 */
export function contextFeatures(view: SentenceView, gazetteer: Gazetteer): number[][] {
  const { words, norms } = view;
  const length = words.length;
  const out: number[][] = [];
  for (let t = 0; t < length; t++) {
    const here = words[t]!;
    const before = t > 0 ? words[t - 1]! : undefined;
    const after = t + 1 < length ? words[t + 1]! : undefined;
    const list: number[] = [mix(100, 1)];
    const left = before ? before.id : 1;
    const right = after ? after.id : 2;
    list.push(mix(mix(101, left), here.id));
    list.push(mix(mix(102, here.id), right));
    list.push(mix(mix(103, left), right));
    list.push(mix(mix(104, before ? before.cluster : 1), here.cluster));
    list.push(mix(mix(105, here.cluster), after ? after.cluster : 2));
    list.push(mix(mix(106, before ? before.coarse : 1), mix(here.coarse, after ? after.coarse : 2)));
    list.push(mix(mix(107, before ? before.shape : 1), here.shape));
    list.push(mix(mix(108, here.shape), after ? after.shape : 2));
    if (t === 0) list.push(mix(110, 1), mix(111, here.shape));
    if (t === length - 1) list.push(mix(112, 1));
    list.push(mix(113, view.section), mix(114, view.listItem ? 1 : 0));
    out.push(list);
  }
  // Hyphens are not words of a name: "non-small-cell" finds "non small cell".
  const keys: number[] = [];
  const places: number[] = [];
  for (let t = 0; t < length; t++) {
    const norm = norms[t]!;
    if (norm === '-' || norm === '’' || norm === "'") continue;
    keys.push(wordKey(norm));
    places.push(t);
  }
  const marks: number[][] = Array.from({ length }, () => []);
  for (const match of matchPhrases(gazetteer, keys, keys.length)) {
    const first = places[match.first]!;
    const last = places[match.last - 1]! + 1;
    const size = Math.min(match.last - match.first, 4);
    for (let t = first; t < last; t++) {
      const place = last - first === 1 ? WHOLE : t === first ? BEGIN : t === last - 1 ? END : INSIDE;
      marks[t]!.push(mix(mix(120, match.kinds), place), mix(mix(121, match.kinds), place * 8 + size));
      for (let kind = 0; kind < 16; kind++) {
        if (match.kinds & (1 << kind)) marks[t]!.push(mix(mix(122, kind), place));
      }
    }
  }
  spread(out, marks, 130);
  return out;
}

/** Features from what earlier models said of each token (see `hintsFrom`). */
export function hintFeatures(hints: readonly (readonly number[])[]): number[][] {
  const out: number[][] = hints.map(() => []);
  spread(out, hints, 140);
  return out;
}

/** Offers each token's marks to itself and, under another template, to its neighbours. */
function spread(out: number[][], marks: readonly (readonly number[])[], template: number): void {
  for (let t = 0; t < out.length; t++) {
    for (const mark of marks[t]!) {
      out[t]!.push(mix(template, mark));
      if (t > 0) out[t - 1]!.push(mix(template + 1, mark));
      if (t + 1 < out.length) out[t + 1]!.push(mix(template + 2, mark));
    }
  }
}
