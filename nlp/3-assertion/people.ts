import type { Token } from '../model.js';
import { readRules } from '../rules/load.js';
import { type Gender, genderOfPronoun } from './gender.js';

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
const people = new Map(rules.people.map((row) => [row.word, row]));
const informantVerbs = new Set(rules.informantVerbs);
/** What joins a person to what they have: without one near (`partner abuse`) nothing is said of them. */
const links = new Set(rules.links);
const LINK_MAX_TOKENS = 5;

const POSSESSIVES = new Set([
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
/** Before a person these make them company, source or listener, not the one who is ill: `lives with his wife`. */
const COMPANY = new Set(['with', 'by', 'per', 'from', 'to', 'for', 'via', 'and']);
/** `unremarkable apart from a grandfather with …` */
const APART = new Set(['apart', 'aside']);
const SICK_CONTACT = new Set(['contact', 'exposure', 'exposed']);
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

/** A person of whom something is said: findings in `from..to` are theirs. */
export interface PersonScope {
  readonly from: number;
  readonly to: number;
  readonly row: PersonRow;
  /** Index of the token that names the person. */
  readonly word: number;
  readonly backward: boolean;
}

/** Words of a chart whose patient has just been born: `maternal hepatitis C` is not the child's. */
export const NEWBORN = /\b(?:newborn|neonate|neonatal|infant|baby (?:boy|girl)|nicu|apgars?)\b/i;

/** Words of the chart of a woman who has just given birth: `baby has reflux` is not hers. */
export const MOTHER =
  /\b(?:postnatal|postpartum|post-?partum|lochia|breast-?feeding|perineum|pph|puerperi\w+)\b/i;
const CHILD = /^(?:baby|infant|newborn|babe)$/;
const BABY: PersonRow = { word: 'baby', who: 'other', example: 'Postnatal check. Baby has {reflux}.' };

/** `maternal meds: methadone`; but a `maternal aunt` is another person. */
function maternal(tokens: readonly Token[], i: number, last: number): PersonScope | undefined {
  for (let k = i + 1; k < Math.min(last, i + 4); k++)
    if (people.has(tokens[k]!.norm) || tokens[k]!.norm === 'side') return undefined;
  let to = i + 1;
  while (to < last && !/^(?:;|but|infant|baby|newborn|neonate)$/.test(tokens[to]!.norm)) to++;
  return { from: i + 1, to, row: people.get('mother')!, word: i, backward: false };
}

/**
 * Finds who else the sentence speaks of, and which tokens speak of them.
 * @param ofNewborn whether the text is the chart of a newborn (see `NEWBORN`)
 * @param ofMother whether the text is the chart of a mother after birth (see `MOTHER`)
 * @param patient whether the patient is a man or a woman, where the note tells
 */
export function findPeople(
  tokens: readonly Token[],
  first: number,
  last: number,
  starts: Uint8Array,
  mentions: readonly { readonly first: number }[] = [],
  ofNewborn = false,
  patient?: Gender,
  ofMother = false,
): PersonScope[] {
  const scopes: PersonScope[] = [];
  for (let i = first; i < last; i++) {
    if (ofNewborn && tokens[i]!.norm === 'maternal') {
      const scope = maternal(tokens, i, last);
      if (scope) scopes.push(scope);
      continue;
    }
    const known = people.get(tokens[i]!.norm) ?? (ofMother && CHILD.test(tokens[i]!.norm) ? BABY : undefined);
    if (!known || known.notBefore?.includes(tokens[i + 1]?.norm ?? '')) continue;
    if (known.onlyBefore && !known.onlyBefore.includes(tokens[i + 1]?.norm ?? '')) continue;
    if (known.notAfter?.includes(tokens[i - 1]?.norm ?? '')) continue;
    if (
      known.opens &&
      !opensEntry(tokens, i, first) &&
      !(isOfSide(tokens, i, first) && sides(tokens, i, mentions))
    )
      continue;
    const row = isInLaw(tokens, i) ? IN_LAW : known;
    let start = i;
    while (start > first && POSSESSIVES.has(tokens[start - 1]!.norm) && !isDash(tokens, start - 1)) start--;
    const before = start > first ? tokens[start - 1]!.norm : '';
    if (isInformant(tokens, i, last)) {
      const own = ofThemselves(tokens, i, last, row) ?? saysOfSelf(tokens, i, last, row.gender, patient);
      if (own) scopes.push({ ...own, row, word: i, backward: false });
      continue;
    }
    const marked = before === '-' || before === '–' || before === ':';
    const bracketed = before === '(' || (marked && (i + 1 >= last || endsRelatives(tokens, i, last)));
    if (before === 'in' || bracketed || (i + 1 >= last && before === ',')) {
      // `breast cancer in his mother`, `colon cancer (father)`
      let from = start - 1;
      while (
        from > first &&
        start - from < 14 &&
        !starts[from - first] &&
        tokens[from]!.norm !== ';' &&
        !(bracketed && tokens[from]!.norm === ')')
      )
        from--;
      scopes.push({ from, to: start, row, word: i, backward: true });
      if (before === 'in' || bracketed) continue;
    }
    // `Brought in wife's Coreg by mistake`
    if (tokens[i + 1]?.norm === "'s" && mentions.some((mention) => mention.first === i + 2))
      scopes.push({ from: i + 2, to: Math.min(last, i + 5), row, word: i, backward: false });
    const own = ofTheirOwn(tokens, i, last, row) ?? reflexive(tokens, i, last, row);
    if (own) scopes.push(own);
    const apart = before === 'from' && start - 2 >= first && APART.has(tokens[start - 2]!.norm);
    const company =
      COMPANY.has(before) && before !== 'and' && !apart && !sickContact(tokens, start - 1, first);
    // `lives with his wife, who has dementia`
    const relative = tokens[i + 1]?.norm === ',' ? tokens[i + 2]?.norm : tokens[i + 1]?.norm;
    // `caregiver to his wife with dementia`, but `came with his wife with a cough`.
    if (company && relative !== 'who' && !(relative === 'with' && /^(?:to|for)$/.test(before))) continue;
    const opens = start === first || starts[start - first] === 1;
    // `mother diabetes, father gout`: nothing but the disease stands behind the person that opens the clause.
    const listed = opens && mentions.some((mention) => mention.first === i + 1 || mention.first === i + 2);
    if (!listed && !isLinked(tokens, i, last)) {
      const later = opens && row.gender ? pronounScope(tokens, i + 1, last, row.gender, patient) : undefined;
      if (later) scopes.push({ ...later, row, word: i, backward: false });
      continue;
    }
    let to = i + (known.onlyBefore ? 2 : 1);
    while (to < last && to < i + 60) {
      const word = tokens[to]!.norm;
      if (starts[to - first] && to > i + 2 && returnsToPatient(tokens, to, row)) break;
      if ((word === 'patient' && tokens[to - 1]!.norm !== 'a') || word === 'pt' || word === '|') break;
      if (endsRelative(tokens, to, i, first)) break;
      // `Wife collected tablets for him: …`
      if (
        word === 'for' &&
        /^(?:him|her|me)$/.test(tokens[to + 1]?.norm ?? '') &&
        genderOfPronoun(tokens[to + 1]!) !== row.gender
      )
        break;
      // `caregiver to his wife with dementia and reports back pain`
      if (company && word === 'and' && informantVerbs.has(tokens[to + 1]?.norm ?? '')) break;
      if (people.has(word) && to > i + 1) break;
      to++;
    }
    scopes.push({ from: i + 1, to, row, word: i, backward: false });
  }
  return scopes;
}

/** `Mother says she herself has asthma`, `his wife reports that her own tablets …`: who tells speaks of themselves. */
function ofThemselves(
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
      let to = i + 1;
      while (to < last && !/^(?:but|;|patient|pt|he|she)$/.test(tokens[to]!.norm)) to++;
      return { from: i + 1, to };
    }
    const gender = OWN.get(norm === 'own' ? tokens[i - 1]!.norm : norm);
    if (gender === undefined || (norm !== 'own' && POSSESSIVE.has(norm))) continue;
    if (gender !== 'any' && row.gender !== undefined && gender !== row.gender) return undefined;
    let to = i + 1;
    while (to < last && !/^(?:but|;|patient|pt)$/.test(tokens[to]!.norm)) to++;
    return { from: i + 1, to };
  }
  return undefined;
}

/** A dash between two words with spaces, as against that of `half-brother`. */
function isDash(tokens: readonly Token[], i: number): boolean {
  return (
    /^[-–]$/.test(tokens[i]!.norm) && tokens[i + 1] !== undefined && tokens[i]!.end < tokens[i + 1]!.start
  );
}

/** `Breast ca - mother, sister; …`: nothing but relatives up to the end of the entry. */
function endsRelatives(tokens: readonly Token[], person: number, last: number): boolean {
  for (let i = person + 1; i < Math.min(last, person + RELATIVES_MAX_TOKENS); i++) {
    const { norm } = tokens[i]!;
    if (norm === ';' || norm === '.') return true;
    if (
      !people.has(norm) &&
      !POSSESSIVES.has(norm) &&
      !/^(?:,|and|&|\/|x|\d+|'s|not|his|hers|theirs)$/.test(norm)
    )
      return false;
    if (i === last - 1) return true;
  }
  return false;
}

const RELATIVES_MAX_TOKENS = 12;

/** `His wife applies cream to her own rash`: what someone has of their own. */
function ofTheirOwn(
  tokens: readonly Token[],
  person: number,
  last: number,
  row: PersonRow,
): PersonScope | undefined {
  for (let i = person + 1; i < Math.min(last, person + OWN_MAX_TOKENS); i++) {
    const { norm } = tokens[i]!;
    if (norm === ';' || norm === 'patient' || norm === 'pt') return undefined;
    if (norm !== 'own') continue;
    const gender = OWN.get(tokens[i - 1]!.norm);
    if (gender === undefined || (gender !== 'any' && row.gender !== undefined && gender !== row.gender))
      return undefined;
    let to = i + 1;
    while (to < last && !/^(?:but|;|,|and|patient|pt)$/.test(tokens[to]!.norm)) to++;
    return { from: i + 1, to, row, word: person, backward: false };
  }
  return undefined;
}

const OWN_MAX_TOKENS = 14;

/** `Seen with mother, who talks; she herself has fibromyalgia`. */
function reflexive(
  tokens: readonly Token[],
  person: number,
  last: number,
  row: PersonRow,
): PersonScope | undefined {
  for (let i = person + 1; i < Math.min(last, person + REFLEXIVE_MAX_TOKENS); i++) {
    const { norm } = tokens[i]!;
    if (norm === 'patient' || norm === 'pt') return undefined;
    if (norm !== 'herself' && norm !== 'himself') continue;
    if (row.gender !== undefined && genderOfPronoun(tokens[i]!) !== row.gender) return undefined;
    const subject = tokens[i - 1]!.norm;
    if (i - 1 !== person && subject !== 'she' && subject !== 'he') return undefined;
    let to = i + 1;
    while (to < last && !/^(?:but|;|patient|pt)$/.test(tokens[to]!.norm)) to++;
    return { from: i + 1, to, row, word: person, backward: false };
  }
  return undefined;
}

const REFLEXIVE_MAX_TOKENS = 20;

/** From a pronoun of a gender that is not the patient's to where the patient is spoken of again. */
function pronounScope(
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
function saysOfSelf(
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

/** The last person whom a sentence names, of that gender. */
export function lastNamed(tokens: readonly Token[], first: number, last: number): PersonRow | undefined {
  for (let i = last - 1; i >= first; i--) {
    const row = people.get(tokens[i]!.norm);
    if (row?.gender && !row.opens && !row.onlyBefore) return row;
  }
  return undefined;
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

/** `Mo: migraine`, and in a list of relatives `mo - bipolar, fa - alcohol`. */
function opensEntry(tokens: readonly Token[], i: number, first: number): boolean {
  const mark = tokens[i + 1]?.norm ?? '';
  if (mark === ':') return i === first || ENTRY_ENDS.has(tokens[i - 1]!.norm);
  return /^[-–]$/.test(mark) && i > first && ENTRY_ENDS.has(tokens[i - 1]!.norm);
}

/** `Maternal GM`, and a short form that opens its sentence. */
function isOfSide(tokens: readonly Token[], i: number, first: number): boolean {
  return i === first || /^(?:maternal|paternal|mat|pat)$/.test(tokens[i - 1]!.norm);
}

/** `Sis breast ca 52`, `GM with lupus`: what someone has stands right behind. */
function sides(
  tokens: readonly Token[],
  i: number,
  mentions: readonly { readonly first: number }[],
): boolean {
  const at = /^(?:with|w|w\/|has|had)$/.test(tokens[i + 1]?.norm ?? '') ? i + 2 : i + 1;
  return mentions.some(({ first }) => first === at);
}

const ENTRY_ENDS = new Set([',', ';', ':', '|']);

/** By marriage: what they have runs in another family. */
const IN_LAW: PersonRow = { word: 'in-law', who: 'other', example: 'His brother-in-law had {gout}.' };

function isInLaw(tokens: readonly Token[], i: number): boolean {
  const at = tokens[i + 1]?.norm === '-' ? i + 2 : i + 1;
  return tokens[at]?.norm === 'in' && /^(?:-|law)$/.test(tokens[at + 1]?.norm ?? '');
}

function isLinked(tokens: readonly Token[], person: number, last: number): boolean {
  for (let i = person + 1; i < Math.min(last, person + 1 + LINK_MAX_TOKENS); i++) {
    if (links.has(tokens[i]!.norm)) return true;
    // `Dau herself on sertraline`; but `wife trained on enoxaparin`.
    if (
      tokens[i]!.norm === 'on' &&
      (i === person + 1 || /^(?:is|was|herself|himself|also|currently)$/.test(tokens[i - 1]!.norm))
    )
      return true;
    // `Wife tearful, on diazepam`
    if (tokens[i]!.norm === ',' && tokens[i + 1]?.norm === 'on') return true;
  }
  return false;
}

function sickContact(tokens: readonly Token[], at: number, first: number): boolean {
  for (let i = at - 1; i >= Math.max(first, at - 3); i--) if (SICK_CONTACT.has(tokens[i]!.norm)) return true;
  return false;
}

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

function isInformant(tokens: readonly Token[], person: number, last: number): boolean {
  for (let i = person + 1; i < Math.min(last, person + 4); i++) {
    const word = tokens[i]!.norm;
    // `Her twin was found to carry BRCA1` is told of the twin.
    if (informantVerbs.has(word)) return !(OBSERVED.has(word) && PASSIVE.has(tokens[i - 1]!.norm));
    if (!ADVERBS.has(word)) return false;
  }
  return false;
}

/** `Mr. Diaz, whose wife suffered from ALS, comes in for insomnia`: the clause about her ends at the comma. */
function endsRelative(tokens: readonly Token[], at: number, person: number, first: number): boolean {
  if (tokens[at]!.norm !== ',') return false;
  for (let i = person - 1; i >= Math.max(first, person - 3); i--)
    if (tokens[i]!.norm === 'whose') return true;
  return false;
}

/** A pronoun of the other gender, or a new subject that is no person, speaks of the patient again. */
function returnsToPatient(tokens: readonly Token[], at: number, row: PersonRow): boolean {
  const word = tokens[at]!.norm;
  const contrast = tokens[at - 1]!.norm === 'but' || tokens[at - 1]!.norm === ';';
  if (word === 'he' || word === 'his') return row.gender === 'female' || contrast;
  if (word === 'she' || word === 'her') return row.gender === 'male' || contrast;
  return (
    word === 'patient' || word === 'pt' || word === 'i' || word === 'there' || tokens[at - 1]!.norm === ';'
  );
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
