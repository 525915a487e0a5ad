/** Classes of UTF-16 code units, looked up once per character by the tokenizer. */
export const SPACE = 0;
export const LOWER = 1;
export const UPPER = 2;
export const DIGIT = 3;
export const MARK = 4;
/** Invisible within words: soft hyphen, zero-width characters, combining accents, bidi marks. */
export const JOINER = 5;

const table = new Uint8Array(0x10000);

// One pass over the basic plane at load (about 5 ms) makes every later lookup an array read.
{
  const lower = /^[\p{Ll}\p{Lo}\p{Lm}]$/u;
  const upper = /^[\p{Lu}\p{Lt}]$/u;
  const space = /^[\s\p{Z}\p{Cc}]$/u;
  const joiner = /^[\p{M}\p{Cf}]$/u;
  for (let code = 0; code < 0x10000; code++) {
    if (code >= 0xac00 && code <= 0xd7a3) table[code] = LOWER;
    else if (code >= 0x3400 && code <= 0x9fff) table[code] = LOWER;
    else if (code >= 0xd800 && code <= 0xf8ff) table[code] = MARK;
    else {
      const char = String.fromCharCode(code);
      if (code >= 48 && code <= 57) table[code] = DIGIT;
      else if (lower.test(char)) table[code] = LOWER;
      else if (upper.test(char)) table[code] = UPPER;
      else if (space.test(char)) table[code] = SPACE;
      else if (joiner.test(char)) table[code] = JOINER;
      else table[code] = MARK;
    }
  }
}

/** Class of one UTF-16 code unit; halves of surrogate pairs are marks. */
export function classOf(code: number): number {
  return table[code]!;
}

export function isLetter(code: number): boolean {
  const found = table[code]!;
  return found === LOWER || found === UPPER;
}

export function isSpace(code: number): boolean {
  return table[code] === SPACE;
}

const accents = /\p{M}/gu;
const invisible = /\p{Cf}/gu;

/**
 * Lower-cased, accents folded, invisible characters dropped, typographic apostrophes and micro signs made
 * plain: the form in which words are compared.
 */
export function normalizeWord(text: string): string {
  let plain = true;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 126 || (code >= 65 && code <= 90)) {
      plain = false;
      break;
    }
  }
  if (plain) return text;
  let ascii = true;
  for (let i = 0; i < text.length; i++) {
    if (text.charCodeAt(i) > 126) {
      ascii = false;
      break;
    }
  }
  if (ascii) return text.toLowerCase();
  return text
    .replace(/[’‘ʼ`´]/g, "'")
    .replace(/[µμ]/g, 'u')
    .normalize('NFKD')
    .replace(accents, '')
    .replace(invisible, '')
    .toLowerCase();
}
