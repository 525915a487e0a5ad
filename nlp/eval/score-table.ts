import type { ScoreRow } from './score.js';

const percent = (share: number | undefined): string => (share === undefined ? '' : (share * 100).toFixed(1));

/** One row of the table as its cells, numbers in percent. */
export function scoreCells(row: ScoreRow): string[] {
  return [
    row.what,
    row.data,
    String(row.documents),
    row.rule,
    percent(row.precision),
    percent(row.recall),
    percent(row.value),
    row.note ?? '',
  ];
}

const HEADER = ['what', 'data', 'documents', 'rule', 'P', 'R', 'F1 or value', 'note'];

/** The page `nlp/SCORES.md`. */
export function scoreTable(rows: readonly ScoreRow[]): string {
  const table = [HEADER, HEADER.map(() => '---'), ...rows.map(scoreCells)]
    .map((cells) => `| ${cells.join(' | ')} |`)
    .join('\n');
  return `# Scores

Written by \`npm run eval:nlp -- CORPORA\`; in percent. Exact: same first and last character and type.
Overlapping: at least one character in common with a span of the same type. Where a set trains the model,
figures are by folds over documents or on its held-out part, with the weights quantised as they ship. The gold notes
of our own were also read while the rules were written: they guard against regressions and say nothing of unseen notes.

${table}
`;
}

/** How far a figure may fall below the kept one before it counts as a regression; a share, not percent. */
export const TOLERANCE = 0.005;

const keyOf = (cells: readonly string[]): string => `${cells[0]} | ${cells[1]} | ${cells[3]}`;

/** Figures that are worse than those of a written page by more than `TOLERANCE`, as lines to print. */
export function regressions(page: string, rows: readonly ScoreRow[]): string[] {
  const kept = new Map<string, number>();
  for (const line of page.split('\n')) {
    const cells = line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim());
    const value = Number(cells[6]);
    if (cells.length === HEADER.length && Number.isFinite(value)) kept.set(keyOf(cells), value / 100);
  }
  return rows.flatMap((row) => {
    const before = kept.get(keyOf(scoreCells(row)));
    if (before === undefined || row.value >= before - TOLERANCE - 0.0005) return [];
    return [`${keyOf(scoreCells(row))}: ${percent(row.value)}, was ${percent(before)}`];
  });
}
