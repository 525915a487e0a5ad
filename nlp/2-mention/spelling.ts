import type { Token } from '../model.js';
import { FLAG, type LexiconTables } from './lexicon-file.js';
import { stem } from './lexicon-words.js';
import { ownCopy } from './own-copy.js';

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
  const ordinary = new Set(tables.ordinaryWords.map(stem));
  const names = new Map<string, number>();
  for (let entry = 0; entry < tables.types.length; entry++) {
    if (tables.types[entry] !== 0 || tables.tokenStart[entry + 1]! - tables.tokenStart[entry]! !== 1)
      continue;
    if ((tables.flags[entry]! & (FLAG.needsContext | FLAG.ambiguous | FLAG.abbreviation)) !== 0) continue;
    const number = tables.tokens[tables.tokenStart[entry]!]!;
    const word = tables.words[number]!;
    const brand = (tables.flags[entry]! & FLAG.brand) !== 0;
    if (word.length >= (brand ? MIN_BRAND_LETTERS : MIN_LETTERS) && /^[a-z]+$/.test(word))
      names.set(word, number);
  }
  const shorter = new Map<string, string | string[]>();
  for (const name of names.keys()) {
    for (const key of withoutOne(name)) {
      const found = shorter.get(key);
      if (found === undefined) shorter.set(key, name);
      else if (typeof found === 'string') {
        if (found !== name) shorter.set(key, [found, name]);
      } else if (!found.includes(name)) found.push(name);
    }
  }
  const cache = new Map<string, number>();

  const find = (word: string): number | undefined => {
    const candidates = new Set<string>();
    const collect = (key: string): void => {
      const found = shorter.get(key);
      if (typeof found === 'string') candidates.add(found);
      else if (found) for (const name of found) candidates.add(name);
    };
    collect(word);
    for (const key of withoutOne(word)) {
      if (names.has(key)) candidates.add(key);
      collect(key);
    }
    let meant: string | undefined;
    for (const name of candidates) {
      // The first letter is nearly always right, and what differs there is usually another drug.
      if (name.charCodeAt(0) !== word.charCodeAt(0) || !isOneEdit(word, name)) continue;
      if (meant !== undefined) return undefined;
      meant = name;
    }
    return meant === undefined ? undefined : names.get(meant);
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

function* withoutOne(word: string): Generator<string> {
  for (let i = 0; i < word.length; i++) yield word.slice(0, i) + word.slice(i + 1);
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
