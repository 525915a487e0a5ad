import { finish, hashString, mix } from './hash.js';
import { sharedArray } from './shared-array.js';

/**
 * Names from open terminologies as hashed phrases: which kinds of thing a run of words can name. It only
 * informs the tagger (a feature among many); mentions with a code come from the lexicon.
 */
export interface Gazetteer {
  /** Open addressing: phrase hash, 0 where free. Size is a power of two. */
  readonly keys: Int32Array;
  /** Bit k: the phrase is a name of kind k. 0 with a key: only the beginning of longer names. */
  readonly kinds: Uint16Array;
}

/** Bits of the kinds of names. */
export const NAME_KIND = {
  drug: 1,
  substance: 2,
  disorder: 4,
  finding: 8,
  procedure: 16,
  body: 32,
  organism: 64,
  icd: 128,
  icdSymptom: 256,
  icdInjury: 512,
  clinicalProcedure: 1024,
  observable: 2048,
  test: 4096,
  drugTable: 8192,
  morphology: 16384,
} as const;

export const MAX_PHRASE_WORDS = 8;

export interface PhraseMatch {
  readonly first: number;
  readonly last: number;
  readonly kinds: number;
}

/** Number of slots for `count` phrases at a load of at most one half. */
export function slotsFor(count: number): number {
  let slots = 1024;
  while (slots < count * 2) slots *= 2;
  return slots;
}

/** Builds the table from distinct phrase hashes, in arrays of zeros that `make` makes. */
export function buildGazetteer(
  hashes: ArrayLike<number>,
  kinds: ArrayLike<number>,
  make: typeof sharedArray = sharedArray,
): Gazetteer {
  const slots = slotsFor(hashes.length);
  const keys = make(Int32Array, slots);
  const values = make(Uint16Array, slots);
  for (let i = 0; i < hashes.length; i++) {
    let slot = finish(hashes[i]!) & (slots - 1);
    while (keys[slot] !== 0 && keys[slot] !== hashes[i]) slot = (slot + 1) & (slots - 1);
    keys[slot] = hashes[i]!;
    values[slot] = values[slot]! | kinds[i]!;
  }
  return { keys, kinds: values };
}

/** The kinds of a phrase hash, or -1 where no name begins with it. */
export function lookup(gazetteer: Gazetteer, hash: number): number {
  const { keys, kinds } = gazetteer;
  const mask = keys.length - 1;
  let slot = finish(hash) & mask;
  while (keys[slot] !== 0) {
    if (keys[slot] === hash) return kinds[slot]!;
    slot = (slot + 1) & mask;
  }
  return -1;
}

/** Words as names are compared: a plural s is dropped, so that "infections" finds "infection". */
export function wordKey(norm: string): number {
  const length = norm.length;
  if (length > 4 && norm.charCodeAt(length - 1) === 115 && norm.charCodeAt(length - 2) !== 115) {
    return hashString(norm, 0, length - 1);
  }
  return hashString(norm);
}

export function phraseStart(): number {
  return 0x2545f491;
}

export function phraseNext(hash: number, word: number): number {
  return mix(hash, word) || 1;
}

/** Longest match at each token, from left to right; matches inside a longer one are not reported. */
export function matchPhrases(gazetteer: Gazetteer, words: ArrayLike<number>, length: number): PhraseMatch[] {
  const found: PhraseMatch[] = [];
  for (let first = 0; first < length; ) {
    let hash = phraseStart();
    let best = 0;
    let kinds = 0;
    for (let last = first; last < length && last - first < MAX_PHRASE_WORDS; last++) {
      hash = phraseNext(hash, words[last]!);
      const value = lookup(gazetteer, hash);
      if (value < 0) break;
      if (value > 0) {
        best = last + 1;
        kinds = value;
      }
    }
    if (best > 0) {
      found.push({ first, last: best, kinds });
      first = best;
    } else first++;
  }
  return found;
}
