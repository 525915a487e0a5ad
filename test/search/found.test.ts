import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Resource } from '../../src/core/resource.js';
import type { Page } from '../../src/search/request.js';
import type { Search } from '../../src/search/search.js';
import type { Store } from '../../src/store/contract.js';
import type { Tenant } from '../../src/tenancy/tenant.js';
import { type TestSystem, testSystem } from '../support/system.js';
import { LOINC, observation, RESOURCES, UCUM } from './found-records.js';

let system: TestSystem;
let tenant: Tenant;
let search: Search;
let store: Store;
let base: string;

beforeAll(async () => {
  system = await testSystem({ tenants: ['a', 'b'] });
  const rooms = await system.rooms();
  ({ search, store } = rooms);
  tenant = await system.tenant('a');
  base = rooms.baseOf(tenant);
  const actor = { id: 'test', kind: 'job' as const };
  await store.commit(
    tenant,
    [...RESOURCES, observation('gone', 'p1', '2339-0', '2020-01-11', 100)].map((resource) => ({
      op: 'update' as const,
      type: resource.resourceType,
      id: resource.id!,
      resource,
    })),
    actor,
  );
  await store.commit(tenant, [{ op: 'delete', type: 'Observation', id: 'gone' }], actor);
  const other = await system.tenant('b');
  await store.commit(
    other,
    [
      {
        op: 'update',
        type: 'Patient',
        id: 'p1',
        resource: { ...RESOURCES.find((r) => r.id === 'p1')!, gender: 'other' },
      },
    ],
    actor,
  );
});

afterAll(() => system.close());

function run(path: string, strict = true): Promise<Page> {
  const [type, query = ''] = path.split('?');
  return search.search(tenant, {
    type: type || undefined,
    params: [...new URLSearchParams(query)],
    strict,
    base,
  });
}

const ids = (page: Page, mode = 'match') =>
  page.entries.filter((e) => e.mode === mode).map((e) => e.resource.id!);
const found = async (path: string) => ids(await run(path)).sort();

// R4 search.html; each row: what is asked, which ids answer.
const FOUND: [string, string[]][] = [
  ['Patient', ['p1', 'p2', 'p3']],
  ['Patient?_id=p1,p3', ['p1', 'p3']],
  ['Patient?_id=nobody', []],
  ['Patient?_id:not=p1', ['p2', 'p3']],
  ['Patient?name=muller', ['p1']],
  ['Patient?name=MÜL', ['p1']],
  ['Patient?name=ülle', []],
  ['Patient?name:contains=lle', ['p1']],
  ['Patient?name:contains=le', ['p1']],
  ['Patient?family:exact=Müller', ['p1']],
  ['Patient?family:exact=Muller', []],
  ['Patient?family=Smith\\, Jr', ['p2']],
  ['Patient?family=smith', ['p2', 'p3']],
  ['Patient?name=max,ann', ['p1', 'p2']],
  ['Patient?given=max&given=jorg', ['p1']],
  ['Patient?identifier=urn:mrn|A\\|1', ['p1']],
  ['Patient?identifier=B2', ['p2']],
  ['Patient?identifier=urn:mrn|', ['p1', 'p2']],
  ['Patient?gender=male,female', ['p1', 'p2']],
  ['Patient?gender:not=male', ['p2', 'p3']],
  ['Patient?gender:missing=true', ['p3']],
  ['Patient?gender:missing=false', ['p1', 'p2']],
  ['Patient?birthdate=1960', ['p1']],
  ['Patient?birthdate=ge1960-05-05', ['p2']],
  ['Patient?birthdate=lt1970', ['p1']],
  ['Patient?birthdate=gt1960-01-01&birthdate=lt1961', ['p1']],
  ['Patient?birthdate:missing=true', ['p3']],
  ['Patient?active=true', ['p3']],
  ['Patient?general-practitioner=dr1', ['p1']],
  ['Patient?general-practitioner=Practitioner/dr1', ['p1']],
  ['Patient?general-practitioner:missing=true', ['p2', 'p3']],
  ['Patient?_lastUpdated=gt2020-01-01', ['p1', 'p2', 'p3']],
  ['Patient?_lastUpdated=lt2020-01-01', []],
  ['Observation?patient=p1', ['o1', 'o2', 'o6']],
  ['Observation?patient=Patient/p1', ['o1', 'o2', 'o6']],
  ['Observation?subject:Patient=p1', ['o1', 'o2', 'o6']],
  ['Observation?code=2339-0', ['o1', 'o2', 'o3']],
  [`Observation?code=${LOINC}|2339-0&value-quantity=gt150`, ['o2', 'o3']],
  [`Observation?code=${LOINC}|2339-0&value-quantity=gt150|${UCUM}|mg/dL`, ['o2', 'o3']],
  [`Observation?code=${LOINC}|2339-0&value-quantity=gt1.5|${UCUM}|g/L`, ['o2', 'o3']],
  [`Observation?code=${LOINC}|2339-0&value-quantity=lt100`, ['o1']],
  ['Observation?value-quantity=200', ['o3', 'o4']],
  ['Observation?value-quantity=gt150', ['o2', 'o3', 'o4']],
  ['Observation?code:not=2339-0', ['bp', 'o4', 'o5', 'o6']],
  ['Observation?date=2021', ['o2', 'o3']],
  ['Observation?date=ge2021-06-15', ['o3', 'o6']],
  ['Observation?date:missing=true', ['o5']],
  ['Observation?patient=p1&code=2339-0&date=ge2021', ['o2']],
  ['Observation?performer=dr1', ['o5']],
  // Chains.
  ['Observation?patient.family=smith', ['o3', 'o4', 'o5']],
  ['Observation?patient.name:contains=mith', ['o3', 'o4', 'o5']],
  ['Observation?subject:Patient.gender=male', ['o1', 'o2', 'o6']],
  ['Observation?subject.birthdate=1960', ['o1', 'o2', 'o6']],
  ['Observation?patient.general-practitioner.family=grey', ['o1', 'o2', 'o6']],
  ['Observation?patient.organization.partof.name=st mary', ['o1', 'o2', 'o6']],
  ['Observation?patient.organization.name=st mary', ['o3', 'o4', 'o5']],
  ['Observation?performer.name=ann', ['o6']],
  ['Observation?performer:Practitioner.name=grey', ['o5']],
  ['Observation?patient._id=p1', ['o1', 'o2', 'o6']],
  // Reverse chains.
  ['Patient?_has:Observation:patient:code=718-7', ['p1', 'p2']],
  [`Patient?_has:Observation:patient:code=${LOINC}|718-7&_has:Condition:patient:code=44054006`, ['p1']],
  ['Patient?_has:Observation:patient:_has:DiagnosticReport:result:status=final', ['p1']],
  ['Patient?_has:Observation:patient:performer.family=grey', ['p2']],
  ['Observation?patient._has:Condition:patient:code=44054006', ['o1', 'o2', 'o6']],
  ['Patient?_has:Condition:patient:code:text=type 2', ['p1']],
  ['Patient?_has:Condition:subject:code:missing=false', ['p1']],
  ['Observation?subject.name=nobody', []],
  ['Observation?code:code-text=test 23', ['o1', 'o2', 'o3']],
  ['Observation?code:code-text=est', []],
  // What every resource has, texts, and what modifiers look at (R4 search.html#all, #modifiers).
  ['Procedure?_tag=urn:tags|urgent', ['pr1']],
  ['Procedure?_tag:not=urgent', ['pr2']],
  ['Procedure?_profile=http://example.org/p/one', ['pr1']],
  ['Procedure?_profile:below=http://example.org/p', ['pr1']],
  ['Procedure?_security=R', ['pr2']],
  ['Procedure?_source=http://source.example.org', ['pr2']],
  ['Procedure?_text=left knee', ['pr1']],
  ['Procedure?_text=diclofenac', []],
  ['Procedure?_content=diclofenac', ['pr2']],
  ['Procedure?_content=left knee,diclofenac', ['pr1', 'pr2']],
  ['Procedure?subject:identifier=urn:mrn|Z9', ['pr2']],
  ['Procedure?identifier:of-type=http://terminology.hl7.org/CodeSystem/v2-0203|ACSN|77', ['pr1']],
  ['?_type=Procedure,Patient&_tag=urgent', ['pr1']],
  ['?_profile=http://example.org/p/one', ['pr1']],
  // Composites and places (R4 search.html#composite, location.html#search).
  [`Observation?code-value-quantity=${LOINC}|2339-0$gt150`, ['o2', 'o3']],
  [`Observation?code-value-quantity=${LOINC}|718-7$gt150`, ['o4']],
  [`Observation?combo-code-value-quantity=${LOINC}|8480-6$gt130`, ['bp']],
  [`Observation?component-code-value-quantity=${LOINC}|8480-6$lt90,${LOINC}|8462-4$lt90`, ['bp']],
  [`Observation?component-code-value-quantity=${LOINC}|8462-4$gt130`, []],
  ['Observation?combo-code=8462-4', ['bp']],
  ['Location?near=42.36|-71.06|5|km', ['near']],
  ['Location?near=42.36|-71.06|9000|km', ['far', 'near']],
  // Codes by value set and hierarchy (R4 search.html#token).
  ['Observation?code:in=http://example.org/vs/blood', ['o4', 'o5', 'o6']],
  ['Observation?code:not-in=http://example.org/vs/blood', ['bp', 'o1', 'o2', 'o3']],
  ['Condition?code:in=http://example.org/vs/sugar', ['c1']],
  ['Condition?code:below=http://snomed.info/sct|73211009', ['c1']],
  ['Condition?code:above=http://snomed.info/sct|44054006', ['c1']],
  ['Condition?code:above=http://snomed.info/sct|73211009', []],
  ['Patient?gender:in=http://hl7.org/fhir/ValueSet/administrative-gender', ['p1', 'p2']],
  ['Patient?_has:Condition:patient:code:below=http://snomed.info/sct|73211009', ['p1']],
  ['Observation?_filter=code in http://example.org/vs/blood', ['o4', 'o5', 'o6']],
  // Lists and filters (R4 search.html#list, search_filter.html).
  ['Patient?_list=l1', ['p1', 'p3']],
  ['Observation?_list=l1', ['o4']],
  ['Patient?_list=none', []],
  ['Patient?_filter=name co "lle"', ['p1']],
  ['Patient?_filter=family eq "smith, jr"', ['p2']],
  ['Patient?_filter=family eq smith', []],
  ['Patient?_filter=family ne "smithers"', ['p1', 'p2']],
  ['Patient?_filter=family sw "smi"', ['p2', 'p3']],
  ['Patient?_filter=family ew "ers"', ['p3']],
  // From left to right: `and` binds no more strongly than `or`.
  ['Patient?_filter=gender eq male or gender eq female and birthdate ge 1980', ['p2']],
  ['Patient?_filter=gender eq male or (gender eq female and birthdate ge 1980)', ['p1', 'p2']],
  ['Patient?_filter=(gender eq male or gender eq female) and birthdate ge 1980', ['p2']],
  ['Patient?_filter=not (gender eq male)', ['p2', 'p3']],
  ['Patient?_filter=gender pr false', ['p3']],
  ['Patient?_filter=birthdate lt 1970&name=m', ['p1']],
  ['Observation?_filter=subject.name co "ull" and value-quantity gt 100', ['o2']],
  ['Observation?_filter=code eq http://loinc.org|718-7 and date ge 2020', ['o6']],
  ['Observation?_filter=performer re Practitioner/dr1', ['o5']],
  // Canonical and uri.
  ['Questionnaire?url=http://example.org/q/phq9', ['q1']],
  ['QuestionnaireResponse?questionnaire=http://example.org/q/phq9', ['qr1']],
  // Several types.
  ['?_type=Patient,Organization&_id=p1,org1', ['org1', 'p1']],
  ['?_id=p1,o1', ['o1', 'p1']],
  ['?_lastUpdated=lt2020', []],
  // Text.
  ['Condition?code:text=type 2', ['c1']],
  ['Condition?onset-date=2018', ['c1']],
];

describe('a search finds what the specification says', () => {
  test.each(FOUND)('%s', async (path, expected) => {
    expect(await found(path)).toEqual(expected);
  });
});

// R4 search.html#sort.
const SORTED: [string, string[]][] = [
  ['Observation?_sort=date', ['bp', 'o4', 'o1', 'o2', 'o3', 'o6', 'o5']],
  ['Observation?_sort=-date', ['o6', 'o3', 'o2', 'o1', 'o4', 'bp', 'o5']],
  ['Observation?patient=p1&_sort=-date', ['o6', 'o2', 'o1']],
  ['Observation?patient=p1&_sort=date', ['o1', 'o2', 'o6']],
  [`Observation?patient=p1&code=${LOINC}|718-7&_sort=-date`, ['o6']],
  [`Observation?code=${LOINC}|2339-0&_sort=-date`, ['o3', 'o2', 'o1']],
  [`Observation?code=${LOINC}|718-7&_sort=date`, ['o4', 'o6', 'o5']],
  ['Observation?_sort=-value-quantity,-date&value-quantity=gt100', ['o3', 'o4', 'o2']],
  ['Patient?_sort=birthdate', ['p1', 'p2', 'p3']],
  ['Patient?_sort=-birthdate', ['p2', 'p1', 'p3']],
  ['Patient?_sort=family', ['p1', 'p2', 'p3']],
  ['Patient?_sort=-family', ['p3', 'p2', 'p1']],
  ['Patient?_sort=-_id', ['p3', 'p2', 'p1']],
  ['Patient?_sort=gender,family', ['p2', 'p1', 'p3']],
];

describe('results are sorted, missing values last, alike on pages of any size', () => {
  test.each(SORTED)('%s', async (path, expected) => {
    expect(ids(await run(path))).toEqual(expected);
    for (const size of [1, 2]) expect(await walk(`${path}&_count=${size}`)).toEqual(expected);
  });
});

async function walk(path: string): Promise<string[]> {
  const all: string[] = [];
  let page = await run(path);
  for (let n = 0; n < 100; n++) {
    all.push(...ids(page));
    if (page.next === undefined) return all;
    page = await run(`${path.split('?')[0]}?${page.next}`);
  }
  throw new Error('the pages do not end');
}

// Includes: what is asked, matches, what goes along.
const INCLUDED: [string, string[], string[]][] = [
  ['Observation?_id=o1&_include=Observation:patient', ['o1'], ['p1']],
  ['Observation?_id=o6&_include=Observation:performer', ['o6'], ['p2']],
  ['Observation?_id=o6&_include=Observation:performer:Practitioner', ['o6'], []],
  ['Observation?_id=o6&_include=Observation:*', ['o6'], ['p1', 'p2']],
  [
    'Observation?_id=o1&_include=Observation:patient&_include:iterate=Patient:organization',
    ['o1'],
    ['org2', 'p1'],
  ],
  [
    'Observation?_id=o1&_include=Observation:patient&_include:iterate=Patient:organization&_include:iterate=Organization:partof',
    ['o1'],
    ['org1', 'org2', 'p1'],
  ],
  ['Observation?_id=o1&_include=*', ['o1'], ['p1']],
  ['Patient?_id=p1&_revinclude=Observation:patient', ['p1'], ['o1', 'o2', 'o6']],
  ['Patient?_id=p1&_revinclude=Observation:*', ['p1'], ['o1', 'o2', 'o6']],
  [
    'Patient?_id=p1&_revinclude=Observation:patient&_revinclude:iterate=DiagnosticReport:result',
    ['p1'],
    ['o1', 'o2', 'o6', 'r1'],
  ],
  ['QuestionnaireResponse?_include=QuestionnaireResponse:questionnaire', ['qr1'], ['q1']],
  ['Organization?_include:iterate=Organization:partof', ['org1', 'org2'], []],
];

describe('includes bring what is pointed at and what points', () => {
  test.each(INCLUDED)('%s', async (path, matches, included) => {
    const page = await run(path);
    expect([ids(page).sort(), ids(page, 'include').sort()]).toEqual([matches, included]);
  });
});

test('a compartment search finds what is in the patient\u2019s compartment, also what is in several', async () => {
  const inside = async (id: string) =>
    ids(
      await search.search(tenant, {
        type: 'Observation',
        params: [],
        strict: true,
        base,
        compartment: { type: 'Patient', id },
      }),
    ).sort();
  expect(await inside('p1')).toEqual(['o1', 'o2', 'o6']);
  expect(await inside('p2')).toEqual(['o3', 'o4', 'o5', 'o6']);
});

test.each([
  ['Observation?_summary=count', 7],
  ['Observation?_count=0', 7],
  ['Patient?_summary=count&name:contains=m', 3],
  ['Observation?_total=accurate&_count=2', 7],
  ['Observation?code=2339-0&_total=accurate&_count=1', 3],
  ['Patient?_total=accurate', 3],
  [`Observation?_summary=count&code=${LOINC}|718-7`, 3],
  [`Observation?_summary=count&code=${LOINC}|2339-0`, 3],
  [`Observation?_summary=count&code=${LOINC}|718-7&status=final`, 3],
  ['Condition?_summary=count&code=http://snomed.info/sct|44054006', 1],
])('the total of %s is %i', async (path, total) => {
  expect((await run(path)).total).toBe(total);
});

test('a total is given only when asked for, and stays the same on all pages', async () => {
  expect((await run('Observation?_count=2')).total).toBeUndefined();
  const first = await run('Observation?_count=2&_total=accurate');
  expect((await run(`Observation?${first.next}`)).total).toBe(7);
});

// R4 search.html#summary: name → elements of Patient p1 that are left.
test.each([
  ['_elements=gender', ['gender', 'id', 'meta', 'resourceType']],
  ['_elements=Patient.gender,Observation.code', ['gender', 'id', 'meta', 'resourceType']],
  [
    '_summary=true',
    ['birthDate', 'gender', 'id', 'identifier', 'managingOrganization', 'meta', 'name', 'resourceType'],
  ],
  ['_summary=text', ['id', 'meta', 'resourceType']],
])('%s leaves only the elements it says and marks the resource', async (param, elements) => {
  const [entry] = (await run(`Patient?_id=p1&${param}`)).entries;
  expect(Object.keys(entry!.resource).sort()).toEqual(elements);
  expect(entry!.resource.meta?.tag?.map((t) => t.code)).toEqual(['SUBSETTED']);
});

test('mandatory elements stay with _elements', async () => {
  const [entry] = (await run('Observation?_id=o1&_elements=subject')).entries;
  expect(Object.keys(entry!.resource).sort()).toEqual([
    'code',
    'id',
    'meta',
    'resourceType',
    'status',
    'subject',
  ]);
});

test('an estimated total is a number, and right when there is one page', async () => {
  expect((await run('Observation?_total=estimate')).total).toBe(7);
  expect((await run('Observation?_total=estimate&_count=1')).total).toBeGreaterThan(0);
});

test('a page link opens only at its own search, tenant and unchanged', async () => {
  const { next } = await run('Observation?_count=1');
  const cursor = new URLSearchParams(next).get('_cursor')!;
  const changed = cursor.slice(0, -3) + (cursor.at(-3) === 'A' ? 'B' : 'A') + cursor.slice(-2);
  await expect(run(`Observation?_cursor=${changed}`)).rejects.toMatchObject({
    category: 'invalid',
    at: '_cursor',
  });
  await expect(run(`Patient?_cursor=${cursor}`)).rejects.toMatchObject({ category: 'invalid' });
  await expect(run('Patient?_cursor=nonsense!')).rejects.toMatchObject({ category: 'invalid' });
  const other = await system.tenant('b');
  const there = search.search(other, {
    type: 'Observation',
    params: [['_cursor', cursor]],
    strict: true,
    base,
  });
  await expect(there).rejects.toMatchObject({ category: 'invalid' });
});

test('a page link bound to a caller opens for no other', async () => {
  const ask = (params: [string, string][], caller: string) =>
    search.search(tenant, { type: 'Observation', params, strict: true, base, caller });
  const { next } = await ask([['_count', '1']], 'ann');
  const link: [string, string][] = [...new URLSearchParams(next)];
  expect((await ask(link, 'ann')).entries).toHaveLength(1);
  await expect(ask(link, 'bob')).rejects.toMatchObject({ category: 'invalid', at: '_cursor' });
});

test('a page link shows nothing of the search', async () => {
  const { next } = await run('Patient?name=m,s&_count=1');
  const raw = Buffer.from(new URLSearchParams(next).get('_cursor')!, 'base64url').toString('latin1');
  expect(raw).not.toMatch(/name|_count/);
});

test('an unknown parameter warns and is not in the self link', async () => {
  const page = await run('Patient?nonsense=1&gender=male', false);
  expect(ids(page)).toEqual(['p1']);
  expect(page.self).toBe('gender=male');
  expect(page.warnings.map((w) => w.at)).toEqual(['nonsense']);
});

test.each([
  ['Observation?code:in=http://example.org/vs/none', 'http://example.org/vs/none'],
  ['Observation?code:below=73211009', 'code'],
])('codes that cannot be known are refused: %s', async (path, at) => {
  await expect(run(path)).rejects.toMatchObject({ category: 'invalid', at });
});

describe('matches for conditional writes', () => {
  test('are found, up to the limit', async () => {
    const matches = await search.findMatches(tenant, 'Patient', 'identifier=urn:mrn|B2', 2, base);
    expect(matches.map((m) => m.id)).toEqual(['p2']);
    expect(await search.findMatches(tenant, 'Patient', 'gender=male,female', 1, base)).toHaveLength(1);
  });

  test('inside a transaction include what it wrote', async () => {
    const outcome = await store.transact(tenant, { id: 'test', kind: 'job' }, async (tx) => {
      const resource: Resource = {
        resourceType: 'Practitioner',
        id: 'dr2',
        identifier: [{ system: 'urn:x', value: '1' }],
      };
      await tx.write([{ op: 'create', type: 'Practitioner', id: 'dr2', resource }]);
      const inside = await search.findMatches({ tenant, tx }, 'Practitioner', 'identifier=urn:x|1', 2, base);
      const outside = await search.findMatches(tenant, 'Practitioner', 'identifier=urn:x|1', 2, base);
      return { inside: inside.map((m) => m.id), outside: outside.length };
    });
    expect(outcome).toEqual({ inside: ['dr2'], outside: 0 });
  });

  test('need a criterion', async () => {
    await expect(search.findMatches(tenant, 'Patient', '', 2, base)).rejects.toMatchObject({
      category: 'precondition',
    });
    await expect(search.findMatches(tenant, 'Patient', 'name=', 2, base)).rejects.toMatchObject({
      category: 'precondition',
    });
    await expect(search.findMatches(tenant, 'Patient', 'nonsense=1', 2, base)).rejects.toMatchObject({
      category: 'invalid',
    });
  });
});

test('a stream gives all matches in bounded batches', async () => {
  const all: string[] = [];
  for await (const batch of search.stream(tenant, {
    type: 'Observation',
    params: [['code', '2339-0']],
    strict: true,
    base,
  }))
    all.push(...batch.map((r) => r.id));
  expect(all.sort()).toEqual(['o1', 'o2', 'o3']);
});
