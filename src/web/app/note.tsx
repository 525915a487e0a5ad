import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { type Resource, request } from './api.js';
import { Failure, type Loaded, Show, useLoad } from './load.js';
import { Legend, MarkedText, type Mention, MentionFacts } from './marked.js';
import { type Fact, factsOf, mentionOf, readFacts } from './note/facts.js';
import { decisionOf, Review } from './review.js';
import { conceptText, decodeBase64 } from './words.js';

interface Note {
  document: Resource;
  text: string;
  mentions: Mention[];
  /** Why the note has no annotation, where it has none. */
  unread: string | undefined;
}

async function readNote(id: string, signal: AbortSignal): Promise<Note> {
  const at = `DocumentReference/${encodeURIComponent(id)}`;
  const document = await request(at, { signal });
  const attachment = document.content?.find(
    (c: { attachment?: { data?: string } }) => c.attachment?.data,
  )?.attachment;
  let unread: string | undefined;
  const annotation = await request<{ mentions?: Mention[] }>(`${at}/$annotation`, { signal }).catch(
    (error) => {
      unread = (error as Error).message;
      return { mentions: [] };
    },
  );
  return {
    document,
    text: attachment?.data ? decodeBase64(attachment.data) : '',
    mentions: annotation.mentions ?? [],
    unread,
  };
}

export function NoteReader({ id, focus }: { id: string; focus: string | undefined }): JSX.Element {
  const note = useLoad(id, (signal) => readNote(id, signal));
  return <Show of={note}>{(n) => <Reader key={id} note={n} focus={focus} />}</Show>;
}

/** The mention that `start-end` of an address means. */
function mentionAt(focus: string | undefined, mentions: readonly Mention[]): Mention | undefined {
  const [start = -1, end = start] = (focus ?? '').split('-').map(Number);
  return (
    mentions.find((m) => m.start === start && m.end === end) ??
    mentions.find((m) => m.start <= start && start < m.end)
  );
}

function Reader({ note, focus }: { note: Note; focus: string | undefined }): JSX.Element {
  const { document, mentions } = note;
  const [chosen, setChosen] = useState<Mention | undefined>(() => mentionAt(focus, mentions));
  const [peeked, setPeeked] = useState<Mention>();
  const [round, setRound] = useState(0);
  const [kinds, setKinds] = useState<'all' | 'accepted' | 'refused'>('all');
  useEffect(() => setChosen(mentionAt(focus, mentions)), [focus]);
  const facts = useLoad(`${document.id} ${round}`, (signal) => readFacts(document.id, signal));
  // While they are read anew the old ones stay.
  const [read, setRead] = useState<readonly Fact[]>([]);
  useEffect(() => {
    if (facts.state === 'done') setRead(facts.value);
  }, [facts]);
  const subject = document.subject?.reference as string | undefined;
  const shown = kinds === 'all' ? mentions : mentions.filter((m) => m.accepted === (kinds === 'accepted'));
  const looked = peeked ?? chosen;
  return (
    <section>
      <header class="patient">
        <h1>{conceptText(document.type) || 'Note'}</h1>
        <p>
          {[
            (document.context?.period?.start ?? document.date ?? '').slice(0, 10),
            document.author?.[0]?.display,
          ]
            .filter(Boolean)
            .join(' · ')}
          {subject && (
            <>
              {' · '}
              <a href={`#/patient/${subject.replace('Patient/', '')}`}>Patient and timeline</a>
            </>
          )}
        </p>
      </header>
      {note.unread && <p class="quiet">Nothing is marked: {note.unread}</p>}
      <div class="tools">
        <Legend mentions={mentions} />
        {mentions.length > 0 && (
          <label>
            Mark{' '}
            <select value={kinds} onChange={(e) => setKinds(e.currentTarget.value as typeof kinds)}>
              <option value="all">everything found</option>
              <option value="accepted">what was accepted</option>
              <option value="refused">what was refused</option>
            </select>
          </label>
        )}
      </div>
      <div class="columns reader">
        {note.text ? (
          <MarkedText
            text={note.text}
            mentions={shown}
            chosen={chosen}
            onChoose={setChosen}
            onPeek={setPeeked}
          />
        ) : (
          <p class="empty">The document has no text to show.</p>
        )}
        <aside class="detail" aria-label="The mention">
          {facts.state === 'failed' && (
            <Failure
              message={`The facts of this note could not be read: ${facts.message}`}
              again={facts.again}
            />
          )}
          {looked ? (
            <>
              <MentionFacts mention={looked} />
              <OwnFacts
                facts={factsOf(read, looked)}
                known={facts.state === 'done'}
                reviewed={looked === chosen}
                onChanged={() => setRound(round + 1)}
              />
              {looked === chosen && (
                <button type="button" class="back" onClick={() => setChosen(undefined)}>
                  All facts of the note
                </button>
              )}
            </>
          ) : (
            <AllFacts
              facts={read}
              state={facts.state}
              onChoose={(fact) => {
                const mention = mentionOf(fact, mentions);
                if (mention) {
                  setKinds('all');
                  setChosen(mention);
                }
              }}
            />
          )}
        </aside>
      </div>
    </section>
  );
}

/** What became of the words: facts to look at, and for chosen words to decide on. */
function OwnFacts({
  facts,
  known,
  reviewed,
  onChanged,
}: {
  facts: readonly Fact[];
  /** Whether the facts were read: where not, none that are known says nothing. */
  known: boolean;
  reviewed: boolean;
  onChanged: () => void;
}): JSX.Element {
  if (facts.length === 0) return known ? <p class="quiet">No fact was made of these words.</p> : <></>;
  return (
    <>
      {facts.map(({ resource }) => (
        <div key={resource.id} class="fact">
          <h3>
            {resource.resourceType}: {titleOf(resource)}
          </h3>
          <p class="quiet">{detailOf(resource)}</p>
          {reviewed ? (
            <Review key={resource.meta?.versionId} resource={resource} onChanged={onChanged} />
          ) : (
            <p class="quiet">Press the word to decide on it.</p>
          )}
        </div>
      ))}
    </>
  );
}

/** What is said where no facts are known. */
const WITHOUT_FACTS = { loading: 'Loading…', failed: '', done: 'None were made of it.' } as const;

function AllFacts({
  facts,
  state,
  onChoose,
}: {
  facts: readonly Fact[];
  state: Loaded<unknown>['state'];
  onChoose: (fact: Fact) => void;
}): JSX.Element {
  return (
    <>
      <h2>Facts of this note</h2>
      <p class="quiet">
        {facts.length > 0
          ? 'Each leads to its words; a word shows how it was understood.'
          : WITHOUT_FACTS[state]}
      </p>
      <ul class="facts">
        {facts.map((fact) => (
          <li key={fact.resource.id}>
            <button type="button" onClick={() => onChoose(fact)}>
              <span>{titleOf(fact.resource)}</span>
              <span class="quiet">
                {[fact.resource.resourceType, decisionOf(fact.resource)].filter(Boolean).join(', ')}
              </span>
            </button>
          </li>
        ))}
      </ul>
    </>
  );
}

function titleOf(resource: Resource): string {
  return (
    conceptText(
      resource.code ??
        resource.medicationCodeableConcept ??
        resource.vaccineCode ??
        resource.condition?.[0]?.code,
    ) || resource.resourceType
  );
}

function detailOf(resource: Resource): string {
  const verification = resource.verificationStatus?.coding?.[0]?.code as string | undefined;
  return [
    resource.status ?? resource.clinicalStatus?.coding?.[0]?.code,
    verification,
    (
      resource.onsetDateTime ??
      resource.effectiveDateTime ??
      resource.performedDateTime ??
      resource.occurrenceDateTime ??
      resource.recordedDate ??
      ''
    ).slice(0, 10),
  ]
    .filter(Boolean)
    .join(' · ');
}
