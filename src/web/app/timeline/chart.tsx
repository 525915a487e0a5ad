import type { JSX } from 'preact';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { Density, Event } from '../events.js';
import { DRAWN, draw } from './draw.js';
import { byLane, hit, layOut, layOutDensity, moved, timeAt, type Window, zoomed } from './layout.js';
import type { Series } from './results.js';

export interface ChartProps {
  readonly events: readonly Event[];
  /** Stands for the events as long as they are not all read. */
  readonly density: Density | undefined;
  readonly charts: readonly Series[];
  readonly window: Window;
  readonly chosen: Event | undefined;
  readonly onChoose: (event: Event) => void;
  readonly onWindow: (window: Window) => void;
}

interface Drag {
  readonly x: number;
  readonly window: Window;
  moved: boolean;
}

/** The lanes: dragged, pinched, zoomed by wheel and keys; a press chooses the event under it. */
export function Chart({
  events,
  density,
  charts,
  window,
  chosen,
  onChoose,
  onWindow,
}: ChartProps): JSX.Element {
  const canvas = useRef<HTMLCanvasElement>(null);
  const drag = useRef<Drag | undefined>(undefined);
  const fingers = useRef(new Map<number, number>());
  const [width, setWidth] = useState(0);
  const [scheme, setScheme] = useState(0);
  const [over, setOver] = useState<{ event: Event; x: number; y: number }>();
  const lanes = useMemo(() => byLane(events), [events]);
  const layout = useMemo(
    () => (density ? layOutDensity(density) : layOut(lanes, charts, window, width || 800)),
    [density, lanes, charts, window.from, window.to, width],
  );

  useEffect(() => {
    const watch = new ResizeObserver(() => setWidth(canvas.current?.clientWidth ?? 0));
    watch.observe(canvas.current!);
    const dark = matchMedia('(prefers-color-scheme: dark)');
    const redraw = () => setScheme((n) => n + 1);
    dark.addEventListener('change', redraw);
    return () => {
      watch.disconnect();
      dark.removeEventListener('change', redraw);
    };
  }, []);
  useEffect(() => {
    const frame = requestAnimationFrame(() => {
      const start = performance.now();
      draw(canvas.current!, layout, window, chosen?.key);
      performance.clearMeasures(DRAWN);
      performance.measure(DRAWN, { start, end: performance.now() });
      const { dataset } = canvas.current!;
      if (density) dataset.density = String(density.events);
      else dataset.events = String(events.length);
    });
    return () => cancelAnimationFrame(frame);
  }, [layout, chosen, width, scheme]);
  useEffect(() => {
    const element = canvas.current!;
    const wheel = (event: WheelEvent) => {
      const sideways = event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY);
      // Without a key the wheel scrolls the page, unless the chart was chosen before.
      if (!event.ctrlKey && !sideways && document.activeElement !== element) return;
      event.preventDefault();
      onWindow(
        sideways && !event.ctrlKey
          ? moved(window, (event.deltaX || event.deltaY) / element.clientWidth)
          : zoomed(
              window,
              timeAt(event.offsetX, element.clientWidth, window),
              event.deltaY > 0 ? 1.2 : 1 / 1.2,
            ),
      );
    };
    element.addEventListener('wheel', wheel, { passive: false });
    return () => element.removeEventListener('wheel', wheel);
  }, [window, onWindow]);

  const found = (x: number, y: number) => hit(layout, window, canvas.current!.clientWidth, x, y);

  const key = (event: KeyboardEvent) => {
    const middle = (window.from + window.to) / 2;
    if (event.key === 'ArrowLeft' || event.key === 'ArrowRight')
      onWindow(moved(window, event.key === 'ArrowLeft' ? -0.15 : 0.15));
    else if (event.key === '+' || event.key === '=') onWindow(zoomed(window, middle, 0.5));
    else if (event.key === '-') onWindow(zoomed(window, middle, 2));
    else if (event.key === 'ArrowDown' || event.key === 'ArrowUp')
      step(events, window, chosen, event.key === 'ArrowDown' ? 1 : -1, onChoose);
    else return;
    event.preventDefault();
  };

  const move = (event: PointerEvent) => {
    const { current } = fingers;
    if (current.has(event.pointerId) && current.size === 2) {
      const before = spread(current);
      current.set(event.pointerId, event.offsetX);
      const after = spread(current);
      const middle = [...current.values()].reduce((sum, x) => sum + x / 2, 0);
      if (after > 8)
        onWindow(zoomed(window, timeAt(middle, canvas.current!.clientWidth, window), before / after));
      return;
    }
    const from = drag.current;
    if (!from) {
      const under = found(event.offsetX, event.offsetY);
      setOver(under && { event: under, x: event.offsetX, y: event.offsetY });
      return;
    }
    current.set(event.pointerId, event.offsetX);
    if (Math.abs(event.offsetX - from.x) > 3) from.moved = true;
    if (from.moved) {
      setOver(undefined);
      onWindow(moved(from.window, (from.x - event.offsetX) / canvas.current!.clientWidth));
    }
  };
  const lift = (event: PointerEvent) => {
    fingers.current.delete(event.pointerId);
    const still = drag.current && !drag.current.moved;
    drag.current = undefined;
    const under = still && event.type === 'pointerup' && found(event.offsetX, event.offsetY);
    if (under) onChoose(under);
  };

  return (
    <div class="chart-frame">
      <canvas
        ref={canvas}
        class="chart"
        role="img"
        aria-label="Events by lane over time. Left and right move, plus and minus zoom, up and down choose the event before and after. The list below holds the same events."
        tabIndex={0}
        onKeyDown={key}
        onPointerDown={(event) => {
          fingers.current.set(event.pointerId, event.offsetX);
          drag.current = fingers.current.size === 1 ? { x: event.offsetX, window, moved: false } : undefined;
          canvas.current!.setPointerCapture(event.pointerId);
        }}
        onPointerMove={move}
        onPointerUp={lift}
        onPointerCancel={lift}
        onPointerLeave={() => setOver(undefined)}
        onDblClick={(event) =>
          onWindow(zoomed(window, timeAt(event.offsetX, canvas.current!.clientWidth, window), 0.4))
        }
      />
      {over && (
        <div
          class={`tip${over.x > width * 0.6 ? ' left' : ''}`}
          style={{ left: `${over.x}px`, top: `${over.y}px` }}
        >
          <strong>{over.event.title}</strong>
          <br />
          {over.event.when}
          {over.event.abnormal && ` · abnormal (${over.event.abnormal})`}
          {over.event.derived && ' · from a note'}
        </div>
      )}
    </div>
  );
}

function spread(fingers: ReadonlyMap<number, number>): number {
  const [a = 0, b = 0] = fingers.values();
  return Math.abs(a - b);
}

/** The event of the window before or after the chosen one, in time. */
function step(
  events: readonly Event[],
  window: Window,
  chosen: Event | undefined,
  by: 1 | -1,
  onChoose: (event: Event) => void,
): void {
  const inside = events
    .filter((e) => e.start !== undefined && e.start >= window.from && e.start <= window.to)
    .sort((a, b) => a.start! - b.start!);
  const at = inside.findIndex((e) => e.key === chosen?.key);
  const next = inside[at < 0 ? (by > 0 ? 0 : inside.length - 1) : at + by];
  if (next) onChoose(next);
}
