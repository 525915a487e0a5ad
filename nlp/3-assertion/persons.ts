import type { Token } from '../model.js';
import { readRules } from '../rules/load.js';

/** One row of `rules/people.json`: a word for somebody who is not the patient. */
export interface PersonRow {
  readonly word: string;
  readonly who: 'family' | 'other';
  readonly gender?: 'male' | 'female';
  /** Words after which it is no person (`donor site`). */
  readonly notBefore?: readonly string[];
  /** Words before which it is no person (`syringe driver`). */
  readonly notAfter?: readonly string[];
  /** Words of which one must follow: a `source` is a person only as `source patient`. */
  readonly onlyBefore?: readonly string[];
  /** A short form that is a person only where it opens its sentence before a colon (`Mo: migraine`). */
  readonly opens?: true;
  readonly example: string;
}

const rules = readRules<{ people: PersonRow[]; informantVerbs: string[]; links: string[] }>('people.json');

export const people = new Map(rules.people.map((row) => [row.word, row]));

/** What joins a person to what they have: without one near (`partner abuse`) nothing is said of them. */
export const links = new Set(rules.links);

export const informantVerbs = new Set(rules.informantVerbs);

export const POSSESSIVES = new Set([
  'his',
  'her',
  'their',
  'my',
  'the',
  'a',
  'an',
  'one',
  'two',
  'three',
  'both',
  'maternal',
  'paternal',
  'older',
  'younger',
  'elder',
  'eldest',
  'oldest',
  'youngest',
  'twin',
  'late',
  'great',
  '-',
  "'s",
  'patient',
  'biological',
  'adoptive',
  'identical',
  'fraternal',
  'foster',
  'half',
  'other',
  'another',
  'several',
  'first',
  '1st',
  'degree',
  'household',
  'close',
  'sick',
  'pt',
  'old',
  'year',
]);

const ADVERBS = new Set([
  'also',
  'and',
  'has',
  'who',
  'then',
  'just',
  'had',
  'is',
  'was',
  'are',
  'were',
  'never',
  'does',
  'did',
  'not',
]);

const PASSIVE = new Set(['was', 'were', 'is', 'are', 'been']);

const OBSERVED = new Set([
  'told',
  'found',
  'noted',
  'noticed',
  'observed',
  'thought',
  'described',
  'reported',
  'said',
]);

export function isInformant(tokens: readonly Token[], person: number, last: number): boolean {
  for (let i = person + 1; i < Math.min(last, person + 4); i++) {
    const word = tokens[i]!.norm;
    // `Her twin was found to carry BRCA1` is told of the twin.
    if (informantVerbs.has(word)) return !(OBSERVED.has(word) && PASSIVE.has(tokens[i - 1]!.norm));
    if (!ADVERBS.has(word)) return false;
  }
  return false;
}

/** The last person whom a sentence names, of that gender. */
export function lastNamed(tokens: readonly Token[], first: number, last: number): PersonRow | undefined {
  for (let i = last - 1; i >= first; i--) {
    const row = people.get(tokens[i]!.norm);
    if (row?.gender && !row.opens && !row.onlyBefore) return row;
  }
  return undefined;
}

/** Whose section it is by its title: `PMH (mother):`, `Donor history:`, `Maternal medications:`. */
export function personOfTitle(title: string): PersonRow | undefined {
  const words = title.toLowerCase().match(/\p{L}+/gu) ?? [];
  if (!title.includes('(') && !words.some((word) => OF_PERSON.has(word))) return undefined;
  for (const [i, word] of words.entries()) {
    // `Home meds per wife's list`: who told is not who takes them.
    if (/^(?:per|from|by|via|with|to)$/.test(words[i - 1] ?? '')) continue;
    const row = people.get(word === 'maternal' ? 'mother' : word === 'paternal' ? 'father' : word);
    if (row && !row.opens && !row.onlyBefore) return row;
  }
  return undefined;
}

const OF_PERSON = new Set(
  'history hx pmh labs serologies serology medications meds problems conditions diagnoses allergies'.split(
    ' ',
  ),
);

/** The person a sentence is about where it begins with one: `Her mother is 70.` */
export function subjectOf(tokens: readonly Token[], first: number, last: number): PersonRow | undefined {
  for (let i = first; i < Math.min(last, first + 5); i++) {
    const row = people.get(tokens[i]!.norm);
    if (row) return isInformant(tokens, i, last) ? undefined : row;
    if (!POSSESSIVES.has(tokens[i]!.norm)) return undefined;
  }
  return undefined;
}

/** By marriage: what they have runs in another family. */
export const IN_LAW: PersonRow = { word: 'in-law', who: 'other', example: 'His brother-in-law had {gout}.' };

export function isInLaw(tokens: readonly Token[], i: number): boolean {
  const at = tokens[i + 1]?.norm === '-' ? i + 2 : i + 1;
  return tokens[at]?.norm === 'in' && /^(?:-|law)$/.test(tokens[at + 1]?.norm ?? '');
}

/** A person of whom something is said: findings in `from..to` are theirs. */
export interface PersonScope {
  readonly from: number;
  readonly to: number;
  readonly row: PersonRow;
  /** Index of the token that names the person. */
  readonly word: number;
  readonly backward: boolean;
}
