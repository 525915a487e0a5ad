import { expect, it } from 'vitest';
import { coreDumpsOn } from '../../src/cli/core-dumps.js';

const limits = (core: string) =>
  `Limit                     Soft Limit           Hard Limit           Units
Max data size             unlimited            unlimited            bytes
Max core file size        ${core}                    unlimited            bytes
Max resident set          unlimited            unlimited            bytes
`;

it.each([
  ['0', false],
  ['unlimited', true],
  ['1048576', true],
])('a limit of %s for core files means that a crash leaves memory in a file: %s', (core, on) => {
  expect(coreDumpsOn(limits(core))).toBe(on);
});

it('is not known where the system does not tell', () => {
  expect(coreDumpsOn('Max data size unlimited')).toBeUndefined();
});
