import type { JSX } from 'preact';
import { type Bundle, type Resource, request, resources } from './api.js';
import type { Event } from './events.js';
import { Show, useLoad } from './load.js';
import { Review } from './review.js';
import { conceptText, systemName } from './words.js';

/** One event: what it is, whose words say so, the resource and its versions. */
export function EventDetail({ event, onClose }: { event: Event; onClose: () => void }): JSX.Element {
  const { resource } = event;
  const concept =
    resource.code ??
    resource.medicationCodeableConcept ??
    resource.vaccineCode ??
    resource.type?.[0] ??
    resource.type;
  return (
    <aside class="detail" aria-label="The event">
      <button type="button" class="close" aria-label="Close" onClick={onClose}>
        ×
      </button>
      <h2>{event.title}</h2>
      <dl>
        <dt>When</dt>
        <dd>{event.when}</dd>
        <dt>Recorded</dt>
        <dd>{event.recorded.slice(0, 19).replace('T', ' ')}</dd>
        {resource.status && (
          <>
            <dt>Status</dt>
            <dd>{resource.status}</dd>
          </>
        )}
        {(concept?.coding ?? []).map((c: { system?: string; code?: string; display?: string }) => (
          <>
            <dt>{systemName(c.system)}</dt>
            <dd>
              {c.code} {c.display}
            </dd>
          </>
        ))}
        {resource.dosage?.[0]?.text && (
          <>
            <dt>Directions</dt>
            <dd>{resource.dosage[0].text}</dd>
          </>
        )}
        {resource.reasonCode?.[0] && (
          <>
            <dt>Reason</dt>
            <dd>{conceptText(resource.reasonCode[0])}</dd>
          </>
        )}
      </dl>
      {event.words.length > 0 && (
        <>
          <h3>Said by</h3>
          <ul class="sources">
            {event.words.map((w) => (
              <li key={`${w.document} ${w.start}`}>
                <a href={`#/note/${w.document}/${w.start}-${w.end}`}>“{w.text}”</a>
              </li>
            ))}
          </ul>
        </>
      )}
      {resource.resourceType === 'DocumentReference' && (
        <p>
          <a href={`#/note/${resource.id}`}>Read the note</a>
        </p>
      )}
      {event.derived && <Review resource={resource} />}
      <Versions resource={resource} />
    </aside>
  );
}

function Versions({ resource }: { resource: Resource }): JSX.Element {
  const history = useLoad(`${resource.resourceType}/${resource.id}`, (signal) =>
    request<Bundle>(`${resource.resourceType}/${resource.id}/_history?_count=20`, { signal }),
  );
  return (
    <Show of={history}>
      {(bundle) => (
        <div class="versions">
          {resources(bundle)
            .filter(Boolean)
            .map((version) => (
              <details key={version.meta?.versionId} open={bundle.entry?.length === 1}>
                <summary>
                  Version {version.meta?.versionId},{' '}
                  {version.meta?.lastUpdated?.slice(0, 19).replace('T', ' ')}
                </summary>
                <pre>{JSON.stringify(version, undefined, 1)}</pre>
              </details>
            ))}
        </div>
      )}
    </Show>
  );
}
