import { parsePartialDate } from '../fhir/dates.js';
import { courseOf } from './course.js';
import type { TimelineEvent, When, Words } from './event.js';
import { flagOf, type Measured, measuredIn } from './measured.js';

/**
 * One event of an outline: what a reader needs to draw it, find it and ask for its resource. Elements that would say
 * nothing are left out.
 */
export interface OutlineEvent {
  /** `Type/id` of the resource, and its version. */
  readonly reference: string;
  readonly version: string;
  readonly kind: string;
  readonly title: string;
  /** As written; absent where undated. */
  readonly when?: When;
  /** ms: when it began, or ended where only that is known. */
  readonly at?: number;
  /** ms: when it ended, by its period or by the elements that give its course. */
  readonly until?: number;
  /** It goes on, as far as is known. */
  readonly ongoing?: true;
  /** Instant at which this server learned it. */
  readonly recorded: string;
  readonly derived?: true;
  /** Out of the ordinary: code of interpretation, or `H` and `L` by the reference range. */
  readonly flag?: string;
  readonly measured?: readonly Measured[];
  /** Resources that say it, where they are more than its own. */
  readonly sources?: readonly string[];
  /** Words in notes that say it; offsets are UTF-16 units, half-open. */
  readonly words?: readonly Words[];
}

export function outlineOf(event: TimelineEvent): OutlineEvent {
  const { resource, when, at, sources, words, derived } = event;
  // What a note says of a drug or an illness holds on its day: it gives no course.
  const course = when && !derived && startsOnly(when) ? courseOf(resource) : undefined;
  const until = when && endOf(when);
  const end = until ?? course?.end;
  const flag = flagOf(resource);
  const measured = measuredIn(resource);
  return {
    reference: `${resource.resourceType}/${resource.id}`,
    version: resource.meta.versionId,
    kind: event.kind,
    title: event.title,
    ...(when ? { when } : {}),
    ...(at === undefined ? {} : { at }),
    ...(end === undefined || at === undefined || end < at ? {} : { until: end }),
    ...(course?.open ? { ongoing: true as const } : {}),
    recorded: event.recorded,
    ...(derived ? { derived: true as const } : {}),
    ...(flag === undefined ? {} : { flag }),
    ...(measured.length > 0 ? { measured } : {}),
    ...(sources.length > 1 ? { sources } : {}),
    ...(words.length > 0 ? { words } : {}),
  };
}

const startsOnly = (when: When): boolean =>
  'dateTime' in when || (when.period.start !== undefined && when.period.end === undefined);

function endOf(when: When): number | undefined {
  if ('dateTime' in when || when.period.end === undefined) return undefined;
  return parsePartialDate(when.period.end)?.hi;
}
