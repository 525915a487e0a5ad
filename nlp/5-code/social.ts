import { tokenize } from '../1-segment/tokens.js';
import type { Concept, Mention, SectionKind } from '../model.js';
import { readRules } from '../rules/load.js';

const useWords = new Set(
  readRules<{ words: string }[]>('social-use.json').flatMap(({ words }) => words.split(' ')),
);

/** Whether a social finding speaks of tobacco, alcohol or drugs: those are observations, all others conditions. */
export function isSubstanceUse(words: string): boolean {
  return tokenize(words).some(({ norm }) => useWords.has(norm));
}

const USING = /\b(?:uses?|using|smokes?|vapes?|snorts?|injects?|chews?|drinks?|use)\b/i;
const USE_BEFORE =
  /\b(?:occasional|daily|weekly|regular|current|recreational|nightly|uses|smokes|snorts|injects)\s$/i;
const USE_AFTER =
  /^\s(?:use\b(?!\s(?:disorder|screen))|(?:once |twice |several times |\d+ ?x ?\/? ?)?(?:daily|weekly|nightly|occasionally|regularly|socially|recreationally|most days|every (?:day|night|weekend)|on weekends|at weekends|(?:(?:a|per) )?(?:day|week|wk|month))\b)/i;

/** "Occasional cannabis", "uses cocaine", "marijuana most days": somebody uses it. */
export function statesUse(
  text: string,
  { start, end, text: words }: Pick<Mention, 'start' | 'end' | 'text'>,
): boolean {
  return (
    USING.test(words) ||
    USE_BEFORE.test(text.slice(Math.max(0, start - 16), start)) ||
    USE_AFTER.test(text.slice(end, end + 40))
  );
}

const SNOMED = 'http://snomed.info/sct';
const ICD10CM = 'http://hl7.org/fhir/sid/icd-10-cm';
/** Nicotine dependence, unspecified, and the one of cigarettes: what is smoked decides. */
export const NICOTINE = 'F17.200';
export const CIGARETTES = 'F17.210';
const CIGARETTE_WORDS = /^[^.;\n]{0,40}?\b(?:cigarettes?|cigs?|packs?(?:[- ]years?)?|ppd|pack[- ]?year)\b/i;
const CIGARETTES_BEFORE = /\b(?:cigarettes?|packs?)\b[^.;\n]{0,20}$/i;
const CIGARETTE_REACH = 60;

/** "Smoker of 20 cigarettes a day", "smokes 1 ppd". */
export function speaksOfCigarettes(text: string, { start, end }: Pick<Mention, 'start' | 'end'>): boolean {
  return (
    CIGARETTE_WORDS.test(text.slice(end, end + CIGARETTE_REACH)) ||
    CIGARETTES_BEFORE.test(text.slice(Math.max(0, start - CIGARETTE_REACH), start))
  );
}

/** ICD-10-CM Z55-Z65: "potential health hazards related to socioeconomic and psychosocial circumstances". */
const HAZARD = /^Z(?:5[5-9]|6[0-5])/;
const STATED = 0.95;
/** Sections whose items are what the patient has, not how the patient lives. */
const PROBLEM_SECTIONS = new Set<SectionKind>([
  'assessment',
  'assessment-and-plan',
  'diagnoses',
  'impression',
  'problem-list',
  'chief-complaint',
]);

/**
 * Whether a circumstance of life is a condition of the patient: a coded hazard ("homeless") wherever it is stated, and
 * any coded finding ("full-time employment") that the note counts among the problems or calls a finding. How and with
 * whom one lives is otherwise background, however truly said.
 */
export function isCircumstance(
  mention: Pick<Mention, 'concepts'>,
  section: SectionKind | undefined,
  tag: string | undefined,
): boolean {
  const stated = (concept: Concept): boolean => concept.score >= STATED;
  if (
    mention.concepts.some(
      (concept) => concept.system === ICD10CM && HAZARD.test(concept.code) && stated(concept),
    )
  )
    return true;
  if (!mention.concepts.some((concept) => concept.system === SNOMED && stated(concept))) return false;
  return tag === 'finding' || (section !== undefined && PROBLEM_SECTIONS.has(section));
}
