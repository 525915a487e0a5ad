/** What has a place in a text. */
interface Placed {
  readonly start: number;
  readonly end: number;
}

/** A stretch of a note, whole lines where it can be, with what is marked in it. */
export interface Piece<M extends Placed> extends Placed {
  readonly mentions: readonly M[];
}

/** Characters of a piece; a line longer than that is cut between mentions. */
const PIECE = 8_000;

/** The pieces of a text, in order and without gaps; of mentions that overlap the earlier and longer is kept. */
export function piecesOf<M extends Placed>(text: string, mentions: readonly M[], size = PIECE): Piece<M>[] {
  const sorted = [...mentions].sort((a, b) => a.start - b.start || b.end - a.end);
  const pieces: Piece<M>[] = [];
  let next = 0;
  let start = 0;
  do {
    const wanted = Math.min(start + size, text.length);
    const line = text.lastIndexOf('\n', wanted - 1) + 1;
    let end = wanted < text.length && line > start ? line : wanted;
    const inside: M[] = [];
    let at = start;
    for (; next < sorted.length && sorted[next]!.start < end; next++) {
      const mention = sorted[next]!;
      if (mention.start < at) continue;
      inside.push(mention);
      at = mention.end;
      // A mention is never cut in two.
      end = Math.max(end, at);
    }
    pieces.push({ start, end, mentions: inside });
    start = end;
  } while (start < text.length);
  return pieces;
}

/** A piece as plain words and mentions, in order. */
export function partsOf<M extends Placed>(text: string, piece: Piece<M>): (string | M)[] {
  const parts: (string | M)[] = [];
  let at = piece.start;
  for (const mention of piece.mentions) {
    if (mention.start > at) parts.push(text.slice(at, mention.start));
    parts.push(mention);
    at = mention.end;
  }
  if (at < piece.end) parts.push(text.slice(at, piece.end));
  return parts;
}
