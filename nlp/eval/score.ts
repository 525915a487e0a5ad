/** Counts of one row of the table; sums over documents give micro averages. */
export interface Counts {
  predicted: number;
  gold: number;
  /** Predicted spans that are right, and gold spans that were found: the same number for exact matching. */
  predictedRight: number;
  goldFound: number;
}

export interface ScoredSpan {
  readonly start: number;
  readonly end: number;
  readonly type: string;
}

export function noCounts(): Counts {
  return { predicted: 0, gold: 0, predictedRight: 0, goldFound: 0 };
}

/** Adds one document. `exact`: same start, end and type; else any overlap with a span of the same type. */
export function addDocument(
  counts: Counts,
  predicted: readonly ScoredSpan[],
  gold: readonly ScoredSpan[],
  exact: boolean,
): void {
  const match = (a: ScoredSpan, b: ScoredSpan): boolean =>
    a.type === b.type &&
    (exact ? a.start === b.start && a.end === b.end : a.start < b.end && b.start < a.end);
  counts.predicted += predicted.length;
  counts.gold += gold.length;
  for (const p of predicted) if (gold.some((g) => match(p, g))) counts.predictedRight++;
  for (const g of gold) if (predicted.some((p) => match(p, g))) counts.goldFound++;
}

export interface Scores {
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
}

export function scores(counts: Counts): Scores {
  const precision = counts.predicted ? counts.predictedRight / counts.predicted : 0;
  const recall = counts.gold ? counts.goldFound / counts.gold : 0;
  return { precision, recall, f1: precision + recall ? (2 * precision * recall) / (precision + recall) : 0 };
}

/** One line of the printed table and of `nlp/SCORES.md`. Shares are 0..1. */
export interface ScoreRow {
  /** What is measured, as people name it: "Medication", "negation". */
  readonly what: string;
  /** The set and how it was used: "case-reports, 5-fold". */
  readonly data: string;
  readonly documents: number;
  /** The matching rule: "exact span", "overlapping span", "accuracy", "code". */
  readonly rule: string;
  /** F1 where precision and recall are given, else the measure named by `rule`. */
  readonly value: number;
  readonly precision?: number;
  readonly recall?: number;
  /** Anything a reader must know beside the number, such as the coverage of the tables. */
  readonly note?: string;
}

/** A row from counts. */
export function scoreRow(
  what: string,
  data: string,
  documents: number,
  rule: string,
  counts: Counts,
): ScoreRow {
  const { precision, recall, f1 } = scores(counts);
  return { what, data, documents, rule, precision, recall, value: f1 };
}

/** A check that `run.ts` calls: reads its sets below `folder` and returns its rows. */
export type Evaluation = (folder: string) => ScoreRow[] | Promise<ScoreRow[]>;
