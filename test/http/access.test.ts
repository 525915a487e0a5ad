import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { accessOf } from '../../src/http/scopes.js';
import { BASE, patient, type Served, serve, TENANT } from './served.js';

/** Tokens and scopes (RFC 6750; SMART App Launch 2.2, scopes and launch context). */
let served: Served;
beforeAll(async () => {
  served = await serve({ dev: false }, [TENANT, 'other']);
});
afterAll(() => served.close());

const http = () => served.http();
const READ = `${BASE}/Patient/p1`;

async function bearer(scope: string, tenant = TENANT): Promise<[string, string]> {
  return ['Authorization', `Bearer ${await served.token(tenant, scope)}`];
}

describe('a request', () => {
  it('without a token is refused with 401, and does not learn whether the tenant exists', async () => {
    const { headers, body } = await http().get(READ).expect(401);
    expect(headers['www-authenticate']).toMatch(/^Bearer/);
    expect(body.issue[0].code).toBe('login');
    const unknown = await http().get('/fhir/nobody/Patient/p1').expect(401);
    expect(unknown.body).toEqual(body);
  });

  it.each([
    ['no bearer', 'Basic dXNlcjpwYXNz'],
    ['an empty one', 'Bearer '],
    ['nonsense', 'Bearer not.a.token'],
    [
      'an unsigned one',
      `Bearer ${Buffer.from('{"alg":"none","typ":"at+jwt"}').toString('base64url')}.${Buffer.from('{"sub":"x"}').toString('base64url')}.`,
    ],
  ])('with %s is refused with 401', async (_what, authorization) => {
    await http().get(READ).set('Authorization', authorization).expect(401);
  });

  it('with a token for another tenant is refused with 403', async () => {
    await http()
      .get(READ)
      .set(...(await bearer('system/*.cruds', 'other')))
      .expect(403);
  });

  it('with the token in the address is refused', async () => {
    const token = await served.token(TENANT, 'system/*.cruds');
    await http().get(`${READ}?access_token=${token}`).expect(400);
  });

  it('for the CapabilityStatement needs no token, and does not tell which tenants there are', async () => {
    const { body } = await http().get(`${BASE}/metadata`).set('Host', '127.0.0.1').expect(200);
    const unknown = await http().get('/fhir/nobody/metadata').set('Host', '127.0.0.1').expect(200);
    // Its own address apart, which the caller gave.
    expect(JSON.parse(JSON.stringify(unknown.body.rest).replaceAll('/nobody/', `/${TENANT}/`))).toEqual(
      body.rest,
    );
    expect(JSON.stringify(body.rest[0].security)).toContain(`/oauth/${TENANT}/token`);
  });
});

describe('a scope', () => {
  beforeAll(async () => {
    const all = await bearer('system/*.cruds');
    await http()
      .put(READ)
      .set(...all)
      .send(patient({ id: 'p1' }))
      .expect(201);
    const condition = {
      resourceType: 'Condition',
      id: 'c1',
      subject: { reference: 'Patient/p1' },
      code: { text: 'Gout' },
    };
    await http()
      .put(`${BASE}/Condition/c1`)
      .set(...all)
      .send(condition)
      .expect(201);
  });

  it.each([
    ['system/Patient.r', 'get', 'Patient/p1', 200],
    ['system/Patient.r', 'get', 'Patient/p1/_history', 200],
    ['system/Patient.r', 'get', 'Patient', 403],
    ['system/Patient.s', 'get', 'Patient', 200],
    ['system/Patient.s', 'get', 'Patient/p1', 403],
    ['system/Patient.rs', 'get', 'Condition/c1', 403],
    ['system/*.rs', 'get', 'Condition/c1', 200],
    ['user/Patient.read', 'get', 'Patient', 200],
    ['system/Patient.rs', 'delete', 'Patient/p1', 403],
    ['system/Patient.write', 'get', 'Patient/p1', 403],
    ['system/Patient.rs', 'get', '?_type=Patient', 200],
    ['system/Patient.rs', 'get', '?_type=Patient,Condition', 403],
    ['system/Patient.rs', 'get', '', 403],
    ['system/Patient.rs', 'get', 'Patient/p1/Condition', 403],
    ['system/Patient.c system/Condition.rs', 'post', 'Patient', 201],
    ['system/Patient.rud', 'post', 'Patient', 403],
  ] as const)('%s: %s %s is %i', async (scope, method, path, status) => {
    const url = path.startsWith('?') || path === '' ? `${BASE}${path}` : `${BASE}/${path}`;
    const request = http()
      [method](url)
      .set(...(await bearer(scope)));
    await (method === 'post' ? request.send(patient()) : request).expect(status);
  });

  it('covers what a search brings along', async () => {
    const both = await http()
      .get(`${BASE}/Condition?_include=Condition:subject`)
      .set(...(await bearer('system/*.rs')))
      .expect(200);
    expect(
      both.body.entry.map((e: { resource: { resourceType: string } }) => e.resource.resourceType),
    ).toContain('Patient');
    const one = await http()
      .get(`${BASE}/Condition?_include=Condition:subject`)
      .set(...(await bearer('system/Condition.rs')))
      .expect(200);
    expect(
      one.body.entry.map((e: { resource: { resourceType: string } }) => e.resource.resourceType),
    ).toEqual(['Condition']);
  });

  it.each([
    ['system/Condition.rs', 'Condition?subject:Patient.birthdate=1970', 403],
    ['system/Condition.rs', 'Condition?subject.birthdate=1970', 403],
    ['system/Condition.rs', 'Condition?patient.name=alder', 403],
    ['system/Condition.rs system/Patient.s', 'Condition?patient.name=alder', 200],
    ['system/Condition.rs system/Patient.s', 'Condition?subject:Patient.name=alder', 200],
    ['system/Patient.rs', 'Patient?_has:Condition:patient:code=x', 403],
    ['system/Patient.rs system/Condition.s', 'Patient?_has:Condition:patient:code=x', 200],
    ['system/Patient.rs system/Condition.s', 'Patient?_has:Condition:patient:encounter.status=x', 403],
    ['system/Patient.rs', 'Patient?_list=x', 403],
    ['system/Patient.rs', 'Patient?_filter=general-practitioner.name eq "x"', 403],
    ['system/Patient.rs', 'Patient?name=alder', 200],
  ])('%s must cover what a search asks about: %s is %i', async (scope, query, status) => {
    await http()
      .get(encodeURI(`${BASE}/${query}`))
      .set(...(await bearer(scope)))
      .expect(status);
  });

  it('goes on to the next pages of a search over several types, and opens them for nobody else', async () => {
    const scope = await bearer('system/Patient.rs system/Condition.rs');
    const { body } = await http()
      .get(`${BASE}?_type=Patient,Condition&_count=1`)
      .set(...scope)
      .expect(200);
    const next = new URL(body.link.find((l: { relation: string }) => l.relation === 'next').url);
    const path = next.pathname + next.search;
    expect(
      (
        await http()
          .get(path)
          .set(...scope)
          .expect(200)
      ).body.entry,
    ).toHaveLength(1);
    const other = `Bearer ${await served.token(TENANT, 'system/*.cruds', 'somebody else')}`;
    await http().get(path).set('Authorization', other).expect(400);
  });

  it('covers every entry of a bundle', async () => {
    const entry = (method: string, url: string, resource?: unknown) => ({
      request: { method, url },
      resource,
    });
    const bundle = (type: string) => ({
      resourceType: 'Bundle',
      type,
      entry: [
        entry('POST', 'Patient', patient()),
        entry('GET', 'Condition/c1'),
        entry('GET', 'Condition?_count=1'),
      ],
    });
    const scope = await bearer('system/Patient.cruds');
    const { body } = await http()
      .post(BASE)
      .set(...scope)
      .send(bundle('batch'))
      .expect(200);
    expect(body.entry.map((e: { response: { status: string } }) => e.response.status.slice(0, 3))).toEqual([
      '201',
      '403',
      '403',
    ]);
    await http()
      .post(BASE)
      .set(...scope)
      .send(bundle('transaction'))
      .expect(403);
  });

  it('is needed for the search that a condition is', async () => {
    const scope = await bearer('system/Patient.cu');
    await http()
      .post(`${BASE}/Patient`)
      .set(...scope)
      .set('If-None-Exist', 'identifier=a|b')
      .send(patient())
      .expect(403);
    await http()
      .put(`${BASE}/Patient?identifier=a|b`)
      .set(...scope)
      .send(patient())
      .expect(403);
  });
});

describe('scopes that are not understood', () => {
  it.each([
    '',
    ' ',
    '*/*.*',
    'patient/*.',
    'patient/*.rs',
    'system/*.rw',
    'system/*.sr',
    'system/*.',
    'SYSTEM/*.cruds',
    'system/*.cruds?',
  ])('grant nothing: "%s"', (scope) => {
    const access = accessOf(scope);
    for (const letter of ['c', 'r', 'u', 'd', 's'] as const) {
      expect(access.allows('Patient', letter)).toBe(false);
      expect(access.allowsAll(letter)).toBe(false);
    }
  });
});
