import { segmentText } from '../1-segment/index.js';
import { tagDocument } from '../2-mention/agreement.js';
import { findMentions } from '../2-mention/index.js';
import { openTagger, type Tagger } from '../2-mention/tagger.js';
import { decodeTagger, encodeTagger } from '../2-mention/tagger-file.js';
import { markCores } from '../5-code/core.js';
import type { Mention } from '../model.js';
import type { CrfWeights } from '../train/crf-trainer.js';
import type { PreparedDocument } from '../train/prepare.js';
import {
  BASE_PLANS,
  buildTables,
  type Corpora,
  Featurizer,
  FINAL_PLAN,
  Hinter,
  type ModelPlan,
  packTagger,
  readCorpora,
  terminologyBeside,
  trainBases,
  trainingSentences,
  trainModel,
} from '../train/tagger-trainer.js';
import {
  addDocument,
  type Counts,
  type Evaluation,
  noCounts,
  type ScoredSpan,
  type ScoreRow,
  scoreRow,
} from './score.js';

const FOLDS = 5;
const FINDINGS = 'Disease_disorder + Sign_symptom as one';

/** Types of one set's gold and of what is predicted, brought together; undefined where it is not compared. */
type Renaming = (type: string) => string | undefined;

/** Counts of one row, exact and overlapping. */
class Tally {
  private readonly exact = noCounts();
  private readonly overlap = noCounts();
  constructor(
    private readonly what: string,
    private readonly rename: Renaming,
  ) {}

  add(predicted: readonly ScoredSpan[], gold: readonly ScoredSpan[]): void {
    const pick = (spans: readonly ScoredSpan[]): ScoredSpan[] =>
      spans.flatMap((span) => (this.rename(span.type) === this.what ? [{ ...span, type: this.what }] : []));
    addDocument(this.exact, pick(predicted), pick(gold), true);
    addDocument(this.overlap, pick(predicted), pick(gold), false);
  }

  rows(data: string, documents: number): ScoreRow[] {
    const row = (rule: string, counts: Counts): ScoreRow =>
      scoreRow(this.what, data, documents, rule, counts);
    return [row('exact span', this.exact), row('overlapping span', this.overlap)];
  }
}

function taggedSpans(
  tagger: Tagger,
  model: string,
  plan: ModelPlan,
  document: PreparedDocument,
): ScoredSpan[] {
  const tagged = tagDocument(tagger, document.sentences, model);
  return document.sentences.flatMap((sentence, i) =>
    tagged[i]!.spans.map((span) => ({
      start: sentence.tokens[span.first]!.start,
      end: sentence.tokens[span.last - 1]!.end,
      type: plan.types[span.type]!,
    })),
  );
}

/** What the mention stage calls things, in the words of the case reports' gold. */
const MENTION_GOLD: Readonly<Record<string, string>> = {
  medication: 'Medication',
  allergen: 'Medication',
  vaccine: 'Medication',
  diagnosis: FINDINGS,
  symptom: FINDINGS,
  procedure: 'procedures and tests as one',
  test: 'procedures and tests as one',
  'vital-sign': 'procedures and tests as one',
  Medication: 'Medication',
  Disease_disorder: FINDINGS,
  Sign_symptom: FINDINGS,
  Therapeutic_procedure: 'procedures and tests as one',
  Diagnostic_procedure: 'procedures and tests as one',
};

/** The same one by one. */
const SINGLE_GOLD: Readonly<Record<string, string>> = {
  diagnosis: 'Disease_disorder as diagnosis',
  symptom: 'Sign_symptom as symptom',
  therapeutic: 'Therapeutic_procedure by category',
  diagnostic: 'Diagnostic_procedure by category',
  Disease_disorder: 'Disease_disorder as diagnosis',
  Sign_symptom: 'Sign_symptom as symptom',
  Therapeutic_procedure: 'Therapeutic_procedure by category',
  Diagnostic_procedure: 'Diagnostic_procedure by category',
};

/** A procedure by what it is done for; tests and vital signs are there to find out. */
function byCategory({ start, end, type, category }: Mention): ScoredSpan {
  if (type === 'procedure') return { start, end, type: category ?? type };
  return { start, end, type: type === 'test' || type === 'vital-sign' ? (category ?? 'diagnostic') : type };
}

/** Rows of the base models on the documents that they did not train on. */
export function heldOutRows(corpora: Corpora, tagger: Tagger): ScoreRow[] {
  return BASE_PLANS.flatMap((plan, b) => {
    const { heldOut } = corpora.base[b]!;
    const tallies = plan.types.map((type) => new Tally(type, (t) => t));
    for (const document of heldOut) {
      const gold = document.gold.flatMap((span) => {
        const type = plan.types[plan.typeOf(span.type)];
        return type === undefined ? [] : [{ ...span, type }];
      });
      const found = taggedSpans(tagger, plan.name, plan, document);
      for (const tally of tallies) tally.add(found, gold);
    }
    return tallies.flatMap((tally) => tally.rows(plan.heldOut, heldOut.length));
  });
}

/**
 * Rows of the clinical model by folds over the case reports (document i is in fold i mod 5, ordered by name): as it
 * tags, and joined with the lexicon by the mention stage. @param taggerOf the tagger that did not see the fold.
 */
export function foldRows(corpora: Corpora, taggerOf: (fold: number) => Tagger): ScoreRow[] {
  const documents = corpora.caseReports;
  const alone = [
    ...FINAL_PLAN.types.map((type) => new Tally(type, (t) => t)),
    new Tally(FINDINGS, (t) => (t === 'Disease_disorder' || t === 'Sign_symptom' ? FINDINGS : undefined)),
  ];
  const tallies = (names: Readonly<Record<string, string>>): Tally[] =>
    [...new Set(Object.values(names))].map((what) => new Tally(what, (t) => names[t]));
  const joined = tallies(MENTION_GOLD);
  const single = tallies(SINGLE_GOLD);
  for (let fold = 0; fold < FOLDS; fold++) {
    const tagger = taggerOf(fold);
    documents.forEach((document, i) => {
      if (i % FOLDS !== fold) return;
      const predicted = taggedSpans(tagger, FINAL_PLAN.name, FINAL_PLAN, document);
      for (const tally of alone) tally.add(predicted, document.gold);
      const found = findMentions({ text: document.text, ...segmentText(document.text) }, tagger);
      const mentions = markCores(found, document.text);
      for (const tally of joined) tally.add(mentions, document.gold);
      const categorised = mentions.map(byCategory);
      for (const tally of single) tally.add(categorised, document.gold);
    });
  }
  return [
    ...alone.flatMap((tally) => tally.rows('case-reports, 5-fold, tagger', documents.length)),
    ...[...joined, ...single].flatMap((tally) =>
      tally.rows('case-reports, 5-fold, mention stage', documents.length),
    ),
  ];
}

/**
 * The trained tagger, retrained so that nothing is measured on what it learned from, always with the int8 weights
 * as they ship. The models of the other sets are scored after training on their training part; as helpers of the
 * clinical model they learn from their held-out part too, as the shipped ones do.
 */
export const evaluate: Evaluation = (folder) => {
  const corpora = readCorpora(folder);
  const tables = buildTables(corpora, terminologyBeside(folder), folder);
  const featurizer = new Featurizer(tables);
  const packed = (plans: readonly ModelPlan[], models: readonly CrfWeights[]): Tagger =>
    openTagger(decodeTagger(encodeTagger(packTagger(plans, models, tables, {}))));
  const onTrain = BASE_PLANS.map((plan, i) =>
    trainModel(plan, trainingSentences(plan, corpora.base[i]!.train, featurizer)),
  );
  const rows = heldOutRows(corpora, packed(BASE_PLANS, onTrain));
  const helpers = trainBases(corpora, featurizer);
  const hinter = new Hinter(helpers);
  const sentences = corpora.caseReports.map((document) =>
    trainingSentences(FINAL_PLAN, [document], featurizer, hinter),
  );
  const taggerOf = (fold: number): Tagger => {
    const others = sentences.flatMap((list, i) => (i % FOLDS === fold ? [] : list));
    return packed([...BASE_PLANS, FINAL_PLAN], [...helpers, trainModel(FINAL_PLAN, others)]);
  };
  return [...rows, ...foldRows(corpora, taggerOf)];
};
