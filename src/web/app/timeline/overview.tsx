import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Density, Event } from '../events.js';
import { sized } from './draw.js';
import { DAY, labelWidth, plotWidth, timeAt, type Window } from './layout.js';

const HEIGHT = 44;
const BIN = 3;
const EDGE = 7;

/**
 * All events in one band; a stretch that is brushed is the window of lanes and list. The fields for its first and last
 * day do the same without a pointer.
 */
export function Overview({
  events,
  density,
  whole,
  window,
  onWindow,
}: {
  events: readonly Event[];
  /** Stands for the events as long as they are not all read. */
  density: Density | undefined;
  whole: Window;
  window: Window;
  onWindow: (window: Window | undefined) => void;
}): JSX.Element {
  const canvas = useRef<HTMLCanvasElement>(null);
  const brush = useRef<{ kind: 'new' | 'move' | 'from' | 'to'; x: number; window: Window } | undefined>(
    undefined,
  );
  const [width, setWidth] = useState(0);
  useEffect(() => {
    const watch = new ResizeObserver(() => setWidth(canvas.current?.clientWidth ?? 0));
    watch.observe(canvas.current!);
    return () => watch.disconnect();
  }, []);
  useEffect(() => {
    const frame = requestAnimationFrame(() => paint(canvas.current!, density ?? events, whole, window));
    return () => cancelAnimationFrame(frame);
  }, [density, events, whole, window, width]);

  const time = (x: number) => {
    const at = timeAt(x, canvas.current!.clientWidth, whole);
    return Math.min(Math.max(at, whole.from), whole.to);
  };
  const down = (event: PointerEvent) => {
    const x = xOf(canvas.current!, whole);
    const at = event.offsetX;
    const [from, to] = [x(window.from), x(window.to)];
    const all = window.from <= whole.from && window.to >= whole.to;
    const kind =
      !all && Math.abs(at - from) < EDGE
        ? 'from'
        : !all && Math.abs(at - to) < EDGE
          ? 'to'
          : !all && at > from && at < to
            ? 'move'
            : 'new';
    brush.current = { kind, x: at, window };
    canvas.current!.setPointerCapture(event.pointerId);
  };
  const drag = (event: PointerEvent) => {
    const held = brush.current;
    if (!held) return;
    const at = time(event.offsetX);
    const start = time(held.x);
    if (held.kind === 'new' && Math.abs(event.offsetX - held.x) > 4)
      onWindow({ from: Math.min(start, at), to: Math.max(start, at) });
    else if (held.kind === 'move')
      onWindow({ from: held.window.from + at - start, to: held.window.to + at - start });
    else if (held.kind === 'from' && at < held.window.to) onWindow({ from: at, to: held.window.to });
    else if (held.kind === 'to' && at > held.window.from) onWindow({ from: held.window.from, to: at });
  };
  return (
    <canvas
      ref={canvas}
      class="overview"
      role="img"
      aria-label="All events; the fields From and To choose a stretch of them."
      onPointerDown={down}
      onPointerMove={drag}
      onPointerUp={() => {
        brush.current = undefined;
      }}
      onPointerCancel={() => {
        brush.current = undefined;
      }}
      onDblClick={() => onWindow(undefined)}
    />
  );
}

function xOf(canvas: HTMLCanvasElement, whole: Window): (t: number) => number {
  const width = canvas.clientWidth;
  return (t) => labelWidth(width) + ((t - whole.from) / (whole.to - whole.from || 1)) * plotWidth(width);
}

function paint(
  canvas: HTMLCanvasElement,
  what: Density | readonly Event[],
  whole: Window,
  window: Window,
): void {
  const width = canvas.clientWidth;
  const context = sized(canvas, width, HEIGHT);
  const style = getComputedStyle(canvas);
  const colour = (name: string) => style.getPropertyValue(name).trim();
  const left = labelWidth(width);
  const plot = plotWidth(width);
  const x = xOf(canvas, whole);
  const bins = new Uint32Array(Math.ceil(plot / BIN) + 1);
  let most = 1;
  const count = (at: number, n: number) => {
    const bin = Math.floor((x(at) - left) / BIN);
    if (bin < 0 || bin >= bins.length) return;
    bins[bin]! += n;
    most = Math.max(most, bins[bin]!);
  };
  if ('days' in what)
    for (const pairs of Object.values(what.days)) for (const [day, n] of pairs) count((day + 0.5) * DAY, n);
  else for (const { start } of what) if (start !== undefined) count(start, 1);
  context.font = '12px system-ui, sans-serif';
  context.textBaseline = 'middle';
  context.fillStyle = colour('--quiet');
  context.fillText('Everything', 6, HEIGHT / 2);
  bins.forEach((n, bin) => {
    if (n === 0) return;
    const tall = Math.max(2, Math.sqrt(n / most) * (HEIGHT - 12));
    context.fillRect(left + bin * BIN, HEIGHT - 4 - tall, BIN - 0.6, tall);
  });
  const from = Math.max(x(window.from), left);
  const to = Math.min(x(window.to), left + plot + 8);
  context.fillStyle = colour('--accent');
  context.globalAlpha = 0.16;
  context.fillRect(from, 0, Math.max(to - from, 2), HEIGHT);
  context.globalAlpha = 1;
  context.fillRect(from - 1, 0, 2, HEIGHT);
  context.fillRect(Math.max(to - 1, from + 1), 0, 2, HEIGHT);
}
