import './patients.css';
import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { type Bundle, type Resource, request } from './api.js';
import { Failure, type Loaded, useLoad, Waiting } from './load.js';
import { queryOf } from './patients-query.js';
import { countText } from './ui/format.js';
import { More, usePages } from './ui/pages.js';
import { ageOf, conceptText, personName } from './words.js';

const TYPING_MS = 200;

/** What was typed last, so that coming back from a patient finds the list again. Never in an address: it may be a name. */
let remembered = '';
export function forgetSearch(): void {
  remembered = '';
}

export function Patients(): JSX.Element {
  const [typed, setTyped] = useState(remembered);
  const [asked, setAsked] = useState(remembered);
  useEffect(() => {
    remembered = typed;
    const timer = setTimeout(() => setAsked(typed.trim()), TYPING_MS);
    return () => clearTimeout(timer);
  }, [typed]);
  const found = useLoad(asked, (signal) => request<Bundle>(queryOf(asked), { signal }));
  const list = useRef<HTMLDivElement>(null);
  return (
    <section class="patients">
      <h1>Patients</h1>
      <input
        class="search"
        type="search"
        aria-label="Search patients by name, identifier or birth date"
        aria-describedby="search-hint"
        autocomplete="off"
        spellcheck={false}
        placeholder="Name, identifier or birth date"
        value={typed}
        onInput={(e) => setTyped(e.currentTarget.value)}
        onKeyDown={(e) => {
          const cards = list.current?.querySelectorAll<HTMLElement>('a.card');
          if (e.key === 'ArrowDown' && cards?.length) {
            e.preventDefault();
            cards[0]!.focus();
          }
          if (e.key === 'Enter' && cards?.length === 1 && asked === typed.trim()) cards[0]!.click();
        }}
      />
      <p id="search-hint" class="quiet small">
        Words of a name, an identifier, a birth date as 1952-03-14, or a year; several narrow each other.
      </p>
      {/* biome-ignore lint/a11y/noStaticElementInteractions: only the links inside take the arrows */}
      <div ref={list} onKeyDown={walk}>
        <Found key={asked === '' ? 'all' : 'some'} found={found} asked={asked} onClear={() => setTyped('')} />
      </div>
    </section>
  );
}

/** Arrows go from card to card. */
function walk(event: KeyboardEvent): void {
  const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
  if (!step || !(event.target instanceof HTMLElement) || !event.target.matches('a.card')) return;
  const cards = [...(event.currentTarget as HTMLElement).querySelectorAll<HTMLElement>('a.card')];
  const next = cards[cards.indexOf(event.target) + step];
  event.preventDefault();
  if (next) next.focus();
  else if (step < 0) document.querySelector<HTMLElement>('.search')?.focus();
}

interface FoundProps {
  readonly found: Loaded<Bundle>;
  readonly asked: string;
  readonly onClear: () => void;
}

/** The last answer stays, paler, while the next is awaited: a list that blinks at each letter cannot be read. */
function Found({ found, asked, onClear }: FoundProps): JSX.Element {
  const last = useRef<{ bundle: Bundle; asked: string }>(undefined);
  if (found.state === 'done') last.current = { bundle: found.value, asked };
  if (found.state === 'failed') return <Failure message={found.message} again={found.again} />;
  const shown = last.current;
  if (!shown) return <Waiting />;
  return (
    <div class={found.state === 'loading' ? 'awaiting' : undefined} aria-busy={found.state === 'loading'}>
      {found.state === 'loading' && <Waiting what="Searching…" />}
      <List key={shown.asked} first={shown.bundle} asked={shown.asked} onClear={onClear} />
    </div>
  );
}

function List({
  first,
  asked,
  onClear,
}: {
  readonly first: Bundle;
  readonly asked: string;
  readonly onClear: () => void;
}): JSX.Element {
  const pages = usePages(first);
  const patients = pages.all;
  if (patients.length === 0) return <Nobody asked={asked} onClear={onClear} />;
  return (
    <>
      <p class="quiet found" role="status">
        {countText(first.total ?? patients.length)} found
      </p>
      <ul class="cards">
        {patients.map((p) => (
          <li key={p.id}>
            <Card patient={p} />
          </li>
        ))}
      </ul>
      <More of={pages} />
    </>
  );
}

function Nobody({ asked, onClear }: { readonly asked: string; readonly onClear: () => void }): JSX.Element {
  return (
    <div class="nothing" role="status">
      {asked ? (
        <>
          <p>
            <strong>No patient is found.</strong>
          </p>
          <p class="quiet">
            Words match the beginnings of names; identifiers and dates match whole. Fewer words find more.
          </p>
          <p>
            <button type="button" onClick={onClear}>
              Show all patients
            </button>
          </p>
        </>
      ) : (
        <>
          <p>
            <strong>There is no patient yet.</strong>
          </p>
          <p class="quiet">
            Bring some in with <code>cenote import FOLDER --tenant T</code>.
          </p>
        </>
      )}
    </div>
  );
}

interface Identifier {
  readonly system?: string;
  readonly value?: string;
  readonly type?: { readonly text?: string; readonly coding?: { code?: string; display?: string }[] };
}

/** The medical record number where there is one, else the first identifier that says more than the id. */
function numberOf(patient: Resource): string {
  const all: Identifier[] = patient.identifier ?? [];
  const given = all.filter(({ value }) => value && value !== patient.id);
  const chosen = given.find(({ type }) => type?.coding?.some(({ code }) => code === 'MR')) ?? given[0];
  if (!chosen) return '';
  const name = conceptText(chosen.type);
  return name && name.length <= 30 ? `${name} ${chosen.value}` : chosen.value!;
}

function Card({ patient }: { readonly patient: Resource }): JSX.Element {
  const [address] = patient.address ?? [];
  return (
    <a class="card" href={`#/patient/${encodeURIComponent(patient.id)}`}>
      <strong>{personName(patient)}</strong>
      <span>
        {[
          patient.gender,
          patient.birthDate && `born ${patient.birthDate}`,
          !isDead(patient) && ageOf(patient.birthDate),
          isDead(patient) &&
            (patient.deceasedDateTime ? `died ${patient.deceasedDateTime.slice(0, 10)}` : 'dead'),
        ]
          .filter(Boolean)
          .join(' · ')}
      </span>
      <span class="quiet">
        {[numberOf(patient), address && [address.city, address.state].filter(Boolean).join(', ')]
          .filter(Boolean)
          .join(' · ')}
      </span>
    </a>
  );
}

const isDead = (patient: Resource): boolean =>
  patient.deceasedDateTime !== undefined || patient.deceasedBoolean === true;
