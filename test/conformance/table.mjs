/**
 * `npm run conformance`: runs the tests that hold the API to the specification and prints what was tried and what
 * passed, area by area. The figures are those of the test runner; nothing is counted by hand. Ends with 1 when
 * anything failed.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';

const root = join(import.meta.dirname, '..', '..');

/** Areas of the table, in its order, and the tests that each is made of. */
const AREAS = [
  [
    'Interactions',
    [
      'test/http/interactions',
      'test/http/type-history',
      'test/http/protocol',
      'test/http/idempotency',
      'test/http/binary',
      'test/conformance/http',
    ],
  ],
  [
    'Conditions, batch, transaction',
    ['test/http/conditional', 'test/http/bundle', 'test/http/two-processes', 'test/tasks/bundle-http'],
  ],
  ['Patch', ['test/fhir/patch']],
  ['Search over HTTP', ['test/conformance/search', 'test/http/search-cases']],
  ['Search, rules and random cases', ['test/search', 'test/indexing']],
  ['Examples', ['test/conformance/examples']],
  ['Validation', ['test/http/validation', 'test/http/integrity', 'test/fhir/validate', 'test/fhir/check']],
  [
    'Operations',
    ['test/http/r4-operations', 'test/http/operations', 'test/http/terminology', 'test/http/value-sets'],
  ],
  ['Capabilities', ['test/http/capabilities']],
  ['Access', ['test/http/access']],
  ['Independent client', ['test/http/client']],
];

const folder = mkdtempSync(join(tmpdir(), 'cenote-conformance-'));
const report = join(folder, 'report.json');
const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
const run = spawnSync(
  process.execPath,
  [vitest, 'run', ...AREAS.flatMap(([, tests]) => tests), '--reporter=json', `--outputFile=${report}`],
  {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { CENOTE_PROPERTY_CASES: '10000', ...process.env },
  },
);
const { testResults } = JSON.parse(readFileSync(report, 'utf8'));
rmSync(folder, { recursive: true });

const rows = [];
const failures = [];
for (const [area, tests] of AREAS) {
  const groups = new Map();
  for (const file of testResults) {
    const name = relative(root, file.name).replaceAll('\\', '/');
    if (!tests.some((prefix) => name.startsWith(prefix))) continue;
    if (file.assertionResults.length === 0) failures.push(`${name}: ${file.message ?? 'did not run'}`);
    for (const { ancestorTitles, status, fullName } of file.assertionResults) {
      const group = ancestorTitles[0] ?? name;
      const counts = groups.get(group) ?? { tried: 0, passed: 0 };
      counts.tried++;
      if (status === 'passed') counts.passed++;
      else failures.push(`${name}: ${fullName}`);
      groups.set(group, counts);
    }
  }
  for (const [group, counts] of groups) rows.push([area, group, counts.tried, counts.passed]);
  if (groups.size === 0) failures.push(`${area}: no test ran`);
}

const total = (i) => rows.reduce((sum, row) => sum + row[i], 0);
rows.push(['All', '', total(2), total(3)]);
const width = (i) =>
  Math.max(...rows.map((row) => String(row[i]).length), ['Area', 'What', 'Tried', 'Passed'][i].length);
const widths = [0, 1, 2, 3].map(width);
const line = (row) =>
  row
    .map((cell, i) => (i < 2 ? String(cell).padEnd(widths[i]) : String(cell).padStart(widths[i])))
    .join('  ');
console.log(line(['Area', 'What', 'Tried', 'Passed']));
console.log(widths.map((w) => '-'.repeat(w)).join('  '));
let before;
for (const row of rows) {
  console.log(line([row[0] === before ? '' : row[0], ...row.slice(1)]));
  before = row[0];
}
for (const failure of failures) console.log(`failed: ${failure}`);
// A test that did not run, and an area without one, count as failed too.
console.log(`${rows.at(-1)[3]} passed, ${failures.length} failed`);
process.exitCode = failures.length > 0 || run.status !== 0 ? 1 : 0;
