import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { segmentText } from '../1-segment/index.js';
import { findMentions } from '../2-mention/index.js';
import type { MentionType } from '../model.js';
import { nlpRoot } from '../rules/load.js';
import {
  addDocument,
  type Counts,
  type Evaluation,
  noCounts,
  type ScoredSpan,
  type ScoreRow,
  scoreRow,
  scores,
} from './score.js';

/** A note of our own with its mentions marked. */
export interface GoldNote {
  readonly id: string;
  readonly text: string;
  readonly spans: readonly ScoredSpan[];
}

const CODES: Readonly<Record<string, MentionType>> = {
  med: 'medication',
  alg: 'allergen',
  vax: 'vaccine',
  dx: 'diagnosis',
  sx: 'symptom',
  px: 'procedure',
  test: 'test',
  vs: 'vital-sign',
  dev: 'device',
};

/** Types that are told apart by convention more than by meaning are scored as one. */
const GROUPS: Readonly<Record<string, string>> = {
  medication: 'medication',
  allergen: 'medication',
  vaccine: 'medication',
  diagnosis: 'diagnosis or symptom',
  symptom: 'diagnosis or symptom',
  procedure: 'procedure or test',
  test: 'procedure or test',
  'vital-sign': 'procedure or test',
  device: 'procedure or test',
};

/** Reads `=== id` headed notes in which a mention is written `[[words|code]]`. @throws Error at an unknown code. */
export function parseGoldNotes(file: string): GoldNote[] {
  return file
    .split(/^=== /m)
    .slice(1)
    .map((part) => {
      const lineEnd = part.indexOf('\n');
      const id = part.slice(0, lineEnd).trim();
      const marked = part.slice(lineEnd + 1);
      const spans: ScoredSpan[] = [];
      let text = '';
      let at = 0;
      for (const match of marked.matchAll(/\[\[([^\]|]+)\|([a-z]+)\]\]/g)) {
        text += marked.slice(at, match.index);
        const type = CODES[match[2]!];
        if (!type) throw new Error(`gold note ${id}: unknown type ${match[2]}`);
        spans.push({ start: text.length, end: text.length + match[1]!.length, type });
        text += match[1]!;
        at = match.index + match[0].length;
      }
      return { id, text: text + marked.slice(at), spans };
    });
}

/** The gold notes that the repository keeps for its tests. */
export function readGoldNotes(): GoldNote[] {
  const folder = join(nlpRoot(), '..', 'test', 'nlp', 'gold');
  return readdirSync(folder)
    .filter((name) => name.endsWith('.txt'))
    .sort()
    .flatMap((name) => parseGoldNotes(readFileSync(join(folder, name), 'utf8')));
}

/** Counts by group of types and matching rule, `medication, exact` and the like. */
export function scoreGoldNotes(notes: readonly GoldNote[]): Map<string, Counts> {
  const counts = new Map<string, Counts>();
  for (const note of notes) {
    const mentions = findMentions({ text: note.text, ...segmentText(note.text) });
    for (const group of new Set(Object.values(GROUPS))) {
      const pick = (spans: readonly ScoredSpan[]): ScoredSpan[] =>
        spans.flatMap((span) =>
          GROUPS[span.type] === group ? [{ start: span.start, end: span.end, type: group }] : [],
        );
      for (const exact of [true, false]) {
        const key = `${group}, ${exact ? 'exact' : 'overlap'}`;
        const held = counts.get(key) ?? noCounts();
        counts.set(key, held);
        addDocument(held, pick(mentions), pick(note.spans), exact);
      }
    }
  }
  return counts;
}

/** Where the scores that `npm test` holds the gold notes to are kept. */
export function goldScoresFile(): string {
  return join(nlpRoot(), '..', 'test', 'nlp', 'gold', 'scores.json');
}

/** What the tests compare with from now on: F1 by group of types and matching rule. */
export function keepGoldScores(): void {
  const kept: Record<string, number> = {};
  for (const [name, counts] of scoreGoldNotes(readGoldNotes())) {
    kept[name] = Math.round(scores(counts).f1 * 1e4) / 1e4;
  }
  writeFileSync(goldScoresFile(), `${JSON.stringify(kept, null, 2)}\n`);
}

/** The rows of the gold notes. */
export const evaluate: Evaluation = () => {
  const notes = readGoldNotes();
  const rows: ScoreRow[] = [];
  for (const [name, counts] of scoreGoldNotes(notes)) {
    const [what, rule] = name.split(', ');
    rows.push(
      scoreRow(
        what!,
        'own gold notes, mention stage',
        notes.length,
        rule === 'exact' ? 'exact span' : 'overlapping span',
        counts,
      ),
    );
  }
  return rows;
};
