import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Lattice } from '../2-mention/crf.js';
import type { DrugMarks } from '../2-mention/drug-marks.js';
import { contextFeatures, FeatureBuffer, hintFeatures, sentenceFeatures } from '../2-mention/features.js';
import { buildGazetteer, type Gazetteer } from '../2-mention/gazetteer.js';
import { describeTagged, type TaggerSentence } from '../2-mention/kernel.js';
import { hintsFrom } from '../2-mention/tagger.js';
import type { PackedModel, TaggerParts } from '../2-mention/tagger-file.js';
import { FAR_LEFT, FAR_RIGHT, foldDigits, REACH, type Word, type WordTable } from '../2-mention/words.js';
import { readBrat, readCsv, readJsonLines, readPhee, readPubTator } from '../eval/corpora.js';
import {
  type CrfWeights,
  DenseDecoder,
  type TrainingOptions,
  type TrainingSentence,
  trainCrf,
} from './crf-trainer.js';
import { gatherNames, type Names } from './gazetteers.js';
import { buildLexicalTable, type LexicalRows } from './lexical-table.js';
import { labelsOf, type PreparedDocument, prepare, prepareText } from './prepare.js';
import { wordVectors } from './word-vectors.js';

/** A model of the tagger: its span types, how gold types map to them, and where its labels come from. */
export interface ModelPlan {
  readonly name: string;
  readonly types: readonly string[];
  readonly typeOf: (goldType: string) => number;
  readonly options: Omit<TrainingOptions, 'labels'>;
  /** See `PackedModel.bias`; chosen on held-out folds. */
  readonly bias: readonly number[];
  /** What its figures are measured on. */
  readonly heldOut: string;
}

const BASE_OPTIONS = { seed: 11, epochs: 9, rate: 0.05, l2: 1e-4, dropout: 0.2, minCount: 1, runs: 3 };
const FINAL_OPTIONS = { seed: 11, epochs: 10, rate: 0.05, l2: 1e-4, dropout: 0.2, minCount: 1, runs: 4 };

function among(types: readonly string[]): (type: string) => number {
  return (type) => types.indexOf(type);
}

const CHEMICAL_DISEASE = ['Chemical', 'Disease'] as const;
export const CORE_TYPES = [
  'Medication',
  'Disease_disorder',
  'Sign_symptom',
  'Therapeutic_procedure',
  'Diagnostic_procedure',
] as const;

const PHEE_TYPES: Readonly<Record<string, number>> = {
  'Treatment.Drug': 0,
  Effect: 1,
  'Treatment.Disorder': 2,
  'Subject.Disorder': 2,
};

/** Models whose opinions are features of the last one. Each learns from one set's own labels. */
export const BASE_PLANS: readonly ModelPlan[] = [
  {
    name: 'chemical-disease',
    types: CHEMICAL_DISEASE,
    typeOf: among(CHEMICAL_DISEASE),
    options: BASE_OPTIONS,
    bias: [0.3, 0],
    heldOut: 'BC5CDR development, trained on train',
  },
  {
    name: 'disease',
    types: ['Disease'],
    typeOf: (type) => (/^(SpecificDisease|DiseaseClass|Modifier|CompositeMention)$/.test(type) ? 0 : -1),
    options: BASE_OPTIONS,
    bias: [0.3],
    heldOut: 'NCBI devel, trained on train',
  },
  {
    name: 'drug-event',
    types: ['Drug', 'Effect', 'Disorder'],
    typeOf: (type) => PHEE_TYPES[type] ?? -1,
    options: BASE_OPTIONS,
    bias: [0, 0, 0],
    heldOut: 'PHEE dev, trained on train',
  },
];

export const FINAL_PLAN: ModelPlan = {
  name: 'clinical',
  types: CORE_TYPES,
  typeOf: among(CORE_TYPES),
  options: FINAL_OPTIONS,
  bias: [0.3, 0.4, 0.3, 0.5, 0.1],
  heldOut: 'case-reports, 5-fold',
};

/** The code tables stand beside the corpora. */
export function terminologyBeside(corpora: string): string {
  return join(corpora, '..', 'terminology');
}

export interface Corpora {
  readonly caseReports: readonly PreparedDocument[];
  /** Per base plan: training and held-out documents. */
  readonly base: readonly {
    readonly train: readonly PreparedDocument[];
    readonly heldOut: readonly PreparedDocument[];
  }[];
  /** Normalised words of every sentence that may train vectors. */
  readonly sentences: readonly (readonly string[])[];
}

/** Reads the sets that may train shipped weights, and no others. @param folder see NOTICE for the sets' names. */
export function readCorpora(folder: string): Corpora {
  const at = (...parts: string[]): string => join(folder, ...parts);
  const caseReports = readBrat(at('case-reports')).map(prepare);
  const base = [
    {
      train: readPubTator(at('disease-chemical', 'bc5cdr-training.pubtator.txt')).map(prepare),
      heldOut: readPubTator(at('disease-chemical', 'bc5cdr-development.pubtator.txt')).map(prepare),
    },
    {
      train: readBrat(at('disease-chemical', 'ncbi-train')).map(prepare),
      heldOut: readBrat(at('disease-chemical', 'ncbi-devel')).map(prepare),
    },
    {
      train: readPhee(at('drug-sig', 'phee-train.json')).map(prepare),
      heldOut: readPhee(at('drug-sig', 'phee-dev.json')).map(prepare),
    },
  ];
  const sentences: string[][] = [];
  const push = (prepared: readonly TaggerSentence[]): void => {
    for (const sentence of prepared) sentences.push(sentence.tokens.map((token) => foldDigits(token.norm)));
  };
  for (const row of readJsonLines<{ text: string }>(at('unlabelled', 'case-reports.jsonl.gz')))
    push(prepareText(row.text));
  for (const name of ['aci-train.csv', 'aci-valid.csv']) {
    for (const row of readCsv(at('visit-notes', name))) push(prepareText(row.note!));
  }
  for (const set of ['train', 'dev']) {
    for (const name of readdirSync(at('icd10-coding', set))
      .filter((file) => file.endsWith('.txt'))
      .sort()) {
      push(prepareText(readFileSync(at('icd10-coding', set, name), 'utf8')));
    }
  }
  for (const documents of [caseReports, ...base.flatMap((set) => [set.train, set.heldOut])]) {
    for (const document of documents) push(document.sentences);
  }
  return { caseReports, base, sentences };
}

/** Knowledge of words and names that all models share. */
export interface Tables {
  readonly names: Names;
  readonly gazetteer: Gazetteer;
  readonly lexical: LexicalRows;
  readonly words: WordTable;
}

export function buildTables(corpora: Corpora, terminology: string, folder: string): Tables {
  const names = gatherNames(terminology, folder);
  const gazetteer = buildGazetteer([...names.phrases.keys()], [...names.phrases.values()]);
  const vectors = wordVectors(corpora.sentences, {
    minCount: 3,
    maxWords: 30_000,
    contextWords: 4_000,
    size: 100,
    seed: 1,
  });
  const lexical = buildLexicalTable(vectors, names, 7);
  return { names, gazetteer, lexical, words: lexical.table };
}

/** Turns sentences into feature hashes, one list per token. */
export class Featurizer {
  private readonly known = new Map<string, Word>();
  private readonly context = new FeatureBuffer();
  private readonly hinted = new FeatureBuffer();
  constructor(private readonly tables: Pick<Tables, 'words' | 'gazetteer'>) {}

  /** @param hints see `hintsFrom`; absent for the base models. */
  features(sentence: TaggerSentence, hints?: readonly (readonly number[])[]): Int32Array[] {
    const words = sentence.tokens.map((token) => {
      let word = this.known.get(token.text);
      if (!word) {
        word = describeTagged(token, this.tables.words);
        this.known.set(token.text, word);
      }
      return word;
    });
    contextFeatures(words, this.tables.gazetteer, this.context);
    if (hints) hintFeatures(hints, words.length, this.hinted);
    const common = sentenceFeatures(sentence.section, sentence.listItem);
    return words.map((_, t) => {
      const parts: ArrayLike<number>[] = [common, this.context.of(t)];
      if (hints) parts.push(this.hinted.of(t), farFeatures(words, t));
      for (let o = -REACH; o <= REACH; o++) {
        const other = words[t + o];
        if (other) parts.push(other.features[o + REACH]!);
      }
      const out = new Int32Array(parts.reduce((sum, part) => sum + part.length, 0));
      let at = 0;
      for (const part of parts) {
        out.set(part, at);
        at += part.length;
      }
      return out;
    });
  }
}

/** The words far before and after token t, as its features. */
function farFeatures(words: readonly Word[], t: number): number[] {
  const out: number[] = [];
  for (let d = REACH + 1; d <= FAR_LEFT; d++) if (t - d >= 0) out.push(words[t - d]!.farBefore);
  for (let d = REACH + 1; d <= FAR_RIGHT; d++) if (t + d < words.length) out.push(words[t + d]!.farAfter);
  return out;
}

/** Base models on dense weights, ready to give hints. */
export class Hinter {
  private readonly decoders: readonly DenseDecoder[];
  constructor(models: readonly CrfWeights[]) {
    this.decoders = models.map((model) => new DenseDecoder(model));
  }

  /** @param drugs marks of the sentence, which stand among the hints. */
  hints(features: readonly ArrayLike<number>[], drugs: DrugMarks): number[][] {
    const hints: number[][] = features.map((_, t) => [...(drugs[t] ?? [])]);
    this.decoders.forEach((decoder, m) => {
      decoder.load(features, BASE_PLANS[m]!.bias);
      decoder.lattice.marginals(features.length);
      hintsFrom(m, decoder.lattice.probabilities, decoder.lattice.labels, features.length, hints);
    });
    return hints;
  }
}

export function trainModel(plan: ModelPlan, sentences: readonly TrainingSentence[]): CrfWeights {
  return trainCrf(sentences, { ...plan.options, labels: 2 * plan.types.length + 1 });
}

/** Training sentences of a plan from prepared documents. */
export function trainingSentences(
  plan: ModelPlan,
  documents: readonly PreparedDocument[],
  featurizer: Featurizer,
  hinter?: Hinter,
): TrainingSentence[] {
  return documents.flatMap((document) => {
    const labels = labelsOf(document, plan.typeOf);
    return document.sentences.map((sentence, i) => {
      const plain = featurizer.features(sentence);
      return {
        features: hinter ? featurizer.features(sentence, hinter.hints(plain, sentence.drugs)) : plain,
        labels: labels[i]!,
      };
    });
  });
}

/** The base models as they ship: from all of their sets. `say` hears of each. */
export function trainBases(
  corpora: Corpora,
  featurizer: Featurizer,
  say: (text: string) => void = () => {},
): CrfWeights[] {
  return BASE_PLANS.map((plan, i) => {
    const set = corpora.base[i]!;
    const model = trainModel(plan, trainingSentences(plan, [...set.train, ...set.heldOut], featurizer));
    say(`${plan.name}: ${model.hashes.length} features`);
    return model;
  });
}

/** A feature none of whose weights is larger than this many int8 units is dropped. */
const SMALLEST_UNITS = 14;

/** Packs dense models side by side as int8 rows. `plans` and `models` in the order of use, the last one last. */
export function packTagger(
  plans: readonly ModelPlan[],
  models: readonly CrfWeights[],
  tables: Tables,
  about: Readonly<Record<string, unknown>>,
  smallestUnits = SMALLEST_UNITS,
): TaggerParts {
  const columns = models.reduce((sum, model) => sum + model.labels, 0);
  const rowOf = new Map<number, Int8Array>();
  const packed: PackedModel[] = [];
  let column = 0;
  models.forEach((model, m) => {
    const { labels, weights, hashes } = model;
    const sorted = weights.map(Math.abs).sort();
    const largest = sorted[Math.floor(sorted.length * 0.9999)] || 1;
    const unit = largest / 127;
    for (let i = 0; i < hashes.length; i++) {
      const units = Array.from(weights.subarray(i * labels, (i + 1) * labels), (w) =>
        Math.max(-127, Math.min(127, Math.round(w / unit))),
      );
      if (units.every((u) => Math.abs(u) <= smallestUnits)) continue;
      let row = rowOf.get(hashes[i]!);
      if (!row) {
        row = new Int8Array(columns);
        rowOf.set(hashes[i]!, row);
      }
      row.set(units, column);
    }
    // The lattice makes illegal transitions impossible by itself; its own copy is what use will see.
    const lattice = new Lattice(labels, model.transitions, model.start);
    packed.push({
      name: plans[m]!.name,
      types: plans[m]!.types,
      column,
      unit,
      transitions: Array.from(model.transitions, (x) => Math.round(x * 1e4) / 1e4),
      start: Array.from(model.start, (x) => Math.round(x * 1e4) / 1e4),
      bias: plans[m]!.bias,
    });
    column += lattice.labels;
  });
  const features = Int32Array.from(rowOf.keys()).sort();
  const rows = new Int8Array(features.length * columns);
  features.forEach((feature, i) => {
    rows.set(rowOf.get(feature)!, i * columns);
  });
  const phrases = Int32Array.from(tables.names.phrases.keys()).sort();
  return {
    models: packed,
    columns,
    features,
    rows,
    wordHashes: tables.lexical.hashes,
    wordValues: tables.lexical.values,
    wordWidth: tables.lexical.width,
    phraseHashes: phrases,
    phraseKinds: Uint16Array.from(phrases, (hash) => tables.names.phrases.get(hash)!),
    about,
  };
}
