import { ownCopy } from '../1-segment/own-copy.js';
import type { Token } from '../model.js';
import { finish } from './hash.js';
import { FLAG, type LexiconTables } from './lexicon-file.js';
import { stem } from './lexicon-words.js';

/**
 * Misspelt drug names: one letter missing, added, changed or two swapped. Only names of one word, only where
 * the word is long enough that a neighbour is seldom another word, and never an ordinary word.
 */
export interface Speller {
  /** Number of the word that was meant, or undefined. */
  correct(token: Token): number | undefined;
}

// Shorter names have too many ordinary words for neighbours; brands, being made-up words, more so than generics.
const MIN_LETTERS = 7;
const MIN_BRAND_LETTERS = 9;
const CACHE_MAX = 50_000;
/** In the cache: no name was meant, or several may have been. */
const UNCLEAR = -1;

/** Builds the index of names with one letter left out, by which neighbours meet. */
export function createSpeller(tables: LexiconTables): Speller {
  const { words } = tables;
  const ordinary = new Set(tables.ordinaryWords.map(stem));
  const names = new Set<number>();
  for (let entry = 0; entry < tables.types.length; entry++) {
    if (tables.types[entry] !== 0 || tables.tokenStart[entry + 1]! - tables.tokenStart[entry]! !== 1)
      continue;
    if ((tables.flags[entry]! & (FLAG.needsContext | FLAG.ambiguous | FLAG.abbreviation)) !== 0) continue;
    const number = tables.tokens[tables.tokenStart[entry]!]!;
    const word = words[number]!;
    const brand = (tables.flags[entry]! & FLAG.brand) !== 0;
    if (word.length >= (brand ? MIN_BRAND_LETTERS : MIN_LETTERS) && /^[a-z]+$/.test(word)) names.add(number);
  }
  // Two words that differ by one edit are alike once a letter is left out of one of them or of both. The hash tells:
  // what meets by chance is no edit of each other.
  let keys = 0;
  for (const name of names) keys += words[name]!.length + 1;
  let size = 1024;
  while (size < keys) size *= 2;
  const start = new Int32Array(size + 1);
  for (const name of names) withoutOne(words[name]!, (hash) => start[(hash & (size - 1)) + 1]!++);
  for (let slot = 0; slot < size; slot++) start[slot + 1] = start[slot + 1]! + start[slot]!;
  const next = start.slice();
  const met = new Int32Array(keys);
  for (const name of names)
    withoutOne(words[name]!, (hash) => {
      const slot = hash & (size - 1);
      met[next[slot]!] = name;
      next[slot]!++;
    });
  const cache = new Map<string, number>();

  const find = (word: string): number | undefined => {
    let meant = UNCLEAR;
    let several = false;
    withoutOne(word, (hash) => {
      const slot = hash & (size - 1);
      for (let i = start[slot]!; i < start[slot + 1]!; i++) {
        const name = met[i]!;
        // The first letter is nearly always right, and what differs there is usually another drug.
        if (name === meant || words[name]!.charCodeAt(0) !== word.charCodeAt(0)) continue;
        if (!isOneEdit(word, words[name]!)) continue;
        if (meant !== UNCLEAR) several = true;
        meant = name;
      }
    });
    return several || meant === UNCLEAR ? undefined : meant;
  };

  return {
    correct(token) {
      const { norm } = token;
      // A stem is at most one letter longer than its word.
      if (norm.length < MIN_LETTERS - 2) return undefined;
      const known = cache.get(norm);
      if (known !== undefined) return known === UNCLEAR ? undefined : known;
      const word = stem(norm);
      if (word.length < MIN_LETTERS - 1 || word.length > 30) return undefined;
      const meant = /^[a-z]+$/.test(word) && !ordinary.has(word) ? find(word) : undefined;
      if (cache.size < CACHE_MAX) cache.set(ownCopy(norm), meant ?? UNCLEAR);
      return meant;
    },
  };
}

/** Visits hashes of the word itself and of it without each of its letters. */
function withoutOne(word: string, visit: (hash: number) => void): void {
  for (let left = -1; left < word.length; left++) {
    let hash = 0;
    for (let i = 0; i < word.length; i++)
      if (i !== left) hash = Math.imul(hash ^ word.charCodeAt(i), 0x01000193);
    visit(finish(hash));
  }
}

/** One letter inserted, left out, changed, or two neighbours swapped. */
export function isOneEdit(a: string, b: string): boolean {
  if (a === b || Math.abs(a.length - b.length) > 1) return false;
  let from = 0;
  while (from < a.length && from < b.length && a[from] === b[from]) from++;
  let tail = 0;
  while (
    tail < a.length - from &&
    tail < b.length - from &&
    a[a.length - 1 - tail] === b[b.length - 1 - tail]
  )
    tail++;
  const restA = a.length - from - tail;
  const restB = b.length - from - tail;
  if (restA <= 1 && restB <= 1) return true;
  return restA === 2 && restB === 2 && a[from] === b[from + 1] && a[from + 1] === b[from];
}
