import type { JSX } from 'preact';
import type { Resource } from '../api.js';
import { request } from '../api.js';
import type { Event } from '../events.js';
import { useLoad } from '../load.js';
import { decodeBase64 } from '../words.js';

/** Characters of the note on either side of the words. */
const AROUND = 90;
const SHOWN = 10;

/** The words that say so, each with what stands around it in its note; notes are read once. */
export function SourceWords({ words }: { words: Event['words'] }): JSX.Element {
  const shown = words.slice(0, SHOWN);
  const documents = [...new Set(shown.map((w) => w.document).filter(Boolean))];
  const notes = useLoad(documents.join(' '), async (signal) => {
    const texts = new Map<string, { text: string; date: string }>();
    await Promise.all(
      documents.map(async (id) => {
        const document: Resource | undefined = await request(`DocumentReference/${id}`, { signal }).catch(
          () => undefined,
        );
        const data = document?.content?.find((c: { attachment?: { data?: string } }) => c.attachment?.data);
        if (document)
          texts.set(id, {
            text: data ? decodeBase64(data.attachment.data) : '',
            date: (document.context?.period?.start ?? document.date ?? '').slice(0, 10),
          });
      }),
    );
    return texts;
  });
  return (
    <>
      <h3>Said by</h3>
      <ul class="sources">
        {shown.map((w) => {
          const note = notes.state === 'done' ? notes.value.get(w.document) : undefined;
          return (
            <li key={`${w.document} ${w.start}`}>
              <a href={`#/note/${w.document}/${w.start}-${w.end}`}>“{w.text}”</a>{' '}
              <span class="quiet">{note?.date}</span>
              {note?.text && <Snippet text={note.text} start={w.start} end={w.end} />}
            </li>
          );
        })}
      </ul>
      {words.length > SHOWN && <p class="quiet">and {words.length - SHOWN} more</p>}
    </>
  );
}

function Snippet({ text, start, end }: { text: string; start: number; end: number }): JSX.Element {
  const before = text.slice(Math.max(start - AROUND, 0), start).replace(/\s+/g, ' ');
  const after = text.slice(end, end + AROUND).replace(/\s+/g, ' ');
  return (
    <q class="snippet">
      {start > AROUND && '…'}
      {before}
      <mark>{text.slice(start, end).replace(/\s+/g, ' ')}</mark>
      {after}
      {end + AROUND < text.length && '…'}
    </q>
  );
}
