import type { JSX } from 'preact';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { type Event, LANES, laneOf } from '../events.js';
import { endOf, type Window } from './layout.js';

const PAGE = 200;

/** The same events as the lanes show, as a list to read and to walk through; what is chosen in one is so in both. */
export function EventList({
  events,
  window,
  chosen,
  onChoose,
}: {
  events: readonly Event[];
  window: Window;
  chosen: Event | undefined;
  onChoose: (event: Event) => void;
}): JSX.Element {
  const [page, setPage] = useState(0);
  const list = useRef<HTMLOListElement>(null);
  const inside = useMemo(
    () => events.filter((e) => e.start === undefined || (e.start <= window.to && endOf(e) >= window.from)),
    [events, window.from, window.to],
  );
  const pages = Math.max(Math.ceil(inside.length / PAGE), 1);
  const at = Math.min(page, pages - 1);
  useEffect(() => {
    const index = chosen ? inside.findIndex((e) => e.key === chosen.key) : -1;
    if (index >= 0) setPage(Math.floor(index / PAGE));
  }, [chosen]);
  useEffect(() => {
    // The list scrolls in itself: the page stays where the reader is.
    const item = list.current?.querySelector<HTMLElement>('[aria-pressed=true]');
    const frame = list.current;
    if (!item || !frame) return;
    const top = item.getBoundingClientRect().top - frame.getBoundingClientRect().top + frame.scrollTop;
    if (top < frame.scrollTop || top + item.offsetHeight > frame.scrollTop + frame.clientHeight)
      frame.scrollTop = top - frame.clientHeight / 3;
  }, [chosen, at]);
  return (
    <div class="list">
      <ol class="events" ref={list} start={at * PAGE + 1} aria-label="Events">
        {inside.slice(at * PAGE, (at + 1) * PAGE).map((event) => (
          <li key={event.key}>
            <button type="button" aria-pressed={event.key === chosen?.key} onClick={() => onChoose(event)}>
              <span class="when">{event.when}</span>
              <span class="kind" style={{ '--ink': `var(${LANES[laneOf(event.kind)]!.colour})` }}>
                {event.kind.replaceAll('-', ' ')}
              </span>
              <span class="title">
                {event.title}
                {event.abnormal && (
                  <span class="badge abnormal" title="abnormal">
                    {event.abnormal}
                  </span>
                )}
                {event.derived && (
                  <span class="badge">{event.words.length > 1 ? `${event.words.length} notes` : 'note'}</span>
                )}
              </span>
            </button>
          </li>
        ))}
      </ol>
      {inside.length === 0 && events.length > 0 && <p class="empty">No event lies in this span.</p>}
      {pages > 1 && (
        <p class="pager">
          <button type="button" disabled={at === 0} onClick={() => setPage(at - 1)}>
            Earlier
          </button>
          <span class="quiet">
            {(at * PAGE + 1).toLocaleString('en-US')} to{' '}
            {Math.min((at + 1) * PAGE, inside.length).toLocaleString('en-US')} of{' '}
            {inside.length.toLocaleString('en-US')}
          </span>
          <button type="button" disabled={at === pages - 1} onClick={() => setPage(at + 1)}>
            Later
          </button>
        </p>
      )}
    </div>
  );
}
