import type { JSX } from 'preact';
import { request } from './api.js';
import { Essentials } from './essentials.js';
import { Show, useLoad } from './load.js';
import { Timeline } from './timeline.js';
import { ageOf, conceptText, personName } from './words.js';

/** More identifiers than these are folded away. */
const SHOWN_IDENTIFIERS = 4;

interface Identifier {
  readonly system?: string;
  readonly value?: string;
  readonly type?: { readonly text?: string };
}

export function PatientPage({ id }: { readonly id: string }): JSX.Element {
  const patient = useLoad(id, (signal) => request(`Patient/${encodeURIComponent(id)}`, { signal }));
  return (
    <Show of={patient}>
      {(p) => (
        <>
          <header class="patient">
            <h1>{personName(p)}</h1>
            <p>
              {[
                p.gender,
                p.birthDate && `born ${p.birthDate}`,
                p.deceasedDateTime
                  ? `died ${p.deceasedDateTime.slice(0, 10)}`
                  : p.deceasedBoolean
                    ? 'dead'
                    : ageOf(p.birthDate),
                p.address?.[0] && [p.address[0].city, p.address[0].state].filter(Boolean).join(', '),
                p.telecom?.find((t: { system?: string; value?: string }) => t.system === 'phone')?.value,
                p.communication?.[0] && conceptText(p.communication[0].language),
              ]
                .filter(Boolean)
                .join(' · ')}
            </p>
            <Identifiers all={p.identifier ?? []} />
          </header>
          <Essentials patient={id} />
          <Timeline patient={id} />
        </>
      )}
    </Show>
  );
}

function Identifiers({ all }: { readonly all: readonly Identifier[] }): JSX.Element | null {
  const item = (i: Identifier) => (
    <li key={`${i.system} ${i.value}`} title={i.system}>
      {i.type?.text ? `${i.type.text} ` : ''}
      {i.value}
    </li>
  );
  if (all.length === 0) return null;
  return (
    <>
      <ul class="identifiers">{all.slice(0, SHOWN_IDENTIFIERS).map(item)}</ul>
      {all.length > SHOWN_IDENTIFIERS && (
        <details class="small">
          <summary>{all.length - SHOWN_IDENTIFIERS} more identifiers</summary>
          <ul class="identifiers">{all.slice(SHOWN_IDENTIFIERS).map(item)}</ul>
        </details>
      )}
    </>
  );
}
