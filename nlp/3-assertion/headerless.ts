import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { exactTitle } from '../1-segment/titles.js';
import { tokenize } from '../1-segment/tokens.js';
import { hashString } from '../2-mention/hash.js';
import type { Mention, Section, SectionKind, Token } from '../model.js';
import type { NlpStage } from '../pipeline.js';
import { nlpRoot, readModel } from '../rules/load.js';

export const HEADERLESS_MODEL = 'headerless.bin.gz';

/** A linear model: one row of weights per hashed feature, one column per label. */
export interface HeaderlessModel {
  readonly labels: readonly string[];
  /** Sorted hashes of the features. */
  readonly features: Uint32Array;
  /** features × labels. */
  readonly weights: Int8Array;
  readonly scale: number;
}

type Add = (name: string, value: number) => void;

function counter(): { found: Map<number, number>; add: Add } {
  const found = new Map<number, number>();
  const add = (name: string, value: number) => {
    const hash = hashString(name) >>> 0;
    found.set(hash, (found.get(hash) ?? 0) + value);
  };
  return { found, add };
}

/** The words as features see them: numbers alike, no more than are needed. */
function plainWords(tokens: readonly Token[]): string[] {
  return tokens.slice(0, MAX_TOKENS).map(({ norm }) => (/^\d/.test(norm) ? '#' : norm));
}

/** Words, pairs of them, beginnings and endings; each once, the more of them the less it weighs. */
function addWords(words: readonly string[], add: Add): void {
  const once = new Set<string>();
  words.forEach((word, i) => {
    once.add(`u:${word}`);
    if (i + 1 < words.length) once.add(`b:${word} ${words[i + 1]}`);
    if (!/^[a-z]{5,}$/.test(word)) return;
    for (const size of [3, 4, 5]) if (word.length > size) once.add(`s:${word.slice(-size)}`);
    once.add(`p:${word.slice(0, 4)}`);
  });
  const share = 1 / Math.sqrt(Math.max(1, new Set(words).size));
  for (const name of once) add(name, share * (name[0] === 'u' ? 1 : name[0] === 'b' ? 0.7 : 0.5));
}

/**
 * Features, by hash, of a talk in which the words of a section came up: training learns from it which lay words go
 * with which section. It has a bias of its own, so that how long talks are says nothing of sections.
 */
export function talkFeatures(tokens: readonly Token[]): Map<number, number> {
  const { found, add } = counter();
  addWords(plainWords(tokens), add);
  add('talk', 1);
  return found;
}

/** Features of words without a header, by hash: what they say, what is mentioned and what is said of it. */
export function headerlessFeatures(
  text: string,
  tokens: readonly Token[],
  mentions: readonly Mention[],
): Map<number, number> {
  const { found, add } = counter();
  const words = plainWords(tokens);
  addWords(words, add);
  const level = (name: string, part: number, steps: number) =>
    add(`${name}:${Math.min(steps, Math.ceil(part * steps))}`, 0.7);
  for (let k = 1; k <= 3; k++) add(`first:${words.slice(0, k).join(' ')}`, 0.7);
  add(`last:${words.slice(-2).join(' ')}`, 0.4);
  add(`length:${Math.min(9, Math.floor(Math.log2(words.length + 1)))}`, 1);
  level('numbers', words.filter((word) => word === '#').length / Math.max(1, words.length), 5);
  level('commas', words.filter((word) => word === ',').length / Math.max(1, words.length), 5);
  const count = Math.max(1, mentions.length);
  for (const type of TYPES) {
    const these = mentions.filter((mention) => mention.type === type).length;
    level(`share ${type}`, these / count, 4);
    level(`density ${type}`, Math.min(1, (these * 8) / Math.max(1, words.length)), 4);
  }
  const of = (test: (mention: Mention) => boolean) => mentions.filter(test).length / count;
  level(
    'negated',
    of(({ assertion }) => assertion.polarity === 'negated'),
    4,
  );
  level(
    'family',
    of(({ assertion }) => assertion.experiencer === 'family'),
    3,
  );
  level(
    'past',
    of(({ assertion }) => assertion.temporality === 'past'),
    3,
  );
  level(
    'planned',
    of(({ assertion }) => assertion.temporality !== 'past' && assertion.temporality !== 'current'),
    3,
  );
  level(
    'signed',
    of(({ attributes }) => attributes.some(({ type }) => SIGNATURE.has(type))),
    3,
  );
  level(
    'measured',
    of(({ attributes }) => attributes.some(({ type }) => type === 'value')),
    3,
  );
  if (mentions[0])
    add(
      `begins with ${mentions[0].type}${mentions[0].start - (tokens[0]?.start ?? 0) < 3 ? ' at once' : ''}`,
      0.7,
    );
  const colon = text.indexOf(':');
  if (colon > 1 && colon < 50) {
    const row = exactTitle(text.slice(0, colon));
    if (row) add(`title:${row.kind}${row.sub ? ' part' : ''}`, 1.5);
  }
  add('bias', 1);
  return found;
}

const MAX_TOKENS = 1000;
const TYPES = [
  'medication',
  'diagnosis',
  'symptom',
  'procedure',
  'test',
  'vital-sign',
  'allergen',
  'vaccine',
  'social',
  'device',
];
const SIGNATURE = new Set(['dose', 'strength', 'frequency', 'route']);

/** The likeliest label and how likely it is. */
export function guessLabel(
  model: HeaderlessModel,
  features: ReadonlyMap<number, number>,
): { label: string; score: number } {
  const { labels, weights, scale } = model;
  const sums = new Float64Array(labels.length);
  for (const [hash, value] of features) {
    const row = rowOf(model.features, hash);
    if (row < 0) continue;
    for (let c = 0; c < labels.length; c++)
      sums[c] = sums[c]! + weights[row * labels.length + c]! * scale * value;
  }
  let best = 0;
  for (let c = 1; c < labels.length; c++) if (sums[c]! > sums[best]!) best = c;
  let total = 0;
  for (const sum of sums) total += Math.exp(sum - sums[best]!);
  return { label: labels[best]!, score: 1 / total };
}

function rowOf(sorted: Uint32Array, hash: number): number {
  let low = 0;
  let high = sorted.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const at = sorted[middle]!;
    if (at === hash) return middle;
    if (at < hash) low = middle + 1;
    else high = middle - 1;
  }
  return -1;
}

/** Length of the labels as JSON, the labels, then scale, hashes and weights. */
export function encodeHeaderless(model: HeaderlessModel): Buffer {
  const labels = Buffer.from(
    JSON.stringify(model.labels).padEnd(4 * Math.ceil(JSON.stringify(model.labels).length / 4)),
  );
  const head = Buffer.alloc(12);
  head.writeUInt32LE(labels.length, 0);
  head.writeUInt32LE(model.features.length, 4);
  head.writeFloatLE(model.scale, 8);
  return Buffer.concat([head, labels, Buffer.from(model.features.buffer), Buffer.from(model.weights.buffer)]);
}

export function decodeHeaderless(bytes: Buffer): HeaderlessModel {
  const plain = gunzipSync(bytes);
  const length = plain.readUInt32LE(0);
  const rows = plain.readUInt32LE(4);
  const from = 12 + length;
  const labels = JSON.parse(plain.subarray(12, from).toString('utf8')) as string[];
  const copy = new Uint8Array(plain.subarray(from));
  return {
    labels,
    features: new Uint32Array(copy.buffer, 0, rows),
    weights: new Int8Array(copy.buffer, rows * 4),
    scale: plain.readFloatLE(8),
  };
}

let shipped: HeaderlessModel | undefined;

export function loadHeaderless(): HeaderlessModel {
  shipped ??= decodeHeaderless(readModel(HEADERLESS_MODEL));
  return shipped;
}

/** Kinds of the labels that are told apart well; the others leave a section as it is. */
const KINDS: Readonly<Record<string, SectionKind>> = {
  CC: 'chief-complaint',
  GENHX: 'history-of-present-illness',
  PASTMEDICALHX: 'past-medical-history',
  PASTSURGICAL: 'past-surgical-history',
  MEDICATIONS: 'medications',
  ALLERGY: 'allergies',
  ROS: 'review-of-systems',
  EXAM: 'physical-exam',
  ASSESSMENT: 'assessment',
  PLAN: 'plan',
  LABS: 'results',
  IMAGING: 'imaging',
  IMMUNIZATIONS: 'immunizations',
  'FAM/SOCHX': 'social-history',
};
const MIN_SCORE = 0.8;
const MIN_TOKENS = 8;

/**
 * Stage `headerless`: names what a part without a header is, where that is clear. It comes after the assertions, which
 * rest on the written headers alone: a guess never decides about a fact.
 */
export const headerless: NlpStage = {
  name: 'headerless',
  needs: ['sections', 'mentions', 'mentions.assertion', 'mentions.attributes'],
  adds: ['sections'],
  run(input) {
    if (!input.sections.some(({ kind }) => kind === 'none') || !hasModel()) return input;
    const sections = input.sections.map((section): Section => {
      if (section.kind !== 'none') return section;
      const text = input.text.slice(section.start, section.end);
      const tokens = tokenize(text);
      if (tokens.length < MIN_TOKENS || tokens.length > MAX_TOKENS) return section;
      const inside = input.mentions.filter(({ start }) => start >= section.start && start < section.end);
      const shifted = inside.map((mention) => ({ ...mention, start: mention.start - section.start }));
      const { label, score } = guessLabel(loadHeaderless(), headerlessFeatures(text, tokens, shifted));
      const family =
        label === 'FAM/SOCHX' && inside.some(({ assertion }) => assertion.experiencer === 'family');
      const kind = family ? 'family-history' : KINDS[label];
      return kind && score >= MIN_SCORE ? { ...section, kind } : section;
    });
    return { ...input, sections };
  },
};

function hasModel(): boolean {
  return shipped !== undefined || existsSync(join(nlpRoot(), 'models', HEADERLESS_MODEL));
}
