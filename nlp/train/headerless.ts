/**
 * `npm run train:headerless -- CORPORA`: trains what names a part of a note without a header, from the training parts
 * of `sections/` (labels given; the talk that each section came from is read with it) and `visit-notes/` (labels by
 * their headers) and from our own `own-sections.txt`, and writes `nlp/models/headerless.bin.gz`. The same input and code give the same bytes.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { segment, segmentText } from '../1-segment/index.js';
import { tokenize } from '../1-segment/tokens.js';
import { mentionStage } from '../2-mention/index.js';
import {
  encodeHeaderless,
  HEADERLESS_MODEL,
  type HeaderlessModel,
  headerlessFeatures,
  talkFeatures,
} from '../3-assertion/headerless.js';
import { assertion } from '../3-assertion/index.js';
import { attributeStage } from '../4-attribute/index.js';
import { readCsv } from '../eval/corpora.js';
import type { SectionKind } from '../model.js';
import { createPipeline } from '../pipeline.js';
import { nlpRoot } from '../rules/load.js';
import { seededRandom, shuffle } from './random.js';

export interface HeaderlessExample {
  readonly label: string;
  readonly text: string;
  readonly weight: number;
  /** The text is what was said, not what was written. */
  readonly talk?: boolean;
}

const reader = createPipeline('training', [segment, mentionStage, assertion, attributeStage]);

/** The features of a text as training and evaluation see it: alone, without header. */
export function featuresOf(text: string): Map<number, number> {
  return headerlessFeatures(text, tokenize(text), reader.annotate(text, { id: 'part' }).mentions);
}

const LABEL_OF: Readonly<Partial<Record<SectionKind, string>>> = {
  'chief-complaint': 'CC',
  'history-of-present-illness': 'GENHX',
  'past-medical-history': 'PASTMEDICALHX',
  'past-surgical-history': 'PASTSURGICAL',
  'family-history': 'FAM/SOCHX',
  'social-history': 'FAM/SOCHX',
  medications: 'MEDICATIONS',
  allergies: 'ALLERGY',
  'review-of-systems': 'ROS',
  'physical-exam': 'EXAM',
  assessment: 'ASSESSMENT',
  plan: 'PLAN',
  results: 'LABS',
  imaging: 'IMAGING',
  immunizations: 'IMMUNIZATIONS',
  procedures: 'PROCEDURES',
  diagnoses: 'DIAGNOSIS',
  disposition: 'DISPOSITION',
};
// Weights and smoothing: the best of those tried by repeated 10-fold on the training part.
const VISIT_NOTE_WEIGHT = 0.3;
const OWN_WEIGHT = 0.3;
const TALK_WEIGHT = 0.4;

export function readHeaderless(folder: string, set: 'TrainingSet' | 'ValidationSet'): HeaderlessExample[] {
  return readCsv(join(folder, 'sections', `mts-${set}.csv`)).map((row) => ({
    label: row.section_header!.trim(),
    text: row.section_text!,
    weight: 1,
  }));
}

function readVisitNotes(folder: string): HeaderlessExample[] {
  return readCsv(join(folder, 'visit-notes', 'aci-train.csv')).flatMap(({ note = '' }) =>
    segmentText(note).sections.flatMap(({ kind, bodyStart, end }) => {
      const label = LABEL_OF[kind];
      const text = note.slice(bodyStart, end).trim();
      return label && text.length > 3 ? [{ label, text, weight: VISIT_NOTE_WEIGHT }] : [];
    }),
  );
}

/** What was said before each section of the training part was written. */
function readTalks(folder: string): HeaderlessExample[] {
  return readCsv(join(folder, 'sections', 'mts-TrainingSet.csv')).map((row) => ({
    label: row.section_header!.trim(),
    text: (row.dialogue ?? '').replace(/\b(?:Doctor|Patient|Guest_\w+)\s*:/g, ' '),
    weight: TALK_WEIGHT,
    talk: true,
  }));
}

/** Sections written by us, each a line below `# ` and its label. */
export function readOwnSections(): HeaderlessExample[] {
  let label = '';
  const lines = readFileSync(join(nlpRoot(), 'train', 'own-sections.txt'), 'utf8').split('\n');
  return lines.flatMap((line) => {
    if (line.startsWith('# ')) label = line.slice(2);
    else if (line) return [{ label, text: line, weight: OWN_WEIGHT }];
    return [];
  });
}

const SEEDS = 5;
const EPOCHS = 12;
const RATE = 0.15;
/** Share of an example that is spread over the other labels: the sets contradict themselves in one example of twenty. */
const SMOOTHING = 0.1;
const FEATURE_MIN_COUNT = 2;

/** Logistic regression by AdaGrad; the mean of several orders of the examples, as 8-bit weights. */
export function trainHeaderless(examples: readonly HeaderlessExample[]): HeaderlessModel {
  const labels = [...new Set(examples.map(({ label }) => label))].sort();
  const inputs = examples.map(({ text, talk }) => [
    ...(talk ? talkFeatures(tokenize(text)) : featuresOf(text)),
  ]);
  const counts = new Map<number, number>();
  for (const input of inputs) for (const [hash] of input) counts.set(hash, (counts.get(hash) ?? 0) + 1);
  const features = Uint32Array.from(
    [...counts].filter(([, count]) => count >= FEATURE_MIN_COUNT).map(([hash]) => hash),
  ).sort();
  const rowOf = new Map([...features].map((hash, row) => [hash, row]));
  const rows = inputs.map((input) =>
    input.flatMap(([hash, value]) => (rowOf.has(hash) ? [[rowOf.get(hash)!, value] as const] : [])),
  );
  const sum = new Float64Array(features.length * labels.length);
  for (let seed = 1; seed <= SEEDS; seed++) {
    const weights = trainOnce(rows, examples, labels, features.length, seed);
    for (let i = 0; i < sum.length; i++) sum[i] = sum[i]! + weights[i]! / SEEDS;
  }
  let most = 0;
  for (const weight of sum) most = Math.max(most, Math.abs(weight));
  const scale = most / 127;
  return { labels, features, weights: Int8Array.from(sum, (weight) => Math.round(weight / scale)), scale };
}

function trainOnce(
  rows: readonly (readonly (readonly [number, number])[])[],
  examples: readonly HeaderlessExample[],
  labels: readonly string[],
  size: number,
  seed: number,
): Float64Array {
  const width = labels.length;
  const weights = new Float64Array(size * width);
  const squares = new Float64Array(size * width).fill(1e-2);
  const order = Int32Array.from(rows.keys());
  const random = seededRandom(seed);
  const sums = new Float64Array(width);
  for (let epoch = 0; epoch < EPOCHS; epoch++) {
    shuffle(order, random);
    for (const i of order) {
      sums.fill(0);
      for (const [row, value] of rows[i]!)
        for (let c = 0; c < width; c++) sums[c] = sums[c]! + weights[row * width + c]! * value;
      const most = Math.max(...sums);
      let total = 0;
      for (let c = 0; c < width; c++) total += Math.exp(sums[c]! - most);
      const gold = labels.indexOf(examples[i]!.label);
      for (let c = 0; c < width; c++) {
        const target = c === gold ? 1 - SMOOTHING : SMOOTHING / (width - 1);
        const error = (Math.exp(sums[c]! - most) / total - target) * examples[i]!.weight;
        for (const [row, value] of rows[i]!) {
          const at = row * width + c;
          const gradient = error * value;
          squares[at] = squares[at]! + gradient * gradient;
          weights[at] = weights[at]! - (RATE * gradient) / Math.sqrt(squares[at]!);
        }
      }
    }
  }
  return weights;
}

export function trainingExamples(folder: string): HeaderlessExample[] {
  return [
    ...readHeaderless(folder, 'TrainingSet'),
    ...readVisitNotes(folder),
    ...readOwnSections(),
    ...readTalks(folder),
  ];
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const folder = process.argv[2];
  if (!folder || !existsSync(folder)) {
    process.stderr.write('usage: npm run train:headerless -- CORPORA\n');
    process.exit(2);
  }
  const model = trainHeaderless(trainingExamples(folder));
  const bytes = gzipSync(encodeHeaderless(model), { level: 9 });
  writeFileSync(join(nlpRoot(), 'models', HEADERLESS_MODEL), bytes);
  process.stdout.write(
    `${model.features.length} features, ${model.labels.length} labels, ${bytes.length} bytes\n`,
  );
}
