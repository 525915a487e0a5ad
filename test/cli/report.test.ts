import { expect, test } from 'vitest';
import { describeError, exitStatus } from '../../src/cli/report.js';
import { Fault } from '../../src/core/fault.js';

const cases: readonly (readonly [unknown, number])[] = [
  [new Fault('invalid', 'x'), 2],
  [new Fault('not-found', 'x'), 2],
  [new Fault('unavailable', 'x'), 2],
  [new Fault('integrity', 'x'), 3],
  [new Fault('internal', 'x'), 70],
  [new TypeError('x'), 70],
  ['x', 70],
];
test.each(cases)('%s ends with its own exit status', (error, status) => {
  expect(exitStatus(error)).toBe(status);
});

test('a fault says its message and its remedy in one line', () => {
  const fault = new Fault('invalid', 'This is wrong.', { remedy: 'Do\nthat.', log: 'not shown' });
  expect(describeError(fault)).toBe('This is wrong. Do that.');
});

test('a fault says where, unless its message does', () => {
  expect(describeError(new Fault('invalid', 'Not a list.', { at: 'criteria.and' }))).toBe(
    'criteria.and: Not a list.',
  );
  expect(describeError(new Fault('invalid', 'Patient has no "x".', { at: 'x' }))).toBe('Patient has no "x".');
});

test('an error that is no fault says its kind and place, never its message, which may quote data', () => {
  const text = describeError(new TypeError('Jane Doe is not a function'));
  expect(text).toMatch(/^unexpected TypeError at .*report\.test\.ts:\d+:\d+\. This is a defect/);
  expect(text).not.toContain('Jane');
});
