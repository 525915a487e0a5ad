import './timeline/timeline.css';
import type { JSX } from 'preact';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { EventDetail } from './detail.js';
import { type Density, type Event, readTimeline } from './events.js';
import { AsOf, stopsOf } from './timeline/as-of.js';
import { Chart } from './timeline/chart.js';
import { around, DAY, type Window, wholeOfDensity, wholeWindow, zoomed } from './timeline/layout.js';
import { EventList } from './timeline/list.js';
import { Overview } from './timeline/overview.js';
import { ResultPicker } from './timeline/result-picker.js';
import { seriesOf } from './timeline/results.js';
import { counted, countText } from './ui/format.js';

const NONE: readonly Event[] = [];
/** Up to so many events no bands are shown meanwhile: they are read at once, and what flashes by unsettles. */
const FEW = 1_000;
/** Charts of results that are drawn without being asked for. */
const CHARTS_AT_FIRST = 3;

const SPANS: readonly (readonly [string, number])[] = [
  ['Day', DAY],
  ['Week', 7 * DAY],
  ['Month', 31 * DAY],
  ['Year', 366 * DAY],
  ['10 years', 3653 * DAY],
];

export function Timeline({ patient }: { patient: string }): JSX.Element {
  const [events, setEvents] = useState<Event[]>([]);
  const [counted, setCounted] = useState<Density>();
  const [state, setState] = useState<'loading' | 'done' | string>('loading');
  const [derived, setDerived] = useState<'all' | 'records' | 'notes'>('all');
  const [abnormal, setAbnormal] = useState(false);
  const [words, setWords] = useState('');
  const [asOf, setAsOf] = useState('');
  const [stops, setStops] = useState<string[]>([]);
  const [pressed, setChosen] = useState<Event>();
  const [span, setSpan] = useState<Window>();
  const [picked, setPicked] = useState<readonly string[]>();
  const [round, setRound] = useState(0);
  const known = useRef(0);

  useEffect(() => {
    const stop = new AbortController();
    setState('loading');
    readTimeline(patient, { asOf: asOf || undefined }, stop.signal, {
      density: (found) => found.events > FEW && setCounted(found),
      events(found, complete) {
        setEvents(found);
        if (!complete) return;
        setCounted(undefined);
        setState('done');
        if (asOf) return;
        known.current = found.length;
        setStops(stopsOf(found));
      },
    }).catch((error) => {
      if (stop.signal.aborted) return;
      setCounted(undefined);
      setState((error as Error).message);
    });
    return () => stop.abort();
  }, [patient, asOf, round]);

  const shown = useMemo(() => {
    const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
    return events.filter(
      (e) =>
        (derived === 'all' || e.derived === (derived === 'notes')) &&
        (!abnormal || e.abnormal !== undefined) &&
        wanted.every(
          (w) => e.title.toLowerCase().includes(w) || e.words.some((x) => x.text.toLowerCase().includes(w)),
        ),
    );
  }, [events, derived, abnormal, words]);
  // What was read anew since it was pressed, after a review, stands for it.
  const chosen = useMemo(
    () => pressed && (events.find((e) => e.key === pressed.key) ?? pressed),
    [events, pressed],
  );
  // The bands stand for all events: with a filter, what is read so far says more.
  const filtered = derived !== 'all' || abnormal || words !== '';
  const density = filtered ? undefined : counted;
  const whole = useMemo(
    () => (density ? wholeOfDensity(density) : wholeWindow(events)),
    [density, density ? undefined : events],
  );
  // Nothing of the single events is laid out while bands stand for them.
  const drawn = density ? NONE : shown;
  const series = useMemo(() => (density ? [] : seriesOf(shown)), [density, density ? undefined : shown]);
  const names = picked ?? series.slice(0, CHARTS_AT_FIRST).map((s) => s.key);
  const charts = useMemo(() => series.filter((s) => names.includes(s.key)), [series, names.join('\n')]);
  const window = span ?? whole;
  const middle = (window.from + window.to) / 2;

  return (
    <section class="timeline" aria-label="Timeline">
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
        <label class="check">
          <input type="checkbox" checked={abnormal} onChange={(e) => setAbnormal(e.currentTarget.checked)} />
          abnormal only
        </label>
        <ResultPicker series={series} picked={names} onPick={setPicked} />
      </div>
      <div class="tools">
        <DayField
          label="From"
          day={window.from}
          onDay={(day) => day < window.to && setSpan({ from: day, to: window.to })}
        />
        <DayField
          label="To"
          day={window.to}
          onDay={(day) => day + DAY > window.from && setSpan({ from: window.from, to: day + DAY - 1 })}
        />
        <DayField label="Jump to" day={undefined} onDay={(day) => setSpan(around(day + DAY / 2, window))} />
        <span class="group">
          {SPANS.map(([name, ms]) => (
            <button
              key={name}
              type="button"
              onClick={() => setSpan(around(chosen?.start ?? middle, window, ms))}
            >
              {name}
            </button>
          ))}
          <button type="button" aria-pressed={span === undefined} onClick={() => setSpan(undefined)}>
            All
          </button>
          <button type="button" aria-label="Zoom in" onClick={() => setSpan(zoomed(window, middle, 0.5))}>
            +
          </button>
          <button type="button" aria-label="Zoom out" onClick={() => setSpan(zoomed(window, middle, 2))}>
            −
          </button>
        </span>
      </div>
      <AsOf stops={stops} asOf={asOf} onAsOf={setAsOf} />
      {state !== 'loading' && state !== 'done' && (
        <p class="error" role="alert">
          {state}{' '}
          <button type="button" onClick={() => setRound(round + 1)}>
            Try again
          </button>
        </p>
      )}
      <p class="quiet" role="status">
        {shown.length < events.length && !density
          ? `${countText(shown.length)} of ${count(events.length)}`
          : count(density?.events ?? shown.length)}
        {state === 'loading' && (density ? `, ${events.length.toLocaleString('en-US')} read…` : ', loading…')}
        {asOf && state === 'done' && `; ${known.current - events.length} more are known now`}
      </p>
      {shown.length > 0 || density ? (
        <>
          <Overview events={drawn} density={density} whole={whole} window={window} onWindow={setSpan} />
          <Chart
            events={drawn}
            density={density}
            charts={charts}
            window={window}
            chosen={chosen}
            onChoose={setChosen}
            onWindow={setSpan}
          />
          <p class="quiet chart-key">
            ● from a record · ○ from a note · <span class="no">◆ abnormal</span> · a pale bar goes on ·
            shaded: reference range
          </p>
        </>
      ) : (
        state === 'done' && (
          <p class="empty">
            {events.length > 0
              ? 'Nothing of this timeline fits the filters.'
              : asOf
                ? 'Nothing was known then.'
                : 'There is nothing on this timeline yet.'}
          </p>
        )
      )}
      <p class="visually-hidden" aria-live="polite">
        {chosen && `${chosen.title}, ${chosen.when}`}
      </p>
      <div class="columns">
        <EventList events={shown} window={window} chosen={chosen} onChoose={setChosen} />
        {chosen && (
          <EventDetail
            event={chosen}
            asOf={asOf}
            key={chosen.key}
            onClose={() => setChosen(undefined)}
            onChanged={() => setRound(round + 1)}
          />
        )}
      </div>
    </section>
  );
}

const count = (n: number): string => counted(n, 'event');

/** A day that is asked for; it counts once it is whole. */
function DayField({
  label,
  day,
  onDay,
}: {
  label: string;
  /** ms */
  day: number | undefined;
  onDay: (day: number) => void;
}): JSX.Element {
  const text = day === undefined || Math.abs(day) > 8e15 ? undefined : new Date(day).toISOString();
  return (
    <label>
      {label}{' '}
      <input
        type="date"
        // Before year 1 and after 9999 the field has no words.
        value={text && /^\d{4}-/.test(text) ? text.slice(0, 10) : ''}
        onChange={(e) => {
          const asked = e.currentTarget.valueAsDate?.getTime();
          if (asked !== undefined && !Number.isNaN(asked)) onDay(asked);
        }}
      />
    </label>
  );
}
