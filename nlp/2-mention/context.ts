import type { MentionType, SectionKind, Token } from '../model.js';
import type { TaggedSpan } from './crf.js';
import { NAME_KIND } from './gazetteer.js';
import { OWN_PREDICATES, PERSONS, TEST_WORDS, UNITS, VACCINE_CUES } from './mention-words.js';
import type { Tagged, Tagger } from './tagger.js';

/** Order of the clinical model's types. */
export const TAGGER_TYPES: readonly MentionType[] = [
  'medication',
  'diagnosis',
  'symptom',
  'procedure',
  'test',
];

/** Which tagger types speak for a mention type. */
const SUPPORT: Readonly<Record<MentionType, readonly number[]>> = {
  medication: [0],
  allergen: [0],
  vaccine: [0, 3],
  diagnosis: [1, 2],
  symptom: [1, 2],
  procedure: [3, 4],
  test: [4],
  'vital-sign': [4],
  device: [3],
  social: [],
  phi: [],
};

const FINDING =
  NAME_KIND.disorder |
  NAME_KIND.finding |
  NAME_KIND.icd |
  NAME_KIND.icdSymptom |
  NAME_KIND.icdInjury |
  NAME_KIND.morphology;
const DRUG = NAME_KIND.drug | NAME_KIND.substance | NAME_KIND.drugTable;
const PROCEDURE = NAME_KIND.procedure | NAME_KIND.clinicalProcedure;

/** Kinds of names whose words speak for a mention type. */
const KINDS_OF_TYPE: Readonly<Record<MentionType, number>> = {
  medication: DRUG,
  allergen: DRUG,
  vaccine: DRUG,
  diagnosis: FINDING,
  symptom: FINDING,
  procedure: PROCEDURE,
  test: PROCEDURE | NAME_KIND.observable | NAME_KIND.test | NAME_KIND.substance,
  'vital-sign': NAME_KIND.observable,
  device: 0,
  social: 0,
  phi: 0,
};

/** Sections in which an ordinary word of the lexicon may be taken at its word. */
const HOME: Readonly<Partial<Record<SectionKind, readonly MentionType[]>>> = {
  medications: ['medication'],
  'discharge-medications': ['medication'],
  allergies: ['medication', 'allergen', 'symptom'],
  immunizations: ['vaccine'],
  'chief-complaint': ['symptom', 'diagnosis'],
  'past-medical-history': ['diagnosis', 'procedure'],
  'past-surgical-history': ['procedure'],
  'problem-list': ['diagnosis', 'symptom'],
  diagnoses: ['diagnosis', 'symptom'],
  'review-of-systems': ['symptom'],
  'vital-signs': ['vital-sign'],
  results: ['test'],
  procedures: ['procedure'],
  'family-history': ['diagnosis'],
  'social-history': ['social'],
};

const ALLERGY_CUE = /^(allerg(?:y|ic|ies)|intoleran(?:t|ce)|hypersensitiv(?:e|ity)|anaphyla(?:xis|ctic))$/;
const ALLERGY_WORD = /^(?:allerg(?:y|ies|ic)|intoleran(?:t|ce)|hypersensitivity|anaphylaxis)$/;
const AFTER_ALLERGY = /^(?:tests?|testing|panel|season|clinic|shots?|ige|challenge|de-?labell?ing|history)$/;
const BEFORE_PERSON = /^(?:his|her|their|my|your|our|the|with|from|to|see|a|new|by|and)$/;
const USE_UNIT =
  /^(?:beers?|drinks?|units?|glass(?:es)?|bottles?|pints?|shots?|cans?|cigarettes?|cigs?|packs?|ppd|pack-years?|py|day|week|wk)$/;
const USE_RHYTHM = /^(?:daily|weekly|nightly|occasionally|regularly|socially|recreationally|weekends)$/;
const USE_REACH_TOKENS = 7;
/** "Vaccines: flu", "all vaccines except flu". */
const NAMES_VACCINES = new Set([':', 'except', 'excluding', 'including', 'incl', 'besides', 'against']);
const ALLERGY_REACH_TOKENS = 6;
const ROUTE = /^(?:im|sc|sq|subq|po|id)$/;
/** "Tetanus given": nobody is given a disease. */
const GIVEN = new Set(['given', 'administered']);
/** Seen 128 times or more in two million words. */
const COMMON_WORD_CLASS = 8;

/** What the surroundings of a phrase say about how it should be read. */
export class ContextJudge {
  constructor(
    readonly tokens: readonly Token[],
    readonly section: SectionKind,
    readonly listItem: boolean,
    private readonly tagged: Tagged,
    private readonly knowledge: Pick<Tagger, 'nameKinds' | 'frequencyClass'>,
    /** The line that introduces this one spoke of vaccines. */
    introducedByVaccines = false,
  ) {
    this.aboutVaccines =
      introducedByVaccines ||
      section === 'immunizations' ||
      tokens.some((token) => VACCINE_CUES.has(token.norm));
  }

  /** 0..1: how much the tagger believes that these tokens belong to something of this type. */
  support(first: number, last: number, type: MentionType): number {
    const kinds = SUPPORT[type];
    if (kinds.length === 0) return 0;
    let sum = 0;
    for (let t = first; t < last; t++) {
      let p = 0;
      for (const kind of kinds) p += this.tagged.probabilities[t * TAGGER_TYPES.length + kind]!;
      sum += p;
    }
    return sum / (last - first);
  }

  /** Like `support`, by the one type of the tagger that has the same meaning. */
  believed(first: number, last: number, type: MentionType): number {
    const kind = TAGGER_TYPES.indexOf(type);
    if (kind < 0) return 0;
    let sum = 0;
    for (let t = first; t < last; t++) sum += this.tagged.probabilities[t * TAGGER_TYPES.length + kind]!;
    return sum / (last - first);
  }

  /** Whether any of the words stands in names of such things in the terminologies. */
  knowsWords(first: number, last: number, type: MentionType): boolean {
    const kinds = KINDS_OF_TYPE[type];
    for (let t = first; t < last; t++)
      if ((this.knowledge.nameKinds(this.tokens[t]!.norm) & kinds) !== 0) return true;
    return false;
  }

  /** An ordinary word of prose, by how often it is used. */
  isCommonWord(norm: string): boolean {
    return this.knowledge.frequencyClass(norm) >= COMMON_WORD_CLASS;
  }

  /** Whether the section is where such words are meant as this type. */
  atHome(type: MentionType): boolean {
    return HOME[this.section]?.includes(type) === true;
  }

  /** A number follows at once (after `is`, `was`, `of`, `:`, `=`): "K 4.2", "BP: 120/80". */
  valueFollows(last: number): boolean {
    for (let t = last; t < Math.min(last + 3, this.tokens.length); t++) {
      const { norm } = this.tokens[t]!;
      if (/^\d/.test(norm)) return true;
      if (!/^(?:[:=<>-]|is|was|of|at)$/.test(norm)) return false;
    }
    return false;
  }

  /** A strength follows: "iron 325 mg". */
  strengthFollows(last: number): boolean {
    const number = this.tokens[last];
    const unit = this.tokens[last + 1];
    // "6.2 mg/dL" is a result.
    if (
      this.tokens[last + 2]?.norm === '/' &&
      /^(?:dl|l|g|mmol|mol)$/.test(this.tokens[last + 3]?.norm ?? '')
    )
      return false;
    return (
      number !== undefined &&
      unit !== undefined &&
      /^\d/.test(number.norm) &&
      // A bare number before directions is one as well: "amox 500 tds".
      /^(?:mg|mcg|ug|g|gm|ml|units?|iu|meq|puffs?|tabs?|tablets?|caps?|capsules?|drops?|%|bd|od|tds|qds|bid|tid|qid|qhs|daily|nocte|mane)$/.test(
        unit.norm,
      )
    );
  }

  /** A whole number ends the entry: "atorva 80." */
  bareNumberFollows(last: number): boolean {
    const number = this.tokens[last]?.norm ?? '';
    const next = this.tokens[last + 1]?.norm;
    return /^(?:[5-9]|[1-9]\d{1,3})$/.test(number) && (next === undefined || /^[.,;]$/.test(next));
  }

  /** How much is used follows: "EtOH: 2 beers/night", "drinks 2 glasses of wine". */
  useFollows(last: number): boolean {
    if (USE_RHYTHM.test(this.tokens[last]?.norm ?? '')) return true;
    let counted = false;
    for (let t = last; t < Math.min(last + USE_REACH_TOKENS, this.tokens.length); t++) {
      const { norm } = this.tokens[t]!;
      if (/^\d+(?:u|units)$/.test(norm)) return true;
      if (counted && (USE_UNIT.test(norm) || norm === 'x' || norm === 'times')) return true;
      if (/^\d+x$/.test(norm) || norm === 'weekends') return true;
      if (/^(?:[.,;]|and|or)$/.test(norm)) return false;
      if (/^(?:\d|(?:one|two|three|four|half)$)/.test(norm)) counted = true;
    }
    return false;
  }

  /** "4-5 drinks on weekends" */
  isCounted(first: number): boolean {
    return /^\d/.test(this.tokens[first - 1]?.norm ?? '');
  }

  /** How many of the following tokens make a test of a substance's name: "tacrolimus level". */
  testWordsAfter(last: number): number {
    let count = 0;
    while (last + count < this.tokens.length && TEST_WORDS.has(this.tokens[last + count]!.norm)) count++;
    return count;
  }

  /** A unit after its number is no abbreviation of anything: "222 mg". */
  isUnit(first: number, last: number): boolean {
    return (
      last - first === 1 &&
      first > 0 &&
      UNITS.has(this.tokens[first]!.norm) &&
      /^\.?\d[\d.,]*$/.test(this.tokens[first - 1]!.norm)
    );
  }

  /** "His PCP" is a doctor, "TMP-SMX for PCP" a pneumonia. */
  isPerson(first: number, last: number): boolean {
    const before = this.tokens[first - 1];
    if (last - first > 1 || before === undefined) return false;
    return PERSONS.has(this.tokens[first]!.norm) && BEFORE_PERSON.test(before.norm);
  }

  /** The words stand in an allergy list or after "allergic to". */
  isAllergen(first: number): boolean {
    if (this.section === 'allergies' && !this.ownPredicate(first)) return true;
    for (let t = first - 1; t >= Math.max(0, first - ALLERGY_REACH_TOKENS); t--) {
      const { norm } = this.tokens[t]!;
      if (norm === '.' || norm === ';') return false;
      // "Allergic conjunctivitis: Pataday" is treated, not feared.
      if (norm === 'allergic' && !/^(?:to|reactions?|:|-)$/.test(this.tokens[t + 1]?.norm ?? '')) continue;
      if (ALLERGY_CUE.test(norm)) return true;
    }
    return false;
  }

  /** "Penicillin allergy", "statin intolerance", "anaphylaxis to nuts" is read by `isAllergen`. */
  allergyFollows(last: number): boolean {
    return (
      ALLERGY_WORD.test(this.tokens[last]?.norm ?? '') &&
      !AFTER_ALLERGY.test(this.tokens[last + 1]?.norm ?? '')
    );
  }

  /** "Allergies: penicillin. He is not prescribed Advil.": a sentence of its own in the list. */
  private ownPredicate(first: number): boolean {
    for (let t = 0; t < first; t++) if (OWN_PREDICATES.has(this.tokens[t]!.norm)) return true;
    return false;
  }

  /** The sentence, the line that introduces it or its section speaks of vaccines. */
  readonly aboutVaccines: boolean;

  /** A disease here is the vaccine against it: listed after the word, or followed by it ("influenza vaccine"). */
  isVaccineName(first: number, last: number): boolean {
    let after = last;
    while (ROUTE.test(this.tokens[after]?.norm ?? '')) after++;
    if (GIVEN.has(this.tokens[after]?.norm ?? '')) return true;
    if (this.tokens[last]?.norm === '#' && /^[1-5]$/.test(this.tokens[last + 1]?.norm ?? '')) return true;
    if (!this.aboutVaccines || this.tokens[first - 1]?.norm === 'for') return false;
    for (let t = last; t < Math.min(last + 3, this.tokens.length); t++)
      if (VACCINE_CUES.has(this.tokens[t]!.norm)) return true;
    for (let t = 0; t < first; t++) {
      if (VACCINE_CUES.has(this.tokens[t]!.norm))
        return this.tokens.slice(t, first).some((token) => NAMES_VACCINES.has(token.norm));
    }
    return (
      this.listItem ||
      this.section === 'immunizations' ||
      !this.tokens.some((token) => VACCINE_CUES.has(token.norm))
    );
  }

  /** The words stand alone in square brackets, as a brand after its product: "[Percocet]". */
  inBrackets(first: number, last: number): boolean {
    return this.tokens[first - 1]?.text === '[' && this.tokens[last]?.text === ']';
  }

  /** The mention type of a tagged span; a diagnostic procedure that operates on the body is a procedure. */
  typeOfTagged(span: TaggedSpan): MentionType {
    const type = TAGGER_TYPES[span.type]!;
    if (type === 'medication' && this.isAllergen(span.first)) return 'allergen';
    if (type === 'test') {
      const head = this.tokens[span.last - 1]!.norm;
      if (
        /(?:scopy|scopies|biops(?:y|ies)|centesis|ectomy|otomy|puncture|aspiration|catheteri[sz]ation)$/.test(
          head,
        )
      ) {
        return 'procedure';
      }
      if (
        /^(?:blood pressure|bp|heart rate|hr|pulse|respiratory rate|rr|temperature|temp|weight|height|bmi|body mass index|oxygen saturation|spo2|o2 sat|sats)$/.test(
          this.words(span.first, span.last),
        )
      ) {
        return 'vital-sign';
      }
    }
    return type;
  }

  words(first: number, last: number): string {
    let out = '';
    for (let t = first; t < last; t++) out += `${t > first ? ' ' : ''}${this.tokens[t]!.norm}`;
    return out;
  }
}
