import './try-it.css';
import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { type Bundle, type Resource, request } from './api.js';
import { Failure, Waiting } from './load.js';
import { Legend, MarkedText, type Mention, MentionDetail } from './marked.js';
import { EXAMPLES } from './try-examples.js';
import { Choice } from './ui/choice.js';
import { counted, countText } from './ui/format.js';
import { Json } from './ui/json.js';
import { conceptText } from './words.js';

/** The server reads no longer note than this. */
const MAX_CHARACTERS = 4_000_000;

interface Understood {
  readonly text: string;
  readonly mentions: Mention[];
  readonly bundle: Bundle;
}

async function understand(text: string, signal: AbortSignal): Promise<Understood> {
  const body = { resourceType: 'Parameters', parameter: [{ name: 'text', valueString: text }] };
  const { mentions, bundle } = await request<{ mentions: Mention[]; bundle: Bundle }>(
    '$annotate?format=both',
    { method: 'POST', body, signal },
  );
  return { text, mentions, bundle };
}

export function TryIt(): JSX.Element {
  const [text, setText] = useState(EXAMPLES[0]!.text);
  const [read, setRead] = useState<Understood>();
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string>();
  const stop = useRef<AbortController>(undefined);
  useEffect(() => () => stop.current?.abort(), []);

  const submit = async (given: string) => {
    stop.current?.abort();
    const mine = new AbortController();
    stop.current = mine;
    setProblem(undefined);
    setBusy(true);
    try {
      const answer = await understand(given, mine.signal);
      if (!mine.signal.aborted) setRead(answer);
    } catch (error) {
      if (!mine.signal.aborted) setProblem((error as Error).message);
    }
    if (stop.current === mine) setBusy(false);
  };
  const tooLong = text.length > MAX_CHARACTERS;
  return (
    <section class="try">
      <h1>Try it</h1>
      <p class="quiet">Paste a note and see what is understood. Nothing of it is stored.</p>
      <Choice label="Examples">
        {EXAMPLES.map((example) => (
          <button
            key={example.title}
            type="button"
            aria-pressed={text === example.text}
            onClick={() => {
              setText(example.text);
              void submit(example.text);
            }}
          >
            {example.title}
          </button>
        ))}
      </Choice>
      <textarea
        aria-label="A note"
        rows={8}
        value={text}
        spellcheck={false}
        onInput={(e) => setText(e.currentTarget.value)}
        onKeyDown={(e) => {
          if (e.key !== 'Enter' || !(e.ctrlKey || e.metaKey) || !text.trim() || tooLong) return;
          e.preventDefault();
          void submit(text);
        }}
      />
      <p class="buttons start">
        <button type="submit" onClick={() => submit(text)} disabled={busy || tooLong || text.trim() === ''}>
          {busy ? 'Reading…' : 'Read it'}
        </button>
        {busy && (
          <button
            type="button"
            onClick={() => {
              stop.current?.abort();
              setBusy(false);
            }}
          >
            Stop
          </button>
        )}
        {text !== '' && (
          <button
            type="button"
            onClick={() => {
              setText('');
              setRead(undefined);
            }}
          >
            Clear
          </button>
        )}
        <span class={tooLong ? 'no' : 'quiet'}>
          {countText(text.length)} characters{tooLong && `, at most ${countText(MAX_CHARACTERS)} are read`}
        </span>
      </p>
      {problem && <Failure message={problem} again={() => void submit(text)} />}
      {busy && !read && <Waiting what="Reading…" />}
      {read && (
        <div class={busy ? 'awaiting' : undefined} aria-busy={busy}>
          <Result read={read} stale={read.text !== text} />
        </div>
      )}
    </section>
  );
}

function Result({ read, stale }: { readonly read: Understood; readonly stale: boolean }): JSX.Element {
  const [view, setView] = useState<'text' | 'fhir'>('text');
  const accepted = read.mentions.filter((m) => m.accepted).length;
  const refused = read.mentions.length - accepted;
  const facts = (read.bundle.entry ?? [])
    .map((e) => e.resource)
    .filter((r) => r.resourceType !== 'Provenance');
  return (
    <>
      <div class="bar-head">
        <h2>What it says</h2>
        <Choice label="Shown as">
          <button type="button" aria-pressed={view === 'text'} onClick={() => setView('text')}>
            As text
          </button>
          <button type="button" aria-pressed={view === 'fhir'} onClick={() => setView('fhir')}>
            As FHIR
          </button>
        </Choice>
      </div>
      <p role="status">
        {read.mentions.length === 0
          ? 'Nothing of medicine was found in it.'
          : `${countText(accepted)} understood, ${countText(refused)} refused as facts about the patient, ${counted(facts.length, 'FHIR resource')}`}
        {stale && <span class="quiet"> · of the note as it was when it was read</span>}
      </p>
      {view === 'text' ? (
        <AsText key={read.text} read={read} />
      ) : (
        <AsFhir bundle={read.bundle} facts={facts} />
      )}
    </>
  );
}

function AsText({ read }: { readonly read: Understood }): JSX.Element {
  const [chosen, setChosen] = useState<Mention>();
  const { text, mentions } = read;
  return (
    <>
      <Legend mentions={mentions} />
      <div class="columns">
        <MarkedText text={text} mentions={mentions} chosen={chosen} onChoose={setChosen} />
        {chosen && <MentionDetail mention={chosen} />}
      </div>
    </>
  );
}

/** Resources listed one by one; the whole Bundle can be copied. */
const MAX_LISTED = 200;

function AsFhir({
  bundle,
  facts,
}: {
  readonly bundle: Bundle;
  readonly facts: readonly Resource[];
}): JSX.Element {
  const [copied, setCopied] = useState<string>();
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(JSON.stringify(bundle, null, 2));
      setCopied('Copied.');
    } catch {
      setCopied('The browser does not let this page copy.');
    }
  };
  if (facts.length === 0) return <p class="quiet">It says no fact about the patient.</p>;
  return (
    <>
      <p class="buttons start">
        <button type="button" onClick={copy}>
          Copy the Bundle
        </button>
        <span class="quiet" role="status">
          {copied}
        </span>
      </p>
      <ul class="rows">
        {facts.slice(0, MAX_LISTED).map((resource) => (
          <li key={`${resource.resourceType} ${resource.id}`}>
            <details class="row fhir">
              <summary>
                <span class="quiet">{resource.resourceType}</span> {titleOf(resource)}
              </summary>
              <Json value={resource} label={`${resource.resourceType} as JSON`} />
            </details>
          </li>
        ))}
      </ul>
      {facts.length > MAX_LISTED && (
        <p class="quiet">and {countText(facts.length - MAX_LISTED)} more, in the Bundle that is copied</p>
      )}
    </>
  );
}

function titleOf(r: Resource): string {
  const relative = r.resourceType === 'FamilyMemberHistory' ? conceptText(r.relationship) : '';
  const name = conceptText(r.medicationCodeableConcept ?? r.vaccineCode ?? r.condition?.[0]?.code ?? r.code);
  return [relative, name].filter(Boolean).join(': ');
}
