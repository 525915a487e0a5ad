import { describe, expect, it } from 'vitest';
import { isFault } from '../../src/core/fault.js';
import { compileExpression } from '../../src/fhir/paths.js';
import { findSearchParameter, searchParametersOf } from '../../src/fhir/registry.js';
import { RESOURCE_TYPES } from '../../src/fhir/resource-types.js';

const patient = {
  resourceType: 'Patient',
  id: 'p',
  name: [{ family: 'Roe', given: ['Jane', 'Q'] }, { family: 'Doe' }],
  telecom: [
    { system: 'phone', value: '1' },
    { system: 'email', value: 'a@b' },
  ],
  deceasedDateTime: '2020',
  contained: [{ resourceType: 'Practitioner', id: 'dr' }],
  generalPractitioner: [
    { reference: '#dr' },
    { reference: 'Organization/o' },
    { type: 'Practitioner', display: 'x' },
  ],
  extension: [
    { url: 'http://x', valueString: 'v' },
    { url: 'http://y', valueCode: 'w' },
  ],
};
const observation = {
  resourceType: 'Observation',
  valueQuantity: { value: 5 },
  subject: { reference: 'http://elsewhere/fhir/Patient/1' },
  component: [
    { code: { text: 'a' }, valueString: 's' },
    { code: { text: 'b' }, valueQuantity: { value: 6 } },
  ],
};

describe('search expressions', () => {
  it('of R4 all compile, and know the types they give', () => {
    const failed: string[] = [];
    let count = 0;
    for (const type of RESOURCE_TYPES) {
      for (const { code, expression } of searchParametersOf(type)) {
        if (expression === '') continue;
        count++;
        try {
          if (compileExpression(expression, type).types.size === 0) failed.push(`${type}.${code}: no type`);
        } catch (error) {
          failed.push(`${type}.${code}: ${(error as Error).message}`);
        }
      }
    }
    expect(failed).toEqual([]);
    expect(count).toBeGreaterThan(2_500);
  });

  it.each([
    ['Patient.name.family', patient, ['Roe', 'Doe']],
    ['Patient.name.given | Patient.name.family', patient, ['Jane', 'Q', 'Roe', 'Doe']],
    ['Patient.name[1].family', patient, ['Doe']],
    ['Patient.name.first().given.last()', patient, ['Q']],
    ["Patient.telecom.where(system='email').value", patient, ['a@b']],
    ["Patient.telecom.where(system = 'email' and value.startsWith('a')).exists()", patient, [true]],
    ['Patient.deceased.exists() and Patient.deceased != false', patient, [true]],
    [
      'Patient.deceased.exists() and Patient.deceased != false',
      { ...patient, deceasedDateTime: undefined },
      [false],
    ],
    [
      'Patient.deceased.exists() and Patient.deceased != false',
      { resourceType: 'Patient', deceasedBoolean: false },
      [false],
    ],
    ['(Patient.deceased as dateTime)', patient, ['2020']],
    [
      'Patient.generalPractitioner.where(resolve() is Practitioner)',
      patient,
      [patient.generalPractitioner[0], patient.generalPractitioner[2]],
    ],
    ['Patient.generalPractitioner.where(resolve() is Organization).reference', patient, ['Organization/o']],
    ['Patient.generalPractitioner.resolve().ofType(Practitioner).id', patient, ['dr']],
    ["Patient.extension('http://x').value", patient, ['v']],
    ["Patient.extension.where(url = 'http://y').value", patient, ['w']],
    ['Resource.id', patient, ['p']],
    ['Patient.name.count()', patient, [2]],
    ['Patient.photo.empty()', patient, [true]],
    ['Patient.name.family.lower()', patient, ['roe', 'doe']],
    ['Organization.name', patient, []],
    ['Observation.value', observation, [{ value: 5 }]],
    ['Observation.value as Quantity', observation, [{ value: 5 }]],
    ['(Observation.value as string)', observation, []],
    ['Observation.component.value.ofType(Quantity).value', observation, [6]],
    ['Observation.component.where(value is string).code.text', observation, ['a']],
    ['Observation.subject.where(resolve() is Patient)', observation, [observation.subject]],
    [
      'Observation.component.where(code.text in (%resource.component.code.text)).exists()',
      observation,
      [true],
    ],
  ])('%s', (expression, resource, values) => {
    expect(compileExpression(expression, resource.resourceType)(resource)).toEqual(values);
  });

  it.each([
    ['Patient.name.', 'invalid'],
    ['Patient.name)', 'invalid'],
    ["Patient.name.where(use='official'", 'invalid'],
    ["Patient.name.matches('(a+)+$')", 'unsupported'],
    ['Patient.name.repeat(given)', 'unsupported'],
    ['%env', 'invalid'],
    [`${'('.repeat(500)}x${')'.repeat(500)}`, 'invalid'],
  ])('%s is refused', (expression, category) => {
    try {
      compileExpression(expression, 'Patient');
    } catch (error) {
      expect(isFault(error) && error.category).toBe(category);
      return;
    }
    throw new Error('was accepted');
  });
});

describe('the registry', () => {
  it('gives every type the parameters all resources have', () => {
    for (const type of RESOURCE_TYPES) {
      const codes = searchParametersOf(type).map((p) => p.code);
      expect(codes).toEqual(
        expect.arrayContaining(['_id', '_lastUpdated', '_tag', '_profile', '_security', '_source']),
      );
    }
    expect(searchParametersOf('Nobody')).toEqual([]);
  });

  it('splits a definition by base', () => {
    expect(findSearchParameter('Condition', 'patient')?.expression).toBe(
      'Condition.subject.where(resolve() is Patient)',
    );
    expect(findSearchParameter('Condition', 'patient')?.aliasOf).toBe('subject');
    expect(findSearchParameter('AllergyIntolerance', 'patient')?.aliasOf).toBeUndefined();
    expect(findSearchParameter('Observation', 'combo-code')?.unionOf).toEqual(['code', 'component-code']);
  });
});
