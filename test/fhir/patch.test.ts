import { describe, expect, it } from 'vitest';
import { isFault } from '../../src/core/fault.js';
import { parseJson, stringifyJson } from '../../src/core/json.js';
import { compileFhirPathPatch } from '../../src/fhir/patch/fhirpath-patch.js';
import { compileJsonPatch } from '../../src/fhir/patch/json-patch.js';

const patient = () => ({
  resourceType: 'Patient',
  id: 'p',
  birthDate: '1970-01-01',
  _birthDate: { id: 'b' },
  name: [
    { use: 'official', family: 'Alder', given: ['Robin', 'Lee'] },
    { use: 'usual', given: ['Rob'] },
  ],
  contact: [{ name: { text: 'Kim' }, gender: 'female' }],
  identifier: [
    { system: 'a', value: '1' },
    { system: 'b', value: '2' },
    { system: 'c', value: '3' },
  ],
});

/** `undefined` for what is refused. */
function attempt<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (isFault(error)) return undefined;
    throw error;
  }
}

describe('JSON Patch (RFC 6902)', () => {
  const rows: [what: string, patch: unknown, path: string, expected: unknown][] = [
    ['adds a member', [{ op: 'add', path: '/gender', value: 'male' }], 'gender', 'male'],
    [
      'adds into a list',
      [{ op: 'add', path: '/name/0/given/1', value: 'Kit' }],
      'name.0.given',
      ['Robin', 'Kit', 'Lee'],
    ],
    [
      'adds at the end of a list',
      [{ op: 'add', path: '/name/0/given/-', value: 'Kit' }],
      'name.0.given',
      ['Robin', 'Lee', 'Kit'],
    ],
    ['replaces', [{ op: 'replace', path: '/birthDate', value: '1971' }], 'birthDate', '1971'],
    ['removes from a list', [{ op: 'remove', path: '/name/0/given/0' }], 'name.0.given', ['Lee']],
    [
      'moves',
      [{ op: 'move', from: '/name/0/given/0', path: '/name/0/given/1' }],
      'name.0.given',
      ['Lee', 'Robin'],
    ],
    ['copies', [{ op: 'copy', from: '/name/0/family', path: '/name/1/family' }], 'name.1.family', 'Alder'],
    [
      'goes on after a test that holds',
      [
        { op: 'test', path: '/name/0/given', value: ['Robin', 'Lee'] },
        { op: 'remove', path: '/contact' },
      ],
      'contact',
      undefined,
    ],
    [
      'works in order',
      [
        { op: 'add', path: '/active', value: true },
        { op: 'replace', path: '/active', value: false },
      ],
      'active',
      false,
    ],
  ];
  it.each(rows)('%s', (_what, patch, path, expected) => {
    const before = patient();
    const after = compileJsonPatch(patch)(before);
    const at = path
      .split('.')
      .reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined)?.[key], after);
    expect(at).toEqual(expected);
    expect(before).toEqual(patient());
  });

  it.each([
    ['a test that fails', [{ op: 'test', path: '/birthDate', value: '1999' }]],
    ['a path to nothing', [{ op: 'replace', path: '/gender', value: 'male' }]],
    ['a position beyond the end', [{ op: 'add', path: '/name/7', value: {} }]],
    ['a position with a leading zero', [{ op: 'remove', path: '/name/00' }]],
    ['a move into itself', [{ op: 'move', from: '/name', path: '/name/0' }]],
    ['no list', { op: 'remove', path: '/name' }],
    ['an unknown operation', [{ op: 'merge', path: '/name' }]],
    ['a path without slash', [{ op: 'remove', path: 'name' }]],
    ['a value left out', [{ op: 'add', path: '/gender' }]],
    ['the name __proto__', [{ op: 'add', path: '/__proto__/x', value: 1 }]],
    [
      'more operations than the limit',
      Array.from({ length: 1001 }, () => ({ op: 'test', path: '/id', value: 'p' })),
    ],
  ])('refuses %s', (_what, patch) => {
    expect(attempt(() => compileJsonPatch(patch)(patient()))).toBeUndefined();
  });

  it('keeps the digits of decimals it does not touch, and compares them as numbers', () => {
    const weight = parseJson('{"resourceType":"Observation","valueQuantity":{"value":1.10}}');
    const patch = parseJson(
      '[{"op":"test","path":"/valueQuantity/value","value":1.1},{"op":"add","path":"/status","value":"final"}]',
    );
    expect(stringifyJson(compileJsonPatch(patch)(weight))).toContain('1.10');
  });
});

const operation = (type: string, path: string, more: Record<string, unknown>[] = []) => ({
  resourceType: 'Parameters',
  parameter: [
    {
      name: 'operation',
      part: [{ name: 'type', valueCode: type }, { name: 'path', valueString: path }, ...more],
    },
  ],
});
const named = (name: string) => ({ name: 'name', valueString: name });
const value = (content: Record<string, unknown>) => ({ name: 'value', ...content });
const whole = (name: string, n: number) => ({ name, valueInteger: n });

describe('FHIRPath Patch (R4 fhirpatch.html)', () => {
  const rows: [what: string, patch: Record<string, unknown>, element: string, expected: unknown][] = [
    [
      'adds an element',
      operation('add', 'Patient', [named('gender'), value({ valueCode: 'male' })]),
      'gender',
      'male',
    ],
    [
      'adds to a list',
      operation('add', 'Patient.name[1]', [named('given'), value({ valueString: 'Bo' })]),
      'name',
      [patient().name[0], { use: 'usual', given: ['Rob', 'Bo'] }],
    ],
    [
      'adds a choice by its type',
      operation('add', 'Patient', [named('deceased'), value({ valueBoolean: true })]),
      'deceasedBoolean',
      true,
    ],
    [
      'adds an anonymous element, its parts shaped by their types',
      operation('add', 'Patient', [
        named('contact'),
        {
          name: 'value',
          part: [
            { name: 'name', valueHumanName: { text: 'Ash' } },
            { name: 'telecom', valueContactPoint: { value: '1' } },
          ],
        },
      ]),
      'contact',
      [...patient().contact, { name: { text: 'Ash' }, telecom: [{ value: '1' }] }],
    ],
    [
      'inserts at a position',
      operation('insert', 'Patient.name[0].given', [whole('index', 1), value({ valueString: 'Kit' })]),
      'name',
      [{ ...patient().name[0], given: ['Robin', 'Kit', 'Lee'] }, patient().name[1]],
    ],
    [
      'inserts into a list that is not there',
      operation('insert', 'Patient.telecom', [
        whole('index', 0),
        value({ valueContactPoint: { value: '1' } }),
      ]),
      'telecom',
      [{ value: '1' }],
    ],
    [
      'deletes a primitive with what stands beside it',
      operation('delete', 'Patient.birthDate'),
      '_birthDate',
      undefined,
    ],
    [
      'deletes by condition',
      operation('delete', "Patient.identifier.where(system = 'b')"),
      'identifier',
      [patient().identifier[0], patient().identifier[2]],
    ],
    ['deletes what is not there', operation('delete', 'Patient.gender'), 'gender', undefined],
    [
      'leaves no empty element behind',
      operation('delete', 'Patient.contact[0].name.text'),
      'contact',
      [{ gender: 'female' }],
    ],
    [
      'replaces by condition',
      operation('replace', "Patient.name.where(use = 'usual').given.first()", [
        value({ valueString: 'Bob' }),
      ]),
      'name',
      [patient().name[0], { use: 'usual', given: ['Bob'] }],
    ],
    [
      'moves forward',
      operation('move', 'Patient.identifier', [whole('source', 0), whole('destination', 2)]),
      'identifier',
      [patient().identifier[1], patient().identifier[2], patient().identifier[0]],
    ],
    [
      'moves back',
      operation('move', 'Patient.identifier', [whole('source', 2), whole('destination', 0)]),
      'identifier',
      [patient().identifier[2], patient().identifier[0], patient().identifier[1]],
    ],
  ];
  it.each(rows)('%s', (_what, patch, element, expected) => {
    const before = patient();
    expect(compileFhirPathPatch(patch)(before)).toHaveProperty('id', 'p');
    expect((compileFhirPathPatch(patch)(before) as Record<string, unknown>)[element]).toEqual(expected);
    expect(before).toEqual(patient());
  });

  it.each([
    ['a path to several', operation('delete', 'Patient.identifier')],
    ['a path to nothing', operation('replace', 'Patient.gender', [value({ valueCode: 'male' })])],
    [
      'adding below what is not there',
      operation('add', 'Patient.maritalStatus', [named('text'), value({ valueString: 'x' })]),
    ],
    [
      'adding what is there and does not repeat',
      operation('add', 'Patient', [named('birthDate'), value({ valueDate: '1999' })]),
    ],
    ['a second choice', operation('add', 'Observation', [named('value'), value({ valueString: 'x' })])],
    [
      'an element the type has not',
      operation('add', 'Patient', [named('hobby'), value({ valueString: 'x' })]),
    ],
    ['a path of another type', operation('delete', 'Observation.status')],
    ['a function it does not know', operation('delete', 'Patient.name.repeat(given)')],
    ['a path that cannot be read', operation('delete', 'Patient..name')],
    [
      'a position beyond the end',
      operation('move', 'Patient.identifier', [whole('source', 0), whole('destination', 3)]),
    ],
    ['no value', operation('replace', 'Patient.birthDate')],
    ['an unknown operation', operation('merge', 'Patient.name')],
    [
      'a value of a wrong type for a choice',
      operation('add', 'Patient', [named('deceased'), value({ valueCode: 'yes' })]),
    ],
    ['deleting the whole', operation('delete', 'Patient')],
  ])('refuses %s', (_what, patch) => {
    expect(attempt(() => compileFhirPathPatch(patch)(patient()))).toBeUndefined();
  });
});
