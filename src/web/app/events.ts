import { type Bundle, extension, nextLink, type Resource, request } from './api.js';
import { abnormalOf } from './timeline/results.js';
import { courseOf } from './timeline/spans.js';

/** One event of `$timeline`, as the page draws it. */
export interface Event {
  readonly key: string;
  readonly kind: string;
  readonly title: string;
  /** ms; undefined where no date is known. */
  readonly start: number | undefined;
  readonly end: number | undefined;
  /** Still going on, as far as is known: drawn to now. */
  readonly open: boolean;
  /** What its code of interpretation or its reference range says: H, L, A and the like. */
  readonly abnormal: string | undefined;
  /** The date as written. */
  readonly when: string;
  readonly recorded: string;
  readonly derived: boolean;
  readonly sources: readonly string[];
  readonly words: readonly { document: string; start: number; end: number; text: string }[];
  readonly resource: Resource;
}

const PAGE = 1000;
/** Events shown at most; a patient with more is asked to narrow the dates. */
export const MAX_EVENTS = 40_000;
/** How often what was read so far is shown while more comes. */
const SHOW_MS = 400;

function eventOf(entry: NonNullable<Bundle['entry']>[number]): Event | undefined {
  const event = entry.extension?.find((e) => e.url.endsWith('/timeline-event'));
  if (!event) return undefined;
  const part = (name: string) => event.extension?.find((e) => e.url === name);
  const when = part('when');
  const period = when?.valuePeriod as { start?: string; end?: string } | undefined;
  const date = when?.valueDateTime as string | undefined;
  const from = period?.start ?? date;
  const to = period?.end;
  const words = (event.extension ?? [])
    .filter((e) => e.url === 'words')
    .map((w) => ({
      document: ((extension(w, 'document')?.valueReference as { reference?: string })?.reference ?? '')
        .replace('DocumentReference/', '')
        .split('/')[0]!,
      start: Number(extension(w, 'start')?.valueInteger ?? 0),
      end: Number(extension(w, 'end')?.valueInteger ?? 0),
      text: String(extension(w, 'text')?.valueString ?? ''),
    }));
  const start = from ? Date.parse(from) : to ? Date.parse(to) : undefined;
  const derived = part('derived')?.valueBoolean === true;
  // What a note says of a drug or an illness holds on its day: it gives no course.
  const course = from && !to && !derived ? courseOf(entry.resource) : undefined;
  const end = from && to ? Date.parse(to) : course?.end;
  return {
    key: `${entry.resource.resourceType}/${entry.resource.id}`,
    kind: String(part('kind')?.valueCode ?? entry.resource.resourceType),
    title: String(part('title')?.valueString ?? entry.resource.resourceType),
    start: Number.isNaN(start) ? undefined : start,
    end: start !== undefined && end !== undefined && end >= start ? end : undefined,
    open: course?.open === true && (start ?? 0) <= Date.now(),
    abnormal: abnormalOf(entry.resource),
    when:
      from && to && from.slice(0, 10) !== to.slice(0, 10)
        ? `${from.slice(0, 10)} – ${to.slice(0, 10)}`
        : from
          ? from.slice(0, 16).replace('T', ' ')
          : to
            ? `before ${to.slice(0, 10)}`
            : 'date unknown',
    recorded: String(part('recorded')?.valueInstant ?? ''),
    derived,
    sources: (event.extension ?? [])
      .filter((e) => e.url === 'source')
      .map((e) => (e.valueReference as { reference: string }).reference),
    words,
    resource: entry.resource,
  };
}

/** Reads the whole timeline page by page, showing what is there already. */
export async function readTimeline(
  patient: string,
  options: { asOf?: string },
  signal: AbortSignal,
  show: (events: Event[], complete: boolean) => void,
): Promise<void> {
  const events: Event[] = [];
  let shownAt: number | undefined;
  let link: string | undefined =
    `Patient/${patient}/$timeline?_count=${PAGE}${options.asOf ? `&asOf=${encodeURIComponent(options.asOf)}` : ''}`;
  while (link) {
    const page: Bundle = await request<Bundle>(link, { signal });
    for (const entry of page.entry ?? []) {
      const event = eventOf(entry);
      if (event) events.push(event);
    }
    link = events.length < MAX_EVENTS ? nextLink(page) : undefined;
    if (link !== undefined && shownAt !== undefined && performance.now() - shownAt < SHOW_MS) continue;
    show([...events], link === undefined);
    shownAt = performance.now();
  }
}

/** The lanes, in the order they are drawn, and the kinds that stand in each. */
export const LANES: readonly {
  readonly name: string;
  readonly kinds: readonly string[];
  readonly colour: string;
}[] = [
  { name: 'Encounters', kinds: ['encounter', 'care-plan', 'care-team'], colour: '--lane-encounter' },
  { name: 'Conditions', kinds: ['condition', 'family-history', 'allergy'], colour: '--lane-condition' },
  {
    name: 'Medications',
    kinds: ['medication', 'immunization', 'administration', 'prescription', 'dispense'],
    colour: '--lane-medication',
  },
  { name: 'Procedures', kinds: ['procedure', 'imaging', 'device'], colour: '--lane-procedure' },
  { name: 'Results', kinds: ['observation', 'report', 'result'], colour: '--lane-result' },
  { name: 'Notes', kinds: ['document', 'note', 'composition'], colour: '--lane-note' },
  { name: 'Other', kinds: [], colour: '--lane-other' },
];

export function laneOf(kind: string): number {
  const lane = LANES.findIndex((l) => l.kinds.includes(kind));
  return lane < 0 ? LANES.length - 1 : lane;
}
