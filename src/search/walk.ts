import { type Condition, isDeep } from './condition.js';
import type { Position } from './cursor.js';
import { explained, guess } from './estimate.js';
import type { Reader } from './reader.js';
import { Binder } from './render.js';
import { type Find, type FoundRow, foundRow, rowsStatement } from './statement.js';
import { type Spine, spineLeftStatement, spineOf, walkStatement } from './walk-statement.js';

/**
 * The two ways to the next rows of an order. Fetching finds all matches by the index of the most selective part and
 * sorts them: its cost grows with the matches. Walking reads an index that has the order already and tests each row:
 * its cost grows as matches are rare. Hashed ids are spread evenly, so a walk to `limit` matches is about
 * limit ÷ frequency rows long. A wrong guess costs one walk of bounded length, then the rows are fetched.
 */

/** Longest walk worth trying, rows. */
const MAX_WALK = 5_000;
/** Twice the expected length, since matches are spread by chance. */
const MARGIN = 2;
/** Up to so many rows fetching is quicker than making a choice. */
const FEW_ROWS = 100;
/** A patient's rows, or those of a code, that are read in a few milliseconds. */
const SHORT_SPINE = 1_000;

export async function nextRows(
  reader: Reader,
  find: Find,
  after: Position,
  limit: number,
): Promise<FoundRow[]> {
  const spine = spineOf(find, after.phase);
  const way = spine ? await chooseWay(reader, find, spine, limit) : {};
  const fetch = () => rowsOf(reader, find, rowsStatement(find, after, limit, way.driver));
  if (!spine || way.walk === undefined) return fetch();
  const walked = await rowsOf(reader, find, walkStatement(find, spine, after, limit, way.walk));
  if (walked.length < limit) {
    // Too few: either the spine ended, or matches are rarer than was guessed.
    const [left] = await reader.query(spineLeftStatement(spine, after, way.walk));
    if (Number(left!.n) >= way.walk) return fetch();
  }
  return walked;
}

async function rowsOf(
  reader: Reader,
  find: Find,
  statement: ReturnType<typeof rowsStatement>,
): Promise<FoundRow[]> {
  return (await reader.query(statement)).map((r) => foundRow(r, find.order));
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
