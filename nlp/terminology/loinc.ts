import type { LexiconBuilder } from '../2-mention/lexicon-builder.js';
import type { LoincRow } from './releases.js';

export const LOINC = 'http://loinc.org';
const MAX_NAME_WORDS = 8;

/**
 * Adds LOINC. The words of `rules/lexicon/loinc-axes.txt` ("A1c") get the most common active term of their axes
 * without a method; the names of common tests are added as they are.
 * @param axes lines: words (alternatives with |), component, systems, properties (alternatives with commas).
 */
export function addLoinc(builder: LexiconBuilder, rows: readonly LoincRow[], axes: readonly string[]): void {
  for (const line of axes) {
    const [words = '', component = '', systems = '', properties = ''] = line.split('\t');
    const wanted = rows
      .filter(
        (row) =>
          row.component === component &&
          systems.split(',').includes(row.system) &&
          properties.split(',').includes(row.property) &&
          row.method === '',
      )
      .sort(
        (a, b) =>
          (a.rank || Number.MAX_SAFE_INTEGER) - (b.rank || Number.MAX_SAFE_INTEGER) ||
          (a.code < b.code ? -1 : 1),
      )[0];
    if (!wanted) continue;
    const id = builder.concept(LOINC, wanted.code, wanted.name);
    for (const phrase of words.split('|')) builder.phrase(phrase, 'test', 0, [id]);
  }
  for (const row of rows) {
    if (row.rank === 0) continue;
    const id = builder.concept(LOINC, row.code, row.name);
    for (const name of [row.name, ...row.otherNames]) {
      if (name.split(' ').length <= MAX_NAME_WORDS && / /.test(name)) builder.phrase(name, 'test', 0, [id]);
    }
  }
}
