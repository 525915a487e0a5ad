import type { Lexicon } from '../2-mention/lexicon.js';
import { ENTRY_TYPES, FLAG } from '../2-mention/lexicon-file.js';
import { isTransparent, stem } from '../2-mention/lexicon-words.js';
import type { MentionType, Token } from '../model.js';
import { readRules } from '../rules/load.js';

/** An entry whose words the note supports. */
export interface TermMatch {
  readonly entry: number;
  /** 0..1: how much of the mention's own words the entry says. */
  readonly score: number;
  /** Weight of the entry's words that stand beside the mention, not in it. */
  readonly extra: number;
}

/** Finds lexicon entries by the set of their words, whatever the order. */
export interface TermSearch {
  /**
   * Entries of these types all of whose words stand in `words` or `support`, best first: those that leave the
   * least of the mention's own words unsaid. Words that may be left out are in `rules/code-modifiers.json`.
   */
  find(words: readonly Token[], support: readonly Token[], types: readonly MentionType[]): TermMatch[];
}

interface ModifierRules {
  /** Words without meaning for a code. */
  readonly stopwords: readonly string[];
  /** Words that narrow a finding; a code for the wider finding is still right. */
  readonly droppable: readonly string[];
  /** Words so general that they name nothing alone. */
  readonly general: readonly string[];
}

const modifiers = readRules<ModifierRules>('code-modifiers.json');
const stopwords = new Set(modifiers.stopwords.map(stem));
const droppable = new Set(modifiers.droppable.map(stem));
const general = new Set(modifiers.general.map(stem));

/** Whether a comparable word neither names nor narrows anything that a code tells apart. */
export function isMeaningless(word: string): boolean {
  return stopwords.has(word) || droppable.has(word);
}

const MAX_WORDS = 14;
/** How much leaving out "severe" or "left" counts beside leaving out a name. */
const DROPPABLE_SHARE = 0.2;
const MAX_CANDIDATES = 4000;
const MAX_RESULTS = 12;

export function createTermSearch(lexicon: Lexicon): TermSearch {
  const { tables } = lexicon;
  const { postings, postingStart: start } = tables;

  const weight = (word: number): number =>
    Math.log(tables.types.length / (1 + start[word + 1]! - start[word]!));

  return {
    find(own, support, types) {
      const ownWords = contentWords(own, lexicon);
      if (ownWords.length === 0 || ownWords.length > MAX_WORDS) return [];
      const allowedTypes = new Set(types.map((type) => ENTRY_TYPES.indexOf(type)));
      const supported = new Set<number>();
      const must: { number: number; word: string }[] = [];
      let total = 0;
      for (const { number, word } of ownWords) {
        if (number < 0) {
          // A word that no entry has: it must not matter.
          if (!droppable.has(word)) return [];
          continue;
        }
        supported.add(number);
        total += weight(number) * (droppable.has(word) ? DROPPABLE_SHARE : 1);
        if (!droppable.has(word)) must.push({ number, word });
      }
      const supportOnly = new Set<number>();
      for (const { number } of contentWords(support, lexicon)) {
        if (number >= 0 && !supported.has(number)) supportOnly.add(number);
      }
      const pivots = must.length > 0 ? must : ownWords.filter((each) => each.number >= 0);
      if (pivots.length === 0) return [];
      let pivot = pivots[0]!.number;
      for (const each of pivots) if (sizeOf(each.number) < sizeOf(pivot)) pivot = each.number;
      const low = start[pivot]!;
      const high = Math.min(start[pivot + 1]!, low + MAX_CANDIDATES);
      const matches: TermMatch[] = [];
      for (let at = low; at < high; at++) {
        const entry = postings[at]!;
        if (
          !allowedTypes.has(tables.types[entry]!) ||
          (tables.flags[entry]! & (FLAG.cased | FLAG.product)) !== 0
        )
          continue;
        let covered = 0;
        let extra = 0;
        let specific = false;
        let fits = true;
        const seen = new Set<number>();
        for (let i = tables.tokenStart[entry]!; i < tables.tokenStart[entry + 1]!; i++) {
          const word = tables.tokens[i]!;
          if (seen.has(word)) continue;
          seen.add(word);
          const text = tables.words[word]!;
          if (stopwords.has(text)) {
            if (text === 'no' || text === 'without') fits = supported.has(word);
            if (!fits) break;
            continue;
          }
          if (supported.has(word)) covered += weight(word) * (droppable.has(text) ? DROPPABLE_SHARE : 1);
          else if (supportOnly.has(word)) extra += weight(word);
          else {
            fits = false;
            break;
          }
          if (!general.has(text) && !droppable.has(text)) specific = true;
        }
        if (!fits || !specific) continue;
        if (must.some((each) => !seen.has(each.number))) continue;
        const score = total === 0 ? 0 : covered / total;
        matches.push({ entry, score: Math.min(1, score), extra });
      }
      matches.sort((a, b) => b.score - a.score || b.extra - a.extra || a.entry - b.entry);
      return matches.slice(0, MAX_RESULTS);
    },
  };

  function sizeOf(word: number): number {
    return start[word + 1]! - start[word]!;
  }
}

/** Comparable words that carry meaning, each once. */
function contentWords(tokens: readonly Token[], lexicon: Lexicon): { number: number; word: string }[] {
  const result: { number: number; word: string }[] = [];
  for (const token of tokens) {
    if (isTransparent(token.norm) || !/[a-z0-9]/.test(token.norm)) continue;
    const word = stem(token.norm);
    if (stopwords.has(word) || result.some((other) => other.word === word)) continue;
    result.push({ number: lexicon.wordNumber(token.norm), word });
  }
  return result;
}
