import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { segmentText } from '../../nlp/1-segment/index.js';
import { readRules } from '../../nlp/rules/load.js';

const sentences = (text: string) =>
  segmentText(text).sentences.map((sentence) => text.slice(sentence.start, sentence.end));

describe('sentences of a note', () => {
  const rows: { name: string; text: string; expected: string[] }[] = [
    {
      name: 'titles of names',
      text: 'Seen by Dr. Harris. Doing well.',
      expected: ['Seen by Dr. Harris.', 'Doing well.'],
    },
    {
      name: 'decimals',
      text: 'Potassium was 3.5 today. Repeat.',
      expected: ['Potassium was 3.5 today.', 'Repeat.'],
    },
    {
      name: 'initialisms',
      text: 'Aspirin 81 mg q.d. Lisinopril 10 mg p.o. b.i.d. for pain.',
      expected: ['Aspirin 81 mg q.d.', 'Lisinopril 10 mg p.o. b.i.d. for pain.'],
    },
    {
      name: 'organisms and sides by their letter, vitamins, initials',
      text: 'Treated for C. diff colitis and E. coli. Pain at L. knee. Took vit. D. Seen by J. P. Kwan.',
      expected: [
        'Treated for C. diff colitis and E. coli.',
        'Pain at L. knee.',
        'Took vit. D.',
        'Seen by J. P. Kwan.',
      ],
    },
    {
      name: 'commas behind initialisms in one line',
      text: 'Toprol-XL 50 mg p.o. q.d., Zocor 20 mg p.o. q.h.s., and aspirin.',
      expected: ['Toprol-XL 50 mg p.o. q.d., Zocor 20 mg p.o. q.h.s., and aspirin.'],
    },
    {
      name: 'what a letter names',
      text: 'Has hepatitis C. Takes vitamin B. Stable.',
      expected: ['Has hepatitis C.', 'Takes vitamin B.', 'Stable.'],
    },
    {
      name: 'lines wrapped at a width',
      text: 'The patient is a 72-year-old woman with a long history of\nhypertension and type 2 diabetes who presents today with chest\npain. She denies\nfever.',
      expected: [
        'The patient is a 72-year-old woman with a long history of\nhypertension and type 2 diabetes who presents today with chest\npain.',
        'She denies\nfever.',
      ],
    },
    {
      name: 'a list with bullets',
      text: 'Problems:\n- asthma\n- gout\n* anemia',
      expected: ['Problems:', '- asthma', '- gout', '* anemia'],
    },
    {
      name: 'a list with numbers',
      text: '1. Asthma\n2. Gout. Stable.',
      expected: ['1. Asthma', '2. Gout.', 'Stable.'],
    },
    {
      name: 'a list in one line',
      text: 'PLAN: 1. Start metformin. 2. Recheck in 3 weeks. 3) Diet.',
      expected: ['PLAN:', '1. Start metformin.', '2. Recheck in 3 weeks.', '3) Diet.'],
    },
    {
      name: 'a list without marks',
      text: 'MEDICATIONS\nlisinopril 10 mg daily\naspirin 81 mg\nMetformin 500 mg',
      expected: ['MEDICATIONS', 'lisinopril 10 mg daily', 'aspirin 81 mg', 'Metformin 500 mg'],
    },
    {
      name: 'boxes in one line',
      text: '[x] asthma [ ] diabetes [ ] gout',
      expected: ['[x] asthma', '[ ] diabetes', '[ ] gout'],
    },
    {
      name: 'table rows',
      text: 'Drug | Dose | Route\nAspirin | 81 mg | PO\nWarfarin | 5 mg | PO',
      expected: ['Drug | Dose | Route', 'Aspirin | 81 mg | PO', 'Warfarin | 5 mg | PO'],
    },
    { name: 'a lost space', text: 'No fever.Patient stable.', expected: ['No fever.', 'Patient stable.'] },
    { name: 'vs.', text: 'Gout vs. Septic joint. Tap it.', expected: ['Gout vs. Septic joint.', 'Tap it.'] },
    {
      name: 'CRLF and blank lines',
      text: 'One thing\r\n\r\nOther thing\r\n',
      expected: ['One thing', 'Other thing'],
    },
    {
      name: 'names with initials',
      text: 'Called John A. Smith. He agreed.',
      expected: ['Called John A. Smith.', 'He agreed.'],
    },
  ];
  it.each(rows)('$name', ({ text, expected }) => {
    expect(sentences(text)).toEqual(expected);
  });

  it('are cut where they never end, at a comma', () => {
    const lengths = segmentText('aspirin, lisinopril and '.repeat(1000)).sentences.map(
      ({ firstToken, lastToken }) => lastToken - firstToken,
    );
    expect(Math.max(...lengths)).toBeLessThanOrEqual(401);
  });

  it.each(readRules<{ word: string; example: string }[]>('abbreviations.json'))(
    '"$word." does not end "$example"',
    ({ example }) => {
      expect(sentences(example)).toEqual([example]);
    },
  );

  it('hold every token exactly once, for any text', () => {
    const chunk = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 20 }),
      fc.constantFrom(
        '\n',
        '. ',
        ':',
        'PLAN:',
        '- ',
        '1. ',
        '[ ]',
        '**',
        '#',
        ',',
        ' ',
        '.,',
        'the',
        '\r\n',
        '|',
        '\t',
      ),
    );
    fc.assert(
      fc.property(fc.array(chunk, { maxLength: 40 }), (chunks) => {
        const text = chunks.join('');
        const { tokens, sentences: found, sections } = segmentText(text);
        let at = 0;
        for (const sentence of found) {
          expect(sentence.firstToken).toBe(at);
          expect(sentence.lastToken).toBeGreaterThan(at);
          expect(sections[sentence.section]).toBeDefined();
          at = sentence.lastToken;
        }
        expect(at).toBe(tokens.length);
      }),
      { numRuns: 300 },
    );
  });

  const hard: { name: string; make: (size: number) => string }[] = [
    { name: 'one word', make: (size) => 'x'.repeat(size) },
    { name: 'brackets', make: (size) => '(['.repeat(size / 2) },
    { name: 'colons', make: (size) => 'A:'.repeat(size / 2) },
    { name: 'capitals', make: (size) => 'PLAN OF '.repeat(size / 8) },
    { name: 'commas', make: (size) => '.,A'.repeat(size / 3) },
    { name: 'spaces', make: (size) => ' '.repeat(size) },
    { name: 'hashes', make: (size) => '#'.repeat(size) },
    { name: 'dots', make: (size) => 'a.'.repeat(size / 2) },
    { name: 'lines', make: (size) => 'ab\n'.repeat(size / 3) },
    { name: 'words and colons', make: (size) => 'word one two: '.repeat(size / 14) },
  ];
  it.each(hard)('takes linear time over half a megabyte of $name', ({ make }) => {
    const cpu = process.cpuUsage();
    segmentText(make(500_000));
    const used = process.cpuUsage(cpu);
    expect((used.user + used.system) / 1000).toBeLessThan(3_000);
  });
});
