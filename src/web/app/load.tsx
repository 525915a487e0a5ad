import type { ComponentChildren, JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';

export type Loaded<T> =
  | { state: 'loading' }
  | { state: 'failed'; message: string; again?: () => void }
  | { state: 'done'; value: T };

/** Runs `work` whenever `key` changes; an older answer never overtakes a newer one, nor stands for it meanwhile. */
export function useLoad<T>(key: string, work: (signal: AbortSignal) => Promise<T>): Loaded<T> {
  const [loaded, setLoaded] = useState<Loaded<T> & { key: string }>({ state: 'loading', key });
  const [round, setRound] = useState(0);
  useEffect(() => {
    const stop = new AbortController();
    setLoaded({ state: 'loading', key });
    work(stop.signal).then(
      (value) => !stop.signal.aborted && setLoaded({ state: 'done', value, key }),
      (error) =>
        !stop.signal.aborted &&
        setLoaded({
          state: 'failed',
          message: (error as Error).message,
          again: () => setRound((n) => n + 1),
          key,
        }),
    );
    return () => stop.abort();
  }, [key, round]);
  return loaded.key === key ? loaded : { state: 'loading' };
}

/** After this long a wait is called one: a word that flashes by only unsettles. */
const LOADING_MS = 250;
const SLOW_MS = 6_000;

export function Waiting({ what = 'Loading…' }: { what?: string }): JSX.Element {
  const [waited, setWaited] = useState<'not' | 'long' | 'very long'>('not');
  useEffect(() => {
    const timers = [
      setTimeout(() => setWaited('long'), LOADING_MS),
      setTimeout(() => setWaited('very long'), SLOW_MS),
    ];
    return () => timers.forEach(clearTimeout);
  }, []);
  return (
    <p class="quiet waiting" role="status">
      {waited === 'not' ? '\u00a0' : what}
      {waited === 'very long' && ' The server or the network is slow; this goes on by itself.'}
    </p>
  );
}

export function Failure({
  message,
  again,
}: {
  message: string;
  again?: (() => void) | undefined;
}): JSX.Element {
  useEffect(() => {
    // What failed for want of a network is asked again as soon as there is one.
    if (!again) return;
    addEventListener('online', again);
    return () => removeEventListener('online', again);
  }, [again]);
  return (
    <div class="error" role="alert">
      <span>{message}</span>
      {again && (
        <button type="button" onClick={again}>
          Try again
        </button>
      )}
    </div>
  );
}

/** One place for waiting, failing and showing. */
export function Show<T>({
  of,
  children,
}: {
  of: Loaded<T>;
  children: (value: T) => ComponentChildren;
}): JSX.Element {
  if (of.state === 'loading') return <Waiting />;
  if (of.state === 'failed') return <Failure message={of.message} again={of.again} />;
  return <>{children(of.value)}</>;
}
