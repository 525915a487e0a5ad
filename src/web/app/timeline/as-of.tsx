import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { Event } from '../events.js';

const MAX_STOPS = 200;
const SETTLED_MS = 200;

/** The moments at which something became known, oldest first; the last is left out, as it is now. */
export function stopsOf(events: readonly Event[]): string[] {
  const all = [...new Set(events.map((e) => e.recorded).filter(Boolean))].sort().slice(0, -1);
  if (all.length <= MAX_STOPS) return all;
  return Array.from({ length: MAX_STOPS }, (_, i) => all[Math.floor((i * all.length) / MAX_STOPS)]!);
}

/** What was known then: a slider over the moments at which something was recorded, and a field for any day. */
export function AsOf({
  stops,
  asOf,
  onAsOf,
}: {
  stops: readonly string[];
  asOf: string;
  onAsOf: (instant: string) => void;
}): JSX.Element {
  const [at, setAt] = useState(stops.length);
  useEffect(() => {
    if (!asOf) setAt(stops.length);
  }, [stops, asOf]);
  useEffect(() => {
    const wanted = stops[at] ?? '';
    if (at === stops.length && !stops.includes(asOf)) return;
    if (wanted === asOf) return;
    const timer = setTimeout(() => onAsOf(wanted), SETTLED_MS);
    return () => clearTimeout(timer);
  }, [at]);
  const moment = at < stops.length ? stops[at]! : asOf;
  return (
    <div class="tools as-of">
      <label class="slider">
        Known{' '}
        <input
          type="range"
          min={0}
          max={stops.length}
          value={at}
          disabled={stops.length === 0}
          aria-valuetext={moment ? inWords(moment) : 'now'}
          onInput={(e) => setAt(Number(e.currentTarget.value))}
        />
      </label>
      <output>{moment ? `as of ${inWords(moment)}` : 'now'}</output>
      <label>
        on the day{' '}
        <input
          type="date"
          value={asOf.slice(0, 10)}
          onChange={(e) => onAsOf(e.currentTarget.value ? `${e.currentTarget.value}T23:59:59Z` : '')}
        />
      </label>
      {asOf && (
        <button
          type="button"
          onClick={() => {
            setAt(stops.length);
            onAsOf('');
          }}
        >
          Back to now
        </button>
      )}
    </div>
  );
}

/** To the millisecond where an import wrote much in one second. */
const inWords = (instant: string): string => instant.slice(0, 19).replace('T', ' ');
