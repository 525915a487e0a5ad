import { createHash, createPublicKey, type JsonWebKey, randomBytes } from 'node:crypto';
import jwt from 'jsonwebtoken';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sealContent } from '../../src/http/oauth-sealed.js';
import { BASE, patient, type Served, serve, TENANT } from './served.js';

/**
 * SMART App Launch 2.2 as its public test kit asserts it: discovery, launch from a record system and standalone, launch
 * context, identity tokens, introspection, and what browser apps of other origins may call.
 */
let served: Served;
const HOST = '127.0.0.1:8080';
const ORIGIN = 'https://charts.example.org';
const REDIRECT = `${ORIGIN}/back`;
const FHIR = `http://${HOST}${BASE}`;
const ISSUER = `http://${HOST}/oauth/${TENANT}`;
const SCOPES =
  'launch launch/patient launch/encounter openid fhirUser profile offline_access online_access patient/*.rs user/*.rs';
const verifier = randomBytes(32).toString('base64url');

beforeAll(async () => {
  served = await serve({ dev: false });
  const app = { kind: 'app' as const, name: 'Growth charts', scopes: SCOPES };
  const { record } = served.tenant;
  await served.authorization.clients.register(record, { ...app, id: 'charts', redirectUris: [REDIRECT] });
  await served.authorization.clients.register(record, {
    ...app,
    id: 'other',
    redirectUris: ['https://other.example.org/back'],
  });
  await served.authorization.clients.register(record, {
    ...app,
    id: 'lone',
    scopes: 'launch/patient patient/*.rs',
    redirectUris: ['https://lone.example.org/back'],
  });
  const { secret } = await served.authorization.clients.register(record, {
    ...app,
    id: 'resource-server',
    auth: 'client_secret',
    redirectUris: ['https://rs.example.org/back'],
  });
  rsSecret = secret!;
  const all = await served.token(TENANT, 'system/*.cruds');
  const put = (type: string, id: string, more: Record<string, unknown>) =>
    served
      .http()
      .put(`${BASE}/${type}/${id}`)
      .auth(all, { type: 'bearer' })
      .send({ ...more, resourceType: type, id })
      .expect(201);
  await put('Patient', 'p1', patient());
  await put('Patient', 'p2', patient());
  await put('Practitioner', 'dr-oak', { name: [{ family: 'Oak' }] });
  for (const id of ['p1', 'p2'])
    await put('Encounter', `e-${id}`, {
      status: 'in-progress',
      class: { system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'AMB' },
      subject: { reference: `Patient/${id}` },
    });
});
afterAll(() => served.close());
let rsSecret: string;

const get = (path: string) => served.http().get(path).set('Host', HOST);
const post = (endpoint: string, form: Record<string, string>) =>
  served.http().post(`/oauth/${TENANT}/${endpoint}`).set('Host', HOST).type('form').send(form);
const user = (scope = 'user/*.rs', subject = 'Practitioner/dr-oak', who?: string) =>
  served.token(TENANT, scope, subject, who);
const asked = (over: Record<string, string> = {}) => ({
  response_type: 'code',
  client_id: 'charts',
  redirect_uri: REDIRECT,
  scope: 'launch/patient openid fhirUser patient/*.rs',
  state: 's-1',
  nonce: 'n-1',
  aud: FHIR,
  code_challenge: createHash('sha256').update(verifier).digest('base64url'),
  code_challenge_method: 'S256',
  ...over,
});
const back = (location: string | undefined) => new URL(location ?? 'x:').searchParams;

async function opened(form: Record<string, string>, token?: string): Promise<string> {
  const { body } = await post('launch', { client_id: 'charts', patient: 'p1', ...form })
    .auth(token ?? (await user()), { type: 'bearer' })
    .expect(200);
  expect(body).toMatchObject({ iss: FHIR, expires_in: 300 });
  return body.launch as string;
}

const decide = async (over: Record<string, string>, how: Record<string, string> = {}) =>
  post('authorize', { ...asked(over), token: await user(), patient: 'p1', decision: 'allow', ...how });

async function tokens(over: Record<string, string> = {}, how: Record<string, string> = {}) {
  const { headers, text } = await decide(over, how);
  expect(headers.location, text).toBeDefined();
  const code = back(headers.location).get('code') ?? '';
  const answer = await post('token', {
    grant_type: 'authorization_code',
    client_id: over.client_id ?? 'charts',
    redirect_uri: over.redirect_uri ?? REDIRECT,
    code_verifier: verifier,
    code,
  }).expect(200);
  return answer;
}

describe('discovery', () => {
  it('says what the kit asks for', async () => {
    const { body, headers } = await get(`${BASE}/.well-known/smart-configuration`).expect(200);
    expect(headers['content-type']).toMatch(/^application\/json/);
    expect(body).toMatchObject({ issuer: ISSUER, jwks_uri: `${ISSUER}/jwks` });
    for (const field of ['authorization_endpoint', 'token_endpoint'])
      expect(body[field]).toMatch(/^http:\/\/127/);
    expect(body.grant_types_supported).toContain('authorization_code');
    expect(body.code_challenge_methods_supported).toEqual(['S256']);
    expect(body.capabilities).toEqual(
      expect.arrayContaining([
        'launch-ehr',
        'launch-standalone',
        'client-public',
        'client-confidential-symmetric',
        'client-confidential-asymmetric',
        'sso-openid-connect',
        'context-banner',
        'context-style',
        'context-ehr-patient',
        'context-ehr-encounter',
        'context-standalone-patient',
        'permission-offline',
        'permission-patient',
        'permission-user',
        'permission-v1',
        'permission-v2',
        'authorize-post',
      ]),
    );
  });

  it('says it of OpenID Connect below the issuer, with public keys alone', async () => {
    const { body } = await get(`/oauth/${TENANT}/.well-known/openid-configuration`).expect(200);
    expect(body).toMatchObject({
      issuer: ISSUER,
      response_types_supported: ['code'],
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: ['RS256'],
    });
    const path = new URL(body.jwks_uri).pathname;
    const { body: jwks, headers } = await get(path).expect(200);
    expect(headers['cache-control']).toBe('public, max-age=300');
    expect(jwks.keys).toHaveLength(1);
    expect(Object.keys(jwks.keys[0]).sort()).toEqual(['alg', 'e', 'kid', 'kty', 'n', 'use']);
  });

  it('says the same of a tenant that is none', async () => {
    const [here, nowhere] = await Promise.all([
      get(`/oauth/${TENANT}/jwks`),
      get('/oauth/nobody-at-all/jwks'),
    ]);
    expect(nowhere.body).toEqual(here.body);
    await get('/oauth/nobody-at-all/.well-known/openid-configuration').expect(200);
  });
});

describe('an identity token', () => {
  async function verified(idToken: string) {
    const { header } = jwt.decode(idToken, { complete: true })!;
    const { body } = await get(`/oauth/${TENANT}/jwks`);
    const jwk = (body.keys as (JsonWebKey & { kid: string })[]).filter((k) => k.kid === header.kid);
    expect(jwk).toHaveLength(1);
    expect(header.alg).toBe('RS256');
    return jwt.verify(idToken, createPublicKey({ key: jwk[0]!, format: 'jwk' }), {
      algorithms: ['RS256'],
      issuer: ISSUER,
      audience: 'charts',
      nonce: 'n-1',
    }) as jwt.JwtPayload;
  }

  it('says who signed in, to this app, and the user’s record can be read', async () => {
    const { body, headers } = await tokens({
      scope: 'launch/patient openid fhirUser profile patient/Observation.rs',
    });
    expect(headers).toMatchObject({ 'cache-control': 'no-store', pragma: 'no-cache' });
    expect(body.scope).toBe('launch/patient openid fhirUser profile patient/Observation.rs');
    const claims = await verified(body.id_token);
    expect(claims).toMatchObject({ sub: 'Practitioner/dr-oak', fhirUser: `${FHIR}/Practitioner/dr-oak` });
    expect(claims.profile).toBe(claims.fhirUser);
    const read = (path: string) => get(`${BASE}/${path}`).auth(body.access_token, { type: 'bearer' });
    await read('Practitioner/dr-oak').expect(200);
    // The right to know oneself is none to anything else.
    await read('Practitioner?name=Oak').expect(403);
    await read('Patient/p1').expect(403);
  });

  it('is not given where none was asked for, and names no record of a user who has none', async () => {
    expect((await tokens({ scope: 'launch/patient fhirUser patient/*.rs' })).body).not.toHaveProperty(
      'id_token',
    );
    const { body } = await tokens({}, { token: await user('user/*.rs', 'jane') });
    expect(body.scope).toBe('launch/patient openid patient/*.rs');
    const claims = await verified(body.id_token);
    expect(claims.sub).toBe('jane');
    expect(claims).not.toHaveProperty('fhirUser');
  });

  it('counts nowhere as an access token', async () => {
    const { body } = await tokens({});
    await get(`${BASE}/Patient/p1`).auth(body.id_token, { type: 'bearer' }).expect(401);
  });

  it('is all that an app may ask for', async () => {
    const { body } = await tokens({ scope: 'openid fhirUser' });
    expect(body.scope).toBe('openid fhirUser');
    await get(`${BASE}/Patient/p1`).auth(body.access_token, { type: 'bearer' }).expect(403);
  });

  it.each([
    ['prompt=none', { prompt: 'none' }, 'interaction_required'],
    ['a request object', { request: 'a.b.c' }, 'request_not_supported'],
    ['a request elsewhere', { request_uri: 'https://evil.example/r' }, 'request_uri_not_supported'],
    ['a nonce without end', { nonce: 'n'.repeat(501) }, 'invalid_request'],
  ])('is not given for %s', async (_what, over, error) => {
    const { headers } = await get(`/oauth/${TENANT}/authorize?${new URLSearchParams(asked(over))}`).expect(
      302,
    );
    expect(back(headers.location).get('error')).toBe(error);
  });
});

describe('an app that a record system opens', () => {
  const EHR = { scope: 'launch openid fhirUser offline_access patient/*.rs' };

  it('is told what is open there, and a refresh tells it again', async () => {
    const launch = await opened({
      encounter: 'e-p1',
      need_patient_banner: 'false',
      smart_style_url: 'https://ehr.example.org/style.json',
      intent: 'reconcile-medications',
      fhir_context: '[{"reference":"Practitioner/dr-oak","role":"https://ehr.example.org/role"}]',
    });
    const { body } = await tokens({ ...EHR, launch }, { patient: 'p2' });
    const context = {
      patient: 'p1',
      encounter: 'e-p1',
      need_patient_banner: false,
      smart_style_url: 'https://ehr.example.org/style.json',
      intent: 'reconcile-medications',
      fhirContext: [{ reference: 'Practitioner/dr-oak', role: 'https://ehr.example.org/role' }],
    };
    expect(body).toMatchObject({ token_type: 'Bearer', scope: EHR.scope, ...context });
    const again = await post('token', {
      grant_type: 'refresh_token',
      client_id: 'charts',
      refresh_token: body.refresh_token,
    }).expect(200);
    expect(again.body).toMatchObject(context);
    expect(again.body).not.toHaveProperty('id_token');
    await get(`${BASE}/Patient/p2`).auth(again.body.access_token, { type: 'bearer' }).expect(404);
    const { body: told } = await post('introspect', { token: body.access_token }).auth(
      'resource-server',
      rsSecret,
    );
    expect(told).toMatchObject({
      active: true,
      iss: ISSUER,
      client_id: 'charts',
      scope: EHR.scope,
      patient: 'p1',
      encounter: 'e-p1',
      fhirUser: `${FHIR}/Practitioner/dr-oak`,
    });
    const { body: none } = await post('introspect', { token: 'x' }).auth('resource-server', rsSecret);
    expect(none).toEqual({ active: false });
  });

  it('is told the patient with user scopes too, and no more where nothing more is open', async () => {
    const { body } = await tokens({ scope: 'launch user/Patient.rs', launch: await opened({}) });
    expect(body).toMatchObject({ patient: 'p1', scope: 'launch user/Patient.rs' });
    for (const absent of ['encounter', 'need_patient_banner', 'intent', 'id_token', 'refresh_token'])
      expect(body).not.toHaveProperty(absent);
  });

  it('cannot be opened twice with one launch, nor by another user, nor for another app', async () => {
    const launch = await opened({});
    const other = await decide({ ...EHR, launch }, { token: await user('user/*.rs', 'Practitioner/dr-elm') });
    expect(other.text).toContain('opened by another user');
    const page = await get(
      `/oauth/${TENANT}/authorize?${new URLSearchParams(
        asked({ ...EHR, launch, client_id: 'other', redirect_uri: 'https://other.example.org/back' }),
      )}`,
    ).expect(302);
    expect(back(page.headers.location).get('error')).toBe('invalid_request');
    await tokens({ ...EHR, launch });
    expect((await decide({ ...EHR, launch })).text).toContain('used already');
  });

  it.each([
    ['a launch that is none', { scope: 'launch patient/*.rs', launch: 'AAAA' }, 'invalid_request'],
    ['a launch without its scope', { scope: 'patient/*.rs', launch: '' }, 'invalid_scope'],
  ])('is refused for %s', async (_what, over, error) => {
    const launch = over.launch === '' ? await opened({}) : over.launch;
    const { headers } = await get(
      `/oauth/${TENANT}/authorize?${new URLSearchParams(asked({ ...over, launch }))}`,
    ).expect(302);
    expect(back(headers.location).get('error')).toBe(error);
  });

  it('does not wait for its user for ever', async () => {
    const content = { id: 'l-1', client: 'charts', subject: undefined, patient: 'p1', context: {} };
    const launch = sealContent(served.tenant, 'launch', { ...content, expiresAt: Date.now() - 1 });
    const { headers } = await get(
      `/oauth/${TENANT}/authorize?${new URLSearchParams(asked({ ...EHR, launch }))}`,
    ).expect(302);
    expect(back(headers.location).get('error')).toBe('invalid_request');
  });

  it.each([
    ['no token', undefined, {}, 401],
    ['a token that reads no patient', 'user/Observation.rs', {}, 403],
    ['an app that is none', 'user/*.rs', { client_id: 'nobody' }, 400],
    ['an app that is not opened so', 'user/*.rs', { client_id: 'lone' }, 400],
    ['a patient that cannot be', 'user/*.rs', { patient: '../p1' }, 400],
    ['an encounter of nobody', 'user/*.rs', { patient: '', encounter: 'e-p1' }, 400],
    ['a style that runs', 'user/*.rs', { smart_style_url: 'javascript:alert(1)' }, 400],
    ['a context that is none', 'user/*.rs', { fhir_context: '[{"reference":"http://x/Patient/1"}]' }, 400],
    ['a banner that is none', 'user/*.rs', { need_patient_banner: 'maybe' }, 400],
  ])('is not opened with %s', async (_what, scope, form: Record<string, string>, status) => {
    const request = post('launch', { client_id: 'charts', patient: 'p1', ...form });
    const sent = scope === undefined ? request : request.auth(await user(scope), { type: 'bearer' });
    await sent.expect(status);
  });

  it('is not opened by another app', async () => {
    const { body } = await tokens({ scope: 'launch/patient patient/*.rs' });
    await post('launch', { client_id: 'other', patient: 'p1' })
      .auth(body.access_token, { type: 'bearer' })
      .expect(403);
  });
});

describe('what is chosen at the sign-in', () => {
  it('may be an encounter, of the same patient only', async () => {
    const scope = 'launch/patient launch/encounter patient/*.rs';
    const { body } = await tokens({ scope }, { encounter: 'e-p1' });
    expect(body).toMatchObject({ patient: 'p1', encounter: 'e-p1', scope });
    for (const encounter of ['e-p2', 'none', ''])
      expect((await decide({ scope }, { encounter })).text, encounter).toContain('role="alert"');
  });

  it('must be a patient whom the user sees', async () => {
    expect((await decide({}, { patient: 'nobody' })).text).toContain('no such patient');
  });
});

describe('a browser app of another origin', () => {
  const from = (path: string, origin: string) => get(path).set('Origin', origin);
  const ANY = 'https://anybody.example';

  it.each([
    [`${BASE}/metadata`],
    [`${BASE}/.well-known/smart-configuration`],
    [`/oauth/${TENANT}/.well-known/openid-configuration`],
    [`/oauth/${TENANT}/jwks`],
  ])('reads %s wherever it stands', async (path) => {
    const { headers } = await from(path, ANY).expect(200);
    expect(headers['access-control-allow-origin']).toBe('*');
    expect(headers).not.toHaveProperty('access-control-allow-credentials');
  });

  it('may call the token endpoint and the records from where it is registered, from nowhere else', async () => {
    for (const [origin, allowed] of [
      [ORIGIN, ORIGIN],
      [ANY, undefined],
      [`${ORIGIN}.evil.example`, undefined],
      ['null', undefined],
    ] as const) {
      const token = await post('token', {}).set('Origin', origin).expect(400);
      expect(token.headers['access-control-allow-origin'], origin).toBe(allowed);
      const read = await from(`${BASE}/Patient/p1`, origin).auth(await user(), { type: 'bearer' });
      expect(read.headers['access-control-allow-origin'], origin).toBe(allowed);
    }
    await served
      .http()
      .options(`${BASE}/Patient/p1`)
      .set({ Host: HOST, Origin: ORIGIN, 'Access-Control-Request-Method': 'GET' })
      .expect(204);
  });
});
