/**
 * `npm run eval:nlp -- CORPORA [NAME…]`: every evaluation, or those named, on the open sets; prints one line per
 * figure and, when all have run, writes `nlp/SCORES.md` and what the tests hold the gold notes to. A figure that is worse than the page by more than .005 makes
 * it end with status 1 and leave the page as it is, unless `--accept` is given.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { nlpRoot } from '../rules/load.js';
import { keepGoldScores } from './gold-notes.js';
import type { Evaluation, ScoreRow } from './score.js';
import { regressions, scoreCells, scoreTable } from './score-table.js';

/** Modules beside this one, each exporting `evaluate`. */
const EVALUATIONS = [
  'gold-notes',
  'mentions',
  'negation',
  'sections',
  'signatures',
  'signatures-held-out',
  'codes',
  'icd10',
] as const;

const accept = process.argv.includes('--accept');
const [folder, ...names] = process.argv.slice(2).filter((argument) => argument !== '--accept');
if (!folder || !existsSync(folder)) {
  process.stderr.write(`usage: npm run eval:nlp -- CORPORA [${EVALUATIONS.join('|')}]…\n`);
  process.exit(2);
}
const here = dirname(fileURLToPath(import.meta.url));
const rows: ScoreRow[] = [];
const missing: string[] = [];
for (const name of names.length > 0 ? names : EVALUATIONS) {
  const file = join(here, `${name}.js`);
  if (!existsSync(file)) {
    missing.push(name);
    continue;
  }
  try {
    const { evaluate } = (await import(pathToFileURL(file).href)) as { evaluate: Evaluation };
    for (const row of await evaluate(folder)) {
      rows.push(row);
      process.stdout.write(`${scoreCells(row).filter(Boolean).join('  ')}\n`);
    }
  } catch (error) {
    // One broken evaluation must not lose the minutes of the others; the page is then not written.
    process.stderr.write(`${name} failed: ${error instanceof Error ? error.message : String(error)}\n`);
    missing.push(name);
    process.exitCode = 1;
  }
}
if (missing.length > 0) process.stderr.write(`not measured: ${missing.join(', ')}\n`);
const file = join(nlpRoot(), 'SCORES.md');
const worse = existsSync(file) ? regressions(readFileSync(file, 'utf8'), rows) : [];
for (const one of worse) process.stderr.write(`worse than SCORES.md: ${one}\n`);
if (worse.length > 0 && !accept) process.exitCode = 1;
else if (names.length === 0 && missing.length === 0) {
  writeFileSync(file, scoreTable(rows));
  keepGoldScores();
  process.stdout.write(`written: ${file}\n`);
}
