import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BASE, patient, type Served, serve } from '../http/served.js';

/** R4 http.html, statement by statement, as a stranger tries it who knows the specification and nothing of us. */
let served: Served;
beforeAll(async () => {
  served = await serve();
  await put(patient({ id: 'kept' }));
  await put(patient({ id: 'gone' }));
  await http().delete(`${BASE}/Patient/gone`).expect(204);
});
afterAll(() => served.close());

const http = () => served.http();
const put = (resource: Record<string, unknown>) =>
  http().put(`${BASE}/${resource.resourceType}/${resource.id}`).send(resource);
const FHIR = 'application/fhir+json';
const send = (method: 'post' | 'put' | 'patch', path: string, text: string, type = FHIR) =>
  http()
    [method](`${BASE}/${path}`)
    .set('Content-Type', type)
    .serialize((x) => x as never)
    .send(text as never);
const outcome = expect.objectContaining({ resourceType: 'OperationOutcome' });

describe('Status codes', () => {
  it.each<[method: 'get' | 'post' | 'put' | 'patch' | 'delete' | 'head', path: string, status: number]>([
    ['get', 'Patient/nobody', 404],
    ['get', 'Patient/gone', 410],
    ['get', 'Patient/gone/_history/1', 200],
    ['get', 'Patient/gone/_history/2', 410],
    ['get', 'Patient/gone/_history/3', 404],
    ['get', 'Patient/kept/_history/0', 404],
    ['get', 'Patient/kept/_history/one', 404],
    ['get', 'Patient/gone/_history', 200],
    ['get', 'Patient/nobody/_history', 404],
    ['get', 'Unknown/1', 404],
    ['get', 'Patient/$unknown', 404],
    ['get', '$unknown', 404],
    ['post', 'Patient/kept', 405],
    ['delete', 'Patient/kept/_history/1', 405],
    ['put', 'metadata', 405],
    ['post', 'Unknown', 404],
    ['delete', 'Patient/never', 204],
    ['delete', 'Patient/gone', 204],
    ['delete', 'Patient?identifier=urn:x|nobody', 204],
    ['delete', 'Patient', 412],
    ['patch', 'Patient/never', 404],
    ['patch', 'Patient/gone', 410],
    ['head', 'Patient/kept', 200],
    ['head', 'Patient/nobody', 404],
    ['head', 'Patient?_count=1', 200],
    ['head', 'metadata', 200],
    ['head', 'Patient/kept/_history', 200],
  ])('%s %s is %i', async (method, path, status) => {
    const asked = http()[method](`${BASE}/${path}`);
    if (method === 'patch') asked.set('Content-Type', 'application/json-patch+json').send('[]');
    const { body, headers } = await asked.expect(status);
    if (status >= 400 && method !== 'head') expect(body).toEqual(outcome);
    if (status === 405) expect(headers.allow).toBeTruthy();
  });

  it.each<[what: string, text: string, status: number]>([
    ['no JSON', '{"resourceType":"Patient"', 400],
    ['nothing', '', 400],
    ['a list', '[]', 400],
    ['null', 'null', 400],
    ['no resourceType', '{"name":[{"family":"X"}]}', 400],
    ['an unknown element', '{"resourceType":"Patient","colour":"blue"}', 400],
    ['a wrong type', '{"resourceType":"Patient","active":"yes"}', 400],
    ['an empty list', '{"resourceType":"Patient","name":[]}', 400],
    ['another type', '{"resourceType":"Observation"}', 400],
    ['a name twice', '{"resourceType":"Patient","active":true,"active":false}', 400],
    ['a code that is none of a required set', '{"resourceType":"Patient","gender":"unsure"}', 422],
    ['a broken invariant', '{"resourceType":"Patient","contact":[{"gender":"male"}]}', 422],
    ['a BOM', '\uFEFF{"resourceType":"Patient"}', 201],
  ])('a body that is %s', async (_what, text, status) => {
    const { body } = await send('post', 'Patient', text).expect(status);
    if (status >= 400) {
      expect(body).toEqual(outcome);
      expect(body.issue[0].severity).toMatch(/error|fatal/);
    }
  });

  it.each([
    ['an id that is not the one in the address', { id: 'other' }],
    ['no id', {}],
    ['an id that is none', { id: 'a_b' }],
  ])('an update whose body has %s is 400', async (_what, over) => {
    await http().put(`${BASE}/Patient/kept`).send(patient(over)).expect(400);
  });
});

describe('Content types', () => {
  it.each<[accept: string, status: number]>([
    ['application/fhir+json', 200],
    ['application/json', 200],
    ['text/json', 200],
    ['application/fhir+json; fhirVersion=4.0', 200],
    ['application/fhir+json; charset=utf-8', 200],
    ['application/fhir+xml, application/fhir+json;q=0.1', 200],
    ['application/fhir+xml;q=1.0, */*;q=0.1', 200],
    ['application/*', 200],
    ['application/fhir+json;q=0', 406],
    ['application/fhir+xml', 406],
    ['application/fhir+turtle', 406],
    ['application/fhir+json; fhirVersion=5.0', 406],
    ['application/fhir+json; fhirVersion=3.0, application/fhir+json; fhirVersion=4.0', 200],
  ])('Accept: %s is %i', async (accept, status) => {
    const { headers } = await http().get(`${BASE}/Patient/kept`).set('Accept', accept).expect(status);
    expect(headers['content-type']).toMatch(/json; charset=utf-8$/);
  });
  it.each<[format: string, status: number]>([
    ['json', 200],
    ['application/json', 200],
    ['text/json', 200],
    ['application/fhir+json', 200],
    ['application/fhir%2Bjson;fhirVersion=4.0', 200],
    ['xml', 406],
    ['text/xml', 406],
    ['application/fhir%2Bxml', 406],
    ['ttl', 406],
    ['html', 406],
  ])('_format=%s is %i and outweighs Accept', async (format, status) => {
    await http()
      .get(`${BASE}/Patient/kept?_format=${format}`)
      .set('Accept', 'application/fhir+xml')
      .expect(status);
  });
  it.each<[type: string, status: number]>([
    ['application/fhir+json', 201],
    ['application/json', 201],
    ['text/json', 201],
    ['application/fhir+json; fhirVersion=4.0; charset=UTF-8', 201],
    ['application/fhir+json; fhirVersion=5.0', 415],
    ['application/fhir+xml', 415],
    ['application/xml', 415],
    ['text/plain', 415],
    ['application/json; charset=iso-8859-1', 415],
  ])('Content-Type: %s is %i', async (type, status) => {
    const { body } = await send('post', 'Patient', JSON.stringify(patient()), type).expect(status);
    if (status >= 400) expect(body).toEqual(outcome);
  });
});

describe('Versions and conditions', () => {
  it.each(['W/"1"', '"1"', '"9", W/"1"', '*'])(
    'If-None-Match: %s of the current version is 304',
    async (tag) => {
      for (const path of ['Patient/kept', 'Patient/kept/_history/1']) {
        const { headers, text } = await http().get(`${BASE}/${path}`).set('If-None-Match', tag).expect(304);
        expect(headers.etag).toBe('W/"1"');
        expect(text).toBe('');
      }
    },
  );
  it('If-None-Match outweighs If-Modified-Since', async () => {
    await http()
      .get(`${BASE}/Patient/kept`)
      .set('If-None-Match', 'W/"7"')
      .set('If-Modified-Since', new Date(Date.now() + 60_000).toUTCString())
      .expect(200);
  });
  it.each<[tag: string, status: number]>([
    ['W/"2"', 412],
    ['W/"abc"', 412],
    ['nonsense', 400],
    ['W/"1"', 200],
  ])('an update with If-Match: %s is %i', async (tag, status) => {
    await put(patient({ id: `m${status}${tag.length}` })).expect(201);
    await http()
      .put(`${BASE}/Patient/m${status}${tag.length}`)
      .set('If-Match', tag)
      .send(patient({ id: `m${status}${tag.length}`, active: true }))
      .expect(status);
  });
  it('an update, patch or delete of what is not there with If-Match is 412 or 404, and makes nothing', async () => {
    await http()
      .put(`${BASE}/Patient/none`)
      .set('If-Match', 'W/"1"')
      .send(patient({ id: 'none' }))
      .expect(412);
    await http().get(`${BASE}/Patient/none`).expect(404);
  });
  it('meta.versionId, meta.lastUpdated and the id of a create are the server’s', async () => {
    const mine = { id: 'mine', meta: { versionId: '99', lastUpdated: '1999-01-01T00:00:00Z' } };
    const { body, headers } = await http().post(`${BASE}/Patient`).send(patient(mine)).expect(201);
    expect(body.id).not.toBe('mine');
    expect(body.meta.versionId).toBe('1');
    expect(Date.parse(body.meta.lastUpdated)).toBeGreaterThan(Date.parse('2020-01-01'));
    expect(headers.location).toMatch(new RegExp(`/Patient/${body.id}/_history/1$`));
    expect(headers.etag).toBe('W/"1"');
    expect(Date.parse(headers['last-modified']!)).toBeGreaterThan(0);
  });
  it('meta.tag, profile and security of a client are kept', async () => {
    const meta = {
      profile: ['http://example.org/fhir/StructureDefinition/own'],
      tag: [{ system: 'urn:t', code: 'a' }],
      security: [{ system: 'urn:s', code: 'b' }],
    };
    const { body } = await put(patient({ id: 'tagged', meta })).expect(201);
    expect(body.meta).toMatchObject(meta);
  });
});

describe('Conditional create', () => {
  it.each(['identifier=urn:ce|%s', '?identifier=urn:ce|%s', 'Patient?identifier=urn:ce|%s'])(
    'If-None-Exist: %s',
    async (header) => {
      const value = String(header.length);
      const criteria = header.replace('%s', value);
      const body = patient({ identifier: [{ system: 'urn:ce', value }] });
      await http().post(`${BASE}/Patient`).set('If-None-Exist', criteria).send(body).expect(201);
      const again = await http()
        .post(`${BASE}/Patient`)
        .set('If-None-Exist', criteria)
        .send(body)
        .expect(200);
      expect(again.headers.location).toBeTruthy();
      expect(again.headers.etag).toBe('W/"1"');
    },
  );
  it('by a parameter that does not exist is 400, and by nothing 412', async () => {
    await http().post(`${BASE}/Patient`).set('If-None-Exist', 'colour=blue').send(patient()).expect(400);
    await http().post(`${BASE}/Patient`).set('If-None-Exist', '_count=1').send(patient()).expect(412);
  });
});

describe('History', () => {
  beforeAll(async () => {
    await put(patient({ id: 'h' })).expect(201);
    await put(patient({ id: 'h', active: true })).expect(200);
    await http().delete(`${BASE}/Patient/h`).expect(204);
    await put(patient({ id: 'h', active: false })).expect(201);
  });
  it('entries say request and response, deletions have no resource, newest first', async () => {
    const { body } = await http().get(`${BASE}/Patient/h/_history`).expect(200);
    expect(body).toMatchObject({ resourceType: 'Bundle', type: 'history', total: 4 });
    const told = body.entry.map(
      (e: {
        request: { method: string };
        response: { status: string; etag: string };
        resource?: unknown;
      }) => [e.request.method, e.response.status.slice(0, 3), e.response.etag, e.resource !== undefined],
    );
    expect(told).toEqual([
      ['PUT', '201', 'W/"4"', true],
      ['DELETE', '204', 'W/"3"', false],
      ['PUT', '200', 'W/"2"', true],
      ['PUT', '201', 'W/"1"', true],
    ]);
    for (const entry of body.entry) {
      expect(entry.request.url).toBe('Patient/h');
      expect(Date.parse(entry.response.lastModified)).toBeGreaterThan(0);
      expect(entry.fullUrl).toMatch(/\/Patient\/h$/);
    }
  });
  it('of the type tells of a revival and a deletion as they were answered', async () => {
    const { body } = await http().get(`${BASE}/Patient/_history?_count=1000`).expect(200);
    const told = body.entry
      .filter((e: { fullUrl: string }) => e.fullUrl.endsWith('/Patient/h'))
      .map((e: { response: { status: string } }) => e.response.status.slice(0, 3));
    expect(told).toEqual(['201', '204', '200', '201']);
  });
  it.each<[query: string, status: number, entries?: number]>([
    ['_count=1', 200, 1],
    ['_count=0', 200, 0],
    ['_since=2999-01-01T00:00:00Z', 200, 0],
    ['_since=2000-01-01', 200, 4],
    ['_at=2999', 200, 1],
    ['_since=yesterday', 400],
    ['_count=few', 400],
    ['_sort=-_lastUpdated', 200, 4],
    ['_format=json', 200, 4],
    ['_pretty=true', 200, 4],
  ])('?%s is %i', async (query, status, entries) => {
    const { body } = await http().get(`${BASE}/Patient/h/_history?${query}`).expect(status);
    if (entries !== undefined) {
      expect(body.entry?.length ?? 0).toBe(entries);
      expect(body.entry).not.toEqual([]);
    }
  });
  it('_summary and _elements narrow what it gives', async () => {
    const { body } = await http().get(`${BASE}/Patient/h/_history?_elements=active`).expect(200);
    expect(body.entry[0].resource).toMatchObject({ active: false });
    expect(body.entry[0].resource.name).toBeUndefined();
    const first = await http().get(`${BASE}/Patient/_history?_elements=active&_count=2`).expect(200);
    const next = new URL(first.body.link.find((l: { relation: string }) => l.relation === 'next').url);
    const second = await http()
      .get(next.pathname + next.search)
      .expect(200);
    for (const { body: page } of [first, second]) {
      const given = page.entry.flatMap((e: { resource?: object }) => e.resource ?? []);
      expect(given.length).toBeGreaterThan(0);
      for (const resource of given) expect(resource).not.toHaveProperty('name');
    }
  });
});

describe('Patch', () => {
  const JSON_PATCH = 'application/json-patch+json';
  beforeAll(() => put(patient({ id: 'p', gender: 'male' })).expect(201));
  it.each<[what: string, document: unknown, type: string, status: number]>([
    ['a test that fails', [{ op: 'test', path: '/gender', value: 'female' }], JSON_PATCH, 422],
    ['a path that is not there', [{ op: 'remove', path: '/photo' }], JSON_PATCH, 422],
    ['an unknown operation', [{ op: 'merge', path: '/gender' }], JSON_PATCH, 400],
    ['no list', { op: 'remove', path: '/gender' }, JSON_PATCH, 400],
    ['a result that breaks R4', [{ op: 'replace', path: '/birthDate', value: 'soon' }], JSON_PATCH, 400],
    ['a result with a wrong code', [{ op: 'replace', path: '/gender', value: 'soon' }], JSON_PATCH, 422],
    ['another id', [{ op: 'replace', path: '/id', value: 'other' }], JSON_PATCH, 422],
    ['another type', [{ op: 'replace', path: '/resourceType', value: 'Group' }], JSON_PATCH, 422],
    ['a merge patch', { gender: 'female' }, 'application/merge-patch+json', 415],
    ['an XML patch', '<diff/>', 'application/xml-patch+xml', 415],
    ['JSON without a type of patch', [{ op: 'remove', path: '/gender' }], 'application/json', 415],
    ['a resource', patient({ id: 'p' }), FHIR, 415],
    ['a version nobody saw', [{ op: 'replace', path: '/id', value: 'p' }], JSON_PATCH, 200],
  ])('%s is refused with its code', async (_what, document, type, status) => {
    const text = typeof document === 'string' ? document : JSON.stringify(document);
    const { body, headers } = await send('patch', 'Patient/p', text, type).expect(status);
    if (status >= 400) expect(body).toEqual(outcome);
    if (status === 415) expect(headers['accept-patch']).toContain(JSON_PATCH);
  });
  it('answers the new version with its ETag, by JSON Patch and by FHIRPath Patch', async () => {
    const one = await send(
      'patch',
      'Patient/p',
      '[{"op":"replace","path":"/gender","value":"other"}]',
      JSON_PATCH,
    ).expect(200);
    expect(one.body.gender).toBe('other');
    expect(one.headers.etag).toBe(`W/"${one.body.meta.versionId}"`);
    const parameters = {
      resourceType: 'Parameters',
      parameter: [
        {
          name: 'operation',
          part: [
            { name: 'type', valueCode: 'replace' },
            { name: 'path', valueString: 'Patient.gender' },
            { name: 'value', valueCode: 'female' },
          ],
        },
      ],
    };
    const two = await send('patch', 'Patient/p', JSON.stringify(parameters)).expect(200);
    expect(two.body.gender).toBe('female');
    await http()
      .patch(`${BASE}/Patient/p`)
      .set('If-Match', 'W/"1"')
      .set('Content-Type', JSON_PATCH)
      .send('[]')
      .expect(412);
  });
});

describe('Prefer', () => {
  it.each<[prefer: string, body: 'resource' | 'none' | 'outcome']>([
    ['return=representation', 'resource'],
    ['return=minimal', 'none'],
    ['return=OperationOutcome', 'outcome'],
    ['respond-async', 'resource'],
  ])('%s on create, update and patch', async (prefer, kind) => {
    const id = `pref-${kind}-${prefer.length}`;
    const answers = [
      await http().post(`${BASE}/Patient`).set('Prefer', prefer).send(patient()).expect(201),
      await put(patient({ id })).set('Prefer', prefer).expect(201),
      await send(
        'patch',
        `Patient/${id}`,
        '[{"op":"add","path":"/active","value":true}]',
        'application/json-patch+json',
      )
        .set('Prefer', prefer)
        .expect(200),
    ];
    for (const { body, text, headers } of answers) {
      if (kind === 'none') expect(text).toBe('');
      else expect(body.resourceType).toBe(kind === 'resource' ? 'Patient' : 'OperationOutcome');
      expect(headers.etag).toBeTruthy();
      expect(headers.location ?? headers['content-location']).toBeTruthy();
    }
  });
});

describe('$validate and $meta', () => {
  const validate = (path: string, body: object) => http().post(`${BASE}/${path}`).send(body).expect(200);
  const severity = (body: { issue: { severity: string }[] }) => body.issue[0]!.severity;
  const parameters = (resource: object | undefined, mode?: string) => ({
    resourceType: 'Parameters',
    parameter: [
      ...(resource ? [{ name: 'resource', resource }] : []),
      ...(mode ? [{ name: 'mode', valueCode: mode }] : []),
    ],
  });
  it.each<[path: string, body: object, severity: string]>([
    ['Patient/$validate', patient(), 'information'],
    ['Patient/$validate', patient({ gender: 'unsure' }), 'error'],
    ['Patient/$validate', parameters(patient()), 'information'],
    ['Patient/$validate', parameters(patient({ birthDate: 'soon' })), 'error'],
    ['Patient/$validate', parameters(patient(), 'create'), 'information'],
    ['Patient/kept/$validate', parameters(patient({ id: 'kept' }), 'update'), 'information'],
    ['Patient/kept/$validate', parameters(patient({ id: 'other' }), 'update'), 'error'],
    ['Patient/kept/$validate', parameters(undefined, 'delete'), 'information'],
    ['Patient/$validate?mode=create', patient(), 'information'],
    ['Observation/$validate', patient(), 'error'],
  ])('POST %s', async (path, body, expected) => {
    const answer = await validate(path, body);
    expect(answer.body.resourceType).toBe('OperationOutcome');
    expect(severity(answer.body)).toBe(expected);
  });
  it('refuses a mode that is none', async () => {
    await http().post(`${BASE}/Patient/$validate?mode=sometimes`).send(patient()).expect(400);
  });
  it('$meta reads, $meta-add adds, $meta-delete removes', async () => {
    await put(patient({ id: 'meta' })).expect(201);
    const valueMeta = { tag: [{ system: 'urn:t', code: 'x' }] };
    const change = { resourceType: 'Parameters', parameter: [{ name: 'meta', valueMeta }] };
    const tags = (body: { parameter: { valueMeta: { tag?: unknown[] } }[] }) =>
      body.parameter[0]!.valueMeta.tag;
    expect(
      tags((await http().post(`${BASE}/Patient/meta/$meta-add`).send(change).expect(200)).body),
    ).toHaveLength(1);
    expect(tags((await http().get(`${BASE}/Patient/meta/$meta`).expect(200)).body)).toHaveLength(1);
    expect(
      tags(
        (await http().post(`${BASE}/Patient/meta/$meta`).send({ resourceType: 'Parameters' }).expect(200))
          .body,
      ),
    ).toHaveLength(1);
    expect((await http().get(`${BASE}/Patient?_tag=urn:t|x`).expect(200)).body.entry).toHaveLength(1);
    expect(
      tags((await http().post(`${BASE}/Patient/meta/$meta-delete`).send(change).expect(200)).body),
    ).toBeUndefined();
  });
});
