/**
 * `npm run sql-on-fhir -- FOLDER`: runs the cases of the SQL on FHIR test suite (its files of JSON: resources, views,
 * expected rows) through the evaluator of the program, prints each, and ends in `N passed, N failed`. The report has
 * the form that the specification's list of implementations reads; `--report FILE` writes it elsewhere.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { numberOf, parseJson } from '../../src/core/json.js';
import { packageRoot } from '../../src/core/package-root.js';
import type { Resource } from '../../src/core/resource.js';
import { compileView, type Row, type View } from '../../src/fhir/views/view.js';

interface Case {
  readonly title: string;
  readonly view: unknown;
  readonly expect?: readonly Record<string, unknown>[];
  readonly expectColumns?: readonly string[];
  readonly expectError?: boolean;
}

interface Suite {
  readonly title: string;
  readonly resources: readonly Resource[];
  readonly tests: readonly Case[];
}

type Report = Record<string, { tests: { name: string; result: { passed: boolean; error?: string } }[] }>;

/** Rows in any order, members in any order, numbers by their value. */
function shown(value: unknown): string {
  if (numberOf(value) !== undefined) return String(numberOf(value));
  if (Array.isArray(value)) return `[${value.map(shown).join(',')}]`;
  if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
    return `{${members.map(([name, v]) => `${JSON.stringify(name)}:${shown(v)}`).join(',')}}`;
  }
  return JSON.stringify(value ?? null);
}

function rowsOf(view: View, resources: readonly Resource[]): Record<string, unknown>[] {
  const rows: Row[] = [];
  for (const resource of resources) view.rows(resource, rows);
  return rows.map((row) => Object.fromEntries(view.columns.map(({ name }, i) => [name, row[i]])));
}

/** What is wrong with a case; undefined where nothing is. */
function failure(test: Case, resources: readonly Resource[]): string | undefined {
  let rows: Record<string, unknown>[];
  let view: View;
  try {
    view = compileView(test.view);
    rows = rowsOf(view, resources);
  } catch (error) {
    return test.expectError ? undefined : `refused: ${(error as Error).message}`;
  }
  if (test.expectError) return 'not refused';
  const names = view.columns.map(({ name }) => name);
  if (test.expectColumns && test.expectColumns.join() !== names.join()) return `columns ${names.join()}`;
  const sorted = (list: readonly unknown[]) => list.map(shown).sort();
  const [got, wanted] = [sorted(rows), sorted(test.expect ?? [])];
  return got.join('\n') === wanted.join('\n')
    ? undefined
    : `expected ${wanted.join(' ')}\n      got      ${got.join(' ')}`;
}

const args = process.argv.slice(2);
const at = args.indexOf('--report');
const reportFile =
  at < 0 ? join(packageRoot(), 'src', 'fhir', 'views', 'test_report.json') : args.splice(at, 2)[1];
const folder = args[0];
if (folder === undefined || reportFile === undefined) {
  console.error('Name the folder with the files of the suite: npm run sql-on-fhir -- FOLDER');
  process.exit(2);
}
const files = readdirSync(folder)
  .filter((name) => name.endsWith('.json'))
  .sort();
const report: Report = {};
let passed = 0;
let failed = 0;
for (const file of files) {
  const suite = parseJson(readFileSync(join(folder, file), 'utf8')) as Suite;
  console.log(suite.title);
  report[file] = { tests: [] };
  for (const test of suite.tests) {
    const error = failure(test, suite.resources);
    if (error === undefined) passed++;
    else failed++;
    console.log(`  ${error === undefined ? 'ok  ' : 'FAIL'} ${test.title}${error ? `\n      ${error}` : ''}`);
    report[file].tests.push({ name: test.title, result: { passed: error === undefined } });
  }
}
if (passed + failed === 0) {
  console.error('The folder has no cases.');
  process.exit(2);
}
writeFileSync(reportFile, `${JSON.stringify(report, null, 2)}\n`);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
