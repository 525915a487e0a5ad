import { wordKey } from './gazetteer.js';
import { finish, hashString, mix, mixFirst, mixSecond } from './hash.js';
import { sharedArray } from './shared-array.js';

/**
 * What is known of a word by itself: its spelling, its clusters (from unlabelled text) and the kinds of names it
 * stands in. All of this is turned into features once per distinct word, not once per token.
 */
export interface WordTable {
  /** Open addressing by the hash of the normalised word, 0 where free. */
  readonly keys: Int32Array;
  /** `width` small numbers per slot: clusters from coarse to fine (0: none), then kinds and frequency classes. */
  readonly values: Uint16Array;
  readonly width: number;
}

export function buildWordTable(
  hashes: ArrayLike<number>,
  values: ArrayLike<number>,
  width: number,
): WordTable {
  let slots = 1024;
  while (slots < hashes.length * 2) slots *= 2;
  const keys = sharedArray(Int32Array, slots);
  const out = sharedArray(Uint16Array, slots * width);
  for (let i = 0; i < hashes.length; i++) {
    const key = hashes[i]! || 1;
    let slot = finish(key) & (slots - 1);
    while (keys[slot] !== 0 && keys[slot] !== key) slot = (slot + 1) & (slots - 1);
    keys[slot] = key;
    for (let j = 0; j < width; j++) out[slot * width + j] = values[i * width + j]!;
  }
  return { keys, values: out, width };
}

/** First index into `values` of a word, or -1. */
export function findWord(table: WordTable, hash: number): number {
  const key = hash || 1;
  const mask = table.keys.length - 1;
  let slot = finish(key) & mask;
  while (table.keys[slot] !== 0) {
    if (table.keys[slot] === key) return slot * table.width;
    slot = (slot + 1) & mask;
  }
  return -1;
}

/** Digits as one sign, so that 12.5 and 13.7 share their clusters and features. */
export function foldDigits(norm: string): string {
  return /\d/.test(norm) ? norm.replace(/\d+/g, '0') : norm;
}

/** Tokens to the left and right whose words are features of a token. */
export const REACH = 2;
export const OFFSETS = 2 * REACH + 1;

/**
 * Words further away, as a bag: those 3 to `FAR_LEFT` tokens before and 3 to `FAR_RIGHT` after. They tell what is
 * written about where the neighbours are only "of", "the" and "left". Features of the last model alone.
 */
export const FAR_LEFT = 6;
export const FAR_RIGHT = 5;

/** The key of hyphens and apostrophes: "non-small-cell" finds "non small cell". */
export const NO_KEY = -1;

/** A distinct word with its features for every place in the window. */
export interface Word {
  /** Hash of the digit-folded normal form. */
  readonly id: number;
  /** As phrases of the gazetteer are compared, or `NO_KEY` for marks that are no words of a name. */
  readonly key: number;
  /** Finest cluster and a middle one, for conjunctions. */
  readonly cluster: number;
  readonly coarse: number;
  /** Shape with runs collapsed, hashed. */
  readonly shape: number;
  /** What the word brings to conjunctions with its neighbours: see `JOINT`. */
  readonly joints: Int32Array;
  /** Feature hashes by offset: `features[o + REACH]` when the word stands o tokens after the one described. */
  readonly features: readonly Int32Array[];
  /** Features for tokens that this word stands far before, and far after. */
  readonly farBefore: number;
  readonly farAfter: number;
}

/** Letters and digits as classes: `Xx`, `d`, `X-d`; runs collapsed. */
export function shapeOf(text: string, collapse: boolean): string {
  let out = '';
  let last = '';
  const limit = Math.min(text.length, 24);
  for (let i = 0; i < limit; i++) {
    const c = text.charCodeAt(i);
    const kind =
      c >= 97 && c <= 122
        ? 'x'
        : c >= 65 && c <= 90
          ? 'X'
          : c >= 48 && c <= 57
            ? 'd'
            : c > 127
              ? 'u'
              : text[i]!;
    if (collapse && kind === last) continue;
    out += kind;
    last = kind;
  }
  return out;
}

const MAX_AFFIX = 6;

/**
 * Places of `Word.joints`: what a word brings to each conjunction as its first member (`mixFirst`), then what it
 * brings as the second (`mixSecond`). A conjunction is then two numbers and one `finish`.
 */
export const JOINT = {
  leftWord: 0,
  word: 1,
  leftOfGap: 2,
  leftCluster: 3,
  cluster: 4,
  leftCoarse: 5,
  leftShape: 6,
  shape: 7,
  coarse: 8,
  secondWord: 9,
  secondCluster: 10,
  secondCoarse: 11,
  secondShape: 12,
} as const;

/** In the order of `JOINT`. */
export function jointsOf(word: Pick<Word, 'id' | 'cluster' | 'coarse' | 'shape'>): Int32Array {
  return Int32Array.of(
    mixFirst(mix(101, word.id)),
    mixFirst(mix(102, word.id)),
    mixFirst(mix(103, word.id)),
    mixFirst(mix(104, word.cluster)),
    mixFirst(mix(105, word.cluster)),
    mixFirst(mix(106, word.coarse)),
    mixFirst(mix(107, word.shape)),
    mixFirst(mix(108, word.shape)),
    mixFirst(word.coarse),
    mixSecond(word.id),
    mixSecond(word.cluster),
    mixSecond(word.coarse),
    mixSecond(word.shape),
  );
}

/** Builds the word's features. `text` as written, `norm` lower-cased and without accents. */
export function describeWord(text: string, norm: string, table: WordTable): Word {
  const folded = foldDigits(norm);
  const id = hashString(folded);
  const at = findWord(table, id);
  const shape = hashString(shapeOf(text, true));
  const bare: number[] = []; // features of the place itself
  const near: number[] = []; // of a neighbour
  const far: number[] = []; // of a neighbour's neighbour
  const put = (list: number[], template: number, value: number): void => {
    list.push(mix(template, value));
  };
  put(bare, 1, id);
  put(near, 1, id);
  put(far, 1, id);
  put(bare, 2, hashString(text));
  put(bare, 3, shape);
  put(near, 3, shape);
  put(bare, 4, hashString(shapeOf(text, false)));
  put(bare, 5, Math.min(folded.length, 12));
  const letters = /[a-z]/.test(folded);
  if (letters) {
    for (let n = 2; n <= MAX_AFFIX && n < folded.length; n++) {
      put(bare, 10 + n, hashString(folded, folded.length - n));
      put(bare, 20 + n, hashString(folded, 0, n));
      if (n === 3) put(near, 10 + n, hashString(folded, folded.length - n));
    }
    if (folded.length >= 5) {
      // Inner letter groups find "…itis…", "…cardi…" in words never seen.
      const seen = new Set<number>();
      for (let i = 1; i + 4 < folded.length; i++) seen.add(hashString(folded, i, i + 4));
      for (const gram of seen) put(bare, 30, gram);
    }
  }
  let cluster = 0;
  let coarse = 0;
  if (at >= 0) {
    for (let j = 0; j < table.width; j++) {
      const value = table.values[at + j]!;
      if (value === 0) continue;
      put(bare, 40 + j, value);
      put(near, 40 + j, value);
      if (j < 4) put(far, 40 + j, value);
    }
    coarse = table.values[at + 1]!;
    cluster = table.values[at + 3]!;
  } else {
    put(bare, 60, 1);
    put(near, 60, 1);
  }
  const features: Int32Array[] = [];
  for (let offset = -REACH; offset <= REACH; offset++) {
    const list = offset === 0 ? bare : Math.abs(offset) === 1 ? near : far;
    features.push(Int32Array.from(list, (feature) => mix(feature, 0x51ed + offset)));
  }
  const key = norm === '-' || norm === '’' || norm === "'" ? NO_KEY : wordKey(norm);
  const place = { id, key, cluster: mix(7, cluster || id), coarse: mix(8, coarse || shape), shape };
  return { ...place, joints: jointsOf(place), features, farBefore: mix(210, id), farAfter: mix(211, id) };
}
