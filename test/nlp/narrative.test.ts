import { describe, expect, it } from 'vitest';
import { segmentText } from '../../nlp/1-segment/index.js';
import { isNarrative } from '../../nlp/2-mention/narrative.js';
import { createClinicalPipeline } from '../../nlp/index.js';
import { codeableConcept } from '../../src/mapping/derived.js';
import { factsOf } from '../../src/mapping/fact.js';

const REPORT = `A 54-year-old woman with a history of type 2 diabetes mellitus and chronic kidney disease presented to the emergency department with a three-day history of severe abdominal pain, productive cough and intermittent fever that had not responded to oral amoxicillin. On examination her blood pressure was 98/60 mmHg and she had marked tenderness in the right upper quadrant without rebound. Computed tomography of the abdomen showed acute cholecystitis with a pericholecystic abscess, and chest radiography demonstrated a small left pleural effusion. She was started on intravenous piperacillin-tazobactam and underwent laparoscopic cholecystectomy on the second hospital day under general anesthesia. Histopathological examination confirmed gangrenous cholecystitis, and she was discharged home on the seventh day with oral ciprofloxacin and metronidazole for one week. At follow-up four weeks later she denied abdominal pain, nausea or vomiting and her renal function had returned to baseline.`;

const NOTE = `CC: abdominal pain
HPI: 54F with T2DM, CKD. 3 days of severe abdominal pain, productive cough, fever. Took amoxicillin at home, no help.
Exam: BP 98/60. RUQ tenderness, no rebound.
CT: acute cholecystitis. CXR: small L effusion.
Plan: pip-tazo IV, lap chole tomorrow. NPO. Recheck renal function in the morning. Call surgery if worse.
Discussed with the patient and her husband, who agree. Consent signed. Nurse will place a second IV line.
Meds: metformin 500 mg BID, lisinopril 10 mg daily, atorvastatin 40 mg qhs, aspirin 81 mg daily.`;

describe('a text told in long sentences', () => {
  const pipeline = createClinicalPipeline();
  const mentions = pipeline.annotate(REPORT, { id: 'report' }).mentions;

  it.each([
    ['a case report', REPORT, true],
    ['a note', NOTE, false],
    [
      'a letter',
      `Dear Dr. Hall, thank you for asking me to see your patient. ${REPORT} I remain yours sincerely.`,
      false,
    ],
    ['the beginning of a report', REPORT.slice(0, 262), false],
    [
      'a report under several titles',
      `HISTORY:\n${REPORT}\n\nASSESSMENT:\n${REPORT}\n\nPLAN:\n${REPORT}`,
      false,
    ],
  ])('%s: %#', (_, text, expected) => {
    expect(isNarrative(segmentText(text))).toBe(expected);
  });

  it('has the core of a name marked, with what else was read of it as its name', () => {
    const pain = mentions.find(({ name }) => name === 'abdominal pain')!;
    expect(pain.text).toBe('pain');
    expect(REPORT.slice(pain.start, pain.end)).toBe('pain');
    expect(pain.core).toBeUndefined();
  });

  it('is coded by the whole name, which is the words of the fact', () => {
    const fact = factsOf(mentions).find(({ mentions: [first] }) => first!.name === 'abdominal pain')!;
    expect(codeableConcept(fact)).toMatchObject({
      text: 'abdominal pain',
      coding: expect.arrayContaining([expect.objectContaining({ code: '21522001' })]),
    });
  });

  it('keeps each fact of a name said twice', () => {
    const said = mentions.filter(({ name }) => name === 'abdominal pain');
    expect(said.map(({ accepted }) => accepted)).toEqual([true, false]);
  });

  it('is no note: there the whole name is marked', () => {
    const found = pipeline.annotate(NOTE, { id: 'note' }).mentions;
    expect(found.filter(({ text }) => text === 'abdominal pain')).toHaveLength(2);
    expect(found.every(({ name }) => name === undefined)).toBe(true);
  });
});
