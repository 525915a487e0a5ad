import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BASE, patient, type Served, serve } from './served.js';

/** Batch and transaction over HTTP (R4 http.html#transaction, bundle.html#references). */
let served: Served;
beforeAll(async () => {
  served = await serve();
});
afterAll(() => served.close());

const http = () => served.http();
interface Answer {
  resourceType: string;
  type: string;
  issue?: { expression?: string[]; code: string; diagnostics?: string }[];
  entry?: {
    fullUrl?: string;
    resource?: Record<string, unknown> & { id: string; total?: number; entry?: unknown[] };
    response: {
      status: string;
      location?: string;
      etag?: string;
      lastModified?: string;
      outcome?: { issue: { code: string }[] };
    };
  }[];
}
const bundle = (type: string, ...entry: object[]) => ({ resourceType: 'Bundle', type, entry });
const send = async (type: string, entries: object[], status = 200, prefer = ''): Promise<Answer> =>
  (
    await http()
      .post(BASE)
      .set('Prefer', prefer)
      .send(bundle(type, ...entries))
      .expect(status)
  ).body;
const statuses = ({ entry = [] }: Answer) => entry.map(({ response }) => response.status.slice(0, 3));
const mrn = (value: string, over: object = {}) =>
  patient({ identifier: [{ system: 'urn:mrn', value }], ...over });
const create = (resource: Record<string, unknown>, more: object = {}, request: object = {}) => ({
  ...more,
  resource,
  request: { method: 'POST', url: resource.resourceType, ...request },
});
const total = async (query: string) =>
  (await http().get(`${BASE}/${query}&_summary=count`).expect(200)).body.total;
const URN = 'urn:uuid:0b5c0b9e-4c3d-4ad6-9d65-6f0f5d0a9d01';
const condition = (reference: string, over: object = {}) => ({
  resourceType: 'Condition',
  code: { text: 'Gout' },
  subject: { reference },
  ...over,
});

describe.each(['batch', 'transaction'])('A %s', (type) => {
  it('without entries answers without entries', async () => {
    const body = (await http().post(BASE).send({ resourceType: 'Bundle', type }).expect(200)).body;
    expect(body).toEqual({ resourceType: 'Bundle', type: `${type}-response` });
    expect((await send(type, [])) as object).toEqual({ resourceType: 'Bundle', type: `${type}-response` });
  });

  it('answers each entry in its place, with location, ETag and time, and reads, searches and HEADs', async () => {
    await http()
      .put(`${BASE}/Patient/${type}-1`)
      .send(mrn(`${type}-1`, { id: `${type}-1` }))
      .expect(201);
    const { entry } = await send(type, [
      { request: { method: 'GET', url: `Patient/${type}-1` } },
      create(mrn(`${type}-2`)),
      { request: { method: 'HEAD', url: `Patient/${type}-1` } },
      { request: { method: 'GET', url: `Patient?identifier=urn:mrn|${type}-1` } },
      { request: { method: 'GET', url: `Patient/${type}-1/_history` } },
      { request: { method: 'GET', url: `Patient/${type}-1/_history/1` } },
      { request: { method: 'GET', url: 'metadata' } },
      { request: { method: 'GET', url: `/Patient/${type}-1/$meta` } },
    ]);
    const got = entry!.map(({ response }) => response.status.slice(0, 3));
    expect(got.slice(0, 8)).toEqual(['200', '201', '200', '200', '200', '200', '200', '200']);
    expect(entry![0]!.resource).toMatchObject({ resourceType: 'Patient', id: `${type}-1` });
    expect(entry![0]!.response.etag).toBe('W/"1"');
    expect(entry![1]!.response.location).toMatch(/\/Patient\/[^/]+\/_history\/1$/);
    expect(Date.parse(entry![1]!.response.lastModified!)).toBeGreaterThan(0);
    expect(entry![2]!.resource).toBeUndefined();
    expect(entry![3]!.resource).toMatchObject({ resourceType: 'Bundle', type: 'searchset' });
    expect(entry![3]!.resource!.entry).toHaveLength(1);
    expect(entry![6]!.resource).toMatchObject({ resourceType: 'CapabilityStatement' });
  });

  it('resolves conditional references to what is stored', async () => {
    await http()
      .put(`${BASE}/Patient/${type}-ref`)
      .send(mrn(`${type}-ref`, { id: `${type}-ref` }))
      .expect(201);
    const { entry } = await send(
      type,
      [create(condition(`Patient?identifier=urn:mrn|${type}-ref`))],
      200,
      'return=representation',
    );
    expect(entry![0]!.resource).toMatchObject({ subject: { reference: `Patient/${type}-ref` } });
  });

  it('patches, with If-Match too', async () => {
    await http()
      .put(`${BASE}/Patient/${type}-p`)
      .send(patient({ id: `${type}-p` }))
      .expect(201);
    const patch = (ifMatch: string | undefined, value: string) => ({
      resource: {
        resourceType: 'Binary',
        contentType: 'application/json-patch+json',
        data: Buffer.from(JSON.stringify([{ op: 'add', path: '/gender', value }])).toString('base64'),
      },
      request: { method: 'PATCH', url: `Patient/${type}-p`, ifMatch },
    });
    expect(statuses(await send(type, [patch('W/"1"', 'male')]))).toEqual(['200']);
    if (type === 'batch') expect(statuses(await send(type, [patch('W/"1"', 'other')]))).toEqual(['412']);
    else await send(type, [patch('W/"1"', 'other')], 412);
    expect((await http().get(`${BASE}/Patient/${type}-p`)).body.gender).toBe('male');
  });

  it('updates and deletes with If-Match', async () => {
    const id = `${type}-m`;
    await http().put(`${BASE}/Patient/${id}`).send(patient({ id })).expect(201);
    const update = {
      resource: patient({ id }),
      request: { method: 'PUT', url: `Patient/${id}`, ifMatch: 'W/"9"' },
    };
    if (type === 'batch') expect(statuses(await send(type, [update]))).toEqual(['412']);
    else expect((await send(type, [update], 412)).issue![0]!.expression![0]).toContain('Bundle.entry[0]');
    const remove = (v: number) => ({
      request: { method: 'DELETE', url: `Patient/${id}`, ifMatch: `W/"${v}"` },
    });
    if (type === 'batch') expect(statuses(await send(type, [remove(9)]))).toEqual(['412']);
    else await send(type, [remove(9)], 412);
    expect(statuses(await send(type, [remove(1)]))).toEqual(['204']);
  });

  it.each(['minimal', 'representation', 'OperationOutcome'])(
    'gives what Prefer: return=%s asks for',
    async (what) => {
      const { entry } = await send(type, [create(patient())], 200, `return=${what}`);
      expect(entry![0]!.resource !== undefined).toBe(what === 'representation');
      expect(entry![0]!.response.outcome !== undefined).toBe(what === 'OperationOutcome');
    },
  );
});

describe('A batch', () => {
  it('leaves references between its entries as they are: each is on its own', async () => {
    const { entry } = await send(
      'batch',
      [create(mrn('urn-batch'), { fullUrl: URN }), create(condition(URN))],
      200,
      'return=representation',
    );
    expect(entry![1]!.resource).toMatchObject({ subject: { reference: URN } });
  });

  it('answers an entry that fails with its status and outcome, and does the others', async () => {
    const answer = await send('batch', [
      create(patient({ gender: 'unsure' })),
      create(patient()),
      { request: { method: 'GET', url: 'Patient/nobody' } },
      { resource: patient() },
      { request: { method: 'GET', url: 'Nothing/1' } },
      { request: { method: 'DELETE', url: 'Patient/never' } },
      create(condition('Patient?identifier=urn:mrn|nobody-at-all')),
      { request: { method: 'BREW', url: 'Patient' } },
      { request: { method: 'POST', url: '' }, resource: bundle('batch') },
    ]);
    expect(statuses(answer)).toEqual(['422', '201', '404', '400', '404', '204', '412', '400', '400']);
    for (const { response } of answer.entry!)
      if (Number(response.status.slice(0, 3)) >= 400)
        expect(response.outcome!.issue.length).toBeGreaterThan(0);
  });

  it('answers operations, by GET and by POST', async () => {
    await http()
      .put(`${BASE}/Patient/op`)
      .send(patient({ id: 'op' }))
      .expect(201);
    const parameters = { resourceType: 'Parameters', parameter: [{ name: '_type', valueString: 'Patient' }] };
    const { entry } = await send('batch', [
      { resource: patient({ gender: 'unsure' }), request: { method: 'POST', url: 'Patient/$validate' } },
      { resource: parameters, request: { method: 'POST', url: 'Patient/op/$everything' } },
      { request: { method: 'GET', url: 'Patient/op/$everything?_count=1' } },
      { resource: parameters, request: { method: 'POST', url: 'Patient/op/$nothing' } },
    ]);
    expect(entry!.map(({ response }) => response.status.slice(0, 3))).toEqual(['200', '200', '200', '404']);
    expect(entry![0]!.resource).toMatchObject({ resourceType: 'OperationOutcome' });
    for (const { resource } of entry!.slice(1, 3)) expect(resource!.entry).toHaveLength(1);
  });

  it('sees with each conditional create what the entry before it made', async () => {
    const entry = create(mrn('twice'), {}, { ifNoneExist: 'identifier=urn:mrn|twice' });
    expect(statuses(await send('batch', [entry, entry, entry]))).toEqual(['201', '200', '200']);
    expect(await total('Patient?identifier=urn:mrn|twice')).toBe(1);
  });
});

describe('A transaction', () => {
  it('reads and searches what it wrote', async () => {
    const { entry } = await send('transaction', [
      { request: { method: 'GET', url: 'Patient?identifier=urn:mrn|seen' } },
      create(mrn('seen')),
    ]);
    expect(entry![0]!.resource!.entry).toHaveLength(1);
  });

  it.each<[what: string, entries: () => object[], status: number]>([
    [
      'two updates of one',
      () =>
        ['a', 'b'].map(() => ({
          resource: patient({ id: 'd1' }),
          request: { method: 'PUT', url: 'Patient/d1' },
        })),
      400,
    ],
    [
      'an update and a delete of one',
      () => [
        { resource: patient({ id: 'd1' }), request: { method: 'PUT', url: 'Patient/d1' } },
        { request: { method: 'DELETE', url: 'Patient/d1' } },
      ],
      400,
    ],
    [
      'a conditional update and an update of one',
      () => [
        { resource: patient({ id: 'dup' }), request: { method: 'PUT', url: 'Patient/dup' } },
        { resource: mrn('dup'), request: { method: 'PUT', url: 'Patient?identifier=urn:mrn|dup' } },
      ],
      400,
    ],
    [
      'two conditional updates that match one',
      () => [
        { resource: mrn('dup'), request: { method: 'PUT', url: 'Patient?identifier=urn:mrn|dup' } },
        { resource: mrn('dup'), request: { method: 'PUT', url: 'Patient?family=Doubleday' } },
      ],
      400,
    ],
    [
      'a conditional delete and a patch of one',
      () => [
        { request: { method: 'DELETE', url: 'Patient?identifier=urn:mrn|dup' } },
        {
          resource: { resourceType: 'Parameters', parameter: [] },
          request: { method: 'PATCH', url: 'Patient/dup' },
        },
      ],
      400,
    ],
    [
      'two entries of one fullUrl',
      () => [create(patient(), { fullUrl: URN }), create(patient(), { fullUrl: URN })],
      400,
    ],
    ['an entry without request', () => [{ resource: patient() }], 400],
    ['a reference to an entry that is not there', () => [create(condition(URN))], 400],
    [
      'a conditional reference without match',
      () => [create(condition('Patient?identifier=urn:mrn|nobody-here'))],
      412,
    ],
    [
      'a GET that fails',
      () => [create(mrn('after-all')), { request: { method: 'GET', url: 'Patient/nobody' } }],
      404,
    ],
  ])('with %s fails whole', async (_what, entries, status) => {
    await http()
      .put(`${BASE}/Patient/dup`)
      .send(mrn('dup', { id: 'dup', name: [{ family: 'Doubleday' }] }))
      .then(({ status: s }) => expect([200, 201]).toContain(s));
    const marker = `whole-${_what.length}`;
    const body = await send('transaction', [create(mrn(marker)), ...entries()], status);
    expect(body.resourceType).toBe('OperationOutcome');
    expect(body.issue![0]!.expression?.[0] ?? body.issue![0]!.diagnostics).toMatch(/entry/);
    expect(await total(`Patient?identifier=urn:mrn|${marker}`)).toBe(0);
  });

  it('creates once for two conditional creates of the same criteria, and both references lead to it', async () => {
    const [a, b] = ['1', '2'].map((n) => URN.replace(/.$/, n));
    const ifNoneExist = 'identifier=urn:mrn|pair';
    const { entry } = await send(
      'transaction',
      [
        create(mrn('pair'), { fullUrl: a }, { ifNoneExist }),
        create(mrn('pair'), { fullUrl: b }, { ifNoneExist }),
        create(condition(a!)),
        create(condition(b!)),
      ],
      200,
      'return=representation',
    );
    expect(await total('Patient?identifier=urn:mrn|pair')).toBe(1);
    const subjects = entry!.slice(2).map((e) => e.resource!.subject);
    expect(subjects[0]).toEqual(subjects[1]);
  });

  it('creates once for two conditional creates whose criteria differ and meet', async () => {
    const { entry } = await send('transaction', [
      create(mrn('meet', { name: [{ family: 'Meeting' }] }), {}, { ifNoneExist: 'identifier=urn:mrn|meet' }),
      create(
        mrn('meet', { name: [{ family: 'Meeting' }] }),
        {},
        { ifNoneExist: 'identifier=urn:mrn|meet&family=Meeting' },
      ),
    ]);
    expect(entry!.map(({ response }) => response.status.slice(0, 3))).toEqual(['201', '200']);
    expect(await total('Patient?identifier=urn:mrn|meet')).toBe(1);
  });

  it('says that it cannot find by a chain through its own entries, instead of finding nothing', async () => {
    const org = URN.replace(/.$/, '7');
    const entries = [
      create(
        { resourceType: 'Organization', name: 'Chained', identifier: [{ system: 'urn:o', value: '1' }] },
        { fullUrl: org },
      ),
      create(mrn('chained', { managingOrganization: { reference: org } }), { fullUrl: URN }),
      create(condition('Patient?organization.identifier=urn:o|1')),
    ];
    const { issue } = await send('transaction', entries, 400);
    expect(issue![0]).toMatchObject({
      code: 'not-supported',
      expression: ['Bundle.entry[2].resource.subject.reference'],
    });
    // Those who refer to no organisation are not meant by it.
    await http()
      .put(`${BASE}/Organization/stored`)
      .send({
        resourceType: 'Organization',
        id: 'stored',
        name: 'S',
        identifier: [{ system: 'urn:o', value: '2' }],
      })
      .expect(201);
    await http()
      .put(`${BASE}/Patient/of-stored`)
      .send(patient({ id: 'of-stored', managingOrganization: { reference: 'Organization/stored' } }))
      .expect(201);
    const { entry } = await send(
      'transaction',
      [create(mrn('alone')), create(condition('Patient?organization.identifier=urn:o|2'))],
      200,
      'return=representation',
    );
    expect(entry![1]!.resource).toMatchObject({ subject: { reference: 'Patient/of-stored' } });
  });

  it('takes a conditional update that creates, referred to by its fullUrl', async () => {
    const { entry } = await send(
      'transaction',
      [
        {
          fullUrl: URN,
          resource: mrn('upsert'),
          request: { method: 'PUT', url: 'Patient?identifier=urn:mrn|upsert' },
        },
        create(condition(URN)),
      ],
      200,
      'return=representation',
    );
    expect(entry![0]!.response.status).toMatch(/^201/);
    expect(entry![1]!.resource).toMatchObject({
      subject: { reference: `Patient/${entry![0]!.resource!.id}` },
    });
  });

  it('deletes, then creates what a conditional create would have found', async () => {
    await http()
      .put(`${BASE}/Patient/swap`)
      .send(mrn('swap', { id: 'swap' }))
      .expect(201);
    const { entry } = await send('transaction', [
      create(mrn('swap'), {}, { ifNoneExist: 'identifier=urn:mrn|swap' }),
      { request: { method: 'DELETE', url: 'Patient/swap' } },
    ]);
    // DELETE comes first (R4 http.html#trules), so nothing is there to be found.
    expect(entry![0]!.response.status).toMatch(/^201/);
    expect(await total('Patient?identifier=urn:mrn|swap')).toBe(1);
  });

  it('refers by criteria to what it leaves, not to what it deletes or changes', async () => {
    for (const id of ['old', 'changed'])
      await http().put(`${BASE}/Patient/${id}`).send(mrn('moving', { id })).expect(201);
    const { entry } = await send(
      'transaction',
      [
        { request: { method: 'DELETE', url: 'Patient/old' } },
        { resource: mrn('moved', { id: 'changed' }), request: { method: 'PUT', url: 'Patient/changed' } },
        create(mrn('moving')),
        create(condition('Patient?identifier=urn:mrn|moving')),
        create(condition('Patient?identifier=urn:mrn|moved')),
      ],
      200,
      'return=representation',
    );
    const made = `Patient/${entry![2]!.resource!.id}`;
    expect(entry!.slice(3).map((e) => e.resource!.subject)).toEqual([
      { reference: made },
      { reference: 'Patient/changed' },
    ]);
  });

  it('of 64 at once that each create conditionally, exactly one creates', async () => {
    const entries = [create(mrn('race'), {}, { ifNoneExist: 'identifier=urn:mrn|race' })];
    const answers = await Promise.all(Array.from({ length: 64 }, () => send('transaction', entries)));
    expect(answers.flatMap(statuses).sort()).toEqual([...Array(63).fill('200'), '201']);
    expect(await total('Patient?identifier=urn:mrn|race')).toBe(1);
  });

  it.each<[count: number, by: string, condition: (i: number) => string]>([
    [1_000, 'one identifier', (i) => `identifier=urn:i|i${i}`],
    [50, 'code and subject', (i) => `code=urn:c|c${i}&subject=Patient/any`],
  ])('has %i entries that each create on a condition of their own, by %s', async (count, by, ifNoneExist) => {
    const subject = { reference: 'Patient/any' };
    const entries = Array.from({ length: count }, (_, i) =>
      create(
        {
          resourceType: 'Observation',
          status: 'final',
          identifier: [{ system: 'urn:i', value: `i${i}` }],
          code: { coding: [{ system: 'urn:c', code: by === 'one identifier' ? 'shared' : `c${i}` }] },
          subject,
        },
        {},
        { ifNoneExist: ifNoneExist(i) },
      ),
    );
    expect(new Set(statuses(await send('transaction', entries)))).toEqual(new Set(['201']));
    expect(new Set(statuses(await send('transaction', entries)))).toEqual(new Set(['200']));
  });

  it('has 5,000 entries that refer to each other and to stored ones by criteria', async () => {
    await http()
      .put(`${BASE}/Patient/big`)
      .send(mrn('big', { id: 'big' }))
      .expect(201);
    const entries = Array.from({ length: 5_000 }, (_, i) =>
      create(
        condition(i % 2 ? 'Patient?identifier=urn:mrn|big' : 'Patient/big'),
        {},
        i % 50 ? {} : { ifNoneExist: `identifier=urn:c|${i}` },
      ),
    );
    const start = performance.now();
    const answer = await send('transaction', entries);
    expect(new Set(statuses(answer))).toEqual(new Set(['201']));
    expect(await total('Condition?subject=Patient/big')).toBe(5_000);
    expect(performance.now() - start).toBeLessThan(60_000);
  });
});
