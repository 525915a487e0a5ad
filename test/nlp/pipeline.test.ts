import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createClinicalPipeline, pipelineVersion } from '../../nlp/index.js';
import { outgrows } from '../support/growth.js';

const pipeline = createClinicalPipeline();
const NOTE = [
  'CHIEF COMPLAINT: Cough.',
  'PMH: HTN, type 2 diabetes',
  'MEDICATIONS:\n- lisinopril 10 mg daily\n- metformin 500 mg po bid',
  'ALLERGIES: penicillin (rash)',
  'FAMILY HISTORY: Mother with breast cancer.',
  'ASSESSMENT AND PLAN:\n1. Community acquired pneumonia, no effusion. Start azithromycin 250 mg daily for 5 days.\n2. Stop ibuprofen.',
].join('\n\n');

describe('the clinical pipeline', () => {
  it('names its version by the content of rules and weights', () => {
    expect(pipelineVersion()).toMatch(/^cenote-nlp\/\d+\+[0-9a-f]{12}$/);
    expect(pipeline.version).toBe(pipelineVersion());
  });

  it('runs its stages in an order in which each has what it needs', () => {
    expect(pipeline.stages.map((stage) => stage.name)).toEqual([
      'segment',
      'mention',
      'assertion',
      'attribute',
      'code',
      'gate',
      'core',
      'headerless',
    ]);
  });

  it('gives every mention the words at its offsets, a reason where refused, and the section it stands in', () => {
    const { mentions, sections } = pipeline.annotate(NOTE, { id: 'n' });
    expect(mentions.length).toBeGreaterThan(8);
    for (const mention of mentions) {
      expect(NOTE.slice(mention.start, mention.end)).toBe(mention.text);
      expect(mention.reason !== undefined).toBe(!mention.accepted);
      const section = sections[mention.section!]!;
      expect(mention.start).toBeGreaterThanOrEqual(section.start);
      expect(mention.end).toBeLessThanOrEqual(section.end);
      for (const attribute of mention.attributes) {
        expect(attribute.end).toBeGreaterThan(attribute.start);
        expect(attribute.end).toBeLessThanOrEqual(NOTE.length);
        expect(NOTE.slice(attribute.start, attribute.end)).toBe(attribute.text);
      }
    }
  });

  it('gives what ended a drug in the words of the note, whichever rule read them', () => {
    const note = 'The amlodipine was dropped by cardiology. Lisinopril was withdrawn.';
    const ends = pipeline
      .annotate(note, { id: 'n' })
      .mentions.flatMap(({ attributes }) => attributes.filter(({ type }) => type === 'status'));
    expect(ends.length).toBeGreaterThan(1);
    for (const { start, end, text } of ends) expect(note.slice(start, end)).toBe(text);
  });

  it('says for every mention which rule decided each step', () => {
    for (const mention of pipeline.annotate(NOTE, { id: 'n' }).mentions) {
      expect(Object.keys(mention.because ?? {})).toEqual(
        expect.arrayContaining(['mention', 'assertion', 'gate']),
      );
    }
  });

  it('takes facts of the patient, the family and allergies, each as what it is', () => {
    const found = pipeline
      .annotate(NOTE, { id: 'n' })
      .mentions.filter((mention) => mention.accepted)
      .map(({ type, text, assertion }) => `${assertion.experiencer} ${type} ${text.toLowerCase()}`);
    expect(found).toEqual(
      expect.arrayContaining([
        'patient medication lisinopril',
        'patient medication metformin',
        'patient allergen penicillin',
        'family diagnosis breast cancer',
        'patient medication azithromycin',
      ]),
    );
    expect(found.join('\n')).not.toContain('effusion');
  });

  it('marks what was stopped with that status', () => {
    const { mentions } = pipeline.annotate(NOTE, { id: 'n' });
    const ibuprofen = mentions.find((mention) => mention.text === 'ibuprofen');
    expect(ibuprofen?.attributes).toEqual(
      expect.arrayContaining([expect.objectContaining({ type: 'status', normalized: 'stop' })]),
    );
  });

  it('names what a note without headers is, where that is clear, and lets no fact depend on it', () => {
    const text =
      'Father died of a heart attack at 60. Mother has diabetes. Two sisters are healthy, one with breast cancer.';
    const { sections, mentions } = pipeline.annotate(text, { id: 'n' });
    expect(sections).toEqual([{ kind: 'family-history', title: '', start: 0, end: text.length }]);
    expect(
      mentions.filter(({ accepted, assertion }) => accepted && assertion.experiencer === 'patient'),
    ).toEqual([]);
  });

  it('finds the same in the same text, whatever was read before', () => {
    const first = JSON.stringify(pipeline.annotate(NOTE, { id: 'n' }));
    for (let i = 0; i < 20; i++) pipeline.annotate(`${NOTE.slice(i * 7)} ${i}`, { id: 'other' });
    expect(JSON.stringify(pipeline.annotate(NOTE, { id: 'n' }))).toBe(first);
  });

  it('never throws, for any text', () => {
    const chunk = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 15 }),
      fc.constantFrom(
        'no ',
        'denies ',
        'aspirin ',
        '81 mg ',
        'pneumonia ',
        ': ',
        '\n- ',
        'mother ',
        '?',
        '[ ] ',
        'PLAN:\n',
        '((((',
        '\u202e',
        '👍',
        'stopped ',
        'if ',
        ', ',
        '12/3/2019 ',
        'x'.repeat(3000),
      ),
    );
    fc.assert(
      fc.property(fc.array(chunk, { maxLength: 30 }), (chunks) => {
        pipeline.annotate(chunks.join(''), { id: 'fuzz', date: '2020-01-31' });
      }),
      { numRuns: 150 },
    );
  });

  const readMs = (text: string): number => {
    const cpu = process.cpuUsage();
    pipeline.annotate(text, { id: 'long' });
    const used = process.cpuUsage(cpu);
    return (used.user + used.system) / 1000;
  };

  it.each([2, 4, 8])('reads a note %i times as long in time linear in its length', (times) => {
    expect(outgrows(readMs, `${NOTE}\n\n`.repeat(50), `${NOTE}\n\n`.repeat(50 * times), times)).toBe(false);
  });

  const hard: { name: string; text: string }[] = [
    { name: 'one word of 10,000 letters', text: 'x'.repeat(10_000) },
    { name: 'nested brackets', text: '('.repeat(5_000) + ')'.repeat(5_000) },
    { name: 'emoji', text: '👩‍⚕️💊'.repeat(1_500) },
    { name: 'right-to-left text', text: 'שלום حالة '.repeat(1_000) },
    { name: 'one cue again and again', text: 'no pneumonia and possible gout, denies '.repeat(250) },
    { name: 'numbers', text: '12/3 4.5 mg '.repeat(800) },
    { name: 'one endless list', text: 'aspirin, lisinopril, '.repeat(450) },
    { name: 'signs without end', text: '-DM +HTN '.repeat(1_000) },
    { name: 'boxes without end', text: 'gout: [ ] yes [x] no '.repeat(450) },
    { name: 'tabs', text: `asthma${'\t'.repeat(9_000)}No` },
    { name: 'question marks', text: '? '.repeat(5_000) },
  ];
  it.each(hard)('reads four times as much of $name in time linear in its length', ({ text }) => {
    expect(outgrows(readMs, text.slice(0, text.length / 4), text, 4)).toBe(false);
  });
});
