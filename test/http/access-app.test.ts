import { createHash, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BASE, patient, type Served, serve, TENANT } from './served.js';

/** SMART App Launch 2.2: standalone launch, authorisation code with PKCE, refresh tokens. */
let served: Served;
const HOST = '127.0.0.1:8080';
const REDIRECT = 'https://charts.example.org/back';
const AUD = `http://${HOST}${BASE}`;
let secret: string;

beforeAll(async () => {
  served = await serve({ dev: false }, [TENANT, 'other']);
  const { clients } = served.authorization;
  const { record } = served.tenant;
  const app = { kind: 'app' as const, name: 'Growth <b>charts</b>', redirectUris: [REDIRECT] };
  await clients.register(record, {
    ...app,
    id: 'charts',
    scopes: 'launch/patient patient/*.rs user/Observation.rs offline_access online_access',
  });
  const made = await clients.register(record, {
    ...app,
    id: 'portal',
    auth: 'client_secret',
    scopes: 'launch/patient patient/*.rs offline_access',
  });
  secret = made.secret!;
  const all = await served.token(TENANT, 'system/*.cruds');
  for (const id of ['p1', 'p2'])
    await served
      .http()
      .put(`${BASE}/Patient/${id}`)
      .auth(all, { type: 'bearer' })
      .send(patient({ id }))
      .expect(201);
});
afterAll(() => served.close());

const verifier = randomBytes(32).toString('base64url');
const challenge = createHash('sha256').update(verifier).digest('base64url');

const asked = (over: Record<string, string | undefined> = {}): Record<string, string> =>
  Object.fromEntries(
    Object.entries({
      response_type: 'code',
      client_id: 'charts',
      redirect_uri: REDIRECT,
      scope: 'launch/patient patient/*.rs',
      state: 's-1',
      aud: AUD,
      code_challenge: challenge,
      code_challenge_method: 'S256',
      ...over,
    }).filter((e): e is [string, string] => e[1] !== undefined),
  );

const page = (query: Record<string, string>) =>
  served
    .http()
    .get(`/oauth/${TENANT}/authorize?${new URLSearchParams(query)}`)
    .set('Host', HOST);
const decide = (form: Record<string, string>) =>
  served.http().post(`/oauth/${TENANT}/authorize`).set('Host', HOST).type('form').send(form);
const exchange = (form: Record<string, string>) =>
  served.http().post(`/oauth/${TENANT}/token`).set('Host', HOST).type('form').send(form);
const back = (location: string | undefined) => new URL(location ?? 'x:').searchParams;

const user = (scope = 'user/*.rs', who?: string) => served.token(TENANT, scope, 'Practitioner/dr-oak', who);

async function code(over: Record<string, string> = {}, how: Record<string, string> = {}): Promise<string> {
  const { headers } = await decide({
    ...asked(over),
    token: await user(),
    patient: 'p1',
    decision: 'allow',
    ...how,
  }).expect(302);
  const answer = back(headers.location);
  expect(answer.get('state')).toBe('s-1');
  return answer.get('code') ?? '';
}

const trade = async (over: Record<string, string> = {}) =>
  exchange({
    grant_type: 'authorization_code',
    client_id: 'charts',
    redirect_uri: REDIRECT,
    code_verifier: verifier,
    ...over,
  });

describe('the page of a user', () => {
  it('says who asks for what, runs nothing and can be framed by nobody', async () => {
    const { text, headers } = await page(asked()).expect(200);
    expect(text).toContain('Growth &lt;b&gt;charts&lt;/b&gt;');
    expect(text).toContain('patient/*.rs');
    expect(headers['content-security-policy']).toContain("frame-ancestors 'none'");
    expect(headers['content-security-policy']).toContain("default-src 'none'");
    expect(text).not.toContain('<script');
  });

  it.each([
    ['an unknown app', { client_id: 'nobody' }],
    ['another redirect URI', { redirect_uri: 'https://evil.example/back' }],
    ['a longer redirect URI', { redirect_uri: `${REDIRECT}/x` }],
    ['a redirect URI in other letters', { redirect_uri: REDIRECT.toUpperCase() }],
    ['no redirect URI', { redirect_uri: undefined }],
  ])('sends nobody anywhere for %s', async (_what, over) => {
    const { headers } = await page(asked(over)).expect(400);
    expect(headers.location).toBeUndefined();
  });

  it.each([
    ['no proof', { code_challenge: undefined }, 'invalid_request'],
    ['a plain proof', { code_challenge_method: 'plain' }, 'invalid_request'],
    ['another response type', { response_type: 'token' }, 'unsupported_response_type'],
    ['another server', { aud: 'https://evil.example/fhir' }, 'invalid_request'],
    ['no scope of its own', { scope: 'patient/*.cud' }, 'invalid_scope'],
    ['system scopes', { scope: 'system/*.rs' }, 'invalid_scope'],
    ['a launch from an EHR', { launch: 'x' }, 'invalid_request'],
  ])('tells the app of %s', async (_what, over, error) => {
    const { headers } = await page(asked(over)).expect(302);
    expect(back(headers.location).get('error')).toBe(error);
    expect(back(headers.location).get('state')).toBe('s-1');
  });

  it('needs a state', async () => {
    const { headers } = await page(asked({ state: undefined })).expect(302);
    expect(back(headers.location).get('error')).toBe('invalid_request');
  });
});

describe('a user', () => {
  it('who refuses sends the app away', async () => {
    const { headers } = await decide({ ...asked(), token: await user(), decision: 'deny' }).expect(302);
    expect(back(headers.location).get('error')).toBe('access_denied');
  });

  it.each([
    ['no token', {}],
    ['nonsense', { token: 'x', patient: 'p1' }],
    ['no patient', { token: 'user' }],
    ['an impossible patient', { token: 'user', patient: '../p1' }],
    ['a token that permits nothing of it', { token: 'write', patient: 'p1' }],
  ])('with %s is asked again', async (_what, how: Record<string, string>) => {
    const token =
      how.token === 'user' ? await user() : how.token === 'write' ? await user('user/*.cud') : how.token;
    const { text, headers } = await decide({
      ...asked(),
      decision: 'allow',
      ...how,
      ...(token === undefined ? {} : { token }),
    }).expect(200);
    expect(headers.location).toBeUndefined();
    expect(text).toContain('role="alert"');
  });

  it('cannot sign in with the token of an app', async () => {
    const { body } = await trade({ code: await code() });
    const { text } = await decide({ ...asked(), token: body.access_token, decision: 'allow' }).expect(200);
    expect(text).toContain('role="alert"');
  });
});

describe('an app', () => {
  it('gets a token for the patient that was chosen, and sees this patient alone', async () => {
    const { body, status } = await trade({ code: await code() });
    expect(status).toBe(200);
    expect(body).toMatchObject({
      token_type: 'Bearer',
      patient: 'p1',
      scope: 'launch/patient patient/*.rs',
    });
    expect(body.refresh_token).toBeUndefined();
    const get = (path: string) =>
      served.http().get(`${BASE}/${path}`).auth(body.access_token, { type: 'bearer' });
    await get('Patient/p1').expect(200);
    await get('Patient/p2').expect(404);
    const found = await get('Patient').expect(200);
    expect(found.body.entry.map((e: { resource: { id: string } }) => e.resource.id)).toEqual(['p1']);
  });

  it('gets no more than the user may, about the user’s own patient', async () => {
    const token = await user('patient/Patient.rs', 'p2');
    const { body } = await trade({ code: await code({}, { token, patient: 'p1' }) });
    expect(body).toMatchObject({ patient: 'p2', scope: 'launch/patient patient/Patient.rs' });
  });

  it.each([
    ['another proof', { code_verifier: 'x'.repeat(43) }],
    ['another redirect URI', { redirect_uri: 'https://evil.example/back' }],
    ['a code that is none', { code: 'AAAA' }],
  ])('with %s gets nothing', async (_what, over) => {
    const { body, status } = await trade({ code: await code(), ...over });
    expect([status, body.error]).toEqual([400, 'invalid_grant']);
  });

  it('cannot use the code of another, nor one of another tenant', async () => {
    const one = await code();
    const { body } = await exchange({
      grant_type: 'authorization_code',
      redirect_uri: REDIRECT,
      code_verifier: verifier,
      code: one,
    }).auth('portal', secret);
    expect(body.error).toBe('invalid_grant');
    await served.authorization.clients.register((await served.system.tenant('other')).record, {
      id: 'charts',
      name: 'Charts',
      kind: 'app',
      redirectUris: [REDIRECT],
      scopes: 'patient/*.rs',
    });
    const elsewhere = await served.http().post('/oauth/other/token').set('Host', HOST).type('form').send({
      grant_type: 'authorization_code',
      client_id: 'charts',
      redirect_uri: REDIRECT,
      code_verifier: verifier,
      code: one,
    });
    expect(elsewhere.body.error).toBe('invalid_grant');
  });

  it('with a secret must show it', async () => {
    const one = await code({ client_id: 'portal' });
    const form = {
      grant_type: 'authorization_code',
      redirect_uri: REDIRECT,
      code_verifier: verifier,
      code: one,
    };
    expect((await exchange({ ...form, client_id: 'portal' })).status).toBe(401);
    expect((await exchange(form).auth('portal', 'wrong')).status).toBe(401);
    expect((await exchange(form).auth('portal', secret)).status).toBe(200);
  });

  it('that uses a code twice loses what the first use gave', async () => {
    const one = await code({ scope: 'patient/*.rs offline_access' });
    const first = await trade({ code: one });
    expect(first.body.refresh_token).toBeDefined();
    expect((await trade({ code: one })).body.error).toBe('invalid_grant');
    const { body } = await exchange({
      grant_type: 'refresh_token',
      client_id: 'charts',
      refresh_token: first.body.refresh_token,
    });
    expect(body.error).toBe('invalid_grant');
  });
});

describe('a refresh token', () => {
  const refresh = (refresh_token: string, over: Record<string, string> = {}) =>
    exchange({ grant_type: 'refresh_token', client_id: 'charts', refresh_token, ...over });

  it('is exchanged for new ones, with less where less is asked for', async () => {
    const { body } = await trade({ code: await code({ scope: 'patient/*.rs online_access' }) });
    const next = await refresh(body.refresh_token, { scope: 'patient/Observation.rs' }).expect(200);
    expect(next.body).toMatchObject({ patient: 'p1', scope: 'patient/Observation.rs' });
    const more = await refresh(next.body.refresh_token, { scope: 'user/Observation.rs' }).expect(400);
    expect(more.body.error).toBe('invalid_scope');
    await refresh(next.body.refresh_token).expect(200);
  });

  it('says by itself which public app it is of, and of one that proves itself it does not suffice', async () => {
    const { body } = await trade({ code: await code({ scope: 'patient/*.rs offline_access' }) });
    const form = { grant_type: 'refresh_token', refresh_token: body.refresh_token };
    const next = await exchange(form).expect(200);
    expect(next.body).toMatchObject({ patient: 'p1', scope: 'patient/*.rs offline_access' });
    const portal = await exchange({
      grant_type: 'authorization_code',
      redirect_uri: REDIRECT,
      code_verifier: verifier,
      code: await code({ client_id: 'portal', scope: 'patient/*.rs offline_access' }),
    }).auth('portal', secret);
    await exchange({ ...form, refresh_token: portal.body.refresh_token }).expect(401);
    await exchange({ ...form, refresh_token: portal.body.refresh_token })
      .auth('portal', secret)
      .expect(200);
    await exchange({ ...form, refresh_token: 'AAAA' }).expect(400);
  });

  it('counts once: shown again, it ends all that came of it', async () => {
    const { body } = await trade({ code: await code({ scope: 'patient/*.rs offline_access' }) });
    const next = await refresh(body.refresh_token).expect(200);
    await refresh(body.refresh_token).expect(400);
    await refresh(next.body.refresh_token).expect(400);
  });

  it('is of no use to another client, and ends when it is revoked', async () => {
    const { body } = await trade({ code: await code({ scope: 'patient/*.rs offline_access' }) });
    await exchange({ grant_type: 'refresh_token', refresh_token: body.refresh_token })
      .auth('portal', secret)
      .expect(400);
    await served
      .http()
      .post(`/oauth/${TENANT}/revoke`)
      .set('Host', HOST)
      .type('form')
      .send({ client_id: 'charts', token: body.refresh_token })
      .expect(200);
    await refresh(body.refresh_token).expect(400);
  });
});
