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
