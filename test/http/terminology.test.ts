import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BASE, type Served, serve } from './served.js';

/** The terminology operations of R4 (terminology-service.html) over stored CodeSystem, ValueSet and ConceptMap. */
let served: Served;
const SYSTEM = 'https://example.org/animals';
const SET = 'https://example.org/ValueSet/dogs';
const MAP = 'https://example.org/ConceptMap/to-sounds';

beforeAll(async () => {
  served = await serve();
  await put({
    resourceType: 'CodeSystem',
    id: 'animals',
    url: SYSTEM,
    version: '2',
    name: 'Animals',
    status: 'active',
    content: 'complete',
    concept: [
      {
        code: 'mammal',
        display: 'Mammal',
        concept: [
          {
            code: 'dog',
            display: 'Dog',
            designation: [{ language: 'de', value: 'Hund' }],
            concept: [
              { code: 'terrier', display: 'Border terrier' },
              { code: 'beagle', display: 'Beagle' },
            ],
          },
          { code: 'cat', display: 'Cat', property: [{ code: 'legs', valueInteger: 4 }] },
        ],
      },
      { code: 'bird', display: 'Bird' },
    ],
  });
  await put({
    resourceType: 'ValueSet',
    id: 'dogs',
    url: SET,
    name: 'Dogs',
    status: 'active',
    compose: { include: [{ system: SYSTEM, filter: [{ property: 'concept', op: 'is-a', value: 'dog' }] }] },
  });
  await put({
    resourceType: 'ConceptMap',
    id: 'sounds',
    url: MAP,
    status: 'active',
    group: [
      {
        source: SYSTEM,
        target: 'https://example.org/sounds',
        element: [
          { code: 'dog', target: [{ code: 'woof', display: 'Woof', equivalence: 'relatedto' }] },
          { code: 'cat', target: [{ code: 'none', equivalence: 'unmatched' }] },
        ],
      },
    ],
  });
});
afterAll(() => served.close());

const http = () => served.http();
const put = (resource: Record<string, unknown>) =>
  http().put(`${BASE}/${resource.resourceType}/${resource.id}`).send(resource).expect(201);
interface Parameter {
  name: string;
  valueBoolean?: boolean;
  valueString?: string;
  valueCode?: string;
  part?: Parameter[];
  valueCoding?: unknown;
}
const parameter = (body: { parameter: Parameter[] }, name: string) =>
  body.parameter.find((p) => p.name === name);
const get = async (path: string, status = 200) => (await http().get(`${BASE}/${path}`).expect(status)).body;
const post = async (path: string, ...list: unknown[]) =>
  (await http().post(`${BASE}/${path}`).send({ resourceType: 'Parameters', parameter: list }).expect(200))
    .body;

describe('CodeSystem/$lookup', () => {
  it('tells name, display, designations, properties and parents', async () => {
    const dog = await get(`CodeSystem/$lookup?system=${SYSTEM}&code=dog`);
    expect(parameter(dog, 'name')?.valueString).toBe('Animals');
    expect(parameter(dog, 'display')?.valueString).toBe('Dog');
    expect(parameter(dog, 'designation')?.part?.find((p) => p.name === 'value')?.valueString).toBe('Hund');
    expect(parameter(dog, 'property')?.part).toEqual([
      { name: 'code', valueCode: 'parent' },
      { name: 'value', valueCode: 'mammal' },
    ]);
  });

  it('takes a coding, and says when system or code are unknown', async () => {
    const cat = await post('CodeSystem/$lookup', {
      name: 'coding',
      valueCoding: { system: SYSTEM, code: 'cat' },
    });
    expect(parameter(cat, 'display')?.valueString).toBe('Cat');
    await get(`CodeSystem/$lookup?system=${SYSTEM}&code=unicorn`, 404);
    await get('CodeSystem/$lookup?system=https://example.org/none&code=a', 404);
    await get('CodeSystem/$lookup', 400);
  });
});

describe('$validate-code', () => {
  it.each([
    [`CodeSystem/$validate-code?url=${SYSTEM}&code=dog`, true],
    [`CodeSystem/$validate-code?url=${SYSTEM}&code=unicorn`, false],
    [`CodeSystem/animals/$validate-code?code=bird`, true],
    [`CodeSystem/$validate-code?url=${SYSTEM}&code=dog&display=Cat`, false],
    [`CodeSystem/$validate-code?url=${SYSTEM}&code=dog&display=hund`, true],
    [`ValueSet/$validate-code?url=${SET}&system=${SYSTEM}&code=beagle`, true],
    [`ValueSet/$validate-code?url=${SET}&system=${SYSTEM}&code=cat`, false],
    [`ValueSet/dogs/$validate-code?system=${SYSTEM}&code=dog`, true],
    ['ValueSet/$validate-code?url=http://hl7.org/fhir/ValueSet/administrative-gender&code=female', true],
    ['ValueSet/$validate-code?url=http://hl7.org/fhir/ValueSet/administrative-gender&code=girl', false],
  ])('%s is %s', async (path, result) => {
    expect(parameter(await get(path), 'result')?.valueBoolean).toBe(result);
  });

  it('takes any coding of a CodeableConcept', async () => {
    const valueCodeableConcept = {
      coding: [
        { system: 'x', code: 'y' },
        { system: SYSTEM, code: 'dog' },
      ],
    };
    const body = await post(
      'ValueSet/$validate-code',
      { name: 'url', valueUri: SET },
      { name: 'codeableConcept', valueCodeableConcept },
    );
    expect(parameter(body, 'result')?.valueBoolean).toBe(true);
  });
});

describe('ValueSet/$expand', () => {
  const codes = (body: { expansion: { contains?: { code: string }[] } }) =>
    (body.expansion.contains ?? []).map((c) => c.code);

  it('lists the codes with their displays', async () => {
    const body = await get(`ValueSet/$expand?url=${SET}`);
    expect(codes(body).sort()).toEqual(['beagle', 'dog', 'terrier']);
    expect(body.expansion).toMatchObject({ total: 3, offset: 0 });
    expect(body.expansion.contains.find((c: { code: string }) => c.code === 'beagle').display).toBe('Beagle');
    expect(codes(await get('ValueSet/dogs/$expand')).sort()).toEqual(['beagle', 'dog', 'terrier']);
  });

  it('filters by the beginnings of words, and pages', async () => {
    expect(codes(await get(`ValueSet/$expand?url=${SET}&filter=terr`))).toEqual(['terrier']);
    const pages = await Promise.all(
      [0, 1, 2].map(async (offset) =>
        codes(await get(`ValueSet/$expand?url=${SET}&offset=${offset}&count=1`)),
      ),
    );
    expect(pages.flat().sort()).toEqual(['beagle', 'dog', 'terrier']);
  });

  it('expands a value set that comes with the request', async () => {
    const resource = {
      resourceType: 'ValueSet',
      status: 'draft',
      compose: { include: [{ system: 's', concept: [{ code: 'a', display: 'Ay' }] }] },
    };
    const body = await post('ValueSet/$expand', { name: 'valueSet', resource });
    expect(body.expansion.contains).toEqual([{ system: 's', code: 'a', display: 'Ay' }]);
  });

  it('refuses a value set that is not known', async () => {
    await get('ValueSet/$expand?url=https://example.org/none', 404);
    await get('ValueSet/$expand', 400);
  });
});

describe('CodeSystem/$subsumes', () => {
  it.each([
    ['mammal', 'beagle', 'subsumes'],
    ['beagle', 'mammal', 'subsumed-by'],
    ['dog', 'dog', 'equivalent'],
    ['dog', 'cat', 'not-subsumed'],
  ])('%s and %s: %s', async (a, b, outcome) => {
    expect(
      parameter(await get(`CodeSystem/$subsumes?system=${SYSTEM}&codeA=${a}&codeB=${b}`), 'outcome')
        ?.valueCode,
    ).toBe(outcome);
  });

  it('of a code that is none is an error', async () => {
    await get(`CodeSystem/$subsumes?system=${SYSTEM}&codeA=unicorn&codeB=dog`, 404);
  });
});

describe('ConceptMap/$translate', () => {
  it('gives the matches with their equivalence', async () => {
    const body = await get(`ConceptMap/$translate?url=${MAP}&system=${SYSTEM}&code=dog`);
    expect(parameter(body, 'result')?.valueBoolean).toBe(true);
    expect(parameter(body, 'match')?.part).toEqual(
      expect.arrayContaining([
        { name: 'equivalence', valueCode: 'relatedto' },
        {
          name: 'concept',
          valueCoding: { system: 'https://example.org/sounds', code: 'woof', display: 'Woof' },
        },
      ]),
    );
  });

  it.each([
    ['an unmatched code', `ConceptMap/sounds/$translate?system=${SYSTEM}&code=cat`, false],
    ['an unknown code', `ConceptMap/sounds/$translate?system=${SYSTEM}&code=bird`, false],
    [
      'the way back',
      `ConceptMap/sounds/$translate?system=https://example.org/sounds&code=woof&reverse=true`,
      true,
    ],
    ['another target', `ConceptMap/sounds/$translate?system=${SYSTEM}&code=dog&targetsystem=x`, false],
  ])('%s', async (_what, path, result) => {
    expect(parameter(await get(path), 'result')?.valueBoolean).toBe(result);
  });
});
