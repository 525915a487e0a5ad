import type { StoredResource } from '../core/resource.js';
import type { Position } from './cursor.js';
import type { Moment } from './moment.js';
import { phasesOf } from './order.js';
import type { Reader } from './reader.js';
import type { Find, FoundRow } from './statement.js';
import { nextRows } from './walk.js';

/** Most rows fetched at a time where matches must be opened to be known. */
const RECHECK_BATCH = 500;
/** Rows a stream fetches and opens at a time; what bounds its memory. */
const STREAM_BATCH = 500;

/** Tells for each opened resource whether it truly matches. */
export type Recheck = (resources: readonly StoredResource[]) => Promise<readonly boolean[]>;

export interface Filled {
  readonly matches: readonly StoredResource[];
  /** Where the next page starts; absent when there is none. */
  readonly next: Position | undefined;
}

/** A row with the phase of the order it was found in, and the moment whose order it is. */
export interface Placed {
  readonly row: FoundRow;
  readonly phase: number;
  readonly moment: Moment | undefined;
}

/** Fetches up to `limit` rows from a position on, over the phases of the order. */
export async function fetchRows(
  reader: Reader,
  find: Find,
  from: Position,
  limit: number,
): Promise<Placed[]> {
  const placed: Placed[] = [];
  let position = from;
  for (;;) {
    const wanted = limit - placed.length;
    const { rows, moment } = await nextRows(reader, find, position, wanted);
    for (const row of rows) placed.push({ row, phase: position.phase, moment });
    if (placed.length >= limit || position.phase + 1 >= phasesOf(find.order).length) return placed;
    position = { phase: position.phase + 1, keys: [], ...(moment ? { moment } : {}) };
  }
}

export const positionOf = ({ phase, row, moment }: Placed): Position => ({
  phase,
  keys: row.keys,
  ...(moment ? { moment } : {}),
});

/**
 * One page: up to `count` matches from a position on. A row that turns out not to match does not shorten the page;
 * more are fetched until it is full or there are none.
 */
export async function fillPage(
  reader: Reader,
  find: Find,
  from: Position,
  count: number,
  exact: boolean,
  recheck: Recheck,
): Promise<Filled> {
  const matches: StoredResource[] = [];
  let last: Position | undefined;
  let position = from;
  for (let round = 0; ; round++) {
    // Where rows may turn out not to match, a few more than are wanted save a round; then ever more.
    reader.checkTime();
    const wanted = count + 1 - matches.length;
    const limit = exact ? wanted : Math.max(wanted, Math.min(RECHECK_BATCH, (wanted + 4) * 2 ** round));
    const rows = await fetchRows(reader, find, position, limit);
    // Where the index is exact, the row beyond the page proves a next one without being opened.
    const opened = exact ? rows.slice(0, count - matches.length) : rows;
    const resources = await reader.open(opened.map((p) => p.row.row));
    const verdicts = await recheck(resources);
    for (let i = 0; i < opened.length; i++) {
      if (!verdicts[i]) continue;
      if (matches.length === count) return { matches, next: last };
      matches.push(resources[i]!);
      last = positionOf(opened[i]!);
    }
    if (exact && matches.length === count && rows.length > opened.length) return { matches, next: last };
    if (rows.length < limit) return { matches, next: undefined };
    position = positionOf(opened.length > 0 ? opened.at(-1)! : rows.at(-1)!);
  }
}

/** All matches, a bounded batch in memory at a time. */
export async function* streamMatches(
  reader: Reader,
  find: Find,
  recheck: Recheck,
): AsyncGenerator<StoredResource[]> {
  let position: Position = { phase: 0, keys: [] };
  for (;;) {
    reader.checkTime();
    const rows = await fetchRows(reader, find, position, STREAM_BATCH);
    const resources = await reader.open(rows.map((p) => p.row.row));
    const verdicts = await recheck(resources);
    const matches = resources.filter((_, i) => verdicts[i]);
    if (matches.length > 0) yield matches;
    if (rows.length < STREAM_BATCH) return;
    position = positionOf(rows.at(-1)!);
  }
}

/** All rows found, without opening them. */
export async function* streamRows(
  reader: Reader,
  find: Find,
  batch = STREAM_BATCH,
): AsyncGenerator<FoundRow[]> {
  let position: Position = { phase: 0, keys: [] };
  for (;;) {
    const rows = await fetchRows(reader, find, position, batch);
    if (rows.length > 0) yield rows.map((p) => p.row);
    if (rows.length < batch) return;
    position = positionOf(rows.at(-1)!);
  }
}
