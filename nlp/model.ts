/**
 * The nouns of the clinical NLP. Everything here is data: read-only, serialisable, and in UTF-16 code
 * units of the text as given, half-open. The stored annotation (`annotate`, `$annotation`) is this shape.
 */

/** Half-open range of UTF-16 code units in the original text. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

export type SectionKind =
  | 'chief-complaint'
  | 'history-of-present-illness'
  | 'past-medical-history'
  | 'past-surgical-history'
  | 'family-history'
  | 'social-history'
  | 'medications'
  | 'discharge-medications'
  | 'allergies'
  | 'immunizations'
  | 'review-of-systems'
  | 'physical-exam'
  | 'vital-signs'
  | 'results'
  | 'imaging'
  | 'procedures'
  | 'hospital-course'
  | 'assessment'
  | 'plan'
  | 'assessment-and-plan'
  | 'diagnoses'
  | 'indication'
  | 'findings'
  | 'impression'
  | 'operative-details'
  | 'disposition'
  | 'follow-up'
  | 'instructions'
  | 'problem-list'
  | 'gynecologic-history'
  | 'other'
  | 'none';

export interface Section extends Span {
  readonly kind: SectionKind;
  /** The header's words as written, empty where the section has no header. `start` includes the header. */
  readonly title: string;
  /** Where the words after the header begin. */
  readonly bodyStart: number;
}

export interface Token extends Span {
  readonly text: string;
  /** Lower-cased, accents folded, the dots of initialisms dropped (`b.i.d.` is `bid`). */
  readonly norm: string;
  /** Number of the word among those that this thread has read, by which `ByForm` knows it; negative where it has none. */
  readonly form?: number;
}

export interface Sentence extends Span {
  /** Index into `sections`. */
  readonly section: number;
  /** Range of indices into `tokens`, half-open. */
  readonly firstToken: number;
  readonly lastToken: number;
  /** True for an item of a list or a table row, where grammar is not to be expected. */
  readonly listItem: boolean;
}

export type MentionType =
  | 'medication'
  | 'procedure'
  | 'diagnosis'
  | 'symptom'
  | 'test'
  | 'vital-sign'
  | 'vaccine'
  | 'allergen'
  | 'device'
  | 'social'
  | 'phi';

/** Why something is done to a patient: to treat, or to find out. */
export type ProcedureCategory = 'therapeutic' | 'diagnostic';

/**
 * What kind of personal data a mention of type `phi` is: the identifiers of the HIPAA Safe Harbor rule
 * (45 CFR 164.514(b)(2)) that stand in words, and organisations. `age` is one over 89, `address` anything smaller
 * than a state, `id` any number that no other kind names.
 */
export type PhiKind =
  | 'name'
  | 'date'
  | 'age'
  | 'phone'
  | 'fax'
  | 'email'
  | 'url'
  | 'ip'
  | 'address'
  | 'organisation'
  | 'ssn'
  | 'mrn'
  | 'account'
  | 'health-plan'
  | 'license'
  | 'vehicle'
  | 'device'
  | 'id';

/** What is known of a person from elsewhere, to find it again in a note. All as written there. */
export interface KnownIdentity {
  /** Full names or parts of names. */
  readonly names?: readonly string[];
  /** Record numbers, insurance numbers, telephone numbers, e-mail addresses: whatever is said letter by letter. */
  readonly identifiers?: readonly string[];
  /** FHIR date. */
  readonly birthDate?: string;
  /** Lines, cities and postal codes. */
  readonly addresses?: readonly string[];
}

export interface Assertion {
  readonly polarity: 'affirmed' | 'negated' | 'possible';
  readonly temporality: 'current' | 'past' | 'planned' | 'hypothetical' | 'conditional';
  readonly experiencer: 'patient' | 'family' | 'other';
}

export type AttributeType =
  | 'strength'
  | 'dose'
  | 'form'
  | 'route'
  | 'frequency'
  | 'duration'
  | 'reason'
  | 'status'
  | 'prn'
  | 'severity'
  | 'acuity'
  | 'laterality'
  | 'body-site'
  | 'date'
  | 'value'
  | 'unit'
  | 'relative'
  | 'reaction';

export interface Attribute extends Span {
  readonly type: AttributeType;
  readonly text: string;
  /**
   * Machine-readable form, by type: strength and dose `10 mg` (UCUM unit after one space; ranges `1-2 {tbl}`);
   * frequency a FHIR Timing as compact JSON; duration `7 d`; route and form a SNOMED CT code `26643006`;
   * date an ISO date at the precision of the words; status `start|stop|increase|decrease|continue|hold|change`;
   * relative (who in the family) a v3-RoleCode such as `MTH`; laterality and severity a SNOMED CT code.
   */
  readonly normalized?: string;
}

export interface Concept {
  /** A standard system's URI: RxNorm, SNOMED CT, ICD-10-CM, ICD-10-PCS, LOINC, CVX. */
  readonly system: string;
  readonly code: string;
  readonly display: string;
  /** 0..1. */
  readonly score: number;
}

export interface Mention extends Span {
  readonly text: string;
  /** Between stages: what will be marked, where that is not what the stages read. */
  readonly core?: Span;
  /** Between stages: the plain name by which codes are found, where the words have another meaning here than usual. */
  readonly reads?: string;
  /** The whole name, where what is marked is only the core of it: "abdominal pain" of "pain". */
  readonly name?: string;
  readonly type: MentionType;
  /** Of a mention of type `phi` only. */
  readonly kind?: PhiKind;
  /** Of a mention of type `procedure` or `test` only, where it is plain; what decided it is `because.category`. */
  readonly category?: ProcedureCategory;
  readonly assertion: Assertion;
  readonly attributes: readonly Attribute[];
  /** Ranked, best first; at most one per system is "best": the first of that system. Empty beats wrong. */
  readonly concepts: readonly Concept[];
  /** 0..1: how sure the recogniser is that this is a mention of this type. */
  readonly score: number;
  /** Whether it may become a fact about the patient (or a FamilyMemberHistory, AllergyIntolerance). */
  readonly accepted: boolean;
  /** Why it was not turned into a resource, where it was not. A stable slug such as `negated`. */
  readonly reason?: string;
  /** Which rule, lexicon row or model decided each step, by stage name: `{"assertion":"cue:denies"}`. */
  readonly because?: Readonly<Record<string, string>>;
  /** Index of the section the mention stands in. */
  readonly section?: number;
}

/** What the caller knows about the document. The subject is never read from the text. */
export interface DocumentContext {
  readonly id: string;
  /** ISO date or dateTime of the document, for relative dates; undefined where unknown. */
  readonly date?: string;
  /** LOINC code or free name of the document's type, a hint for segmentation. */
  readonly type?: string;
}

/** The state that passes through the stages. A stage returns a new one with its own part filled in. */
export interface AnnotatedText {
  readonly context: DocumentContext;
  readonly text: string;
  readonly sections: readonly Section[];
  readonly sentences: readonly Sentence[];
  readonly tokens: readonly Token[];
  readonly mentions: readonly Mention[];
}

/** The stored and printed form: see the contract "Annotation JSON". */
export interface Annotation {
  readonly id: string;
  readonly pipeline: string;
  readonly sections: readonly { kind: SectionKind; title: string; start: number; end: number }[];
  readonly mentions: readonly Mention[];
}
