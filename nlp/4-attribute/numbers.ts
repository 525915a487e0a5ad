/** Numbers as they stand in directions: digits, fractions, words, ranges. */

const WORDS: Readonly<Record<string, number>> = {
  zero: 0,
  one: 1,
  two: 2,
  three: 3,
  four: 4,
  five: 5,
  six: 6,
  seven: 7,
  eight: 8,
  nine: 9,
  ten: 10,
  eleven: 11,
  twelve: 12,
  thirteen: 13,
  fourteen: 14,
  fifteen: 15,
  sixteen: 16,
  seventeen: 17,
  eighteen: 18,
  nineteen: 19,
  twenty: 20,
  thirty: 30,
  forty: 40,
  fifty: 50,
  sixty: 60,
  seventy: 70,
  eighty: 80,
  ninety: 90,
  hundred: 100,
  half: 0.5,
  'one-half': 0.5,
  'one half': 0.5,
  'a half': 0.5,
  '½': 0.5,
  '¼': 0.25,
  '¾': 0.75,
  a: 1,
  an: 1,
  single: 1,
  several: Number.NaN,
  few: Number.NaN,
};

const WORD_SOURCE =
  'one(?:[- ]half)?|half|two|three|four(?:teen)?|five|six|seven|eight|nine|ten|eleven|twelve|fifteen|twenty|thirty|forty|fifty|sixty|ninety';

// What is said thrice in an expression is compiled thrice: these sources are kept short.

/** Source of a regular expression for one number; no groups. */
export const NUMBER = `(?:0,\\d{1,3}(?!\\d)|\\d+(?:(?:,\\d{3})+(?:\\.\\d+)?|\\.\\d+|[ -]\\d\\/\\d(?!\\d)|\\/[2348](?![\\d/])|[½¼¾])?|\\.\\d+|[½¼¾]|(?:${WORD_SOURCE})(?![a-z]))`;

/** Source for a whole or decimal number or a word for one. */
export const PLAIN_NUMBER = `(?:\\d+(?:\\.\\d+)?|${WORD_SOURCE})`;

/** One number or a range, with the same number said twice: `2 (two)`, `1-2`, `one to two`. */
export const RANGE = `${NUMBER}(?: ?\\((?:[a-z]{3,6}|\\d+)\\)| (?:one|two|three|four)(?![a-z]))?(?:\\s?(?:-|–|to|or)\\s?${NUMBER})?`;

/** A range of plain numbers. */
export const PLAIN_RANGE = `${PLAIN_NUMBER}(?: ?\\([a-z\\d]+\\))?(?:\\s?(?:-|–|to|or)\\s?${PLAIN_NUMBER})?`;

const one = new RegExp(NUMBER, 'gi');

/** Value of one number, NaN where the words say none. */
export function numberOf(text: string): number {
  const plain = text
    .trim()
    .toLowerCase()
    .replace(/^0,(?=\d{1,3}$)/, '0.')
    .replace(/,(?=\d{3})/g, '');
  const word = WORDS[plain];
  if (word !== undefined) return word;
  const mixed = /^(?:(\d+)[ -])?(\d)\/(\d)$/.exec(plain);
  if (mixed) return Number(mixed[1] ?? 0) + Number(mixed[2]) / Number(mixed[3]);
  const glyph = /^(\d*)([½¼¾])$/.exec(plain);
  if (glyph) return Number(glyph[1] || 0) + WORDS[glyph[2]!]!;
  return Number(plain);
}

/** Lowest and highest of the numbers in a range's text; equal where there is one; undefined where none. */
export function rangeOf(text: string): { low: number; high: number } | undefined {
  const values = (text.match(one) ?? []).map(numberOf).filter((value) => Number.isFinite(value));
  const first = values[0];
  if (first === undefined) return undefined;
  if (
    !/(?:\d|[a-z)½¼¾])\s?(?:-|–|to|or)\s?(?:\d|\.|[a-z½¼¾])/i.test(
      text.replace(/one[- ]half/gi, 'half').replace(/^\d+-(?=\d\/\d)/, ''),
    )
  ) {
    return { low: first, high: first };
  }
  const last = values.at(-1)!;
  return first <= last ? { low: first, high: last } : { low: first, high: first };
}

/** `1-2`, `0.5`: a range in plain digits. */
export function rangeText(range: { low: number; high: number }): string {
  const low = String(Number(range.low.toPrecision(12)));
  return range.low === range.high ? low : `${low}-${String(Number(range.high.toPrecision(12)))}`;
}
