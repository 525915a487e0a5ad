import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import type { Loaded } from '../load.js';

/** Between tries after a failure, in ms: doubled each time, up to the last. */
const FIRST_RETRY_MS = 2_000;
const LAST_RETRY_MS = 60_000;

export interface Polled<T> {
  readonly loaded: Loaded<T>;
  /** Set while what is shown is older than it should be: why. */
  readonly stale: string | undefined;
  /** Asks at once. */
  readonly refresh: () => void;
}

/**
 * Asks again and again, one question at a time; not while the page is hidden, and less often while the server fails.
 * @param every ms until the next question, by the last answer; undefined for never again
 */
export function usePoll<T>(
  key: string,
  work: (signal: AbortSignal) => Promise<T>,
  every: (value: T) => number | undefined,
): Polled<T> {
  const [loaded, setLoaded] = useState<Loaded<T>>({ state: 'loading' });
  const [stale, setStale] = useState<string>();
  const ask = useRef<() => void>(() => undefined);
  const refresh = useCallback(() => ask.current(), []);
  useEffect(() => {
    let stop = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    let last: { value: T } | undefined;
    let failures = 0;
    let due = true;
    const later = (ms: number | undefined) => {
      due = ms !== undefined;
      if (ms !== undefined) timer = setTimeout(run, ms);
    };
    const run = async () => {
      clearTimeout(timer);
      if (document.hidden) return;
      stop.abort();
      const mine = new AbortController();
      stop = mine;
      try {
        const value = await work(mine.signal);
        if (mine.signal.aborted) return;
        failures = 0;
        last = { value };
        setLoaded({ state: 'done', value });
        setStale(undefined);
        later(every(value));
      } catch (error) {
        if (mine.signal.aborted) return;
        const { message } = error as Error;
        if (last) setStale(message);
        else setLoaded({ state: 'failed', message, again: () => void run() });
        later(Math.min(FIRST_RETRY_MS * 2 ** failures++, LAST_RETRY_MS));
      }
    };
    const shown = () => {
      if (!document.hidden && due) void run();
    };
    ask.current = () => void run();
    setLoaded({ state: 'loading' });
    setStale(undefined);
    void run();
    document.addEventListener('visibilitychange', shown);
    addEventListener('online', shown);
    return () => {
      stop.abort();
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', shown);
      removeEventListener('online', shown);
    };
  }, [key]);
  return { loaded, stale, refresh };
}
