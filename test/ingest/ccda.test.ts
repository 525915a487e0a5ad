import { describe, expect, it } from 'vitest';
import { stringifyJson } from '../../src/core/json.js';
import type { Resource } from '../../src/core/resource.js';
import { validateResource } from '../../src/fhir/validate.js';
import { mapClinicalDocument } from '../../src/ingest/ccda/index.js';
import { extractText } from '../../src/ingest/extractors.js';
import { detectFormat } from '../../src/ingest/format.js';
import { mapMessage } from '../../src/ingest/hl7v2/index.js';
import { type Message, readMessages } from '../../src/ingest/hl7v2/message.js';
import { ccda, NO_PROBLEMS, nonXml, PROBLEMS } from './ccda-samples.js';
import { ADMISSION } from './hl7v2-samples.js';

const map = (document: string): Resource[] =>
  mapClinicalDocument(Buffer.from(document)).map((r) =>
    JSON.parse(stringifyJson(validateResource(r, 'strict'))),
  );
const of = (resources: Resource[], type: string) => resources.filter((r) => r.resourceType === type);

describe('C-CDA', () => {
  const all = map(ccda({}));

  it('is told from other XML by its root, behind comments and instructions', () => {
    expect(detectFormat('x.xml', ccda({}))).toBe('ccda');
    expect(
      detectFormat('x.xml', `<?xml version="1.0"?><?style a?>\n<!-- <html> --><cda:ClinicalDocument>`),
    ).toBe('ccda');
    expect(detectFormat('x.xml', '<section/>')).toBe('unknown');
    const started = performance.now();
    expect(detectFormat('x.xml', `${'<!-- -->'.repeat(8_000)}<other/>`)).toBe('unknown');
    expect(performance.now() - started).toBeLessThan(1_000);
  });

  it('says whom it is about, by whom, and what', () => {
    expect(
      Object.fromEntries([...new Set(all.map((r) => r.resourceType))].map((t) => [t, of(all, t).length])),
    ).toEqual({
      Patient: 1,
      Encounter: 1,
      Practitioner: 1,
      Organization: 1,
      DocumentReference: 1,
      Condition: 3,
      AllergyIntolerance: 1,
      MedicationStatement: 1,
      Immunization: 1,
      Procedure: 1,
      DiagnosticReport: 1,
      Observation: 5,
    });
    expect(of(all, 'Patient')[0]).toMatchObject({
      name: [{ use: 'official', family: 'Miller', given: ['Anna'] }],
      gender: 'female',
      birthDate: '1961-04-12',
      telecom: [{ system: 'phone', value: '+1-217-555-0142', use: 'home' }],
      communication: [{ preferred: true }],
    });
  });

  it('knows the person and the stay that messages speak of', () => {
    const [message] = [...readMessages(ADMISSION)];
    const { resources } = mapMessage(message as Message);
    for (const type of ['Patient', 'Encounter']) {
      expect(of(all, type)[0]!.id).toBe(resources.find((r) => r.resourceType === type)!.id);
    }
  });

  it('is kept whole: the words under their titles, and the original', () => {
    const [document] = of(all, 'DocumentReference');
    expect(document).toMatchObject({
      type: { coding: [{ system: 'http://loinc.org', code: '34133-9' }] },
      date: '2024-03-06T12:00:00-06:00',
      author: [{ display: 'Dr. Greg House' }],
      custodian: { display: 'Lake Hospital' },
    });
    const [words, original] = (document!.content as { attachment: Record<string, string> }[]).map(
      (c) => c.attachment,
    );
    const text = Buffer.from(words!.data!, 'base64').toString();
    expect(text).toContain(
      'Problems:\n- Heart failure\n- Pneumonia\n\nAllergies:\nPenicillin: hives\n\nMedications:\nDrug\tHow\nFurosemide 40 MG\tdaily',
    );
    expect(original!.contentType).toBe('application/xml');
    expect(Buffer.from(original!.data!, 'base64').toString()).toBe(ccda({}));
  });

  it('takes problems: active, over, and those the patient does not have', () => {
    expect(of(all, 'Condition')).toMatchObject([
      {
        clinicalStatus: { coding: [{ code: 'active' }] },
        code: {
          coding: [{ code: '84114007' }, { system: 'http://hl7.org/fhir/sid/icd-10-cm', code: 'I50.9' }],
          text: 'Heart failure',
        },
        onsetDateTime: '2020-01-15',
      },
      { clinicalStatus: { coding: [{ code: 'resolved' }] } },
      { verificationStatus: { coding: [{ code: 'refuted' }] } },
    ]);
    expect(of(map(ccda({ sections: NO_PROBLEMS })), 'Condition')).toMatchObject([
      { code: { coding: [{ code: '160245001' }] }, verificationStatus: { coding: [{ code: 'confirmed' }] } },
    ]);
  });

  it('takes allergies, medications, vaccinations, procedures and results', () => {
    expect(of(all, 'AllergyIntolerance')[0]).toMatchObject({
      type: 'allergy',
      category: ['medication'],
      code: { coding: [{ code: '7980' }] },
      reaction: [{ manifestation: [{ text: 'Hives' }], severity: 'severe' }],
    });
    expect(of(all, 'MedicationStatement')[0]).toMatchObject({
      status: 'active',
      medicationCodeableConcept: { coding: [{ code: '313988' }], text: 'Furosemide 40 MG' },
      effectivePeriod: { start: '2024-03-05' },
      dosage: [
        {
          timing: { repeat: { period: 24, periodUnit: 'h' } },
          doseAndRate: [{ doseQuantity: { value: 1.5 } }],
        },
      ],
    });
    expect(of(all, 'Immunization')[0]).toMatchObject({ status: 'not-done' });
    // The colonoscopy is a plan, not something that was done.
    expect(of(all, 'Procedure')).toMatchObject([{ status: 'completed', performedDateTime: '2019-05-10' }]);
    expect(of(all, 'Observation')).toMatchObject([
      {
        valueQuantity: { value: 4.1, code: 'mmol/L' },
        referenceRange: [{ low: { value: 3.5 } }],
        interpretation: [{ coding: [{ code: 'N' }] }],
      },
      { valueQuantity: { value: 20, comparator: '<' } },
      {
        status: 'preliminary',
        dataAbsentReason: { coding: [{ code: 'temp-unknown' }] },
        effectiveDateTime: '2024-03-02T06:30:00-06:00',
      },
      { category: [{ coding: [{ code: 'vital-signs' }] }], effectiveDateTime: '2024-03-05' },
      {
        category: [{ coding: [{ code: 'social-history' }] }],
        valueCodeableConcept: { coding: [{ code: '8517006' }] },
      },
    ]);
    expect(stringifyJson(mapClinicalDocument(Buffer.from(ccda({}))))).toContain('"value":4.10');
  });

  it('with one identifier for several statements loses none of them', () => {
    const same = PROBLEMS.replaceAll(/extension="p\d"/g, 'extension="same"');
    const conditions = of(map(ccda({ sections: same })), 'Condition');
    expect(new Set(conditions.map(({ id }) => id)).size).toBe(3);
    expect(of(map(ccda({ sections: PROBLEMS + PROBLEMS })), 'Condition')).toHaveLength(3);
  });

  it('is readable where it stands in a DocumentReference', async () => {
    expect((await extractText(Buffer.from(ccda({})), 'application/hl7-sdwg+xml'))!.text).toContain(
      'Penicillin: hives',
    );
  });

  it('brings a file instead of sections', () => {
    const [document] = of(map(nonXml('text/rtf', Buffer.from('{\\rtf1 Cough}'))), 'DocumentReference');
    expect(document!.content).toMatchObject([
      { attachment: { contentType: 'text/rtf' } },
      { attachment: { contentType: 'application/xml' } },
    ]);
  });

  it.each([
    [
      'a document type',
      ccda({ prolog: '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>' }),
      /document type/,
    ],
    ['an entity of its own', ccda({ sections: '&a;' }), /well-formed/],
    ['an end that is missing', ccda({}).slice(0, -30), /well-formed/],
    ['nobody it is about', ccda({}).replaceAll('recordTarget', 'other'), /whom it is about/],
    ['a patient without a name or an identifier', ccda({ patient: '<id nullFlavor="NI"/>' }), /neither/],
    ['another root', '<section/>', /no ClinicalDocument/],
    ['a tower of elements', ccda({ sections: '<component>'.repeat(20_000) }), /nested deeper/],
  ])('with %s is refused', (_, document, message) => {
    expect(() => map(document)).toThrow(message);
  });
});
