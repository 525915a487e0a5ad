import { type Condition, isDeep } from './condition.js';
import type { Position } from './cursor.js';
import { explained, guess } from './estimate.js';
import { lookAround, type Moment } from './moment.js';
import { mergeMoved, movedAfter } from './moved.js';
import { canMove } from './order.js';
import type { Reader } from './reader.js';
import { Binder } from './render.js';
import { type Find, type FoundRow, foundRow, rowsStatement, type Statement } from './statement.js';
import { type Spine, spineLeftStatement, spineOf, walkStatement } from './walk-statement.js';

/**
 * The two ways to the next rows of an order. Fetching finds all matches by the index of the most selective part and
 * sorts them: its cost grows with the matches. Walking reads an index that has the order already and tests each row:
 * its cost grows as matches are rare. Hashed ids are spread evenly, so a walk to `limit` matches is about
 * limit ÷ frequency rows long. A wrong guess costs one walk of bounded length, then the rows are fetched.
 */

/** Longest walk worth trying, rows. */
const MAX_WALK = 5_000;
/** A walk that was too short among rows written since is tried again so many times longer. */
const LONGER = 8;
/** Twice the expected length, since matches are spread by chance. */
const MARGIN = 2;
/** Up to so many rows fetching is quicker than making a choice. */
const FEW_ROWS = 100;
/** A patient's rows, or those of a code, that are read in a few milliseconds. */
const SHORT_SPINE = 1_000;

/** Rows of an order, and the moment whose order it is where writers can change it. */
export interface NextRows {
  readonly rows: readonly FoundRow[];
  readonly moment: Moment | undefined;
}

/** The next `limit` rows after a position within its phase; the first of all are asked for their moment as well. */
export async function nextRows(
  reader: Reader,
  find: Find,
  after: Position,
  limit: number,
): Promise<NextRows> {
  if (!canMove(find.order)) return { rows: await stayedRows(reader, find, after, limit), moment: undefined };
  const { moment } = after;
  if (!moment) {
    const bounds = await lookAround(reader);
    const taken: { snapshot?: string } = {};
    const rows = await stayedRows(reader, find, after, limit, taken);
    return { rows, moment: { ...bounds, snapshot: taken.snapshot! } };
  }
  // In this order: what is written between the two is found by the second.
  const stayed = await stayedRows(reader, { ...find, asOf: moment }, after, limit);
  const moved = await movedAfter(reader, find, moment, after);
  return { rows: mergeMoved(find, after.phase, stayed, moved, limit), moment };
}

/** @param taken is told the snapshot that the rows were read from */
async function stayedRows(
  reader: Reader,
  find: Find,
  after: Position,
  limit: number,
  taken?: { snapshot?: string },
): Promise<FoundRow[]> {
  const spine = spineOf(find, after.phase);
  const way = spine ? await chooseWay(reader, find, spine, limit) : {};
  for (let length = way.walk; spine && length !== undefined; ) {
    const walked = await rowsOf(reader, find, walkStatement(find, spine, after, limit, length), taken);
    if (walked.length >= limit) return walked;
    // Too few: the spine ended, or matches are rarer than was guessed.
    const [left] = await reader.query(spineLeftStatement(spine, after, length));
    if (Number(left!.n) < length) return walked;
    // What was written since the first page, in a walk of the newest first, stands before all the rest.
    length = find.asOf && length < MAX_WALK ? Math.min(length * LONGER, MAX_WALK) : undefined;
  }
  return rowsOf(reader, find, rowsStatement(find, after, limit, way.driver), taken);
}

async function rowsOf(
  reader: Reader,
  find: Find,
  statement: Statement,
  taken?: { snapshot?: string },
): Promise<FoundRow[]> {
  if (!taken) return (await reader.query(statement)).map((r) => foundRow(r, find.order));
  // Its one row is there even where no other is, and each row of the statement comes with it in its order.
  const text = `select q.*, m.snapshot from (select pg_current_snapshot()::text as snapshot) m left join (${statement.text}) q on true`;
  const rows = await reader.query({ text, values: statement.values });
  taken.snapshot = String(rows[0]!.snapshot);
  return rows.filter((r) => r.rid !== null).map((r) => foundRow(r, find.order));
}

interface Way {
  /** Rows to walk; absent where fetching is the better way. */
  readonly walk?: number;
  /** The most selective part, to fetch by. */
  readonly driver?: Condition;
}

async function chooseWay(reader: Reader, find: Find, spine: Spine, limit: number): Promise<Way> {
  const condition = spine.rest ?? find.condition;
  // Everything on the spine matches, but for the few deleted rows that the locator still has.
  if (condition.kind === 'everything') return { walk: MARGIN * limit + FEW_ROWS };
  let whole: number | undefined;
  if (spine.clinical) {
    whole = await explained(reader, spine.name, () => wholeSpine(spine));
    // A short spine is not worth a choice: its own rows are read through, a patient's rows are fetched.
    if (whole <= SHORT_SPINE) return find.sortedTerm === undefined ? {} : { walk: whole * MARGIN + limit };
  }
  // The sets of a deep chain are made whole whatever is asked of them.
  if (isDeep(condition)) return {};
  const { rows, matches, fetched: byIndex, driver } = await guess(reader, condition, find.types);
  if (byIndex <= FEW_ROWS) return { driver };
  // All matches are on the spine, so they are at least as frequent there as in the type.
  const share = Math.min(1, Math.max(matches, 1) / Math.min(rows, whole ?? rows));
  const length = Math.min(Math.ceil((MARGIN * limit) / share), whole ?? rows) + limit;
  return length <= MAX_WALK && length < byIndex ? { walk: length, driver } : { driver };
}

function wholeSpine(spine: Spine) {
  const bind = new Binder();
  return { text: spine.whole(bind), values: bind.values };
}
