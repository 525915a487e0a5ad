import { describe, expect, it } from 'vitest';
import { isFault } from '../../src/core/fault.js';
import type { Resource } from '../../src/core/resource.js';
import { createProfiles } from '../../src/fhir/profiles/check-profile.js';
import { membershipOf } from '../../src/fhir/profiles/membership.js';

const SD = 'http://x.example/StructureDefinition/';

type Row = [id: string, members?: Record<string, unknown>];

/** A profile from its elements; `path` is the id without slice names. */
function profile(name: string, type: string, rows: Row[]): Resource {
  const element = rows.map(([id, members]) => ({
    id,
    path: id.replace(/:[^.]+/g, ''),
    ...(id.includes(':') && !id.slice(id.lastIndexOf(':')).includes('.')
      ? { sliceName: id.slice(id.lastIndexOf(':') + 1) }
      : {}),
    min: 0,
    max: '*',
    ...members,
  }));
  return { resourceType: 'StructureDefinition', url: SD + name, type, snapshot: { element } };
}

const definitions: Resource[] = [
  profile('pressure', 'Observation', [
    [
      'Observation',
      {
        constraint: [
          {
            key: 'x-1',
            severity: 'error',
            human: 'Needs a method or a note.',
            expression: 'method.exists() or note.exists()',
            source: `${SD}pressure`,
          },
        ],
      },
    ],
    [
      'Observation.status',
      {
        min: 1,
        max: '1',
        type: [{ code: 'code' }],
        binding: { strength: 'required', valueSet: 'http://x.example/ValueSet/done' },
      },
    ],
    [
      'Observation.category',
      {
        min: 1,
        type: [{ code: 'CodeableConcept' }],
        slicing: {
          discriminator: [
            { type: 'value', path: 'coding.code' },
            { type: 'value', path: 'coding.system' },
          ],
          rules: 'open',
        },
      },
    ],
    ['Observation.category:vital', { min: 1, max: '1', type: [{ code: 'CodeableConcept' }] }],
    ['Observation.category:vital.coding', { min: 1, type: [{ code: 'Coding' }] }],
    [
      'Observation.category:vital.coding.system',
      { min: 1, max: '1', type: [{ code: 'uri' }], fixedUri: 'http://c' },
    ],
    [
      'Observation.category:vital.coding.code',
      { min: 1, max: '1', type: [{ code: 'code' }], fixedCode: 'vital' },
    ],
    [
      'Observation.code',
      {
        min: 1,
        max: '1',
        type: [{ code: 'CodeableConcept' }],
        patternCodeableConcept: { coding: [{ system: 'http://loinc.org', code: '85354-9' }] },
      },
    ],
    [
      'Observation.subject',
      { min: 1, max: '1', type: [{ code: 'Reference', targetProfile: [`${SD}person`] }] },
    ],
    ['Observation.effective[x]', { min: 1, max: '1', type: [{ code: 'dateTime' }, { code: 'Period' }] }],
    ['Observation.value[x]', { max: '0', type: [{ code: 'Quantity' }] }],
    ['Observation.method', { max: '1', type: [{ code: 'CodeableConcept' }] }],
    [
      'Observation.component',
      {
        min: 2,
        type: [{ code: 'BackboneElement' }],
        slicing: { discriminator: [{ type: 'pattern', path: 'code' }], rules: 'open' },
      },
    ],
    ['Observation.component:high', { min: 1, max: '1', type: [{ code: 'BackboneElement' }] }],
    [
      'Observation.component:high.code',
      {
        min: 1,
        max: '1',
        type: [{ code: 'CodeableConcept' }],
        patternCodeableConcept: { coding: [{ code: '8480-6' }] },
      },
    ],
    ['Observation.component:high.value[x]', { max: '1', type: [{ code: 'Quantity' }] }],
    ['Observation.component:low', { min: 1, max: '1', type: [{ code: 'BackboneElement' }] }],
    [
      'Observation.component:low.code',
      {
        min: 1,
        max: '1',
        type: [{ code: 'CodeableConcept' }],
        patternCodeableConcept: { coding: [{ code: '8462-4' }] },
      },
    ],
  ]),
  profile('person', 'Patient', [
    ['Patient'],
    [
      'Patient.extension',
      {
        type: [{ code: 'Extension' }],
        slicing: { discriminator: [{ type: 'value', path: 'url' }], rules: 'open' },
      },
    ],
    ['Patient.extension:shoe', { min: 1, max: '1', type: [{ code: 'Extension', profile: [`${SD}shoe`] }] }],
    [
      'Patient.multipleBirth[x]',
      {
        max: '1',
        type: [{ code: 'integer' }, { code: 'boolean' }],
        slicing: { discriminator: [{ type: 'type', path: '$this' }], rules: 'closed' },
      },
    ],
    ['Patient.multipleBirth[x]:multipleBirthInteger', { max: '1', type: [{ code: 'integer' }] }],
  ]),
  profile('shoe', 'Extension', [
    ['Extension'],
    ['Extension.extension', { max: '0' }],
    ['Extension.url', { min: 1, max: '1', type: [{ code: 'uri' }], fixedUri: `${SD}shoe` }],
    ['Extension.value[x]', { min: 1, max: '1', type: [{ code: 'integer' }] }],
  ]),
];
const terminology: Resource[] = [
  {
    resourceType: 'CodeSystem',
    url: 'http://hl7.org/fhir/observation-status',
    content: 'complete',
    concept: [
      { code: 'final' },
      { code: 'amended', concept: [{ code: 'corrected' }] },
      { code: 'registered' },
    ],
  },
  {
    resourceType: 'ValueSet',
    url: 'http://x.example/ValueSet/done',
    compose: {
      include: [
        { system: 'http://hl7.org/fhir/observation-status', concept: [{ code: 'final' }] },
        { valueSet: ['http://x.example/ValueSet/mended'] },
      ],
    },
  },
  {
    resourceType: 'ValueSet',
    url: 'http://x.example/ValueSet/mended',
    compose: {
      include: [{ system: 'http://hl7.org/fhir/observation-status', concept: [{ code: 'corrected' }] }],
    },
  },
];
const profiles = createProfiles(definitions, membershipOf(terminology));

const component = (code: string) => ({ code: { coding: [{ code }] }, valueQuantity: { value: 1 } });
const pressure = {
  resourceType: 'Observation',
  status: 'final',
  category: [
    { coding: [{ system: 'http://other', code: 'x' }] },
    { coding: [{ system: 'http://c', code: 'vital' }] },
  ],
  code: { coding: [{ system: 'http://loinc.org', code: '85354-9', display: 'BP' }], text: 'BP' },
  subject: { reference: 'Patient/p' },
  effectiveDateTime: '2024-05-01',
  method: { text: 'cuff' },
  component: [component('8480-6'), component('8462-4'), component('other')],
};
const person = {
  resourceType: 'Patient',
  extension: [
    { url: `${SD}shoe`, valueInteger: 38 },
    { url: 'http://other', valueCode: 'x' },
  ],
  multipleBirthInteger: 2,
};

const messages = (resource: Resource, name: string) =>
  profiles.check(resource, SD + name).map((f) => `${f.at}: ${f.message}`);

describe('profiles', () => {
  it('accept what they describe', () => {
    expect(messages(pressure, 'pressure')).toEqual([]);
    expect(messages({ ...pressure, status: 'corrected' }, 'pressure')).toEqual([]);
    expect(messages(person, 'person')).toEqual([]);
  });

  it.each([
    ['a required code of the profile', { status: 'registered' }, 'Observation.status', 'value set'],
    [
      'a missing slice',
      { component: [component('8480-6'), component('x')] },
      'Observation.component',
      'slice low at least 1',
    ],
    [
      'a slice twice',
      { component: [component('8480-6'), component('8480-6'), component('8462-4')] },
      'Observation.component',
      'slice high at most 1',
    ],
    ['too few', { component: [component('8480-6')] }, 'Observation.component', 'at least 2'],
    [
      'a slice told by two members, split over two codings',
      { category: [{ coding: [{ system: 'http://c', code: 'x' }] }] },
      'Observation.category',
      'slice vital',
    ],
    [
      'a pattern not kept',
      { code: { coding: [{ system: 'http://loinc.org', code: '1-1' }] } },
      'Observation.code',
      'pattern',
    ],
    [
      'another target type',
      { subject: { reference: 'Group/g' } },
      'Observation.subject',
      'references to Patient',
    ],
    [
      'a type the profile leaves out',
      { effectiveDateTime: undefined, effectiveInstant: '2024-05-01T00:00:00Z' },
      'Observation.effectiveInstant',
      'allows dateTime, Period',
    ],
    ['an element that must not be', { valueQuantity: { value: 1 } }, 'Observation.value[x]', 'at most 0'],
    [
      'a type left out in a slice',
      { component: [{ code: { coding: [{ code: '8480-6' }] }, valueString: 'x' }, component('8462-4')] },
      'Observation.component[0].valueString',
      'allows Quantity',
    ],
    ['an invariant of the profile', { method: undefined }, 'Observation', 'x-1: Needs a method'],
  ])('refuse %s', (_what, members, at, part) => {
    const changed = Object.fromEntries(
      Object.entries({ ...pressure, ...members }).filter(([, v]) => v !== undefined),
    );
    const found = profiles.check(changed as unknown as Resource, `${SD}pressure|1.0`);
    expect(found.map((f) => f.at)).toContain(at);
    expect(found.find((f) => f.at === at)?.message).toContain(part);
  });

  it('reach into the extensions they name', () => {
    expect(messages({ ...person, extension: [] as never }, 'person')[0]).toContain('slice shoe');
    const wrong = { ...person, extension: [{ url: `${SD}shoe`, valueString: 'big' }] };
    expect(messages(wrong, 'person')[0]).toContain('Patient.extension[0].valueString');
  });

  it('close a slicing that says so', () => {
    const { multipleBirthInteger: _gone, ...rest } = person;
    expect(messages({ ...rest, multipleBirthBoolean: true }, 'person')[0]).toContain(
      'no slice for this value',
    );
  });

  it('are of one type, and must be loaded', () => {
    expect(messages(person, 'pressure')[0]).toContain('profile is of Observation');
    try {
      profiles.check(person, 'http://nowhere');
      throw new Error('was accepted');
    } catch (error) {
      expect(isFault(error) && error.category).toBe('not-found');
    }
  });

  it('leave open what cannot be decided', () => {
    const membership = membershipOf([
      {
        resourceType: 'ValueSet',
        url: 'http://v',
        compose: {
          include: [
            { system: 'http://snomed.info/sct', filter: [{ property: 'concept', op: 'is-a', value: '1' }] },
          ],
        },
      },
    ]);
    expect(
      membership('http://v', { coding: [{ system: 'http://snomed.info/sct', code: '2' }] }),
    ).toBeUndefined();
    expect(membership('http://v', { coding: [{ system: 'http://loinc.org', code: '2' }] })).toBe(false);
    expect(membership('http://unknown', 'x')).toBeUndefined();
    expect(membership('http://hl7.org/fhir/ValueSet/administrative-gender', 'male')).toBe(true);
    expect(membership('http://hl7.org/fhir/ValueSet/administrative-gender', 'x')).toBe(false);
  });
});
