import type { ComponentChildren, JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { type Bundle, nextLink, type Resource, request, resources } from '../api.js';
import { Failure } from '../load.js';

export interface Pages {
  /** Of all pages that were read. */
  readonly all: readonly Resource[];
  /** Whether there is another page. */
  readonly hasMore: boolean;
  readonly busy: boolean;
  readonly problem: string | undefined;
  /** Reads the next page. */
  readonly more: () => void;
}

/** A list that is read page by page, by the links the server gives. Another `first` wants another key of its component. */
export function usePages(first: Bundle): Pages {
  const [pages, setPages] = useState([first]);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string>();
  const stop = useRef(new AbortController());
  useEffect(() => () => stop.current.abort(), []);
  const next = nextLink(pages.at(-1)!);
  const more = async () => {
    if (busy || next === undefined) return;
    setProblem(undefined);
    setBusy(true);
    try {
      const page = await request<Bundle>(next, { signal: stop.current.signal });
      setPages([...pages, page]);
    } catch (error) {
      if (!stop.current.signal.aborted) setProblem((error as Error).message);
    }
    setBusy(false);
  };
  return {
    all: pages.flatMap(resources),
    hasMore: next !== undefined,
    busy,
    problem,
    more: () => void more(),
  };
}

/** What stands below the list: the way to its next page, or why there is none. */
export function More({ of, children = 'More' }: { of: Pages; children?: ComponentChildren }): JSX.Element {
  return (
    <>
      {of.problem && <Failure message={of.problem} again={of.more} />}
      {of.hasMore && !of.problem && (
        <p>
          <button type="button" onClick={of.more} disabled={of.busy} aria-busy={of.busy}>
            {of.busy ? 'Loading…' : children}
          </button>
        </p>
      )}
    </>
  );
}
