import { describe, expect, it } from 'vitest';
import { createClinicalPipeline } from '../../nlp/index.js';
import { htmlOf } from '../../src/cli/annotate-html.js';
import { textOf } from '../../src/cli/annotate-text.js';
import { whyOf } from '../../src/cli/annotate-why.js';

const pipeline = createClinicalPipeline();
const why = (text: string, words: string): string => {
  const mention = pipeline.annotate(text, { id: 'why' }).mentions.find((found) => found.text === words);
  expect(mention, words).toBeDefined();
  return whyOf(mention!).join('; ');
};

describe('the reasons of a mention, as a clinician reads them', () => {
  const rows: { text: string; words: string; says: string[] }[] = [
    {
      text: 'She denies chest pain.',
      words: 'chest pain',
      says: ['read as negated, current: "denies"', 'no fact: it is denied'],
    },
    {
      text: 'Her mother had gout.',
      words: 'gout',
      says: ['of a relative: said of "mother"', 'taken as a fact'],
    },
    { text: 'Stopped lisinopril.', words: 'lisinopril', says: ['read as affirmed, past: "stopped"'] },
    {
      text: 'She has asthma.',
      words: 'asthma',
      says: ['of the lexicon', 'nothing beside it says otherwise'],
    },
    {
      text: 'PLAN: colonoscopy',
      words: 'colonoscopy',
      says: ['it stands under "plan"', 'planned, not done'],
    },
    {
      text: 'Seen at the diabetes clinic.',
      words: 'diabetes',
      says: ['no fact: "clinic" beside it makes something else of it'],
    },
  ];
  rows.push(
    {
      text: 'Excisional biopsy of the node in 2019.',
      words: 'Excisional biopsy',
      says: ['diagnostic: "biopsy"'],
    },
    {
      text: 'ERCP with sphincterotomy in 2020.',
      words: 'ERCP',
      says: ['therapeutic: "with sphincterotomy"'],
    },
  );
  it.each(rows)('$text', ({ text, words, says }) => {
    const told = why(text, words);
    for (const part of says) expect(told).toContain(part);
    expect(told).not.toMatch(/cue:|section:|beside:|lexicon:|model:/);
  });

  it('the coloured note shows whose it is and that it is over', () => {
    const text = 'Her mother had gout. Stopped lisinopril.';
    const html = htmlOf([{ text, annotation: pipeline.annotate(text, { id: 'a' }) }]);
    expect(html).toMatch(/gout<sup>family<\/sup>/);
    expect(html).toMatch(/lisinopril<sup>past<\/sup>/);
  });

  it('text and page show whether a procedure treats or finds out', () => {
    const text = 'Appendectomy in 2014. Chest X-ray today is clear.';
    const annotation = pipeline.annotate(text, { id: 'a' });
    expect(textOf(text, annotation, false)).toMatch(
      /procedure, therapeutic Appendectomy[\s\S]*procedure, diagnostic Chest X-ray/,
    );
    expect(htmlOf([{ text, annotation }])).toMatch(/title="procedure diagnostic, score/);
    // As pipelines before this one kept it.
    const old = { ...annotation, mentions: annotation.mentions.map(({ category: _, ...rest }) => rest) };
    expect(textOf(text, old, false)).toMatch(/procedure +Appendectomy/);
  });
});
