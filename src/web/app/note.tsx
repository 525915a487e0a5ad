import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { type Resource, request } from './api.js';
import { Show, useLoad } from './load.js';
import { Legend, MarkedText, type Mention, MentionDetail } from './marked.js';
import { conceptText, decodeBase64 } from './words.js';

interface Note {
  document: Resource;
  text: string;
  mentions: Mention[];
}

async function readNote(id: string, signal: AbortSignal): Promise<Note> {
  const document = await request(`DocumentReference/${encodeURIComponent(id)}`, { signal });
  const attachment = document.content?.find(
    (c: { attachment?: { data?: string } }) => c.attachment?.data,
  )?.attachment;
  const annotation = await request<{ mentions?: Mention[] }>(
    `DocumentReference/${encodeURIComponent(id)}/$annotation`,
    { signal },
  ).catch(() => ({ mentions: [] }));
  return {
    document,
    text: attachment?.data ? decodeBase64(attachment.data) : '',
    mentions: annotation.mentions ?? [],
  };
}

export function NoteReader({ id, focus }: { id: string; focus: string | undefined }): JSX.Element {
  const note = useLoad(id, (signal) => readNote(id, signal));
  return <Show of={note}>{(n) => <Reader note={n} focus={focus} />}</Show>;
}

function Reader({ note, focus }: { note: Note; focus: string | undefined }): JSX.Element {
  const [start] = (focus ?? '').split('-').map(Number);
  const [chosen, setChosen] = useState<Mention | undefined>(() =>
    focus ? note.mentions.find((m) => m.start === start) : undefined,
  );
  const { document } = note;
  const subject = document.subject?.reference as string | undefined;
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
              <a href={`#/patient/${subject.replace('Patient/', '')}`}>Patient</a>
            </>
          )}
        </p>
      </header>
      <Legend mentions={note.mentions} />
      <div class="columns">
        {note.text ? (
          <MarkedText text={note.text} mentions={note.mentions} chosen={chosen} onChoose={setChosen} />
        ) : (
          <p class="quiet">The document has no text to show.</p>
        )}
        {chosen && <MentionDetail mention={chosen} />}
      </div>
    </section>
  );
}
