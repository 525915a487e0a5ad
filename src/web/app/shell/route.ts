import { useEffect, useState } from 'preact/hooks';

/** `#/place/…` in its parts, as they were written by us or by a person. */
function readRoute(): string[] {
  const parts = location.hash.replace(/^#\/?/, '').split('/').map(unescaped);
  return parts[0] ? parts : ['patients'];
}

/** An address typed by hand may have a percent sign where none belongs. */
function unescaped(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

export function useRoute(): string[] {
  const [route, setRoute] = useState(readRoute);
  useEffect(() => {
    const changed = () => setRoute(readRoute());
    addEventListener('hashchange', changed);
    return () => removeEventListener('hashchange', changed);
  }, []);
  return route;
}
