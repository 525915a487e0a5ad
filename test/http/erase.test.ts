import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DERIVED_FROM_DOCUMENT } from '../../src/indexing/index.js';
import { openAudit } from '../../src/store/audit.js';
import { BASE, patient, type Served, serve, TENANT } from './served.js';

/** $erase removes for good, where DELETE keeps the history. */
let served: Served;
const http = () => served.http();
const put = (resource: Record<string, unknown>) =>
  http().put(`${BASE}/${resource.resourceType}/${resource.id}`).send(resource);
const about = (type: string, id: string, who: string, more: Record<string, unknown> = {}) => ({
  resourceType: type,
  id,
  subject: { reference: `Patient/${who}` },
  ...more,
});
const condition = (id: string, who: string, text: string) =>
  about('Condition', id, who, { code: { text }, onsetDateTime: '2020-01-01' });
const erase = (path: string, query = 'confirm=true&reason=Asked+for+by+the+patient') =>
  http().post(`${BASE}/${path}/$erase?${query}`);
const ids = async (query: string): Promise<string[]> =>
  ((await http().get(`${BASE}/${query}`).expect(200)).body.entry ?? [])
    .map((e: { resource?: { id: string } }) => e.resource?.id)
    .sort();
const counts = (body: { parameter: { name: string; valueInteger: number }[] }) =>
  Object.fromEntries(body.parameter.map((p) => [p.name, p.valueInteger]));
const differences = async () => (await served.rooms.store.verify(served.tenant)).differences;

beforeAll(async () => {
  served = await serve();
  for (const who of ['gone', 'stays']) await put(patient({ id: who })).expect(201);
  // Written together, so that they share segments with what stays.
  const entry = ['gone', 'stays'].flatMap((who) =>
    [1, 2, 3].map((n) => ({
      request: { method: 'PUT', url: `Condition/${who}-${n}` },
      resource: condition(`${who}-${n}`, who, `finding ${n}`),
    })),
  );
  await http().post(BASE).send({ resourceType: 'Bundle', type: 'transaction', entry }).expect(200);
  await put(condition('gone-1', 'gone', 'changed')).expect(200);
  await http().delete(`${BASE}/Condition/gone-2`).expect(204);
  await put({
    resourceType: 'Group',
    id: 'both',
    type: 'person',
    actual: true,
    member: ['gone', 'stays'].map((id) => ({ entity: { reference: `Patient/${id}` } })),
  }).expect(201);
  await put({
    resourceType: 'Provenance',
    id: 'of-gone',
    target: [{ reference: 'Condition/gone-3' }],
    recorded: '2024-01-01T00:00:00Z',
    agent: [{ who: { display: 'someone' } }],
  }).expect(201);
  await put({
    resourceType: 'Provenance',
    id: 'of-both',
    target: [{ reference: 'Condition/gone-3' }, { reference: 'Condition/stays-3' }],
    recorded: '2024-01-01T00:00:00Z',
    agent: [{ who: { display: 'someone' } }],
  }).expect(201);
});
afterAll(() => served.close());

describe('an erasure', () => {
  it.each([
    ['without a reason', 'confirm=true', 400],
    ['without a confirmation', 'reason=x', 412],
    ['with another confirmation', 'reason=x&confirm=yes', 412],
  ])('%s changes nothing', async (_what, query, status) => {
    await erase('Condition/gone-3', query).expect(status);
    await http().get(`${BASE}/Condition/gone-3`).expect(200);
  });

  it('of what never was is not found', async () => {
    await erase('Condition/never').expect(404);
    await erase('Patient/never').expect(404);
  });

  it('needs the right to delete every type', async () => {
    const secured = await serve({ dev: false });
    const token = (scope: string) => secured.token(TENANT, scope);
    const ask = async (scope: string) =>
      secured
        .http()
        .post(`${BASE}/Condition/x/$erase?confirm=true&reason=x`)
        .set('Authorization', `Bearer ${await token(scope)}`);
    expect((await ask('system/Condition.cruds')).status).toBe(403);
    expect((await ask('system/*.crus')).status).toBe(403);
    expect((await ask('system/*.cruds')).status).toBe(404);
    await secured.close();
  });

  it('of one resource removes its versions and leaves its neighbours as they were', async () => {
    const before = (await http().get(`${BASE}/Condition/stays-1`).expect(200)).body;
    const { body } = await erase('Condition/gone-1').expect(200);
    expect(counts(body)).toEqual({ resources: 1, versions: 2, keysDestroyed: 0, referring: 0 });
    for (const path of ['Condition/gone-1', 'Condition/gone-1/_history/1', 'Condition/gone-1/_history'])
      await http().get(`${BASE}/${path}`).expect(404);
    expect(await ids('Condition?patient=gone')).toEqual(['gone-3']);
    expect((await http().get(`${BASE}/Condition/stays-1`).expect(200)).body).toEqual(before);
    expect(await differences()).toEqual({});
  });

  it('of a patient removes the compartment, deleted resources too, and what is about it alone', async () => {
    const { body } = await http()
      .post(`${BASE}/Patient/gone/$erase`)
      .send({
        resourceType: 'Parameters',
        parameter: [
          { name: 'confirm', valueBoolean: true },
          { name: 'reason', valueString: 'Asked for by the patient' },
        ],
      })
      .expect(200);
    expect(counts(body)).toEqual({ resources: 4, versions: 5, keysDestroyed: 1, referring: 1 });
    for (const path of ['Patient/gone', 'Condition/gone-2', 'Condition/gone-3', 'Provenance/of-gone'])
      await http().get(`${BASE}/${path}`).expect(404);
    expect(await ids('Patient')).toEqual(['stays']);
    expect(await ids('Condition')).toEqual(['stays-1', 'stays-2', 'stays-3']);
    expect(await ids('Provenance')).toEqual(['of-both']);
    expect(await ids('Condition/_history')).toEqual(['stays-1', 'stays-2', 'stays-3']);
    await http().get(`${BASE}/Patient/gone/$everything`).expect(404);
    let exported = '';
    for await (const batch of served.rooms.store.scanText(served.tenant, {}))
      exported += batch.map(({ text }) => text).join('');
    expect(exported).not.toContain('"gone');
    expect(await differences()).toEqual({});
  });

  it('is in the audit trail: who, when and why, sealed', async () => {
    const { rows } = await served.tenant.pool.query('select part, at, aid, sealed from audit');
    const entries = rows.map((r) => openAudit(served.tenant.keys, { ...r, at: Number(r.at) }));
    const erasures = entries.filter((e) => e.erased);
    expect(erasures.length).toBeGreaterThan(0);
    expect(new Set(erasures.map((e) => e.reason))).toEqual(new Set(['Asked for by the patient']));
    expect(erasures.flatMap((e) => e.erased ?? [])).toContainEqual(['Patient', 'gone', 1]);
    expect(rows.some((r) => r.sealed.includes('Asked'))).toBe(false);
  });

  it('leaves the id free', async () => {
    await put(patient({ id: 'gone' })).expect(201);
    expect((await http().get(`${BASE}/Patient/gone`).expect(200)).body.meta.versionId).toBe('1');
    expect(await differences()).toEqual({});
  });

  it('of a note takes along its facts, also those of its older versions, and its Binary', async () => {
    await put({ resourceType: 'Binary', id: 'file', contentType: 'text/plain', data: 'aGVsbG8=' }).expect(
      201,
    );
    await put({
      resourceType: 'DocumentReference',
      id: 'note',
      status: 'current',
      subject: { reference: 'Patient/stays' },
      content: [{ attachment: { contentType: 'text/plain', url: 'Binary/file' } }],
    }).expect(201);
    const fact = (id: string) => ({
      ...condition(id, 'stays', 'asthma'),
      extension: [{ url: DERIVED_FROM_DOCUMENT, valueReference: { reference: 'DocumentReference/note' } }],
    });
    const { store } = served.rooms;
    const actor = { id: 'test', kind: 'job' as const };
    await store.replaceDerivedGroup(served.tenant, 'note', [fact('f1'), fact('f2')], actor);
    await store.replaceDerivedGroup(served.tenant, 'note', [fact('f2')], actor);
    await http().get(`${BASE}/Condition/f1`).expect(410);
    await erase('DocumentReference/note').expect(200);
    for (const path of ['DocumentReference/note', 'Condition/f1', 'Condition/f2', 'Binary/file'])
      await http().get(`${BASE}/${path}`).expect(404);
    await http().get(`${BASE}/Condition/stays-1`).expect(200);
    expect(await differences()).toEqual({});
  });
});
