import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Resource } from '../../src/core/resource.js';
import { MAX_CHAIN_STEPS } from '../../src/search/request.js';
import type { Search } from '../../src/search/search.js';
import type { Tenant } from '../../src/tenancy/tenant.js';
import { type TestSystem, testSystem } from '../support/system.js';

let system: TestSystem;
let tenant: Tenant;
let search: Search;
let base: string;

/** Organizations in one another: `org0` is the outermost, `org39` the innermost. */
const DEPTH = 40;
const RESOURCES: Resource[] = [
  ...Array.from(
    { length: DEPTH },
    (_, n): Resource => ({
      resourceType: 'Organization',
      id: `org${n}`,
      name: `Department ${n}`,
      ...(n === 0 ? {} : { partOf: { reference: `Organization/org${n - 1}` } }),
    }),
  ),
  // Two that are part of one another, and of themselves.
  { resourceType: 'Procedure', id: 'a', status: 'completed', partOf: [{ reference: 'Procedure/b' }] },
  {
    resourceType: 'Procedure',
    id: 'b',
    status: 'completed',
    code: { text: 'Arthroscopy of the left knee' },
    partOf: [{ reference: 'Procedure/a' }, { reference: 'Procedure/b' }, { reference: 'Observation/o' }],
  },
  {
    resourceType: 'Observation',
    id: 'o',
    status: 'final',
    code: { text: 'finding' },
    partOf: [{ reference: 'Procedure/a' }],
  },
  {
    resourceType: 'Questionnaire',
    id: 'q1',
    url: 'http://e.org/q',
    version: '1',
    title: 'Mood',
    status: 'active',
  },
  {
    resourceType: 'Questionnaire',
    id: 'q2',
    url: 'http://e.org/q',
    version: '2',
    title: 'Mood',
    status: 'draft',
  },
  {
    resourceType: 'QuestionnaireResponse',
    id: 'versioned',
    status: 'completed',
    questionnaire: 'http://e.org/q|1',
    subject: { reference: 'Patient/p' },
  },
  {
    resourceType: 'QuestionnaireResponse',
    id: 'bare',
    status: 'amended',
    questionnaire: 'http://e.org/q#part',
  },
  {
    resourceType: 'QuestionnaireResponse',
    id: 'none',
    status: 'completed',
    questionnaire: 'http://e.org/other',
  },
  {
    resourceType: 'Patient',
    id: 'p',
    name: [{ family: 'Chavez' }],
    managingOrganization: { reference: 'Organization/org39' },
  },
  {
    resourceType: 'Library',
    id: 'l',
    url: 'http://e.org/lib',
    title: 'Logic',
    status: 'active',
    type: { text: 'x' },
  },
  {
    resourceType: 'PlanDefinition',
    id: 'plan',
    status: 'active',
    url: 'http://e.org/plan',
    library: ['http://e.org/lib'],
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

async function found(path: string, more: [string, string][] = []): Promise<string[]> {
  const [type, query = ''] = path.split(/\?(.*)/s);
  const page = await search.search(tenant, {
    type: type!,
    params: [...new URLSearchParams(query), ...more, ['_count', '100']],
    strict: true,
    base,
  });
  return page.entries
    .filter((e) => e.mode === 'match')
    .map((e) => e.resource.id!)
    .sort();
}

const up = (steps: number) => 'partof.'.repeat(steps);
const down = (steps: number) => '_has:Organization:partof:'.repeat(steps);

describe('a chain is as deep as it is written', () => {
  test.each([1, 3, 4, 5, 6, 15, 17, 30, 39])('%i steps up', async (n) => {
    expect(await found(`Organization?${up(n)}_id=org${39 - n}`)).toEqual(['org39']);
    // Longer than the beginnings that are indexed, so that what is found is opened and rechecked.
    expect(await found(`Organization?${up(n)}name=Department 0`)).toEqual([`org${n}`]);
  });

  test.each([1, 4, 5, 17, 39])('%i steps down', async (n) => {
    expect(await found(`Organization?${down(n)}_id=org${n}`)).toEqual(['org0']);
  });

  test('up and down again, and with other parameters beside it', async () => {
    expect(await found(`Organization?${up(7)}${down(9)}name=Department 20`)).toEqual(['org18']);
    expect(await found(`Patient?organization.${up(20)}_id=org19&family=chavez`)).toEqual(['p']);
    expect(await found(`Patient?organization.${up(20)}_id=org19&family=other`)).toEqual([]);
    expect(await found(`Organization?_has:Patient:organization:organization.${up(20)}_id=org19`)).toEqual([
      'org39',
    ]);
  });

  test('in a filter, and what does not match it', async () => {
    const filter = (text: string) => found('Organization', [['_filter', text]]);
    expect(await filter(`${up(35)}_id eq org0`)).toEqual(['org35']);
    expect((await filter(`not (${up(35)}_id eq org0)`)).length).toBe(DEPTH - 1);
    expect((await filter(`${up(35)}_id eq org0 or ${up(36)}_id eq org0`)).length).toBe(2);
  });

  test.each([50, 900])('%i steps are followed, in circles too', async (n) => {
    expect(await found(`Organization?${up(n)}name=x`)).toEqual([]);
    expect(await found(`Organization?${down(n)}name=x`)).toEqual([]);
    const circle = 'part-of:Procedure.'.repeat(n);
    expect(await found(`Procedure?${circle}_id=b`)).toEqual(['a', 'b']);
    // Opened and rechecked at each step.
    if (n < 100) expect(await found(`Procedure?${circle}code:text=arthroscopy of the`)).toEqual(['a', 'b']);
  });

  test('branches to several target types at each step do not double the work', async () => {
    // Procedures are part of procedures, observations and administrations of medication; so are observations.
    expect(await found(`Procedure?${'part-of.'.repeat(60)}status=completed`)).toEqual(['a', 'b']);
    expect(await found(`Procedure?${'part-of.'.repeat(30)}code:text=arthroscopy of the`)).toEqual(['a', 'b']);
  });

  test('counted, sorted and paged like any other search', async () => {
    const params: [string, string][] = [[`${up(6)}_id:missing`, 'false']];
    const ask = (more: [string, string][]) =>
      search.search(tenant, { type: 'Organization', params: [...params, ...more], strict: true, base });
    expect((await ask([['_summary', 'count']])).total).toBe(DEPTH - 6);
    const first = await ask([
      ['_sort', '-_lastUpdated'],
      ['_count', '30'],
    ]);
    expect(first.entries.length).toBe(30);
    expect(first.next).toBeDefined();
    expect((await ask([['_total', 'estimate']])).total).toBeGreaterThanOrEqual(0);
  });

  test('beyond what any request may ask for it is refused, however long it is', async () => {
    const refused = { name: 'Fault', category: expect.stringMatching(/^(too-large|invalid)$/) };
    for (const n of [MAX_CHAIN_STEPS + 1, 5_000, 100_000]) {
      await expect(found(`Organization?${up(n)}name=x`)).rejects.toMatchObject(refused);
      await expect(found(`Organization?${down(n)}name=x`)).rejects.toMatchObject(refused);
      await expect(found('Organization', [['_filter', `${up(n)}name eq x`]])).rejects.toMatchObject(refused);
    }
  });
});

// Canonical elements name resources by url, with or without version.
const CANONICAL: [string, string[]][] = [
  ['QuestionnaireResponse?questionnaire.title=mood', ['bare', 'versioned']],
  ['QuestionnaireResponse?questionnaire.status=active', ['bare', 'versioned']],
  ['QuestionnaireResponse?questionnaire.status=draft', ['bare']],
  ['QuestionnaireResponse?questionnaire:Questionnaire._id=q1', ['bare', 'versioned']],
  ['QuestionnaireResponse?questionnaire.title=longer than the beginnings', []],
  ['Questionnaire?_has:QuestionnaireResponse:questionnaire:status=completed', ['q1']],
  ['Questionnaire?_has:QuestionnaireResponse:questionnaire:status=amended', ['q1', 'q2']],
  ['Questionnaire?_has:QuestionnaireResponse:questionnaire:subject:Patient.family=chavez', ['q1']],
  ['Questionnaire?_has:QuestionnaireResponse:questionnaire:patient.name:contains=have', ['q1']],
  ['Questionnaire?_has:QuestionnaireResponse:questionnaire:_has:Observation:derived-from:code=x', []],
  ['PlanDefinition?depends-on:Library.title=logic', ['plan']],
  ['Patient?_has:QuestionnaireResponse:subject:questionnaire.title:contains=ood', ['p']],
  [
    `QuestionnaireResponse?questionnaire._has:QuestionnaireResponse:questionnaire:subject:Patient.organization.${'partof.'.repeat(8)}_id=org31`,
    ['bare', 'versioned'],
  ],
];

describe('chains go through canonical elements', () => {
  test.each(CANONICAL)('%s', async (path, expected) => {
    expect(await found(path)).toEqual(expected);
  });

  test('and so does _revinclude', async () => {
    const page = await search.search(tenant, {
      type: 'Questionnaire',
      params: [
        ['_id', 'q2'],
        ['_revinclude', 'QuestionnaireResponse:questionnaire'],
      ],
      strict: true,
      base,
    });
    expect(page.entries.map((e) => e.resource.id)).toEqual(['q2', 'bare']);
  });
});
