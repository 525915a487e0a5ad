/**
 * `npm run train:directions -- CORPORA`: trains what finds doses, routes, frequencies and durations beside drugs in prose,
 * from `drug-sig/` (PHEE) and `case-reports/` (MACCROBAT), and writes `nlp/models/directions.bin.gz`. The drugs are those
 * of the sets, so the tagger has no part in it. The same input and code give the same bytes.
 */
import { existsSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { segmentText } from '../1-segment/index.js';
import { ruleFinds, tokensOf } from '../4-attribute/directions.js';
import { directionFeatures, LABELS, LEARNED_TYPES } from '../4-attribute/directions-features.js';
import { DIRECTIONS_MODEL, type DirectionsModel, encodeDirections } from '../4-attribute/directions-model.js';
import { signatureRegions, tieByRules } from '../4-attribute/signature.js';
import { type GoldText, goldMentions, readCaseReports, readPhee } from '../eval/signature-gold.js';
import { nlpRoot } from '../rules/load.js';
import { type TrainingSentence, trainCrf } from './crf-trainer.js';

// Chosen on held-out folds: the sets contradict themselves, so much is left out at each step.
const OPTIONS = { seed: 11, epochs: 8, rate: 0.05, l2: 1e-4, dropout: 0.5, minCount: 2, runs: 2 };
/** A feature none of whose weights is larger than this many int8 units is dropped. */
const SMALLEST_UNITS = 20;

/** The sets that may train shipped weights. */
export function readTraining(folder: string): GoldText[] {
  return [
    ...readPhee(join(folder, 'drug-sig', 'phee-train.json')),
    ...readPhee(join(folder, 'drug-sig', 'phee-dev.json')),
    ...readCaseReports(join(folder, 'case-reports')),
  ];
}

/** Each region with drugs of a text, with BIO labels; attributes that are tied to no drug are learned as spans too. */
export function directionExamples(gold: GoldText): TrainingSentence[] {
  const { text } = gold;
  const { sentences, tokens } = segmentText(text);
  const mentions = goldMentions(gold);
  const spans = [...gold.attributes, ...gold.untied].sort((a, b) => a.start - b.start || b.end - a.end);
  return signatureRegions(text, sentences, tokens, mentions, () => true).flatMap((region) => {
    const words = tokensOf(region, tokens);
    const labels = new Int32Array(words.length);
    for (const span of spans) {
      const type = LEARNED_TYPES.indexOf(span.type);
      let before = -1;
      for (const [t, word] of words.entries()) {
        if (word.start >= span.end || word.end <= span.start || labels[t] !== 0) continue;
        labels[t] = 2 * type + (before === t - 1 && before >= 0 ? 2 : 1);
        before = t;
      }
    }
    const ties = tieByRules(text, mentions, region);
    const features = directionFeatures(words, ties.drugs, ruleFinds(ties)).split();
    return words.length > 0 ? [{ features, labels }] : [];
  });
}

export function trainDirections(examples: readonly TrainingSentence[]): DirectionsModel {
  const { hashes, weights, transitions, start } = trainCrf(examples, { ...OPTIONS, labels: LABELS });
  const sorted = weights.map(Math.abs).sort();
  const unit = (sorted[Math.floor(sorted.length * 0.9999)] || 1) / 127;
  const rows = new Map<number, number[]>();
  for (const [i, hash] of hashes.entries()) {
    const units = Array.from(weights.subarray(i * LABELS, (i + 1) * LABELS), (weight) =>
      Math.max(-127, Math.min(127, Math.round(weight / unit))),
    );
    if (units.some((one) => Math.abs(one) > SMALLEST_UNITS)) rows.set(hash, units);
  }
  const features = Int32Array.from(rows.keys()).sort();
  const round = (values: Float64Array): number[] => Array.from(values, (x) => Math.round(x * 1e4) / 1e4);
  return {
    features,
    weights: Int8Array.from([...features].flatMap((hash) => rows.get(hash)!)),
    unit,
    transitions: round(transitions),
    start: round(start),
  };
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const folder = process.argv[2];
  if (!folder || !existsSync(folder)) {
    process.stderr.write('usage: npm run train:directions -- CORPORA\n');
    process.exit(2);
  }
  const model = trainDirections(readTraining(folder).flatMap(directionExamples));
  const bytes = gzipSync(encodeDirections(model), { level: 9 });
  writeFileSync(join(nlpRoot(), 'models', DIRECTIONS_MODEL), bytes);
  process.stdout.write(`${model.features.length} features, ${bytes.length} bytes\n`);
}
