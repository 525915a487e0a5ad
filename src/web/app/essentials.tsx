import type { JSX } from 'preact';
import { type Bundle, type Resource, request, resources } from './api.js';
import { useLoad } from './load.js';
import { conceptText } from './words.js';

/** Names shown of a kind; the timeline below has all of them. */
const SHOWN = 6;
const FETCHED = 60;

interface Kind {
  readonly title: string;
  readonly none: string;
  readonly searches: readonly string[];
  readonly name: (resource: Resource) => string;
}

/** What whoever opens a record wants to know first. */
const KINDS: readonly Kind[] = [
  {
    title: 'Allergies',
    none: 'none recorded',
    searches: ['AllergyIntolerance?'],
    name: (r) => conceptText(r.code),
  },
  {
    title: 'Active conditions',
    none: 'none recorded',
    searches: ['Condition?clinical-status=active&_sort=-recorded-date&'],
    name: (r) => conceptText(r.code),
  },
  {
    title: 'Current medication',
    none: 'none recorded',
    searches: ['MedicationRequest?status=active&', 'MedicationStatement?status=active&'],
    name: (r) => conceptText(r.medicationCodeableConcept) || (r.medicationReference?.display ?? ''),
  },
];

export function Essentials({ patient }: { readonly patient: string }): JSX.Element {
  return (
    <section class="essentials" aria-label="Essentials">
      {KINDS.map((kind) => (
        <Part key={kind.title} kind={kind} patient={patient} />
      ))}
    </section>
  );
}

async function namesOf(kind: Kind, patient: string, signal: AbortSignal): Promise<string[]> {
  const found = await Promise.all(
    kind.searches.map((search) =>
      request<Bundle>(`${search}patient=${encodeURIComponent(patient)}&_count=${FETCHED}`, { signal }),
    ),
  );
  // The same thing is often in the record and in several notes: it is told once.
  const names = new Map<string, string>();
  const all = found.flatMap(resources);
  // What a record says comes before what was read out of notes.
  for (const resource of [...all.filter((r) => !isDerived(r)), ...all.filter(isDerived)]) {
    const name = kind.name(resource).replace(/ \((disorder|finding|situation)\)$/, '');
    if (name && !names.has(name.toLowerCase())) names.set(name.toLowerCase(), name);
  }
  return [...names.values()];
}

const isDerived = ({ meta }: Resource): boolean =>
  meta?.tag?.some(({ system, code }) => code === 'derived' && system?.endsWith('/origin') === true) ?? false;

function Part({ kind, patient }: { readonly kind: Kind; readonly patient: string }): JSX.Element {
  const found = useLoad(`${kind.title} ${patient}`, (signal) => namesOf(kind, patient, signal));
  return (
    <div class="part" aria-busy={found.state === 'loading'}>
      <h2>{kind.title}</h2>
      {found.state === 'loading' && <p class="quiet">…</p>}
      {found.state === 'failed' && <p class="quiet">cannot be shown: {found.message}</p>}
      {found.state === 'done' &&
        (found.value.length === 0 ? (
          <p class="quiet">{kind.none}</p>
        ) : (
          <ul>
            {found.value.slice(0, SHOWN).map((name) => (
              <li key={name}>{name}</li>
            ))}
            {found.value.length > SHOWN && (
              <li class="quiet">
                and {found.value.length - SHOWN}
                {found.value.length >= FETCHED ? ' or more' : ''} others
              </li>
            )}
          </ul>
        ))}
    </div>
  );
}
