/**
 * Decoding of a linear-chain conditional random field over BIO labels. Label 0 is O; type k has the labels
 * 2k+1 (begin) and 2k+2 (inside). `I` may follow only the `B` or `I` of its type, so a decoded path is
 * always a list of spans.
 */

/** Score that no path can make up for. Finite, so that sums of it stay numbers. */
export const IMPOSSIBLE = -1e4;

/** Emissions this far below the best of their token are out of the running: a chance of 1 in 8,000 before context. */
const PRUNING_MARGIN = 9;

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
  /** Labels kept per token (see `prune`), and how many. */
  private active = new Uint8Array(0);
  private activeCount = new Uint8Array(0);
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
      this.active = new Uint8Array(this.capacity);
      this.activeCount = new Uint8Array(this.capacity);
    }
    this.emissions.fill(0, 0, need);
  }

  /**
   * Keeps, per token, the labels whose emission is within `PRUNING_MARGIN` of the best; O, and the beginning of every
   * kept inside, stay so that there is always a legal path. Most tokens keep O alone, which makes the two passes
   * below cost little more than one step a token.
   */
  private prune(length: number): void {
    const { labels, emissions, active, activeCount } = this;
    for (let t = 0; t < length; t++) {
      const at = t * labels;
      let max = emissions[at]!;
      for (let y = 1; y < labels; y++) if (emissions[at + y]! > max) max = emissions[at + y]!;
      const least = max - PRUNING_MARGIN;
      active[at] = 0;
      let count = 1;
      for (let y = 1; y < labels; y += 2) {
        const inside = emissions[at + y + 1]! >= least;
        if (inside || emissions[at + y]! >= least) active[at + count++] = y;
        if (inside) active[at + count++] = y + 1;
      }
      activeCount[t] = count;
    }
  }

  /** Forward–backward with scaling; fills `probabilities` for the first `length` tokens. */
  marginals(length: number): void {
    const { labels, emissions, alpha, beta, expTransitions, probabilities, active, activeCount } = this;
    if (length === 0) return;
    this.prune(length);
    const exp = probabilities; // holds exp(emission - max) until the last step
    exp.fill(0, 0, length * labels);
    for (let t = 0; t < length; t++) {
      const at = t * labels;
      const count = activeCount[t]!;
      if (count === 1) {
        exp[at] = 1;
        continue;
      }
      let max = Number.NEGATIVE_INFINITY;
      for (let i = 0; i < count; i++) max = Math.max(max, emissions[at + active[at + i]!]!);
      for (let i = 0; i < count; i++)
        exp[at + active[at + i]!] = Math.exp(emissions[at + active[at + i]!]! - max);
    }
    for (let t = 0; t < length; t++) {
      const at = t * labels;
      const count = activeCount[t]!;
      const before = t > 0 ? activeCount[t - 1]! : 0;
      let sum = 0;
      for (let i = 0; i < count; i++) {
        const y = active[at + i]!;
        let value = 0;
        if (t === 0) value = this.expStart[y]!;
        else {
          for (let j = 0; j < before; j++) {
            const x = active[at - labels + j]!;
            value += alpha[at - labels + x]! * expTransitions[x * labels + y]!;
          }
        }
        value *= exp[at + y]!;
        alpha[at + y] = value;
        sum += value;
      }
      const scale = sum > 0 ? 1 / sum : 1;
      for (let i = 0; i < count; i++) {
        const y = active[at + i]!;
        alpha[at + y] = alpha[at + y]! * scale;
      }
    }
    const end = (length - 1) * labels;
    for (let i = 0; i < activeCount[length - 1]!; i++) beta[end + active[end + i]!] = 1;
    for (let t = length - 1; t >= 0; t--) {
      const at = t * labels;
      const count = activeCount[t]!;
      let total = 0;
      for (let i = 0; i < count; i++) {
        const y = active[at + i]!;
        const b = beta[at + y]!;
        beta[at + y] = b * exp[at + y]!;
        const p = alpha[at + y]! * b;
        probabilities[at + y] = p; // the exponential is not needed any more
        total += p;
      }
      const unit = total > 0 ? 1 / total : 0;
      for (let i = 0; i < count; i++) {
        const y = active[at + i]!;
        probabilities[at + y] = probabilities[at + y]! * unit;
      }
      if (t === 0) break;
      const previous = at - labels;
      const before = activeCount[t - 1]!;
      let sum = 0;
      for (let j = 0; j < before; j++) {
        const x = active[previous + j]!;
        let value = 0;
        for (let i = 0; i < count; i++) {
          const y = active[at + i]!;
          value += expTransitions[x * labels + y]! * beta[at + y]!;
        }
        beta[previous + x] = value;
        sum += value;
      }
      const scale = sum > 0 ? 1 / sum : 1;
      for (let j = 0; j < before; j++) {
        const x = active[previous + j]!;
        beta[previous + x] = beta[previous + x]! * scale;
      }
    }
  }

  /** The best path for the first `length` tokens, as labels. */
  viterbi(length: number): Int32Array {
    const { labels, emissions, alpha, back, transitions, active, activeCount } = this;
    const path = new Int32Array(length);
    if (length === 0) return path;
    this.prune(length);
    for (let i = 0; i < activeCount[0]!; i++)
      alpha[active[i]!] = emissions[active[i]!]! + this.start[active[i]!]!;
    for (let t = 1; t < length; t++) {
      const at = t * labels;
      const before = activeCount[t - 1]!;
      for (let i = 0; i < activeCount[t]!; i++) {
        const y = active[at + i]!;
        let best = Number.NEGATIVE_INFINITY;
        let from = 0;
        for (let j = 0; j < before; j++) {
          const x = active[at - labels + j]!;
          const score = alpha[at - labels + x]! + transitions[x * labels + y]!;
          if (score > best) {
            best = score;
            from = x;
          }
        }
        alpha[at + y] = best + emissions[at + y]!;
        back[at + y] = from;
      }
    }
    const end = (length - 1) * labels;
    let label = 0;
    let best = Number.NEGATIVE_INFINITY;
    for (let i = 0; i < activeCount[length - 1]!; i++) {
      const y = active[end + i]!;
      if (alpha[end + y]! > best) {
        best = alpha[end + y]!;
        label = y;
      }
    }
    for (let t = length - 1; t >= 0; t--) {
      path[t] = label;
      label = back[t * labels + label]!;
    }
    return path;
  }
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
