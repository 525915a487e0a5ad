import { describe, expect, it } from 'vitest';
import type { Annotation, Attribute, Mention } from '../../nlp/model.js';
import type { Resource } from '../../src/core/resource.js';
import { type DocumentEnvelope, mapAnnotation } from '../../src/mapping/index.js';

const RXNORM = 'http://www.nlm.nih.gov/research/umls/rxnorm';
const SNOMED = 'http://snomed.info/sct';

const envelope: DocumentEnvelope = {
  tenantId: '00000000-0000-4000-8000-000000000001',
  documentId: 'note-1',
  documentVersion: 1,
  recorded: '2024-05-02T10:00:00.000Z',
  subject: 'Patient/p1',
  encounter: 'Encounter/e1',
  date: '2024-05-01',
  pipeline: 'test-1',
};

function attr(type: Attribute['type'], text: string, normalized?: string, start = 0): Attribute {
  return { type, text, normalized, start, end: start + text.length };
}

function mention(over: Partial<Mention> & { text: string }): Mention {
  return {
    start: 0,
    end: over.text.length,
    type: 'medication',
    assertion: { polarity: 'affirmed', temporality: 'current', experiencer: 'patient' },
    attributes: [],
    concepts: [],
    score: 0.9,
    accepted: true,
    ...over,
  };
}

const map = (mentions: Mention[], over: Partial<DocumentEnvelope> = {}): Resource[] => {
  const annotation: Annotation = { id: 'note-1', pipeline: 'test-1', sections: [], mentions };
  return mapAnnotation(annotation, { ...envelope, ...over });
};
const facts = (mentions: Mention[], over?: Partial<DocumentEnvelope>) =>
  map(mentions, over).filter((r) => r.resourceType !== 'Provenance');
const extension = (r: Resource, name: string) =>
  (r.extension as { url: string }[]).filter((e) => e.url.endsWith(`/${name}`));

const metformin = mention({
  text: 'metformin',
  concepts: [{ system: RXNORM, code: '6809', display: 'metformin', score: 1 }],
});

describe('the use of tobacco, alcohol and drugs', () => {
  it.each([
    ['Never smoker', 'http://loinc.org|72166-2'],
    ['drinks socially', 'http://loinc.org|11331-6'],
    ['illicit drug use', `${SNOMED}|160476009`],
  ])('%s answers %s', (text, question) => {
    const [o] = facts([mention({ text, type: 'social' })]);
    const [coding] = (o!.code as { coding: { system: string; code: string }[] }).coding;
    expect(`${coding!.system}|${coding!.code}`).toBe(question);
    expect(o).toMatchObject({
      resourceType: 'Observation',
      category: [{ coding: [{ code: 'social-history' }] }],
      valueCodeableConcept: { text },
    });
  });
});

describe('facts of a note', () => {
  it('makes a MedicationStatement with code, words, dosage and trace', () => {
    const [m] = facts([
      {
        ...metformin,
        attributes: [
          attr('strength', '500 mg', '500 mg', 10),
          attr('route', 'PO', '26643006', 17),
          attr('frequency', 'BID', '{"repeat":{"frequency":2,"period":1,"periodUnit":"d"}}', 20),
        ],
      },
    ]);
    expect(m).toMatchObject({
      resourceType: 'MedicationStatement',
      status: 'active',
      medicationCodeableConcept: { coding: [{ system: RXNORM, code: '6809' }], text: 'metformin' },
      subject: { reference: 'Patient/p1' },
      context: { reference: 'Encounter/e1' },
      dateAsserted: '2024-05-01',
      dosage: [
        {
          text: '500 mg PO BID',
          timing: { repeat: { frequency: 2, period: 1, periodUnit: 'd' }, code: { text: 'BID' } },
          route: { coding: [{ system: SNOMED, code: '26643006' }] },
          doseAndRate: [{ doseQuantity: { value: 500, code: 'mg' } }],
        },
      ],
      derivedFrom: [{ reference: 'DocumentReference/note-1' }],
    });
    expect(m!.meta!.tag).toEqual([expect.objectContaining({ code: 'derived' })]);
    expect(extension(m!, 'date-source')).toEqual([expect.objectContaining({ valueCode: 'document' })]);
    expect(extension(m!, 'source-span')).toHaveLength(1);
  });

  it.each([
    ['refused', mention({ text: 'Advil', accepted: false, reason: 'negated' })],
    [
      'about somebody else',
      mention({
        text: 'asthma',
        type: 'diagnosis',
        assertion: { ...metformin.assertion, experiencer: 'other' },
      }),
    ],
    [
      'a drug of a relative',
      mention({ text: 'insulin', assertion: { ...metformin.assertion, experiencer: 'family' } }),
    ],
    ['a test without a value', mention({ text: 'digoxin level', type: 'test' })],
    ['a device', mention({ text: 'walker', type: 'device' })],
    [
      'a vaccine that is due',
      mention({
        text: 'flu shot',
        type: 'vaccine',
        assertion: { ...metformin.assertion, temporality: 'planned' },
      }),
    ],
  ])('makes nothing of a mention that is %s', (_, m) => {
    expect(map([m])).toEqual([]);
  });

  it('makes nothing without a subject in the envelope', () => {
    expect(map([metformin], { subject: undefined })).toEqual([]);
  });

  it('turns a finding of a relative into FamilyMemberHistory and never into a Condition', () => {
    const out = facts([
      mention({
        text: 'breast cancer',
        type: 'diagnosis',
        assertion: { polarity: 'affirmed', temporality: 'past', experiencer: 'family' },
        attributes: [attr('relative', 'mother', 'MTH')],
      }),
    ]);
    expect(out.map((r) => r.resourceType)).toEqual(['FamilyMemberHistory']);
    expect(out[0]).toMatchObject({ relationship: { coding: [{ code: 'MTH' }], text: 'mother' } });
  });

  it('keeps Conditions and allergies unconfirmed', () => {
    const out = facts([
      mention({ text: 'gout', type: 'diagnosis' }),
      mention({ text: 'penicillin', type: 'allergen', attributes: [attr('reaction', 'hives')] }),
    ]);
    expect(out.map((r) => (r.verificationStatus as { coding: { code: string }[] }).coding[0]!.code)).toEqual([
      'unconfirmed',
      'unconfirmed',
    ]);
    expect(out[1]).toMatchObject({ reaction: [{ manifestation: [{ text: 'hives' }] }] });
  });

  it.each([
    [
      'a date in the words',
      [attr('date', 'in 2014', '2014')],
      'current',
      { performedDateTime: '2014' },
      'text',
    ],
    ['no date, done now', [], 'current', { performedDateTime: '2024-05-01' }, 'document'],
    ['no date, done before', [], 'past', { performedPeriod: { end: '2024-05-01' } }, 'document'],
  ] as const)('dates a procedure with %s', (_, attributes, temporality, performed, source) => {
    const [p] = facts([
      mention({
        text: 'appendectomy',
        type: 'procedure',
        attributes: [...attributes],
        assertion: { polarity: 'affirmed', temporality, experiencer: 'patient' },
      }),
    ]);
    expect(p).toMatchObject(performed);
    expect(extension(p!, 'date-source')[0]).toMatchObject({ valueCode: source });
  });

  it.each([
    ['surgical', 'therapeutic', 'appendectomy', ['387713003', '277132007']],
    ['surgical', 'therapeutic', 'right total hip replacement', ['387713003', '277132007']],
    ['surgical', 'therapeutic', 'repair of inguinal hernia', ['387713003', '277132007']],
    ['therapeutic', 'therapeutic', 'coronary angioplasty', ['277132007']],
    ['therapeutic', 'therapeutic', 'hormone replacement therapy', ['277132007']],
    ['therapeutic', 'therapeutic', 'phlebotomy', ['277132007']],
    ['therapeutic', 'therapeutic', 'anesthesia for cesarean section', ['277132007']],
    ['therapeutic', 'therapeutic', 'autologous stem cell transplantation', ['277132007']],
    ['diagnostic', 'diagnostic', 'excisional biopsy', ['103693007']],
    ['no', undefined, 'vaginal delivery', undefined],
  ] as const)('gives a procedure its category: %s for %s %s', (_, category, text, codes) => {
    const [p] = facts([mention({ text, type: 'procedure', ...(category && { category }) })]);
    const found = p!.category as { coding: { system: string; code: string }[] } | undefined;
    expect(found?.coding.map(({ code }) => code)).toEqual(codes);
    for (const { system } of found?.coding ?? []) expect(system).toBe('http://snomed.info/sct');
  });

  it('calls an abbreviated operation surgical by the name of its code', () => {
    const [p] = facts([
      mention({
        text: 'CABG',
        type: 'procedure',
        category: 'therapeutic',
        concepts: [
          {
            system: 'http://snomed.info/sct',
            code: '232717009',
            display: 'Coronary artery bypass grafting',
            score: 0.98,
          },
        ],
      }),
    ]);
    expect(p!.category).toMatchObject({ coding: [{ code: '387713003' }, { code: '277132007' }] });
  });

  it('says the same fact of one note once, with every span', () => {
    const again = { ...metformin, start: 100, end: 109 };
    const out = facts([metformin, again]);
    expect(out).toHaveLength(1);
    expect(extension(out[0]!, 'source-span')).toHaveLength(2);
  });

  it('keeps two regimens of one drug apart, with stable ids of their own', () => {
    const am = { ...metformin, attributes: [attr('dose', '500 mg', '500 mg')] };
    const pm = { ...metformin, start: 60, attributes: [attr('dose', '1000 mg', '1000 mg')] };
    const first = facts([am, pm]);
    expect(first).toHaveLength(2);
    expect(new Set(first.map((r) => r.id)).size).toBe(2);
    expect(facts([am, pm]).map((r) => r.id)).toEqual(first.map((r) => r.id));
  });

  it('derives ids from tenant, document, kind, code and ordinal alone', () => {
    const [a] = facts([metformin]);
    const moved = facts([{ ...metformin, start: 500, end: 509 }], { documentVersion: 2, pipeline: 'test-2' });
    const elsewhere = facts([metformin], { documentId: 'note-2' });
    expect(moved[0]!.id).toBe(a!.id);
    expect(elsewhere[0]!.id).not.toBe(a!.id);
  });

  it('is the same to the byte when run again', () => {
    const run = () => JSON.stringify(map([metformin, mention({ text: 'gout', type: 'diagnosis' })]));
    expect(run()).toBe(run());
  });

  it('records one Provenance over all facts, naming the document version', () => {
    const p = map([metformin]).find((r) => r.resourceType === 'Provenance');
    expect(p).toMatchObject({
      recorded: '2024-05-02T10:00:00.000Z',
      entity: [{ role: 'source', what: { reference: 'DocumentReference/note-1/_history/1' } }],
    });
    expect(p!.target).toHaveLength(1);
  });

  it('keeps one best code per system', () => {
    const [c] = facts([
      mention({
        text: 'heart failure',
        type: 'diagnosis',
        concepts: [
          { system: SNOMED, code: '84114007', display: 'Heart failure', score: 0.9 },
          { system: SNOMED, code: '42343007', display: 'Congestive heart failure', score: 0.5 },
          {
            system: 'http://hl7.org/fhir/sid/icd-10-cm',
            code: 'I50.9',
            display: 'Heart failure, unspecified',
            score: 0.8,
          },
        ],
      }),
    ]);
    expect((c!.code as { coding: { code: string }[] }).coding.map((x) => x.code)).toEqual([
      '84114007',
      'I50.9',
    ]);
  });

  it('reads a blood pressure into two components', () => {
    const [o] = facts([
      mention({ text: 'BP', type: 'vital-sign', attributes: [attr('value', '120/80', '120/80 mm[Hg]')] }),
    ]);
    expect((o!.component as object[]).length).toBe(2);
  });
});
