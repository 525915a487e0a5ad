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
  /** Of the labels that may follow any other, O and the begins, their transitions: such label × from. */
  private readonly expArrivals: Float64Array;
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
    this.expArrivals = new Float64Array(((labels + 1) >> 1) * labels);
    for (let y = 0, row = 0; y < labels; y += y === 0 ? 1 : 2, row += labels)
      for (let from = 0; from < labels; from++)
        this.expArrivals[row + from] = this.expTransitions[from * labels + y]!;
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
    const { labels, emissions, alpha, beta, expTransitions: T, expArrivals: arrivals, probabilities } = this;
    if (length === 0) return;
    const exp = probabilities; // holds exp(emission - max) until the last step
    for (let at = 0; at < length * labels; at += labels) {
      let max = emissions[at]!;
      for (let y = 1; y < labels; y++) if (emissions[at + y]! > max) max = emissions[at + y]!;
      for (let y = 0; y < labels; y++) exp[at + y] = expOfNegative(max - emissions[at + y]!);
    }
    // Each step is scaled by the sum of the one before, so that long sentences do not underflow.
    let sum = 0;
    for (let y = 0; y < labels; y++) {
      const value = this.expStart[y]! * exp[y]!;
      alpha[y] = value;
      sum += value;
    }
    for (let at = labels; at < length * labels; at += labels) {
      const before = at - labels;
      const unit = 1 / sum;
      sum = 0;
      for (let y = 0, row = 0; y < labels; y += y === 0 ? 1 : 2, row += labels) {
        let value = 0;
        for (let x = 0; x < labels; x++) value += alpha[before + x]! * arrivals[row + x]!;
        value *= exp[at + y]! * unit;
        alpha[at + y] = value;
        sum += value;
      }
      for (let y = 2; y < labels; y += 2) {
        const value =
          (alpha[before + y - 1]! * T[(y - 1) * labels + y]! + alpha[before + y]! * T[y * labels + y]!) *
          exp[at + y]! *
          unit;
        alpha[at + y] = value;
        sum += value;
      }
    }
    const end = (length - 1) * labels;
    for (let y = 0; y < labels; y++) beta[end + y] = 1;
    let unit = 1;
    for (let at = end; ; at -= labels) {
      sum = 0;
      for (let y = 0; y < labels; y++) {
        const b = beta[at + y]! * unit;
        beta[at + y] = b * exp[at + y]!;
        const p = alpha[at + y]! * b; // the exponential is not needed any more
        probabilities[at + y] = p;
        sum += p;
      }
      const share = 1 / sum;
      for (let y = 0; y < labels; y++) probabilities[at + y] = probabilities[at + y]! * share;
      if (at === 0) break;
      const before = at - labels;
      sum = 0;
      for (let x = 0, row = 0; x < labels; x++, row += labels) {
        let value = T[row]! * beta[at]!;
        for (let y = 1; y < labels; y += 2) value += T[row + y]! * beta[at + y]!;
        const inside = x + (x & 1);
        if (x > 0) value += T[row + inside]! * beta[at + inside]!;
        beta[before + x] = value;
        sum += value;
      }
      unit = 1 / sum;
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

/** e to the power of minus whole numbers, and of minus 256ths. Below the last whole number all are alike. */
const WHOLE_POWERS = Float64Array.from({ length: 300 }, (_, i) => Math.exp(-i));
const PART_POWERS = Float64Array.from({ length: 256 }, (_, i) => Math.exp(-i / 256));

/** `Math.exp(-x)` for x >= 0, relative error below 1e-8, at a third of the time. */
function expOfNegative(x: number): number {
  const parts = Math.min(x * 256, 300 * 256 - 1);
  const whole = parts | 0;
  const rest = (parts - whole) * (1 / 256);
  return WHOLE_POWERS[whole >> 8]! * PART_POWERS[whole & 255]! * (1 - rest * (1 - 0.5 * rest));
}

/** Spans of a label path. @param chances tokens × types: the probability of the type at the token, which scores them. */
export function spansOf(path: ArrayLike<number>, chances?: ArrayLike<number>, types = 0): TaggedSpan[] {
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
    if (chances) {
      score = 0;
      for (let i = t; i < last; i++) score += chances[i * types + type]!;
      score /= last - t;
    }
    spans.push({ first: t, last, type, score });
    t = last;
  }
  return spans;
}
