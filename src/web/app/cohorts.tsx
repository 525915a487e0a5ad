import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { type Bundle, type Resource, request, resources } from './api.js';
import { Show, useLoad } from './load.js';
import { ageOf, personName } from './words.js';

const NAME_SYSTEM = 'https://cenote.health/fhir/cohort-name|';

export function Cohorts(): JSX.Element {
  const [round, setRound] = useState(0);
  const found = useLoad(String(round), (signal) =>
    request<Bundle>(`Group?identifier=${encodeURIComponent(NAME_SYSTEM)}&_count=200`, { signal }),
  );
  return (
    <section>
      <h1>Cohorts</h1>
      <Create onMade={() => setRound(round + 1)} />
      <Show of={found}>
        {(bundle) => {
          const groups = resources(bundle);
          if (groups.length === 0) return <p class="quiet">There is no cohort yet.</p>;
          return (
            <ul class="cards">
              {groups.map((g) => (
                <li key={g.id}>
                  <Cohort group={g} />
                </li>
              ))}
            </ul>
          );
        }}
      </Show>
    </section>
  );
}

function Create({ onMade }: { onMade: () => void }): JSX.Element {
  const [name, setName] = useState('');
  const [searches, setSearches] = useState(['']);
  const [problem, setProblem] = useState('');
  const submit = async (event: Event) => {
    event.preventDefault();
    setProblem('');
    const and = searches
      .map((s) => s.trim())
      .filter(Boolean)
      .map((search) => ({ search }));
    try {
      await request('Group/$cohort', { method: 'POST', body: { name, criteria: { and } } });
      setName('');
      setSearches(['']);
      onMade();
    } catch (error) {
      setProblem((error as Error).message);
    }
  };
  return (
    <form class="create" onSubmit={submit}>
      <label>
        Name
        <input value={name} required onInput={(e) => setName(e.currentTarget.value)} />
      </label>
      {searches.map((search, i) => (
        <label key={i}>
          {i === 0 ? 'Patients with' : 'and with'}
          <input
            value={search}
            required={i === 0}
            placeholder="Condition?code=http://snomed.info/sct|44054006"
            onInput={(e) => setSearches(searches.map((s, k) => (k === i ? e.currentTarget.value : s)))}
          />
          {search.includes('?') && <Count search={search} />}
        </label>
      ))}
      <p>
        <button type="button" onClick={() => setSearches([...searches, ''])}>
          Add a criterion
        </button>{' '}
        <button type="submit">Make the cohort</button>
      </p>
      {problem && (
        <p class="error" role="alert">
          {problem}
        </p>
      )}
    </form>
  );
}

/** How many resources a criterion finds, while it is being written. */
function Count({ search }: { search: string }): JSX.Element {
  const count = useLoad(search, async (signal) => {
    await new Promise((resolve) => setTimeout(resolve, 300));
    return request<Bundle>(`${search}&_summary=count`, { signal });
  });
  return (
    <span class="quiet">
      {count.state === 'done'
        ? `${count.value.total} resources`
        : count.state === 'failed'
          ? count.message
          : '…'}
    </span>
  );
}

const SHOWN = 100;

function Cohort({ group }: { group: Resource }): JSX.Element {
  const [open, setOpen] = useState(false);
  return (
    <div class="card">
      <button type="button" class="plain" aria-expanded={open} onClick={() => setOpen(!open)}>
        <strong>{group.name}</strong>
        <span class="size">{sizeText(group.quantity ?? group.member?.length ?? 0)}</span>
      </button>
      {open && <Members group={group} />}
    </div>
  );
}

function Members({ group }: { group: Resource }): JSX.Element {
  const ids = (group.member ?? [])
    .slice(0, SHOWN)
    .map((m: { entity: { reference: string } }) => m.entity.reference.replace('Patient/', ''));
  const found = useLoad(group.id + group.meta?.versionId, (signal) =>
    ids.length === 0
      ? Promise.resolve({} as Bundle)
      : request<Bundle>(`Patient?_id=${ids.join(',')}&_count=${SHOWN}`, { signal }),
  );
  return (
    <Show of={found}>
      {(bundle) => (
        <ul>
          {resources(bundle).map((p) => (
            <li key={p.id}>
              <a href={`#/patient/${p.id}`}>{personName(p)}</a>{' '}
              <span class="quiet">{[p.gender, ageOf(p.birthDate)].filter(Boolean).join(', ')}</span>
            </li>
          ))}
        </ul>
      )}
    </Show>
  );
}

function sizeText(patients: number): string {
  return patients === 1 ? '1 patient' : `${patients.toLocaleString('en-US')} patients`;
}
