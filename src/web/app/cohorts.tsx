import './cohorts/cohorts.css';
import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { type Bundle, extension, type Resource, request, resources } from './api.js';
import { Builder } from './cohorts/builder.js';
import { Compare } from './cohorts/comparison.js';
import { ExportPanel } from './cohorts/export.js';
import { Members, Profile } from './cohorts/profile.js';
import { type Criteria, inWords } from './cohorts/tree.js';
import { Show, useLoad } from './load.js';
import { counted } from './ui/format.js';

const NAME_SYSTEM = 'https://cenote.health/fhir/cohort-name|';
const MAX_COHORTS = 200;

const TABS = [
  ['list', 'Cohorts'],
  ['new', 'New cohort'],
  ['compare', 'Compare'],
] as const;
type Tab = (typeof TABS)[number][0];

export function Cohorts(): JSX.Element {
  const [tab, setTab] = useState<Tab>('list');
  const [made, setMade] = useState('');
  const [round, setRound] = useState(0);
  const found = useLoad(String(round), (signal) =>
    request<Bundle>(`Group?identifier=${encodeURIComponent(NAME_SYSTEM)}&_count=${MAX_COHORTS}`, { signal }),
  );
  return (
    <section class="cohorts">
      <h1>Cohorts</h1>
      <p class="choices">
        {TABS.map(([name, title]) => (
          <button key={name} type="button" aria-pressed={tab === name} onClick={() => setTab(name)}>
            {title}
          </button>
        ))}
      </p>
      {tab === 'new' ? (
        <Builder
          onMade={(id) => {
            setMade(id);
            setRound(round + 1);
            setTab('list');
          }}
        />
      ) : (
        <Show of={found}>
          {(bundle) => {
            const groups = resources(bundle).sort((a, b) => (String(a.name) < String(b.name) ? -1 : 1));
            if (tab === 'compare' && groups.length > 0) return <Compare groups={groups} />;
            if (groups.length === 0)
              return (
                <p class="empty">
                  There is no cohort yet.{' '}
                  <button type="button" onClick={() => setTab('new')}>
                    Make one
                  </button>
                </p>
              );
            return (
              <ul class="cohort-list">
                {groups.map((g) => (
                  <li key={g.id}>
                    <Cohort group={g} open={g.id === made} />
                  </li>
                ))}
              </ul>
            );
          }}
        </Show>
      )}
    </section>
  );
}

const PARTS = [
  ['profile', 'Who they are'],
  ['members', 'Patients'],
  ['export', 'Export'],
] as const;

function Cohort({ group, open: openAtFirst }: { group: Resource; open: boolean }): JSX.Element {
  const [open, setOpen] = useState(openAtFirst);
  const [part, setPart] = useState<(typeof PARTS)[number][0]>('members');
  const card = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (openAtFirst) card.current?.scrollIntoView({ block: 'nearest' });
  }, []);
  const size = Number(group.quantity ?? group.member?.length ?? 0);
  return (
    <div class="card" ref={card}>
      <button type="button" class="plain" aria-expanded={open} onClick={() => setOpen(!open)}>
        <strong>{group.name}</strong>
        <span class="size">{sizeText(size)}</span>
      </button>
      {open && (
        <>
          <p class="quiet meaning">{meaningOf(group)}</p>
          <p class="choices small">
            {PARTS.map(([name, title]) => (
              <button key={name} type="button" aria-pressed={part === name} onClick={() => setPart(name)}>
                {title}
              </button>
            ))}
          </p>
          {part === 'profile' ? (
            size > 0 ? (
              <Profile group={group} size={size} />
            ) : (
              <p class="empty">Nobody is in this cohort.</p>
            )
          ) : part === 'members' ? (
            <Members group={group} />
          ) : (
            <ExportPanel group={group} />
          )}
        </>
      )}
    </div>
  );
}

/** The definition that is kept in the Group, in words. */
function meaningOf(group: Resource): string {
  const text = extension(group, 'cohort-criteria')?.valueString;
  if (typeof text !== 'string') return '';
  try {
    const { criteria, asOf, derived } = JSON.parse(text) as {
      criteria: Criteria;
      asOf?: string;
      derived?: string;
    };
    return [
      `Patients with ${inWords(criteria)}`,
      derived === 'exclude' && 'facts from notes not counted',
      derived === 'only' && 'facts from notes alone',
      asOf && `as known on ${asOf}`,
    ]
      .filter(Boolean)
      .join('; ');
  } catch {
    return '';
  }
}

function sizeText(patients: number): string {
  return counted(patients, 'patient');
}
