import { Fault } from '../core/fault.js';
import type { RowKey } from '../store/contract.js';
import type { Position } from './cursor.js';
import { type Moment, seenThen, versionThen } from './moment.js';
import { comparePlaces, type Placeable, placedByRow, placeOf } from './order.js';
import type { Reader } from './reader.js';
import { Binder } from './render.js';
import { COLUMNS, type Find, type FoundRow, type Statement, where } from './statement.js';

/**
 * Matches that were written since the first page: they stand where their version of then has its place, so that a
 * resource whose date, value or name is changed between two pages comes once. The index has no rows of that version any
 * more; it is opened. What was made since is in none of the pages. The cost is that of what was written meanwhile.
 */

/** Rows written since the moment that are looked at in one statement, and versions opened at a time. */
const BATCH = 1_000;
/** Matches written since whose places are kept at a time, some 200 bytes each. */
const MAX_MOVED = 100_000;

/** A match as it is now, and its version of then. */
export interface Moved extends Placeable {
  readonly row: RowKey;
  readonly former: RowKey;
}

/** Every match that was written since, in the order of the writes; one that is written meanwhile may come again. */
export async function* movedSince(reader: Reader, find: Find, moment: Moment): AsyncGenerator<Moved[]> {
  let after: readonly [lu: string, rtype: number, rid: string] | undefined;
  for (;;) {
    reader.checkTime();
    const rows = await reader.query(movedStatement(find, moment, after));
    const moved = rows.filter((row) => row.part !== null && row.then_ver !== null).map(movedOf);
    if (moved.length > 0) yield moved;
    if (rows.length < BATCH) return;
    const last = rows.at(-1)!;
    after = [String(last.w_lu), Number(last.w_rtype), String(last.w_rid)];
  }
}

/** Walks the writes in their order and tests each row, as `walk-statement.ts` does along other indexes. */
function movedStatement(
  find: Find,
  moment: Moment,
  after: readonly [lu: string, rtype: number, rid: string] | undefined,
): Statement {
  const bind = new Binder();
  const { asOf: _, ...now } = find;
  const types =
    find.types.length === 1 ? `= ${bind.smallint(find.types[0]!)}` : `= any(${bind.smallints(find.types)})`;
  const onwards = after
    ? ` and (u.lu, u.rtype, u.rid) > (${bind.bigint(BigInt(after[0]))}, ${bind.smallint(after[1])}, ${bind.bigint(BigInt(after[2]))})`
    : '';
  // A first version that was not seen is of a resource that was not there.
  const written =
    `select u.part, u.rtype, u.rid, u.lu from resource u where u.lu > ${bind.bigint(moment.floor)} and u.rtype ${types}` +
    ` and not ${seenThen('u', moment, bind)} and (u.ver > 1 or u.lu <= ${bind.bigint(moment.ceiling)})${onwards}` +
    ` order by u.lu, u.rtype, u.rid limit ${BATCH}`;
  const text =
    `select w.lu as w_lu, w.rtype as w_rtype, w.rid as w_rid, ${COLUMNS},` +
    ' o.part as then_part, o.ver as then_ver, o.lu as then_lu, o.sid as then_sid, o.slot as then_slot' +
    ` from (${written}) w left join lateral (select r.* from resource r where r.part = w.part and r.rtype = w.rtype` +
    ` and r.rid = w.rid and ${where(now, bind, 'filter', find.condition, true)} limit 1) r on true` +
    ` left join lateral ${versionThen('r', moment, bind)} o on true order by w.lu, w.rtype, w.rid`;
  return { text, values: bind.values };
}

function movedOf(row: Record<string, unknown>): Moved {
  const rtype = Number(row.rtype);
  const rid = BigInt(String(row.rid));
  const key = (part: unknown, ver: unknown, sid: unknown, slot: unknown): RowKey => ({
    part: Number(part),
    rtype,
    rid,
    ver: Number(ver),
    sid: BigInt(String(sid)),
    slot: Number(slot),
  });
  return {
    rtype,
    rid,
    lu: String(row.then_lu),
    row: key(row.part, row.ver, row.sid, row.slot),
    former: key(row.then_part, row.then_ver, row.then_sid, row.then_slot),
  };
}

/** Places of versions of then never change, so each is opened once for a page, however often it is asked for. */
const placesOf = new WeakMap<Moment, Map<string, Position | undefined>>();

/** Matches written since that stand behind a position within its phase, in order. */
export async function movedAfter(
  reader: Reader,
  find: Find,
  moment: Moment,
  after: Position,
): Promise<FoundRow[]> {
  const places = placesOf.get(moment) ?? new Map<string, Position | undefined>();
  placesOf.set(moment, places);
  const found = new Map<string, FoundRow>();
  for await (const batch of movedSince(reader, find, moment)) {
    const unknown = batch.filter((m) => !places.has(nameOf(m)));
    const opened = placedByRow(find.order) ? [] : await reader.openFormer(unknown.map((m) => m.former));
    unknown.forEach((m, i) => {
      const seen = placedByRow(find.order) || opened[i] !== undefined;
      places.set(nameOf(m), seen ? placeOf(find.order, m, opened[i]) : undefined);
    });
    for (const m of batch) {
      const place = places.get(nameOf(m));
      if (place?.phase !== after.phase) continue;
      if (after.keys.length > 0 && comparePlaces(find.order, after.phase, place.keys, after.keys) <= 0)
        continue;
      found.set(nameOf(m), { row: m.row, keys: place.keys });
    }
    if (found.size > MAX_MOVED) throw tooMany();
  }
  return [...found.values()].sort((a, b) => comparePlaces(find.order, after.phase, a.keys, b.keys));
}

const nameOf = ({ rtype, rid }: { rtype: number; rid: bigint }) => `${rtype} ${rid}`;

/** The first `limit` of rows that stayed and rows that were written since; both are in order. */
export function mergeMoved(
  find: Find,
  phase: number,
  stayed: readonly FoundRow[],
  moved: readonly FoundRow[],
  limit: number,
): FoundRow[] {
  if (moved.length === 0) return [...stayed];
  // One that was written between the two statements is in both.
  const again = new Set(moved.map((m) => nameOf(m.row)));
  return [...stayed.filter((s) => !again.has(nameOf(s.row))), ...moved]
    .sort((a, b) => comparePlaces(find.order, phase, a.keys, b.keys))
    .slice(0, limit);
}

function tooMany(): Fault {
  return new Fault('timeout', `More than ${MAX_MOVED} of the results were written since the first page.`, {
    remedy: 'Start the search again, or sort it by _id.',
  });
}
