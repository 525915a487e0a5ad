import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isFault } from '../../src/core/fault.js';
import type { Resource } from '../../src/core/resource.js';
import { type Served, serve } from '../http/served.js';

/**
 * Values that break servers, in every modifier, prefix and separator: each is answered, or refused with the parameter's
 * name. None is passed over in silence: what cannot be meant finds nothing or is refused, and never finds everything.
 */

let served: Served;

/** One resource of each type, with a value for each parameter asked. */
const RESOURCES: Resource[] = [
  {
    resourceType: 'Patient',
    id: 'p',
    meta: {
      tag: [{ system: 'urn:t', code: 'tag' }],
      security: [{ code: 'R' }],
      profile: ['http://example.org/p'],
      source: 'http://example.org/s',
    },
    text: { status: 'generated', div: '<div xmlns="http://www.w3.org/1999/xhtml">narrative</div>' },
    name: [{ family: 'Alder', given: ['Robin'] }],
    gender: 'female',
    birthDate: '1970-02-03',
    identifier: [
      { type: { coding: [{ system: 'urn:type', code: 'MR' }] }, system: 'urn:mrn', value: 'MRN-7' },
    ],
    generalPractitioner: [{ reference: 'Practitioner/d' }],
    telecom: [{ system: 'phone', value: '555-0100' }],
  },
  { resourceType: 'Practitioner', id: 'd', name: [{ family: 'Doctor' }] },
  {
    resourceType: 'Observation',
    id: 'o',
    status: 'final',
    code: { coding: [{ system: 'http://loinc.org', code: '2339-0', display: 'Glucose' }] },
    subject: { reference: 'Patient/p' },
    effectiveDateTime: '2020-02-03T10:00:00Z',
    valueQuantity: { value: 7, unit: 'mg', system: 'http://unitsofmeasure.org', code: 'mg' },
  },
  {
    resourceType: 'RiskAssessment',
    id: 'r',
    status: 'final',
    subject: { reference: 'Patient/p' },
    prediction: [{ probabilityDecimal: 0.2 }],
  },
  { resourceType: 'ValueSet', id: 'v', status: 'active', url: 'http://example.org/v' },
  { resourceType: 'Location', id: 'l', name: 'Here', position: { latitude: 42, longitude: -71 } },
];

/** Type, parameter, and modifiers that R4 gives its type. */
const PARAMETERS: readonly [type: string, code: string, modifiers: string][] = [
  ['Patient', 'family', 'exact contains missing'],
  ['Patient', 'gender', 'text code-text not in not-in above below missing'],
  ['Patient', 'identifier', 'of-type not text code-text missing'],
  ['Patient', 'phone', 'not text code-text missing'],
  ['Patient', 'birthdate', 'missing'],
  ['Patient', 'general-practitioner', 'Practitioner identifier text code-text missing'],
  ['Patient', 'general-practitioner.family', 'exact contains missing'],
  ['Patient', '_has:Observation:patient:code', 'not text code-text in not-in above below missing'],
  ['Observation', 'code', 'text not in not-in above below code-text missing'],
  ['Observation', 'subject', 'Patient identifier text code-text missing'],
  ['Observation', 'subject:Patient.birthdate', 'missing'],
  ['Observation', 'date', 'missing'],
  ['Observation', 'value-quantity', 'missing'],
  ['Observation', 'code-value-quantity', 'missing'],
  ['RiskAssessment', 'probability', 'missing'],
  ['ValueSet', 'url', 'above below missing'],
  ['Location', 'near', ''],
  ['Patient', '_id', 'not missing'],
  ['Patient', '_lastUpdated', 'missing'],
  ['Patient', '_tag', 'not text code-text in not-in above below missing'],
  ['Patient', '_security', 'not text code-text in not-in above below missing'],
  ['Patient', '_profile', 'above below missing'],
  ['Patient', '_source', 'above below missing'],
  ['Patient', '_text', ''],
  ['Patient', '_content', ''],
  ['Patient', '_filter', ''],
  ['Patient', '_list', ''],
];
const EVERY_MODIFIER = [
  'exact',
  'contains',
  'missing',
  'text',
  'code-text',
  'not',
  'in',
  'not-in',
  'above',
  'below',
  'of-type',
  'identifier',
  'Patient',
  'Practitioner',
  'iterate',
  'nonsense',
  '',
  'exact:contains',
  'not\u0000',
  '%',
];

/** Nothing in the resources is meant by any of these. */
const VALUES: readonly string[] = [
  ',',
  ',,,',
  '|',
  '||',
  '|||',
  '||||',
  '$',
  '$$',
  '\\',
  '\\\\',
  '\\,',
  '\\|',
  '\\$',
  'zz\\',
  '\\,\\,',
  'zz|',
  '|zz',
  'zz|zz|zz',
  'zz$zz',
  'zz$zz$zz',
  'Ωμέγα',
  '😀',
  'ź\u0301\u0327',
  '\u202ezz',
  '\ufeffzz',
  'zz\u0000zz',
  '\u0000',
  '\ud800',
  'zz\tzz',
  'zz\r\nzz: zz',
  'z'.repeat(10_000),
  'z'.repeat(70_000),
  'zz,'.repeat(999),
  'zz,'.repeat(1_100),
  '|'.repeat(5_000),
  '('.repeat(5_000),
  '-1e308',
  '1e309',
  '9'.repeat(400),
  `0.${'0'.repeat(400)}1`,
  '1e-400',
  '--1',
  '+-1',
  '1,5e',
  'NaN',
  'Infinity',
  '0x10',
  '1_000',
  '１',
  '9999-99-99',
  '2020-02-30',
  '2020-13',
  '0000',
  '10000',
  '-0001',
  '2020-01-01T25:00:00Z',
  '2020-01-01T10:00',
  '2020-1-1',
  'now',
  '2020-02-03T10:00:60.9999999999Z',
  'eq',
  'gt',
  'gtgt1',
  'ge ',
  'sa2020-99',
  'ap',
  'apzz',
  'ne',
  'xx1',
  'lt-',
  'Practitioner/zz',
  'Group/1',
  'Nonsense/1',
  'Patient/',
  '/zz',
  'Patient/zz/_history/',
  'http://',
  'http://[',
  'urn:',
  '#',
  '../..',
  'Patient/p/x/y',
  '12.35|-71|',
  '91|0|1|km',
  '0|181',
  '1|1|-5|km',
  '1|1|1|parsec',
  'a eq',
  'name eq "',
  'not (',
  '() and ()',
  'family eq zz or',
  "'; drop table resource; --",
  '$1',
  '{}',
  '%',
  '_',
  'null',
  'true,false',
  'maybe',
  'TRUE',
  '1',
];

/** Where finding something is what the words mean. */
const MAY_FIND = /:(not|not-in|missing)$|^_filter/;
/** What is less or more than something that is there, or 0 give or take a half. */
const COMPARES = /^(gt|ge|lt|le|ne|ap|sa|eb)|^0000$/;

beforeAll(async () => {
  served = await serve();
  await served.rooms.store.commit(
    served.tenant,
    RESOURCES.map((resource) => ({ op: 'create', type: resource.resourceType, id: resource.id!, resource })),
    { id: 'test', kind: 'job' },
  );
});

afterAll(() => served.close());

interface Answer {
  readonly found: number;
  readonly refused?: {
    readonly category: string;
    readonly at: string | undefined;
    readonly remedy: string | undefined;
  };
}

async function ask(type: string, params: readonly (readonly [string, string])[]): Promise<Answer> {
  try {
    const page = await served.rooms.search.search(served.tenant, {
      type,
      params,
      strict: false,
      base: served.base,
    });
    expect(page.warnings.every((w) => (w.at ?? '') !== '')).toBe(true);
    return { found: page.warnings.length > 0 ? 0 : page.entries.length };
  } catch (error) {
    if (!isFault(error)) throw error;
    return { found: 0, refused: { category: error.category, at: error.at, remedy: error.remedy } };
  }
}

/** Some at a time: each is a round trip. */
async function each<T>(list: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const left = [...list];
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      for (let item = left.pop(); item !== undefined; item = left.pop()) await work(item);
    }),
  );
}

const REFUSALS = ['invalid', 'unsupported', 'too-large'];

describe.each(PARAMETERS)('%s?%s', (type, code, modifiers) => {
  const own = modifiers.split(' ').filter((m) => m !== '');
  const wrong = EVERY_MODIFIER.filter((m) => !own.includes(m));

  test('any value is found to be nothing there is, or refused by name', async () => {
    const names = [code, ...own.map((m) => `${code}:${m}`)];
    // With a modifier one value in three, another third for each.
    const cases = names.flatMap((name, n) =>
      VALUES.filter((value, i) => n === 0 || i % 3 === n % 3 || /^,+$/.test(value)).map(
        (value) => [name, value] as const,
      ),
    );
    const bad: string[] = [];
    await each(cases, async ([name, value]) => {
      const { found, refused } = await ask(type, [[name, value]]);
      const shown = `${name}=${JSON.stringify(value.slice(0, 40))}`;
      if (refused) {
        if (!REFUSALS.includes(refused.category)) bad.push(`${shown}: ${refused.category}`);
        else if (!refused.remedy || (refused.at === undefined && !/[\ud800-\udfff]/.test(value)))
          bad.push(`${shown}: refused without name or remedy`);
      } else if (found > 0 && !MAY_FIND.test(name) && !COMPARES.test(value))
        bad.push(`${shown}: finds ${found}`);
      else if (/^,+$/.test(value)) bad.push(`${shown}: passed over`);
    });
    expect(bad).toEqual([]);
  });

  test('a modifier it does not have is refused by name', async () => {
    const bad: string[] = [];
    await each(wrong, async (modifier) => {
      const { refused } = await ask(type, [
        [`${code}:${modifier}`, code.startsWith('_filter') ? 'family eq zz' : '1'],
      ]);
      if (refused && REFUSALS.includes(refused.category) && refused.at && refused.remedy) return;
      bad.push(`:${modifier} ${JSON.stringify(refused ?? 'answered')}`);
    });
    expect(bad).toEqual([]);
  });
});

const CONTROLS = [
  '_sort',
  '_count',
  '_summary',
  '_total',
  '_elements',
  '_include',
  '_revinclude',
  '_include:iterate',
  '_contained',
  '_containedType',
  '_cursor',
];

test.each(CONTROLS)('%s with any value is heeded or refused by name', async (name) => {
  const bad: string[] = [];
  await each(VALUES, async (value) => {
    const { refused } = await ask('Patient', [[name, value]]);
    const shown = `${name}=${JSON.stringify(value.slice(0, 40))}`;
    if (refused) {
      if (
        !REFUSALS.includes(refused.category) ||
        !refused.remedy ||
        (!refused.at && !/[\ud800-\udfff]/.test(value))
      )
        bad.push(`${shown}: ${JSON.stringify(refused)}`);
    } else if (/^,+$/.test(value)) bad.push(`${shown}: passed over`);
  });
  expect(bad).toEqual([]);
});

test('a parameter a thousand times over is refused by name', async () => {
  const { refused } = await ask(
    'Patient',
    Array.from({ length: 1_000 }, (_, i) => ['family', `zz${i}`] as const),
  );
  expect(refused).toMatchObject({ category: 'invalid', at: 'family' });
});

/** As they are written into an address. */
const ADDRESSES: readonly (readonly [name: string, query: string, status: number])[] = [
  ['half an escape', 'family=%', 400],
  ['no escape', 'family=%zz', 400],
  ['bytes that are no UTF-8', 'family=%ff%fe', 400],
  ['a zero byte', 'family=%00', 200],
  ['half a surrogate', 'family=%ed%a0%80', 400],
  ['an overlong slash', 'family=%c0%af', 400],
  ['no value', 'family', 200],
  ['an empty value', 'family=', 200],
  ['only commas', 'family=,,', 400],
  ['two equals signs', 'family==zz', 200],
  ['an unknown parameter', 'nonsense=1', 200],
  ['a name with nothing in it', '=1', 200],
  ['a chain that ends in a dot', 'general-practitioner.=1', 200],
  ['a number where an id is', '_id=-1', 200],
  ['brackets as forms have them', 'family[]=zz', 200],
  ['a very long value', `family=${'z'.repeat(12_000)}`, 200],
];

test.each(ADDRESSES)('over HTTP: %s', async (_name, query, status) => {
  const response = await served.http().get(`/fhir/lake/Patient?${query}`);
  expect(response.status, JSON.stringify(response.body)).toBe(status);
  if (status >= 400) {
    expect(response.body.resourceType).toBe('OperationOutcome');
    expect(response.body.issue[0].diagnostics).toBeTruthy();
    return;
  }
  // What was passed over is said.
  const said = (response.body.entry ?? []).filter(
    (e: { search?: { mode?: string } }) => e.search?.mode === 'outcome',
  );
  if (/nonsense|^=1|\[\]|\.=/.test(query)) expect(said).toHaveLength(1);
});
