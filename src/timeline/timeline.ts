import { coarseLevel } from '../core/blind.js';
import type { Clock } from '../core/clock.js';
import type { Fault } from '../core/fault.js';
import { typeNumber } from '../fhir/resource-types.js';
import { ALWAYS, type Condition, every, optimize } from '../search/condition.js';
import { type CursorScope, openCursor, type Position, sealCursor } from '../search/cursor.js';
import { fetchRows, type Placed, positionOf } from '../search/fill.js';
import { START } from '../search/order.js';
import { poolReader, type Reader } from '../search/reader.js';
import type { Find } from '../search/statement.js';
import { queryString } from '../search/syntax.js';
import type { Store } from '../store/contract.js';
import type { Tenant } from '../tenancy/tenant.js';
import { knownAt } from './as-of.js';
import type { TimelineEvent } from './event.js';
import { eventsOf } from './events.js';
import { foldFacts } from './fold.js';
import { kindRow, typesOfKinds } from './kinds.js';
import { type Outline, outline } from './outline.js';
import { newestUpdate, patientCondition, requirePatient } from './patient-rows.js';
import { parseTimeline, type TimelineQuery, type TimelineRequest } from './request.js';
import { matchesWords } from './words-asked.js';

/** One page of a timeline. */
export interface TimelinePage {
  readonly events: readonly TimelineEvent[];
  /** Query string of what was really asked, without `?`. */
  readonly self: string;
  /** Query string of the next page; absent on the last. */
  readonly next?: string;
  readonly warnings: readonly Fault[];
}

export interface Timeline {
  /**
   * A page of a patient's timeline: events in clinical order, the undated last in both directions.
   * @throws Fault `not-found` | `gone` for the patient, `invalid` for parameters that cannot be understood.
   */
  timeline(tenant: Tenant, request: TimelineRequest): Promise<TimelinePage>;
  /** The whole of it in short; see `outline`. */
  outline(tenant: Tenant, request: TimelineRequest): Promise<Outline>;
}

/** Rows looked at around a page for other tellings of its facts. More than that in three days are left as they are. */
const MAX_NEARBY_ROWS = 5_000;
/** How far apart two times of one written day can be: its 24 hours, and the 26 between the widest time zones. */
const DAY_SPREAD_MS = 50 * 3_600_000;

export function createTimeline(parts: { readonly store: Store; readonly clock: Clock }): Timeline {
  const { store } = parts;
  return {
    outline: (tenant, request) => outline(store, tenant, request),
    async timeline(tenant, request) {
      const scope: CursorScope = {
        kind: 'timeline',
        type: 'Patient',
        compartment: request.patient,
        caller: request.caller,
      };
      const cursorText = request.params.find(([name]) => name === '_cursor')?.[1];
      const cursor = cursorText === undefined ? undefined : openCursor(tenant.keys, scope, cursorText);
      const query = parseTimeline(cursor ? { ...request, params: cursor.params } : request);
      await requirePatient(store, tenant, request.patient);
      const from = cursor?.position ?? START;
      const wanted = (e: TimelineEvent) => matchesWords(e, query.words);
      let found: { events: readonly TimelineEvent[]; next: Position | undefined };
      if (query.asOf !== undefined) found = await knownAt(store, tenant, request, query, from, wanted);
      else if (coarseLevel(tenant.keys.blind)) {
        // The index does not tell when things happened: the record is read whole, as it was for the first page.
        const asOf = Number(from.keys[1] ?? (await newestUpdate(tenant)));
        const page = await knownAt(store, tenant, request, { ...query, asOf }, from, wanted);
        found = { ...page, next: page.next && { ...page.next, keys: [...page.next.keys, asOf] } };
      } else
        found = await new Walk(poolReader(store, tenant), query, patientCondition(tenant, request)).page(
          from,
        );
      const { events, next } = found;
      return {
        events,
        self: cursorText === undefined ? queryString(query.used) : queryString([['_cursor', cursorText]]),
        ...(next
          ? {
              next: queryString([
                ['_cursor', sealCursor(tenant.keys, scope, { params: query.used, position: next })],
              ]),
            }
          : {}),
        warnings: query.warnings,
      };
    },
  };
}

/** Reads the current timeline from the index. */
class Walk {
  readonly #range: Condition;

  constructor(
    private readonly reader: Reader,
    private readonly query: TimelineQuery,
    private readonly patient: Condition,
  ) {
    const { from, to } = query;
    this.#range = from === undefined && to === undefined ? ALWAYS : { kind: 'clinical', min: from, max: to };
  }

  /** Fills a page; events folded into others, or without the words asked for, do not shorten it. */
  async page(from: Position): Promise<{ events: TimelineEvent[]; next: Position | undefined }> {
    const { count } = this.query;
    const events: TimelineEvent[] = [];
    let position = from;
    let last: Position | undefined;
    for (;;) {
      // Some are folded away: a few more than are wanted save a round.
      const limit = count + 1 - events.length + Math.ceil(count / 4);
      const rows = await fetchRows(
        this.reader,
        this.#find(this.query.types, this.#origin()),
        position,
        limit,
      );
      const shown = await this.#eventsOf(rows);
      for (let i = 0; i < rows.length; i++) {
        const event = shown[i];
        if (!event || !matchesWords(event, this.query.words)) continue;
        if (events.length === count) return { events, next: last };
        events.push(event);
        last = positionOf(rows[i]!);
      }
      if (rows.length < limit) return { events, next: undefined };
      position = positionOf(rows.at(-1)!);
    }
  }

  #origin(): Condition {
    const { derived } = this.query;
    return derived === 'include' ? ALWAYS : { kind: 'derived', is: derived === 'only' };
  }

  #find(types: readonly string[], extra: Condition, range = this.#range): Find {
    return {
      types: types.map(typeNumber).sort((a, b) => a - b),
      condition: optimize(every([this.patient, range, extra])),
      order: { kind: 'clinical', descending: this.query.descending },
    };
  }

  /** The event of each row, or undefined where it is told by another event. */
  async #eventsOf(rows: readonly Placed[]): Promise<(TimelineEvent | undefined)[]> {
    const opened = await this.reader.open(rows.map((p) => p.row.row));
    const events = await eventsOf(opened, this.reader.resolve);
    if (this.query.derived === 'exclude' || rows.length === 0) return events;
    const own = events.filter((e) => e !== undefined);
    const all = new Map(own.map((e) => [identity(e), e]));
    const nearby = async (types: readonly string[], derived: boolean, around: readonly TimelineEvent[]) => {
      for (const range of rangesAround(around))
        for (const e of await this.#nearby(types, derived, range))
          if (!all.has(identity(e))) all.set(identity(e), e);
    };
    const repeating = this.query.types.filter((t) => kindRow(t)?.repeats);
    await nearby(repeating, true, own);
    const derived = [...all.values()].filter((e) => e.derived);
    if (derived.length === 0) return events;
    if (this.query.derived === 'include') {
      const kinds = new Set(derived.map((e) => e.kind));
      await nearby(
        typesOfKinds(kinds).filter((t) => repeating.includes(t)),
        false,
        derived,
      );
    }
    const folded = new Map(foldFacts([...all.values()]).map((e) => [identity(e), e]));
    return events.map((e) => e && folded.get(identity(e)));
  }

  async #nearby(types: readonly string[], derived: boolean, range: Condition): Promise<TimelineEvent[]> {
    if (types.length === 0) return [];
    const find = this.#find(types, { kind: 'derived', is: derived }, range);
    const rows = await fetchRows(this.reader, find, START, MAX_NEARBY_ROWS);
    const opened = await this.reader.open(rows.map((p) => p.row.row));
    return (await eventsOf(opened, this.reader.resolve)).filter((e) => e !== undefined);
  }
}

/** What can share a day with the events: a range for the dated, and the undated where there are any. */
function rangesAround(events: readonly TimelineEvent[]): Condition[] {
  const times = events.map((e) => e.at).filter((t) => t !== undefined);
  const ranges: Condition[] = [];
  if (times.length > 0)
    ranges.push({
      kind: 'clinical',
      min: times.reduce((a, b) => Math.min(a, b)) - DAY_SPREAD_MS,
      max: times.reduce((a, b) => Math.max(a, b)) + DAY_SPREAD_MS,
    });
  if (times.length < events.length) ranges.push({ kind: 'undated' });
  return ranges;
}

function identity(event: TimelineEvent): string {
  return `${event.resource.resourceType}/${event.resource.id}`;
}
