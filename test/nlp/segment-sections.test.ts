import { describe, expect, it } from 'vitest';
import { segmentText } from '../../nlp/1-segment/index.js';
import type { TitleRow } from '../../nlp/1-segment/titles.js';
import { readRules } from '../../nlp/rules/load.js';

const rules = readRules<{
  titles: TitleRow[];
  keywords: { kind: string; example: string }[];
  parts: TitleRow[];
  questions: { kind: string; example: string }[];
}>('sections.json');
const kinds = (text: string) => segmentText(text).sections.map((section) => section.kind);
const bodies = (text: string) =>
  segmentText(text).sections.map((section) => text.slice(section.bodyStart, section.end).trim());

describe('section titles', () => {
  it.each(rules.titles)('$example is $kind', ({ kind, example }) => {
    expect(kinds(example)).toEqual([kind]);
  });

  it.each(rules.keywords)('$example is $kind by a keyword', ({ kind, example }) => {
    expect(kinds(`${example}\nSomething was written here.`)).toEqual([kind]);
  });

  it.each(rules.parts)('$example is $kind within a list of medicines, and nothing elsewhere', (row) => {
    expect(kinds(`MEDICATIONS\naspirin 81 mg\n${row.example}\nlisinopril 10 mg`)).toEqual([
      'medications',
      row.kind,
    ]);
  });

  it.each(rules.questions)('$example asks for $kind', ({ kind, example }) => {
    const form = `What brings you in today? Cough\nDo you smoke? No\nAre you allergic to any medications? No\n${example} No`;
    expect(kinds(form).at(-1)).toBe(kind);
  });

  it.each([
    ['The patient plans to see Dr. Lee in May.', 'none'],
    ['All of this reviewed - he is on Synthroid.', 'none'],
    ['Amniotic fluid: normal', 'none'],
    ['Dispatch complaint: chest pain', 'chief-complaint'],
    ['Current inpatient meds — insulin', 'medications'],
    ['Recommended procedure: colonoscopy', 'plan'],
    ['Provisional dx - cystitis', 'diagnoses'],
  ])('%s: a title is read by its head noun, a sentence is none', (text, kind) => {
    expect(kinds(text)[0]).toBe(kind);
  });

  it('knows every title in capitals, in lower case with a colon, and as a markdown heading', () => {
    for (const row of rules.titles) {
      for (const title of row.titles) {
        const shown = title.toUpperCase();
        expect([title, kinds(`${shown}:\nSome words.`)]).toEqual([title, [row.kind]]);
        expect([title, kinds(`# ${title[0]!.toUpperCase()}${title.slice(1)}\n\nSome words.`)]).toEqual([
          title,
          [row.kind],
        ]);
        if (title.length > 1) expect([title, kinds(`${title}: some words.`)]).toEqual([title, [row.kind]]);
      }
    }
  });
});

describe('sections of a note', () => {
  const notes: { style: string; text: string; kinds: string[] }[] = [
    {
      style: 'capital headers on lines of their own',
      text: 'CHIEF COMPLAINT\nChest pain.\n\nHISTORY OF PRESENT ILLNESS\nA 60-year-old man.\n\nALLERGIES\nNKDA\n',
      kinds: ['chief-complaint', 'history-of-present-illness', 'allergies'],
    },
    {
      style: 'inline titles with colons',
      text: 'Seen today.\nPMH: asthma\nMeds: albuterol prn\nPlan: follow up',
      kinds: ['none', 'past-medical-history', 'medications', 'plan'],
    },
    {
      style: 'markdown',
      text: '# Chief Complaint\nCough.\n\n## Assessment and Plan\nBronchitis.\n\n### Labs\nCBC tomorrow.\n\n# Allergies\nNone.',
      kinds: ['chief-complaint', 'assessment-and-plan', 'allergies'],
    },
    {
      style: 'bold markdown',
      text: '**Medications:**\n- aspirin\n**Family History**: mother had stroke\n',
      kinds: ['medications', 'family-history'],
    },
    {
      style: 'numbered',
      text: '1. Chief Complaint: cough\n2. Past Medical History: none\n3. Medications: none',
      kinds: ['chief-complaint', 'past-medical-history', 'medications'],
    },
    {
      style: 'underlined',
      text: 'Medications\n-----------\nLisinopril 10 mg\n\nSocial History\n==============\nSmoker.',
      kinds: ['medications', 'social-history'],
    },
    {
      style: 'SOAP letters',
      text: 'S: cough 3 days\nO: chest clear\nA: viral URI\nP: fluids',
      kinds: ['history-of-present-illness', 'physical-exam', 'assessment', 'plan'],
    },
    {
      style: 'terse general practice',
      text: 'PC cough 2/7\nPMH asthma\nO/E chest clear\nImp: viral\nPlan: fluids',
      kinds: ['chief-complaint', 'past-medical-history', 'physical-exam', 'impression', 'plan'],
    },
    {
      style: 'title case alone on a line',
      text: 'Past Medical History\nHypertension\nGout\n\nSocial History\nRetired.',
      kinds: ['past-medical-history', 'social-history'],
    },
    {
      style: 'headers inside a paragraph',
      text: 'Patient feels well. ALLERGIES: None known. MEDICATIONS: Aspirin and Plavix. FAMILY HISTORY: Father had MI.',
      kinds: ['none', 'allergies', 'medications', 'family-history'],
    },
    {
      style: 'line ends lost to commas',
      text: 'CC:, Weakness.,PMH:, 1) Murmur.,MEDS:,Nafcillin 2gm IV, Rifampin 600mg.,FHX: ,Unremarkable.',
      kinds: ['chief-complaint', 'past-medical-history', 'medications', 'family-history'],
    },
    {
      style: 'examination parts stay in the examination',
      text: 'PHYSICAL EXAM:\nHEENT: clear\nCOORD: normal\nABDOMEN: soft\n\nASSESSMENT AND PLAN:\nHYPERTENSION: continue lisinopril\nLabs: CBC',
      kinds: ['physical-exam', 'assessment-and-plan'],
    },
    { style: 'no headers at all', text: 'Tom is not prescribed Advil.', kinds: ['none'] },
    { style: 'empty', text: '', kinds: ['none'] },
    {
      style: 'CRLF',
      text: 'ALLERGIES:\r\nPenicillin\r\n\r\nPLAN:\r\nRest\r\n',
      kinds: ['allergies', 'plan'],
    },
    {
      style: 'no header in an ordinary sentence with a colon',
      text: 'She denies the following: fever, chills.\nBlood pressure at 10:30 was 120/80.\nImportant: take with food.',
      kinds: ['none'],
    },
  ];
  it.each(notes)('$style', ({ text, kinds: expected }) => {
    expect(kinds(text)).toEqual(expected);
  });

  it('cover the text without gap or overlap, whatever the style', () => {
    for (const { text } of notes) {
      let at = 0;
      for (const section of segmentText(text).sections) {
        expect(section.start).toBe(at);
        expect(section.bodyStart).toBeGreaterThanOrEqual(section.start);
        expect(section.bodyStart).toBeLessThanOrEqual(section.end);
        at = section.end;
      }
      expect(at).toBe(text.length);
    }
  });

  it('give the words after the header as the body', () => {
    expect(bodies('ALLERGIES: None known.\n**Plan**: rest')).toEqual(['None known.', 'rest']);
  });
});
