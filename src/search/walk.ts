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

export async function nextRows(
  reader: Reader,
  find: Find,
  after: Position,
  limit: number,
): Promise<FoundRow[]> {
  const spine = spineOf(find, after.phase);
  const length = spine && (await walkLength(reader, find, spine, limit));
  if (!spine || length === undefined) return fetched(reader, find, after, limit);
  const walked = await rowsOf(reader, find, walkStatement(find, spine, after, limit, length));
  if (walked.length < limit) {
    // Too few: either the spine ended, or matches are rarer than was guessed.
    const [left] = await reader.query(spineLeftStatement(spine, after, length));
    if (Number(left!.n) >= length) return fetched(reader, find, after, limit);
  }
  return walked;
}

function fetched(reader: Reader, find: Find, after: Position, limit: number): Promise<FoundRow[]> {
  return rowsOf(reader, find, rowsStatement(find, after, limit));
}

async function rowsOf(
  reader: Reader,
  find: Find,
  statement: ReturnType<typeof rowsStatement>,
): Promise<FoundRow[]> {
  return (await reader.query(statement)).map((r) => foundRow(r, find.order));
}

async function walkLength(
  reader: Reader,
  find: Find,
  spine: Spine,
  limit: number,
): Promise<number | undefined> {
  const { rows, matches, fetched: byIndex } = await guess(reader, spine.rest ?? find.condition, find.types);
  if (byIndex <= FEW_ROWS) return undefined;
  const whole = await explained(reader, spine.name, () => wholeSpine(spine));
  // All matches are on the spine, so they are at least as frequent there as in the type.
  const share = Math.min(1, Math.max(matches, 1) / Math.min(rows, whole));
  const length = Math.min(Math.ceil((MARGIN * limit) / share), whole) + limit;
  return length <= MAX_WALK && length < byIndex ? length : undefined;
}

function wholeSpine(spine: Spine) {
  const bind = new Binder();
  return { text: spine.whole(bind), values: bind.values };
}
