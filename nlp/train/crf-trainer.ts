import { Lattice, mayFollow } from '../2-mention/crf.js';
import { seededRandom, shuffle } from './random.js';

/** A sentence as the trainer sees it: feature hashes per token and the gold label per token. */
export interface TrainingSentence {
  readonly features: readonly ArrayLike<number>[];
  readonly labels: ArrayLike<number>;
  /** Weight of the sentence's gradient, 1 where absent. */
  readonly weight?: number;
}

export interface TrainingOptions {
  readonly labels: number;
  readonly seed: number;
  readonly epochs: number;
  /** AdaGrad's step. */
  readonly rate: number;
  readonly l2: number;
  /** Share of features left out of each token at each step, so that no single one carries a decision alone. */
  readonly dropout: number;
  /** Features seen on fewer tokens are left out. */
  readonly minCount: number;
  /** Trainings with other seeds whose weights are averaged: steadier than any of them, at no cost in use. */
  readonly runs: number;
}

/** Dense weights before packing: `weights[row * labels + label]`, one row per feature hash. */
export interface CrfWeights {
  readonly labels: number;
  readonly hashes: Int32Array;
  readonly weights: Float32Array;
  readonly transitions: Float64Array;
  readonly start: Float64Array;
}

/** Gradients of a token and label below this are not applied. */
const IGNORED_GRADIENT = 0.003;

/** Features that occur often enough, numbered in order of first sight. */
function numberFeatures(data: readonly TrainingSentence[], minCount: number): Map<number, number> {
  const counts = new Map<number, number>();
  for (const sentence of data) {
    for (const features of sentence.features) {
      for (let i = 0; i < features.length; i++) counts.set(features[i]!, (counts.get(features[i]!) ?? 0) + 1);
    }
  }
  const ids = new Map<number, number>();
  for (const [hash, count] of counts) if (count >= minCount) ids.set(hash, ids.size);
  return ids;
}

/** Mean of `options.runs` trainings. Deterministic given the seed. */
export function trainCrf(data: readonly TrainingSentence[], options: TrainingOptions): CrfWeights {
  const mean = trainOnce(data, options);
  for (let run = 1; run < options.runs; run++) {
    // Features are numbered by the data alone, so the runs have the same rows.
    const other = trainOnce(data, { ...options, seed: options.seed + run });
    add(mean.weights, other.weights);
    add(mean.transitions, other.transitions);
    add(mean.start, other.start);
  }
  for (const values of [mean.weights, mean.transitions, mean.start]) {
    for (let i = 0; i < values.length; i++) values[i] = values[i]! / options.runs;
  }
  return mean;
}

function add(to: Float32Array | Float64Array, from: ArrayLike<number>): void {
  for (let i = 0; i < to.length; i++) to[i] = to[i]! + from[i]!;
}

/** Maximises the conditional likelihood by AdaGrad, one sentence a step. */
function trainOnce(data: readonly TrainingSentence[], options: TrainingOptions): CrfWeights {
  const L = options.labels;
  const ids = numberFeatures(data, options.minCount);
  const rows: Int32Array[][] = data.map((sentence) =>
    sentence.features.map((features) => {
      const kept: number[] = [];
      for (let i = 0; i < features.length; i++) {
        const id = ids.get(features[i]!);
        if (id !== undefined) kept.push(id * L);
      }
      return Int32Array.from(kept);
    }),
  );
  const W = new Float32Array(ids.size * L);
  const G = new Float32Array(ids.size * L).fill(1e-2);
  const T = new Float64Array(L * L);
  const TG = new Float64Array(L * L).fill(1e-2);
  const S = new Float64Array(L);
  const SG = new Float64Array(L).fill(1e-2);
  const random = seededRandom(options.seed);
  const order = Int32Array.from(data, (_, i) => i);
  const { l2 } = options;
  let alpha = new Float64Array(0);
  let beta = new Float64Array(0);
  let exp = new Float64Array(0);
  const expT = new Float64Array(L * L);
  const expS = new Float64Array(L);
  const gold = new Float64Array(L);
  const keptRows: Int32Array[] = [];
  const expected = new Float64Array(L * L);
  const stepLabel = new Int32Array(L);
  const stepGradient = new Float64Array(L);

  for (let epoch = 0; epoch < options.epochs; epoch++) {
    shuffle(order, random);
    const rate =
      options.rate *
      (epoch < options.epochs * 0.6
        ? 1
        : 1 - 0.8 * ((epoch - options.epochs * 0.6) / (options.epochs * 0.4)));
    for (const index of order) {
      const sentence = data[index]!;
      const features = rows[index]!;
      const length = features.length;
      if (length === 0) continue;
      const weight = sentence.weight ?? 1;
      if (alpha.length < length * L) {
        alpha = new Float64Array(length * L * 2);
        beta = new Float64Array(length * L * 2);
        exp = new Float64Array(length * L * 2);
      }
      // Emissions, with dropout: the features left out are moved behind `keptRows[t].length`.
      const keep = 1 - options.dropout;
      const scaleUp = 1 / keep;
      for (let t = 0; t < length; t++) {
        const all = features[t]!;
        let use = all;
        if (options.dropout > 0) {
          const chosen = new Int32Array(all.length);
          let n = 0;
          for (let i = 0; i < all.length; i++) if (random() < keep) chosen[n++] = all[i]!;
          use = chosen.subarray(0, n);
        }
        keptRows[t] = use;
        const at = t * L;
        for (let y = 0; y < L; y++) exp[at + y] = 0;
        for (let i = 0; i < use.length; i++) {
          const row = use[i]!;
          for (let y = 0; y < L; y++) exp[at + y] = exp[at + y]! + W[row + y]!;
        }
        let max = Number.NEGATIVE_INFINITY;
        for (let y = 0; y < L; y++) {
          exp[at + y] = exp[at + y]! * scaleUp;
          max = Math.max(max, exp[at + y]!);
        }
        for (let y = 0; y < L; y++) exp[at + y] = Math.exp(exp[at + y]! - max);
      }
      for (let x = 0; x < L; x++) {
        expS[x] = mayFollow(-1, x) ? Math.exp(S[x]!) : 0;
        for (let y = 0; y < L; y++) expT[x * L + y] = mayFollow(x, y) ? Math.exp(T[x * L + y]!) : 0;
      }
      for (let t = 0; t < length; t++) {
        const at = t * L;
        let sum = 0;
        for (let y = 0; y < L; y++) {
          let v = 0;
          if (t === 0) v = expS[y]!;
          else for (let x = 0; x < L; x++) v += alpha[at - L + x]! * expT[x * L + y]!;
          v *= exp[at + y]!;
          alpha[at + y] = v;
          sum += v;
        }
        const s = 1 / sum;
        for (let y = 0; y < L; y++) alpha[at + y] = alpha[at + y]! * s;
      }
      for (let y = 0; y < L; y++) beta[(length - 1) * L + y] = 1;
      expected.fill(0);
      for (let t = length - 2; t >= 0; t--) {
        const at = t * L;
        const next = at + L;
        let sum = 0;
        for (let x = 0; x < L; x++) {
          let v = 0;
          for (let y = 0; y < L; y++) v += expT[x * L + y]! * beta[next + y]! * exp[next + y]!;
          beta[at + x] = v;
          sum += v;
        }
        let z = 0;
        for (let x = 0; x < L; x++) z += alpha[at + x]! * beta[at + x]!;
        const unit = 1 / z;
        for (let x = 0; x < L; x++) {
          const a = alpha[at + x]! * unit;
          for (let y = 0; y < L; y++) {
            expected[x * L + y] =
              expected[x * L + y]! + a * expT[x * L + y]! * beta[next + y]! * exp[next + y]!;
          }
        }
        const s = 1 / sum;
        for (let x = 0; x < L; x++) beta[at + x] = beta[at + x]! * s;
      }
      // Gradient (to descend): expectation minus gold.
      const labels = sentence.labels;
      for (let t = 0; t < length; t++) {
        const at = t * L;
        let z = 0;
        for (let y = 0; y < L; y++) {
          gold[y] = alpha[at + y]! * beta[at + y]!;
          z += gold[y]!;
        }
        for (let y = 0; y < L; y++) gold[y] = gold[y]! / z;
        gold[labels[t]!] = gold[labels[t]!]! - 1;
        if (t === 0) {
          for (let y = 0; y < L; y++) {
            const g = gold[y]! * weight;
            SG[y] = SG[y]! + g * g;
            S[y] = S[y]! - (rate * g) / Math.sqrt(SG[y]!);
          }
        }
        // Tokens that are right and sure teach next to nothing, and are most of them after the first epochs.
        let steps = 0;
        for (let y = 0; y < L; y++) {
          const g = gold[y]! * weight;
          if (g > IGNORED_GRADIENT || g < -IGNORED_GRADIENT) {
            stepLabel[steps] = y;
            stepGradient[steps] = g;
            steps++;
          }
        }
        if (steps === 0) continue;
        const use = keptRows[t]!;
        for (let i = 0; i < use.length; i++) {
          const row = use[i]!;
          for (let s = 0; s < steps; s++) {
            const k = row + stepLabel[s]!;
            const g = stepGradient[s]! + l2 * W[k]!;
            const acc = G[k]! + g * g;
            G[k] = acc;
            W[k] = W[k]! - (rate * g) / Math.sqrt(acc);
          }
        }
      }
      for (let t = 1; t < length; t++) {
        const k = labels[t - 1]! * L + labels[t]!;
        expected[k] = expected[k]! - 1;
      }
      for (let k = 0; k < L * L; k++) {
        if (expT[k] === 0) continue;
        const g = expected[k]! * weight + l2 * T[k]!;
        TG[k] = TG[k]! + g * g;
        T[k] = T[k]! - (rate * g) / Math.sqrt(TG[k]!);
      }
    }
  }
  const hashes = new Int32Array(ids.size);
  for (const [hash, id] of ids) hashes[id] = hash;
  return { labels: L, hashes, weights: W, transitions: T, start: S };
}

/** A decoder on dense weights, for evaluation before packing. */
export class DenseDecoder {
  private readonly ids = new Map<number, number>();
  readonly lattice: Lattice;
  constructor(private readonly model: CrfWeights) {
    for (let i = 0; i < model.hashes.length; i++) this.ids.set(model.hashes[i]!, i * model.labels);
    this.lattice = new Lattice(model.labels, model.transitions, model.start);
  }

  /** Fills the lattice's emissions for a sentence; `bias` per type is added to its labels. */
  load(features: readonly ArrayLike<number>[], bias: readonly number[] = []): void {
    const { lattice, model } = this;
    lattice.reset(features.length);
    for (let t = 0; t < features.length; t++) {
      const list = features[t]!;
      for (let type = 0; type < bias.length; type++) {
        lattice.emissions[t * model.labels + 2 * type + 1] = bias[type]!;
        lattice.emissions[t * model.labels + 2 * type + 2] = bias[type]!;
      }
      for (let i = 0; i < list.length; i++) {
        const row = this.ids.get(list[i]!);
        if (row === undefined) continue;
        for (let y = 0; y < model.labels; y++) {
          lattice.emissions[t * model.labels + y] =
            lattice.emissions[t * model.labels + y]! + model.weights[row + y]!;
        }
      }
    }
  }
}
