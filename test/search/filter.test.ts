import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Resource } from '../../src/core/resource.js';
import type { Search } from '../../src/search/search.js';
import type { Tenant } from '../../src/tenancy/tenant.js';
import { type TestSystem, testSystem } from '../support/system.js';

let system: TestSystem;
let tenant: Tenant;
let search: Search;
let base: string;

const glucose = (id: string, value: number, patient: string): Resource => ({
  resourceType: 'Observation',
  id,
  status: 'final',
  code: { coding: [{ system: 'http://loinc.org', code: '2339-0' }], text: 'Glucose' },
  subject: { reference: `Patient/${patient}` },
  valueQuantity: { value, unit: 'mg/dL', system: 'http://unitsofmeasure.org', code: 'mg/dL' },
});

const RESOURCES: Resource[] = [
  {
    resourceType: 'Patient',
    id: 'p1',
    name: [{ family: 'Smith', given: ['Peter', 'Paul'] }],
    gender: 'male',
    birthDate: '2014-10-10',
    identifier: [{ system: 'urn:mrn', value: 'A]1' }],
  },
  { resourceType: 'Patient', id: 'p2', name: [{ family: 'Smythe (Jr)', given: ['Ann'] }], gender: 'female' },
  {
    resourceType: 'Patient',
    id: 'p3',
    birthDate: '1950-03',
    name: [{ family: 'O"Hara', text: 'tab\there' }],
  },
  glucose('o1', 90, 'p1'),
  glucose('o2', 180, 'p2'),
  {
    resourceType: 'Condition',
    id: 'c1',
    subject: { reference: 'Patient/p1' },
    code: { coding: [{ system: 'http://snomed.info/sct', code: '44054006' }] },
    onsetPeriod: { start: '2020-01-10', end: '2020-03-10' },
  },
  {
    resourceType: 'CodeSystem',
    id: 'cs',
    url: 'http://snomed.info/sct',
    status: 'active',
    content: 'fragment',
    concept: [{ code: '73211009', concept: [{ code: '44054006', concept: [{ code: '9859006' }] }] }],
  },
  {
    resourceType: 'ValueSet',
    id: 'vs',
    url: 'http://e.org/vs',
    status: 'active',
    compose: { include: [{ system: 'http://loinc.org', concept: [{ code: '2339-0' }] }] },
  },
];

beforeAll(async () => {
  system = await testSystem({ tenants: ['a'] });
  const rooms = await system.rooms();
  search = rooms.search;
  tenant = await system.tenant('a');
  base = rooms.baseOf(tenant);
  await rooms.store.commit(
    tenant,
    RESOURCES.map((resource) => ({ op: 'update', type: resource.resourceType, id: resource.id!, resource })),
    { id: 'test', kind: 'job' },
  );
});

afterAll(() => system.close());

async function filter(type: string, text: string): Promise<string[]> {
  const page = await search.search(tenant, { type, params: [['_filter', text]], strict: true, base });
  return page.entries.map((e) => e.resource.id!).sort();
}

// R4 search_filter.html: operators by type, then the grammar.
const FOUND: [type: string, filter: string, ids: string[]][] = [
  ['Patient', 'given eq "peter"', ['p1']],
  ['Patient', 'given eq "pet"', []],
  ['Patient', 'family co "myth"', ['p2']],
  ['Patient', 'family sw sm', ['p1', 'p2']],
  ['Patient', 'family ew ith', ['p1']],
  ['Patient', 'family ne smith', ['p2', 'p3']],
  ['Patient', 'given ne peter', ['p1', 'p2']],
  ['Patient', 'family gt smith', ['p2']],
  ['Patient', 'family ge smith', ['p1', 'p2']],
  ['Patient', 'family lt smith', ['p3']],
  ['Patient', 'family le SMITH', ['p1', 'p3']],
  ['Patient', 'gender eq male', ['p1']],
  ['Patient', 'gender ne male', ['p2']],
  ['Patient', 'gender pr true', ['p1', 'p2']],
  ['Patient', 'gender pr false', ['p3']],
  ['Patient', 'birthdate ge 2014-10-10', ['p1']],
  ['Patient', 'birthdate lt 2000', ['p3']],
  ['Patient', 'birthdate po 1950-03-31', ['p3']],
  ['Patient', 'birthdate po 1950', ['p3']],
  ['Patient', 'birthdate co 1950-03-31', ['p3']],
  ['Patient', 'birthdate co 1950', []],
  ['Condition', 'onset-date po 2020-03', ['c1']],
  ['Condition', 'onset-date po 2020-04', []],
  ['Condition', 'onset-date sa 2019-12', ['c1']],
  ['Condition', 'onset-date eb 2020-04', ['c1']],
  ['Condition', 'code ss http://snomed.info/sct|73211009', ['c1']],
  ['Condition', 'code ss snomed|73211009', ['c1']],
  ['Condition', 'code sb snomed|9859006', ['c1']],
  ['Condition', 'code sb snomed|73211009', []],
  ['Observation', 'code eq loinc|2339-0 and value-quantity gt 100', ['o2']],
  ['Observation', 'value-quantity eq 1.8|ucum|g/L', ['o2']],
  ['Observation', 'value-quantity ap 95', ['o1']],
  ['Observation', 'code in http://e.org/vs', ['o1', 'o2']],
  ['Observation', 'code ni http://e.org/vs', []],
  ['Observation', 'subject re Patient/p1', ['o1']],
  ['Observation', 'subject.name co "mit"', ['o1']],
  ['Observation', 'subject.id eq p2', ['o2']],
  ['Observation', 'subject.given eq peter', ['o1']],
  ['Observation', 'subject:Patient.family ew ith', ['o1']],
  ['Observation', 'subject[gender eq male].given eq paul', ['o1']],
  ['Observation', 'subject[gender eq female].given eq paul', []],
  ['Observation', 'subject[gender eq male and (family ew ith)].birthdate pr true', ['o1']],
  ['Observation', 'code-value-quantity eq loinc|2339-0$gt100', ['o2']],
  ['Observation', 'code-value-quantity[code eq loinc|2339-0].value-quantity gt 100', ['o2']],
  ['Observation', 'combo-code-value-quantity[combo-code eq loinc|2339-0].value-quantity lt 100', ['o1']],
  ['Patient', '_has:Observation:patient:code eq loinc|2339-0', ['p1', 'p2']],
  ['Patient', '_has:Observation:patient:value-quantity gt 100', ['p2']],
  ['Patient', 'not (_has:Observation:patient:value-quantity gt 100)', ['p1', 'p3']],
  ['Patient', '_has:Observation:patient:_has:Observation:derived-from:code eq x', []],
  ['Patient', '_id eq p1 or _id eq p3', ['p1', 'p3']],
  ['Patient', '_id ne p1', ['p2', 'p3']],
  ['Patient', '_lastUpdated gt 2020', ['p1', 'p2', 'p3']],
  // The grammar.
  ['Patient', '  gender   eq\tmale ', ['p1']],
  ['Patient', 'not (gender eq male)', ['p2', 'p3']],
  ['Patient', 'not(gender eq male)and not(gender eq female)', ['p3']],
  ['Patient', '((gender eq male) or (gender eq female)) and given eq ann', ['p2']],
  ['Patient', 'gender eq male or gender eq female and given eq ann', ['p2']],
  ['Patient', 'gender eq male or (gender eq female and given eq zoe)', ['p1']],
  ['Patient', 'family eq "smythe (jr)"', ['p2']],
  ['Patient', 'family eq "o\\"hara"', ['p3']],
  ['Patient', 'family eq "\\u004f\\"hara"', ['p3']],
  ['Patient', 'name eq "tab\\there"', ['p3']],
  ['Patient', 'identifier eq "urn:mrn|A]1"', ['p1']],
  ['Patient', 'gender:not eq male', ['p2', 'p3']],
];

describe('a filter finds what the specification says', () => {
  test.each(FOUND)('%s: %s', async (type, text, expected) => {
    expect(await filter(type, text)).toEqual(expected);
  });
});

const REFUSED: [type: string, filter: string, character: number | undefined][] = [
  ['Patient', 'gender', 7],
  ['Patient', 'gender eq', 10],
  ['Patient', 'gender xx male', 1],
  ['Patient', 'given eq a and gender xx male', 16],
  ['Patient', '(gender eq male', 1],
  ['Patient', 'given eq a and (gender eq male', 16],
  ['Patient', 'gender eq male)', 15],
  ['Patient', 'gender eq male gender eq female', 16],
  ['Patient', 'gender eq "male', 11],
  ['Patient', 'gender eq "ma\\le"', 15],
  ['Patient', 'not gender eq male', 5],
  ['Patient', 'gender pr maybe', 1],
  ['Patient', 'gender sw m', 1],
  ['Patient', 'family po x', 1],
  ['Patient', '', undefined],
  ['Patient', ' ', 2],
  ['Patient', '9 eq 1', 1],
  ['Observation', 'subject[gender eq male', 8],
  ['Observation', 'subject[gender eq male] eq x', 24],
  ['Observation', 'code-value-quantity[status eq final].value-quantity gt 1', 1],
  ['Patient', `${'('.repeat(200)}gender eq male${')'.repeat(200)}`, 102],
];

describe('what is wrong in a filter is refused with its position', () => {
  test.each(REFUSED)('%s: %s', async (type, text, character) => {
    if (character === undefined) return;
    await expect(filter(type, text)).rejects.toMatchObject({
      name: 'Fault',
      at: '_filter',
      message: expect.stringMatching(new RegExp(`at character ${character}\\b`)),
    });
  });

  test('unknown parameters and types of value keep their own place', async () => {
    await expect(filter('Patient', 'nonsense eq x')).rejects.toMatchObject({ at: 'nonsense' });
    await expect(filter('Patient', 'birthdate eq soon')).rejects.toMatchObject({ at: 'birthdate' });
    await expect(filter('Patient', '_filter eq "x eq y"')).rejects.toMatchObject({ at: '_filter' });
  });
});
