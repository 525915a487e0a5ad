import type { MentionType, SectionKind, Token } from '../model.js';
import type { TaggedSpan } from './crf.js';
import type { Tagged } from './tagger.js';

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
const ALLERGY_REACH_TOKENS = 6;

/** What the surroundings of a phrase say about how it should be read. */
export class ContextJudge {
  constructor(
    readonly tokens: readonly Token[],
    readonly section: SectionKind,
    readonly listItem: boolean,
    private readonly tagged: Tagged,
  ) {}

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
    return (
      number !== undefined &&
      unit !== undefined &&
      /^\d/.test(number.norm) &&
      /^(?:mg|mcg|ug|g|gm|ml|units?|iu|meq|puffs?|tabs?|tablets?|caps?|capsules?|drops?|%)$/.test(unit.norm)
    );
  }

  /** The words stand in an allergy list or after "allergic to". */
  isAllergen(first: number): boolean {
    if (this.section === 'allergies') return true;
    for (let t = first - 1; t >= Math.max(0, first - ALLERGY_REACH_TOKENS); t--) {
      const { norm } = this.tokens[t]!;
      if (norm === '.' || norm === ';') return false;
      if (ALLERGY_CUE.test(norm)) return true;
    }
    return false;
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
