import type { JSX } from 'preact';
import type { Event } from './events.js';
import { Review } from './review.js';
import { rangeOf } from './timeline/results.js';
import { SourceWords } from './timeline/source-words.js';
import { Versions } from './timeline/versions.js';
import { conceptText, quantityText, systemName } from './words.js';

/** One event: what it is, whose words say so, the resource and its versions. */
export function EventDetail({
  event,
  onClose,
  onChanged,
}: {
  event: Event;
  onClose: () => void;
  onChanged: () => void;
}): JSX.Element {
  const { resource } = event;
  const concept =
    resource.code ??
    resource.medicationCodeableConcept ??
    resource.vaccineCode ??
    resource.type?.[0] ??
    resource.type;
  const range = rangeOf(resource as Parameters<typeof rangeOf>[0]);
  const rangeText = [range.low, range.high].every((n) => n === undefined)
    ? undefined
    : `${range.low ?? ''} – ${range.high ?? ''}`;
  const rows: [string, string | undefined][] = [
    ['When', event.when],
    ['Value', quantityText(resource.valueQuantity) || undefined],
    ['Abnormal', event.abnormal],
    ['Reference', rangeText],
    ['Recorded', event.recorded.slice(0, 19).replace('T', ' ')],
    ['Status', resource.status ?? resource.clinicalStatus?.coding?.[0]?.code],
    ...((concept?.coding ?? []) as { system?: string; code?: string; display?: string }[]).map(
      (c): [string, string] => [systemName(c.system), [c.code, c.display].filter(Boolean).join(' ')],
    ),
    ['Directions', resource.dosage?.[0]?.text ?? resource.dosageInstruction?.[0]?.text],
    ['Reason', resource.reasonCode?.[0] && conceptText(resource.reasonCode[0])],
  ];
  return (
    <aside class="detail" aria-label="The event">
      <button type="button" class="close" aria-label="Close" onClick={onClose}>
        ×
      </button>
      <h2>{event.title}</h2>
      <dl>
        {rows
          .filter(([, text]) => text)
          .map(([name, text], i) => (
            <>
              <dt key={i}>{name}</dt>
              <dd class={name === 'Abnormal' ? 'no' : undefined}>{text}</dd>
            </>
          ))}
      </dl>
      {event.words.length > 0 && <SourceWords words={event.words} />}
      {resource.resourceType === 'DocumentReference' && (
        <p>
          <a href={`#/note/${resource.id}`}>Read the note</a>
        </p>
      )}
      {event.derived && <Review resource={resource} onChanged={onChanged} />}
      <Versions resource={resource} />
    </aside>
  );
}
