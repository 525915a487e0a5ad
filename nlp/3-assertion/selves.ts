import type { Token } from '../model.js';
import { type Gender, genderOfPronoun } from './gender.js';
import { isInformant, type PersonRow, type PersonScope } from './persons.js';

/** `Mother says she herself has asthma`, `his wife reports that her own tablets …`: who tells speaks of themselves. */
export function ofThemselves(
  tokens: readonly Token[],
  person: number,
  last: number,
  row: PersonRow,
): { from: number; to: number } | undefined {
  // `His carer says she has flu`: the patient is no `she`.
  const other = OTHER_PRONOUN.get(tokens[person - 1]?.norm ?? '');
  for (let i = person + 2; i < Math.min(last, person + OWN_REACH); i++) {
    const { norm } = tokens[i]!;
    if (norm === 'patient' || norm === 'pt') return undefined;
    if (other !== undefined && norm === other.pronoun && row.gender !== other.notOf) {
      return { from: i + 1, to: upTo(tokens, i + 1, last, /^(?:but|;|patient|pt|he|she)$/) };
    }
    const gender = OWN.get(norm === 'own' ? tokens[i - 1]!.norm : norm);
    if (gender === undefined || (norm !== 'own' && POSSESSIVE.has(norm))) continue;
    if (gender !== 'any' && row.gender !== undefined && gender !== row.gender) return undefined;
    return { from: i + 1, to: upTo(tokens, i + 1, last, /^(?:but|;|patient|pt)$/) };
  }
  return undefined;
}

/** A way in which people are said to speak of themselves. */
interface OwnWay {
  readonly word: RegExp;
  /** Most tokens between the person and the word. */
  readonly reach: number;
  /** The word before which nothing is theirs any more. */
  readonly parts: RegExp;
  readonly ends: RegExp;
  /** Of whom the word at `i` is said; undefined where it is said of none. */
  genderAt(tokens: readonly Token[], i: number, person: number): Gender | 'any' | undefined;
}

/** `His wife applies cream to her own rash`: what someone has of their own. */
const OF_THEIR_OWN: OwnWay = {
  word: /^own$/,
  reach: 14,
  parts: /^(?:;|patient|pt)$/,
  ends: /^(?:but|;|,|and|patient|pt)$/,
  genderAt: (tokens, i) => OWN.get(tokens[i - 1]!.norm),
};

/** `Seen with mother, who talks; she herself has fibromyalgia`. */
const REFLEXIVE: OwnWay = {
  word: /^(?:herself|himself)$/,
  reach: 20,
  parts: /^(?:patient|pt)$/,
  ends: /^(?:but|;|patient|pt)$/,
  genderAt: (tokens, i, person) =>
    i - 1 === person || /^(?:he|she)$/.test(tokens[i - 1]!.norm) ? genderOfPronoun(tokens[i]!) : undefined,
};

/** What the person named at `person` has of their own, or says of themselves. */
export function ofTheirOwn(
  tokens: readonly Token[],
  person: number,
  last: number,
  row: PersonRow,
): PersonScope | undefined {
  return ownScope(tokens, person, last, row, OF_THEIR_OWN) ?? ownScope(tokens, person, last, row, REFLEXIVE);
}

function ownScope(
  tokens: readonly Token[],
  person: number,
  last: number,
  row: PersonRow,
  { word, reach, parts, ends, genderAt }: OwnWay,
): PersonScope | undefined {
  for (let i = person + 1; i < Math.min(last, person + reach); i++) {
    const { norm } = tokens[i]!;
    if (parts.test(norm)) return undefined;
    if (!word.test(norm)) continue;
    const gender = genderAt(tokens, i, person);
    if (gender === undefined || (gender !== 'any' && row.gender !== undefined && gender !== row.gender))
      return undefined;
    return { from: i + 1, to: upTo(tokens, i + 1, last, ends), row, word: person, backward: false };
  }
  return undefined;
}

function upTo(tokens: readonly Token[], from: number, last: number, ends: RegExp): number {
  let to = from;
  while (to < last && !ends.test(tokens[to]!.norm)) to++;
  return to;
}

/** From a pronoun of a gender that is not the patient's to where the patient is spoken of again. */
export function pronounScope(
  tokens: readonly Token[],
  first: number,
  last: number,
  gender: Gender,
  patient: Gender | undefined,
): { from: number; to: number } | undefined {
  if (gender === patient) return undefined;
  for (let i = first; i < Math.min(last, first + PRONOUN_REACH); i++) {
    const { norm } = tokens[i]!;
    if (norm === 'patient' || norm === 'pt') return undefined;
    const found = genderOfPronoun(tokens[i]!);
    if (found !== undefined && found !== gender) return undefined;
    if (norm !== 'he' && norm !== 'she') continue;
    let to = i + 1;
    while (to < last && !ENDS_PRONOUN.test(tokens[to]!.norm)) {
      const other = genderOfPronoun(tokens[to]!);
      if (other !== undefined && other !== gender) break;
      to++;
    }
    return { from: i + 1, to };
  }
  return undefined;
}

const PRONOUN_REACH = 16;

const ENDS_PRONOUN = /^(?:;|patient|pt)$/;

/** `Wife reports she takes Ativan` in the note of a man. */
export function saysOfSelf(
  tokens: readonly Token[],
  person: number,
  last: number,
  gender: Gender | undefined,
  patient: Gender | undefined,
): { from: number; to: number } | undefined {
  if (patient === undefined || gender === undefined || gender === patient) return undefined;
  return pronounScope(tokens, person + 1, last, gender, patient);
}

/**
 * What a sentence that opens with `She` says in the note of a man, after his wife was named: of her; but what she
 * reports, unless she says it of herself, is his.
 */
export function ofPronoun(
  tokens: readonly Token[],
  first: number,
  last: number,
  row: PersonRow,
  patient: Gender,
): PersonScope | undefined {
  const gender = genderOfPronoun(tokens[first]!);
  if (gender === undefined || gender === patient || row.gender !== gender) return undefined;
  const scope = isInformant(tokens, first, last)
    ? pronounScope(tokens, first + 1, last, gender, patient)
    : pronounScope(tokens, first, last, gender, patient);
  return scope && { ...scope, row, word: first, backward: false };
}

const OTHER_PRONOUN = new Map<string, { pronoun: string; notOf: 'male' | 'female' }>([
  ['his', { pronoun: 'she', notOf: 'male' }],
  ['her', { pronoun: 'he', notOf: 'female' }],
]);

const OWN_REACH = 12;

const POSSESSIVE = new Set(['her', 'his', 'their']);

const OWN = new Map<string, 'male' | 'female' | 'any'>([
  ['herself', 'female'],
  ['himself', 'male'],
  ['themselves', 'any'],
  ['her', 'female'],
  ['his', 'male'],
  ['their', 'any'],
]);
