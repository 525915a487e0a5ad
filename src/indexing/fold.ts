const MARKS = /\p{M}+/gu;
const SPACES = /\s+/gu;

/** Letters that Unicode does not take apart into a base letter and a mark. */
const APART: Record<string, string> = {
  ß: 'ss',
  æ: 'ae',
  œ: 'oe',
  ø: 'o',
  ł: 'l',
  đ: 'd',
  ð: 'd',
  þ: 'th',
  ı: 'i',
};
const APART_LETTERS = /[ßæœøłđðþı]/g;

/** Printable ASCII with single spaces and none at the ends: only case is left to fold. */
function isPlain(text: string): boolean {
  let before = 32;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c < 32 || c > 126 || (c === 32 && before === 32)) return false;
    before = c;
  }
  return before !== 32;
}

/**
 * Brings text to the form in which strings are compared (R4 search.html#string): no case, no accents, runs of spaces
 * as one. `Müller` and `MULLER` both give `muller`.
 */
export function fold(text: string): string {
  if (isPlain(text)) return text.toLowerCase();
  return text
    .normalize('NFKD')
    .replace(MARKS, '')
    .toLowerCase()
    .replace(APART_LETTERS, (c) => APART[c]!)
    .replace(SPACES, ' ')
    .trim();
}

const OTHER_WORDS = /[\p{L}\p{N}]+/gu;

/** The words of folded text, in order: runs of letters and digits. */
export function words(folded: string): string[] {
  const found: string[] = [];
  eachWord(folded, { add: (word) => found.push(word) });
  return found;
}

/** Adds the words of folded text to a set. Text of plain letters is read without an expression, which halves the time. */
export function eachWord(folded: string, to: { add(word: string): unknown }): void {
  let start = -1;
  for (let i = 0; i < folded.length; i++) {
    const c = folded.charCodeAt(i);
    if (c > 127) {
      // From the word this letter belongs to.
      const rest = start < 0 ? folded.slice(i) : folded.slice(start);
      for (const word of rest.match(OTHER_WORDS) ?? []) to.add(word);
      return;
    }
    const inside = (c >= 97 && c <= 122) || (c >= 48 && c <= 57) || (c >= 65 && c <= 90);
    if (inside) {
      if (start < 0) start = i;
    } else if (start >= 0) {
      to.add(folded.slice(start, i));
      start = -1;
    }
  }
  if (start >= 0) to.add(folded.slice(start));
}
