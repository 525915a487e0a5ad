import type { JSX } from 'preact';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { draw, hit, laneCount, timeAt, type Window, wholeWindow, zoomed } from './canvas.js';
import { EventDetail } from './detail.js';
import { type Event, MAX_EVENTS, readTimeline } from './events.js';

const LISTED = 200;

export function Timeline({ patient }: { patient: string }): JSX.Element {
  const [events, setEvents] = useState<Event[]>([]);
  const [state, setState] = useState<'loading' | 'done' | string>('loading');
  const [derived, setDerived] = useState<'all' | 'records' | 'notes'>('all');
  const [words, setWords] = useState('');
  const [asOf, setAsOf] = useState('');
  const [chosen, setChosen] = useState<Event>();
  const [span, setSpan] = useState<Window>();

  useEffect(() => {
    const stop = new AbortController();
    setEvents([]);
    setState('loading');
    readTimeline(
      patient,
      { asOf: asOf ? `${asOf}T23:59:59Z` : undefined },
      stop.signal,
      (found, complete) => {
        setEvents(found);
        if (complete) setState('done');
      },
    ).catch((error) => !stop.signal.aborted && setState((error as Error).message));
    return () => stop.abort();
  }, [patient, asOf]);

  const shown = useMemo(() => {
    const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
    return events.filter(
      (e) =>
        (derived === 'all' || e.derived === (derived === 'notes')) &&
        wanted.every(
          (w) => e.title.toLowerCase().includes(w) || e.words.some((x) => x.text.toLowerCase().includes(w)),
        ),
    );
  }, [events, derived, words]);
  const whole = useMemo(() => wholeWindow(events), [events]);
  const window = span ?? whole;

  return (
    <section aria-label="Timeline">
      <div class="tools">
        <input
          type="search"
          aria-label="Filter by words"
          placeholder="Filter by words"
          value={words}
          onInput={(e) => setWords(e.currentTarget.value)}
        />
        <label>
          Show{' '}
          <select value={derived} onChange={(e) => setDerived(e.currentTarget.value as typeof derived)}>
            <option value="all">records and notes</option>
            <option value="records">records only</option>
            <option value="notes">from notes only</option>
          </select>
        </label>
        <label>
          As known on <input type="date" value={asOf} onInput={(e) => setAsOf(e.currentTarget.value)} />
        </label>
        <label>
          Jump to{' '}
          <input
            type="date"
            onInput={(e) =>
              e.currentTarget.valueAsDate && setSpan(jump(window, e.currentTarget.valueAsDate.getTime()))
            }
          />
        </label>
        <span class="group">
          <button
            type="button"
            aria-label="Zoom in"
            onClick={() => setSpan(zoomed(window, (window.from + window.to) / 2, 0.5))}
          >
            +
          </button>
          <button
            type="button"
            aria-label="Zoom out"
            onClick={() => setSpan(zoomed(window, (window.from + window.to) / 2, 2))}
          >
            −
          </button>
          <button type="button" onClick={() => setSpan(undefined)}>
            All
          </button>
        </span>
      </div>
      {state !== 'loading' && state !== 'done' && (
        <p class="error" role="alert">
          {state}
        </p>
      )}
      <p class="quiet" role="status">
        {shown.length.toLocaleString('en-US')} events{state === 'loading' ? ', loading…' : ''}
        {events.length >= MAX_EVENTS && ` (the first ${MAX_EVENTS.toLocaleString('en-US')})`} · ● from a
        record, ○ from a note
      </p>
      {shown.length > 0 && (
        <Chart events={shown} window={window} chosen={chosen} onChoose={setChosen} onWindow={setSpan} />
      )}
      <div class="columns">
        <EventList events={shown} window={window} chosen={chosen} onChoose={setChosen} />
        {chosen && <EventDetail event={chosen} key={chosen.key} onClose={() => setChosen(undefined)} />}
      </div>
    </section>
  );
}

function jump(window: Window, to: number): Window {
  const half = (window.to - window.from) / 2;
  return { from: to - half, to: to + half };
}

interface ChartProps {
  readonly events: readonly Event[];
  readonly window: Window;
  readonly chosen: Event | undefined;
  readonly onChoose: (event: Event) => void;
  readonly onWindow: (window: Window) => void;
}

function Chart({ events, window, chosen, onChoose, onWindow }: ChartProps): JSX.Element {
  const canvas = useRef<HTMLCanvasElement>(null);
  const drag = useRef<{ x: number; window: Window; moved: boolean } | undefined>(undefined);
  const [size, setSize] = useState(0);
  const lanes = useMemo(() => laneCount(events), [events]);

  useEffect(() => {
    const watch = new ResizeObserver(() => setSize(canvas.current?.clientWidth ?? 0));
    watch.observe(canvas.current!);
    const scheme = matchMedia('(prefers-color-scheme: dark)');
    const redraw = () => setSize((s) => s + 0.001);
    scheme.addEventListener('change', redraw);
    return () => {
      watch.disconnect();
      scheme.removeEventListener('change', redraw);
    };
  }, []);
  useEffect(() => {
    const frame = requestAnimationFrame(() => draw(canvas.current!, events, lanes, window, chosen?.key));
    return () => cancelAnimationFrame(frame);
  }, [events, lanes, window, chosen, size]);
  useEffect(() => {
    const element = canvas.current!;
    const wheel = (event: WheelEvent) => {
      if (!event.ctrlKey && Math.abs(event.deltaX) <= Math.abs(event.deltaY) && !event.shiftKey) return;
      event.preventDefault();
      onWindow(
        event.ctrlKey
          ? zoomed(
              window,
              timeAt(event.offsetX, element.clientWidth, window),
              event.deltaY > 0 ? 1.2 : 1 / 1.2,
            )
          : moved(window, (event.deltaX || event.deltaY) / element.clientWidth),
      );
    };
    element.addEventListener('wheel', wheel, { passive: false });
    return () => element.removeEventListener('wheel', wheel);
  }, [window, onWindow]);

  return (
    <canvas
      ref={canvas}
      class="chart"
      role="img"
      aria-label="Events by lane over time. The list below holds the same events."
      tabIndex={0}
      onKeyDown={(event) => {
        const step = { ArrowLeft: -0.15, ArrowRight: 0.15 }[event.key];
        if (step) onWindow(moved(window, step));
        else if (event.key === '+' || event.key === '-')
          onWindow(zoomed(window, (window.from + window.to) / 2, event.key === '+' ? 0.5 : 2));
        else return;
        event.preventDefault();
      }}
      onPointerDown={(event) => {
        drag.current = { x: event.offsetX, window, moved: false };
        canvas.current!.setPointerCapture(event.pointerId);
      }}
      onPointerMove={(event) => {
        const from = drag.current;
        if (!from) return;
        if (Math.abs(event.offsetX - from.x) > 3) from.moved = true;
        if (from.moved) onWindow(moved(from.window, (from.x - event.offsetX) / canvas.current!.clientWidth));
      }}
      onPointerUp={(event) => {
        const still = drag.current && !drag.current.moved;
        drag.current = undefined;
        const found =
          still && hit(events, lanes, window, canvas.current!.clientWidth, event.offsetX, event.offsetY);
        if (found) onChoose(found);
      }}
      onDblClick={(event) =>
        onWindow(zoomed(window, timeAt(event.offsetX, canvas.current!.clientWidth, window), 0.4))
      }
    />
  );
}

function moved(window: Window, share: number): Window {
  const by = (window.to - window.from) * share;
  return { from: window.from + by, to: window.to + by };
}

function EventList({ events, window, chosen, onChoose }: Omit<ChartProps, 'onWindow'>): JSX.Element {
  const inside = events.filter(
    (e) => e.start === undefined || (e.start <= window.to && (e.end ?? e.start) >= window.from),
  );
  return (
    <div class="list">
      <ol class="events">
        {inside.slice(0, LISTED).map((event) => (
          <li key={event.key}>
            <button type="button" aria-pressed={event.key === chosen?.key} onClick={() => onChoose(event)}>
              <span class="when">{event.when}</span>
              <span class="kind">{event.kind}</span>
              <span class="title">
                {event.title}
                {event.derived && (
                  <span class="badge">{event.words.length > 1 ? `${event.words.length} notes` : 'note'}</span>
                )}
              </span>
            </button>
          </li>
        ))}
      </ol>
      {inside.length > LISTED && (
        <p class="quiet">
          {(inside.length - LISTED).toLocaleString('en-US')} more in this span: zoom in or filter.
        </p>
      )}
    </div>
  );
}
