import type { KnownIdentity } from '../model.js';
import type { Found } from './rules.js';

/** More than this many values of one person are not looked for. */
const MAX_KNOWN = 64;
const MAX_KNOWN_LENGTH = 120;
const NATIONAL_DIGITS = 10;
const FUZZY_MIN_LENGTH = 5;
const FUZZY_TWO_MIN_LENGTH = 9;
const WORD = /\p{L}[\p{L}\p{M}]{0,40}/gu;

/** What the record says of the person, as written or nearly so. */
export function* knownFinds(text: string, known: KnownIdentity): Generator<Found> {
  const parts = new Set<string>();
  for (const name of (known.names ?? []).slice(0, MAX_KNOWN))
    for (const [part] of name.slice(0, MAX_KNOWN_LENGTH).matchAll(WORD))
      if (part.length > 1) parts.add(fold(part));
  const list = [...parts].slice(0, MAX_KNOWN);
  if (list.length > 0) {
    WORD.lastIndex = 0;
    for (let match = WORD.exec(text); match; match = WORD.exec(text)) {
      const word = fold(match[0]);
      const span = { start: match.index, end: match.index + match[0].length, kind: 'name' as const };
      const capital = /^\p{Lu}/u.test(match[0]);
      // A short name in small letters is more likely the word that it also is.
      if (parts.has(word) && (capital || word.length >= FUZZY_MIN_LENGTH))
        yield { ...span, score: 1, rule: 'known' };
      else if (capital && list.some((part) => isNear(word, part)))
        yield { ...span, score: 0.9, rule: 'known-nearly' };
    }
  }
  for (const value of (known.identifiers ?? []).slice(0, MAX_KNOWN)) {
    yield* spelled(text, value, value.includes('@') ? 'email' : 'id', 4);
    const national = nationalNumber(value);
    if (national) yield* spelled(text, national, 'phone', NATIONAL_DIGITS);
    if (national) yield* spelled(text, `0${national}`, 'phone', NATIONAL_DIGITS);
  }
  for (const value of (known.addresses ?? []).slice(0, MAX_KNOWN)) yield* spelled(text, value, 'address', 4);
  if (known.birthDate) {
    const [year, month, day] = known.birthDate.split('-');
    if (year && month && day)
      for (const form of [`${year}${month}${day}`, `${month}${day}${year}`, `${day}${month}${year}`])
        yield* spelled(text, form, 'date', 8);
  }
}

/** A telephone number with a country's code, as it is written within the country. */
function nationalNumber(value: string): string | undefined {
  if (!/^(?:\+|00|1[ .(-])[\d\s().-]{8,24}$/.test(value.trim())) return undefined;
  const digits = value.replace(/\D/g, '');
  return digits.length > NATIONAL_DIGITS ? digits.slice(-NATIONAL_DIGITS) : undefined;
}

/** A value letter by letter, whatever blanks, hyphens, points or slashes stand between. */
function* spelled(text: string, value: string, kind: Found['kind'], minLength: number): Generator<Found> {
  const characters = [...value.slice(0, MAX_KNOWN_LENGTH)].filter((character) =>
    /[\p{L}\p{N}@]/u.test(character),
  );
  if (characters.length < minLength) return;
  const expression = new RegExp(
    `(?<![\\p{L}\\p{N}])${characters.join('[\\s.,/()_-]{0,3}')}(?![\\p{L}\\p{N}])`,
    'giu',
  );
  for (let match = expression.exec(text); match; match = expression.exec(text))
    yield { start: match.index, end: match.index + match[0].length, kind, score: 1, rule: 'known' };
}

function fold(word: string): string {
  return word.normalize('NFD').replace(/\p{M}/gu, '').toLowerCase();
}

/** One slip of the pen (two in a long name): a letter more, less, other, or two swapped; the first letter is right. */
function isNear(word: string, name: string): boolean {
  if (name.length < FUZZY_MIN_LENGTH || word[0] !== name[0]) return false;
  const allowed = name.length >= FUZZY_TWO_MIN_LENGTH ? 2 : 1;
  return Math.abs(word.length - name.length) <= allowed && distance(word, name) <= allowed;
}

function distance(a: string, b: string): number {
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, k) => k);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      let best = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + cost);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        best = Math.min(best, before[j - 2]! + 1);
      next.push(best);
    }
    before = row;
    row = next;
  }
  return row[b.length]!;
}
