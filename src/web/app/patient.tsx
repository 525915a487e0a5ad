import type { JSX } from 'preact';
import { request } from './api.js';
import { Show, useLoad } from './load.js';
import { Timeline } from './timeline.js';
import { ageOf, personName } from './words.js';

export function PatientPage({ id }: { id: string }): JSX.Element {
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
                p.deceasedDateTime ? `died ${p.deceasedDateTime.slice(0, 10)}` : ageOf(p.birthDate),
                p.address?.[0] && [p.address[0].city, p.address[0].state].filter(Boolean).join(', '),
              ]
                .filter(Boolean)
                .join(' · ')}
            </p>
            <ul class="identifiers">
              {(p.identifier ?? [])
                .slice(0, 4)
                .map((i: { system?: string; value?: string; type?: { text?: string } }) => (
                  <li key={`${i.system} ${i.value}`} title={i.system}>
                    {i.type?.text ? `${i.type.text} ` : ''}
                    {i.value}
                  </li>
                ))}
            </ul>
          </header>
          <Timeline patient={id} />
        </>
      )}
    </Show>
  );
}
