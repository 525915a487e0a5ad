import type { Event } from '../events.js';

/** One measured value. */
export interface Point {
  /** ms */
  readonly at: number;
  readonly value: number;
  readonly abnormal: boolean;
  readonly event: Event;
}

/** The values of one code in one unit, oldest first. */
export interface Series {
  readonly key: string;
  readonly name: string;
  readonly unit: string;
  /** Of the newest value that states a range. */
  readonly low: number | undefined;
  readonly high: number | undefined;
  readonly points: readonly Point[];
}

/** Every code with at least two measured values, those with the most values first. */
export function seriesOf(events: readonly Event[]): Series[] {
  const found = new Map<
    string,
    { name: string; unit: string; low?: number; high?: number; points: Point[] }
  >();
  for (const event of events) {
    if (event.start === undefined) continue;
    for (const { code, name, value, unit = '', low, high, flag } of event.measured) {
      const key = `${code ?? name.toLowerCase()} ${unit}`;
      const series = found.get(key) ?? { name, unit, points: [] };
      found.set(key, series);
      if (low !== undefined) series.low = low;
      if (high !== undefined) series.high = high;
      series.points.push({ at: event.start, value, abnormal: flag !== undefined, event });
    }
  }
  return [...found]
    .filter(([, s]) => s.points.length > 1)
    .map(([key, s]) => ({
      key,
      name: s.name,
      unit: s.unit,
      low: s.low,
      high: s.high,
      points: s.points.sort((a, b) => a.at - b.at),
    }))
    .sort((a, b) => b.points.length - a.points.length || (a.name < b.name ? -1 : 1));
}
