import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { nlpRoot } from '../rules/load.js';
import { seededRandom, shuffle } from './random.js';

/** A text with the places of personal data in it. */
export interface MarkedNote {
  readonly text: string;
  readonly places: readonly { readonly kind: string; readonly start: number; readonly end: number }[];
}

/** Fragments of our own, one a line, that show where names stand and which words with capitals are none. */
export function readContexts(): MarkedNote[] {
  return readFileSync(join(nlpRoot(), 'train', 'phi-contexts.txt'), 'utf8')
    .trimEnd()
    .split('\n')
    .map(readMarks);
}

/** Notes with `{KIND words}` around personal data (`{?KIND words}`: may be hidden or not), by lines of `=====`. */
export function readMarked(file: string): MarkedNote[] {
  return readFileSync(file, 'utf8').trimEnd().split('\n=====\n').map(readMarks);
}

function readMarks(marked: string): MarkedNote {
  const places: { kind: string; start: number; end: number }[] = [];
  let text = '';
  let at = 0;
  for (const match of marked.matchAll(/\{(\??[A-Z-]+) ([^}]+)\}/g)) {
    text += marked.slice(at, match.index);
    places.push({ kind: match[1]!.toLowerCase(), start: text.length, end: text.length + match[2]!.length });
    text += match[2];
    at = match.index + match[0].length;
  }
  return { text: text + marked.slice(at), places };
}

/** Rows of the features of a word, its class, and how much it counts. */
export interface Example {
  readonly rows: Int32Array;
  readonly label: number;
  readonly weight: number;
}

const EPOCHS = 4;
const RATE = 0.08;
const DECAY = 2e-6;

/** Logistic regression by AdaGrad over hashed features; the mean of the last epochs, as 8-bit weights. */
export function trainRows(
  examples: readonly Example[],
  size: number,
  classes: number,
  seed = 1,
): { readonly weights: Int8Array; readonly scale: number } {
  const weights = new Float32Array(size * classes);
  const squares = new Float32Array(size * classes).fill(1e-2);
  const mean = new Float64Array(size * classes);
  const order = Int32Array.from(examples.keys());
  const random = seededRandom(seed);
  const sums = new Float64Array(classes);
  for (let epoch = 0; epoch < EPOCHS; epoch++) {
    shuffle(order, random);
    for (const i of order) {
      const { rows, label, weight } = examples[i]!;
      sums.fill(0);
      for (const row of rows)
        for (let c = 0; c < classes; c++) sums[c] = sums[c]! + weights[row * classes + c]!;
      const most = Math.max(...sums);
      let total = 0;
      for (let c = 0; c < classes; c++) total += Math.exp(sums[c]! - most);
      for (let c = 0; c < classes; c++) {
        const error = (Math.exp(sums[c]! - most) / total - (c === label ? 1 : 0)) * weight;
        if (Math.abs(error) < 1e-3) continue;
        for (const row of rows) {
          const at = row * classes + c;
          const gradient = error + DECAY * weights[at]!;
          squares[at] = squares[at]! + gradient * gradient;
          weights[at] = weights[at]! - (RATE * gradient) / Math.sqrt(squares[at]!);
        }
      }
    }
    if (epoch >= 1)
      for (let at = 0; at < mean.length; at++) mean[at] = mean[at]! + weights[at]! / (EPOCHS - 1);
  }
  let most = 0;
  for (const weight of mean) most = Math.max(most, Math.abs(weight));
  const scale = most / 127;
  return { weights: Int8Array.from(mean, (weight) => Math.round(weight / scale)), scale: Math.fround(scale) };
}

export function encodeWeights({ weights, scale }: { weights: Int8Array; scale: number }): Buffer {
  const head = Buffer.alloc(4);
  head.writeFloatLE(scale);
  return Buffer.concat([head, Buffer.from(weights.buffer, weights.byteOffset, weights.byteLength)]);
}
