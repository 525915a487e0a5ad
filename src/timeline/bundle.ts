import type { Resource } from '../core/resource.js';
import type { TimelineEvent } from './event.js';
import type { TimelinePage } from './timeline.js';

const EVENT_URL = 'https://cenote.health/fhir/StructureDefinition/timeline-event';

/** The page as the searchset Bundle that `$timeline` answers. `base` is the tenant's FHIR base. */
export function timelineBundle(page: TimelinePage, base: string, patient: string): Resource {
  const here = `${base}/Patient/${patient}/$timeline`;
  const link = (relation: string, query: string) => ({
    relation,
    url: query === '' ? here : `${here}?${query}`,
  });
  return {
    resourceType: 'Bundle',
    type: 'searchset',
    link: [link('self', page.self), ...(page.next ? [link('next', page.next)] : [])],
    // FHIR has no empty lists.
    ...(page.events.length > 0 ? { entry: page.events.map((event) => entryOf(event, base)) } : {}),
  };
}

function entryOf(event: TimelineEvent, base: string): object {
  return {
    extension: [eventExtension(event)],
    fullUrl: `${base}/${event.resource.resourceType}/${event.resource.id}`,
    resource: event.resource,
    search: { mode: 'match' },
  };
}

function eventExtension(event: TimelineEvent): object {
  const { when } = event;
  return {
    url: EVENT_URL,
    extension: [
      ...(when
        ? [
            {
              url: 'when',
              ...('dateTime' in when ? { valueDateTime: when.dateTime } : { valuePeriod: when.period }),
            },
          ]
        : []),
      { url: 'recorded', valueInstant: event.recorded },
      { url: 'kind', valueCode: event.kind },
      { url: 'title', valueString: event.title },
      ...event.sources.map((reference) => ({ url: 'source', valueReference: { reference } })),
      { url: 'derived', valueBoolean: event.derived },
      ...event.words.map((w) => ({
        url: 'words',
        extension: [
          ...(w.document ? [{ url: 'document', valueReference: { reference: w.document } }] : []),
          { url: 'start', valueInteger: w.start },
          { url: 'end', valueInteger: w.end },
          { url: 'text', valueString: w.text },
          ...(w.score === undefined ? [] : [{ url: 'score', valueDecimal: w.score }]),
        ],
      })),
    ],
  };
}
