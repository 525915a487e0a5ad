import { type Event, LANES, laneOf } from './events.js';

/** The visible span of time, in ms. */
export interface Window {
  readonly from: number;
  readonly to: number;
}

export const LANE_HEIGHT = 46;
export const AXIS_HEIGHT = 26;
const LABEL_WIDTH = 96;
/** Above this many events per lane and pixel column a lane is drawn as a band of density. */
const CROWDED_PER_PIXEL = 0.35;
const DAY = 86_400_000;

export const laneCount = (events: readonly Event[]): number[] => {
  const used = new Set(events.filter((e) => e.start !== undefined).map((e) => laneOf(e.kind)));
  return LANES.map((_, i) => i).filter((i) => used.has(i));
};

export function plotWidth(width: number): number {
  return Math.max(width - LABEL_WIDTH - 8, 50);
}

export function timeAt(x: number, width: number, window: Window): number {
  return window.from + ((x - LABEL_WIDTH) / plotWidth(width)) * (window.to - window.from);
}

/** Draws lanes, axis and events; linear in the events of the window. */
export function draw(
  canvas: HTMLCanvasElement,
  events: readonly Event[],
  lanes: readonly number[],
  window: Window,
  chosen: string | undefined,
): void {
  const ratio = devicePixelRatio || 1;
  const width = canvas.clientWidth;
  const height = lanes.length * LANE_HEIGHT + AXIS_HEIGHT;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  canvas.style.height = `${height}px`;
  const context = canvas.getContext('2d')!;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  const style = getComputedStyle(canvas);
  const colour = (name: string) => style.getPropertyValue(name).trim();
  const plot = plotWidth(width);
  const x = (t: number) => LABEL_WIDTH + ((t - window.from) / (window.to - window.from)) * plot;
  context.font = '12px system-ui, sans-serif';
  drawAxis(context, window, x, width, height, colour('--line'), colour('--quiet'));
  const row = new Map(lanes.map((lane, i) => [lane, i]));
  const perLane: Event[][] = lanes.map(() => []);
  for (const event of events) {
    if (event.start === undefined || event.start > window.to || (event.end ?? event.start) < window.from)
      continue;
    perLane[row.get(laneOf(event.kind))!]?.push(event);
  }
  lanes.forEach((lane, i) => {
    const top = i * LANE_HEIGHT;
    const ink = colour(LANES[lane]!.colour);
    context.fillStyle = colour('--text');
    context.textBaseline = 'middle';
    context.fillText(LANES[lane]!.name, 4, top + LANE_HEIGHT / 2);
    context.fillStyle = colour('--line');
    context.fillRect(0, top + LANE_HEIGHT - 0.5, width, 0.5);
    context.save();
    context.beginPath();
    context.rect(LABEL_WIDTH, top, plot + 8, LANE_HEIGHT);
    context.clip();
    if (perLane[i]!.length > plot * CROWDED_PER_PIXEL) drawDensity(context, perLane[i]!, x, top, plot, ink);
    else drawMarks(context, perLane[i]!, x, top, ink, chosen, colour('--text'));
    context.restore();
  });
}

function drawDensity(
  context: CanvasRenderingContext2D,
  events: readonly Event[],
  x: (t: number) => number,
  top: number,
  plot: number,
  ink: string,
): void {
  const bins = new Uint32Array(Math.ceil(plot / 3) + 1);
  let most = 1;
  for (const { start } of events) {
    const bin = Math.floor((x(start!) - LABEL_WIDTH) / 3);
    if (bin >= 0 && bin < bins.length) most = Math.max(most, ++bins[bin]!);
  }
  context.fillStyle = ink;
  bins.forEach((n, bin) => {
    if (n === 0) return;
    const h = Math.max(3, (Math.sqrt(n) / Math.sqrt(most)) * (LANE_HEIGHT - 10));
    context.fillRect(LABEL_WIDTH + bin * 3, top + LANE_HEIGHT - 4 - h, 2.4, h);
  });
}

function drawMarks(
  context: CanvasRenderingContext2D,
  events: readonly Event[],
  x: (t: number) => number,
  top: number,
  ink: string,
  chosen: string | undefined,
  text: string,
): void {
  for (const event of events) {
    const left = x(event.start!);
    const middle = top + LANE_HEIGHT / 2;
    context.globalAlpha = event.derived ? 0.75 : 1;
    context.fillStyle = ink;
    if (event.end !== undefined && x(event.end) - left > 6) {
      context.fillRect(left, middle - 5, x(event.end) - left, 10);
    } else {
      context.beginPath();
      context.arc(left, middle, event.key === chosen ? 7 : 4.5, 0, Math.PI * 2);
      // A fact from a note is a ring, a record is a disc.
      if (event.derived) {
        context.lineWidth = 2;
        context.strokeStyle = ink;
        context.stroke();
      } else context.fill();
    }
    if (event.key === chosen) {
      context.globalAlpha = 1;
      context.lineWidth = 1.5;
      context.strokeStyle = text;
      context.strokeRect(left - 9, middle - 9, 18, 18);
    }
  }
  context.globalAlpha = 1;
}

const STEPS: readonly [ms: number, label: (d: Date) => string, next: (d: Date) => Date][] = [
  [
    DAY,
    (d) => d.toISOString().slice(0, 10),
    (d) => new Date(Date.UTC(d.getUTCFullYear(), d.getUTCMonth(), d.getUTCDate() + 1)),
  ],
  [
    30 * DAY,
    (d) => d.toISOString().slice(0, 7),
    (d) => new Date(Date.UTC(d.getUTCFullYear(), d.getUTCMonth() + 1, 1)),
  ],
  [365 * DAY, (d) => String(d.getUTCFullYear()), (d) => new Date(Date.UTC(d.getUTCFullYear() + 1, 0, 1))],
  [
    3650 * DAY,
    (d) => String(d.getUTCFullYear()),
    (d) => new Date(Date.UTC(Math.floor(d.getUTCFullYear() / 10) * 10 + 10, 0, 1)),
  ],
];

function drawAxis(
  context: CanvasRenderingContext2D,
  window: Window,
  x: (t: number) => number,
  width: number,
  height: number,
  line: string,
  quiet: string,
): void {
  const room = Math.max(2, Math.floor(plotWidth(width) / 90));
  const step = STEPS.find(([ms]) => (window.to - window.from) / ms <= room) ?? STEPS.at(-1)!;
  const first = new Date(window.from);
  const year = step[0] >= 365 * DAY;
  let tick = new Date(
    Date.UTC(
      first.getUTCFullYear(),
      year ? 0 : first.getUTCMonth(),
      step[0] === DAY ? first.getUTCDate() : 1,
    ),
  );
  for (let i = 0; i < 200 && tick.getTime() <= window.to; i++, tick = step[2](tick)) {
    if (tick.getTime() < window.from) continue;
    const at = x(tick.getTime());
    context.fillStyle = line;
    context.fillRect(at, 0, 0.5, height - AXIS_HEIGHT);
    context.fillStyle = quiet;
    context.textBaseline = 'alphabetic';
    context.fillText(step[1](tick), Math.min(at + 2, width - 64), height - 8);
  }
}

/** The event under the pointer, the nearest within a few pixels. */
export function hit(
  events: readonly Event[],
  lanes: readonly number[],
  window: Window,
  width: number,
  px: number,
  py: number,
): Event | undefined {
  const lane = lanes[Math.floor(py / LANE_HEIGHT)];
  if (lane === undefined || px < LABEL_WIDTH) return undefined;
  const scale = plotWidth(width) / (window.to - window.from);
  let best: Event | undefined;
  let nearest = 9;
  for (const event of events) {
    if (event.start === undefined || laneOf(event.kind) !== lane) continue;
    const from = LABEL_WIDTH + (event.start - window.from) * scale;
    const to = event.end === undefined ? from : LABEL_WIDTH + (event.end - window.from) * scale;
    const far = px < from ? from - px : px > to ? px - to : 0;
    if (far < nearest) {
      nearest = far;
      best = event;
    }
  }
  return best;
}

/** The span of all dated events with a margin; a year around today where there are none. */
export function wholeWindow(events: readonly Event[]): Window {
  let from = Number.POSITIVE_INFINITY;
  let to = Number.NEGATIVE_INFINITY;
  for (const { start, end } of events) {
    if (start === undefined) continue;
    from = Math.min(from, start);
    to = Math.max(to, end ?? start);
  }
  if (!Number.isFinite(from)) return { from: Date.now() - 182 * DAY, to: Date.now() + 182 * DAY };
  const margin = Math.max((to - from) * 0.03, 15 * DAY);
  return { from: from - margin, to: Math.min(to, Date.now() + 365 * DAY) + margin };
}

export function zoomed(window: Window, around: number, factor: number): Window {
  const span = Math.min(Math.max((window.to - window.from) * factor, DAY), 150 * 365 * DAY);
  const share = (around - window.from) / (window.to - window.from);
  return { from: around - span * share, to: around + span * (1 - share) };
}
