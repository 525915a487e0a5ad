import type { FlatColumn } from '../flat.js';
import type { TargetQuality } from './report.js';

/** Different values of a column that are told apart; the rest are one. */
const CATEGORIES = 30;
const BINS = 10;
/** A column that takes away this much of the uncertainty is suspect. */
const TOO_GOOD = 0.9;
const LATE_SHARE = 0.05;

type Cell = number | string | null;

/**
 * How much each column tells about the target, by mutual information over the target's entropy on the rows sampled,
 * less what chance would give (Miller and Madow); and which columns may tell it only afterwards.
 */
export function targetQuality(
  type: string,
  columns: readonly FlatColumn[],
  target: number,
  rows: readonly (readonly Cell[])[],
): TargetQuality {
  const labels = categories(rows.map((row) => row[target] ?? null));
  const event = columns.findIndex((c) => c.role === 'event');
  const entropy = entropyOf(counted(labels), rows.length);
  const stem = stemOf(columns[target]!.name);
  const found: { name: string; power: number; afterEvent?: number; leak?: string }[] = [];
  for (const [i, column] of columns.entries()) {
    if (i === target || column.role === 'whole' || column.role === 'id') continue;
    const cells = rows.map((row) => row[i] ?? null);
    if (cells.every((c) => c === null)) continue;
    const power = entropy === 0 ? 0 : uncertaintyTaken(categories(cells), labels, entropy);
    const after = column.role === 'date' || column.role === 'updated' ? lateShare(rows, i, event) : undefined;
    const leak = leakOf(power, after, stemOf(column.name) === stem);
    found.push({
      name: column.name,
      power: Number(power.toFixed(4)),
      ...(after === undefined ? {} : { afterEvent: Number(after.toFixed(4)) }),
      ...(leak ? { leak } : {}),
    });
  }
  return {
    type,
    column: columns[target]!.name,
    rows: rows.length,
    filled: rows.filter((row) => row[target] !== null && row[target] !== undefined).length,
    columns: found.sort((a, b) => b.power - a.power || (a.name < b.name ? -1 : 1)),
  };
}

function leakOf(power: number, after: number | undefined, same: boolean): string | undefined {
  if (same) return 'made of the same element as the target';
  if (power >= TOO_GOOD) return 'tells nearly all of the target: it may be a copy or a consequence';
  if (after !== undefined && after > LATE_SHARE && power > LATE_SHARE)
    return 'known only after the event in part of the rows';
  return undefined;
}

/** `value_quantity_unit` and `value_quantity_value` are of one element. */
function stemOf(name: string): string {
  return name.replace(/_(system|code|display|text|value|unit|start|end|low|high)$/, '');
}

function lateShare(rows: readonly (readonly Cell[])[], column: number, event: number): number | undefined {
  let both = 0;
  let late = 0;
  for (const row of rows) {
    const at = row[event];
    const value = row[column];
    if (typeof at !== 'number' || typeof value !== 'number') continue;
    both++;
    if (value > at) late++;
  }
  return both === 0 ? undefined : late / both;
}

/** Numbers by tenths, words by themselves; an absent value is one of its own. */
function categories(cells: readonly Cell[]): string[] {
  const numbers = cells.filter((c): c is number => typeof c === 'number').sort((a, b) => a - b);
  const distinct = new Set(numbers);
  if (distinct.size > CATEGORIES) {
    const cuts = Array.from(
      { length: BINS - 1 },
      (_, i) => numbers[Math.floor((numbers.length * (i + 1)) / BINS)]!,
    );
    return cells.map((c) =>
      typeof c === 'number' ? `#${cuts.filter((cut) => c >= cut).length}` : String(c),
    );
  }
  const counts = counted(cells.map(String));
  const kept = new Set(
    [...counts]
      .sort((a, b) => b[1] - a[1])
      .slice(0, CATEGORIES)
      .map(([value]) => value),
  );
  return cells.map((c) => (kept.has(String(c)) ? String(c) : '(other)'));
}

function counted(values: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const v of values) counts.set(v, (counts.get(v) ?? 0) + 1);
  return counts;
}

function entropyOf(counts: ReadonlyMap<string, number>, n: number): number {
  let h = 0;
  for (const c of counts.values()) h -= (c / n) * Math.log(c / n);
  return h;
}

function uncertaintyTaken(xs: readonly string[], ys: readonly string[], entropy: number): number {
  const n = xs.length;
  const x = counted(xs);
  const y = counted(ys);
  const joint = counted(xs.map((v, i) => `${v}\u0000${ys[i]}`));
  const information = entropyOf(x, n) + entropyOf(y, n) - entropyOf(joint, n);
  const chance = ((x.size - 1) * (y.size - 1)) / (2 * n);
  return Math.min(1, Math.max(0, (information - chance) / entropy));
}
