import type { Lexicon } from '../2-mention/lexicon.js';
import { ENTRY_TYPES, FLAG } from '../2-mention/lexicon-file.js';
import type { MentionType, Token } from '../model.js';
import { type ContentWord, createTermWords, isDroppable, type TermWords, WORD } from './term-words.js';

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
  /** Names of these types that say all of `words` and more; undefined where no name says these. */
  longerNames(words: readonly Token[], types: readonly MentionType[]): LongerNames | undefined;
  /** The longest of these names whose further words are all among `words` by their numbers, undefined where there is none. */
  completed(names: LongerNames, words: readonly number[]): TermMatch | undefined;
  /** Numbers of those words that a longer name may add. */
  numbersOf(words: readonly Token[]): number[];
}

/** The names that say a name and more: which of them a note completes is asked of the words beside each mention. */
export interface LongerNames {
  /** Alike where the names are. */
  readonly key: string;
  readonly wanted: Wanted;
  readonly types: readonly MentionType[];
}

const MAX_WORDS = 14;
/** How much leaving out "severe" or "left" counts beside leaving out a name. */
const DROPPABLE_SHARE = 0.2;
/** Longer entries complete no name. */
const MAX_ENTRY_WORDS = 64;
const MAX_CANDIDATES = 4000;
const MAX_RESULTS = 12;
/** From this score a name says all of a mention's own words. */
const WHOLE = 0.999;
/** Longer names that are kept, over all names asked for: 3 MB. */
const MAX_KEPT_ENTRIES = 400_000;

/** What the words of a name ask of an entry. */
export interface Wanted {
  /** Numbers of the words. */
  readonly said: readonly number[];
  /** Those that may not be left out. */
  readonly must: readonly number[];
  readonly total: number;
  /** The rarest, in whose entries is searched. */
  readonly pivot: number;
}

/** Entries that say a name and more, in order of the first word that each adds. */
interface LongerEntries {
  readonly firsts: Int32Array;
  readonly entries: Int32Array;
}

const NONE: LongerEntries = { firsts: new Int32Array(0), entries: new Int32Array(0) };

export function createTermSearch(lexicon: Lexicon): TermSearch {
  const { tables } = lexicon;
  const { postings, postingStart, tokens, tokenStart } = tables;
  const words = createTermWords(lexicon);
  const sizeOf = (word: number): number => postingStart[word + 1]! - postingStart[word]!;

  /** Of the entry that was read last: the words that it adds to those said, and how much of those it says. */
  const added = new Int32Array(MAX_ENTRY_WORDS);
  let addedCount = 0;
  let covered = 0;
  /** Words of each entry that mean something, 0 where they were not counted yet. */
  const contents = new Uint8Array(tables.types.length);
  const contentsOf = (entry: number): number => {
    if (contents[entry] === 0) {
      const first = tokenStart[entry]!;
      let count = 0;
      for (let at = first; at < tokenStart[entry + 1]!; at++) {
        const word = tokens[at]!;
        if ((words.kind(word) & WORD.stop) === 0 && !isRepeated(word, first, at)) count++;
      }
      contents[entry] = Math.min(MAX_ENTRY_WORDS, Math.max(1, count));
    }
    return contents[entry]!;
  };

  /** Whether all words of an entry are said, may be added or mean nothing, and one of them names something. */
  const read = (entry: number, { said, must }: Wanted, mayAdd?: readonly number[]): boolean => {
    if (mayAdd && contentsOf(entry) > said.length + mayAdd.length) return false;
    const first = tokenStart[entry]!;
    const last = tokenStart[entry + 1]!;
    addedCount = 0;
    covered = 0;
    let specific = false;
    let found = 0;
    for (let at = first; at < last; at++) {
      const word = tokens[at]!;
      const kind = words.kind(word);
      const isSaid = said.includes(word);
      if ((kind & WORD.stop) !== 0) {
        if ((kind & WORD.denying) !== 0 && !isSaid) return false;
        continue;
      }
      if (isRepeated(word, first, at)) continue;
      if (isSaid) {
        covered += words.weight(word) * ((kind & WORD.droppable) !== 0 ? DROPPABLE_SHARE : 1);
        if (must.includes(word)) found++;
      } else if (addedCount < MAX_ENTRY_WORDS && (!mayAdd || mayAdd.includes(word)))
        added[addedCount++] = word;
      else return false;
      if ((kind & (WORD.general | WORD.droppable)) === 0) specific = true;
    }
    return specific && found === must.length;
  };
  const isRepeated = (word: number, first: number, at: number): boolean => {
    for (let before = first; before < at; before++) if (tokens[before] === word) return true;
    return false;
  };
  const weightOfAdded = (): number => {
    let sum = 0;
    for (let at = 0; at < addedCount; at++) sum += words.weight(added[at]!);
    return sum;
  };

  /** Calls back for each entry of these types that may be asked what it says. */
  const eachEntry = (pivot: number, types: readonly MentionType[], take: (entry: number) => void): void => {
    let allowed = 0;
    for (const type of types) allowed |= 1 << ENTRY_TYPES.indexOf(type);
    const high = Math.min(postingStart[pivot + 1]!, postingStart[pivot]! + MAX_CANDIDATES);
    for (let at = postingStart[pivot]!; at < high; at++) {
      const entry = postings[at]!;
      if ((allowed & (1 << tables.types[entry]!)) === 0) continue;
      if ((tables.flags[entry]! & (FLAG.cased | FLAG.product)) === 0) take(entry);
    }
  };

  const longerOf = (wanted: Wanted, types: readonly MentionType[]): LongerEntries => {
    const found: { entry: number; first: number }[] = [];
    eachEntry(wanted.pivot, types, (entry) => {
      if (read(entry, wanted) && addedCount > 0 && covered >= WHOLE * wanted.total)
        found.push({ entry, first: added[0]! });
    });
    if (found.length === 0) return NONE;
    found.sort((a, b) => a.first - b.first || a.entry - b.entry);
    return {
      firsts: Int32Array.from(found, ({ first }) => first),
      entries: Int32Array.from(found, ({ entry }) => entry),
    };
  };

  let kept = new Map<string, LongerEntries>();
  let keptBefore = new Map<string, LongerEntries>();
  let keptEntries = 0;
  /** What was asked for longest ago makes room, half at a time. */
  const keptLonger = (key: string, wanted: Wanted, types: readonly MentionType[]): LongerEntries => {
    const known = kept.get(key);
    if (known) return known;
    const longer = keptBefore.get(key) ?? longerOf(wanted, types);
    if (keptEntries > MAX_KEPT_ENTRIES / 2) {
      keptBefore = kept;
      kept = new Map();
      keptEntries = 0;
    }
    keptEntries += longer.entries.length + 1;
    kept.set(key, longer);
    return longer;
  };

  return {
    find(own, support, types) {
      const wanted = wantedOf(words.contentOf(own), words, sizeOf);
      if (!wanted) return [];
      const mayAdd = numbersOf(words.contentOf(support));
      const matches: TermMatch[] = [];
      eachEntry(wanted.pivot, types, (entry) => {
        if (!read(entry, wanted, mayAdd)) return;
        const score = wanted.total === 0 ? 0 : Math.min(1, covered / wanted.total);
        matches.push({ entry, score, extra: weightOfAdded() });
      });
      matches.sort((a, b) => b.score - a.score || b.extra - a.extra || a.entry - b.entry);
      return matches.slice(0, MAX_RESULTS);
    },
    longerNames(own, types) {
      const wanted = wantedOf(words.contentOf(own), words, sizeOf);
      return wanted ? { key: `${types.join()}|${wanted.said.join()}`, wanted, types } : undefined;
    },
    completed({ key, wanted, types }, mayAdd) {
      const { firsts, entries } = keptLonger(key, wanted, types);
      if (entries.length === 0) return undefined;
      let best: TermMatch | undefined;
      for (const first of mayAdd) {
        for (let at = lowerBound(firsts, first); firsts[at] === first; at++) {
          const entry = entries[at]!;
          if (!read(entry, wanted, mayAdd)) continue;
          const extra = weightOfAdded();
          if (!best || extra > best.extra || (extra === best.extra && entry < best.entry))
            best = { entry, score: 1, extra };
        }
      }
      return best;
    },
    numbersOf: (beside) => numbersOf(words.contentOf(beside)),
  };
}

/** What these words ask of an entry; undefined where no entry can say them. */
function wantedOf(
  own: readonly ContentWord[],
  words: TermWords,
  sizeOf: (word: number) => number,
): Wanted | undefined {
  if (own.length === 0 || own.length > MAX_WORDS) return undefined;
  const said: number[] = [];
  const must: number[] = [];
  let total = 0;
  for (const { number, word } of own) {
    const mayBeLeftOut = isDroppable(word);
    if (number < 0) {
      // A word that no entry has: it must not matter.
      if (!mayBeLeftOut) return undefined;
      continue;
    }
    said.push(number);
    total += words.weight(number) * (mayBeLeftOut ? DROPPABLE_SHARE : 1);
    if (!mayBeLeftOut) must.push(number);
  }
  const pivots = must.length > 0 ? must : said;
  if (pivots.length === 0) return undefined;
  let pivot = pivots[0]!;
  for (const each of pivots) if (sizeOf(each) < sizeOf(pivot)) pivot = each;
  return { said, must, total, pivot };
}

function numbersOf(words: readonly ContentWord[]): number[] {
  const numbers: number[] = [];
  for (const { number } of words) if (number >= 0) numbers.push(number);
  return numbers;
}

/** First place in an ascending array whose number is not under `value`. */
function lowerBound(values: Int32Array, value: number): number {
  let low = 0;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (values[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
