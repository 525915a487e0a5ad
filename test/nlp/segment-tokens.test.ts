import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { tokenize } from '../../nlp/1-segment/tokens.js';
import { readRules } from '../../nlp/rules/load.js';

const words = (text: string) => tokenize(text).map((token) => token.text);

describe('tokens of a note', () => {
  const rows: [string, string[]][] = [
    ['Lisinopril 12.5mg p.o. q.d.', ['Lisinopril', '12.5', 'mg', 'p.o.', 'q.d.']],
    ['metoprolol 50 mg b.i.d., then', ['metoprolol', '50', 'mg', 'b.i.d.', ',', 'then']],
    ['Heparin 5,000 units', ['Heparin', '5,000', 'units']],
    ['HbA1c 7.2% B12 E11.9', ['HbA1c', '7.2', '%', 'B12', 'E11.9']],
    ['BP 120/80, T 37.5°C', ['BP', '120', '/', '80', ',', 'T', '37.5', '°', 'C']],
    ["patient's wife doesn't", ['patient', "'s", 'wife', "doesn't"]],
    ['beta-blocker', ['beta', '-', 'blocker']],
    ['chest pain w/o cough, s/p CABG', ['chest', 'pain', 'w/o', 'cough', ',', 's/p', 'CABG']],
    ['2nd dose of .5 mg', ['2nd', 'dose', 'of', '.5', 'mg']],
    ['----- end -----', ['-----', 'end', '-----']],
    ['seen by Dr. Smith.', ['seen', 'by', 'Dr', '.', 'Smith', '.']],
    ['good 👍 pain', ['good', '👍', 'pain']],
    ['1/2 tab q4-6h prn', ['1', '/', '2', 'tab', 'q4', '-', '6', 'h', 'prn']],
  ];
  it.each(rows)('%s', (text, expected) => {
    expect(words(text)).toEqual(expected);
  });

  it('gives the plain form of dotted and accented words', () => {
    expect(tokenize('B.I.D. Sjögren 5 µg').map((token) => token.norm)).toEqual(['bid', 'sjogren', '5', 'ug']);
  });

  it.each(readRules<{ word: string; example: string }[]>('slash-words.json'))(
    'keeps $word whole in "$example"',
    ({ word, example }) => {
      expect(tokenize(example).map((token) => token.norm)).toContain(word);
    },
  );

  it('covers every visible character exactly once, in order, whatever the text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (text) => {
        let at = 0;
        for (const token of tokenize(text)) {
          expect(token.start).toBeGreaterThanOrEqual(at);
          expect(token.end).toBeGreaterThan(token.start);
          expect(token.text).toBe(text.slice(token.start, token.end));
          at = token.end;
        }
        expect(at).toBeLessThanOrEqual(text.length);
      }),
      { numRuns: 300 },
    );
  });
});
