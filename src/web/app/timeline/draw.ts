import type { Event } from '../events.js';
import {
  AXIS_HEIGHT,
  DAY,
  endOf,
  type Lane,
  type Layout,
  labelWidth,
  plotWidth,
  valueScale,
  type Window,
} from './layout.js';
import type { Point } from './results.js';

interface Ink {
  readonly text: string;
  readonly quiet: string;
  readonly line: string;
  readonly bad: string;
  readonly paper: string;
  readonly lane: string;
}

interface Stage {
  readonly context: CanvasRenderingContext2D;
  readonly left: number;
  readonly plot: number;
  readonly x: (t: number) => number;
  readonly ink: Ink;
  readonly chosen: string | undefined;
}

/** How long the newest drawing took is kept as a measure of this name. */
export const DRAWN = 'timeline-drawn';

/** Draws lanes, axis and events; linear in the events of the window. */
export function draw(
  canvas: HTMLCanvasElement,
  { lanes, height }: Layout,
  window: Window,
  chosen: string | undefined,
): void {
  const width = canvas.clientWidth;
  const context = sized(canvas, width, height);
  const style = getComputedStyle(canvas);
  const colour = (name: string) => style.getPropertyValue(name).trim();
  const left = labelWidth(width);
  const plot = plotWidth(width);
  const x = (t: number) => left + ((t - window.from) / (window.to - window.from)) * plot;
  const ink = {
    text: colour('--text'),
    quiet: colour('--quiet'),
    line: colour('--line'),
    bad: colour('--bad'),
    paper: colour('--paper'),
  };
  context.font = '12px system-ui, sans-serif';
  drawAxis(context, window, x, width, height, ink);
  for (const lane of lanes) {
    const stage: Stage = { context, left, plot, x, ink: { ...ink, lane: colour(lane.colour) }, chosen };
    context.fillStyle = ink.line;
    context.fillRect(0, lane.top + lane.height - 0.5, width, 0.5);
    drawLabel(stage, lane);
    context.save();
    context.beginPath();
    context.rect(left, lane.top, plot + 8, lane.height);
    context.clip();
    if (lane.series) drawSeries(stage, lane);
    else if (lane.mode === 'density') drawDensity(stage, lane);
    else drawMarks(stage, lane);
    context.restore();
  }
}

/** The canvas's pixels follow the screen's. */
export function sized(canvas: HTMLCanvasElement, width: number, height: number): CanvasRenderingContext2D {
  const ratio = devicePixelRatio || 1;
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== w || canvas.height !== h) {
    canvas.width = w;
    canvas.height = h;
  }
  canvas.style.height = `${height}px`;
  const context = canvas.getContext('2d')!;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}

function drawLabel({ context, left, ink }: Stage, lane: Lane): void {
  context.textBaseline = 'middle';
  if (!lane.series) {
    context.fillStyle = ink.text;
    context.fillText(fitting(context, lane.name, left - 12), 6, lane.top + lane.height / 2);
    return;
  }
  const newest = lane.series.points.at(-1)!;
  context.fillStyle = ink.text;
  context.fillText(fitting(context, lane.name, left - 20), 14, lane.top + lane.height / 2 - 8);
  context.fillStyle = newest.abnormal ? ink.bad : ink.quiet;
  const value = `${Math.round(newest.value * 100) / 100} ${lane.series.unit}`;
  context.fillText(fitting(context, value, left - 20), 14, lane.top + lane.height / 2 + 9);
}

function fitting(context: CanvasRenderingContext2D, text: string, room: number): string {
  if (context.measureText(text).width <= room) return text;
  let cut = text.length - 1;
  while (cut > 1 && context.measureText(`${text.slice(0, cut)}…`).width > room) cut--;
  return `${text.slice(0, cut).trimEnd()}…`;
}

const BIN = 3;

function drawDensity({ context, left, plot, x, ink }: Stage, lane: Lane): void {
  const all = new Uint32Array(Math.ceil(plot / BIN) + 1);
  const abnormal = new Uint32Array(all.length);
  let most = 1;
  const count = (at: number, n: number, isAbnormal: boolean) => {
    const bin = Math.floor((x(at) - left) / BIN);
    if (bin < 0 || bin >= all.length) return;
    all[bin]! += n;
    most = Math.max(most, all[bin]!);
    if (isAbnormal) abnormal[bin]! += n;
  };
  for (const { event } of lane.marks) count(event.start!, 1, event.abnormal !== undefined);
  for (const [day, n] of lane.days ?? []) count((day + 0.5) * DAY, n, false);
  const tall = (n: number) => Math.max(3, Math.sqrt(n / most) * (lane.height - 10));
  for (const [counts, colour] of [
    [all, ink.lane],
    [abnormal, ink.bad],
  ] as const) {
    context.fillStyle = colour;
    counts.forEach((n, bin) => {
      if (n > 0) context.fillRect(left + bin * BIN, lane.top + lane.height - 4 - tall(n), BIN - 0.6, tall(n));
    });
  }
}

function drawMarks(stage: Stage, lane: Lane): void {
  const { context, x, ink, chosen } = stage;
  const middleOf = (row: number) => lane.top + 4 + (row + 0.5) * lane.rowHeight;
  context.lineWidth = 1;
  context.strokeStyle = ink.lane;
  context.globalAlpha = 0.45;
  for (const { from, to, row, single } of lane.joins) {
    if (single) continue;
    context.beginPath();
    context.moveTo(x(from), middleOf(row));
    context.lineTo(x(to), middleOf(row));
    context.stroke();
  }
  context.globalAlpha = 1;
  // What is abnormal comes last, so that nothing of the same day hides it.
  for (const abnormal of [false, true])
    for (const { event, row } of lane.marks)
      if ((event.abnormal !== undefined) === abnormal) drawMark(stage, event, middleOf(row), lane.rowHeight);
  drawTitles(stage, lane, middleOf);
  for (const { event, row } of lane.marks) {
    if (event.key !== chosen) continue;
    context.lineWidth = 1.5;
    context.strokeStyle = ink.text;
    const left = x(event.start!);
    context.strokeRect(left - 8, middleOf(row) - 8, Math.max(x(endOf(event)) - left, 0) + 16, 16);
  }
}

function drawMark({ context, x, ink }: Stage, event: Event, middle: number, room: number): void {
  const left = x(event.start!);
  const right = x(endOf(event));
  const colour = event.abnormal ? ink.bad : ink.lane;
  const half = Math.min(5, room / 2 - 3);
  context.fillStyle = colour;
  if (right - left > 6) {
    context.globalAlpha = event.open ? 0.4 : 0.75;
    context.fillRect(left, middle - half, right - left, half * 2);
    context.globalAlpha = 1;
    // Where it began stands out; what goes on has no such end.
    context.fillRect(left, middle - half, 2.5, half * 2);
    if (!event.open) context.fillRect(right - 2.5, middle - half, 2.5, half * 2);
    return;
  }
  context.beginPath();
  if (event.abnormal) {
    context.moveTo(left, middle - half - 1);
    context.lineTo(left + half + 1, middle);
    context.lineTo(left, middle + half + 1);
    context.lineTo(left - half - 1, middle);
    context.closePath();
  } else context.arc(left, middle, half - 0.5, 0, Math.PI * 2);
  // A fact from a note is a ring, a record is a disc.
  if (event.derived) {
    context.lineWidth = 2;
    context.strokeStyle = colour;
    context.fillStyle = ink.paper;
    context.fill();
    context.stroke();
  } else context.fill();
}

/** Narrower than this a title says nothing. */
const MIN_TITLE = 48;

/** What a row tells of, where there is room for it before the next. */
function drawTitles(
  { context, left, plot, x, ink }: Stage,
  lane: Lane,
  middleOf: (row: number) => number,
): void {
  if (lane.joins.length === 0) return;
  context.font = '11px system-ui, sans-serif';
  context.textBaseline = 'middle';
  const rows = new Map<number, typeof lane.joins>();
  for (const join of lane.joins) rows.set(join.row, [...(rows.get(join.row) ?? []), join]);
  for (const [row, joins] of rows) {
    const sorted = [...joins].sort((a, b) => a.from - b.from);
    let taken = left;
    sorted.forEach((join, i) => {
      const [from, to] = [x(join.from), x(join.to)];
      const next = sorted[i + 1];
      const limit = Math.min(next ? x(next.from) - 8 : Number.POSITIVE_INFINITY, left + plot + 4);
      // Beside it where there is room; else a long course bears its name.
      const beside = limit - to - 8 >= MIN_TITLE && to + 8 >= left;
      const at = Math.max(beside ? to + 8 : from + 9, left + 4);
      const room = (beside ? limit : Math.min(to, left + plot)) - at;
      if (room < MIN_TITLE || at < taken || (!beside && to - from < 60)) return;
      const title = fitting(context, join.title, room);
      const wide = context.measureText(title).width;
      if (!beside && !join.bar) {
        context.fillStyle = ink.paper;
        context.fillRect(at - 2, middleOf(row) - 7, wide + 4, 14);
      }
      context.fillStyle = beside || !join.bar ? ink.quiet : ink.text;
      context.fillText(title, at, middleOf(row) + 0.5);
      taken = at + wide + 4;
    });
  }
  context.font = '12px system-ui, sans-serif';
}

function drawSeries({ context, left, plot, x, ink, chosen }: Stage, lane: Lane): void {
  const series = lane.series!;
  const y = valueScale(series, lane);
  if (series.low !== undefined || series.high !== undefined) {
    const top = series.high === undefined ? lane.top + 4 : y(series.high);
    const bottom = series.low === undefined ? lane.top + lane.height - 4 : y(series.low);
    context.globalAlpha = 0.14;
    context.fillStyle = ink.lane;
    context.fillRect(left, top, plot + 8, Math.max(bottom - top, 1));
    context.globalAlpha = 1;
  }
  const seen = series.points.filter((p) => x(p.at) >= left - 4 && x(p.at) <= left + plot + 8);
  if (seen.length > plot) {
    drawEnvelope(context, seen, x, y, ink);
    return;
  }
  context.strokeStyle = ink.lane;
  context.lineWidth = 1.25;
  context.beginPath();
  series.points.forEach((p, i) => {
    if (i === 0) context.moveTo(x(p.at), y(p.value));
    else context.lineTo(x(p.at), y(p.value));
  });
  context.stroke();
  const small = seen.length > plot / 6;
  for (const p of seen) {
    if (small && !p.abnormal) continue;
    context.beginPath();
    context.arc(x(p.at), y(p.value), small ? 1.75 : 3.25, 0, Math.PI * 2);
    context.strokeStyle = context.fillStyle = p.abnormal ? ink.bad : ink.lane;
    if (p.event.derived && !small) {
      context.fillStyle = ink.paper;
      context.lineWidth = 1.75;
      context.fill();
      context.stroke();
    } else context.fill();
    if (p.event.key !== chosen) continue;
    context.lineWidth = 1.5;
    context.strokeStyle = ink.text;
    context.strokeRect(x(p.at) - 7, y(p.value) - 7, 14, 14);
  }
}

/** Of more values than pixels: the span of those of a few pixels, paler, and their middle one as a line. */
function drawEnvelope(
  context: CanvasRenderingContext2D,
  points: readonly Point[],
  x: (t: number) => number,
  y: (value: number) => number,
  ink: Ink,
): void {
  const bins = new Map<number, Point[]>();
  for (const p of points) {
    const bin = Math.floor(x(p.at) / BIN);
    const list = bins.get(bin);
    if (list) list.push(p);
    else bins.set(bin, [p]);
  }
  const middles: [number, number][] = [];
  for (const [bin, list] of [...bins].sort(([a], [b]) => a - b)) {
    list.sort((a, b) => a.value - b.value);
    const top = y(list.at(-1)!.value);
    context.globalAlpha = 0.3;
    context.fillStyle = ink.lane;
    context.fillRect(bin * BIN, top, BIN, Math.max(y(list[0]!.value) - top, 1));
    // The share of those that are abnormal, along the bottom.
    const share = list.filter((p) => p.abnormal).length / list.length;
    if (share > 0) {
      context.globalAlpha = 0.25 + 0.75 * share;
      context.fillStyle = ink.bad;
      context.fillRect(bin * BIN, y(list[0]!.value) + 3, BIN, 2);
    }
    middles.push([(bin + 0.5) * BIN, y(list[list.length >> 1]!.value)]);
  }
  context.globalAlpha = 1;
  context.strokeStyle = ink.lane;
  context.lineWidth = 1.5;
  context.beginPath();
  middles.forEach(([px, py], i) => {
    if (i === 0) context.moveTo(px, py);
    else context.lineTo(px, py);
  });
  context.stroke();
}

interface Step {
  readonly ms: number;
  readonly label: (d: Date) => string;
  readonly first: (d: Date) => number;
  readonly next: (d: Date) => number;
}

const HOUR = 3_600_000;
const years = (n: number): Step => ({
  ms: n * 365.25 * DAY,
  label: (d) => String(d.getUTCFullYear()),
  first: (d) => Date.UTC(Math.floor(d.getUTCFullYear() / n) * n, 0, 1),
  next: (d) => Date.UTC(d.getUTCFullYear() + n, 0, 1),
});
const months = (n: number): Step => ({
  ms: n * 30.4 * DAY,
  label: (d) => d.toISOString().slice(0, 7),
  first: (d) => Date.UTC(d.getUTCFullYear(), Math.floor(d.getUTCMonth() / n) * n, 1),
  next: (d) => Date.UTC(d.getUTCFullYear(), d.getUTCMonth() + n, 1),
});
const days = (n: number): Step => ({
  ms: n * DAY,
  label: (d) => d.toISOString().slice(0, 10),
  first: (d) => Math.floor(d.getTime() / (n * DAY)) * n * DAY,
  next: (d) => d.getTime() + n * DAY,
});
const hours = (n: number): Step => ({
  ms: n * HOUR,
  label: (d) => d.toISOString().slice(d.getUTCHours() === 0 ? 0 : 11, d.getUTCHours() === 0 ? 10 : 16),
  first: (d) => Math.floor(d.getTime() / (n * HOUR)) * n * HOUR,
  next: (d) => d.getTime() + n * HOUR,
});
const STEPS = [
  hours(1),
  hours(6),
  days(1),
  days(7),
  months(1),
  months(3),
  years(1),
  years(2),
  years(5),
  years(10),
  years(20),
];
const LABEL_ROOM = 84;

function drawAxis(
  context: CanvasRenderingContext2D,
  window: Window,
  x: (t: number) => number,
  width: number,
  height: number,
  ink: Omit<Ink, 'lane'>,
): void {
  const room = Math.max(2, Math.floor(plotWidth(width) / LABEL_ROOM));
  const step = STEPS.find(({ ms }) => (window.to - window.from) / ms <= room) ?? STEPS.at(-1)!;
  context.textBaseline = 'alphabetic';
  let tick = new Date(step.first(new Date(window.from)));
  for (let i = 0; i < 200 && tick.getTime() <= window.to; i++, tick = new Date(step.next(tick))) {
    if (tick.getTime() < window.from) continue;
    const at = x(tick.getTime());
    context.fillStyle = ink.line;
    context.fillRect(at, 0, 0.75, height - AXIS_HEIGHT + 6);
    context.fillStyle = ink.quiet;
    const label = step.label(tick);
    if (at + context.measureText(label).width + 2 <= width) context.fillText(label, at + 2, height - 8);
  }
}
