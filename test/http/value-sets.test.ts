import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BASE, patient, type Served, serve } from './served.js';

/** Value sets by their rules, and those of R4 that nobody stored. */
let served: Served;
const SYSTEM = 'https://example.org/kinds';
const HL7 = 'http://terminology.hl7.org/CodeSystem';

beforeAll(async () => {
  served = await serve();
  await put({
    resourceType: 'CodeSystem',
    id: 'kinds',
    url: SYSTEM,
    status: 'active',
    content: 'complete',
    concept: [
      {
        code: 'a',
        display: 'Alpha one',
        definition: 'The first.',
        designation: [{ language: 'de', value: 'Alpha eins' }],
        property: [{ code: 'kind', valueCode: 'x' }],
        concept: [
          { code: 'a1', display: 'Alpha one one', property: [{ code: 'kind', valueCode: 'y' }] },
          { code: 'a2', display: 'Alpha two', property: [{ code: 'inactive', valueBoolean: true }] },
        ],
      },
      { code: 'b', display: 'Beta', property: [{ code: 'notSelectable', valueBoolean: true }] },
    ],
  });
});
afterAll(() => served.close());

const http = () => served.http();
const get = async (path: string) => (await http().get(`${BASE}/${path}`).expect(200)).body;
const put = (resource: { resourceType: string; id: string; [name: string]: unknown }) =>
  http()
    .put(`${BASE}/${resource.resourceType}/${resource.id}`)
    .send(resource)
    .expect((r) => expect(r.status).toBeLessThan(300));
const expanded = async (compose: object, more: object[] = []) => {
  const { body } = await http()
    .post(`${BASE}/ValueSet/$expand`)
    .send({
      resourceType: 'Parameters',
      parameter: [
        { name: 'valueSet', resource: { resourceType: 'ValueSet', status: 'active', compose } },
        ...more,
      ],
    });
  return body;
};
const codesOf = (set: { expansion?: { contains?: { code: string }[] } }) =>
  (set.expansion?.contains ?? []).map((c) => c.code).join(' ');

describe('a rule', () => {
  it.each([
    ['concept', 'is-a', 'a', 'a a1 a2'],
    ['concept', 'descendent-of', 'a', 'a1 a2'],
    ['concept', 'is-not-a', 'a', 'b'],
    ['concept', 'generalizes', 'a1', 'a a1'],
    ['code', '=', 'b', 'b'],
    ['code', 'in', 'b, a1', 'a1 b'],
    ['code', 'regex', 'a[0-9]', 'a1 a2'],
    ['display', 'regex', 'Alpha.*', 'a a1 a2'],
    ['kind', '=', 'x', 'a'],
    ['kind', 'in', 'x,y', 'a a1'],
    ['kind', 'not-in', 'x', 'a1 a2 b'],
    ['kind', 'exists', 'true', 'a a1'],
    ['kind', 'exists', 'false', 'a2 b'],
    ['inactive', '=', 'true', 'a2'],
    ['parent', '=', 'a', 'a1 a2'],
    ['child', 'exists', 'true', 'a'],
  ])('%s %s %s leaves %s', async (property, op, value, codes) => {
    const set = await expanded({ include: [{ system: SYSTEM, filter: [{ property, op, value }] }] });
    expect(codesOf(set)).toBe(codes);
  });

  it.each([
    ['an operator that R4 does not have', { property: 'code', op: 'looks-like', value: 'a' }],
    ['a pattern that is none', { property: 'code', op: 'regex', value: '(a' }],
    ['a pattern that takes for ever', { property: 'code', op: 'regex', value: '(a)\\1' }],
  ])('with %s is refused', async (_, filter) => {
    const answer = await expanded({ include: [{ system: SYSTEM, filter: [filter] }] });
    expect(answer.resourceType).toBe('OperationOutcome');
  });

  it('with a pattern that others would try for ever answers', async () => {
    const filter = [{ property: 'display', op: 'regex', value: '(.*.*)*(.*.*)*x' }];
    expect(codesOf(await expanded({ include: [{ system: SYSTEM, filter }] }))).toBe('');
  });
});

describe('an expansion', () => {
  const whole = { include: [{ system: SYSTEM }] };

  it('says which codes are inactive or only group others, and leaves the inactive out where asked', async () => {
    const all = await expanded(whole);
    expect(all.expansion.contains).toMatchObject([
      { code: 'a' },
      { code: 'a1' },
      { code: 'a2', inactive: true },
      { code: 'b', abstract: true },
    ]);
    const active = [{ name: 'activeOnly', valueBoolean: true }];
    expect(codesOf(await expanded(whole, active))).toBe('a a1 b');
    expect(codesOf(await expanded({ ...whole, inactive: false }))).toBe('a a1 b');
  });

  it('joins HL7’s systems with stored ones, by another value set too', async () => {
    await put({
      resourceType: 'ValueSet',
      id: 'own',
      url: `${SYSTEM}/own`,
      status: 'active',
      compose: whole,
    });
    const set = await expanded({
      include: [
        { valueSet: [`${SYSTEM}/own`, `${SYSTEM}?fhir_vs`] },
        { system: 'http://hl7.org/fhir/administrative-gender' },
        { valueSet: ['http://hl7.org/fhir/ValueSet/days-of-week'] },
      ],
      exclude: [{ system: SYSTEM, concept: [{ code: 'b' }] }],
    });
    expect(codesOf(set)).toBe('a a1 a2 male female other unknown mon tue wed thu fri sat sun');
  });
});

describe('the value sets of R4', () => {
  it.each([
    ['hl7.org/fhir/ValueSet/marital-status', 'M', `${HL7}/v3-MaritalStatus`],
    ['hl7.org/fhir/ValueSet/observation-category', 'laboratory', `${HL7}/observation-category`],
    ['hl7.org/fhir/ValueSet/identifier-type', 'MR', `${HL7}/v2-0203`],
    ['terminology.hl7.org/ValueSet/v3-ActEncounterCode', 'AMB', `${HL7}/v3-ActCode`],
    ['hl7.org/fhir/ValueSet/observation-vitalsignresult', '8867-4', 'http://loinc.org'],
    ['hl7.org/fhir/ValueSet/languages', 'de-CH', 'urn:ietf:bcp:47'],
    ['terminology.hl7.org/ValueSet/v2-0487', 'BLD', `${HL7}/v2-0487`],
  ])('%s has %s', async (set, code, system) => {
    const url = encodeURIComponent(`http://${set}`);
    const { expansion } = await get(`ValueSet/$expand?url=${url}`);
    expect(expansion.contains).toContainEqual(expect.objectContaining({ system, code }));
    const valid = await get(
      `ValueSet/$validate-code?url=${url}&system=${encodeURIComponent(system)}&code=${code}`,
    );
    expect(valid.parameter[0]).toEqual({ name: 'result', valueBoolean: true });
    const wrong = await get(`ValueSet/$validate-code?url=${url}&code=no-such-code`);
    expect(wrong.parameter[0]).toEqual({ name: 'result', valueBoolean: false });
  });

  it('can be read, and expanded where they stand', async () => {
    expect(await get('ValueSet/marital-status')).toMatchObject({ name: 'Marital Status Codes' });
    expect((await get('ValueSet/marital-status/$expand')).expansion.total).toBe(11);
    expect(await get('CodeSystem/v3-MaritalStatus')).toMatchObject({ url: `${HL7}/v3-MaritalStatus` });
  });

  it('of which codes are not here are not known, rather than a part of them', async () => {
    const { body } = await http()
      .get(`${BASE}/ValueSet/$expand?url=http://hl7.org/fhir/ValueSet/body-site`)
      .expect(404);
    expect(body.issue[0].code).toBe('not-found');
  });

  it('find what is coded with them, and what lies under a code of theirs', async () => {
    await put(
      patient({
        id: 'wed',
        maritalStatus: { coding: [{ system: `${HL7}/v3-MaritalStatus`, code: 'M' }] },
      }) as never,
    );
    const subject = { reference: 'Patient/wed' };
    const visit = { resourceType: 'Encounter', status: 'finished', subject };
    await put({ ...visit, id: 'ward', class: { system: `${HL7}/v3-ActCode`, code: 'ACUTE' } });
    await put({ ...visit, id: 'day', class: { system: `${HL7}/v3-ActCode`, code: 'AMB' } });
    const found = async (search: string) =>
      ((await get(search)).entry ?? []).map((e: { resource: { id: string } }) => e.resource.id).join(' ');
    const acts = 'https://example.org/stays';
    const filter = [{ property: 'concept', op: 'is-a', value: 'IMP' }];
    const compose = { include: [{ system: `${HL7}/v3-ActCode`, filter }] };
    await put({ resourceType: 'ValueSet', id: 'stays', url: acts, status: 'active', compose });
    const encounters = encodeURIComponent('http://terminology.hl7.org/ValueSet/v3-ActEncounterCode');
    expect(await found(`Encounter?class:in=${encounters}&_sort=_id`)).toBe('day ward');
    expect(await found(`Encounter?class:below=${HL7}/v3-ActCode|IMP`)).toBe('ward');
    expect(await found(`Encounter?class:in=${acts}`)).toBe('ward');
    for (const address of ['ValueSet/stays', `${served.base}/ValueSet/stays`])
      expect(await found(`Encounter?class:in=${encodeURIComponent(address)}`)).toBe('ward');
    expect(await found(`Encounter?class:not-in=${acts}`)).toBe('day');
  });
});

describe('$lookup', () => {
  const told = async (query: string) => {
    const { parameter } = await get(`CodeSystem/$lookup?system=${SYSTEM}&${query}`);
    return parameter as { name: string; valueString?: string; part?: { valueCode?: string }[] }[];
  };
  const properties = (list: Awaited<ReturnType<typeof told>>) =>
    list.filter((p) => p.name === 'property').map((p) => p.part!.map((part) => part.valueCode).join('='));

  it('tells everything, or the properties that are named', async () => {
    expect(properties(await told('code=a'))).toEqual(['kind=x', 'child=a1', 'child=a2']);
    expect(properties(await told('code=a1&property=parent'))).toEqual(['parent=a']);
    const some = await told('code=a&property=child&property=definition');
    expect(some.map((p) => p.name)).toEqual(['name', 'display', 'definition', 'property', 'property']);
    expect((await told('code=a&property=lang.de')).map((p) => p.name)).toContain('designation');
  });

  it('tells the display in the language asked for, where there is one', async () => {
    const display = async (query: string) =>
      (await told(query)).find((p) => p.name === 'display')?.valueString;
    expect(await display('code=a&displayLanguage=de-AT')).toBe('Alpha eins');
    expect(await display('code=a&displayLanguage=fr')).toBe('Alpha one');
  });
});
