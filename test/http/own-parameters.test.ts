import supertest from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { typeNumber } from '../../src/fhir/resource-types.js';
import { createApp } from '../../src/http/app.js';
import { wireRooms } from '../../src/system.js';
import { requestReindex, requestReindexOf, runReindex } from '../../src/tasks/reindex.js';
import { startWorker } from '../../src/worker/worker.js';
import { BASE, patient, type Served, serve } from './served.js';

/** SearchParameter resources of a tenant extend its searches (R4 searchparameter.html). */
let served: Served;
const http = () => served.http();
const SHOE = 'http://x.example/shoe';
const extension = (value: string) => `Patient.extension.where(url='${SHOE}').value.ofType(${value})` as const;
const parameter = (code: string, type: string, expression: string, more: Record<string, unknown> = {}) => ({
  resourceType: 'SearchParameter',
  id: `p-${code}`,
  url: `http://x.example/SearchParameter/${code}`,
  name: code.replaceAll('-', ''),
  status: 'active',
  description: 'A parameter of this site.',
  code,
  base: ['Patient'],
  type,
  expression,
  ...more,
});
const put = (resource: Record<string, unknown>) =>
  http().put(`${BASE}/${resource.resourceType}/${resource.id}`).send(resource);
const find = async (query: string): Promise<string[]> => {
  const { body } = await http().get(`${BASE}/${query}`).set('Prefer', 'handling=strict').expect(200);
  return (body.entry ?? []).map((e: { resource: { id: string } }) => e.resource.id);
};
const found = async (query: string) => (await find(query)).sort();

/** What a worker does when it is woken. */
async function work() {
  const { rooms, tenant } = served;
  if (!(await requestReindex(rooms, tenant))) return undefined;
  const next = (await rooms.jobs.list(tenant, 'reindex')).find((j) => j.state === 'queued')!;
  return runReindex(rooms, tenant, await rooms.jobs.claim(tenant, next.id));
}

const PARAMETERS = [
  parameter('nickname', 'string', "Patient.name.where(use='nickname').given"),
  parameter('bond', 'token', 'Patient.maritalStatus'),
  parameter('keeper', 'reference', 'Patient.managingOrganization', { target: ['Organization'] }),
  parameter('passed', 'date', '(Patient.deceased as dateTime)'),
  parameter('birth-rank', 'number', '(Patient.multipleBirth as integer)'),
  parameter('shoe', 'quantity', extension('Quantity')),
  parameter('portrait', 'uri', 'Patient.photo.url'),
];

beforeAll(async () => {
  served = await serve();
  await put({ resourceType: 'Organization', id: 'north', name: 'North' });
  await put({ resourceType: 'Organization', id: 'south', name: 'South' });
  await put(
    patient({
      id: 'peggy',
      name: [
        { family: 'Alder', given: ['Margaret'] },
        { use: 'nickname', given: ['Peggy'] },
      ],
      maritalStatus: { coding: [{ system: 'http://m.example', code: 'M' }] },
      managingOrganization: { reference: 'Organization/north' },
      deceasedDateTime: '2020-05-01',
      multipleBirthInteger: 2,
      extension: [{ url: SHOE, valueQuantity: { value: 38, unit: 'EU' } }],
      photo: [{ url: 'http://x.example/peggy.png' }],
    }),
  );
  await put(
    patient({
      id: 'zed',
      name: [{ use: 'nickname', given: ['Zed'] }],
      managingOrganization: { reference: 'Organization/south' },
      multipleBirthInteger: 1,
    }),
  );
  await put({
    resourceType: 'Observation',
    id: 'o1',
    status: 'final',
    code: { text: 'x' },
    subject: { reference: 'Patient/peggy' },
  });
});
afterAll(() => served.close());

const ROWS: [query: string, ids: string[]][] = [
  ['Patient?nickname=peg', ['peggy']],
  ['Patient?nickname:exact=Zed', ['zed']],
  ['Patient?nickname:missing=true', ['late']],
  ['Patient?bond=http://m.example|M', ['peggy']],
  ['Patient?keeper=Organization/north', ['peggy']],
  ['Patient?keeper.name=South', ['zed']],
  ['Patient?passed=ge2020-01-01', ['peggy']],
  ['Patient?birth-rank=gt1', ['peggy']],
  ['Patient?shoe=38', ['peggy']],
  ['Patient?portrait=http://x.example/peggy.png', ['peggy']],
  ['Observation?subject:Patient.nickname=Peggy', ['o1']],
  ['Observation?subject.nickname=Peggy', ['o1']],
  ['Organization?_has:Patient:keeper:nickname=zed', ['south']],
  ['Patient?_filter=nickname sw "peg"', ['peggy']],
  ['Patient?nickname=zed&_include=Patient:keeper', ['south', 'zed']],
  ['Patient?nickname=zed&_include=*', ['south', 'zed']],
  ['Organization?_id=north&_revinclude=Patient:keeper', ['north', 'peggy']],
];

describe('a search parameter of the tenant', () => {
  it('is unknown before, and said not to be indexed until its job is done', async () => {
    await http().get(`${BASE}/Patient?nickname=peg`).set('Prefer', 'handling=strict').expect(400);
    for (const resource of PARAMETERS) await put(resource).expect(201);
    const early = await http()
      .get(`${BASE}/Patient?nickname=peg`)
      .set('Prefer', 'handling=strict')
      .expect(400);
    expect(early.body.issue[0].diagnostics).toContain('nickname');
    const done = await work();
    expect(done).toMatchObject({ parts: 16384, partsDone: 16384, resources: 2, rewritten: 2 });
    expect(await work()).toBeUndefined();
    const [job] = await served.rooms.jobs.list(served.tenant, 'reindex');
    expect(job).toMatchObject({ state: 'done', kind: 'reindex' });
  });

  it('finds what is written afterwards, too, and the index is as it should be', async () => {
    await put(patient({ id: 'late' })).expect(201);
    await put(patient({ id: 'later', name: [{ use: 'nickname', given: ['Latty'] }] })).expect(201);
    expect(await found('Patient?nickname=latty')).toEqual(['later']);
    expect((await served.rooms.store.verify(served.tenant)).differences).toEqual({});
  });

  it('is indexed by a process that did not know of it', async () => {
    const { rooms, tenant } = served;
    const other = wireRooms({ clock: rooms.clock, tenants: rooms.tenants, baseUrl: 'http://127.0.0.1:8080' });
    const write = (id: string) => ({
      op: 'create' as const,
      type: 'Patient',
      id,
      resource: { resourceType: 'Patient', id, name: [{ use: 'nickname', given: ['Stranger'] }] },
    });
    const actor = { id: 'test', kind: 'job' as const };
    await other.store.commit(tenant, [write('s1')], actor);
    await other.store.commit(tenant, [write('s2'), write('s3')], actor);
    expect(await found('Patient?nickname=stranger')).toEqual(['s1', 's2', 's3']);
    for (const id of ['s1', 's2', 's3']) await http().delete(`${BASE}/Patient/${id}`).expect(204);
  });

  it.each(ROWS)('answers %s', async (query, ids) => {
    expect(await found(query)).toEqual(ids);
  });

  it('sorts', async () => {
    expect(await find('Patient?_sort=nickname')).toEqual(['later', 'peggy', 'zed', 'late']);
    expect(await find('Patient?_sort=-birth-rank&birth-rank=gt0')).toEqual(['peggy', 'zed']);
  });

  it('stands in the CapabilityStatement of its tenant', async () => {
    const { body } = await http().get(`${BASE}/metadata`).expect(200);
    const of = (type: string) => body.rest[0].resource.find((r: { type: string }) => r.type === type);
    expect(of('Patient').searchParam).toContainEqual({
      name: 'shoe',
      type: 'quantity',
      definition: 'http://x.example/SearchParameter/shoe',
    });
    expect(of('Patient').searchInclude).toContain('Patient:keeper');
    expect(of('Organization').searchRevInclude).toContain('Patient:keeper');
  });

  it('is not told to callers without a token', async () => {
    const app = createApp(served.rooms, {
      baseUrl: 'http://127.0.0.1:8080',
      version: '0.0.0',
      dev: false,
      verify: () => ({ subject: 's', scope: 'system/*.rs' }) as never,
    });
    const { text } = await supertest(app.express).get(`${BASE}/metadata`).expect(200);
    expect(text).not.toContain('x.example');
  });

  it('decides conditional creates', async () => {
    const create = () =>
      http()
        .post(`${BASE}/Patient`)
        .set('If-None-Exist', 'nickname=Only')
        .send(patient({ name: [{ use: 'nickname', given: ['Only'] }] }));
    await create().expect(201);
    await create().expect(200);
  });

  it('follows its definition: changed, it is indexed anew; retired, it is unknown', async () => {
    await put(parameter('nickname', 'string', 'Patient.name.family')).expect(200);
    // The old definition is in force until the index is rewritten.
    expect(await found('Patient?nickname=peg')).toEqual(['peggy']);
    await work();
    expect(await found('Patient?nickname=alder')).toContain('peggy');
    expect(await found('Patient?nickname=peg')).toEqual([]);
    await put({ ...PARAMETERS[1]!, status: 'retired' }).expect(200);
    await http().delete(`${BASE}/SearchParameter/p-nickname`).expect(204);
    await work();
    for (const query of ['nickname=alder', 'bond=x'])
      await http().get(`${BASE}/Patient?${query}`).set('Prefer', 'handling=strict').expect(400);
    expect((await served.rooms.store.verify(served.tenant)).differences).toEqual({});
  });

  it('of a code that R4 has, or of a kind that is not served, stays a resource', async () => {
    await put(parameter('birthdate', 'date', 'Patient.birthDate', { id: 'p-again' })).expect(201);
    await work();
    expect(await found('Patient?birthdate=1970-02-03')).toContain('peggy');
  });
});

describe('a reindex', () => {
  it('that was stopped goes on behind the parts that are done', async () => {
    const { rooms, tenant } = served;
    await put(parameter('zone', 'string', 'Patient.address.district')).expect(201);
    await put(patient({ id: 'zoned', address: [{ district: 'Harbour' }] })).expect(201);
    expect(await requestReindex(rooms, tenant)).toBe(true);
    expect(await requestReindex(rooms, tenant)).toBe(false);
    const { id } = (await rooms.jobs.list(tenant, 'reindex'))[0]!;
    const stop = new AbortController();
    const counting = {
      ...rooms,
      store: {
        ...rooms.store,
        reindex: (...args: Parameters<typeof rooms.store.reindex>) => {
          if (args[2].from >= 4096) stop.abort();
          return rooms.store.reindex(...args);
        },
      },
    };
    const first = await runReindex(counting, tenant, await rooms.jobs.claim(tenant, id), stop.signal);
    expect(first.partsDone).toBeLessThan(16384);
    expect((await rooms.jobs.get(tenant, id)).state).toBe('queued');
    const pending = await http()
      .get(`${BASE}/Patient?zone=harbour`)
      .set('Prefer', 'handling=strict')
      .expect(400);
    expect(pending.body.issue[0].diagnostics).toContain('not indexed yet');
    // Meanwhile what is written is indexed by it already.
    await put(patient({ id: 'zoned2', address: [{ district: 'Harbour' }] })).expect(201);
    const froms: number[] = [];
    const watched = {
      ...rooms,
      store: {
        ...rooms.store,
        reindex: (...args: Parameters<typeof rooms.store.reindex>) => {
          froms.push(args[2].from);
          return rooms.store.reindex(...args);
        },
      },
    };
    await runReindex(watched, tenant, await rooms.jobs.claim(tenant, id));
    expect(froms[0]).toBe(first.partsDone);
    expect(await found('Patient?zone=harbour')).toEqual(['zoned', 'zoned2']);
  });

  it('is run by a worker that was woken', async () => {
    const { rooms, tenant } = served;
    await put(parameter('town', 'string', 'Patient.address.city')).expect(201);
    await put(patient({ id: 'urban', address: [{ city: 'Weir' }] })).expect(201);
    const worker = startWorker({
      tenants: rooms.tenants,
      annotate: () => rooms.annotation(),
      reindex: rooms,
      reseal: rooms,
      rotateIndex: rooms,
    });
    try {
      worker.wake(tenant.record.name);
      await expect
        .poll(
          async () =>
            (await http().get(`${BASE}/Patient?town=weir`).set('Prefer', 'handling=strict')).body.entry?.[0]
              ?.resource.id,
          {
            timeout: 15_000,
          },
        )
        .toBe('urban');
    } finally {
      await worker.stop();
    }
    expect((await rooms.jobs.list(tenant, 'reindex')).every(({ state }) => state === 'done')).toBe(true);
  });
});

describe('a reindex that is asked for', () => {
  it('writes the rows anew that resources stored by an older release lack', async () => {
    const { rooms, tenant } = served;
    await put({ resourceType: 'Organization', id: 'holder', name: 'Holder' });
    await put(patient({ id: 'kept', managingOrganization: { reference: 'Organization/holder' } }));
    expect(await find('Patient?organization=holder')).toEqual(['kept']);
    await tenant.pool.query('delete from idx_reference where rtype = $1', [typeNumber('Patient')]);
    expect(await find('Patient?organization=holder')).toEqual([]);
    const { id } = await requestReindexOf(rooms, tenant, ['Patient', 'Basic']);
    const done = await runReindex(rooms, tenant, await rooms.jobs.claim(tenant, id));
    expect(done.rewritten).toBeGreaterThan(0);
    expect(await find('Patient?organization=holder')).toEqual(['kept']);
    expect((await rooms.jobs.get(tenant, id)).state).toBe('done');
  });
});
