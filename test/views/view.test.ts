import { describe, expect, it } from 'vitest';
import { isFault } from '../../src/core/fault.js';
import { parseJson } from '../../src/core/json.js';
import type { Resource } from '../../src/core/resource.js';
import { compileView, type Row } from '../../src/fhir/views/view.js';

/** SQL on FHIR v2, ViewDefinition: what each part of a view does to the rows. */

const patient: Resource = {
  resourceType: 'Patient',
  id: 'p1',
  birthDate: '1961-02',
  gender: 'female',
  name: [
    { use: 'official', family: 'Okafor', given: ['Ada', 'Ngozi'] },
    { use: 'usual', given: ['Addie'] },
  ],
  address: [{ city: 'Leeds', line: ['1 Mill Lane', 'Flat 2'] }, { city: 'York' }],
  managingOrganization: { reference: 'Organization/north/_history/4' },
};

const observation = parseJson(`{"resourceType":"Observation","id":"o1","status":"final",
  "code":{"coding":[{"system":"http://loinc.org","code":"4548-4"},{"system":"urn:local","code":"HBA"}]},
  "subject":{"reference":"Patient/p1"},"performer":[{"reference":"https://other.example/fhir/Practitioner/9"}],
  "effectiveDateTime":"2020-03-04T10:30:00Z","valueQuantity":{"value":7.10,"unit":"%"}}`) as Resource;

function rows(view: object, ...resources: Resource[]): unknown[] {
  const compiled = compileView({ resourceType: 'ViewDefinition', resource: 'Patient', ...view });
  const out: Row[] = [];
  for (const resource of resources.length > 0 ? resources : [patient]) compiled.rows(resource, out);
  return out.map((row) => Object.fromEntries(compiled.columns.map(({ name }, i) => [name, row[i]])));
}

const path = (text: string, view: object = {}, resource = patient) =>
  (
    rows(
      { resource: resource.resourceType, ...view, select: [{ column: [{ name: 'v', path: text }] }] },
      resource,
    )[0] as { v: unknown }
  ).v;

describe('a view', () => {
  it('multiplies selects beside each other and keeps those without elements by forEachOrNull', () => {
    const view = {
      select: [
        { column: [{ name: 'id', path: 'getResourceKey()' }] },
        { forEach: 'name.given', column: [{ name: 'given', path: '$this' }] },
        { forEachOrNull: 'telecom', column: [{ name: 'phone', path: 'value' }] },
        {
          forEach: 'address',
          column: [
            { name: 'nth', path: '%rowIndex' },
            { name: 'city', path: 'city' },
          ],
        },
      ],
    };
    const found = rows(view);
    expect(found).toHaveLength(6);
    expect(found[1]).toEqual({ id: 'p1', given: 'Ada', phone: null, nth: 1, city: 'York' });
  });

  it('puts alternatives below each other, with what stands beside them', () => {
    const view = {
      select: [
        {
          column: [{ name: 'gender', path: 'gender' }],
          unionAll: [
            { forEach: 'name', column: [{ name: 'text', path: 'given.first()' }] },
            { forEach: 'address.line', column: [{ name: 'text', path: '$this' }] },
          ],
        },
        { forEach: 'address', column: [{ name: 'city', path: 'city' }] },
      ],
    };
    expect(rows(view).map((r) => Object.values(r as object).join(' '))).toEqual([
      'female Ada Leeds',
      'female Ada York',
      'female Addie Leeds',
      'female Addie York',
      'female 1 Mill Lane Leeds',
      'female 1 Mill Lane York',
      'female Flat 2 Leeds',
      'female Flat 2 York',
    ]);
  });

  it('gives nothing for a resource of another type', () => {
    expect(rows({ select: [{ column: [{ name: 'id', path: 'id' }] }] }, observation)).toEqual([]);
  });

  it('refuses a resource that would give rows without end', () => {
    const many = { ...patient, name: Array.from({ length: 400 }, (_, i) => ({ family: `F${i}` })) };
    const each = (name: string) => ({ forEach: 'name', column: [{ name, path: 'family' }] });
    expect(() => rows({ select: [each('a'), each('b')] }, many)).toThrow(/more than 100000 rows/);
    expect(() => rows({ select: [{ repeat: ['$this'], column: [{ name: 'a', path: 'id' }] }] })).toThrow(
      /does not come to an end/,
    );
  });
});

it.each([
  ["name.where(use = 'official').given.join(' ')", 'Ada Ngozi'],
  ['birthDate.lowBoundary()', '1961-02-01'],
  ['birthDate.highBoundary()', '1961-02-28'],
  ['managingOrganization.getReferenceKey(Organization)', 'north'],
  ['managingOrganization.getReferenceKey(Practitioner)', null],
  ['-2 + 3 * 4', 10],
  ['7 div 2 + 7 mod 2', 4],
  ['0.1 + 0.2', 0.3],
  ['1 / 0', null],
  ["'a' + 'b' & 'c'", 'abc'],
  ["iif(gender = 'female', birthDate, 'x')", '1961-02'],
  ["gender.replace('fe', '')", 'male'],
  ['name[1].given', 'Addie'],
  ['(2.25).round(1)', 2.3],
  ['name.count() = 2 and (deceased.exists().not())', true],
])('%s is %j of a patient', (expression, value) => {
  expect(path(expression)).toEqual(value);
});

it.each([
  ["code.coding.where(system = 'http://loinc.org').code.first()", '4548-4'],
  ['subject.getReferenceKey(Patient)', 'p1'],
  ['performer.first().getReferenceKey()', 'https://other.example/fhir/Practitioner/9'],
  ['effective.ofType(dateTime)', '2020-03-04T10:30:00Z'],
  ['effective.ofType(dateTime).lowBoundary()', '2020-03-04T10:30:00.000Z'],
  ['value.ofType(Quantity).value > 7', true],
  ['value.ofType(Quantity).value.lowBoundary()', 7.095],
])('%s is %j of an observation', (expression, value) => {
  expect(path(expression, {}, observation)).toEqual(value);
});

it('keeps the digits of decimals', () => {
  expect(String(path('value.ofType(Quantity).value', {}, observation))).toBe('7.10');
});

describe('refuses, naming the element', () => {
  const column = (more: object) => ({ select: [{ column: [{ name: 'a', path: 'id', ...more }] }] });
  it.each<[string, object, string]>([
    ['a path that is none', column({ path: 'name..given' }), 'ViewDefinition.select[0].column[0].path'],
    [
      'a function that is none',
      column({ path: 'name.shuffle()' }),
      'ViewDefinition.select[0].column[0].path',
    ],
    ['a pattern', column({ path: "id.matches('(a+)+$')" }), 'ViewDefinition.select[0].column[0].path'],
    ['an unknown constant', column({ path: '%limit' }), 'ViewDefinition.select[0].column[0].path'],
    ['a name with blanks', column({ name: 'a b' }), 'ViewDefinition.select[0].column[0].name'],
    ['several values', column({ path: 'name.given' }), 'ViewDefinition.select[0].column[0].path'],
    [
      'a name used twice',
      { select: [{ column: [{ name: 'a', path: 'id' }] }, { column: [{ name: 'A', path: 'id' }] }] },
      'ViewDefinition.select[1].column[0].name',
    ],
    [
      'alternatives with other columns',
      {
        select: [
          { unionAll: [{ column: [{ name: 'a', path: 'id' }] }, { column: [{ name: 'b', path: 'id' }] }] },
        ],
      },
      'ViewDefinition.select[0].unionAll[1]',
    ],
    [
      'forEach and forEachOrNull at once',
      { select: [{ forEach: 'name', forEachOrNull: 'name', column: [{ name: 'a', path: 'use' }] }] },
      'ViewDefinition.select[0]',
    ],
    [
      'a condition that is a text',
      { ...column({}), where: [{ path: 'gender' }] },
      'ViewDefinition.where[0].path',
    ],
    ['a view of nothing', { select: [] }, 'ViewDefinition.select'],
    ['a type that is none', { ...column({}), resource: 'Patients' }, 'ViewDefinition.resource'],
    [
      'a constant without value',
      { ...column({}), constant: [{ name: 'x' }] },
      'ViewDefinition.constant[0].value[x]',
    ],
  ])('%s', (_what, view, at) => {
    let fault: unknown;
    try {
      rows(view);
    } catch (error) {
      fault = error;
    }
    expect(isFault(fault) && fault.at).toBe(at);
    // Never a value of the record.
    expect(String(fault)).not.toMatch(/Okafor|Ngozi/);
  });

  it('all faults of a view at once', () => {
    try {
      compileView({
        resource: 'Patient',
        select: [
          {
            column: [
              { name: 'a', path: '@@' },
              { name: 'b', path: '(' },
            ],
          },
        ],
      });
      expect.unreachable();
    } catch (error) {
      expect(isFault(error) && [error, ...error.also].map((f) => f.at)).toEqual([
        'ViewDefinition.select[0].column[0].path',
        'ViewDefinition.select[0].column[1].path',
      ]);
    }
  });
});
