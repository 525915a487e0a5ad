import { classOf, isLetter, isSpace, LOWER, UPPER } from './characters.js';

/** How many words, by white space. */
export function wordCount(text: string): number {
  let count = 0;
  let inside = false;
  for (let i = 0; i < text.length; i++) {
    const space = isSpace(text.charCodeAt(i));
    if (!space && !inside) count++;
    inside = !space;
  }
  return count;
}

/** Has letters, and none of them small. */
export function isCapitals(text: string): boolean {
  let letters = 0;
  for (let i = 0; i < text.length; i++) {
    const found = classOf(text.charCodeAt(i));
    if (found === LOWER) return false;
    if (found === UPPER) letters++;
  }
  return letters > 0;
}

export function startsUpper(text: string): boolean {
  return classOf(text.charCodeAt(0)) === UPPER;
}

const SMALL_WORDS = new Set([
  'of',
  'and',
  'the',
  'on',
  'at',
  'to',
  'for',
  'in',
  'with',
  'or',
  'by',
  'from',
  'a',
  'an',
  'this',
  'upon',
  'prior',
]);

/** Every word but the small ones begins with a capital. */
export function isTitleCase(text: string): boolean {
  for (const word of text.split(/\s+/)) {
    if (isLetter(word.charCodeAt(0)) && !startsUpper(word) && !SMALL_WORDS.has(word)) return false;
  }
  return startsUpper(text);
}

const SENTENCE_WORDS = new Set(
  'he she they it i we you is was are were be been has have had do does did will would should the following include includes including took takes taking given denies reports not no patient has'.split(
    ' ',
  ),
);

/** Begins with a capital, is short, and has no word that makes a sentence of it. */
export function isNounPhrase(text: string): boolean {
  if (!startsUpper(text)) return false;
  if (isTitleCase(text)) return true;
  const words = text.toLowerCase().split(/[^a-z']+/);
  return words.length <= 6 && !words.some((word) => SENTENCE_WORDS.has(word) && word !== 'the');
}

/** Ends as a sentence does, or holds a number. */
export function endsSentence(text: string): boolean {
  return /[.!?;,]$/.test(text) || /\d{2,}/.test(text);
}

/** Where a character stands from `from` on and before `to`, or -1; what is beyond is never read, however long the text. */
export function indexWithin(text: string, mark: string, from: number, to: number): number {
  const code = mark.charCodeAt(0);
  for (let at = from; at < to; at++) if (text.charCodeAt(at) === code) return at;
  return -1;
}
