import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadLexicon, SYSTEMS } from '../2-mention/lexicon.js';
import { createClinicalPipeline } from '../index.js';
import type { Pipeline } from '../pipeline.js';
import { type Counts, type Evaluation, noCounts, scoreRow } from './score.js';

const ICD10CM = SYSTEMS[2];

export interface IcdReport {
  readonly documents: number;
  readonly counts: Counts;
  /** The same where a code that the gold's release had whole, and ours has split, is right if ours is below it. */
  readonly split: Counts;
  /** Codes that were missed and invented, with how often. */
  readonly missed: Map<string, number>;
  readonly invented: Map<string, number>;
}

/**
 * ICD-10-CM codes of whole case reports against those that coders gave them: the set of best codes of all accepted
 * mentions, compared as written. Micro-averaged.
 * @param part `dev` or `train`.
 */
export function evaluateIcd10(folder: string, part: 'dev' | 'train', pipeline: Pipeline): IcdReport {
  const root = join(folder, 'icd10-coding');
  const gold = new Map<string, Set<string>>();
  for (const line of readFileSync(join(root, `${part}D.tsv`), 'utf8')
    .trimEnd()
    .split('\n')) {
    const [id = '', code = ''] = line.trim().split('\t');
    const set = gold.get(id);
    if (set) set.add(code.toUpperCase());
    else gold.set(id, new Set([code.toUpperCase()]));
  }
  const counts = noCounts();
  const split = noCounts();
  const headers = headerCodes();
  const missed = new Map<string, number>();
  const invented = new Map<string, number>();
  const files = readdirSync(join(root, part))
    .filter((name) => name.endsWith('.txt'))
    .sort();
  for (const name of files) {
    const id = name.replace(/\.txt$/, '');
    const wanted = gold.get(id) ?? new Set<string>();
    const found = new Map<string, string>();
    for (const mention of pipeline.annotate(readFileSync(join(root, part, name), 'utf8'), { id }).mentions) {
      if (!mention.accepted || mention.assertion.experiencer !== 'patient') continue;
      const best = mention.concepts.find((concept) => concept.system === ICD10CM);
      if (best) found.set(best.code, mention.text);
    }
    counts.predicted += found.size;
    counts.gold += wanted.size;
    // The coders could only choose codes without any below them: a heading of today was split since.
    const older = new Set(
      [...found.keys()].map(
        (code) => [...wanted].find((one) => code.startsWith(one) && headers.has(one)) ?? code,
      ),
    );
    split.predicted += older.size;
    split.gold += wanted.size;
    for (const code of older)
      if (wanted.has(code)) {
        split.predictedRight++;
        split.goldFound++;
      }
    for (const [code, words] of found) {
      if (wanted.has(code)) {
        counts.predictedRight++;
        counts.goldFound++;
      } else
        invented.set(
          `${code} ${words.toLowerCase()}`,
          (invented.get(`${code} ${words.toLowerCase()}`) ?? 0) + 1,
        );
    }
    for (const code of wanted) if (!found.has(code)) missed.set(code, (missed.get(code) ?? 0) + 1);
  }
  return { documents: files.length, counts, split, missed, invented };
}

/** Codes of the lexicon that have others below them. */
function headerCodes(): Set<string> {
  const { tables } = loadLexicon();
  const codes = new Set<string>();
  for (let i = 0; i < tables.conceptCount; i++) {
    const concept = tables.concept(i);
    if (SYSTEMS[concept.system] === ICD10CM && concept.kind === 'header') codes.add(concept.code);
  }
  return codes;
}

/** Rows for the table of scores. */
export const evaluate: Evaluation = (folder) => {
  const report = evaluateIcd10(folder, 'dev', createClinicalPipeline());
  return [
    scoreRow('ICD-10-CM of a document', 'icd10-coding dev', report.documents, 'code, micro', report.counts),
    {
      ...scoreRow(
        'ICD-10-CM of a document',
        'icd10-coding dev',
        report.documents,
        'code as in the release of the gold, micro',
        report.split,
      ),
      note: 'the gold is of 2018: codes that were split since count as the one they were split from',
    },
  ];
};
