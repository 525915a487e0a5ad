const PLAIN_ASCII = /^[\x20-\x7e]*$/;
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

/**
 * Brings text to the form in which strings are compared (R4 search.html#string): no case, no accents, runs of spaces
 * as one. `Müller` and `MULLER` both give `muller`.
 */
export function fold(text: string): string {
  if (PLAIN_ASCII.test(text)) {
    const lower = text.toLowerCase();
    return lower.includes('  ') ? lower.replace(SPACES, ' ').trim() : lower.trim();
  }
  return text
    .normalize('NFKD')
    .replace(MARKS, '')
    .toLowerCase()
    .replace(APART_LETTERS, (c) => APART[c]!)
    .replace(SPACES, ' ')
    .trim();
}

const WORD_CHARACTERS = /[\p{L}\p{N}]+/gu;

/** The words of folded text: runs of letters and digits. */
export function words(folded: string): string[] {
  return folded.match(WORD_CHARACTERS) ?? [];
}
