import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { type Bundle, nextLink, type Resource, request, resources } from './api.js';
import { Show, useLoad } from './load.js';
import { ageOf, personName } from './words.js';

const PAGE = 30;
const TYPING_MS = 200;

/** A date looks for a birth date, digits for an identifier, anything else for a name. */
function queryOf(text: string): string {
  const words = text.trim();
  if (!words) return `Patient?_count=${PAGE}&_total=accurate`;
  const value = encodeURIComponent(words);
  const by = /^\d{4}(-\d{2}){0,2}$/.test(words) ? 'birthdate' : /\d/.test(words) ? 'identifier' : 'name';
  return `Patient?${by}=${value}&_count=${PAGE}&_total=accurate`;
}

export function Patients(): JSX.Element {
  const [typed, setTyped] = useState('');
  const [asked, setAsked] = useState('');
  useEffect(() => {
    const timer = setTimeout(() => setAsked(typed), TYPING_MS);
    return () => clearTimeout(timer);
  }, [typed]);
  const found = useLoad(asked, (signal) => request<Bundle>(queryOf(asked), { signal }));
  return (
    <section>
      <h1>Patients</h1>
      <input
        class="search"
        type="search"
        aria-label="Search patients by name, identifier or birth date"
        placeholder="Name, identifier or birth date"
        value={typed}
        onInput={(e) => setTyped(e.currentTarget.value)}
      />
      <Show of={found}>{(bundle) => <List key={asked} first={bundle} />}</Show>
    </section>
  );
}

function List({ first }: { first: Bundle }): JSX.Element {
  const [pages, setPages] = useState([first]);
  const patients = pages.flatMap(resources);
  const next = nextLink(pages.at(-1)!);
  if (patients.length === 0) return <p class="quiet">No patient is found.</p>;
  return (
    <>
      <p class="quiet" role="status">
        {first.total ?? patients.length} found
      </p>
      <ul class="cards">
        {patients.map((p) => (
          <li key={p.id}>
            <Card patient={p} />
          </li>
        ))}
      </ul>
      {next && (
        <button type="button" onClick={async () => setPages([...pages, await request<Bundle>(next)])}>
          More
        </button>
      )}
    </>
  );
}

function Card({ patient }: { patient: Resource }): JSX.Element {
  const mrn = patient.identifier?.find((i: { value?: string }) => i.value && i.value !== patient.id)?.value;
  return (
    <a class="card" href={`#/patient/${patient.id}`}>
      <strong>{personName(patient)}</strong>
      <span>
        {[
          patient.gender,
          patient.birthDate && `born ${patient.birthDate}`,
          !patient.deceasedDateTime && ageOf(patient.birthDate),
        ]
          .filter(Boolean)
          .join(' · ')}
      </span>
      <span class="quiet">
        {patient.deceasedDateTime ? `died ${patient.deceasedDateTime.slice(0, 10)}` : (mrn ?? '')}
      </span>
    </a>
  );
}
