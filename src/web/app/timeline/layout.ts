import { type Density, type Event, LANES, laneOf } from '../events.js';
import type { Point, Series } from './results.js';

/** The visible span of time, in ms. */
export interface Window {
  readonly from: number;
  readonly to: number;
}

export const DAY = 86_400_000;
export const AXIS_HEIGHT = 26;
const LANE_HEIGHT = 42;
const ROW_HEIGHT = 17;
const SERIES_HEIGHT = 58;
/** Rows of one lane at most; what finds no room shares the last. */
const MAX_ROWS = 14;
/** Above this many events per pixel a lane is drawn as a band of density. */
const CROWDED_PER_PIXEL = 0.35;
/** Courses of one lane that are laid in rows; more of them are drawn as density. */
const MAX_IN_ROWS = 2_000;
/** Lanes whose events have a course. */
const IN_ROWS = new Set(['Conditions', 'Medications']);

/** One event as it stands in its lane. */
export interface Mark {
  readonly event: Event;
  readonly row: number;
}

/** A thin line that joins what is told of one thing again and again. */
export interface Join {
  readonly from: number;
  readonly to: number;
  readonly row: number;
  readonly title: string;
  /** Told once: there is nothing to join. */
  readonly single: boolean;
  /** Has a course, drawn as a bar. */
  readonly bar: boolean;
}

export interface Lane {
  readonly name: string;
  readonly colour: string;
  readonly top: number;
  readonly height: number;
  readonly rowHeight: number;
  readonly mode: 'marks' | 'density' | 'series';
  readonly marks: readonly Mark[];
  readonly joins: readonly Join[];
  readonly series: Series | undefined;
  /** Of a lane whose events are counted and not read yet: pairs of a day and its events. */
  readonly days?: readonly (readonly [day: number, events: number])[];
}

export interface Layout {
  readonly lanes: readonly Lane[];
  readonly height: number;
}

export const labelWidth = (width: number): number => (width < 560 ? 84 : 132);
export const plotWidth = (width: number): number => Math.max(width - labelWidth(width) - 8, 50);

export function timeAt(x: number, width: number, window: Window): number {
  return window.from + ((x - labelWidth(width)) / plotWidth(width)) * (window.to - window.from);
}

/** Events by lane, each lane's oldest first; those without a date are left to the list. */
export function byLane(events: readonly Event[]): ReadonlyMap<number, readonly Event[]> {
  const lanes = new Map<number, Event[]>();
  for (const event of events) {
    if (event.start === undefined) continue;
    const lane = laneOf(event.kind);
    const list = lanes.get(lane);
    if (list) list.push(event);
    else lanes.set(lane, [event]);
  }
  for (const list of lanes.values()) list.sort((a, b) => a.start! - b.start!);
  return lanes;
}

/** Where a course ends on the page: given, now while it goes on, else where it began. */
export const endOf = (event: Event): number =>
  event.end ?? (event.open ? Math.max(Date.now(), event.start!) : event.start!);

/** Lays the lanes out for a window: rows for courses, marks for the rest, density where they would cover each other. */
export function layOut(
  lanes: ReadonlyMap<number, readonly Event[]>,
  charts: readonly Series[],
  window: Window,
  width: number,
): Layout {
  const out: Lane[] = [];
  let top = 0;
  const place = (lane: Omit<Lane, 'top'>) => {
    out.push({ ...lane, top });
    top += lane.height;
  };
  LANES.forEach(({ name, colour }, index) => {
    const events = lanes.get(index);
    if (!events) return;
    const seen = events.filter((e) => e.start! <= window.to && endOf(e) >= window.from);
    const head = { name, colour, series: undefined };
    if (seen.length > plotWidth(width) * CROWDED_PER_PIXEL)
      place({
        ...head,
        mode: 'density',
        height: LANE_HEIGHT,
        rowHeight: LANE_HEIGHT,
        marks: marksOf(seen),
        joins: [],
      });
    else if (IN_ROWS.has(name) && events.length <= MAX_IN_ROWS) {
      const { marks, joins, rows } = inRows(events, (window.to - window.from) / plotWidth(width));
      place({
        ...head,
        mode: 'marks',
        height: Math.max(rows * ROW_HEIGHT + 8, LANE_HEIGHT),
        rowHeight: rows === 1 ? LANE_HEIGHT - 8 : ROW_HEIGHT,
        marks,
        joins,
      });
    } else
      place({
        ...head,
        mode: 'marks',
        height: LANE_HEIGHT,
        rowHeight: LANE_HEIGHT - 8,
        marks: marksOf(seen),
        joins: [],
      });
    if (name !== 'Results') return;
    for (const series of charts)
      place({
        name: series.name,
        colour,
        mode: 'series',
        height: SERIES_HEIGHT,
        rowHeight: SERIES_HEIGHT,
        marks: [],
        joins: [],
        series,
      });
  });
  return { lanes: out, height: top + AXIS_HEIGHT };
}

/** The lanes as bands, from the counts alone: what is seen until the events are read. */
export function layOutDensity({ days }: Density): Layout {
  const counts = new Map<number, (readonly [number, number])[]>();
  for (const [kind, pairs] of Object.entries(days)) {
    const lane = laneOf(kind);
    counts.set(lane, [...(counts.get(lane) ?? []), ...pairs]);
  }
  const lanes = LANES.flatMap(({ name, colour }, index): Omit<Lane, 'top'>[] => {
    const of = counts.get(index);
    const height = LANE_HEIGHT;
    const head = { name, colour, height, rowHeight: height, mode: 'density' as const, series: undefined };
    return of ? [{ ...head, marks: [], joins: [], days: of }] : [];
  });
  return {
    lanes: lanes.map((lane, i) => ({ ...lane, top: i * LANE_HEIGHT })),
    height: lanes.length * LANE_HEIGHT + AXIS_HEIGHT,
  };
}

/** The span of all days that have events. */
export function wholeOfDensity({ days }: Density): Window {
  const all = Object.values(days).flat();
  if (all.length === 0) return wholeWindow([]);
  let from = Number.POSITIVE_INFINITY;
  let to = Number.NEGATIVE_INFINITY;
  for (const [day] of all) {
    from = Math.min(from, day * DAY);
    to = Math.max(to, (day + 1) * DAY);
  }
  return withMargin(from, to);
}

const marksOf = (events: readonly Event[]): Mark[] => events.map((event) => ({ event, row: 0 }));

/** What is told of one thing shares a row; things that overlap stand under each other. */
function inRows(
  events: readonly Event[],
  msPerPixel: number,
): { marks: Mark[]; joins: Join[]; rows: number } {
  const things = new Map<string, Event[]>();
  for (const event of events) {
    const key = event.title.toLowerCase().split(/[:(]/)[0]!.trim();
    const list = things.get(key);
    if (list) list.push(event);
    else things.set(key, [event]);
  }
  const gap = 14 * msPerPixel;
  const ends: number[] = [];
  const marks: Mark[] = [];
  const joins: Join[] = [];
  for (const list of things.values()) {
    const from = list[0]!.start!;
    const to = Math.max(...list.map(endOf));
    let row = ends.findIndex((end) => end + gap < from);
    if (row < 0) row = ends.length < MAX_ROWS ? ends.length : MAX_ROWS - 1;
    ends[row] = Math.max(ends[row] ?? Number.NEGATIVE_INFINITY, to);
    for (const event of list) marks.push({ event, row });
    joins.push({
      from,
      to,
      row,
      title: list[0]!.title,
      single: list.length === 1,
      bar: endOf(list[0]!) > from,
    });
  }
  return { marks, joins, rows: Math.max(ends.length, 1) };
}

/** The event under the pointer: the nearest within a few pixels. */
export function hit(
  { lanes }: Layout,
  window: Window,
  width: number,
  px: number,
  py: number,
): Event | undefined {
  const lane = lanes.find((l) => py >= l.top && py < l.top + l.height);
  const left = labelWidth(width);
  if (!lane || px < left - 6) return undefined;
  const x = (t: number) => left + ((t - window.from) / (window.to - window.from)) * plotWidth(width);
  let best: Event | undefined;
  let nearest = 9;
  const offer = (event: Event, distance: number) => {
    if (distance >= nearest) return;
    nearest = distance;
    best = event;
  };
  if (lane.series) {
    const y = valueScale(lane.series, lane);
    for (const p of lane.series.points) offer(p.event, Math.hypot(x(p.at) - px, (y(p.value) - py) / 2));
    return best;
  }
  for (const { event, row } of lane.marks) {
    const middle = lane.top + 4 + (row + 0.5) * lane.rowHeight;
    if (lane.mode === 'marks' && Math.abs(middle - py) > lane.rowHeight / 2) continue;
    const from = x(event.start!);
    const to = x(endOf(event));
    // Of a course and a point within it, the point is meant.
    offer(event, px < from ? from - px : px > to ? px - to : to - from > 12 ? 6 : 0);
  }
  return best;
}

/** From a value to its height in the lane; the reference range is always in sight. */
export function valueScale(series: Series, lane: Pick<Lane, 'top' | 'height'>): (value: number) => number {
  let low = series.low ?? Number.POSITIVE_INFINITY;
  let high = series.high ?? Number.NEGATIVE_INFINITY;
  for (const { value } of series.points as readonly Point[]) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  const spread = high - low || Math.abs(high) || 1;
  const room = lane.height - 16;
  return (value) => lane.top + lane.height - 8 - ((value - low) / spread) * room;
}

/** The span of all dated events with a margin; a year around today where there are none. */
export function wholeWindow(events: readonly Event[]): Window {
  let from = Number.POSITIVE_INFINITY;
  let to = Number.NEGATIVE_INFINITY;
  for (const event of events) {
    if (event.start === undefined) continue;
    from = Math.min(from, event.start);
    to = Math.max(to, event.end ?? event.start);
  }
  if (!Number.isFinite(from)) return { from: Date.now() - 182 * DAY, to: Date.now() + 182 * DAY };
  return withMargin(from, to);
}

function withMargin(from: number, to: number): Window {
  const margin = Math.max((to - from) * 0.03, 15 * DAY);
  return { from: from - margin, to: Math.min(to, Date.now() + 365 * DAY) + margin };
}

/** From 150 years to six hours. */
export function zoomed(window: Window, around: number, factor: number): Window {
  const span = Math.min(Math.max((window.to - window.from) * factor, DAY / 4), 150 * 365 * DAY);
  const share = (around - window.from) / (window.to - window.from);
  return { from: around - span * share, to: around + span * (1 - share) };
}

export function moved(window: Window, share: number): Window {
  const by = (window.to - window.from) * share;
  return { from: window.from + by, to: window.to + by };
}

/** A window of `span` ms, or of the same span, around a moment. */
export function around(moment: number, window: Window, span = window.to - window.from): Window {
  return { from: moment - span / 2, to: moment + span / 2 };
}
