import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { tokenize } from '../1-segment/tokens.js';
import { loadLexicon } from '../2-mention/lexicon.js';
import type { Token } from '../model.js';
import { nlpRoot } from '../rules/load.js';

/** A word of letters, with `-` and `'` within; a possessive ending is no part of it. */
export interface Word {
  readonly start: number;
  readonly end: number;
  readonly text: string;
  readonly lower: string;
  readonly capital: boolean;
  readonly initial: boolean;
}

const WORD = /\p{L}[\p{L}\p{M}]{0,40}(?:['’-]\p{L}[\p{L}\p{M}]{0,40}){0,3}/gu;
const POSSESSIVE = /['’][sS]$/;

export function wordsOf(text: string): Word[] {
  const words: Word[] = [];
  WORD.lastIndex = 0;
  for (let match = WORD.exec(text); match; match = WORD.exec(text)) {
    const written = match[0].replace(POSSESSIVE, '');
    words.push({
      start: match.index,
      end: match.index + written.length,
      text: written,
      lower: written.toLowerCase().replaceAll('’', "'"),
      capital: /^\p{Lu}/u.test(written),
      initial: written.length === 1 && /^\p{Lu}/u.test(written),
    });
  }
  return words;
}

/** Phrases of the lexicon of more than one word: "Foley catheter" and "Parkinson's disease" hold no person. */
export function clinicalSpans(text: string): { readonly start: number; readonly end: number }[] {
  const tokens: readonly Token[] = tokenize(text);
  return loadLexicon()
    .match(tokens)
    .map((hit) => ({ start: tokens[hit.firstToken]!.start, end: tokens[hit.lastToken - 1]!.end }));
}

/** Index of the first span that begins at an offset or behind it. */
export function firstFrom(spans: readonly { readonly start: number }[], offset: number): number {
  let low = 0;
  let high = spans.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (spans[middle]!.start < offset) low = middle + 1;
    else high = middle;
  }
  return low;
}

export function inside(
  spans: readonly { readonly start: number; readonly end: number }[],
  word: Word,
): boolean {
  const at = firstFrom(spans, word.start + 1) - 1;
  return at >= 0 && spans[at]!.end >= word.end;
}

interface Census {
  readonly given: ReadonlyMap<string, number>;
  readonly family: ReadonlyMap<string, number>;
}
let census: Census | undefined;

/** Given and family names of the United States census of 1990 with their rank, commonest first. */
export function censusNames(): Census {
  if (census) return census;
  const [given, family] = readFileSync(join(nlpRoot(), 'rules', 'phi-census.txt'), 'utf8')
    .split(/^# \w+$/m)
    .slice(1)
    .map(
      (part) =>
        new Map(
          part
            .trim()
            .split(/\s+/)
            .map((word, rank) => [word, rank]),
        ),
    );
  census = { given: given!, family: family! };
  return census;
}
