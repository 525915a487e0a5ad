import { createHmac } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { StoredResource } from '../../src/core/resource.js';
import { ageAt, shiftDate, yearOf } from '../../src/export/deidentify/dates.js';
import { Deidentifier, type DeidentifyOptions } from '../../src/export/deidentify/deidentify.js';
import { GIVEN_TYPES, SYSTEMS } from '../../src/export/deidentify/policy.js';
import { isUnit } from '../../src/export/deidentify/units.js';
import { choiceName, typeDefinition } from '../../src/fhir/elements.js';
import { RESOURCE_TYPES } from '../../src/fhir/resource-types.js';

// biome-ignore lint/suspicious/noExplicitAny: resources are looked at by the expectations
type Any = Record<string, any>;
const NOW = Date.parse('2024-06-01T00:00:00Z');
const keyed = (purpose: string, text: string) =>
  createHmac('sha256', 'test').update(`${purpose} ${text}`).digest('hex');
const open = (over: Partial<DeidentifyOptions> = {}) =>
  new Deidentifier({ keyed, dates: 'shift', nowMs: NOW, ...over });
const given = (resource: Any, over: Partial<DeidentifyOptions> = {}): Any | undefined =>
  open(over).resource({
    meta: { versionId: '7', lastUpdated: '2024-01-02T03:04:05Z' },
    ...resource,
  } as StoredResource);

/** Every element of a type, each with a value that would give somebody away. */
function canary(type: string, depth = 0): Any {
  const out: Any = {};
  for (const element of typeDefinition(type)?.elements ?? []) {
    for (const { code, targets } of element.types) {
      const name = element.choice ? choiceName(element.name, code) : element.name;
      if (name === 'id' && depth === 0) continue;
      const value = canaryValue(code, targets, depth + 1);
      if (value === undefined) continue;
      out[name] = element.max > 1 ? [value] : value;
      if (typeof value !== 'object')
        out[`_${name}`] = { extension: [{ url: 'http://canary.test', valueString: 'canary' }] };
    }
  }
  return out;
}

function canaryValue(code: string, targets: readonly string[], depth: number): unknown {
  switch (code) {
    case 'boolean':
      return true;
    case 'integer':
    case 'positiveInt':
    case 'unsignedInt':
      return 3;
    case 'decimal':
      return 1.5;
    case 'date':
      return '1987-06-05';
    case 'dateTime':
    case 'instant':
      return '1987-06-05T04:03:02Z';
    case 'time':
      return '04:03:02';
    case 'code':
      return 'canary-code';
    case 'uri':
    case 'url':
    case 'canonical':
    case 'uuid':
    case 'oid':
      return 'http://canary.test/x';
    case 'base64Binary':
      return Buffer.from('canary').toString('base64');
    case 'Reference':
      return {
        reference: `${targets[0] ?? 'Patient'}/canary1`,
        display: 'Canary',
        identifier: { system: 'http://canary.test', value: 'canary' },
      };
    case 'Coding':
      return { system: 'http://canary.test', code: 'canary', display: 'Canary', version: 'canary' };
    case 'Extension':
      return { url: 'http://canary.test', valueString: 'canary' };
    case 'Resource':
      return { resourceType: 'Patient', id: 'canary1', name: [{ family: 'Canary' }] };
    default: {
      if (typeDefinition(code)) return depth > 6 ? undefined : canary(code, depth);
      return 'Canary Quux';
    }
  }
}

const LEAKS = /canary|quux|1987-06-05|Y2FuYXJ5/i;

describe('de-identification', () => {
  it.each([...GIVEN_TYPES])('lets no canary of any element of %s through', (type) => {
    const resource = {
      ...canary(type),
      resourceType: type,
      id: 'canary1',
      unknownElement: 'canary',
      contained: [{ resourceType: 'Patient', id: 'canary1' }],
      ...(type === 'Patient' ? {} : { subject: { reference: 'Patient/canary1' } }),
      meta: {
        versionId: '1',
        lastUpdated: '1987-06-05T04:03:02Z',
        source: 'http://canary.test',
        tag: [{ system: 'http://canary.test', code: 'canary' }],
        profile: ['http://canary.test'],
      },
    };
    expect(JSON.stringify(resource)).toMatch(LEAKS);
    for (const dates of ['shift', 'year'] as const) {
      const result = given(resource, { dates });
      expect(result).toBeDefined();
      expect(JSON.stringify(result)).not.toMatch(LEAKS);
      expect(Object.keys(result!).length).toBeGreaterThan(2);
    }
  });

  it('gives nothing of types that are not named', () => {
    for (const type of RESOURCE_TYPES) {
      if (GIVEN_TYPES.has(type)) continue;
      expect(given({ resourceType: type, id: 'x', name: 'Canary' }), type).toBeUndefined();
    }
  });

  it('keeps what research needs, with references that still fit', () => {
    const patient = given({
      resourceType: 'Patient',
      id: 'p1',
      gender: 'female',
      birthDate: '1970-05-06',
      name: [{ family: 'Doe' }],
      address: [
        { line: ['1 Main St'], city: 'Springfield', state: 'IL', postalCode: '62704-1234', country: 'US' },
      ],
    })!;
    const observation = given({
      resourceType: 'Observation',
      id: 'o1',
      status: 'final',
      code: {
        coding: [{ system: 'http://loinc.org', code: '4548-4', display: 'Hemoglobin A1c' }],
        text: 'A1c of Doe',
      },
      subject: { reference: 'Patient/p1', display: 'Jane Doe' },
      effectiveDateTime: '2020-05-06T10:00:00+02:00',
      issued: '2020-05-07T10:00:00Z',
      valueQuantity: { value: 7.1, unit: '%', system: 'http://unitsofmeasure.org', code: '%' },
    })!;
    expect(patient).toMatchObject({
      gender: 'female',
      address: [{ state: 'IL', postalCode: '627', country: 'US' }],
    });
    expect(observation).toMatchObject({
      status: 'final',
      code: { coding: [{ system: 'http://loinc.org', code: '4548-4' }] },
      subject: { reference: `Patient/${patient.id}` },
      valueQuantity: { value: 7.1, unit: '%', code: '%' },
    });
    expect(observation.code.text).toBeUndefined();
    expect(patient.id).not.toContain('p1');
    const day = (text: string) => Date.parse(text.slice(0, 10)) / 86_400_000;
    // The same person by the same days; the time of day stays.
    const moved = day(observation.effectiveDateTime) - day('2020-05-06');
    expect(moved).toBeLessThan(0);
    expect(moved).toBeGreaterThanOrEqual(-365);
    expect(day(patient.birthDate) - day('1970-05-06')).toBe(moved);
    expect(day(observation.issued) - day(observation.effectiveDateTime)).toBe(1);
    expect(observation.effectiveDateTime).toMatch(/T10:00:00\+02:00$/);
    // Another's by others.
    const other = given({ resourceType: 'Patient', id: 'p2', birthDate: '1970-05-06' })!;
    expect(other.birthDate).not.toBe(patient.birthDate);
  });

  const AGES: [string, Any, unknown][] = [
    ['born 1930', { birthDate: '1930-01-01' }, '1934'],
    ['born 1934, not yet 90', { birthDate: '1934-12-01' }, expect.stringMatching(/^193[34]-/)],
    [
      'died at 88',
      { birthDate: '1920-01-01', deceasedDateTime: '2008-05-05' },
      expect.stringMatching(/^19(19|20)-/),
    ],
    ['died at 95', { birthDate: '1920-01-01', deceasedDateTime: '2015-05-05' }, '1925'],
  ];
  it.each(AGES)('groups the ages over 89: %s', (_what, patient, birthDate) => {
    expect(given({ resourceType: 'Patient', id: 'p', ...patient })!.birthDate).toEqual(birthDate);
  });

  it('groups ages told as quantities, and no other quantities', () => {
    const quantity = (value: number, unit: string) => ({
      ...given({
        resourceType: 'Observation',
        id: 'o',
        status: 'final',
        subject: { reference: 'Patient/p' },
        valueQuantity: { value, unit, code: unit },
      })!.valueQuantity,
    });
    expect(quantity(97, 'a').value).toBe(90);
    expect(quantity(61, 'a').value).toBe(61);
    expect(quantity(97, 'kg').value).toBe(97);
    const onset = given({
      resourceType: 'Condition',
      id: 'c',
      subject: { reference: 'Patient/p' },
      onsetAge: { value: 1200, unit: 'mo', code: 'mo' },
    })!;
    expect(onset.onsetAge.value).toBe(90);
  });

  const ZIPS: [Any, Any | undefined][] = [
    [
      { postalCode: '03601', country: 'US' },
      { postalCode: '000', country: 'US' },
    ],
    [{ postalCode: '10001' }, { postalCode: '100' }],
    [{ postalCode: '10001', country: 'DE' }, undefined],
    [{ postalCode: 'SW1A 1AA' }, undefined],
    [{ state: 'Bavaria', city: 'Ulm' }, undefined],
  ];
  it.each(ZIPS)('cuts the address %j', (address, kept) => {
    const patient = given({ resourceType: 'Patient', id: 'p', gender: 'male', address: [address] })!;
    expect(patient.address?.[0]).toEqual(kept);
  });

  it('gives of records of several patients, and of none, the year alone', () => {
    const shared = given({
      resourceType: 'Observation',
      id: 'o',
      status: 'final',
      subject: { reference: 'Patient/a' },
      performer: [{ reference: 'Patient/b' }],
      effectiveDateTime: '2020-05-06',
    })!;
    expect(shared.effectiveDateTime).toBe('2020');
  });

  it('scrubs notes where asked, and drops them where not', () => {
    const note = {
      resourceType: 'DocumentReference',
      id: 'd',
      status: 'current',
      subject: { reference: 'Patient/p' },
      content: [
        {
          attachment: {
            contentType: 'text/plain',
            title: 'Canary',
            url: 'http://canary.test',
            data: Buffer.from('Seen by Canary.').toString('base64'),
          },
        },
      ],
    };
    expect(given(note)!.content).toBeUndefined();
    const scrub = (text: string, patient?: string) => text.replace('Canary', `[${patient}]`);
    const kept = given(note, { scrub })!.content[0].attachment;
    expect(kept).toEqual({
      contentType: 'text/plain',
      data: Buffer.from('Seen by [p].').toString('base64'),
    });
  });

  it('tells what it removed and why, without values', () => {
    const strip = open();
    strip.resource({
      resourceType: 'Patient',
      id: 'p',
      meta: { versionId: '1', lastUpdated: '2024-01-01T00:00:00Z' },
      name: [{ family: 'Canary' }, { family: 'Quux' }],
      birthDate: '1970-01-01',
    } as never);
    strip.resource({ resourceType: 'Practitioner', id: 'x', meta: {} } as never);
    expect(strip.removed).toMatchObject({
      'Patient.name': { 'says who, where or in words': 2 },
      'Patient.birthDate': { 'date moved': 1 },
    });
    expect(strip.leftOut).toEqual({ Practitioner: 1 });
    expect(JSON.stringify(strip.removed)).not.toMatch(/Canary|Quux|1970/);
  });
});

describe('the tables of the policy', () => {
  it.each(SYSTEMS.map((row) => [row.example, row] as const))(
    'know the code %s by its shape',
    (example, row) => {
      expect(row.code.test(example)).toBe(true);
      expect(row.code.test('John Smith')).toBe(false);
    },
  );

  it.each(['mg/dL', '%', '10*3/uL', 'mm[Hg]', 'ug/L', '{score}', 'kg/m2', '/min', 'mL/min/{1.73_m2}', 'Cel'])(
    'take %s for a unit',
    (unit) => expect(isUnit(unit)).toBe(true),
  );
  it.each(['Smith', '{John}', 'mg Smith', '1987', 'canary'])('do not take %s for a unit', (unit) =>
    expect(isUnit(unit)).toBe(false),
  );
});

describe('dates', () => {
  const SHIFTS: [string, number, string | undefined][] = [
    ['2020-03-01', -1, '2020-02-29'],
    ['2020-03-01T10:00:00+01:00', -1, '2020-02-29T10:00:00+01:00'],
    ['2020-03', -40, '2020-02'],
    ['2020', -365, '2019'],
    ['2020', -1, '2020'],
    ['2020-13-01x', -1, undefined],
    ['John', -1, undefined],
  ];
  it.each(SHIFTS)('%s moved by %i days is %s', (text, days, moved) => {
    expect(shiftDate(text, days)).toBe(moved);
  });
  it('cut to their year stay what their type asks', () => {
    expect(yearOf('2020-03-01T10:00:00Z', true)).toBe('2020-01-01T00:00:00Z');
    expect(yearOf('2020-03-01', false)).toBe('2020');
  });
  it('tell ages', () => {
    expect(ageAt('1934-06-02', NOW)).toBe(89);
    expect(ageAt('1934-06-01', NOW)).toBe(90);
    expect(ageAt('1934', NOW)).toBe(90);
  });
});
