import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BASE, patient, type Served, serve } from './served.js';

/** The instance interactions of R4 (http.html), through HTTP on a real database. */
let served: Served;
beforeAll(async () => {
  served = await serve();
});
afterAll(() => served.close());

const http = () => served.http();

interface HistoryBody {
  entry: { resource: { meta: { versionId: string } } }[];
  link: { relation: string; url: string }[];
}

async function created(resource: Record<string, unknown> = patient()): Promise<{ id: string; path: string }> {
  const { body } = await http().post(`${BASE}/${resource.resourceType}`).send(resource).expect(201);
  return { id: body.id, path: `${BASE}/${body.resourceType}/${body.id}` };
}

describe('create (R4 http.html#create)', () => {
  it('assigns an id and version 1, and answers 201 with Location, ETag and Last-Modified', async () => {
    const response = await http()
      .post(`${BASE}/Patient`)
      .send(patient({ id: 'mine' }))
      .expect(201);
    expect(response.body.id).not.toBe('mine');
    expect(response.body.meta.versionId).toBe('1');
    expect(response.headers.location).toMatch(
      new RegExp(`/fhir/lake/Patient/${response.body.id}/_history/1$`),
    );
    expect(response.headers.etag).toBe('W/"1"');
    expect(Date.parse(response.headers['last-modified']!)).not.toBeNaN();
    expect(response.headers['content-type']).toMatch(/^application\/fhir\+json/);
  });

  it('ignores version and time that the client claims', async () => {
    const meta = { versionId: '77', lastUpdated: '1999-01-01T00:00:00Z' };
    const { body } = await http().post(`${BASE}/Patient`).send(patient({ meta })).expect(201);
    expect(body.meta.versionId).toBe('1');
    expect(body.meta.lastUpdated.startsWith('1999')).toBe(false);
  });

  it('refuses a resource of another type than the address names', async () => {
    const { body } = await http().post(`${BASE}/Observation`).send(patient()).expect(400);
    expect(body.resourceType).toBe('OperationOutcome');
    expect(body.issue[0].severity).toBe('error');
  });

  it.each([
    ['a body that is no JSON', '{"resourceType":"Patient",', 400],
    ['a name twice in one object', '{"resourceType":"Patient","gender":"male","gender":"female"}', 400],
    ['no resourceType', '{"name":[]}', 400],
    ['an unknown type', '{"resourceType":"Patients"}', 400],
    ['an empty body', '', 400],
  ])('refuses %s with an OperationOutcome', async (_what, text, status) => {
    const response = await http()
      .post(`${BASE}/Patient`)
      .set('Content-Type', 'application/fhir+json')
      .send(text);
    expect(response.status).toBe(status);
    expect(response.body.resourceType).toBe('OperationOutcome');
    expect(response.body.issue[0].diagnostics.length).toBeGreaterThan(10);
  });

  it('keeps the digits of decimals (R4 datatypes.html#decimal)', async () => {
    const text =
      '{"resourceType":"Observation","status":"final","code":{"text":"weight"},"valueQuantity":{"value":71.10,"unit":"kg"}}';
    const { body } = await http()
      .post(`${BASE}/Observation`)
      .set('Content-Type', 'application/fhir+json')
      .send(text)
      .expect(201);
    const { text: back } = await http().get(`${BASE}/Observation/${body.id}`).buffer(true).expect(200);
    expect(back).toContain('71.10');
  });
});

describe('read (R4 http.html#read, #cread)', () => {
  it('answers the current version with its ETag', async () => {
    const { path, id } = await created();
    const { body, headers } = await http().get(path).expect(200);
    expect(body).toMatchObject({ resourceType: 'Patient', id, birthDate: '1970-02-03' });
    expect(headers.etag).toBe('W/"1"');
  });

  it('answers 404 where there never was anything, 410 where it was deleted', async () => {
    await http().get(`${BASE}/Patient/nobody`).expect(404);
    const { path } = await created();
    await http().delete(path).expect(204);
    const { body } = await http().get(path).expect(410);
    expect(body.issue[0].code).toBe('deleted');
  });

  it('answers 304 to If-None-Match of the current version and 200 to another', async () => {
    const { path } = await created();
    await http().get(path).set('If-None-Match', 'W/"1"').expect(304);
    await http().get(path).set('If-None-Match', 'W/"7", W/"1"').expect(304);
    await http().get(path).set('If-None-Match', 'W/"2"').expect(200);
  });

  it('answers 304 to If-Modified-Since of the last change', async () => {
    const { path } = await created();
    const { headers } = await http().get(path).expect(200);
    await http().get(path).set('If-Modified-Since', headers['last-modified']!).expect(304);
    await http().get(path).set('If-Modified-Since', 'Thu, 01 Jan 1970 00:00:00 GMT').expect(200);
  });

  it('answers HEAD with the headers and no body', async () => {
    const { path } = await created();
    const response = await http().head(path).expect(200);
    expect(response.headers.etag).toBe('W/"1"');
    expect(Number(response.headers['content-length'])).toBeGreaterThan(0);
    expect(response.text ?? '').toBe('');
  });

  it('leaves out what _elements and _summary do not name, and says so', async () => {
    const { path } = await created();
    const { body } = await http().get(`${path}?_elements=birthDate`).expect(200);
    expect(body.birthDate).toBe('1970-02-03');
    expect(body.name).toBeUndefined();
    expect(body.meta.tag[0].code).toBe('SUBSETTED');
    const whole = await http().get(`${path}?_summary=false`).expect(200);
    expect(whole.body.name).toBeDefined();
  });

  it('writes for people with _pretty=true', async () => {
    const { path } = await created();
    const { text } = await http().get(`${path}?_pretty=true`).buffer(true).expect(200);
    expect(text).toContain('\n  "');
  });
});

describe('update (R4 http.html#update)', () => {
  it('makes a new version with 200, and reads it at once', async () => {
    const { id, path } = await created();
    const response = await http()
      .put(path)
      .send(patient({ id, gender: 'other' }))
      .expect(200);
    expect(response.headers.etag).toBe('W/"2"');
    const { body } = await http().get(path).expect(200);
    expect(body).toMatchObject({ gender: 'other', meta: { versionId: '2' } });
  });

  it('creates with 201 under an id that is new (update as create)', async () => {
    const response = await http()
      .put(`${BASE}/Patient/chosen-1`)
      .send(patient({ id: 'chosen-1' }))
      .expect(201);
    expect(response.headers.location).toMatch(/Patient\/chosen-1\/_history\/1$/);
  });

  it('brings back a deleted resource as its next version', async () => {
    const { id, path } = await created();
    await http().delete(path).expect(204);
    const { body } = await http().put(path).send(patient({ id })).expect(201);
    expect(body.meta.versionId).toBe('3');
  });

  it.each([
    ['the current version', 'W/"1"', 200],
    ['an older or newer version', 'W/"9"', 412],
    ['a star', '*', 400],
    ['no entity tag', 'one', 400],
  ])('with If-Match of %s', async (_what, tag, status) => {
    const { id, path } = await created();
    await http().put(path).set('If-Match', tag).send(patient({ id })).expect(status);
  });

  it('with If-None-Match: * creates, and refuses what exists', async () => {
    const path = `${BASE}/Patient/only-once`;
    await http()
      .put(path)
      .set('If-None-Match', '*')
      .send(patient({ id: 'only-once' }))
      .expect(201);
    await http()
      .put(path)
      .set('If-None-Match', '*')
      .send(patient({ id: 'only-once' }))
      .expect(412);
  });

  it('refuses an id in the body that is not the one in the address, and a missing one', async () => {
    await http()
      .put(`${BASE}/Patient/a1`)
      .send(patient({ id: 'b1' }))
      .expect(400);
    await http().put(`${BASE}/Patient/a1`).send(patient()).expect(400);
  });

  it('loses no update among 24 at once that name their version', async () => {
    const { id, path } = await created();
    const statuses = await Promise.all(
      Array.from({ length: 24 }, (_, i) =>
        http()
          .put(path)
          .set('If-Match', 'W/"1"')
          .send(patient({ id, multipleBirthInteger: i }))
          .then((r) => r.status),
      ),
    );
    expect(statuses.filter((s) => s === 200)).toHaveLength(1);
    expect(statuses.filter((s) => s === 412 || s === 409)).toHaveLength(23);
  });
});

describe('delete (R4 http.html#delete)', () => {
  it('answers 204, also where there is nothing', async () => {
    const { path } = await created();
    await http().delete(path).expect(204);
    await http().delete(path).expect(204);
    await http().delete(`${BASE}/Patient/never-was`).expect(204);
  });

  it('with If-Match refuses another version', async () => {
    const { path } = await created();
    await http().delete(path).set('If-Match', 'W/"4"').expect(412);
    await http().get(path).expect(200);
    await http().delete(path).set('If-Match', 'W/"1"').expect(204);
  });
});

describe('vread and history of an instance (R4 http.html#vread, #history)', () => {
  it('keep every version as it was', async () => {
    const { id, path } = await created();
    await http()
      .put(path)
      .send(patient({ id, gender: 'female' }))
      .expect(200);
    await http().delete(path).expect(204);
    const first = await http().get(`${path}/_history/1`).expect(200);
    expect(first.body.gender).toBeUndefined();
    expect((await http().get(`${path}/_history/2`).expect(200)).body.gender).toBe('female');
    await http().get(`${path}/_history/3`).expect(410);
    await http().get(`${path}/_history/4`).expect(404);
    await http().get(`${path}/_history/first`).expect(404);

    const { body } = await http().get(`${path}/_history`).expect(200);
    expect(body).toMatchObject({ resourceType: 'Bundle', type: 'history', total: 3 });
    expect(body.entry.map((e: { request: { method: string } }) => e.request.method)).toEqual([
      'DELETE',
      'PUT',
      'POST',
    ]);
    expect(body.entry[0].resource).toBeUndefined();
    expect(body.entry[1].response.etag).toBe('W/"2"');
  });

  it.each([1, 2, 3, 100])('pages by %i give every version once', async (count) => {
    const { id, path } = await created();
    for (let i = 0; i < 4; i++)
      await http()
        .put(path)
        .send(patient({ id, multipleBirthInteger: i }))
        .expect(200);
    const versions: string[] = [];
    let next: string | undefined = `${path}/_history?_count=${count}`;
    while (next) {
      const page: HistoryBody = (await http().get(next).expect(200)).body;
      versions.push(...page.entry.map((e) => e.resource.meta.versionId));
      const link = page.link.find((l) => l.relation === 'next')?.url;
      next = link && new URL(link).pathname + new URL(link).search;
    }
    expect(versions).toEqual(['5', '4', '3', '2', '1']);
  });

  it('answers 404 for a resource that never was', async () => {
    await http().get(`${BASE}/Patient/nobody/_history`).expect(404);
  });
});

describe('Prefer (R4 http.html#ops)', () => {
  it.each([
    ['return=minimal', undefined],
    ['return=representation', 'Patient'],
    ['return=OperationOutcome', 'OperationOutcome'],
  ])('%s decides what a write answers', async (prefer, type) => {
    const response = await http().post(`${BASE}/Patient`).set('Prefer', prefer).send(patient()).expect(201);
    expect(response.body?.resourceType).toBe(type);
    expect(response.headers.location).toBeDefined();
  });
});
