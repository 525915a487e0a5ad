import { describe, expect, it } from 'vitest';
import { stringifyJson } from '../../src/core/json.js';
import type { Resource } from '../../src/core/resource.js';
import { validateResource } from '../../src/fhir/validate.js';
import { mapMessage } from '../../src/ingest/hl7v2/index.js';
import { decodeMessages, type Message, readMessages } from '../../src/ingest/hl7v2/message.js';
import {
  ACKNOWLEDGEMENT,
  ADMISSION,
  BATCH,
  DISCHARGE,
  MERGE,
  NOTE,
  PRESCRIPTION,
  RESULTS,
  VACCINATION,
} from './hl7v2-samples.js';

const parse = (text: string): Message => {
  const [first] = [...readMessages(text)];
  if (!first || 'fault' in first) throw first?.fault ?? new Error('no message');
  return first;
};
/** What a message says, as it would be stored. */
const map = (text: string): Resource[] =>
  mapMessage(parse(text)).resources.map((r) => JSON.parse(stringifyJson(validateResource(r, 'strict'))));
const only = (resources: Resource[], type: string): Resource[] =>
  resources.filter((r) => r.resourceType === type);
const one = (text: string, type: string): Resource => only(map(text), type)[0]!;

describe('messages', () => {
  it('are read bare, framed, in batches and with any line end', () => {
    expect([...readMessages(BATCH)].map((m) => m.line)).toEqual([3, 13, 17, 20, 33, 41, 50, 57]);
    expect([...readMessages(ADMISSION.replaceAll('\r', '\n'))]).toHaveLength(1);
  });

  it.each([
    ['A \\T\\ B \\F\\ \\S\\ \\R\\ \\E\\', 'A & B | ^ ~ \\'],
    ['one\\.br\\two\\.sp2\\three', 'one\ntwo\n\nthree'],
    ['\\H\\bold\\N\\ \\X414243\\', 'bold ABC'],
    ['C:\\temp\\file', 'C:\\temp\\file'],
  ])('escape %j as %j', (raw, text) => {
    expect(parse(`MSH|^~\\&|A|B\rNTE|1||${raw}`).segments[1]!.text(3)).toBe(text);
  });

  it('say their separators and their character set themselves', () => {
    expect(parse('MSH*!~\\%*A*B%2.999%ISO!x\rPID*1**4!5').segments[1]!.get(3, 2)).toBe('5');
    const latin = Buffer.from(
      'MSH|^~\\&|A|B|C|D|20240101||ADT^A08|1|P|2.5||||||8859/1\rPID|1||4||Müller',
      'latin1',
    );
    expect(parse(decodeMessages(latin)).segments[1]!.get(5)).toBe('Müller');
  });

  it('broken in their text by a bare line end are put together again', () => {
    expect(parse('MSH|^~\\&|A|B\rNTE|1||first\nsecond line').segments[1]!.text(3)).toBe('first\nsecond line');
  });

  it.each([
    ['hello\r\n', /no HL7 message/],
    ['MSH|\rPID|1', /encoding characters/],
  ])('that are none are refused with their line: %j', (text, message) => {
    const [first] = [...readMessages(text)] as { line: number; fault: Error }[];
    expect(first!.fault.message).toMatch(message);
    expect(first!.line).toBe(1);
  });

  it('about nobody are refused', () => {
    expect(() => map(ACKNOWLEDGEMENT)).toThrow(/no patient/);
  });
});

describe('mapping', () => {
  it('takes an admission', () => {
    const resources = map(ADMISSION);
    const counts = Object.fromEntries(
      [...new Set(resources.map((r) => r.resourceType))].map((t) => [t, only(resources, t).length]),
    );
    expect(counts).toEqual({
      Patient: 1,
      Encounter: 1,
      Practitioner: 1,
      RelatedPerson: 1,
      AllergyIntolerance: 1,
      Condition: 1,
      Procedure: 1,
    });
    expect(only(resources, 'Patient')[0]).toMatchObject({
      identifier: [{ system: 'urn:oid:2.999.1', value: '4711' }],
      name: [{ use: 'official', family: 'MILLER', given: ['ANNA', 'B'] }],
      gender: 'female',
      birthDate: '1961-04-12',
      address: [{ city: 'Springfield', postalCode: '62701' }],
      telecom: [{ system: 'phone', use: 'home', value: '1 217 5550142' }],
    });
    expect(only(resources, 'Encounter')[0]).toMatchObject({
      status: 'in-progress',
      class: { code: 'IMP' },
      period: { start: '2024-03-01T10:00:00-06:00' },
    });
    expect(only(resources, 'AllergyIntolerance')[0]).toMatchObject({
      category: ['medication'],
      code: { coding: [{ system: 'http://www.nlm.nih.gov/research/umls/rxnorm', code: '7980' }] },
      reaction: [{ severity: 'severe', manifestation: [{ text: 'Hives' }] }],
    });
    expect(only(resources, 'Condition')[0]).toMatchObject({
      code: {
        coding: [{ system: 'http://hl7.org/fhir/sid/icd-10-cm', code: 'I50.9' }],
        text: 'Heart failure',
      },
    });
  });

  it('knows the same visit and person again', () => {
    const admitted = one(ADMISSION, 'Encounter');
    const left = one(DISCHARGE, 'Encounter');
    expect(left.id).toBe(admitted.id);
    expect(left).toMatchObject({ status: 'finished', period: { end: '2024-03-05T11:30:00-06:00' } });
    expect(one(DISCHARGE, 'Patient').id).toBe(one(ADMISSION, 'Patient').id);
  });

  it('takes results, with the digits, bounds, flags and notes they came with', () => {
    const resources = map(RESULTS);
    const text = stringifyJson(mapMessage(parse(RESULTS)).resources);
    expect(text).toContain('"value":4.10');
    const [potassium, glucose, color, comment] = only(resources, 'Observation');
    expect(potassium).toMatchObject({
      status: 'final',
      valueQuantity: { unit: 'mmol/L', system: 'http://unitsofmeasure.org', code: 'mmol/L' },
      referenceRange: [{ low: { value: 3.5 }, high: { value: 5.1 } }],
      note: [{ text: 'Slightly haemolysed\nRepeat if high' }],
      effectiveDateTime: '2024-03-02T06:30:00-06:00',
    });
    expect(glucose).toMatchObject({
      valueQuantity: { value: 400, comparator: '>' },
      interpretation: [{ coding: [{ code: 'HH' }] }],
    });
    expect(color).toMatchObject({ valueCodeableConcept: { coding: [{ code: '371254008' }] } });
    expect(comment).toMatchObject({ valueString: 'A & B' });
    expect(only(resources, 'DiagnosticReport')).toHaveLength(2);
  });

  it('takes a written report as a document to be read', () => {
    const [document] = only(map(RESULTS), 'DocumentReference');
    const { data } = (document!.content as { attachment: { data: string } }[])[0]!.attachment;
    expect(Buffer.from(data, 'base64').toString()).toBe(
      'FINDINGS: No pneumothorax.\nIMPRESSION: Mild cardiomegaly.',
    );
    expect(only(map(RESULTS), 'Observation')).toHaveLength(4);
  });

  it('takes a document with its type, author and visit', () => {
    expect(one(NOTE, 'DocumentReference')).toMatchObject({
      type: { coding: [{ code: '18842-5' }] },
      date: '2024-03-05T12:55:00-06:00',
      docStatus: 'final',
      author: [{ display: 'DR GREG HOUSE' }],
      context: { encounter: [{ reference: `Encounter/${one(ADMISSION, 'Encounter').id}` }] },
    });
  });

  it('takes vaccinations, given and refused', () => {
    expect(only(map(VACCINATION), 'Immunization')).toMatchObject([
      {
        status: 'completed',
        vaccineCode: { coding: [{ system: 'http://hl7.org/fhir/sid/cvx', code: '140' }] },
        lotNumber: 'L123',
        doseQuantity: { value: 0.5, code: 'mL' },
        primarySource: true,
      },
      { status: 'not-done', statusReason: { text: 'Parental decision' } },
    ]);
    expect(only(map(VACCINATION), 'Observation')).toEqual([]);
  });

  it('takes a prescription', () => {
    expect(one(PRESCRIPTION, 'MedicationRequest')).toMatchObject({
      status: 'active',
      authoredOn: '2024-03-06T08:55:00-06:00',
      medicationCodeableConcept: { coding: [{ code: '860975' }] },
      dosageInstruction: [
        {
          text: 'Take one tablet twice daily with meals; BID',
          doseAndRate: [{ doseQuantity: { value: 500, code: 'mg' } }],
        },
      ],
      dispenseRequest: { numberOfRepeatsAllowed: 3, quantity: { value: 60 } },
    });
  });

  it('ends a record that was merged into another', () => {
    const [kept, ended] = only(map(MERGE), 'Patient');
    expect(ended).toMatchObject({
      active: false,
      link: [{ type: 'replaced-by', other: { reference: `Patient/${kept!.id}` } }],
    });
  });

  it.each([
    ['20240301', '2024-03-01'],
    ['202403', '2024-03'],
    ['20240301101530.1234+0100', '2024-03-01T10:15:30.1234+01:00'],
    ['202403011015', '2024-03-01'],
    ['20240231', undefined],
    ['yesterday', undefined],
  ])('reads the time %s as %s where the sender says no offset', (text, expected) => {
    const said = one(
      `MSH|^~\\&|A|B|C|D|20240301||ADT^A08|1|P|2.5\rPID|1||4^^^A||X^Y\rAL1|1|DA|^Latex|||${text}`,
      'AllergyIntolerance',
    );
    expect(said.onsetDateTime).toBe(expected);
  });
});
