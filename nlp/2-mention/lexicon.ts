import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ByForm } from '../1-segment/forms.js';
import { ownCopy } from '../1-segment/own-copy.js';
import type { MentionType, Token } from '../model.js';
import { nlpRoot } from '../rules/load.js';
import {
  ENTRY_TYPES,
  FLAG,
  type LexiconConcept,
  type LexiconData,
  type LexiconTables,
  lexiconTables,
  readLexicon,
  SYSTEMS,
} from './lexicon-file.js';
import { isTransparent, stem } from './lexicon-words.js';
import { createSpeller, type Speller } from './spelling.js';

export { FLAG, type LexiconConcept, SYSTEMS };

/** One meaning of a phrase. */
export interface LexiconRow {
  /** Number of the entry within its lexicon. */
  readonly entry: number;
  readonly type: MentionType;
  /** Bits of `FLAG`. */
  readonly flags: number;
  /** Best first. */
  readonly concepts: readonly LexiconConcept[];
}

/** A phrase of the lexicon found in a note. */
export interface LexiconHit {
  /** Half-open range of token indices. */
  readonly firstToken: number;
  readonly lastToken: number;
  /** Type of the first row. */
  readonly type: MentionType;
  readonly rows: readonly LexiconRow[];
  /** Flags of the first row. */
  readonly flags: number;
  /** The name that was meant, where the word in the note is a misspelling of it. */
  readonly corrected?: string;
}

export interface Lexicon {
  readonly tables: LexiconTables;
  /** Number of a comparable word, -1 where the lexicon has no such word. */
  wordNumber(norm: string): number;
  row(entry: number): LexiconRow;
  /** The longest phrase that begins at one token; undefined where none does. */
  longestAt(tokens: readonly Token[], at: number, last?: number): LexiconHit | undefined;
  /** Longest phrases from left to right, not overlapping, within `tokens[first, last)`. */
  match(tokens: readonly Token[], first?: number, last?: number): LexiconHit[];
}

const WORD_CACHE_MAX = 50_000;
const MAX_PHRASE_TOKENS = 40;
const SIDES = new Set(['left', 'right', 'bilateral', 'lt', 'rt']);
const NO_WORD = -1;
const SKIP = -2;
/** Of a token whose word was not looked up yet. */
const UNSEEN = -3;

let shipped: Lexicon | undefined;
let data: LexiconData | undefined;
let lexiconFile: string | undefined;

/**
 * Takes a site's own lexicon (`cenote terminology load`) in place of the shipped one, or the shipped one again
 * where undefined. Everything that asks for the lexicon afterwards gets it.
 */
export function setLexiconFile(path: string | undefined): void {
  if (path === lexiconFile) return;
  lexiconFile = path;
  data = undefined;
  shipped = undefined;
}

/** The data of the lexicon in use, read once. Threads that are sent it share its memory. */
export function loadLexiconData(): LexiconData {
  data ??= readLexicon(readFileSync(lexiconFile ?? join(nlpRoot(), 'rules', 'lexicon', 'lexicon.bin')));
  return data;
}

/** Takes the data of the lexicon in use as another thread has read it. */
export function takeLexiconData(given: LexiconData): void {
  data = given;
  shipped = undefined;
}

/** The lexicon in use, read once: the one that the package ships, or the site's. */
export function loadLexicon(): Lexicon {
  shipped ??= openTables(lexiconTables(loadLexiconData()));
  return shipped;
}

/** Phrases of the shipped lexicon in these tokens: longest first, left to right, not overlapping. */
export function matchLexicon(tokens: readonly Token[], first = 0, last = tokens.length): LexiconHit[] {
  return loadLexicon().match(tokens, first, last);
}

/** Opens the bytes of a lexicon file. @throws Error where they are not one. */
export function openLexicon(file: Buffer): Lexicon {
  return openTables(lexiconTables(readLexicon(file)));
}

function openTables(tables: LexiconTables): Lexicon {
  const numberOf = new Map<string, number>();
  tables.words.forEach((word, index) => {
    numberOf.set(word, index);
  });
  const firstEntry = firstEntryByWord(tables);
  const cache = new Map<string, number>();
  let speller: Speller | undefined;

  const wordNumber = (norm: string): number => {
    const known = cache.get(norm);
    if (known !== undefined) return known;
    const number = isTransparent(norm) ? SKIP : (numberOf.get(stem(norm)) ?? NO_WORD);
    if (cache.size < WORD_CACHE_MAX) cache.set(ownCopy(norm), number);
    return number;
  };

  const byForm = new ByForm(({ norm }) => wordNumber(norm));

  const row = (entry: number): LexiconRow => ({
    entry,
    type: ENTRY_TYPES[tables.types[entry]!]!,
    flags: tables.flags[entry]!,
    concepts: Array.from(
      tables.conceptIds.subarray(tables.conceptStart[entry]!, tables.conceptStart[entry + 1]!),
      (id) => tables.concept(id),
    ),
  });

  const { tokens: ids, tokenStart } = tables;

  /** Narrows [low, high) to the entries whose word at `depth` is `word`; high -1 where none. */
  const range = { low: 0, high: 0 };
  const narrow = (low: number, high: number, depth: number, word: number): boolean => {
    let a = low;
    let b = high;
    while (a < b) {
      const middle = (a + b) >>> 1;
      const at = tokenStart[middle]! + depth;
      if (at >= tokenStart[middle + 1]! || ids[at]! < word) a = middle + 1;
      else b = middle;
    }
    const start = a;
    b = high;
    while (a < b) {
      const middle = (a + b) >>> 1;
      const at = tokenStart[middle]! + depth;
      if (at >= tokenStart[middle + 1]! || ids[at]! <= word) a = middle + 1;
      else b = middle;
    }
    range.low = start;
    range.high = a;
    return start < a;
  };

  /** Word numbers of the tokens that are being matched: phrases overlap, and each word is looked up once. */
  let numbers = new Int32Array(512);
  const forgetNumbers = (first: number, last: number): void => {
    if (last > numbers.length) numbers = new Int32Array(2 * last);
    numbers.fill(UNSEEN, first, last);
  };
  const numberAt = (tokens: readonly Token[], at: number): number => {
    const known = numbers[at]!;
    if (known !== UNSEEN) return known;
    const number = byForm.get(tokens[at]!);
    numbers[at] = number;
    return number;
  };

  let best: LexiconRow[] = [];
  let bestEnd = 0;
  /** Follows the longest phrase from `from` on, leaving the result in `best` and `bestEnd`. */
  const walk = (
    tokens: readonly Token[],
    from: number,
    first: number,
    last: number,
    startDepth: number,
    startEnd: number,
    limit: number,
  ): void => {
    let low = first;
    let high = last;
    let depth = startDepth;
    let end = startEnd;
    for (;;) {
      if (end >= bestEnd && tokenStart[low + 1]! - tokenStart[low]! === depth) {
        const rows = rowsAt(low, high, depth, tokens, from, end);
        if (rows.length > 0) {
          best = rows;
          bestEnd = end;
        }
      }
      let next = NO_WORD;
      while (end < limit) {
        next = numberAt(tokens, end);
        if (next !== SKIP) break;
        end++;
      }
      if (end >= limit) return;
      if (SIDES.has(tokens[end]!.norm)) {
        // "Fracture of the left femur" is the phrase "fracture of femur" where no phrase names the side.
        const after = end + 1 < limit ? numberAt(tokens, end + 1) : NO_WORD;
        if (after >= 0 && narrow(low, high, depth, after)) {
          walk(tokens, from, range.low, range.high, depth + 1, end + 2, limit);
        }
      }
      if (next < 0 || !narrow(low, high, depth, next)) return;
      low = range.low;
      high = range.high;
      depth++;
      end++;
    }
  };

  const longestAt = (tokens: readonly Token[], at: number, last = tokens.length): LexiconHit | undefined => {
    const limit = Math.min(last, at + MAX_PHRASE_TOKENS);
    forgetNumbers(at, limit);
    const word = at < last ? numberAt(tokens, at) : NO_WORD;
    if (word < 0) return undefined;
    best = [];
    bestEnd = at;
    walk(tokens, at, firstEntry[word]!, firstEntry[word + 1]!, 1, at + 1, limit);
    if (best.length === 0) return undefined;
    return { firstToken: at, lastToken: bestEnd, type: best[0]!.type, rows: best, flags: best[0]!.flags };
  };

  const match = (tokens: readonly Token[], first = 0, last = tokens.length): LexiconHit[] => {
    const hits: LexiconHit[] = [];
    forgetNumbers(first, last);
    let at = first;
    while (at < last) {
      const word = numberAt(tokens, at);
      if (word < 0) {
        if (word === NO_WORD) {
          speller ??= createSpeller(tables);
          const meant = speller.correct(tokens[at]!);
          if (meant !== undefined) {
            const low = firstEntry[meant]!;
            const rows = rowsAt(low, firstEntry[meant + 1]!, 1, tokens, at, at + 1);
            if (rows.length > 0) {
              hits.push({
                firstToken: at,
                lastToken: at + 1,
                type: rows[0]!.type,
                rows,
                flags: rows[0]!.flags,
                corrected: tables.words[meant]!,
              });
            }
          }
        }
        at++;
        continue;
      }
      best = [];
      bestEnd = at;
      walk(
        tokens,
        at,
        firstEntry[word]!,
        firstEntry[word + 1]!,
        1,
        at + 1,
        Math.min(last, at + MAX_PHRASE_TOKENS),
      );
      if (best.length === 0) {
        at++;
        continue;
      }
      if (bestEnd < last && tokens[bestEnd]!.norm === "'s" && bestEnd - at > 1) bestEnd++;
      hits.push({
        firstToken: at,
        lastToken: bestEnd,
        type: best[0]!.type,
        rows: best,
        flags: best[0]!.flags,
      });
      at = bestEnd;
    }
    return hits;
  };

  /** The entries of exactly these words, without those that the writing rules out. */
  const rowsAt = (
    low: number,
    high: number,
    depth: number,
    tokens: readonly Token[],
    from: number,
    to: number,
  ): LexiconRow[] => {
    const rows: LexiconRow[] = [];
    for (let entry = low; entry < high && tokenStart[entry + 1]! - tokenStart[entry]! === depth; entry++) {
      if ((tables.flags[entry]! & FLAG.cased) !== 0 && !isCapitals(tokens, from, to)) continue;
      rows.push(row(entry));
    }
    return rows;
  };

  return { tables, wordNumber: (norm) => Math.max(NO_WORD, wordNumber(norm)), row, longestAt, match };
}

function isCapitals(tokens: readonly Token[], from: number, to: number): boolean {
  for (let i = from; i < to; i++) {
    const { text } = tokens[i]!;
    // A plural s may follow the capitals: "PEs".
    const plain = text.length > 2 && text.endsWith('s') ? text.slice(0, -1) : text;
    if (plain !== plain.toUpperCase()) return false;
  }
  return true;
}

/** `result[w] .. result[w+1]`: the entries that begin with word w. */
function firstEntryByWord(tables: LexiconTables): Int32Array {
  const first = new Int32Array(tables.words.length + 1);
  for (let entry = 0; entry < tables.types.length; entry++) {
    const word = tables.tokens[tables.tokenStart[entry]!]!;
    first[word + 1] = first[word + 1]! + 1;
  }
  for (let word = 0; word < tables.words.length; word++) first[word + 1] = first[word + 1]! + first[word]!;
  return first;
}
