import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { type Coding, request, session } from '../api.js';
import { useLoad } from '../load.js';
import { countText } from '../ui/format.js';
import { systemName } from '../words.js';
import { keyOf, type Offer, offersFor } from './offers.js';

const OFFERED = 12;
const MAX_CODES = 10_000;
const KEPT_MS = 60_000;

/** Codes that stand in the data, found by their words or number and chosen by a press. */
export function CodePicker({
  type,
  codes,
  label,
  onCodes,
}: {
  type: string;
  codes: readonly Coding[];
  label: string;
  onCodes: (codes: readonly Coding[]) => void;
}): JSX.Element {
  const [typed, setTyped] = useState('');
  const [open, setOpen] = useState(codes.length === 0);
  const found = useLoad(open ? type : 'closed', () =>
    open ? codesOf(type) : Promise.resolve<Known>({ offers: [], complete: true }),
  );
  const all = found.state === 'done' ? found.value.offers : [];
  const offers = offersFor(all, typed).filter((o) => !codes.some((c) => keyOf(c) === keyOf(o.coding)));
  return (
    <div class="codes">
      {codes.length > 0 && (
        <ul class="chips">
          {codes.map((c) => (
            <li key={keyOf(c)}>
              <button
                type="button"
                class="chip"
                aria-label={`Remove ${c.display ?? c.code}`}
                title={`${systemName(c.system)} ${c.code}`}
                onClick={() => onCodes(codes.filter((other) => other !== c))}
              >
                {c.display ?? c.code} <span aria-hidden="true">×</span>
              </button>
            </li>
          ))}
          <li>
            <button type="button" class="chip more" aria-expanded={open} onClick={() => setOpen(!open)}>
              {open ? 'done' : 'or another…'}
            </button>
          </li>
        </ul>
      )}
      {open && (
        <>
          <input
            class="codes-find"
            type="search"
            aria-label={label}
            placeholder="Find by words or code"
            value={typed}
            onInput={(e) => setTyped(e.currentTarget.value)}
          />
          {found.state === 'failed' && (
            <p class="error" role="alert">
              {found.message}
            </p>
          )}
          <ul class="offers" aria-label="Codes in the data">
            {offers.slice(0, OFFERED).map(({ coding, count }) => (
              <li key={keyOf(coding)}>
                <button
                  type="button"
                  onClick={() => {
                    onCodes([...codes, coding]);
                    setOpen(false);
                    setTyped('');
                  }}
                >
                  <span>{coding.display ?? coding.code}</span>
                  <span class="quiet">
                    {systemName(coding.system)} {coding.code} · {countText(count)}
                  </span>
                </button>
              </li>
            ))}
          </ul>
          <p class="quiet hint" role="status">
            {found.state === 'loading'
              ? 'Looking…'
              : found.state === 'done' && offers.length === 0
                ? 'No such code stands in the data.'
                : [
                    offers.length > OFFERED &&
                      `${countText(offers.length - OFFERED)} more: type to find them.`,
                    found.state === 'done' && !found.value.complete && 'Counted in a part of the records.',
                  ]
                    .filter(Boolean)
                    .join(' ')}
          </p>
        </>
      )}
    </div>
  );
}

/** Of each type all codes that are in use, asked once as long as the page is open; another tenant has others. */
const known = new Map<string, Promise<Known>>();

interface Known {
  readonly offers: readonly Offer[];
  /** All records were counted. */
  readonly complete: boolean;
}

function codesOf(type: string): Promise<Known> {
  const key = `${session().tenant} ${type}`;
  let found = known.get(key);
  if (!found) {
    found = request(`${type}/$codes-in-use?_count=${MAX_CODES}`).then(({ parameter }) => {
      const all = (parameter ?? []) as Parameter[];
      return {
        complete: all.find((p) => p.name === 'complete')?.valueBoolean === true,
        offers: all
          .filter((p) => p.name === 'code')
          .map(({ part = [] }) => ({
            coding: part.find((p) => p.name === 'coding')?.valueCoding ?? {},
            count: part.find((p) => p.name === 'count')?.valueInteger ?? 0,
          })),
      };
    });
    known.set(key, found);
    // What is in use changes; what failed may not fail again.
    setTimeout(() => known.delete(key), KEPT_MS);
    found.catch(() => known.delete(key));
  }
  return found;
}

interface Parameter {
  readonly name: string;
  readonly valueBoolean?: boolean;
  readonly valueInteger?: number;
  readonly valueCoding?: Coding;
  readonly part?: readonly Parameter[];
}
