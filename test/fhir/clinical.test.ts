import { describe, expect, it } from 'vitest';
import { Fault } from '../../src/core/fault.js';
import { clinicalTime, isClinicalTimePath, sortInstant } from '../../src/fhir/clinical-time.js';
import { CLINICAL_TIME_RULES } from '../../src/fhir/clinical-time-rules.js';
import { patientsOf } from '../../src/fhir/compartment.js';
import { MAX_MS, MIN_MS } from '../../src/fhir/dates.js';
import { operationOutcome } from '../../src/fhir/outcome.js';
import { isResourceType, RESOURCE_TYPES, typeName, typeNumber } from '../../src/fhir/resource-types.js';

describe('clinical time', () => {
  it.each(CLINICAL_TIME_RULES.map((r) => [r.type, r] as const))(
    '%s: the row finds its element',
    (_type, { example }) => {
      const resource = example.resource as { resourceType: string };
      expect(clinicalTime(resource)?.element).toBe(example.element);
    },
  );

  it.each<[string, string, boolean]>([
    ['Observation', '(effective.ofType(dateTime) | effective.ofType(Period).start).first()', true],
    ['Observation', 'effective.ofType(dateTime)', true],
    ['Observation', 'issued', false],
    ['Observation', '(effective.ofType(dateTime) | issued).first()', false],
    ['Observation', '(issued | effective.ofType(dateTime)).first()', false],
    ['Observation', 'effective.ofType(Period).end', false],
    ['Observation', 'value.ofType(dateTime)', false],
    ['Condition', '(onset.ofType(dateTime) | onset.ofType(Period).start | recordedDate).first()', true],
    ['Condition', '(onset.ofType(dateTime) | recordedDate).first()', false],
    ['Encounter', 'period.start', true],
    ['Encounter', 'period', false],
    ['MedicationRequest', 'authoredOn', true],
    ['MedicationRequest', "authoredOn + '1 day'", false],
  ])('%s: %s tells it: %s', (type, path, told) => {
    expect(isClinicalTimePath(type, path)).toBe(told);
  });

  it('has one row per type', () => {
    const types = CLINICAL_TIME_RULES.map((r) => r.type);
    expect(new Set(types).size).toBe(types.length);
  });

  it('is absent where the resource does not say', () => {
    expect(clinicalTime({ resourceType: 'Observation' })).toBeUndefined();
    expect(clinicalTime({ resourceType: 'Patient', birthDate: '1970' })).toBeUndefined();
    expect(clinicalTime({ resourceType: 'Condition', onsetString: 'in spring' })).toBeUndefined();
  });

  it('sorts by the start, and by the end where only that is known', () => {
    const start = Date.UTC(2020, 0, 1);
    expect(sortInstant({ lo: start, hi: MAX_MS })).toBe(start);
    expect(sortInstant({ lo: MIN_MS, hi: start })).toBe(start);
  });
});

describe('the patient compartment', () => {
  it.each([
    [
      'the patient is in its own',
      { resourceType: 'Patient', id: 'p', link: [{ other: { reference: 'Patient/q' } }] },
      ['p'],
    ],
    ['by subject', { resourceType: 'Observation', subject: { reference: 'Patient/p' } }, ['p']],
    ['not by a group', { resourceType: 'Observation', subject: { reference: 'Group/g' } }, []],
    [
      'by beneficiary',
      {
        resourceType: 'Coverage',
        beneficiary: { reference: 'Patient/p' },
        payor: [{ reference: 'Patient/p' }],
      },
      ['p'],
    ],
    [
      'by several',
      {
        resourceType: 'Appointment',
        participant: [{ actor: { reference: 'Patient/p' } }, { actor: { reference: 'Patient/q' } }],
      },
      ['p', 'q'],
    ],
    [
      'not by a reference elsewhere',
      { resourceType: 'Observation', subject: { reference: 'http://x.example/Patient/p' } },
      [],
    ],
    [
      'by an absolute reference to us',
      { resourceType: 'Observation', subject: { reference: 'http://us/fhir/t/Patient/p' } },
      ['p'],
    ],
    ['not of a practitioner', { resourceType: 'Practitioner', id: 'x' }, []],
  ])('%s', (_what, resource, ids) => {
    expect(patientsOf(resource, 'http://us/fhir/t')).toEqual(ids);
  });
});

describe('resource types', () => {
  it('keep their numbers for ever', () => {
    // These stand in every row of every database.
    expect([
      typeNumber('Account'),
      typeNumber('Observation'),
      typeNumber('Patient'),
      typeNumber('VisionPrescription'),
    ]).toEqual([1, 96, 103, 146]);
    expect(typeNumber('ViewDefinition')).toBe(147);
    for (const name of RESOURCE_TYPES) expect(typeName(typeNumber(name))).toBe(name);
    expect(isResourceType('DomainResource')).toBe(false);
    expect(isResourceType('toString')).toBe(false);
  });
});

describe('an OperationOutcome', () => {
  it('names message, remedy and place of each fault', () => {
    const fault = new Fault('invalid', 'Wrong.', {
      at: 'Patient.x',
      remedy: 'Mend it.',
      also: [new Fault('not-found', 'Gone.')],
    });
    expect(operationOutcome(fault)).toEqual({
      resourceType: 'OperationOutcome',
      issue: [
        { severity: 'error', code: 'invalid', diagnostics: 'Wrong. Mend it.', expression: ['Patient.x'] },
        { severity: 'error', code: 'not-found', diagnostics: 'Gone.' },
      ],
    });
  });
});
