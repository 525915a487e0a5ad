import { ownCopy } from '../1-segment/own-copy.js';
import type { Lexicon } from '../2-mention/lexicon.js';
import { isTransparent, stem } from '../2-mention/lexicon-words.js';
import { Recent } from '../2-mention/recent.js';
import type { Token } from '../model.js';
import { readRules } from '../rules/load.js';

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

/** What a word is to a name, as bits. */
export const WORD = { stop: 1, droppable: 2, general: 4, denying: 8, known: 128 } as const;

/** A word that carries meaning. */
export interface ContentWord {
  /** Of the lexicon, negative where no entry has it. */
  readonly number: number;
  /** Comparable form. */
  readonly word: string;
}

/** Words of one lexicon, as names are compared by them. */
export interface TermWords {
  /** Bits of `WORD` of the lexicon's word of this number. */
  kind(number: number): number;
  /** How much a word tells: the rarer, the more. */
  weight(number: number): number;
  /** Comparable words that carry meaning, each once. */
  contentOf(tokens: readonly Token[]): ContentWord[];
}

/** Whether a comparable word only narrows what a name says. */
export function isDroppable(word: string): boolean {
  return droppable.has(word);
}

const WORDS_KEPT = 16_384;

export function createTermWords(lexicon: Lexicon): TermWords {
  const { tables } = lexicon;
  const { postingStart: start } = tables;
  const kinds = new Uint8Array(tables.words.length);
  const kept = new Recent<ContentWord | null>(WORDS_KEPT);

  const read = (norm: string): ContentWord | null => {
    if (isTransparent(norm) || !/[a-z0-9]/.test(norm)) return null;
    const word = stem(norm);
    return stopwords.has(word) ? null : { number: lexicon.wordNumber(norm), word: ownCopy(word) };
  };
  const contentWord = (norm: string): ContentWord | null => {
    let content = kept.get(norm);
    if (content === undefined) {
      content = read(norm);
      kept.set(norm, content);
    }
    return content;
  };

  return {
    kind(number) {
      let kind = kinds[number]!;
      if (kind === 0) {
        const word = tables.words[number]!;
        kind =
          WORD.known |
          (stopwords.has(word) ? WORD.stop : 0) |
          (droppable.has(word) ? WORD.droppable : 0) |
          (general.has(word) ? WORD.general : 0) |
          (word === 'no' || word === 'without' ? WORD.denying : 0);
        kinds[number] = kind;
      }
      return kind;
    },
    weight(number) {
      return Math.log(tables.types.length / (1 + start[number + 1]! - start[number]!));
    },
    contentOf(tokens) {
      const result: ContentWord[] = [];
      for (const { norm } of tokens) {
        const content = contentWord(norm);
        if (content && !result.some(({ word }) => word === content.word)) result.push(content);
      }
      return result;
    },
  };
}
