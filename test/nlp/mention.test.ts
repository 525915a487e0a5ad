import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { segmentText } from '../../nlp/1-segment/index.js';
import { findMentions } from '../../nlp/2-mention/index.js';
import type { MentionWordRow } from '../../nlp/2-mention/mention-words.js';
import { goldScoresFile, readGoldNotes, scoreGoldNotes } from '../../nlp/eval/gold-notes.js';
import { scores } from '../../nlp/eval/score.js';
import { createClinicalPipeline } from '../../nlp/index.js';
import { readRules } from '../../nlp/rules/load.js';

const read = (text: string) => findMentions({ text, ...segmentText(text) });
const found = (text: string) => read(text).map((mention) => `${mention.type}: ${mention.text}`);

describe('mentions', () => {
  test.each([
    ['Started metformin 500 mg bid for T2DM.', ['medication: metformin', 'diagnosis: T2DM']],
    ['s/p appendectomy 1998', ['procedure: appendectomy']],
    ['Chest pain, r/o myocardial infarction.', ['symptom: Chest pain', 'diagnosis: myocardial infarction']],
    [
      'Potassium was 4.2 and she takes potassium chloride 20 mEq daily.',
      ['test: Potassium', 'medication: potassium chloride'],
    ],
    ['ALLERGIES: Penicillin, codeine.', ['allergen: Penicillin', 'allergen: codeine']],
    ['He is allergic to ciprofloxacin.', ['allergen: ciprofloxacin']],
    ['CARDIAC CATHETERIZATION REPORT', []],
    ['The patient understands and agrees with the plan.', []],
    ['Give lisinopril 20 mg daily.', ['medication: lisinopril']],
    ['The patient does not want to go; it got better.', []],
    ['Seen by Jane Doe today.', []],
    ['Lives with husband.', []],
    ['Follow up with his PCP.', []],
    ['Continue metformin ER 500 mg.', ['medication: metformin']],
    ['Questionable cirrhosis.', ['diagnosis: cirrhosis']],
    ['Dexamethasone suppression test: normal.', ['test: Dexamethasone suppression test']],
    ['Total cholesterol 222 mg/dL.', ['test: Total cholesterol']],
    ['Allergies: penicillin. He is not prescribed Advil.', ['allergen: penicillin', 'medication: Advil']],
    [
      'Patient was given the following immunizations: influenza, zoster.',
      ['vaccine: influenza', 'vaccine: zoster'],
    ],
    ['Mother had breast cancer.', ['diagnosis: breast cancer']],
    ['Stains for CD 117 and chromogranin A were done.', ['test: CD 117', 'test: chromogranin A']],
    ['He was treated with 5-fluorouracil.', ['medication: 5-fluorouracil']],
  ])('of "%s"', (text, expected) => {
    expect(found(text)).toEqual(expected);
  });

  test('say which row or model decided, stand at their words and begin as plain statements', () => {
    const text = 'PMH: COPD. Takes tiotropium daily.';
    for (const mention of read(text)) {
      expect(text.slice(mention.start, mention.end)).toBe(mention.text);
      expect(mention.because?.mention).toMatch(/^(lexicon:\d+|model:clinical)/);
      expect(mention.assertion).toEqual({
        polarity: 'affirmed',
        temporality: 'current',
        experiencer: 'patient',
      });
    }
  });

  test('that only the model saw in prose stand in the list, and become no facts', () => {
    const text = 'The wound was excised and closed, and the 3D-CRT plan was made after diagnostic workup.';
    const pipeline = createClinicalPipeline();
    const seen = pipeline
      .annotate(text, { id: 'note' })
      .mentions.filter(({ because }) => because?.mention?.endsWith('seen only'));
    expect(seen.length).toBeGreaterThan(0);
    for (const mention of seen) {
      expect(mention.score).toBeLessThan(0.5);
      expect(mention.accepted).toBe(false);
    }
    // Shorthand is not what the model learned from.
    expect(found('- closed, nicked').length).toBe(0);
  });

  test('never overlap and come in order', () => {
    for (const note of readGoldNotes()) {
      let end = 0;
      for (const mention of read(note.text)) {
        expect(mention.start).toBeGreaterThanOrEqual(end);
        end = mention.end;
      }
    }
  });
});

describe('rows of mention-words.json', () => {
  const rows = readRules<MentionWordRow[]>('mention-words.json');
  test.each(rows.map((row) => [row.kind, row.example, row] as const))(
    '%s: "%s" shows one of its words',
    (_, example, row) => {
      const words = new Set(row.words.split(' '));
      const norms = segmentText(example).tokens.map((token) => token.norm);
      expect(norms.some((norm) => words.has(norm))).toBe(true);
    },
  );

  test.each(
    rows.filter((row) => row.kind === 'leading' && row.keeps).map((row) => [row.example, row.keeps!]),
  )('"%s" is the name "%s" alone', (example, keeps) => {
    expect(read(`${example}.`).map((mention) => mention.text)).toEqual([keeps]);
  });
});

describe('gold notes', () => {
  const stored = JSON.parse(readFileSync(goldScoresFile(), 'utf8')) as Record<string, number>;
  const now = scoreGoldNotes(readGoldNotes());

  test.each(Object.entries(stored))('%s is not worse than %f', (name, value) => {
    expect(scores(now.get(name)!).f1).toBeGreaterThan(value - 0.005);
  });

  test('are all measured', () => {
    expect(Object.keys(stored).sort()).toEqual([...now.keys()].sort());
  });
});
