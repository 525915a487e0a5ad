import { coarseLevel } from '../core/blind.js';
import type { Fault } from '../core/fault.js';
import { invalid } from '../core/fault.js';
import { ALWAYS, type Condition } from '../search/condition.js';
import { poolReader } from '../search/reader.js';
import type { Store } from '../store/contract.js';
import type { Tenant } from '../tenancy/tenant.js';
import { allKnownAt, inQuery } from './as-of.js';
import type { TimelineEvent } from './event.js';
import { type OutlineEvent, outlineOf } from './outline-event.js';
import { type Density, densityOf, densityOfEvents, outlineEvents, outlineFind } from './outline-rows.js';
import { patientCondition, requirePatient } from './patient-rows.js';
import { parseTimeline, type TimelineRequest } from './request.js';
import { matchesWords } from './words-asked.js';

/** A whole timeline in short: how dense it is, and then each event as much as it takes to draw it. */
export interface Outline {
  readonly density: Density;
  /** Batches, in no order. Reading them may fail as late as their records are opened. */
  readonly events: AsyncIterable<readonly OutlineEvent[]>;
  readonly warnings: readonly Fault[];
}

/** What pages a timeline has no meaning where all of it is asked for. */
const OF_PAGES = new Set(['_count', '_sort', '_cursor']);

/**
 * The whole timeline of a patient, in a form made for drawing.
 * @throws Fault `not-found` | `gone` for the patient, `invalid` for parameters, `too-large`.
 */
export async function outline(store: Store, tenant: Tenant, request: TimelineRequest): Promise<Outline> {
  const paging = request.params.find(([name]) => OF_PAGES.has(name))?.[0];
  if (paging !== undefined)
    throw invalid('An outline has no pages and no order.', paging, 'Leave it out, or ask $timeline.');
  const query = parseTimeline(request);
  await requirePatient(store, tenant, request.patient);
  const wanted = (event: TimelineEvent) => matchesWords(event, query.words);
  const { warnings } = query;
  if (query.asOf !== undefined) {
    const events = await allKnownAt(store, tenant, request, query, wanted);
    return known(events.map(outlineOf), warnings);
  }
  const reader = poolReader(store, tenant);
  const find = (range: Condition) =>
    outlineFind(query.types, [
      patientCondition(tenant, request),
      range,
      query.derived === 'include' ? ALWAYS : { kind: 'derived', is: query.derived === 'only' },
    ]);
  if (coarseLevel(tenant.keys.blind)) {
    // The index does not tell when things happened: all records are read before anything can be said of the days.
    const events: OutlineEvent[] = [];
    for await (const batch of outlineEvents(reader, find(ALWAYS), (e) => wanted(e) && inQuery(e, query)))
      events.push(...batch);
    return known(events, warnings);
  }
  const { from, to } = query;
  const dated = find(
    from === undefined && to === undefined ? ALWAYS : { kind: 'clinical', min: from, max: to },
  );
  return { density: await densityOf(reader, dated), events: outlineEvents(reader, dated, wanted), warnings };
}

function known(events: readonly OutlineEvent[], warnings: readonly Fault[]): Outline {
  return {
    density: densityOfEvents(events),
    events: (async function* () {
      yield events;
    })(),
    warnings,
  };
}
