import type { Token } from '../model.js';
import { type Gender, genderOfPronoun } from './gender.js';
import {
  IN_LAW,
  informantVerbs,
  isInformant,
  isInLaw,
  links,
  type PersonRow,
  type PersonScope,
  POSSESSIVES,
  people,
} from './persons.js';
import { ofTheirOwn, ofThemselves, pronounScope, saysOfSelf } from './selves.js';

const LINK_MAX_TOKENS = 5;

/** Before a person these make them company, source or listener, not the one who is ill: `lives with his wife`. */
const COMPANY = new Set(['with', 'by', 'per', 'from', 'to', 'for', 'via', 'and']);
/** `unremarkable apart from a grandfather with …` */
const APART = new Set(['apart', 'aside']);
const SICK_CONTACT = new Set(['contact', 'exposure', 'exposed']);

/** Words of a chart whose patient has just been born: `maternal hepatitis C` is not the child's. */
export const NEWBORN =
  /\b(?:newborn|neonate|neonatal|infant|(?:term|preterm) baby|baby (?:boy|girl|check)|nicu|apgars?|birth ?weight|dol ?\d)\b/i;

/** Words of the chart of a woman who has just given birth: `baby has reflux` is not hers. */
export const MOTHER =
  /\b(?:g\d{1,2} ?p\d|in (?:spontaneous )?labou?r|parturient|postnatal|postpartum|post-?partum|lochia|breast-?feeding|perineum|pph|puerperi\w+)\b/i;
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
    const own = ofTheirOwn(tokens, i, last, row);
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
