import { describe, expect, test } from 'vitest';
import { segmentText } from '../../nlp/1-segment/index.js';
import { findMentions } from '../../nlp/2-mention/index.js';
import type { SenseRow } from '../../nlp/2-mention/senses.js';
import type { Mention } from '../../nlp/model.js';
import { readRules } from '../../nlp/rules/load.js';

const rows = readRules<SenseRow[]>('senses.json');

/** Mentions of exactly a row's words in its usual meaning. */
function usual(row: SenseRow, text: string): Mention[] {
  const words = new Set(row.words.split('|').map(plain));
  return findMentions({ text, ...segmentText(text) }).filter(
    (mention) =>
      row.not.includes(mention.type) &&
      words.has(plain(mention.text)) &&
      (row.reads === undefined || mention.reads !== row.reads),
  );
}

function plain(words: string): string {
  return words
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, ' ')
    .trim();
}

describe('words that say something else here', () => {
  test.each(rows.map((row) => [row.words.split('|')[0]!, row.means, row] as const))(
    '"%s" as %s',
    (_words, _means, row) => {
      expect(usual(row, row.example)).toEqual([]);
      expect(usual(row, row.unlike)).not.toEqual([]);
    },
  );

  test('vaccines speak for their own list alone', () => {
    const text =
      'Pneumovax administered 6/4/22; COVID booster refused.\nDischarge Diagnoses: Inferior STEMI; CAD; HLD.\n';
    const types = findMentions({ text, ...segmentText(text) })
      .filter(({ start }) => start > text.indexOf('Discharge'))
      .map(({ type }) => type);
    expect(new Set(types)).toEqual(new Set(['diagnosis']));
  });

  test('what vaccines except one are given is a vaccine', () => {
    const text = 'UTD on vaccines except flu, parents declined.';
    const found = findMentions({ text, ...segmentText(text) }).map((m) => `${m.type}: ${m.text}`);
    expect(found).not.toContain('diagnosis: flu');
  });
});
