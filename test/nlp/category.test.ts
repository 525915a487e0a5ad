import { describe, expect, it } from 'vitest';
import { type ProcedureCategoryRow, readWords } from '../../nlp/2-mention/category.js';
import { createClinicalPipeline } from '../../nlp/index.js';
import { readRules } from '../../nlp/rules/load.js';

const rows = readRules<ProcedureCategoryRow[]>('procedure-categories.json');
const pipeline = createClinicalPipeline();

describe('every row of procedure-categories.json says what its example says', () => {
  it.each(rows.map((row) => [row.example, row] as const))('%s', (example, row) => {
    expect(readWords(example)?.category).toBe(row.category);
    if (row.unlike) expect(readWords(row.unlike)?.category).not.toBe(row.category);
  });

  it('has each word once, but for rows that hold only beside others', () => {
    const words = rows
      .filter(({ beside }) => beside === undefined)
      .flatMap((row) => row.words?.split(' ') ?? []);
    expect(words.filter((word, i) => words.indexOf(word) !== i)).toEqual([]);
  });
});

describe('a procedure or test says whether it is done to treat or to find out', () => {
  it.each([
    ['Therapeutic endoscopy with clipping of a bleeding ulcer.', 'endoscopy', 'therapeutic'],
    ['Underwent diagnostic laparoscopy for pelvic pain.', 'laparoscopy', 'diagnostic'],
    ['Excisional biopsy of a left axillary node in 2019.', 'Excisional biopsy', 'diagnostic'],
    ['CT-guided drainage of abscess.', 'drainage', 'therapeutic'],
    ['PSH: cardiac catheterization 2015, appendectomy, L TKA', 'cardiac catheterization', 'diagnostic'],
    ['PSH: cardiac catheterization 2015, appendectomy, L TKA', 'L TKA', 'therapeutic'],
    ['ERCP with sphincterotomy and stone removal done yesterday.', 'ERCP', 'therapeutic'],
    ['Colonoscopy 2018 normal.', 'Colonoscopy', 'diagnostic'],
    ['Colonoscopy w/ polypectomy 2020.', 'Colonoscopy', 'therapeutic'],
    ['Left heart cath w/ DES to RCA.', 'Left heart cath', 'therapeutic'],
    ['Balloon angioplasty of the SFA.', 'angioplasty', 'therapeutic'],
    ['Stress test with dobutamine infusion.', 'Stress test', 'diagnostic'],
    ['Foley catheterization.', 'catheterization', 'therapeutic'],
    ['s/p D&C', 'D&C', 'therapeutic'],
    ['Hemoglobin A1c 7.2%.', 'Hemoglobin A1c', 'diagnostic'],
    ['CXR today shows no infiltrate.', 'CXR', 'diagnostic'],
    ['Vaginal delivery in 2014.', 'Vaginal delivery', undefined],
  ])('%s', (text, words, category) => {
    const mention = pipeline.annotate(text, { id: 'n' }).mentions.find((m) => m.text.includes(words));
    expect(mention?.text).toContain(words);
    expect(mention?.category).toBe(category);
    expect(mention?.because?.category !== undefined).toBe(category !== undefined);
  });

  it('gives no category to what is neither', () => {
    const { mentions } = pipeline.annotate(
      'Diagnostic workup showed pneumonia; on metformin 500 mg bid. BP 120/80.',
      { id: 'n' },
    );
    for (const { type, category } of mentions)
      if (type !== 'procedure' && type !== 'test') expect(category).toBeUndefined();
  });
});
