import { Fault } from '../core/fault.js';
import type { StoredResource } from '../core/resource.js';
import { typeName, typeNumber } from '../fhir/resource-types.js';
import { every, optimize } from '../search/condition.js';
import type { Reader } from '../search/reader.js';
import { Binder } from '../search/render.js';
import { COLUMNS, type Find, whereOf } from '../search/statement.js';
import type { RowKey } from '../store/contract.js';
import { dayOf, type TimelineEvent } from './event.js';
import { eventsOf } from './events.js';
import { foldFacts } from './fold.js';
import { kindRow } from './kinds.js';
import { type OutlineEvent, outlineOf } from './outline-event.js';

/**
 * How many events there are on each day, by kind: counted from the index alone, before a record is opened. Facts that
 * are told twice count twice here, and records entered in error count too.
 */
export interface Density {
  readonly events: number;
  readonly undated: number;
  /** By kind: pairs of a day, counted from 1970-01-01, and its events. */
  readonly days: Readonly<Record<string, readonly (readonly [day: number, events: number])[]>>;
}

/** Records an outline is made from at most. */
export const MAX_OUTLINE_ROWS = 100_000;
/** Records opened at a time; what bounds the memory, and how long others wait. */
const BATCH = 500;
const DAY_MS = 86_400_000;

/** Counts the rows. @throws Fault `too-large` */
export async function densityOf(reader: Reader, find: Find): Promise<Density> {
  const bind = new Binder();
  const rows = await reader.query({
    text:
      `select r.rtype, floor(r.at / ${DAY_MS}.0)::int as day, count(*)::int as n from resource r` +
      ` where ${whereOf(find, bind)} group by 1, 2 order by 1, 2`,
    values: bind.values,
  });
  return densityFrom(
    (rows as { rtype: number; day: number | null; n: number }[]).map(({ rtype, day, n }) => ({
      kind: kindRow(typeName(rtype))?.kind,
      day: day ?? undefined,
      n,
    })),
  );
}

/** The same from events that are known already. */
export function densityOfEvents(events: readonly OutlineEvent[]): Density {
  return densityFrom(
    events.map(({ kind, at }) => ({
      kind,
      day: at === undefined ? undefined : Math.floor(at / DAY_MS),
      n: 1,
    })),
  );
}

function densityFrom(
  rows: Iterable<{ kind: string | undefined; day: number | undefined; n: number }>,
): Density {
  const days = new Map<string, Map<number, number>>();
  let events = 0;
  let undated = 0;
  for (const { kind, day, n } of rows) {
    events += n;
    if (day === undefined || kind === undefined) {
      undated += n;
      continue;
    }
    const of = days.get(kind) ?? new Map<number, number>();
    days.set(kind, of.set(day, (of.get(day) ?? 0) + n));
  }
  if (events > MAX_OUTLINE_ROWS) throw tooMany();
  const sorted = [...days].map(([kind, of]) => [kind, [...of].sort(([a], [b]) => a - b)] as const);
  return { events, undated, days: Object.fromEntries(sorted) };
}

/** As the database gives it. */
interface Row extends RowKey {
  readonly derived: boolean;
}

/**
 * The events in batches, in no order: records are opened in the order they are stored in, each segment about once. What
 * notes tell is opened first; then only the records of its kinds and days need be compared with it, and those come last.
 */
export async function* outlineEvents(
  reader: Reader,
  find: Find,
  wanted: (event: TimelineEvent) => boolean,
): AsyncGenerator<OutlineEvent[]> {
  const rows = await rowsOf(reader, find);
  const told: TimelineEvent[] = [];
  for await (const events of eventsIn(
    reader,
    rows.filter((r) => r.derived),
  ))
    told.push(...events);
  const days = new Set(told.map(kindAndDay));
  for await (const events of eventsIn(
    reader,
    rows.filter((r) => !r.derived),
  )) {
    const ready: OutlineEvent[] = [];
    for (const event of events)
      if (days.size > 0 && days.has(kindAndDay(event))) told.push(event);
      else if (wanted(event)) ready.push(outlineOf(event));
    if (ready.length > 0) yield ready;
  }
  const folded = foldFacts(told).filter(wanted);
  for (let i = 0; i < folded.length; i += BATCH) yield folded.slice(i, i + BATCH).map(outlineOf);
}

const kindAndDay = (event: TimelineEvent): string => `${event.kind} ${dayOf(event)}`;

async function rowsOf(reader: Reader, find: Find): Promise<Row[]> {
  const bind = new Binder();
  const rows = await reader.query({
    text:
      `select ${COLUMNS}, r.derived from resource r where ${whereOf(find, bind)}` +
      ` order by r.part, r.sid, r.slot limit ${bind.int(MAX_OUTLINE_ROWS + 1)}`,
    values: bind.values,
  });
  if (rows.length > MAX_OUTLINE_ROWS) throw tooMany();
  return rows as unknown as Row[];
}

/** Opens one batch while the one before it is made use of. */
async function* eventsIn(reader: Reader, rows: readonly Row[]): AsyncGenerator<TimelineEvent[]> {
  const open = (from: number): Promise<StoredResource[]> | undefined => {
    if (from >= rows.length) return undefined;
    const opened = reader.open(rows.slice(from, from + BATCH));
    // Told to whoever awaits it; nobody does where the batch before it fails.
    opened.catch(() => undefined);
    return opened;
  };
  let next = open(0);
  for (let i = 0; next; i += BATCH) {
    const opened = await next;
    next = open(i + BATCH);
    yield (await eventsOf(opened, reader.resolve)).filter((e) => e !== undefined);
  }
}

/** What is looked for: the patient's rows of the types, with or without facts from notes. */
export function outlineFind(types: readonly string[], conditions: Parameters<typeof every>[0]): Find {
  return {
    types: types.map(typeNumber).sort((a, b) => a - b),
    condition: optimize(every(conditions)),
    order: { kind: 'row' },
  };
}

function tooMany(): Fault {
  return new Fault('too-large', `The outline would be made from more than ${MAX_OUTLINE_ROWS} records.`, {
    at: '$timeline-outline',
    remedy: 'Narrow it by start and end or by _type, or read $timeline page by page.',
  });
}
