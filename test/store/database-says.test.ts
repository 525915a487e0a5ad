import { expect, test } from 'vitest';
import { faultOf } from '../../src/store/database.js';

// SQL states as PostgreSQL gives them, and what a user is told: never that it is a defect of ours.
const SAID: [state: string, category: string, message: RegExp][] = [
  ['53100', 'unavailable', /no room/],
  ['53200', 'unavailable', /no room/],
  ['53400', 'unavailable', /no room/],
  ['53300', 'unavailable', /cannot be reached/],
  ['57P01', 'unavailable', /cannot be reached/],
  ['28000', 'unavailable', /cannot be reached/],
  ['28P01', 'unavailable', /cannot be reached/],
  ['3D000', 'unavailable', /cannot be reached/],
  ['42501', 'unavailable', /moved/],
  ['57014', 'timeout', /time/],
  ['40001', 'conflict', /held/],
];

test.each(SAID)('what the database says by %s is told as %s', (code, category, message) => {
  const fault = faultOf(Object.assign(new Error('could not extend file "base/1/2"'), { code }));
  expect(fault).toMatchObject({ category, message: expect.stringMatching(message) });
  expect((fault as { remedy?: string }).remedy).toBeTruthy();
  expect(JSON.stringify([(fault as Error).message])).not.toContain('base/');
});

test('an error that is no such thing stays what it is', () => {
  const error = Object.assign(new Error('syntax'), { code: '42601' });
  expect(faultOf(error)).toBe(error);
});
