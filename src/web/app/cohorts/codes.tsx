import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { type Bundle, type Coding, type Concept, type Resource, request, resources } from '../api.js';
import { useLoad } from '../load.js';
import { conceptText, systemName } from '../words.js';
import { subjectOf } from './tree.js';

/** Resources whose codes are offered. */
const SAMPLE = 500;
const OFFERED = 12;
const TYPING_MS = 250;

interface Offer {
  readonly coding: Coding;
  readonly count: number;
}

const keyOf = (c: Coding): string => `${c.system ?? ''}|${c.code}`;

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
  const found = useLoad(open ? `${type} ${typed}` : 'closed', async (signal) => {
    if (!open) return [];
    if (typed) await new Promise((resolve) => setTimeout(resolve, TYPING_MS));
    if (signal.aborted) return [];
    const queries = [...new Set([queryOf(type, typed.trim()), queryOf(type, '')])];
    const bundles = await Promise.all(queries.map((query) => request<Bundle>(query, { signal })));
    return offersOf(type, bundles.flatMap(resources), typed.trim().toLowerCase());
  });
  const offers =
    found.state === 'done' ? found.value.filter((o) => !codes.some((c) => keyOf(c) === keyOf(o.coding))) : [];
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
                    {systemName(coding.system)} {coding.code} · {count}
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
                : offers.length > OFFERED
                  ? `${offers.length - OFFERED} more: type to find them.`
                  : ''}
          </p>
        </>
      )}
    </div>
  );
}

/** Digits are a code; anything else is how its name begins. Words within a name are found among the newest alone. */
function queryOf(type: string, typed: string): string {
  const { code, element } = subjectOf(type)!;
  const value = encodeURIComponent(typed.replace(/[\\,$|]/g, '\\$&'));
  const by = typed === '' ? '' : /^\S*\d\S*$/.test(typed) ? `&${code}=${value}` : `&${code}:text=${value}`;
  return `${type}?_elements=${element}&_count=${SAMPLE}${by}`;
}

/** The codings of what was found that say what was typed, those that most have first. */
function offersOf(type: string, found: readonly Resource[], typed: string): Offer[] {
  const { element } = subjectOf(type)!;
  const offers = new Map<string, { coding: Coding; count: number }>();
  const once = new Map(found.map((resource) => [resource.id, resource]));
  for (const resource of once.values()) {
    for (const concept of conceptsIn(resource, element))
      for (const coding of concept.coding ?? []) {
        if (!coding.code) continue;
        const known = offers.get(keyOf(coding)) ?? {
          coding: {
            system: coding.system,
            code: coding.code,
            display: coding.display ?? (conceptText(concept) || coding.code),
          },
          count: 0,
        };
        known.count++;
        offers.set(keyOf(coding), known);
      }
  }
  const says = ({ coding }: Offer) => `${coding.display} ${coding.code}`.toLowerCase().includes(typed);
  const all = [...offers.values()].sort((a, b) => b.count - a.count);
  return all.filter(says);
}

function conceptsIn(resource: Resource, element: string): Concept[] {
  const value = resource[element] as unknown;
  const list = (Array.isArray(value) ? value : value ? [value] : []) as (Concept & { code?: Concept })[];
  // A family history has its illness one level down.
  return list.map((one) => (one.coding || one.text ? one : (one.code ?? {})));
}
