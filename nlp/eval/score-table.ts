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
