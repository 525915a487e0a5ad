import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { segmentText } from '../1-segment/index.js';
import { assertMentions } from '../3-assertion/index.js';
import type { Assertion, Mention } from '../model.js';
import type { Evaluation } from './score.js';

export interface NegationScore {
  readonly sentences: number;
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
  readonly accuracy: number;
}

/**
 * Scores the assertion stage on a table of sentences (report, target phrase, sentence with the target in capitals,
 * `Negated` or `Affirmed`; tab-separated with a header). Negated is the positive class.
 */
export function evaluateNegation(
  path: string,
  onError?: (row: NegationRow, found: Assertion) => void,
): NegationScore {
  let [truePositive, falsePositive, falseNegative, trueNegative] = [0, 0, 0, 0];
  for (const row of readNegationTable(path)) {
    const found = assertionOf(row);
    const negated = found.polarity === 'negated';
    if (negated && row.negated) truePositive++;
    else if (negated) falsePositive++;
    else if (row.negated) falseNegative++;
    else trueNegative++;
    if (negated !== row.negated) onError?.(row, found);
  }
  const precision = truePositive / Math.max(1, truePositive + falsePositive);
  const recall = truePositive / Math.max(1, truePositive + falseNegative);
  const sentences = truePositive + falsePositive + falseNegative + trueNegative;
  return {
    sentences,
    precision,
    recall,
    f1: (2 * precision * recall) / Math.max(1e-9, precision + recall),
    accuracy: (truePositive + trueNegative) / Math.max(1, sentences),
  };
}

export interface NegationRow {
  readonly target: string;
  readonly sentence: string;
  readonly negated: boolean;
}

export function readNegationTable(path: string): NegationRow[] {
  const rows: NegationRow[] = [];
  for (const line of readFileSync(path, 'utf8').split(/\r?\n/).slice(1)) {
    const cells = line.split('\t').map((cell) => cell.replace(/^"|"$/g, '').replaceAll('""', '"'));
    if (cells.length < 4) continue;
    rows.push({ target: cells[1]!.trim(), sentence: cells[2]!, negated: cells[3]!.trim() === 'Negated' });
  }
  return rows;
}

function assertionOf(row: NegationRow): Assertion {
  const wanted = row.target.toUpperCase();
  let start = row.sentence.indexOf(wanted);
  if (start < 0) start = row.sentence.toUpperCase().indexOf(wanted);
  const plain: Assertion = { polarity: 'affirmed', temporality: 'current', experiencer: 'patient' };
  if (start < 0) return plain;
  const end = start + wanted.length;
  // The target was set in capitals for the reader; capitals mean headings to us, so it is put back as written.
  const text = `${row.sentence.slice(0, start)}${row.target}${row.sentence.slice(end)}`;
  const mention: Mention = {
    start,
    end,
    text: row.target,
    type: 'diagnosis',
    assertion: plain,
    attributes: [],
    concepts: [],
    score: 1,
    accepted: true,
  };
  const state = { context: { id: 'row' }, text, ...segmentText(text), mentions: [mention] };
  return assertMentions(state)[0]!.assertion;
}

export const evaluate: Evaluation = (folder) => {
  const { sentences, precision, recall, f1 } = evaluateNegation(join(folder, 'negation', 'negation.tsv'));
  const data = 'negation, evaluated only';
  return [
    {
      what: 'Negation',
      data,
      documents: sentences,
      rule: 'polarity of a given phrase',
      value: f1,
      precision,
      recall,
    },
  ];
};
