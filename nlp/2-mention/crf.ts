/**
 * Decoding of a linear-chain conditional random field over BIO labels. Label 0 is O; type k has the labels
 * 2k+1 (begin) and 2k+2 (inside). `I` may follow only the `B` or `I` of its type, so a decoded path is
 * always a list of spans.
 */

/** Score that no path can make up for. Finite, so that sums of it stay numbers. */
export const IMPOSSIBLE = -1e4;

/** Whether the label `to` may follow `from`; `from` is -1 before the first token. */
export function mayFollow(from: number, to: number): boolean {
  if (to === 0 || (to & 1) === 1) return true;
  return from === to || from === to - 1;
}

export interface TaggedSpan {
  /** Index of the first token and one past the last. */
  readonly first: number;
  readonly last: number;
  /** Index into the model's types. */
  readonly type: number;
  /** Mean over the span's tokens of the probability that the token belongs to this type. */
  readonly score: number;
}

/** Scratch space for sentences of one label set, grown as needed and reused: one per decoder. */
export class Lattice {
  readonly labels: number;
  private capacity = 0;
  emissions = new Float64Array(0);
  private alpha = new Float64Array(0);
  private beta = new Float64Array(0);
  /** Per token and label: its probability given the whole sentence. Filled by `marginals`. */
  probabilities = new Float64Array(0);
  private back = new Int32Array(0);
  private readonly transitions: Float64Array;
  private readonly expTransitions: Float64Array;
  private readonly start: Float64Array;
  private readonly expStart: Float64Array;

  /** @param transitions labels × labels, from × to; @param start labels. */
  constructor(labels: number, transitions: ArrayLike<number>, start: ArrayLike<number>) {
    this.labels = labels;
    this.transitions = Float64Array.from(transitions);
    this.start = Float64Array.from(start);
    for (let from = 0; from < labels; from++) {
      for (let to = 0; to < labels; to++) {
        if (!mayFollow(from, to)) this.transitions[from * labels + to] = IMPOSSIBLE;
      }
    }
    for (let to = 0; to < labels; to++) if (!mayFollow(-1, to)) this.start[to] = IMPOSSIBLE;
    this.expTransitions = this.transitions.map(Math.exp);
    this.expStart = this.start.map(Math.exp);
  }

  /** Makes room for `length` tokens and clears the emissions. */
  reset(length: number): void {
    const need = length * this.labels;
    if (need > this.capacity) {
      this.capacity = need * 2;
      this.emissions = new Float64Array(this.capacity);
      this.alpha = new Float64Array(this.capacity);
      this.beta = new Float64Array(this.capacity);
      this.probabilities = new Float64Array(this.capacity);
      this.back = new Int32Array(this.capacity);
    }
    this.emissions.fill(0, 0, need);
  }

  /**
   * Forward–backward with scaling; fills `probabilities` for the first `length` tokens. An inside label has two
   * predecessors only, which saves more than a third of the products.
   */
  marginals(length: number): void {
    const { labels, emissions, alpha, beta, expTransitions: T, probabilities } = this;
    if (length === 0) return;
    const exp = probabilities; // holds exp(emission - max) until the last step
    for (let t = 0; t < length; t++) {
      const at = t * labels;
      let max = emissions[at]!;
      for (let y = 1; y < labels; y++) if (emissions[at + y]! > max) max = emissions[at + y]!;
      for (let y = 0; y < labels; y++) exp[at + y] = Math.exp(emissions[at + y]! - max);
    }
    for (let y = 0; y < labels; y++) alpha[y] = this.expStart[y]! * exp[y]!;
    scale(alpha, 0, labels);
    for (let t = 1; t < length; t++) {
      const at = t * labels;
      const before = at - labels;
      for (let y = 0; y < labels; y += y === 0 ? 1 : 2) {
        let value = 0;
        for (let x = 0; x < labels; x++) value += alpha[before + x]! * T[x * labels + y]!;
        alpha[at + y] = value * exp[at + y]!;
      }
      for (let y = 2; y < labels; y += 2) {
        const value =
          alpha[before + y - 1]! * T[(y - 1) * labels + y]! + alpha[before + y]! * T[y * labels + y]!;
        alpha[at + y] = value * exp[at + y]!;
      }
      scale(alpha, at, labels);
    }
    const end = (length - 1) * labels;
    for (let y = 0; y < labels; y++) beta[end + y] = 1;
    for (let t = length - 1; ; t--) {
      const at = t * labels;
      for (let y = 0; y < labels; y++) {
        const b = beta[at + y]!;
        beta[at + y] = b * exp[at + y]!;
        probabilities[at + y] = alpha[at + y]! * b; // the exponential is not needed any more
      }
      scale(probabilities, at, labels);
      if (t === 0) break;
      const before = at - labels;
      for (let x = 0; x < labels; x++) {
        let value = T[x * labels]! * beta[at]!;
        for (let y = 1; y < labels; y += 2) value += T[x * labels + y]! * beta[at + y]!;
        const inside = x + (x & 1);
        if (x > 0) value += T[x * labels + inside]! * beta[at + inside]!;
        beta[before + x] = value;
      }
      scale(beta, before, labels);
    }
  }

  /** The best path for the first `length` tokens, as labels. */
  viterbi(length: number): Int32Array {
    const { labels, emissions, alpha, back, transitions: T } = this;
    const path = new Int32Array(length);
    if (length === 0) return path;
    for (let y = 0; y < labels; y++) alpha[y] = emissions[y]! + this.start[y]!;
    for (let t = 1; t < length; t++) {
      const at = t * labels;
      const before = at - labels;
      for (let y = 0; y < labels; y += y === 0 ? 1 : 2) {
        let best = alpha[before]! + T[y]!;
        let from = 0;
        for (let x = 1; x < labels; x++) {
          const score = alpha[before + x]! + T[x * labels + y]!;
          if (score > best) {
            best = score;
            from = x;
          }
        }
        alpha[at + y] = best + emissions[at + y]!;
        back[at + y] = from;
      }
      for (let y = 2; y < labels; y += 2) {
        const begun = alpha[before + y - 1]! + T[(y - 1) * labels + y]!;
        const going = alpha[before + y]! + T[y * labels + y]!;
        alpha[at + y] = Math.max(begun, going) + emissions[at + y]!;
        back[at + y] = begun >= going ? y - 1 : y;
      }
    }
    const end = (length - 1) * labels;
    let label = 0;
    for (let y = 1; y < labels; y++) if (alpha[end + y]! > alpha[end + label]!) label = y;
    for (let t = length - 1; t >= 0; t--) {
      path[t] = label;
      label = back[t * labels + label]!;
    }
    return path;
  }
}

/** Makes `count` values from `at` on sum to one, so that long sentences do not underflow. */
function scale(values: Float64Array, at: number, count: number): void {
  let sum = 0;
  for (let i = at; i < at + count; i++) sum += values[i]!;
  const unit = sum > 0 ? 1 / sum : 0;
  for (let i = at; i < at + count; i++) values[i] = values[i]! * unit;
}

/** Spans of a label path; `probabilities` (tokens × labels), where given, scores them. */
export function spansOf(
  path: ArrayLike<number>,
  labels: number,
  probabilities?: ArrayLike<number>,
): TaggedSpan[] {
  const spans: TaggedSpan[] = [];
  for (let t = 0; t < path.length; ) {
    const label = path[t]!;
    if (label === 0) {
      t++;
      continue;
    }
    const type = (label - 1) >> 1;
    let last = t + 1;
    while (last < path.length && path[last] === 2 * type + 2) last++;
    let score = 1;
    if (probabilities) {
      score = 0;
      for (let i = t; i < last; i++) {
        score += probabilities[i * labels + 2 * type + 1]! + probabilities[i * labels + 2 * type + 2]!;
      }
      score /= last - t;
    }
    spans.push({ first: t, last, type, score });
    t = last;
  }
  return spans;
}
