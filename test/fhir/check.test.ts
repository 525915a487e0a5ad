import { describe, expect, it } from 'vitest';
import { type Fault, isFault } from '../../src/core/fault.js';
import { parseJson } from '../../src/core/json.js';
import { type CheckOptions, checkResource } from '../../src/fhir/check.js';

function faultOf(resource: unknown, options?: CheckOptions): Fault {
  try {
    checkResource(resource, options);
  } catch (error) {
    if (isFault(error)) return error;
    throw error;
  }
  throw new Error('was accepted');
}

const observation = {
  resourceType: 'Observation',
  id: 'o-1',
  status: 'final',
  code: { coding: [{ system: 'http://loinc.org', code: '8867-4' }], text: 'Heart rate' },
  subject: { reference: 'Patient/p' },
  effectiveDateTime: '2024-05-01T10:00:00+02:00',
  valueQuantity: { value: 72.5, unit: '/min', system: 'http://unitsofmeasure.org', code: '/min' },
};

describe('the form of a resource', () => {
  it.each([
    ['an ordinary one', observation],
    ['a decimal with its digits', parseJson(JSON.stringify(observation).replace('72.5', '72.50'))],
    [
      'extensions beside a primitive',
      {
        resourceType: 'Patient',
        birthDate: '1970',
        _birthDate: { extension: [{ url: 'http://x', valueCode: 'y' }] },
      },
    ],
    [
      'an extension instead of a required primitive',
      { ...observation, status: undefined, _status: { extension: [{ url: 'http://x', valueCode: 'y' }] } },
    ].map((r, i) => (i === 1 ? JSON.parse(JSON.stringify(r)) : r)) as [string, unknown],
    [
      'null where an array has only an extension',
      { resourceType: 'Patient', name: [{ given: ['A', null], _given: [null, { id: 'x' }] }] },
    ],
    [
      'contained resources',
      { ...observation, contained: [{ resourceType: 'Patient', id: 'c' }], subject: { reference: '#c' } },
    ],
    [
      'a bundle with conditional references',
      {
        resourceType: 'Bundle',
        type: 'transaction',
        entry: [
          {
            resource: { ...observation, subject: { reference: 'Patient?identifier=1' } },
            request: { method: 'POST', url: 'Observation' },
          },
        ],
      },
    ],
    [
      'our own type',
      {
        resourceType: 'ViewDefinition',
        status: 'active',
        resource: 'Patient',
        select: [{ column: [{ path: 'id', name: 'id' }] }],
      },
    ],
  ])('accepts %s', (_what, resource) => {
    expect(checkResource(resource)).toBe(resource);
  });

  it.each([
    ['an unknown element', { ...observation, colour: 'red' }, 'Observation.colour', 'no such element'],
    [
      'a misspelt choice',
      { ...observation, valuePeriode: {} },
      'Observation.valuePeriode',
      'no such element',
    ],
    ['an array for one value', { ...observation, status: ['final'] }, 'Observation.status', 'single value'],
    [
      'one value for an array',
      { ...observation, performer: { reference: 'Practitioner/1' } },
      'Observation.performer',
      'repeats',
    ],
    ['an empty array', { ...observation, performer: [] }, 'Observation.performer', 'empty'],
    ['an empty object', { ...observation, method: {} }, 'Observation.method', 'empty'],
    ['an empty text', { ...observation, code: { text: '' } }, 'Observation.code.text', 'not empty'],
    ['null', { ...observation, method: null }, 'Observation.method', 'is an object'],
    [
      'null in an array',
      { resourceType: 'Patient', name: [{ given: [null] }] },
      'Patient.name[0].given[0]',
      'JSON string',
    ],
    [
      'a text for a number',
      { ...observation, valueQuantity: { value: '72' } },
      'Observation.valueQuantity.value',
      'JSON number',
    ],
    [
      'a text for an object',
      { ...observation, code: 'pulse' },
      'Observation.code',
      'is an object (CodeableConcept)',
    ],
    [
      'a missing required element',
      { resourceType: 'Observation', status: 'final' },
      'Observation.code',
      'required',
    ],
    [
      'a missing required choice',
      {
        resourceType: 'MedicationRequest',
        status: 'active',
        intent: 'order',
        subject: { reference: 'Patient/p' },
      },
      'MedicationRequest.medication[x]',
      'required',
    ],
    ['a choice twice', { ...observation, valueString: 'x' }, 'Observation.valueString', 'two types'],
    [
      'a day that is none',
      { ...observation, effectiveDateTime: '2023-02-29' },
      'Observation.effectiveDateTime',
      'a date as',
    ],
    [
      'a time without zone',
      { ...observation, effectiveDateTime: '2024-05-01T10:00:00' },
      'Observation.effectiveDateTime',
      'zone',
    ],
    [
      'a time in a date',
      { resourceType: 'Patient', birthDate: '2024-05-01T10:00:00Z' },
      'Patient.birthDate',
      'that exists',
    ],
    [
      'an instant to the day',
      { ...observation, issued: '2024-05-01' },
      'Observation.issued',
      'to the second',
    ],
    ['a code with spaces around', { ...observation, status: ' final' }, 'Observation.status', 'code'],
    ['a bad id', { ...observation, id: 'a/b' }, 'Observation.id', '1 to 64'],
    [
      'a uri with a space',
      { ...observation, implicitRules: 'http://a b' },
      'Observation.implicitRules',
      'URI',
    ],
    [
      'a number of 1.5 as integer',
      { ...observation, valueInteger: 1.5, valueQuantity: undefined },
      'Observation.valueInteger',
      '32 bits',
    ],
    [
      'a position of 0',
      { resourceType: 'Patient', telecom: [{ rank: 0 }] },
      'Patient.telecom[0].rank',
      '1 or more',
    ],
    [
      'half of a base64 group',
      { resourceType: 'Binary', contentType: 'text/plain', data: 'QUJ' },
      'Binary.data',
      'base64',
    ],
    [
      'a text that is no reference',
      { ...observation, subject: { reference: 'Jane Roe' } },
      'Observation.subject.reference',
      'form of a reference',
    ],
    [
      'a search as a reference',
      { ...observation, subject: { reference: 'Patient?identifier=1' } },
      'Observation.subject.reference',
      'search',
    ],
    [
      'a reference to no type',
      { ...observation, subject: { reference: 'Pacient/1' } },
      'Observation.subject.reference',
      'form of a reference',
    ],
    [
      'a contained resource of no type',
      { ...observation, contained: [{ id: 'x' }] },
      'Observation.contained[0].resourceType',
      'resource type',
    ],
    ['another resource type', { resourceType: 'Pacient' }, 'resourceType', 'resource type'],
    ['no resource type', { id: 'x' }, 'resourceType', 'resource type'],
    [
      'a control character',
      { ...observation, code: { text: 'a\u0007b' } },
      'Observation.code.text',
      'control',
    ],
    [
      'a value beside its own extensions',
      { resourceType: 'Patient', _birthDate: 'x' },
      'Patient._birthDate',
      'is an object',
    ],
  ])('refuses %s', (_what, resource, at, message) => {
    const cleaned = Object.fromEntries(Object.entries(resource).filter(([, v]) => v !== undefined));
    const fault = faultOf(cleaned);
    expect(fault.category).toBe('invalid');
    expect(fault.at).toBe(at);
    expect(fault.message).toContain(message);
    expect(fault.remedy).toMatch(/\.$/);
  });

  it.each([[42], ['text'], [null], [[]]])('refuses %j, which is no object', (value) => {
    expect(faultOf(value).message).toContain('JSON object');
  });

  it('refuses a type sent to the address of another', () => {
    expect(faultOf(observation, { type: 'Patient' }).message).toContain('must be Patient');
  });

  it('names all faults of a resource, up to a limit', () => {
    const fault = faultOf({ ...observation, a: 1, b: 2, c: 3 });
    expect([fault, ...fault.also].map((f) => f.at)).toEqual([
      'Observation.a',
      'Observation.b',
      'Observation.c',
    ]);
    const many = faultOf({
      ...observation,
      ...Object.fromEntries(Array.from({ length: 99 }, (_, i) => [`x${i}`, 1])),
    });
    expect(many.also.length).toBe(19);
  });

  it('never repeats a value or a made-up name in a fault', () => {
    const fault = faultOf({ ...observation, 'Jane Roe': 1, subject: { reference: 'Jane Roe' } });
    const said = [fault, ...fault.also].map((f) => `${f.message} ${f.at} ${f.remedy}`).join();
    expect(said).not.toContain('Jane');
  });

  it.each([
    ['base64', { resourceType: 'Binary', contentType: 'text/plain', data: `${'AAAA    '.repeat(8_000)}!` }],
    ['code', { ...observation, status: `${'a '.repeat(32_000)} ` }],
    ['uri', { ...observation, implicitRules: `http://${'a'.repeat(64_000)} ` }],
    [
      'oid',
      { ...observation, extension: [{ url: 'http://x', valueOid: `urn:oid:1${'.1'.repeat(32_000)}.` }] },
    ],
    [
      'uuid',
      { ...observation, extension: [{ url: 'http://x', valueUuid: `urn:uuid:${'a'.repeat(64_000)}` }] },
    ],
    ['dateTime', { ...observation, effectiveDateTime: `2024-05-01T10:00:00.${'0'.repeat(64_000)}` }],
  ])('reads a hostile %s of 64 kB in a moment', (_what, resource) => {
    const start = process.cpuUsage();
    expect(faultOf(resource).category).toBe('invalid');
    const used = process.cpuUsage(start);
    expect(used.user + used.system).toBeLessThan(300_000);
  });
});
