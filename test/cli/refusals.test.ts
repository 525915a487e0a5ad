import { expect, test } from 'vitest';
import { refusals } from '../../src/cli/import.js';

const error = (file: string, message: string, line?: number) => ({
  file,
  message,
  code: 'invalid',
  ...(line === undefined ? {} : { line }),
});
const report = (errors: readonly ReturnType<typeof error>[], rejected = errors.length) =>
  ({ errors, resources: { rejected } }) as unknown as Parameters<typeof refusals>[0];

test('hundreds of refusals of one kind do not hide the one of another', () => {
  const many = Array.from({ length: 400 }, (_, n) => error(`part-${n}.xml`, 'A part of a document.'));
  const lines = refusals(report([...many, error('labs.ndjson', 'Observation.status: Add it.', 7)]));
  expect(lines).toEqual([
    '  400 × A part of a document.',
    '      part-0.xml',
    '      part-1.xml',
    '      part-2.xml',
    '      … and 397 more',
    '  1 × Observation.status: Add it.',
    '      labs.ndjson, line 7',
    '  (--report FILE and --results FOLDER have all places)',
  ]);
});

test('the counts of what is shown and of what is not add up to what was refused', () => {
  const kinds = Array.from({ length: 30 }, (_, n) => error(`${n}.json`, `Reason ${n}.`));
  const lines = refusals(report(kinds, 45));
  const told = lines.flatMap((line) => /^ {2}(\d+) ×/.exec(line)?.[1] ?? []).map(Number);
  expect(told.reduce((sum, n) => sum + n, 0)).toBe(45);
  expect(lines.join('\n')).toContain('something else');
});
