import { typeNumber } from '../fhir/resource-types.js';
import type { Row } from '../fhir/views/view.js';
import type { Tenant } from '../tenancy/tenant.js';
import { openRows, type PresentRow, presentRows } from './feature-versions.js';
import {
  type Candidate,
  cells,
  type Feature,
  gather,
  type IndexRow,
  lastKnown,
  requireFeatures,
  shownIds,
} from './features.js';

/** Bodies of a type opened at first; twice as many each time what was looked for is not among them. */
const OPENED_AT_FIRST = 12;
const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const LONGEST_MONTH_DAYS = 31;
const LONGEST_YEAR_DAYS = 366;

/**
 * The online read: what holds of one patient now. Records are kept by the clinical time they begin at. Where that is
 * the time of the event, the newest are opened first, and none that cannot be later than what was found.
 */
export async function currentFeatures(
  tenant: Tenant,
  features: readonly Feature[],
  { patient, at }: IndexRow,
  base: string,
): Promise<(Row | undefined)[]> {
  requireFeatures(features, 'version');
  const how = { patients: shownIds([patient], undefined), base, knownBy: 'version' } as const;
  const candidates = features.map(() => new Map<string, Candidate[]>());
  const found = (f: number) => {
    const list = candidates[f]!.get(patient)?.sort((a, b) => b.happened - a.happened || b.from - a.from);
    return lastKnown(list, at);
  };
  const types = [...new Set(features.map((f) => f.view.resource))];
  const rows = await presentRows(tenant, patient, types, at);
  let looked = types.map((type) => {
    const of = features.flatMap((feature, f) => (feature.view.resource === type ? [f] : []));
    const newest = of.every((f) => features[f]!.clinical);
    const rtype = typeNumber(type);
    const all = rows.filter((row) => row.rtype === rtype);
    // What has no clinical time has none of the event either.
    const rest = newest
      ? all.filter((row) => row.at !== null).map((row) => ({ row, end: latestEnd(Number(row.at)) }))
      : all.map((row) => ({ row, end: Number.POSITIVE_INFINITY }));
    rest.sort((a, b) => b.end - a.end);
    return { of, rest, next: 0, some: newest ? OPENED_AT_FIRST : rest.length };
  });
  for (;;) {
    looked = looked.filter(
      ({ of, rest, next }) =>
        next < rest.length &&
        of.some((f) => (found(f)?.happened ?? Number.NEGATIVE_INFINITY) <= rest[next]!.end),
    );
    const open: PresentRow[] = [];
    for (const one of looked) {
      for (const { row } of one.rest.slice(one.next, one.next + one.some)) open.push(row);
      one.next += one.some;
      one.some *= 2;
    }
    if (open.length === 0) break;
    const versions = await openRows(tenant, open);
    for (const { of } of looked) for (const f of of) gather(features[f]!, versions, how, candidates[f]!);
  }
  return features.map((feature, f) => {
    const last = found(f);
    return last && cells(feature, last);
  });
}

/**
 * The last moment of any date that begins at this one: a date without a time, a month and a year begin at midnight, and
 * so many other times do.
 */
function latestEnd(at: number): number {
  if (at % DAY_MS !== 0) return at + MINUTE_MS;
  const day = new Date(at);
  if (day.getUTCDate() !== 1) return at + DAY_MS;
  return at + (day.getUTCMonth() === 0 ? LONGEST_YEAR_DAYS : LONGEST_MONTH_DAYS) * DAY_MS;
}
