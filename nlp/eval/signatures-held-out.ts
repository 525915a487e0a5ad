import { segmentText } from '../1-segment/index.js';
import { findMentions } from '../2-mention/index.js';
import { openTagger, type Tagger } from '../2-mention/tagger.js';
import { decodeTagger, encodeTagger } from '../2-mention/tagger-file.js';
import type { Mention } from '../model.js';
import {
  BASE_PLANS,
  buildTables,
  Featurizer,
  FINAL_PLAN,
  Hinter,
  type ModelPlan,
  packTagger,
  readCorpora,
  terminologyBeside,
  trainingSentences,
  trainModel,
} from '../train/tagger-trainer.js';
import type { Evaluation } from './score.js';
import { FOLDS, readHeldOut, revisersByFold, signatureRows } from './signatures.js';

/** The plan that learns from the sentences that are scored here. */
const DRUG_EVENT = 2;

/** One training each, where those that ship are means of three and four: a little below what ships. */
function once(plan: ModelPlan): ModelPlan {
  return { ...plan, options: { ...plan.options, runs: 1 } };
}

/**
 * Medication signatures end to end, where nothing has seen the text that it reads: the tagger's drug events and its
 * clinical model, and what learned directions, are trained on the other folds.
 */
export const evaluate: Evaluation = (folder) => {
  const corpora = readCorpora(folder);
  const tables = buildTables(corpora, terminologyBeside(folder), folder);
  const featurizer = new Featurizer(tables);
  const plans = BASE_PLANS.map(once);
  const final = once(FINAL_PLAN);
  const texts = readHeldOut(folder);
  const foldOf = new Map(texts.map(({ id, fold }) => [id, fold]));
  const others = plans.map((plan, i) => {
    const { train, heldOut } = corpora.base[i]!;
    return i === DRUG_EVENT
      ? undefined
      : trainModel(plan, trainingSentences(plan, [...train, ...heldOut], featurizer));
  });
  const { train, heldOut } = corpora.base[DRUG_EVENT]!;
  const mentions = new Map<string, Mention[]>();
  for (let fold = 0; fold < FOLDS; fold++) {
    const seen = [...train, ...heldOut].filter(({ id }) => foldOf.get(id) !== fold);
    const events = trainModel(plans[DRUG_EVENT]!, trainingSentences(plans[DRUG_EVENT]!, seen, featurizer));
    const bases = others.map((model) => model ?? events);
    const reports = corpora.caseReports.filter(({ id }) => foldOf.get(id) !== fold);
    const clinical = trainModel(final, trainingSentences(final, reports, featurizer, new Hinter(bases)));
    const parts = packTagger([...plans, final], [...bases, clinical], tables, {});
    const tagger: Tagger = openTagger(decodeTagger(encodeTagger(parts)));
    for (const { id, text, fold: own } of texts)
      if (own === fold) mentions.set(id, findMentions({ text, ...segmentText(text) }, tagger));
  }
  return signatureRows(
    texts,
    revisersByFold(texts),
    'drugs found by taggers that have not seen the text',
    ({ id }) => mentions.get(id)!,
  );
};
