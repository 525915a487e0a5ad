import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { loadLexicon, SYSTEMS } from '../2-mention/lexicon.js';
import { createClinicalPipeline } from '../index.js';
import type { Annotation, Mention, MentionType } from '../model.js';
import type { Pipeline } from '../pipeline.js';
import type { Evaluation, ScoreRow } from './score.js';

/** Scores of one kind of resource. */
export interface CodeScore {
  readonly kind: string;
  readonly documents: number;
  /** Gold codes, and those among them that the lexicon knows: recall is measured on the latter. */
  readonly gold: number;
  readonly known: number;
  readonly coverage: number;
  readonly found: number;
  readonly predicted: number;
  readonly right: number;
  /** Of the right ones, those whose code is the gold code itself. */
  readonly exact: number;
  readonly precision: number;
  readonly recall: number;
}

interface GoldResource {
  readonly type: string;
  readonly coding: readonly { readonly system: string; readonly code: string; readonly display?: string }[];
}

interface CodedNote {
  readonly text: string;
  readonly gold: readonly GoldResource[];
}

const TYPES_OF: Readonly<Record<string, readonly MentionType[]>> = {
  Condition: ['diagnosis', 'symptom', 'social'],
  Procedure: ['procedure', 'test'],
  MedicationRequest: ['medication'],
  Immunization: ['vaccine'],
};
const SYSTEM_OF: Readonly<Record<string, string>> = {
  Condition: SYSTEMS[1],
  Procedure: SYSTEMS[1],
  MedicationRequest: SYSTEMS[0],
  Immunization: SYSTEMS[4],
};

/**
 * Scores codes end to end on notes that carry the coded resources of their encounter. Only the part of a note
 * that tells of this encounter counts (history and standing medications are other encounters' resources): what
 * stands after "Assessment and Plan", without the care plans. A gold code is found when it is the best of its
 * system on an accepted mention of the kind; a prediction is right when its code is gold, or when it is the ingredient
 * of a gold product that no table has ("amlodipine" for "amlodipine 2.5 MG Oral Tablet").
 * @param every take one note of so many, for a quick look.
 */
export function evaluateCodes(
  folder: string,
  pipeline: Pipeline,
  every = 1,
): { scores: CodeScore[]; errors: Map<string, number> } {
  const known = knownCodes();
  const counts = new Map(
    Object.keys(TYPES_OF).map((kind) => [
      kind,
      { gold: 0, known: 0, found: 0, predicted: 0, right: 0, exact: 0 },
    ]),
  );
  const errors = new Map<string, number>();
  let documents = 0;
  readNotes(folder).forEach((note, index) => {
    if (index % every !== 0) return;
    documents++;
    const annotation = pipeline.annotate(note.text, { id: String(index) });
    for (const [kind, types] of Object.entries(TYPES_OF)) {
      const count = counts.get(kind)!;
      const gold = new Map(
        note.gold
          .filter((each) => each.type === kind)
          .flatMap((each) =>
            each.coding
              .filter((coding) => coding.system === SYSTEM_OF[kind])
              .map((coding) => [coding.code, coding.display ?? ''] as const),
          ),
      );
      const wider = new Set(
        [...gold]
          .filter(([code]) => !known.has(`${SYSTEM_OF[kind]}|${code}`))
          .map(([, display]) => ingredientsOf(display)),
      );
      const predicted = new Map<string, string>();
      for (const mention of currentMentions(annotation, note.text, types)) {
        const best = mention.concepts.find((concept) => concept.system === SYSTEM_OF[kind]);
        if (best) predicted.set(best.code, `${mention.text} -> ${best.code} ${best.display}`);
      }
      count.gold += gold.size;
      for (const [code, display] of gold) {
        if (!known.has(`${SYSTEM_OF[kind]}|${code}`)) continue;
        count.known++;
        if (predicted.has(code)) count.found++;
        else add(errors, `missed ${kind} ${code} ${display}`);
      }
      for (const [code, words] of predicted) {
        count.predicted++;
        if (gold.has(code)) count.exact++;
        if (gold.has(code) || (kind === 'MedicationRequest' && wider.has(displayOf(words)))) count.right++;
        else add(errors, `wrong ${kind} ${words}`);
      }
    }
  });
  const scores = [...counts].map(([kind, count]) => ({
    kind,
    documents,
    ...count,
    coverage: count.gold === 0 ? 0 : count.known / count.gold,
    precision: count.predicted === 0 ? 0 : count.right / count.predicted,
    recall: count.known === 0 ? 0 : count.found / count.known,
  }));
  return { scores, errors };
}

const BEFORE_NAME = /^(?:NDA\d+ |[\d.]+ (?:ML|HR|ACTUAT) )+/;
const AFTER_NAME = / [\d.,]+ (?:MG|MCG|UNT|MEQ|ML|ACTUAT|HR)\b.*$/;

/** Ingredients of a product's display, without strengths: "amLODIPine 2.5 MG Oral Tablet" is "amlodipine". */
function ingredientsOf(display: string): string {
  return display
    .split(' / ')
    .map((part) => part.replace(BEFORE_NAME, '').replace(AFTER_NAME, ''))
    .join(' / ')
    .toLowerCase();
}

/** What stands after the code in "words -> 17767 amlodipine", in small letters. */
function displayOf(words: string): string {
  return words
    .slice(words.lastIndexOf(' -> ') + 4)
    .replace(/^\S+ /, '')
    .toLowerCase();
}

function add(map: Map<string, number>, key: string): void {
  map.set(key, (map.get(key) ?? 0) + 1);
}

function readNotes(folder: string): CodedNote[] {
  return gunzipSync(readFileSync(join(folder, 'coded-notes', 'notes.jsonl.gz')))
    .toString('utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as CodedNote);
}

function knownCodes(): Set<string> {
  const { tables } = loadLexicon();
  const known = new Set<string>();
  for (let id = 0; id < tables.conceptCount; id++) {
    const concept = tables.concept(id);
    known.add(`${SYSTEMS[concept.system]}|${concept.code}`);
  }
  return known;
}

function currentMentions(annotation: Annotation, text: string, types: readonly MentionType[]): Mention[] {
  const start = text.indexOf('# Assessment and Plan');
  const care = text.indexOf('placed on a careplan');
  let careEnd = care;
  if (care >= 0) {
    const rest = /\n(?!- |\s*\n)\S/.exec(text.slice(care + 20));
    careEnd = rest ? care + 20 + rest.index : text.length;
  }
  return annotation.mentions.filter(
    (mention) =>
      mention.accepted &&
      types.includes(mention.type) &&
      mention.start >= start &&
      (care < 0 || mention.start < care || mention.start >= careEnd),
  );
}

/**
 * Rows for the table of scores: precision and recall by kind of resource, with the coverage of the tables. Where some
 * are right by the ingredient alone, a strict row counts these as wrong.
 */
export const evaluate: Evaluation = (folder) =>
  evaluateCodes(folder, createClinicalPipeline()).scores.flatMap((score) => {
    const row = (right: number, rule: string): ScoreRow => {
      const precision = score.predicted === 0 ? 0 : right / score.predicted;
      const { recall } = score;
      return {
        what: `Codes of ${score.kind}`,
        data: 'coded-notes',
        documents: score.documents,
        rule,
        value: precision + recall === 0 ? 0 : (2 * precision * recall) / (precision + recall),
        precision,
        recall,
        note: `tables have ${percent(score.coverage)} % of the gold codes`,
      };
    };
    const rows = [row(score.right, 'best code of its system; recall on codes that the tables have')];
    if (score.exact < score.right)
      rows.push(
        row(score.exact, 'the same, the ingredient of a product that the tables lack counted as wrong'),
      );
    return rows;
  });

function percent(share: number): string {
  return (share * 100).toFixed(1);
}
