import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeConceptNames, encodeLexicon } from '../../nlp/2-mention/lexicon-file.js';
import { codeSystemOfR4 } from '../../src/fhir/code-systems.js';
import { conceptsOf } from '../../src/fhir/concepts.js';
import { requiredCodes } from '../../src/fhir/required-codes.js';
import { readTable } from '../../src/fhir/tables.js';
import { BASE, type Served, serve } from './served.js';

/** Terminology operations over the code systems that are here without anyone having stored them. */
let served: Served;
beforeAll(async () => {
  served = await serve();
});
afterAll(() => served.close());

interface Parameter {
  name: string;
  valueBoolean?: boolean;
  valueString?: string;
  valueCode?: string;
}
const GENDER = 'http://hl7.org/fhir/administrative-gender';
const V3_ROLE = 'http://terminology.hl7.org/CodeSystem/v3-RoleCode';
const SNOMED = 'http://snomed.info/sct';
const RXNORM = 'http://www.nlm.nih.gov/research/umls/rxnorm';
const ICD = 'http://hl7.org/fhir/sid/icd-10-cm';
const CVX = 'http://hl7.org/fhir/sid/cvx';
const get = async (path: string, status = 200) =>
  (await served.http().get(`${BASE}/${path}`).expect(status)).body;
const values = (body: { parameter: Parameter[] }) =>
  Object.fromEntries(
    body.parameter.map((p) => [p.name, p.valueString ?? p.valueBoolean ?? p.valueCode] as const),
  );

describe('CodeSystem/$lookup without a stored CodeSystem', () => {
  it.each([
    [GENDER, 'female', 'AdministrativeGender', 'Female'],
    ['http://hl7.org/fhir/observation-status', 'amended', 'ObservationStatus', 'Amended'],
    ['http://terminology.hl7.org/CodeSystem/v2-0203', 'MR', 'v2.0203', 'Medical record number'],
    [V3_ROLE, 'MTH', 'v3.RoleCode', 'mother'],
    [RXNORM, '6809', 'RxNorm', 'metformin'],
    [SNOMED, '38341003', 'SNOMED CT', 'Hypertensive disorder, systemic arterial'],
    [ICD, 'E11.9', 'ICD-10-CM', 'Type 2 diabetes mellitus without complications'],
  ])('knows %s %s', async (system, code, name, display) => {
    const found = values(await get(`CodeSystem/$lookup?system=${system}&code=${code}`));
    expect(found).toMatchObject({ name, display });
  });

  it('tells the version of R4\u2019s systems, and knows no other version of them', async () => {
    const found = values(await get(`CodeSystem/$lookup?system=${GENDER}&code=male&version=4.0.1`));
    expect(found.version).toBe('4.0.1');
    await get(`CodeSystem/$lookup?system=${GENDER}&code=male&version=9`, 404);
  });

  it('says of a code of a system that is here in part how to get the rest', async () => {
    const outcome = await get(`CodeSystem/$lookup?system=${SNOMED}&code=99999999`, 404);
    expect(JSON.stringify(outcome)).toContain('cenote terminology load');
    const complete = await get(`CodeSystem/$lookup?system=${GENDER}&code=girl`, 404);
    expect(JSON.stringify(complete)).not.toContain('terminology load');
  });
});

describe('$validate-code without a stored CodeSystem', () => {
  it.each([
    [`CodeSystem/$validate-code?url=${GENDER}&code=female`, true],
    [`CodeSystem/$validate-code?url=${GENDER}&code=girl`, false],
    [`CodeSystem/$validate-code?url=${GENDER}&code=female&display=Male`, false],
    [`CodeSystem/$validate-code?url=${CVX}&code=207`, true],
    [`CodeSystem/$validate-code?url=${SNOMED}&code=99999999`, false],
    // One of several names is here: another is not thereby wrong.
    [`CodeSystem/$validate-code?url=${SNOMED}&code=38341003&display=High blood pressure`, true],
    [
      'ValueSet/$validate-code?url=http://hl7.org/fhir/ValueSet/administrative-gender&code=female&display=Male',
      false,
    ],
  ])('%s is %s', async (path, result) => {
    expect(values(await get(path)).result).toBe(result);
  });

  it('says that only a part of the system is here', async () => {
    const { message } = values(await get(`CodeSystem/$validate-code?url=${RXNORM}&code=0000`));
    expect(message).toContain('part of the code system');
    expect(message).toContain('cenote terminology load');
  });
});

describe('CodeSystem/$subsumes without a stored CodeSystem', () => {
  it.each([
    [V3_ROLE, 'PRN', 'MTH', 'subsumes'],
    [V3_ROLE, 'MTH', 'PRN', 'subsumed-by'],
    [GENDER, 'male', 'female', 'not-subsumed'],
    [SNOMED, '38341003', '38341003', 'equivalent'],
  ])('%s %s and %s: %s', async (system, a, b, outcome) => {
    const found = values(await get(`CodeSystem/$subsumes?system=${system}&codeA=${a}&codeB=${b}`));
    expect(found.outcome).toBe(outcome);
  });

  it('does not guess where no hierarchy is here', async () => {
    const outcome = await get(`CodeSystem/$subsumes?system=${RXNORM}&codeA=6809&codeB=1191`, 400);
    expect(JSON.stringify(outcome)).toContain('hierarchy');
  });
});

describe('what the tenant stored', () => {
  it('comes before what is shipped, unless it lists no codes at all', async () => {
    const put = (id: string, rest: object) =>
      served
        .http()
        .put(`${BASE}/CodeSystem/${id}`)
        .send({ resourceType: 'CodeSystem', id, status: 'active', ...rest })
        .expect(201);
    await put('cvx', { url: CVX, name: 'Ours', content: 'complete', concept: [{ code: 'x', display: 'X' }] });
    await put('icd', { url: ICD, name: 'Announced', content: 'not-present' });
    expect(values(await get(`CodeSystem/$lookup?system=${CVX}&code=x`)).name).toBe('Ours');
    await get(`CodeSystem/$lookup?system=${CVX}&code=207`, 404);
    expect(values(await get(`CodeSystem/$lookup?system=${ICD}&code=I10`)).name).toBe('ICD-10-CM');
  });
});

describe('ValueSet/$expand', () => {
  it('has an identifier of its own, and the displays of R4\u2019s code systems', async () => {
    const path = 'ValueSet/$expand?url=http://hl7.org/fhir/ValueSet/administrative-gender';
    const { expansion } = await get(path);
    expect(expansion.identifier).toMatch(/^urn:uuid:[0-9a-f-]{36}$/);
    expect(expansion.contains).toContainEqual({ system: GENDER, code: 'female', display: 'Female' });
    expect((await get(path)).expansion.identifier).not.toBe(expansion.identifier);
    expect((await get(`${path}&filter=fem`)).expansion.total).toBe(1);
  });

  it('gives designations where they are asked for, and displays in the language asked for', async () => {
    const designation = [{ language: 'de-CH', value: 'Hund' }];
    const resource = {
      resourceType: 'ValueSet',
      status: 'draft',
      compose: {
        include: [
          {
            system: 's',
            concept: [
              { code: 'd', display: 'Dog', designation },
              { code: 'c', display: 'Cat' },
            ],
          },
        ],
      },
    };
    const expanded = async (...more: object[]) => {
      const parameter = [{ name: 'valueSet', resource }, ...more];
      const { body } = await served
        .http()
        .post(`${BASE}/ValueSet/$expand`)
        .send({ resourceType: 'Parameters', parameter })
        .expect(200);
      return body.expansion.contains;
    };
    const dog = { system: 's', code: 'd', display: 'Dog' };
    const cat = { system: 's', code: 'c', display: 'Cat' };
    expect(await expanded()).toEqual([dog, cat]);
    expect(await expanded({ name: 'includeDesignations', valueBoolean: true })).toEqual([
      { ...dog, designation },
      cat,
    ]);
    expect(await expanded({ name: 'displayLanguage', valueCode: 'de' })).toEqual([
      { ...dog, display: 'Hund' },
      cat,
    ]);
  });
});

it('has every code of R4\u2019s required bindings in the table of its code systems', () => {
  const table = readTable<Record<string, Record<string, string[] | 0>>>('codes.json');
  const missing: string[] = [];
  const elsewhere = new Set<string>();
  for (const set of Object.keys(table)) {
    for (const [system, codes] of requiredCodes(set) ?? []) {
      const codeSystem = codeSystemOfR4(system);
      if (!codeSystem) {
        elsewhere.add(system);
        continue;
      }
      const here = new Set([...conceptsOf(codeSystem)].map(({ code }) => code));
      for (const code of codes ?? []) if (!here.has(code)) missing.push(`${system}|${code}`);
    }
  }
  expect(missing).toEqual([]);
  expect([...elsewhere].sort()).toEqual([
    'http://unitsofmeasure.org',
    'urn:ietf:bcp:13',
    'urn:iso:std:iso:4217',
  ]);
});

it('reads names of codes alone from a lexicon\u2019s file', () => {
  const concept = (system: number, code: string, display: string) => ({
    system,
    code,
    kind: '',
    display,
    parts: [],
  });
  const file = encodeLexicon({
    concepts: [concept(0, '1', 'first'), concept(1, '1', 'ähnlich'), concept(1, '2', 'last')],
    entries: [{ words: ['a', 'b'], type: 'diagnosis', flags: 0, concepts: [1] }],
    ordinaryWords: ['the'],
  });
  const names = decodeConceptNames(gunzipSync(file));
  expect([names.displayOf(0, '1'), names.displayOf(1, '1'), names.displayOf(1, '2')]).toEqual([
    'first',
    'ähnlich',
    'last',
  ]);
  expect([
    names.displayOf(0, '2'),
    names.displayOf(1, ''),
    names.displayOf(1, '1\t'),
    names.displayOf(9, '1'),
  ]).toEqual([undefined, undefined, undefined, undefined]);
  expect(() => decodeConceptNames(Buffer.from('other\n'))).toThrow('not a lexicon');
});
