import type { Token } from '../model.js';
import { readRules } from '../rules/load.js';

export interface PersonRow {
  readonly word: string;
  readonly who: 'family' | 'other';
  readonly gender?: 'male' | 'female';
  /** Words after which it is no person (`donor site`). */
  readonly notBefore?: readonly string[];
  /** A short form that is a person only where it opens its sentence before a colon (`Mo: migraine`). */
  readonly opens?: true;
  readonly example: string;
}

const rules = readRules<{ people: PersonRow[]; informantVerbs: string[]; links: string[] }>('people.json');
const people = new Map(rules.people.map((row) => [row.word, row]));
const informantVerbs = new Set(rules.informantVerbs);
/** What joins a person to what they have: without one near (`partner abuse`) nothing is said of them. */
const links = new Set(rules.links);
const LINK_MAX_TOKENS = 4;

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

/** Finds who else the sentence speaks of, and which tokens speak of them. */
export function findPeople(
  tokens: readonly Token[],
  first: number,
  last: number,
  starts: Uint8Array,
  mentions: readonly { readonly first: number }[] = [],
): PersonScope[] {
  const scopes: PersonScope[] = [];
  for (let i = first; i < last; i++) {
    const known = people.get(tokens[i]!.norm);
    if (!known || known.notBefore?.includes(tokens[i + 1]?.norm ?? '')) continue;
    if (known.opens && (i !== first || tokens[i + 1]?.norm !== ':')) continue;
    const row = isInLaw(tokens, i) ? IN_LAW : known;
    let start = i;
    while (start > first && POSSESSIVES.has(tokens[start - 1]!.norm)) start--;
    const before = start > first ? tokens[start - 1]!.norm : '';
    if (isInformant(tokens, i, last)) continue;
    const bracketed = before === '(' || ((before === '-' || before === ':') && i + 1 >= last);
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
    const company = COMPANY.has(before) && before !== 'and' && !sickContact(tokens, start - 1, first);
    // `lives with his wife, who has dementia`
    const relative = tokens[i + 1]?.norm === ',' ? tokens[i + 2]?.norm : tokens[i + 1]?.norm;
    if (company && relative !== 'who') continue;
    const opens = start === first || starts[start - first] === 1;
    // `mother diabetes, father gout`: nothing but the disease stands behind the person that opens the clause.
    const listed = opens && mentions.some((mention) => mention.first === i + 1 || mention.first === i + 2);
    if (!listed && !isLinked(tokens, i, last)) continue;
    let to = i + 1;
    while (to < last && to < i + 60) {
      const word = tokens[to]!.norm;
      if (starts[to - first] && to > i + 2 && returnsToPatient(tokens, to, row)) break;
      if (word === 'patient' || word === 'pt' || word === '|') break;
      if (people.has(word) && to > i + 1) break;
      to++;
    }
    scopes.push({ from: i + 1, to, row, word: i, backward: false });
  }
  return scopes;
}

/** By marriage: what they have runs in another family. */
const IN_LAW: PersonRow = { word: 'in-law', who: 'other', example: 'His brother-in-law had {gout}.' };

function isInLaw(tokens: readonly Token[], i: number): boolean {
  const at = tokens[i + 1]?.norm === '-' ? i + 2 : i + 1;
  return tokens[at]?.norm === 'in' && /^(?:-|law)$/.test(tokens[at + 1]?.norm ?? '');
}

function isLinked(tokens: readonly Token[], person: number, last: number): boolean {
  for (let i = person + 1; i < Math.min(last, person + 1 + LINK_MAX_TOKENS); i++) {
    if (links.has(tokens[i]!.norm)) return true;
  }
  return false;
}

function sickContact(tokens: readonly Token[], at: number, first: number): boolean {
  for (let i = at - 1; i >= Math.max(first, at - 3); i--) if (SICK_CONTACT.has(tokens[i]!.norm)) return true;
  return false;
}

function isInformant(tokens: readonly Token[], person: number, last: number): boolean {
  for (let i = person + 1; i < Math.min(last, person + 4); i++) {
    const word = tokens[i]!.norm;
    if (informantVerbs.has(word)) return true;
    if (!ADVERBS.has(word)) return false;
  }
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

/** The person a sentence is about where it begins with one: `Her mother is 70.` */
export function subjectOf(tokens: readonly Token[], first: number, last: number): PersonRow | undefined {
  for (let i = first; i < Math.min(last, first + 5); i++) {
    const row = people.get(tokens[i]!.norm);
    if (row) return isInformant(tokens, i, last) ? undefined : row;
    if (!POSSESSIVES.has(tokens[i]!.norm)) return undefined;
  }
  return undefined;
}
