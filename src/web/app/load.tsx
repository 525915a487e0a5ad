import type { ComponentChildren, JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';

export type Loaded<T> =
  | { state: 'loading' }
  | { state: 'failed'; message: string }
  | { state: 'done'; value: T };

/** Runs `work` whenever `key` changes; an older answer never overtakes a newer one. */
export function useLoad<T>(key: string, work: (signal: AbortSignal) => Promise<T>): Loaded<T> {
  const [loaded, setLoaded] = useState<Loaded<T> & { key?: string }>({ state: 'loading' });
  useEffect(() => {
    const stop = new AbortController();
    setLoaded({ state: 'loading' });
    work(stop.signal).then(
      (value) => !stop.signal.aborted && setLoaded({ state: 'done', value }),
      (error) => !stop.signal.aborted && setLoaded({ state: 'failed', message: (error as Error).message }),
    );
    return () => stop.abort();
  }, [key]);
  return loaded;
}

/** One place for waiting, failing and showing. */
export function Show<T>({
  of,
  children,
}: {
  of: Loaded<T>;
  children: (value: T) => ComponentChildren;
}): JSX.Element {
  if (of.state === 'loading')
    return (
      <p class="quiet" role="status">
        Loading…
      </p>
    );
  if (of.state === 'failed')
    return (
      <p class="error" role="alert">
        {of.message}
      </p>
    );
  return <>{children(of.value)}</>;
}
