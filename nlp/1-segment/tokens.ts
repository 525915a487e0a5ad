import type { Token } from '../model.js';
import { readRules } from '../rules/load.js';
import { classOf, DIGIT, JOINER, LOWER, MARK, normalizeWord, SPACE, UPPER } from './characters.js';
import { addForm, findForm, makeRoomForForms, NO_FORM, tokenOfForm } from './forms.js';

const DOT = 46;
const COMMA = 44;
const SLASH = 47;
const APOSTROPHE = 39;
const CURLY_APOSTROPHE = 0x2019;

/** Marks that are one token however often they repeat: rules, ellipses, redactions. */
const RUN_MARKS = new Set([...'-_=*#.~+—–•'].map((mark) => mark.charCodeAt(0)));

const SLASH_WORDS_MAX_LENGTH = 6;
const slashWords = new Set(readRules<{ word: string }[]>('slash-words.json').map((row) => row.word));

function isWordClass(found: number): boolean {
  return found === LOWER || found === UPPER;
}

/**
 * Splits text into tokens: words (`metoprolol`, `A1c`, `E11.9`), numbers with decimals and thousands
 * (`12.5`, `1,500`), initialisms with their dots (`b.i.d.`, whose norm is `bid`), the slash words of
 * `rules/slash-words.json`, and single marks. `5mg` is `5` + `mg`, `patient's` is `patient` + `'s`, and a hyphen
 * is a token of its own (`beta-blocker` is three), so that spelling with and without it can be matched alike: adjacent tokens
 * have `a.end === b.start`. White space is no token. Linear in the length of the text; never throws.
 */
export function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  const length = text.length;
  makeRoomForForms();
  let at = 0;
  while (at < length) {
    const code = text.charCodeAt(at);
    const found = classOf(code);
    if (found === SPACE || found === JOINER) {
      at++;
      continue;
    }
    let end: number;
    let initialism = false;
    if (isWordClass(found)) {
      end = endOfPlainWord(text, at);
      if (end > at) {
        tokens.push(tokenAt(text, at, end));
        at = end;
        continue;
      }
      end = endOfInitialism(text, at);
      if (end > at) initialism = true;
      else {
        end = endOfSlashWord(text, at);
        if (end === at) end = endOfWord(text, at);
      }
    } else if (found === DIGIT || (code === DOT && startsDecimal(text, at))) {
      end = endOfNumber(text, at);
    } else if (
      (code === APOSTROPHE || code === CURLY_APOSTROPHE) &&
      at > 0 &&
      isPossessive(text, at) &&
      isWordClass(classOf(text.charCodeAt(at - 1)))
    ) {
      end = at + 2;
    } else if (RUN_MARKS.has(code)) {
      end = at + 1;
      while (end < length && text.charCodeAt(end) === code) end++;
    } else if (code >= 0xd800 && code <= 0xdbff && at + 1 < length) {
      const next = text.charCodeAt(at + 1);
      end = next >= 0xdc00 && next <= 0xdfff ? at + 2 : at + 1;
    } else end = at + 1;
    tokens.push(tokenAt(text, at, end, initialism));
    at = end;
  }
  return tokens;
}

function tokenAt(text: string, start: number, end: number, initialism = false): Token {
  let form = findForm(text, start, end);
  if (form === NO_FORM) {
    const word = text.slice(start, end);
    const plain = normalizeWord(word);
    const norm = initialism ? plain.replaceAll('.', '') : plain;
    form = addForm(word, norm);
    if (form === NO_FORM) return { start, end, text: word, norm, form };
  }
  return tokenOfForm(start, end, form);
}

/** ASCII that ends a word whatever the word is: white space and `( ) , ; :`; a full stop only behind two letters. */
const ENDS_WORD = new Uint8Array(128);
for (const mark of ' \n\r\t(),;:') ENDS_WORD[mark.charCodeAt(0)] = 1;

/** Most words: plain letters up to what ends every word. Returns `from` where it must be looked at closer. */
function endOfPlainWord(text: string, from: number): number {
  const length = text.length;
  let at = from;
  let code = 0;
  while (at < length) {
    code = text.charCodeAt(at);
    if ((code | 32) < 97 || (code | 32) > 122) break;
    at++;
  }
  if (at === length || at === from) return from;
  return (code < 128 && ENDS_WORD[code] === 1) || (code === DOT && at - from > 1) ? at : from;
}

/** Letters and digits; digits may follow letters (`B12`), and a code keeps its dot (`E11.9`). */
function endOfWord(text: string, from: number): number {
  const length = text.length;
  let at = from + 1;
  let digits = false;
  while (at < length) {
    const code = text.charCodeAt(at);
    const found = classOf(code);
    if (isWordClass(found) || found === JOINER) {
      at++;
      continue;
    }
    if (found === DIGIT) {
      digits = true;
      at++;
      continue;
    }
    if ((code === APOSTROPHE || code === CURLY_APOSTROPHE) && at + 1 < length && !isPossessive(text, at)) {
      if (isWordClass(classOf(text.charCodeAt(at + 1)))) {
        at += 2;
        continue;
      }
    }
    if (code === DOT && digits && at + 1 < length && classOf(text.charCodeAt(at + 1)) === DIGIT) {
      at += 2;
      continue;
    }
    break;
  }
  return at;
}

function isPossessive(text: string, apostrophe: number): boolean {
  const next = text.charCodeAt(apostrophe + 1);
  if (next !== 115 && next !== 83) return false;
  const after = apostrophe + 2 < text.length ? classOf(text.charCodeAt(apostrophe + 2)) : SPACE;
  return after === SPACE || after === MARK;
}

function startsDecimal(text: string, at: number): boolean {
  if (at + 1 >= text.length || classOf(text.charCodeAt(at + 1)) !== DIGIT) return false;
  const before = at === 0 ? SPACE : classOf(text.charCodeAt(at - 1));
  return before === SPACE || (before === MARK && text.charCodeAt(at - 1) !== DOT);
}

/** Digits with a decimal part or thousands, or an ordinal (`2nd`). */
function endOfNumber(text: string, from: number): number {
  const length = text.length;
  let at = from;
  if (text.charCodeAt(at) === DOT) at++;
  while (at < length && classOf(text.charCodeAt(at)) === DIGIT) at++;
  while (text.charCodeAt(at) === COMMA && at - from <= 12 && isThousands(text, at + 1)) at += 4;
  if (text.charCodeAt(at) === DOT && at + 1 < length && classOf(text.charCodeAt(at + 1)) === DIGIT) {
    at++;
    while (at < length && classOf(text.charCodeAt(at)) === DIGIT) at++;
    return at;
  }
  if (at + 1 < length) {
    const suffix = text.slice(at, at + 2).toLowerCase();
    const ordinal = suffix === 'st' || suffix === 'nd' || suffix === 'rd' || suffix === 'th';
    if (ordinal && (at + 2 >= length || !isWordClass(classOf(text.charCodeAt(at + 2))))) return at + 2;
  }
  return at;
}

function isThousands(text: string, at: number): boolean {
  for (let i = at; i < at + 3; i++) {
    if (i >= text.length || classOf(text.charCodeAt(i)) !== DIGIT) return false;
  }
  return at + 3 >= text.length || classOf(text.charCodeAt(at + 3)) !== DIGIT;
}

/** `q.d.`, `b.i.d`, `U.S.`: two or more single letters with dots. Returns `from` where there is none. */
function endOfInitialism(text: string, from: number): number {
  let at = from;
  let letters = 0;
  let end = from;
  while (at < text.length && isWordClass(classOf(text.charCodeAt(at)))) {
    const next = at + 1 < text.length ? text.charCodeAt(at + 1) : 32;
    letters++;
    if (next === DOT) {
      end = at + 2;
      at += 2;
      continue;
    }
    // A last letter without its dot (`b.i.d`), unless a longer word begins there (`p.o.Take`).
    if (isWordClass(classOf(next)) || classOf(next) === DIGIT || letters === 1) letters--;
    else end = at + 1;
    break;
  }
  return letters >= 2 ? end : from;
}

/** One of the slash words (`w/o`, `s/p`), as long as nothing continues it. Returns `from` where there is none. */
function endOfSlashWord(text: string, from: number): number {
  const slash =
    text.charCodeAt(from + 1) === SLASH ||
    text.charCodeAt(from + 2) === SLASH ||
    text.charCodeAt(from + 3) === SLASH;
  if (!slash) return from;
  let end = from;
  const limit = Math.min(text.length, from + SLASH_WORDS_MAX_LENGTH + 1);
  while (end < limit) {
    const code = text.charCodeAt(end);
    if (code !== SLASH && !isWordClass(classOf(code))) break;
    end++;
  }
  if (end - from > SLASH_WORDS_MAX_LENGTH) return from;
  return slashWords.has(text.slice(from, end).toLowerCase()) ? end : from;
}
