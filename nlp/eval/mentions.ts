import { segmentText } from '../1-segment/index.js';
import { tagDocument } from '../2-mention/agreement.js';
import { findMentions } from '../2-mention/index.js';
import { openTagger, type Tagger } from '../2-mention/tagger.js';
import { decodeTagger, encodeTagger } from '../2-mention/tagger-file.js';
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
  type Tables,
  terminologyBeside,
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

/**
 * The trained tagger: the models of the other sets on their held-out part, and the clinical model by 5 folds over
 * the case reports (document i is in fold i mod 5, ordered by name), alone and joined with the lexicon. Always
 * with the int8 weights as they are shipped.
 */
export const evaluate: Evaluation = (folder) => {
  const corpora = readCorpora(folder);
  const tables = buildTables(corpora, terminologyBeside(folder), folder);
  const featurizer = new Featurizer(tables);
  const bases = BASE_PLANS.map((plan, i) =>
    trainModel(plan, trainingSentences(plan, corpora.base[i]!.train, featurizer)),
  );
  return evaluateTrained(corpora, tables, bases, featurizer);
};

/** As `evaluate`, with the models of the other sets already trained on their training part. */
export function evaluateTrained(
  corpora: Corpora,
  tables: Tables,
  bases: readonly CrfWeights[],
  featurizer = new Featurizer(tables),
): ScoreRow[] {
  const hinter = new Hinter(bases);
  const rows: ScoreRow[] = [];
  const documents = corpora.caseReports;
  const sentences = documents.map((document) =>
    trainingSentences(FINAL_PLAN, [document], featurizer, hinter),
  );

  const alone = [
    ...FINAL_PLAN.types.map((type) => new Tally(type, (t) => t)),
    new Tally(FINDINGS, (t) => (t === 'Disease_disorder' || t === 'Sign_symptom' ? FINDINGS : undefined)),
  ];
  const joined = [...new Set(Object.values(MENTION_GOLD))].map(
    (what) => new Tally(what, (t) => MENTION_GOLD[t]),
  );
  for (let fold = 0; fold < FOLDS; fold++) {
    const model = trainModel(
      FINAL_PLAN,
      sentences.flatMap((list, i) => (i % FOLDS === fold ? [] : list)),
    );
    const parts = packTagger([...BASE_PLANS, FINAL_PLAN], [...bases, model], tables, {});
    const tagger = openTagger(decodeTagger(encodeTagger(parts)));
    documents.forEach((document, i) => {
      if (i % FOLDS !== fold) return;
      const predicted = taggedSpans(tagger, FINAL_PLAN.name, FINAL_PLAN, document);
      for (const tally of alone) tally.add(predicted, document.gold);
      const mentions = findMentions({ text: document.text, ...segmentText(document.text) }, tagger);
      for (const tally of joined) tally.add(mentions, document.gold);
    });
    if (fold > 0) continue;
    BASE_PLANS.forEach((plan, b) => {
      const heldOut = corpora.base[b]!.heldOut;
      const tallies = plan.types.map((type) => new Tally(type, (t) => t));
      for (const document of heldOut) {
        const gold = document.gold.flatMap((span) => {
          const type = plan.types[plan.typeOf(span.type)];
          return type === undefined ? [] : [{ ...span, type }];
        });
        const found = taggedSpans(tagger, plan.name, plan, document);
        for (const tally of tallies) tally.add(found, gold);
      }
      for (const tally of tallies) rows.push(...tally.rows(plan.heldOut, heldOut.length));
    });
  }
  for (const tally of alone) rows.push(...tally.rows('case-reports, 5-fold, tagger', documents.length));
  for (const tally of joined)
    rows.push(...tally.rows('case-reports, 5-fold, mention stage', documents.length));
  return rows;
}
