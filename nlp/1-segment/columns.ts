import type { SectionKind } from '../model.js';
import { isSpace } from './characters.js';
import { Form, type Header, headerOf } from './header.js';
import type { Line } from './lines.js';
import { exactTitle, type Title } from './titles.js';

const GAP = 3;
const COLUMNS_MAX = 3;
const CELL_MAX = 40;
/** How far a cell may stand off its column: a proportional font was made plain text. */
const SLACK = 4;
const LINES_MAX = 200;

interface Cell {
  readonly start: number;
  readonly end: number;
}

/** Headers of text set in columns side by side, one for each cell, and the line after the last of them. */
export interface Columns {
  readonly headers: readonly Header[];
  readonly next: number;
}

/**
 * Reads `PAST MEDICAL HISTORY      MEDICATIONS` above lines that hold a cell of each: two sections side by side, which
 * the text has line by line. Every cell is a section of its column's kind. Undefined where no such line stands at `i`.
 */
export function columnsAt(text: string, lines: readonly Line[], i: number): Columns | undefined {
  const heads = titleCells(text, lines[i]!);
  if (!heads) return undefined;
  const from = lines[i]!.start - lines[i]!.indent;
  const columns = heads.map(({ cell, row }) => ({ at: cell.start - from, row }));
  const headers = heads.map(({ cell, row }, column) => {
    const next = heads[column + 1]?.cell.start ?? lines[i]!.end;
    return headerOf(text, { start: cell.start, from: cell.start, to: cell.end, bodyStart: next }, row);
  });
  let both = false;
  let at = i + 1;
  for (; at < lines.length && at - i < LINES_MAX; at++) {
    const line = lines[at]!;
    if (line.start === line.end || titleCells(text, line)) break;
    const lineFrom = line.start - line.indent;
    const cells = cellsOf(text, line, 2).map((cell) => ({
      cell,
      column: columns.findLastIndex((column) => cell.start - lineFrom >= column.at - SLACK),
    }));
    if (cells.length > 1 && cells.at(-1)!.column > 0) both = true;
    let last = -1;
    for (const { cell, column } of cells) {
      if (column < 0 || column === last) continue;
      last = column;
      headers.push(untitled(cell.start, columns[column]!.row.kind));
    }
  }
  return both ? { headers, next: at } : undefined;
}

function untitled(start: number, kind: SectionKind): Header {
  return { start, bodyStart: start, title: '', kind, sub: false, form: Form.Plain, depth: 0 };
}

function titleCells(text: string, line: Line): { cell: Cell; row: Title }[] | undefined {
  const length = line.end - line.start;
  if (length < 12 || length > COLUMNS_MAX * CELL_MAX + 60) return undefined;
  const cells = cellsOf(text, line, GAP);
  if (cells.length < 2 || cells.length > COLUMNS_MAX) return undefined;
  const found: { cell: Cell; row: Title }[] = [];
  for (const cell of cells) {
    const row = cell.end - cell.start <= CELL_MAX ? exactTitle(text.slice(cell.start, cell.end)) : undefined;
    if (!row || row.sub || row.kind === 'other') return undefined;
    found.push({ cell, row });
  }
  return new Set(found.map(({ row }) => row.kind)).size === found.length ? found : undefined;
}

/** What gaps of so many spaces, or a tab, part. */
function cellsOf(text: string, line: Line, gap: number): Cell[] {
  const cells: Cell[] = [];
  let start = line.start;
  let at = line.start;
  while (at < line.end) {
    if (!isSpace(text.charCodeAt(at))) {
      at++;
      continue;
    }
    let end = at;
    while (end < line.end && isSpace(text.charCodeAt(end))) end++;
    if (end - at >= gap || text.charCodeAt(at) === 9) {
      cells.push({ start, end: at });
      start = end;
    }
    at = end;
  }
  cells.push({ start, end: line.end });
  return cells;
}
