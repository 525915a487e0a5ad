import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { type Bundle, type Resource, request, session } from '../api.js';
import { Show, useLoad } from '../load.js';
import { countText, whenText } from '../ui/format.js';
import { More, usePages } from '../ui/pages.js';
import { Scroll } from '../ui/scroll.js';
import { decodeBase64 } from '../words.js';

const PAGE = 50;

interface Question {
  readonly patient: string;
  readonly agent: string;
  readonly from: string;
  readonly to: string;
  readonly outcome: string;
  readonly action: string;
}
const ALL: Question = { patient: '', agent: '', from: '', to: '', outcome: '', action: '' };

function addressOf(q: Question): string {
  const query = new URLSearchParams({ _count: String(PAGE) });
  if (q.patient.trim()) query.append('patient', q.patient.trim());
  if (q.agent.trim()) query.append('agent', q.agent.trim());
  if (q.from) query.append('date', `ge${new Date(q.from).toISOString()}`);
  if (q.to) query.append('date', `le${new Date(q.to).toISOString()}`);
  if (q.outcome) query.append('outcome', q.outcome);
  if (q.action) query.append('action', q.action);
  return `AuditEvent/$audit-log?${query}`;
}

/** Who read, wrote or was refused what in the tenant that is signed in to. */
export function Audit(): JSX.Element {
  const [draft, setDraft] = useState(ALL);
  const [asked, setAsked] = useState({ question: ALL, round: 0 });
  const change = (part: Partial<Question>) => setDraft({ ...draft, ...part });
  const address = addressOf(asked.question);
  const found = useLoad(`${address} ${asked.round}`, (signal) => request<Bundle>(address, { signal }));
  return (
    <>
      <p class="quiet">
        Every access to <strong>{session().tenant}</strong>, the newest first. It needs a token of the tenant
        with the scope <code>system/AuditEvent.rs</code>.
      </p>
      <form
        class="panel filter"
        onSubmit={(event) => {
          event.preventDefault();
          setAsked({ question: draft, round: asked.round + 1 });
        }}
      >
        <label class="field">
          Patient’s id
          <input
            value={draft.patient}
            autocomplete="off"
            onInput={(e) => change({ patient: e.currentTarget.value })}
          />
        </label>
        <label class="field">
          Who
          <input
            value={draft.agent}
            autocomplete="off"
            onInput={(e) => change({ agent: e.currentTarget.value })}
          />
        </label>
        <label class="field">
          From
          <input
            type="datetime-local"
            value={draft.from}
            onInput={(e) => change({ from: e.currentTarget.value })}
          />
        </label>
        <label class="field">
          Until
          <input
            type="datetime-local"
            value={draft.to}
            onInput={(e) => change({ to: e.currentTarget.value })}
          />
        </label>
        <label class="field">
          Action
          <select value={draft.action} onChange={(e) => change({ action: e.currentTarget.value })}>
            <option value="">any</option>
            {Object.entries(ACTIONS).map(([code, says]) => (
              <option key={code} value={code}>
                {says}
              </option>
            ))}
          </select>
        </label>
        <label class="field">
          Outcome
          <select value={draft.outcome} onChange={(e) => change({ outcome: e.currentTarget.value })}>
            <option value="">any</option>
            <option value="0">succeeded</option>
            <option value="4">refused</option>
            <option value="8">failed</option>
          </select>
        </label>
        <p class="buttons">
          <button type="submit">Search</button>{' '}
          <button
            type="button"
            onClick={() => {
              setDraft(ALL);
              setAsked({ question: ALL, round: asked.round + 1 });
            }}
          >
            Clear
          </button>
        </p>
      </form>
      <Show of={found}>
        {(bundle) => (
          <Events key={`${address} ${asked.round}`} first={bundle} patient={asked.question.patient} />
        )}
      </Show>
    </>
  );
}

const ACTIONS: Readonly<Record<string, string>> = {
  C: 'created',
  R: 'read',
  U: 'updated',
  D: 'deleted',
  E: 'searched or ran',
};
const OUTCOMES: Readonly<Record<string, readonly [state: string, says: string]>> = {
  '0': ['done', 'succeeded'],
  '4': ['failed', 'refused'],
  '8': ['failed', 'failed'],
};

function Events({ first, patient }: { readonly first: Bundle; readonly patient: string }): JSX.Element {
  const pages = usePages(first);
  const events = pages.all;
  const sought = `Patient/${patient.trim().replace(/^Patient\//, '')}`;
  if (events.length === 0)
    return (
      <div class="nothing">
        <p>
          <strong>Nothing of that kind was recorded.</strong>
        </p>
      </div>
    );
  return (
    <>
      <p class="quiet" role="status">
        {countText(events.length)} shown{pages.hasMore ? ', more follow' : ''}
      </p>
      <Scroll label="Audit events">
        <table class="audit">
          <thead>
            <tr>
              <th scope="col">When</th>
              <th scope="col">Who</th>
              <th scope="col">What</th>
              <th scope="col">About</th>
              <th scope="col">Outcome</th>
            </tr>
          </thead>
          <tbody>
            {events.map((event) => (
              <Row key={event.id} event={event} sought={sought} />
            ))}
          </tbody>
        </table>
      </Scroll>
      <More of={pages} />
    </>
  );
}

interface Entity {
  readonly what?: { reference?: string };
  readonly query?: string;
  readonly description?: string;
}

/** This many references stand in a row; the rest is counted. */
const NAMED = 3;

function Row({ event, sought }: { readonly event: Resource; readonly sought: string }): JSX.Element {
  const entities: Entity[] = event.entity ?? [];
  const about = [
    ...new Set(
      entities.flatMap((e) => e.what?.reference?.replace(/^(Patient\/[^/]+)\/_history\/.*/, '$1') ?? []),
    ),
  ].sort((a, b) => Number(b === sought) - Number(a === sought));
  const query = entities.find((e) => e.query)?.query;
  const reason = entities.find((e) => e.description)?.description;
  const [state, says] = OUTCOMES[event.outcome] ?? ['', event.outcome];
  const emergency = event.purposeOfEvent !== undefined;
  return (
    <tr>
      <td class="nowrap">{whenText(event.recorded)}</td>
      <td class="path">{event.agent?.[0]?.who?.display}</td>
      <td>
        {event.subtype?.[0]?.display ?? event.subtype?.[0]?.code}
        {query && <code class="query">{decodeBase64(query)}</code>}
        {emergency && <span class="badge">emergency</span>}
        {reason && <span class="quiet"> “{reason}”</span>}
      </td>
      <td class="path">
        {about.slice(0, NAMED).map((reference) => (
          <span key={reference} class="ref">
            {reference.startsWith('Patient/') && !reference.includes('/_history/') ? (
              <a href={`#/patient/${encodeURIComponent(reference.slice(8))}`}>{reference}</a>
            ) : (
              reference
            )}
          </span>
        ))}
        {about.length > NAMED && <span class="quiet">and {about.length - NAMED} more</span>}
      </td>
      <td>
        <span class={`state ${state}`}>{says}</span>
        {event.outcomeDesc && <span class="quiet small"> {event.outcomeDesc}</span>}
      </td>
    </tr>
  );
}
