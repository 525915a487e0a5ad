/**
 * Sketches of bounded size. None depends on the order in which values come, so that shards read side by side, or
 * again after an interruption, give the same report.
 */

/** 32 bits of a text (FNV-1a with a last mixing): to sample and to count by, not to hide. */
export function hash32(text: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** Keeps what hashes lowest: each item with the same chance, at most `most` of them. */
export class Sample<T> {
  private kept: { readonly hash: number; readonly item: T }[] = [];
  private below = 2 ** 32;

  constructor(private readonly most: number) {}

  add(hash: number, item: () => T): void {
    if (hash >= this.below) return;
    this.kept.push({ hash, item: item() });
    while (this.kept.length > this.most) {
      this.below /= 2;
      this.kept = this.kept.filter((k) => k.hash < this.below);
    }
  }

  items(): T[] {
    return [...this.kept].sort((a, b) => a.hash - b.hash).map((k) => k.item);
  }
}

/** How many different values there are: exact below `K`, else from the K smallest hashes, give or take 3 %. */
export class Distinct {
  private static readonly K = 1024;
  private kept = new Set<number>();
  private highest = 2 ** 32;

  add(hash: number): void {
    if (hash >= this.highest) return;
    this.kept.add(hash);
    if (this.kept.size <= 2 * Distinct.K) return;
    const sorted = [...this.kept].sort((a, b) => a - b).slice(0, Distinct.K);
    this.kept = new Set(sorted);
    this.highest = sorted[Distinct.K - 1]! + 1;
  }

  count(): number {
    if (this.highest === 2 ** 32) return this.kept.size;
    const sorted = [...this.kept].sort((a, b) => a - b).slice(0, Distinct.K);
    return Math.round(((Distinct.K - 1) / sorted[Distinct.K - 1]!) * 2 ** 32);
  }
}

/** How often values occur; of more than `most` different ones the rest are told together. */
export class Frequencies {
  private readonly counts = new Map<string, number>();
  rest = 0;

  constructor(private readonly most: number) {}

  add(value: string): void {
    const n = this.counts.get(value);
    if (n !== undefined) this.counts.set(value, n + 1);
    else if (this.counts.size < this.most) this.counts.set(value, 1);
    else this.rest++;
  }

  top(n: number): { value: string; count: number }[] {
    return [...this.counts]
      .sort(([a, m], [b, k]) => k - m || (a < b ? -1 : 1))
      .slice(0, n)
      .map(([value, count]) => ({ value, count }));
  }
}

/** Of sorted numbers; undefined of none. */
export function quantile(sorted: readonly number[], q: number): number | undefined {
  if (sorted.length === 0) return undefined;
  const at = (sorted.length - 1) * q;
  const low = Math.floor(at);
  const high = Math.ceil(at);
  return sorted[low]! + (sorted[high]! - sorted[low]!) * (at - low);
}

/** Median and the standard deviation that 1.4826 times the median distance from it stands for. */
export function robust(values: readonly number[]): { median: number; sd: number } | undefined {
  const sorted = [...values].sort((a, b) => a - b);
  const median = quantile(sorted, 0.5);
  if (median === undefined) return undefined;
  const distances = sorted.map((v) => Math.abs(v - median)).sort((a, b) => a - b);
  return { median, sd: 1.4826 * quantile(distances, 0.5)! };
}

export interface Histogram {
  readonly from: number;
  readonly to: number;
  readonly counts: readonly number[];
}

/** Bins of equal width between the 0.5th and 99.5th percentile; the outermost take what is beyond. */
export function histogram(values: readonly number[], bins = 20): Histogram | undefined {
  const sorted = [...values].sort((a, b) => a - b);
  const from = quantile(sorted, 0.005);
  const to = quantile(sorted, 0.995);
  if (from === undefined || to === undefined) return undefined;
  const counts = new Array<number>(from === to ? 1 : bins).fill(0);
  for (const v of sorted) {
    const bin = from === to ? 0 : Math.floor(((v - from) / (to - from)) * bins);
    counts[Math.min(counts.length - 1, Math.max(0, bin))]!++;
  }
  return { from, to, counts };
}
