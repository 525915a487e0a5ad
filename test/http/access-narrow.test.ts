import { randomBytes } from 'node:crypto';
import supertest from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type App, createApp } from '../../src/http/app.js';
import { wireRooms } from '../../src/system.js';
import { createAuthorization } from '../../src/tenancy/clients-authorization.js';
import { startExportWorker } from '../../src/worker/exports.js';
import { type TestSystem, testSystem } from '../support/system.js';

/** What a token that covers a part of a tenant may write, see of the past, and take out. */
const BASE = '/fhir/lake';
let system: TestSystem;
let app: App;
let stop: () => Promise<void>;
let issue: (scope: string, patient?: string) => Promise<string>;

beforeAll(async () => {
  system = await testSystem({ tenants: ['lake'] });
  const { clock, tenants } = system;
  const baseUrl = 'http://127.0.0.1:8080';
  const rooms = wireRooms({ clock, tenants, baseUrl, dataDir: system.dir });
  const authorization = createAuthorization({ control: tenants.control, clock, secret: randomBytes(32) });
  app = createApp(rooms, { baseUrl, version: '0', dev: false, authorization, verify: authorization.verify });
  const worker = startExportWorker({ tenants, exports: rooms.exports! });
  const { record } = await system.tenant('lake');
  issue = async (scope, patient) =>
    authorization.issue({
      tenant: record,
      scope,
      subject: 'who',
      ...(patient === undefined ? {} : { patient }),
    });
  stop = async () => {
    await worker.stop();
    await rooms.closeRooms();
    await system.close();
  };
  for (const id of ['p1', 'p2']) await put(await all(), { resourceType: 'Patient', id }, 201);
  for (const id of ['p1', 'p2'])
    await put(
      await all(),
      observation(`o-${id}`, id, { identifier: [{ system: 'urn:x', value: `i-${id}` }] }),
      201,
    );
});
afterAll(() => stop());

const all = () => issue('system/*.cruds');
const own = () => issue('patient/*.cruds', 'p1');
const observation = (id: string | undefined, patient: string, over: Record<string, unknown> = {}) => ({
  resourceType: 'Observation',
  ...(id === undefined ? {} : { id }),
  status: 'final',
  code: { text: 'Weight' },
  subject: { reference: `Patient/${patient}` },
  ...over,
});
const http = () => supertest(app.express);
const get = (token: string, path: string) => http().get(`${BASE}/${path}`).auth(token, { type: 'bearer' });
const put = (token: string, body: { resourceType: string; id?: string }, status: number) =>
  http()
    .put(`${BASE}/${body.resourceType}/${body.id}`)
    .auth(token, { type: 'bearer' })
    .send(body)
    .expect(status);
const post = (token: string, path: string, body: object) =>
  http().post(`${BASE}/${path}`).auth(token, { type: 'bearer' }).send(body);
const versionOf = async (path: string) => (await get(await all(), path)).body.meta?.versionId;

describe('a patient’s token', () => {
  it('writes what is the patient’s, before and after', async () => {
    await put(await own(), observation('mine', 'p1'), 201);
    await put(await own(), observation('mine', 'p1', { status: 'amended' }), 200);
    await post(await own(), 'Observation', observation(undefined, 'p1')).expect(201);
  });

  it.each<[string, () => Promise<unknown>]>([
    [
      'create for another',
      async () => post(await own(), 'Observation', observation(undefined, 'p2')).expect(403),
    ],
    [
      'create for nobody',
      async () =>
        post(await own(), 'Observation', { ...observation(undefined, 'p2'), subject: undefined }).expect(403),
    ],
    ['create under an id for another', async () => put(await own(), observation('new', 'p2'), 403)],
    ['move its own to another', async () => put(await own(), observation('o-p1', 'p2'), 403)],
    ['take another’s over', async () => put(await own(), observation('o-p2', 'p1'), 403)],
    [
      'move by a patch',
      async () =>
        http()
          .patch(`${BASE}/Observation/o-p1`)
          .auth(await own(), { type: 'bearer' })
          .set('Content-Type', 'application/json-patch+json')
          .send(JSON.stringify([{ op: 'replace', path: '/subject/reference', value: 'Patient/p2' }]))
          .expect(403),
    ],
    [
      'patch another’s',
      async () =>
        http()
          .patch(`${BASE}/Observation/o-p2`)
          .auth(await own(), { type: 'bearer' })
          .set('Content-Type', 'application/json-patch+json')
          .send(JSON.stringify([{ op: 'replace', path: '/status', value: 'amended' }]))
          .expect(404),
    ],
    [
      'make another patient',
      async () => post(await own(), 'Patient', { resourceType: 'Patient' }).expect(403),
    ],
    ['write a practitioner', async () => put(await own(), { resourceType: 'Practitioner', id: 'dr' }, 403)],
    [
      'do part of a transaction',
      async () =>
        post(await own(), '', {
          resourceType: 'Bundle',
          type: 'transaction',
          entry: [
            { resource: observation('t1', 'p1'), request: { method: 'PUT', url: 'Observation/t1' } },
            { resource: observation('t2', 'p2'), request: { method: 'PUT', url: 'Observation/t2' } },
          ],
        }).expect(403),
    ],
    [
      'erase a record',
      async () => post(await own(), 'Patient/p2/$erase?confirm=true&reason=x', {}).expect(403),
    ],
  ])('cannot %s', async (_what, attempt) => {
    const before = [await versionOf('Observation/o-p1'), await versionOf('Observation/o-p2')];
    await attempt();
    expect([await versionOf('Observation/o-p1'), await versionOf('Observation/o-p2')]).toEqual(before);
    for (const id of ['new', 't1', 't2']) await get(await all(), `Observation/${id}`).expect(404);
  });

  it('deletes nothing of another', async () => {
    const token = await own();
    const answer = await http().delete(`${BASE}/Observation/o-p2`).auth(token, { type: 'bearer' });
    const absent = await http().delete(`${BASE}/Observation/nothing`).auth(token, { type: 'bearer' });
    expect([answer.status, answer.body]).toEqual([absent.status, absent.body]);
    await http().delete(`${BASE}/Observation?identifier=urn:x|i-p2`).auth(token, { type: 'bearer' });
    await get(await all(), 'Observation/o-p2').expect(200);
  });

  it('learns nothing of another by conditions', async () => {
    const token = await own();
    const created = await post(token, 'Observation', observation(undefined, 'p1')).set(
      'If-None-Exist',
      'identifier=urn:x|i-p2',
    );
    const unheard = await post(token, 'Observation', observation(undefined, 'p1')).set(
      'If-None-Exist',
      'identifier=urn:x|none',
    );
    expect([created.status, unheard.status]).toEqual([201, 201]);
    const found = await post(token, 'Observation', observation(undefined, 'p1')).set(
      'If-None-Exist',
      'identifier=urn:x|i-p1',
    );
    expect(found.status).toBe(200);
    const read = await get(token, 'Observation/o-p2').set('If-None-Match', 'W/"1"');
    const nothing = await get(token, 'Observation/nothing').set('If-None-Match', 'W/"1"');
    expect([read.status, read.body]).toEqual([nothing.status, nothing.body]);
  });

  it('sees versions by whose they were', async () => {
    const mover = await all();
    await put(mover, observation('moved', 'p1'), 201);
    await put(mover, observation('moved', 'p2'), 200);
    await http().delete(`${BASE}/Observation/moved`).auth(mover, { type: 'bearer' }).expect(204);
    await put(mover, observation('moved', 'p1'), 201);
    const versions = async (patient: string) => {
      const { body } = await get(await issue('patient/*.rs', patient), 'Observation/moved/_history');
      return [body.total, body.entry.map((e: { response: { etag: string } }) => e.response.etag)];
    };
    expect(await versions('p1')).toEqual([2, ['W/"4"', 'W/"1"']]);
    // The deletion is of what was deleted.
    expect(await versions('p2')).toEqual([2, ['W/"3"', 'W/"2"']]);
    const one = await issue('patient/*.rs', 'p1');
    for (const [version, status] of [
      [1, 200],
      [2, 404],
      [3, 404],
      [4, 200],
    ] as const)
      await get(one, `Observation/moved/_history/${version}`).expect(status);
    await get(await issue('patient/*.rs', 'p2'), 'Observation/moved').expect(404);
    const changes = await get(one, 'Observation/_history');
    const shown = changes.body.entry.filter((e: { fullUrl: string }) => e.fullUrl.endsWith('/moved'));
    expect(shown.map((e: { response: { etag: string } }) => e.response.etag)).toEqual(['W/"4"', 'W/"1"']);
  });

  it('is told that its own was deleted, and of another’s that nothing is there', async () => {
    for (const p of ['p1', 'p2']) {
      await put(await all(), observation(`gone-${p}`, p), 201);
      await http()
        .delete(`${BASE}/Observation/gone-${p}`)
        .auth(await all(), { type: 'bearer' });
    }
    await get(await own(), 'Observation/gone-p1').expect(410);
    await get(await own(), 'Observation/gone-p2').expect(404);
  });

  it('has its entries of a batch answered one by one', async () => {
    const { body } = await post(await own(), '', {
      resourceType: 'Bundle',
      type: 'batch',
      entry: [
        { request: { method: 'GET', url: 'Patient/p1' } },
        { request: { method: 'GET', url: 'Patient/p2' } },
        { request: { method: 'GET', url: 'Observation?identifier=urn:x|i-p2&_summary=count' } },
        { request: { method: 'GET', url: 'Patient/p2/$everything' } },
        { resource: observation('b2', 'p2'), request: { method: 'PUT', url: 'Observation/b2' } },
        { resource: observation('b1', 'p1'), request: { method: 'PUT', url: 'Observation/b1' } },
      ],
    }).expect(200);
    expect(body.entry.map((e: { response: { status: string } }) => e.response.status.slice(0, 3))).toEqual([
      '200',
      '404',
      '200',
      '404',
      '403',
      '201',
    ]);
    expect(body.entry[2].resource.total).toBe(0);
  });

  it.each([
    ['Group/$cohort', { name: 'x', criteria: { search: 'Observation?status=final' } }],
    ['$import', { resourceType: 'Parameters' }],
  ])('is refused %s, which works on everything', async (path, body) => {
    await post(await own(), path, body).expect(403);
  });
});

describe('an export', () => {
  const exported = async (token: string, path: string, prefer = 'respond-async'): Promise<string[]> => {
    const kick = await get(token, path).set('Prefer', prefer).expect(202);
    const status = new URL(kick.headers['content-location']!).pathname;
    for (let n = 0; n < 100; n++) {
      const { status: code, body } = await http().get(status).auth(token, { type: 'bearer' });
      if (code === 200) {
        const lines: string[] = [];
        for (const { url } of body.output as { url: string }[]) {
          const { body: text } = await http()
            .get(new URL(url).pathname)
            .auth(token, { type: 'bearer' })
            .buffer(true)
            .parse(asText);
          lines.push(
            ...String(text ?? '')
              .split('\n')
              .filter((l) => l !== ''),
          );
        }
        return lines.map((l) => JSON.parse(l)).map((r) => `${r.resourceType}/${r.id}`);
      }
      expect(code).toBe(202);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error('The export did not end.');
  };
  const asText = (response: supertest.Response, done: (e: Error | null, body: unknown) => void) => {
    let text = '';
    const stream = response as unknown as NodeJS.ReadableStream;
    stream.on('data', (chunk) => {
      text += chunk;
    });
    stream.on('end', () => done(null, text));
  };

  it('gives a patient’s token that patient when asked for no more, or to be lenient', async () => {
    const token = await issue('patient/*.rs', 'p2');
    const own = ['Observation/o-p2', 'Patient/p2'];
    const named = await http()
      .post(`${BASE}/Patient/$export?_type=Patient`)
      .auth(token, { type: 'bearer' })
      .set({ Prefer: 'respond-async', 'Content-Type': 'application/fhir+json' })
      .send({
        resourceType: 'Parameters',
        parameter: [{ name: 'patient', valueReference: { reference: 'Patient/p2' } }],
      });
    expect(named.status).toBe(202);
    const whole = 'Patient/$export?_type=Patient,Observation';
    expect((await exported(token, whole, 'respond-async, handling=lenient')).sort()).toEqual(own);
  });

  it.each(['$export', 'Patient/$export', 'Patient/$export?_type=Patient'])(
    'of everybody (%s) is refused to a patient’s token, not cut down',
    async (path) => {
      const { body } = await get(await issue('patient/*.rs', 'p2'), path)
        .set('Prefer', 'respond-async')
        .expect(403);
      expect(body.issue[0].code).toBe('forbidden');
    },
  );

  it('gives a narrowed token what its query finds, and filters see nothing else', async () => {
    await put(await all(), observation('prelim', 'p2', { status: 'preliminary' }), 201);
    const token = await issue('system/Observation.rs?status=preliminary system/Patient.rs?_id=p1');
    expect(await exported(token, '$export?_type=Observation')).toEqual(['Observation/prelim']);
    const filter = encodeURIComponent('Observation?patient._id=p2');
    expect(await exported(token, `$export?_type=Observation&_typeFilter=${filter}`)).toEqual([]);
  });

  it('made with one token is not handed to a lesser one of the same holder', async () => {
    const wide = await all();
    const kick = await get(wide, '$export?_type=Observation').set('Prefer', 'respond-async').expect(202);
    const status = new URL(kick.headers['content-location']!).pathname.replace(`${BASE}/`, '');
    await get(await issue('patient/*.rs', 'p1'), status).expect(403);
    await get(await issue('system/Observation.rs?status=final'), status).expect(403);
    const { status: mine } = await get(await issue('system/Observation.r'), status);
    expect([200, 202]).toContain(mine);
    const narrow = await issue('patient/*.rs', 'p2');
    const own = await get(narrow, 'Patient/$export?_type=Patient')
      .set('Prefer', 'respond-async, handling=lenient')
      .expect(202);
    const place = new URL(own.headers['content-location']!).pathname.replace(`${BASE}/`, '');
    await get(await issue('patient/*.rs', 'p1'), place).expect(403);
    expect([200, 202]).toContain((await get(await issue('patient/Patient.r', 'p2'), place)).status);
  });
});
