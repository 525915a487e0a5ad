import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { SETTINGS } from '../../src/config.js';
import { packageRoot } from '../../src/core/package-root.js';

const readme = readFileSync(join(packageRoot(), 'README.md'), 'utf8');

describe('the README', () => {
  it.each(SETTINGS.map((s) => [s.name, s] as const))(
    'has the setting %s with its default and meaning',
    (_, setting) => {
      const row = readme.split('\n').find((line) => line.startsWith(`| \`${setting.name}\` |`));
      expect(row).toContain(setting.meaning);
      expect(row).toContain(setting.default);
    },
  );

  it('names no setting that is none', () => {
    const named = new Set(readme.match(/\bCENOTE_[A-Z_]+\b/g) ?? []);
    expect([...named].filter((n) => !SETTINGS.some((s) => s.name === n))).toEqual([]);
  });

  it('names only folders that are there', () => {
    for (const [, folder] of readme.matchAll(
      /`((?:src|nlp|test|examples|migrations|fhir-profiles)\/[a-z0-9./-]*)`/g,
    )) {
      expect(() => readFileSync(join(packageRoot(), folder!)), folder).not.toThrow(/ENOENT/);
    }
  });
});
