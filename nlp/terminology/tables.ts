/** Rows of code systems in the form that the lexicon is built from, whatever file they came from. */

export interface RxNormRow {
  readonly code: string;
  readonly name: string;
  /** Other names, separated by `|`. */
  readonly synonyms: string;
  /** Term type: IN, PIN, MIN, BN, SCD, SBD, GPCK, BPCK. */
  readonly type: string;
  /** Begins with `RxNorm` where the row is of a release; other rows need a second source. */
  readonly source: string;
  /** RXCUIs separated by `|`. */
  readonly ingredient_rxcui: string;
  readonly brand_rxcui: string;
}

export interface Icd10cmRow {
  readonly code: string;
  readonly name: string;
  /** Inclusion terms, separated by `|`. */
  readonly synonyms: string;
  /** `header` or `billable`. */
  readonly type: string;
}

export interface Icd10cmIndexRow {
  readonly code: string;
  /** Main term and subterms, separated by commas. */
  readonly term: string;
  readonly nonessential_modifiers: string;
  /** `index`, `neoplasm`, `drug` or `external`. */
  readonly kind: string;
}

export interface SnomedRow {
  readonly code: string;
  readonly name: string;
  /** Other names, separated by `|`. */
  readonly synonyms: string;
  /** Semantic tag. */
  readonly type: string;
}

/** Any system's code with its name, as our own rows look them up. */
export interface CodeRow {
  readonly code: string;
  readonly name: string;
  readonly type: string;
}

export interface TerminologyTables {
  readonly rxnorm: readonly RxNormRow[];
  readonly rxnorm_brand_alias?: readonly {
    readonly brand_rxcui: string;
    readonly ingredient_rxcuis: string;
  }[];
  readonly icd10cm: readonly Icd10cmRow[];
  readonly icd10cm_index: readonly Icd10cmIndexRow[];
  readonly snomed_gps: readonly SnomedRow[];
  readonly cvx: readonly CodeRow[];
  readonly loinc_seen: readonly CodeRow[];
}
