import type { JSX } from 'preact';
import { type Bundle, type Coding, type Resource, request, resources } from './api.js';
import type { Event, Measured } from './events.js';
import { Show, useLoad } from './load.js';
import { Review } from './review.js';
import { SourceWords } from './timeline/source-words.js';
import { Versions } from './timeline/versions.js';
import { conceptText, quantityText, systemName } from './words.js';

/** One event: what it is, whose words say so, the resource and its versions. */
export function EventDetail({
  event,
  asOf,
  onClose,
  onChanged,
}: {
  event: Event;
  /** The moment whose knowledge is shown; empty for now. */
  asOf: string;
  onClose: () => void;
  onChanged: () => void;
}): JSX.Element {
  const resource = useLoad(`${event.key} ${event.version} ${asOf}`, (signal) =>
    resourceOf(event.key, asOf, signal),
  );
  return (
    <aside class="detail" aria-label="The event">
      <button type="button" class="close" aria-label="Close" onClick={onClose}>
        ×
      </button>
      <h2>{event.title}</h2>
      <Rows
        of={[
          ['When', event.when],
          ['Abnormal', event.abnormal && flagText(event.abnormal)],
          ...referenceRows(event.measured),
          ['Recorded', event.recorded.slice(0, 19).replace('T', ' ')],
        ]}
      />
      {event.words.length > 0 && <SourceWords words={event.words} />}
      {event.key.startsWith('DocumentReference/') && (
        <p>
          <a href={`#/note/${event.key.slice('DocumentReference/'.length)}`}>Read the note</a>
        </p>
      )}
      <Show of={resource}>
        {(whole) => (
          <>
            <Rows of={rowsOf(whole)} />
            {event.derived && <Review resource={whole} onChanged={onChanged} />}
            <Versions resource={whole} />
          </>
        )}
      </Show>
    </aside>
  );
}

type Row = readonly [name: string, text: string | undefined];

function Rows({ of }: { of: readonly Row[] }): JSX.Element {
  return (
    <dl>
      {of
        .filter(([, text]) => text)
        .map(([name, text]) => (
          <>
            <dt key={`${name} ${text}`}>{name}</dt>
            <dd class={name === 'Abnormal' ? 'no' : undefined}>{text}</dd>
          </>
        ))}
    </dl>
  );
}

/** The resource as the timeline shows it: as it is, or as it was. */
async function resourceOf(key: string, asOf: string, signal: AbortSignal): Promise<Resource> {
  if (!asOf) return request(key, { signal });
  const past = await request<Bundle>(`${key}/_history?_at=${encodeURIComponent(asOf)}`, { signal });
  const [then] = resources(past);
  if (!then) throw new Error('It is not known any more how this was then.');
  return then;
}

function referenceRows(measured: readonly Measured[]): Row[] {
  return measured
    .filter(({ low, high }) => low !== undefined || high !== undefined)
    .map(({ name, low, high, unit = '' }) => [
      measured.length > 1 ? `Reference, ${name}` : 'Reference',
      `${low === undefined ? 'up to' : low} ${low === undefined || high === undefined ? '' : '–'} ${high ?? 'or more'} ${unit}`.replace(
        /\s+/g,
        ' ',
      ),
    ]);
}

/** What a code of interpretation says (v3-ObservationInterpretation). */
const FLAGS: Readonly<Record<string, string>> = {
  H: 'high',
  HH: 'critically high',
  L: 'low',
  LL: 'critically low',
  A: 'abnormal',
  AA: 'critically abnormal',
  POS: 'positive',
  R: 'resistant',
  I: 'intermediate',
};
const flagText = (flag: string): string => (FLAGS[flag] ? `${FLAGS[flag]} (${flag})` : flag);

function rowsOf(resource: Resource): Row[] {
  const concept =
    resource.code ??
    resource.medicationCodeableConcept ??
    resource.vaccineCode ??
    resource.type?.[0] ??
    resource.type;
  return [
    ['Value', quantityText(resource.valueQuantity) || undefined],
    ['Status', resource.status ?? resource.clinicalStatus?.coding?.[0]?.code],
    ...((concept?.coding ?? []) as Coding[]).map(
      (c): Row => [systemName(c.system), [c.code, c.display].filter(Boolean).join(' ')],
    ),
    ['Directions', resource.dosage?.[0]?.text ?? resource.dosageInstruction?.[0]?.text],
    ['Reason', resource.reasonCode?.[0] && conceptText(resource.reasonCode[0])],
  ];
}
