import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { packageRoot } from '../../src/core/package-root.js';
import { ROWS } from './catalogue/rows.js';

/** SECURITY.md says for every row of the attack catalogue where it is tried; what it names must be there. */
const text = readFileSync(join(packageRoot(), 'SECURITY.md'), 'utf8');
const table = new Map(
  [...text.matchAll(/^\| (S-\d\db?) \| ([^|]+) \| ([^|]+) \|$/gm)].map(([, id, what, where]) => [
    id!,
    { what, where },
  ]),
);
const between = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, i) => `S-${String(from + i).padStart(2, '0')}`);
const CATALOGUE = [
  ...between(1, 6),
  ...between(10, 19),
  ...between(20, 31),
  ...between(35, 39),
  'S-39b',
  ...between(40, 46),
  ...between(50, 59),
];

it('every row of the catalogue has its place, and no other', () => {
  expect([...table.keys()]).toEqual(CATALOGUE);
});

it('every row that is tried against the server is in it, with the file that tries it', () => {
  for (const { id } of ROWS) {
    const row = table.get(id.replace(/^(S-(?:16|19))b$/, '$1'));
    expect(row?.where, id).toContain('test/security/catalogue/');
  }
});

it('every file that is named exists', () => {
  const named = [...text.matchAll(/`((?:test|src)\/[\w./-]+)`/g)].map(([, path]) => path!);
  expect(named.length).toBeGreaterThan(40);
  for (const path of named) expect(existsSync(join(packageRoot(), path)), path).toBe(true);
});
