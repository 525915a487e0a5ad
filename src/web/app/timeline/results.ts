import type { Concept, Resource } from '../api.js';
import type { Event } from '../events.js';
import { conceptText } from '../words.js';

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

interface Measured {
  code?: Concept;
  valueQuantity?: { value?: number; unit?: string; code?: string };
  interpretation?: Concept[];
  referenceRange?: { low?: { value?: number }; high?: { value?: number }; type?: Concept }[];
}

const NORMAL = new Set(['N', 'NEG', 'IND', 'ND', 'NR', 'S']);

/** What says that a result is out of the ordinary: its interpretation, else its reference range. */
export function abnormalOf(resource: Resource): string | undefined {
  if (resource.resourceType !== 'Observation') return undefined;
  return [resource as Measured, ...((resource.component ?? []) as Measured[])]
    .map(judged)
    .find((found) => found !== undefined);
}

function judged(measured: Measured): string | undefined {
  const codes = (measured.interpretation ?? []).flatMap((i) => i.coding ?? []).map((c) => c.code);
  const given = codes.find((code) => code !== undefined);
  if (given !== undefined) return NORMAL.has(given) ? undefined : given;
  const value = measured.valueQuantity?.value;
  const { low, high } = rangeOf(measured);
  if (value === undefined) return undefined;
  if (high !== undefined && value > high) return 'H';
  return low !== undefined && value < low ? 'L' : undefined;
}

/** The range of the healthy; ranges of other kinds (therapeutic, of treatment) judge nothing. */
export function rangeOf(measured: Measured): { low: number | undefined; high: number | undefined } {
  const range = measured.referenceRange?.find((r) => {
    const code = r.type?.coding?.[0]?.code;
    return code === undefined || code === 'normal';
  });
  return { low: range?.low?.value, high: range?.high?.value };
}

/** Every code with at least two measured values, those with the most values first. */
export function seriesOf(events: readonly Event[]): Series[] {
  const found = new Map<
    string,
    { name: string; unit: string; low?: number; high?: number; points: Point[] }
  >();
  const add = (event: Event, measured: Measured) => {
    const value = Number(measured.valueQuantity?.value);
    const name = nameOf(measured.code);
    if (measured.valueQuantity?.value === undefined || !Number.isFinite(value) || !name) return;
    const unit = measured.valueQuantity.unit ?? measured.valueQuantity.code ?? '';
    const coding = measured.code?.coding?.find((c) => c.code);
    const key = `${coding ? `${coding.system ?? ''}|${coding.code}` : name.toLowerCase()} ${unit}`;
    const series = found.get(key) ?? { name, unit, points: [] };
    found.set(key, series);
    const { low, high } = rangeOf(measured);
    if (low !== undefined) series.low = low;
    if (high !== undefined) series.high = high;
    series.points.push({ at: event.start!, value, abnormal: judged(measured) !== undefined, event });
  };
  for (const event of events) {
    if (event.start === undefined || event.resource.resourceType !== 'Observation') continue;
    add(event, event.resource as Measured);
    for (const part of (event.resource.component ?? []) as Measured[]) add(event, part);
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

/** The shortest of its names: lanes are narrow. */
function nameOf(code: Concept | undefined): string {
  const names = [code?.text, ...(code?.coding ?? []).map((c) => c.display)].filter((n) => n !== undefined);
  return names.sort((a, b) => a.length - b.length)[0] ?? conceptText(code);
}
