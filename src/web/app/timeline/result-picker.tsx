import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { Series } from './results.js';

const LISTED = 60;

/** Which results are drawn as charts. */
export function ResultPicker({
  series,
  picked,
  onPick,
}: {
  series: readonly Series[];
  picked: readonly string[];
  onPick: (keys: readonly string[]) => void;
}): JSX.Element | null {
  const [words, setWords] = useState('');
  if (series.length === 0) return null;
  const found = series.filter((s) => s.name.toLowerCase().includes(words.toLowerCase()));
  return (
    <details class="menu">
      <summary>
        Result charts ({series.filter((s) => picked.includes(s.key)).length} of {series.length})
      </summary>
      <div class="menu-body">
        {series.length > 12 && (
          <input
            type="search"
            aria-label="Find a result"
            placeholder="Find a result"
            value={words}
            onInput={(e) => setWords(e.currentTarget.value)}
          />
        )}
        {found.slice(0, LISTED).map((s) => (
          <label key={s.key} class="check">
            <input
              type="checkbox"
              checked={picked.includes(s.key)}
              onChange={(e) =>
                onPick(e.currentTarget.checked ? [...picked, s.key] : picked.filter((key) => key !== s.key))
              }
            />
            {s.name}{' '}
            <span class="quiet">{[s.unit, `${s.points.length} values`].filter(Boolean).join(', ')}</span>
          </label>
        ))}
        {found.length > LISTED && <p class="quiet">{found.length - LISTED} more: find them by name.</p>}
      </div>
    </details>
  );
}
