import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BASE, patient, type Served, serve } from './served.js';

/** Conditional interactions of R4 (http.html#ccreate, #cond-update, 3.1.0.7.1). */
let served: Served;
beforeAll(async () => {
  served = await serve();
});
afterAll(() => served.close());

const http = () => served.http();
const SYSTEM = 'https://example.org/mrn';
const withMrn = (mrn: string, over: Record<string, unknown> = {}) =>
  patient({ identifier: [{ system: SYSTEM, value: mrn }], ...over });
const query = (mrn: string) => `identifier=${encodeURIComponent(`${SYSTEM}|${mrn}`)}`;

async function count(mrn: string): Promise<number> {
  return (
    await http()
      .get(`${BASE}/Patient?${query(mrn)}&_summary=count`)
      .expect(200)
  ).body.total;
}

describe('conditional create', () => {
  it('creates without a match, answers the match with 200, and refuses several with 412', async () => {
    const first = await http()
      .post(`${BASE}/Patient`)
      .set('If-None-Exist', query('c1'))
      .send(withMrn('c1'))
      .expect(201);
    const again = await http()
      .post(`${BASE}/Patient`)
      .set('If-None-Exist', query('c1'))
      .send(withMrn('c1'))
      .expect(200);
    expect(new URL(again.headers.location!).pathname).toBe(new URL(first.headers.location!).pathname);
    await http().post(`${BASE}/Patient`).send(withMrn('c1')).expect(201);
    const { body } = await http()
      .post(`${BASE}/Patient`)
      .set('If-None-Exist', query('c1'))
      .send(withMrn('c1'))
      .expect(412);
    expect(body.issue[0].code).toBe('multiple-matches');
  });

  it('makes exactly one of 64 at once', async () => {
    const statuses = await Promise.all(
      Array.from({ length: 64 }, () =>
        http()
          .post(`${BASE}/Patient`)
          .set('If-None-Exist', query('c64'))
          .send(withMrn('c64'))
          .then((r) => r.status),
      ),
    );
    expect(statuses.filter((s) => s === 201)).toHaveLength(1);
    expect(statuses.filter((s) => s === 200)).toHaveLength(63);
    expect(await count('c64')).toBe(1);
  });

  it('makes exactly one of 16 at once inside transactions', async () => {
    const bundle = {
      resourceType: 'Bundle',
      type: 'transaction',
      entry: [
        {
          fullUrl: 'urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a',
          resource: withMrn('t16'),
          request: { method: 'POST', url: 'Patient', ifNoneExist: query('t16') },
        },
      ],
    };
    const responses = await Promise.all(
      Array.from({ length: 16 }, () => http().post(BASE).send(bundle).expect(200)),
    );
    const statuses = responses.map(({ body }) => body.entry[0].response.status.slice(0, 3));
    expect(statuses.filter((s) => s === '201')).toHaveLength(1);
    expect(await count('t16')).toBe(1);
  });

  it.each([
    ['several parameters', 'family=Several&birthdate=1970-02-03'],
    ['a modifier', 'family:exact=Several'],
    ['a chain', 'general-practitioner.identifier=npi|several'],
    ['the id', '_id=several-1'],
    ['a date with a prefix', 'birthdate=lt1970-02-04&family=Several'],
    ['reverse chaining', '_has:Basic:subject:identifier=several|1'],
  ])('finds its match by %s', async (_what, criteria) => {
    const dr = {
      resourceType: 'Practitioner',
      id: 'several',
      identifier: [{ system: 'npi', value: 'several' }],
    };
    await http().put(`${BASE}/Practitioner/several`).send(dr);
    const known = patient({
      id: 'several-1',
      name: [{ family: 'Several' }],
      generalPractitioner: [{ reference: 'Practitioner/several' }],
    });
    await http().put(`${BASE}/Patient/several-1`).send(known);
    const basic = {
      resourceType: 'Basic',
      id: 'several',
      code: { text: 'x' },
      identifier: [{ system: 'several', value: '1' }],
      subject: { reference: 'Patient/several-1' },
    };
    await http().put(`${BASE}/Basic/several`).send(basic);
    const { headers } = await http()
      .post(`${BASE}/Patient`)
      .set('If-None-Exist', criteria)
      .send(patient())
      .expect(200);
    expect(headers.location).toContain('/Patient/several-1/');
  });

  it.each([
    ['an unknown parameter', 'identifyer=1', 400],
    ['no parameter with a value', 'identifier=', 412],
    ['parameters that only shape results', '_count=1', 412],
  ])('refuses criteria with %s', async (_what, criteria, status) => {
    const { body } = await http()
      .post(`${BASE}/Patient`)
      .set('If-None-Exist', criteria)
      .send(withMrn('x'))
      .expect(status);
    expect(body.resourceType).toBe('OperationOutcome');
  });
});

describe('conditional update', () => {
  it('creates without a match, updates the one match, refuses several', async () => {
    const created = await http()
      .put(`${BASE}/Patient?${query('u1')}`)
      .send(withMrn('u1'))
      .expect(201);
    const updated = await http()
      .put(`${BASE}/Patient?${query('u1')}`)
      .send(withMrn('u1', { gender: 'male' }))
      .expect(200);
    expect(updated.body).toMatchObject({ id: created.body.id, gender: 'male', meta: { versionId: '2' } });
    await http().post(`${BASE}/Patient`).send(withMrn('u1')).expect(201);
    await http()
      .put(`${BASE}/Patient?${query('u1')}`)
      .send(withMrn('u1'))
      .expect(412);
  });

  it('creates under the id of the body, and refuses an id that is not the match', async () => {
    const { body } = await http()
      .put(`${BASE}/Patient?${query('u2')}`)
      .send(withMrn('u2', { id: 'u-two' }))
      .expect(201);
    expect(body.id).toBe('u-two');
    await http()
      .put(`${BASE}/Patient?${query('u2')}`)
      .send(withMrn('u2', { id: 'u-three' }))
      .expect(400);
  });

  it('makes exactly one of 32 at once', async () => {
    const responses = await Promise.all(
      Array.from({ length: 32 }, (_, i) =>
        http()
          .put(`${BASE}/Patient?${query('u32')}`)
          .send(withMrn('u32', { multipleBirthInteger: i })),
      ),
    );
    expect(responses.filter((r) => r.status === 201)).toHaveLength(1);
    expect(responses.filter((r) => r.status === 200)).toHaveLength(31);
    expect(await count('u32')).toBe(1);
  });
});

describe('conditional delete', () => {
  it('deletes the one match, and nothing of several (single by policy)', async () => {
    await http().post(`${BASE}/Patient`).send(withMrn('d1')).expect(201);
    await http()
      .delete(`${BASE}/Patient?${query('d1')}`)
      .expect(204);
    expect(await count('d1')).toBe(0);
    await http()
      .delete(`${BASE}/Patient?${query('d1')}`)
      .expect(204);
    await http().post(`${BASE}/Patient`).send(withMrn('d2')).expect(201);
    await http().post(`${BASE}/Patient`).send(withMrn('d2')).expect(201);
    await http()
      .delete(`${BASE}/Patient?${query('d2')}`)
      .expect(412);
    expect(await count('d2')).toBe(2);
  });

  it('deletes all of several where the policy says so', async () => {
    const many = await serve({ multipleDelete: true });
    for (let i = 0; i < 3; i++) await many.http().post(`${BASE}/Patient`).send(withMrn('m1')).expect(201);
    await many
      .http()
      .delete(`${BASE}/Patient?${query('m1')}`)
      .expect(204);
    const { body } = await many
      .http()
      .get(`${BASE}/Patient?${query('m1')}&_summary=count`)
      .expect(200);
    expect(body.total).toBe(0);
    await many.close();
  });

  it('without criteria deletes nothing', async () => {
    await http().delete(`${BASE}/Patient`).expect(412);
  });
});

describe('conditional patch', () => {
  it('patches the one match', async () => {
    await http().post(`${BASE}/Patient`).send(withMrn('p1')).expect(201);
    const { body } = await http()
      .patch(`${BASE}/Patient?${query('p1')}`)
      .set('Content-Type', 'application/json-patch+json')
      .send(JSON.stringify([{ op: 'add', path: '/gender', value: 'female' }]))
      .expect(200);
    expect(body).toMatchObject({ gender: 'female', meta: { versionId: '2' } });
    await http()
      .patch(`${BASE}/Patient?${query('nobody')}`)
      .set('Content-Type', 'application/json-patch+json')
      .send('[]')
      .expect(404);
  });
});
