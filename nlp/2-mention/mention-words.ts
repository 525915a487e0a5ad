import { readRules } from '../rules/load.js';

/** One row of `rules/mention-words.json`: words that decide where a mention ends or whether it is one. */
export interface MentionWordRow {
  readonly kind:
    | 'leading'
    | 'trailing'
    | 'numbered'
    | 'neutral-tail'
    | 'empty-head'
    | 'never-head'
    | 'unit'
    | 'title-end'
    | 'vaccine-cue'
    | 'test-word'
    | 'test-head'
    | 'person'
    | 'release-form'
    | 'household'
    | 'sentence-word'
    | 'own-predicate'
    | 'drug-form'
    | 'function-word'
    | 'letter-word'
    | 'operation-head'
    | 'operation-prefix';
  /** Norms, separated by spaces. */
  readonly words: string;
  readonly example: string;
  /** What is left of the example, for `leading`, `trailing` and `numbered`. */
  readonly keeps?: string;
}

const rows = readRules<MentionWordRow[]>('mention-words.json');

function wordsOf(kind: MentionWordRow['kind']): ReadonlySet<string> {
  return new Set(rows.filter((row) => row.kind === kind).flatMap((row) => row.words.split(' ')));
}

/** Words that never begin a name: articles, cues, verbs of ordering, shorthand. */
export const LEADING = wordsOf('leading');
/** Words that never end one. */
export const TRAILING = wordsOf('trailing');
/** A number after one of these belongs to the name. */
export const NUMBERED = wordsOf('numbered');
/** Words after a name that do not make another name of it: "hemoglobin levels", "CKD stage 3". */
export const NEUTRAL_TAIL = wordsOf('neutral-tail');
/** Heads that name nothing by themselves. The tagger learned from case reports and trusts them too much. */
export const EMPTY_HEADS = wordsOf('empty-head');
/** Heads that are not even seen as a mention. */
export const NEVER_HEADS = wordsOf('never-head');
/** Units, routes and frequencies: a span of nothing else is no name. */
export const UNITS = wordsOf('unit');
/** A line in capitals that ends in one of these is the title of the document. */
export const TITLE_ENDS = wordsOf('title-end');
/** Words of a sentence in which the name of a disease or germ is that of its vaccine. */
export const VACCINE_CUES = wordsOf('vaccine-cue');
/** A sentence of an allergy section that says one of these is no entry of its list. */
export const OWN_PREDICATES = wordsOf('own-predicate');
/** Words that make a test of the substance named before them. */
export const TEST_WORDS = wordsOf('test-word');
/** Words that show a span to be a clause and no name. */
export const SENTENCE_WORDS = wordsOf('sentence-word');
/** Empty heads that make a test of the words before them: "neurological examination". */
export const TEST_HEADS = wordsOf('test-head');
/** Abbreviations that are a person after "his" or "the": PCP. */
export const PERSONS = wordsOf('person');
/** Words of the release form after a substance, an attribute and no part of its name. */
export const RELEASE_FORMS = wordsOf('release-form');
/** Forms behind a drug's name, an attribute and no part of it. */
export const DRUG_FORMS = wordsOf('drug-form');
/** Who lives with whom, and blood groups, are no social facts. */
export const HOUSEHOLD = wordsOf('household');
/** What sentences are held together by and shorthand leaves out. */
export const FUNCTION_WORDS = wordsOf('function-word');
/** Words between a writer and a reader. */
export const LETTER_WORDS = wordsOf('letter-word');
/** What is done to the finding named before: "hernia repair". */
export const OPERATION_HEADS = wordsOf('operation-head');
/** Ways of operating, before the finding. */
export const OPERATION_PREFIXES = wordsOf('operation-prefix');
