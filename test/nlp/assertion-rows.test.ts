import { describe, expect, it } from 'vitest';
import { segmentText } from '../../nlp/1-segment/index.js';
import { tokenize } from '../../nlp/1-segment/tokens.js';
import type { AllergenRow } from '../../nlp/3-assertion/allergens.js';
import { spelledOut, wordsSpelledOut } from '../../nlp/3-assertion/cue-phrases.js';
import type { CueRow } from '../../nlp/3-assertion/cues.js';
import { assertMentions } from '../../nlp/3-assertion/index.js';
import type { PersonRow } from '../../nlp/3-assertion/persons.js';
import { type GateRow, gate } from '../../nlp/5-code/gate.js';
import type { AnnotatedText, Mention, MentionType } from '../../nlp/model.js';
import { readRules } from '../../nlp/rules/load.js';

/** A sentence whose mention stands in braces, as an annotated text without assertion. */
function marked(sentence: string, type: MentionType): AnnotatedText {
  const start = sentence.indexOf('{');
  const end = sentence.indexOf('}') - 1;
  const text = sentence.replace('{', '').replace('}', '');
  const mention: Mention = {
    start,
    end,
    text: text.slice(start, end),
    type,
    assertion: { polarity: 'affirmed', temporality: 'current', experiencer: 'patient' },
    attributes: [],
    concepts: [],
    score: 1,
    accepted: true,
  };
  return { context: { id: 'row' }, text, ...segmentText(text), mentions: [mention] };
}

const asserted = (sentence: string, type: MentionType) => assertMentions(marked(sentence, type))[0]!;

function effectOf({ assertion }: Mention): string[] {
  const { polarity, temporality, experiencer } = assertion;
  return [
    ...(polarity === 'affirmed' ? ['affirmed'] : [polarity]),
    temporality,
    ...(experiencer === 'family' ? ['family'] : []),
  ];
}

describe('each cue in the example of its row', () => {
  const rows = readRules<CueRow[]>('cues.json').map((row) => ({
    ...row,
    name: `${row.effect} ${row.scope}: ${row.example}`,
  }));
  it.each(rows)('$name', (row) => {
    const failed: string[] = [];
    const clause = row.effect === 'stop' ? 'affirmed' : row.effect;
    for (const cue of row.cues.flatMap(spelledOut)) {
      const found = effectOf(
        asserted(
          row.example.replace('%', () => cue),
          row.types?.[0] ?? 'diagnosis',
        ),
      );
      const expected = row.effect === 'none' ? 'affirmed' : clause;
      const right = expected === 'family+negated' ? ['family', 'negated'] : [expected];
      if (!right.every((effect) => found.includes(effect))) failed.push(`${cue}: ${found.join(' ')}`);
    }
    expect(failed).toEqual([]);
  });
});

it('splits a cue with choices into the words that each of its phrases has when written out', () => {
  const norms = (phrase: string): string[] => {
    const all = tokenize(phrase).map(({ norm }) => norm);
    return all.length > 2 && !all.includes('(') && !all.includes('[')
      ? all.filter((norm, i) => norm !== '-' || i === 0)
      : all;
  };
  const wrong = readRules<CueRow[]>('cues.json')
    .flatMap(({ cues }) => cues)
    .filter((cue) => cue.includes('{') || cue.includes('-'))
    .filter((cue) => {
      const words = wordsSpelledOut(cue);
      return spelledOut(cue).some((phrase, i) => norms(phrase).join(' ') !== words[i]?.join(' '));
    });
  expect(wrong).toEqual([]);
});

describe('each person', () => {
  it.each(readRules<{ people: PersonRow[] }>('people.json').people)('$word: $example', ({ example, who }) => {
    expect(asserted(example, 'diagnosis').assertion.experiencer).toBe(who);
  });

  it.each(readRules<{ informantVerbs: string[] }>('people.json').informantVerbs)(
    'a mother who %s is not the patient',
    (verb) => {
      expect(asserted(`Mother ${verb} {fever} in the child.`, 'symptom').assertion.experiencer).toBe(
        'patient',
      );
    },
  );
});

describe('each allergen phrase', () => {
  it.each(readRules<AllergenRow[]>('allergens.json'))('$example', (row) => {
    for (const cue of row.cues) {
      expect([cue, asserted(row.example.replace('%', cue), 'medication').type]).toEqual([cue, 'allergen']);
    }
  });
});

describe('each row of the gate', () => {
  it.each(readRules<GateRow[]>('gate.json'))('$example', (row) => {
    for (const words of [...(row.next ?? []), ...(row.before ?? []), ...(row.ending ?? [])]) {
      const input = marked(row.example.replace('%', words), row.types[0]!);
      const [mention] = gate.run({ ...input, mentions: assertMentions(input) }).mentions;
      expect([words, mention!.accepted, mention!.reason]).toEqual([words, false, row.reason]);
    }
  });
});

describe('what is said of a mention', () => {
  const rows: { text: string; type?: MentionType; expected: string }[] = [
    { text: 'Denies: fever, chills, {chest pain}.', expected: 'negated current patient' },
    {
      text: 'Patient denies the following:\n- fever\n- {chest pain}\n- cough',
      expected: 'negated current patient',
    },
    { text: 'No fever, but has {cough}.', expected: 'affirmed current patient' },
    { text: 'No fever, chills, nausea, vomiting or {diarrhea}.', expected: 'negated current patient' },
    { text: 'No fever. {Cough} for a week.', expected: 'affirmed current patient' },
    { text: 'Not only {asthma} but also COPD.', expected: 'affirmed current patient' },
    { text: 'There is no change in {pneumonia}.', expected: 'affirmed current patient' },
    { text: 'Cannot exclude {pneumonia}.', expected: 'possible current patient' },
    { text: 'Not without {pain}.', expected: 'affirmed current patient' },
    { text: 'CT showed {pneumonia} and PE was ruled out.', expected: 'affirmed current patient' },
    { text: 'Pneumonia and {pulmonary embolism} were ruled out.', expected: 'negated current patient' },
    { text: '{Pneumonia} and pulmonary embolism were ruled out.', expected: 'negated current patient' },
    { text: 'Gout vs {septic arthritis}.', expected: 'possible current patient' },
    { text: '{Gout} vs septic arthritis.', expected: 'possible current patient' },
    { text: 'Impression: ?{pneumonia}', expected: 'possible current patient' },
    { text: 'Mother with {breast cancer}.', expected: 'affirmed current family' },
    { text: 'Her father died of {colon cancer} and she has asthma.', expected: 'affirmed current family' },
    { text: 'Her father died of colon cancer and she has {asthma}.', expected: 'affirmed current patient' },
    { text: 'Family history: {diabetes} in his mother.', expected: 'affirmed current family' },
    { text: 'No family history of {colon cancer}.', expected: 'negated current family' },
    { text: 'FAMILY HISTORY:\nMother: {hypertension}, stroke', expected: 'affirmed current family' },
    { text: 'Lives with his mother and has {asthma}.', expected: 'affirmed current patient' },
    { text: 'Mother reports {fever} since Monday.', expected: 'affirmed current patient' },
    { text: 'His roommate has {influenza}.', expected: 'affirmed current other' },
    { text: 'Her mother is 70. She has {glaucoma}.', expected: 'affirmed current family' },
    { text: 'PAST MEDICAL HISTORY: {asthma}', expected: 'affirmed past patient' },
    { text: 'History of {asthma}, now with cough.', expected: 'affirmed past patient' },
    { text: 'Return if {vomiting} develops.', expected: 'affirmed conditional patient' },
    { text: 'Screening for {diabetes} was discussed.', expected: 'affirmed hypothetical patient' },
    { text: '[ ] {diabetes} [x] asthma', expected: 'affirmed hypothetical patient' },
    { text: '[ ] diabetes [x] {asthma}', expected: 'affirmed current patient' },
    { text: '{Diabetes}: No', expected: 'negated current patient' },
    { text: 'Does she have {diabetes}?', expected: 'possible hypothetical patient' },
    { text: 'He underwent {appendectomy}.', type: 'procedure', expected: 'affirmed past patient' },
    { text: 'PLAN: {colonoscopy}', type: 'procedure', expected: 'affirmed planned patient' },
    { text: 'PLAN: continue {metoprolol}', type: 'medication', expected: 'affirmed current patient' },
    { text: 'Will start {insulin} next visit.', type: 'medication', expected: 'affirmed planned patient' },
    { text: 'Lisinopril daily, stopped {metformin}.', type: 'medication', expected: 'affirmed past patient' },
    {
      text: '{Lisinopril} daily, stopped metformin.',
      type: 'medication',
      expected: 'affirmed current patient',
    },
    {
      text: '{Metformin} was stopped because of diarrhea.',
      type: 'medication',
      expected: 'affirmed past patient',
    },
    { text: 'Tom is not prescribed {Advil}.', type: 'medication', expected: 'negated current patient' },
    { text: 'She declined the {flu shot}.', type: 'vaccine', expected: 'negated current patient' },
    { text: 'He is a 34-year-old man with {gout}.', expected: 'affirmed current patient' },
  ];
  it.each(rows)('$text', ({ text, type, expected }) => {
    const { polarity, temporality, experiencer } = asserted(text, type ?? 'diagnosis').assertion;
    expect(`${polarity} ${temporality} ${experiencer}`).toBe(expected);
  });
});
