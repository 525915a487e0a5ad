import { lines } from './api.js';

/** One measured value, as `$timeline-outline` tells it. */
export interface Measured {
  readonly code?: string;
  readonly name: string;
  readonly value: number;
  readonly unit?: string;
  readonly low?: number;
  readonly high?: number;
  readonly flag?: string;
}

/** One event of `$timeline-outline`, as the page draws it. */
export interface Event {
  /** `Type/id` of its resource. */
  readonly key: string;
  readonly version: string;
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
  readonly words: readonly { document: string; start: number; end: number; text: string }[];
  readonly measured: readonly Measured[];
}

/** How many events there are on each day, known before any of them is read. */
export interface Density {
  readonly events: number;
  /** By kind: pairs of a day since 1970-01-01 and its events. */
  readonly days: Readonly<Record<string, readonly (readonly [day: number, events: number])[]>>;
}

/** When what was read so far is shown while more comes; then after twice as long each time, as there is more to show. */
const SHOW_MS = 400;

/** A line of the answer. */
interface Outline {
  readonly density?: Density;
  readonly complete?: number;
  readonly reference?: string;
  readonly version?: string;
  readonly kind?: string;
  readonly title?: string;
  readonly when?: {
    readonly dateTime?: string;
    readonly period?: { readonly start?: string; readonly end?: string };
  };
  readonly at?: number;
  readonly until?: number;
  readonly ongoing?: boolean;
  readonly recorded?: string;
  readonly derived?: boolean;
  readonly flag?: string;
  readonly measured?: readonly Measured[];
  readonly words?: readonly { document?: string; start: number; end: number; text: string }[];
}

export function eventOf(line: Outline): Event {
  const { at, until, when } = line;
  return {
    key: line.reference ?? '',
    version: line.version ?? '',
    kind: line.kind ?? '',
    title: line.title ?? '',
    start: at,
    end: at !== undefined && until !== undefined && until > at ? until : undefined,
    open: line.ongoing === true && (at ?? 0) <= Date.now(),
    abnormal: line.flag,
    when: whenText(when?.period?.start ?? when?.dateTime, when?.period?.end),
    recorded: line.recorded ?? '',
    derived: line.derived === true,
    words: (line.words ?? []).map((w) => ({
      ...w,
      document: (w.document ?? '').replace('DocumentReference/', '').split('/')[0]!,
    })),
    measured: line.measured ?? [],
  };
}

/** A date or a span as a reader writes it: days, with the minute where there is one day alone. */
export function whenText(from: string | undefined, to: string | undefined): string {
  if (!from) return to ? `before ${to.slice(0, 10)}` : 'date unknown';
  if (to && from.slice(0, 10) !== to.slice(0, 10)) return `${from.slice(0, 10)} – ${to.slice(0, 10)}`;
  return from.slice(0, 16).replace('T', ' ');
}

/** Reads the whole timeline: first how dense it is, then what is read so far, oldest first, and at last all of it. */
export async function readTimeline(
  patient: string,
  options: { asOf?: string | undefined },
  signal: AbortSignal,
  show: { density(density: Density): void; events(events: Event[], complete: boolean): void },
): Promise<void> {
  const events: Event[] = [];
  let showAt = performance.now() + SHOW_MS;
  let wait = SHOW_MS;
  const asOf = options.asOf ? `?asOf=${encodeURIComponent(options.asOf)}` : '';
  const inOrder = () => [...events].sort(byTime);
  let complete = false;
  await lines<Outline>(
    `Patient/${encodeURIComponent(patient)}/$timeline-outline${asOf}`,
    { signal },
    (batch) => {
      for (const line of batch) {
        if (line.density) show.density(line.density);
        else if (line.complete !== undefined) complete = true;
        else events.push(eventOf(line));
      }
      if (complete || performance.now() < showAt) return;
      show.events(inOrder(), false);
      wait *= 2;
      showAt = performance.now() + wait;
    },
  );
  if (!complete) throw new Error('The timeline broke off before its end. Try again.');
  show.events(inOrder(), true);
}

/** As `$timeline` sorts them: the undated last. */
function byTime(a: Event, b: Event): number {
  return (
    (a.start ?? Number.POSITIVE_INFINITY) - (b.start ?? Number.POSITIVE_INFINITY) || (a.key < b.key ? -1 : 1)
  );
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
