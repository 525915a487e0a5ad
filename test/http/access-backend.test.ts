import { generateKeyPairSync, type KeyObject, randomUUID } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import jwt from 'jsonwebtoken';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mayServeKeySet } from '../../src/tenancy/clients-jwks.js';
import { grantedScopes } from '../../src/tenancy/scope.js';
import { BASE, type Served, serve, TENANT } from './served.js';

/** SMART Backend Services (App Launch 2.2): asymmetric authentication, tokens, introspection, revocation. */
let served: Served;
let keyServer: Server;
let keyUrl: string;
let keySet: { status: number; body: string; headers: Record<string, string>; asked: number };

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ec = generateKeyPairSync('ec', { namedCurve: 'P-384' });
const other = generateKeyPairSync('rsa', { modulusLength: 2048 });
const jwk = (key: KeyObject, kid: string, alg?: string) => ({
  ...key.export({ format: 'jwk' }),
  kid,
  ...(alg === undefined ? {} : { alg }),
});
const JWKS = { keys: [jwk(rsa.publicKey, 'rsa-1', 'RS384'), jwk(ec.publicKey, 'ec-1')] };

beforeAll(async () => {
  served = await serve({ dev: false }, [TENANT, 'other']);
  keySet = { status: 200, body: JSON.stringify(JWKS), headers: {}, asked: 0 };
  keyServer = createServer((_request, response) => {
    keySet.asked++;
    response.writeHead(keySet.status, keySet.headers).end(keySet.body);
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => keyServer.once('listening', resolve));
  const origin = `http://127.0.0.1:${(keyServer.address() as AddressInfo).port}`;
  served.trusted.add(origin);
  keyUrl = `${origin}/jwks`;
  const { clients } = served.authorization;
  const { record } = served.tenant;
  const backend = { kind: 'backend' as const, scopes: 'system/*.rs' };
  await clients.register(record, { ...backend, id: 'nightly', name: 'Nightly export', jwks: JWKS });
  await clients.register(record, { ...backend, id: 'by-url', name: 'By URL', jwksUrl: keyUrl });
  await clients.register(record, {
    ...backend,
    id: 'twins',
    name: 'Twins',
    jwks: { keys: [jwk(rsa.publicKey, 'same'), jwk(other.publicKey, 'same')] },
  });
});
afterAll(async () => {
  keyServer.close();
  await served.close();
});

const ENDPOINT = `http://127.0.0.1:8080/oauth/${TENANT}/token`;
/** Supertest listens on a port of its own; the token endpoint is named by the address configured. */
const HOST = '127.0.0.1:8080';
const seconds = () => Math.floor(Date.now() / 1000);

interface Crooked {
  key?: KeyObject | string;
  alg?: string;
  header?: Record<string, unknown>;
  claims?: Record<string, unknown>;
  client?: string;
}

function assertion({
  key = rsa.privateKey,
  alg = 'RS384',
  header,
  claims,
  client = 'nightly',
}: Crooked = {}) {
  const payload = {
    iss: client,
    sub: client,
    aud: ENDPOINT,
    exp: seconds() + 240,
    jti: randomUUID(),
    ...claims,
  };
  for (const [name, value] of Object.entries(payload)) {
    if (value === undefined) delete (payload as Record<string, unknown>)[name];
  }
  const head = { kid: alg === 'ES384' ? 'ec-1' : 'rsa-1', typ: 'JWT', ...header };
  return jwt.sign(payload, key, {
    algorithm: alg as jwt.Algorithm,
    header: head as unknown as jwt.JwtHeader,
    noTimestamp: claims?.iat === undefined,
    allowInvalidAsymmetricKeyTypes: true,
  });
}

const post = (endpoint: string, form: Record<string, string>, tenant = TENANT) =>
  served.http().post(`/oauth/${tenant}/${endpoint}`).set('Host', HOST).type('form').send(form);

const ask = (client_assertion: string, over: Record<string, string> = {}, tenant = TENANT) =>
  post(
    'token',
    {
      grant_type: 'client_credentials',
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion,
      scope: 'system/*.rs',
      ...over,
    },
    tenant,
  );

describe('a backend client', () => {
  it.each([
    ['RS384', rsa.privateKey],
    ['ES384', ec.privateKey],
  ])('that signs with %s gets a token for five minutes, which reads and exports', async (alg, key) => {
    const { body, headers } = await ask(assertion({ alg, key })).expect(200);
    expect(body).toMatchObject({ token_type: 'bearer', expires_in: 300, scope: 'system/*.rs' });
    expect(headers['cache-control']).toBe('no-store');
    await served.http().get(`${BASE}/Patient`).auth(body.access_token, { type: 'bearer' }).expect(200);
    await served
      .http()
      .post(`${BASE}/Patient`)
      .auth(body.access_token, { type: 'bearer' })
      .send({ resourceType: 'Patient' })
      .expect(403);
  });

  it('finds the endpoints in the configuration of the tenant, which says what is served', async () => {
    const { body } = await served
      .http()
      .get(`${BASE}/.well-known/smart-configuration`)
      .set('Host', HOST)
      .expect(200);
    expect(body.token_endpoint).toBe(ENDPOINT);
    expect(body.token_endpoint_auth_signing_alg_values_supported).toEqual(['RS384', 'ES384']);
    const unknown = await served
      .http()
      .get('/fhir/nobody/.well-known/smart-configuration')
      .set('Host', HOST)
      .expect(200);
    expect(Object.keys(unknown.body)).toEqual(Object.keys(body));
  });

  it('is granted what it asks and is registered for, and told so', async () => {
    const { body } = await ask(assertion(), {
      scope: 'system/Patient.read system/Observation.cruds?category=laboratory user/*.rs nonsense',
    }).expect(200);
    expect(body.scope).toBe('system/Patient.read system/Observation.rs?category=laboratory');
  });

  it.each(['user/*.rs', 'nonsense', 'system/Patient.d', 'system/*.sr'])(
    'that asks for %s alone gets none of it',
    async (scope) => {
      const { body } = await ask(assertion(), { scope }).expect(400);
      expect(body.error).toBe('invalid_scope');
    },
  );
});

const PEM = rsa.publicKey.export({ type: 'spki', format: 'pem' }) as string;
const unsigned = () => {
  const [, payload] = assertion().split('.');
  const header = Buffer.from('{"alg":"none","typ":"JWT","kid":"rsa-1"}').toString('base64url');
  return `${header}.${payload}.`;
};
const byHand = (header: Record<string, unknown>) => {
  const [, payload, signature] = assertion().split('.');
  return `${Buffer.from(JSON.stringify(header)).toString('base64url')}.${payload}.${signature}`;
};

describe('an assertion is refused', () => {
  it.each<[string, () => string]>([
    ['without a signature', unsigned],
    ['signed with the public key as a secret', () => assertion({ alg: 'HS256', key: PEM })],
    ['signed with the public key after a newline', () => assertion({ alg: 'HS384', key: `\n${PEM}` })],
    ['of another algorithm of the same key', () => assertion({ alg: 'RS256' })],
    [
      'of the algorithm of another key',
      () => assertion({ alg: 'ES384', key: ec.privateKey, header: { kid: 'rsa-1' } }),
    ],
    ['of an unknown algorithm', () => byHand({ alg: 'XS384', typ: 'JWT', kid: 'rsa-1' })],
    ['with a changed header', () => byHand({ alg: 'RS384', typ: 'JWT', kid: 'rsa-1', x: 1 })],
    ['signed by another', () => assertion({ key: other.privateKey })],
    ['without a key id', () => assertion({ header: { kid: undefined } })],
    ['with a path as key id', () => assertion({ header: { kid: '../../dev/null' } })],
    ['with SQL as key id', () => assertion({ header: { kid: "x' or 1=1--" } })],
    ['whose key id two keys have', () => assertion({ client: 'twins', header: { kid: 'same' } })],
    [
      'that brings its own key',
      () => assertion({ key: other.privateKey, header: { jwk: jwk(other.publicKey, 'rsa-1') } }),
    ],
    ['that names a key set elsewhere', () => assertion({ header: { jku: 'https://evil.example/jwks' } })],
    ['with critical headers', () => assertion({ header: { crit: ['x'], x: 1 } })],
    ['of another type', () => assertion({ header: { typ: 'at+jwt' } })],
    ['of an unknown client', () => assertion({ client: 'nobody' })],
    ['whose subject is another', () => assertion({ claims: { sub: 'by-url' } })],
    ['that lives too long', () => assertion({ claims: { exp: seconds() + 360 } })],
    ['that expired', () => assertion({ claims: { exp: seconds() - 60 } })],
    ['that never expires', () => assertion({ claims: { exp: undefined } })],
    ['that counts later', () => assertion({ claims: { nbf: seconds() + 120 } })],
    ['issued in the future', () => assertion({ claims: { iat: seconds() + 120 } })],
    ['for another tenant', () => assertion({ claims: { aud: ENDPOINT.replace(TENANT, 'other') } })],
    ['for a longer address', () => assertion({ claims: { aud: `${ENDPOINT}/x` } })],
    ['for us and another', () => assertion({ claims: { aud: [ENDPOINT, 'https://evil.example'] } })],
    ['without an audience', () => assertion({ claims: { aud: undefined } })],
    ['without a jti', () => assertion({ claims: { jti: undefined } })],
    ['with an endless jti', () => assertion({ claims: { jti: 'x'.repeat(300) } })],
    ['that is no JWT', () => 'a.b'],
    ['that is huge', () => 'a'.repeat(20_000)],
  ])('%s', async (_what, make) => {
    const { body, headers } = await ask(make()).expect(401);
    expect(body.error).toBe('invalid_client');
    expect(headers['www-authenticate']).toBeDefined();
  });

  it('the second time, by another process too', async () => {
    const one = assertion();
    await ask(one).expect(200);
    await ask(one).expect(401);
    const { createAuthorization } = await import('../../src/tenancy/clients-authorization.js');
    const elsewhere = createAuthorization({
      control: served.system.tenants.control,
      clock: served.system.clock,
      secret: Buffer.alloc(32),
    });
    await expect(elsewhere.authenticate(served.tenant.record, one, [ENDPOINT])).rejects.toThrow(
      /could not be authenticated/,
    );
  });

  it('where the caller gives the server another name', async () => {
    const forged = assertion({ claims: { aud: `http://evil.example/oauth/${TENANT}/token` } });
    await served
      .http()
      .post(`/oauth/${TENANT}/token`)
      .set('Host', 'evil.example')
      .type('form')
      .send({
        grant_type: 'client_credentials',
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
        client_assertion: forged,
        scope: 'system/*.rs',
      })
      .expect(401);
  });
});

describe('a request for a token', () => {
  it.each([
    [{ grant_type: 'password' }, 400, 'unsupported_grant_type'],
    [{ grant_type: 'constructor' }, 400, 'unsupported_grant_type'],
    [{ client_assertion_type: 'x' }, 400, 'invalid_request'],
    [{ client_assertion: '' }, 401, 'invalid_client'],
    [{ scope: '' }, 400, 'invalid_request'],
  ])('with %j is refused', async (over, status, error) => {
    const { body } = await ask(assertion(), over as Record<string, string>).expect(status);
    expect(body.error).toBe(error);
  });

  it('that is no form, or for an unknown tenant, is refused', async () => {
    await served.http().post(`/oauth/${TENANT}/token`).send({ grant_type: 'client_credentials' }).expect(415);
    await ask(assertion(), {}, 'nobody').expect(401);
    await served.http().get(`/oauth/${TENANT}/token`).expect(405);
    await served.http().get(`/oauth/${TENANT}/nothing`).expect(404);
  });
});

describe('a key set at an address', () => {
  const fromUrl = (over: Crooked = {}) => ask(assertion({ client: 'by-url', ...over }));

  it('is fetched once for many tokens, and again when a key id is new', async () => {
    await fromUrl().expect(200);
    await fromUrl({ header: { jku: keyUrl } }).expect(200);
    expect(keySet.asked).toBe(1);
  });

  it.each([
    ['that redirects', { status: 302, headers: { Location: 'http://127.0.0.1/' } }],
    ['that is no key set', { body: '<html>' }],
    ['that is too large', { body: JSON.stringify({ keys: [], pad: 'x'.repeat(70_000) }) }],
    ['with too many keys', { body: JSON.stringify({ keys: Array(101).fill({}) }) }],
    ['with a private key', { body: JSON.stringify({ keys: [jwk(rsa.privateKey, 'rsa-1')] }) }],
  ])('%s is refused', async (_what, over) => {
    const { fetchJwks } = await import('../../src/tenancy/clients-jwks.js');
    const before = keySet;
    keySet = { ...before, ...over };
    await expect(fetchJwks(keyUrl, served.trusted)).rejects.toThrow(/cannot be fetched/);
    keySet = before;
  });

  it.each([
    'http://127.0.0.1/jwks',
    'https://127.0.0.1/jwks',
    'https://[::ffff:127.0.0.1]/jwks',
    'https://0x7f.1/jwks',
    'https://2130706433/jwks',
    'https://169.254.169.254/latest',
    'https://localhost./jwks',
    'https://user@keys.example.org/jwks',
    'file:///etc/passwd',
    'gopher://127.0.0.1/',
  ])('%s is never fetched', async (url) => {
    const { fetchJwks } = await import('../../src/tenancy/clients-jwks.js');
    await expect(fetchJwks(url, new Set())).rejects.toThrow();
  });

  it.each([
    ['8.8.8.8', true],
    ['10.1.2.3', false],
    ['100.64.0.1', false],
    ['172.31.255.255', false],
    ['192.168.0.1', false],
    ['::1', false],
    ['fd00::1', false],
    ['fe80::1', false],
    ['::ffff:8.8.8.8', false],
    ['64:ff9b::a00:1', false],
    ['2002:7f00:1::', false],
    ['2606:4700::1111', true],
  ])('%s is public: %s', (address, expected) => expect(mayServeKeySet(address)).toBe(expected));
});

describe('a token', () => {
  const CLIENT = () => ({
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: assertion(),
  });

  it('is introspected by a client, and says what it permits; a revoked one is not active', async () => {
    const { body } = await ask(assertion()).expect(200);
    const token = body.access_token as string;
    const active = await post('introspect', { ...CLIENT(), token }).expect(200);
    expect(active.body).toMatchObject({ active: true, client_id: 'nightly', scope: 'system/*.rs' });
    expect((await post('introspect', { ...CLIENT(), token: 'x' })).body).toEqual({ active: false });
    await post('introspect', { token }).expect(401);

    const elses = await served.token(TENANT, 'system/*.rs');
    await post('revoke', { ...CLIENT(), token: elses }).expect(200);
    await served.http().get(`${BASE}/Patient`).auth(elses, { type: 'bearer' }).expect(200);

    await post('revoke', { ...CLIENT(), token }).expect(200);
    await served.http().get(`${BASE}/Patient`).auth(token, { type: 'bearer' }).expect(401);
    expect((await post('introspect', { ...CLIENT(), token })).body).toEqual({ active: false });
  });

  it('of a client stops counting when the client is revoked', async () => {
    const { clients } = served.authorization;
    const registration = { id: 'leaving', name: 'Leaving', kind: 'backend' as const, scopes: 'system/*.rs' };
    await clients.register(served.tenant.record, { ...registration, jwks: JWKS });
    const { body } = await ask(assertion({ client: 'leaving' })).expect(200);
    await clients.revoke(served.tenant.record, 'leaving');
    await served.http().get(`${BASE}/Patient`).auth(body.access_token, { type: 'bearer' }).expect(401);
    await ask(assertion({ client: 'leaving' })).expect(401);
    await expect(
      clients.register(served.tenant.record, { ...registration, jwks: JWKS }),
    ).rejects.toMatchObject({ category: 'conflict' });
  });
});

describe('a registration is refused', () => {
  const base = { name: 'X', kind: 'backend' as const, scopes: 'system/*.rs' };
  const app = {
    name: 'X',
    kind: 'app' as const,
    scopes: 'patient/*.rs',
    redirectUris: ['https://a.example/b'],
  };
  it.each([
    ['without keys', base],
    ['with a private key', { ...base, jwks: { keys: [jwk(rsa.privateKey, 'a')] } }],
    ['with a shared secret', { ...base, jwks: { keys: [{ kty: 'oct', k: 'AAAA', kid: 'a' }] } }],
    ['with a key of no use', { ...base, jwks: { keys: [jwk(ec.publicKey, '')] } }],
    ['with keys by http', { ...base, jwksUrl: 'http://keys.example.org/jwks' }],
    ['of a backend for users', { ...base, jwks: JWKS, scopes: 'user/*.rs' }],
    ['with a scope that is none', { ...base, jwks: JWKS, scopes: 'system/*.rw' }],
    ['of an app without a place to return to', { ...app, redirectUris: [] }],
    ['of an app with a fragment', { ...app, redirectUris: ['https://a.example/b#c'] }],
    ['of an app by http', { ...app, redirectUris: ['http://a.example/b'] }],
    ['of an app with a script', { ...app, redirectUris: ['javascript:alert(1)'] }],
    ['of an app for the system', { ...app, scopes: 'system/*.rs' }],
    ['with a strange id', { ...base, jwks: JWKS, id: 'a b' }],
  ])('%s', async (_what, registration) => {
    await expect(
      served.authorization.clients.register(served.tenant.record, registration),
    ).rejects.toMatchObject({ category: 'invalid' });
  });
});

it.each([
  ['system/*.rs', 'system/Patient.r system/Observation.cruds', 'system/Patient.r system/Observation.rs'],
  ['system/Patient.read', 'system/*.*', 'system/Patient.read'],
  ['system/Patient.*', 'system/*.read', 'system/Patient.read'],
  ['system/Patient.write', 'system/*.rds', 'system/Patient.d'],
  ['system/*.rs', 'system/Observation.rs?category=lab', 'system/Observation.rs?category=lab'],
  [
    'system/Observation.s?code=1',
    'system/Observation.rs?category=lab',
    'system/Observation.s?code=1&category=lab',
  ],
  ['user/*.rs', 'system/*.rs', ''],
  ['patient/*.rs launch/patient openid', 'patient/*.rs launch/patient', 'patient/*.rs launch/patient'],
  ['system/*.', 'system/*.rs', ''],
  ['system/*.read?x=y', 'system/*.rs', ''],
])('whoever asks for %s and may have %s is granted "%s"', (asked, allowed, granted) => {
  expect(grantedScopes(asked, allowed).join(' ')).toBe(granted);
});

it('who is refused again and again is told to wait, and others go on', async () => {
  let last = 0;
  for (let n = 0; n < 70 && last !== 429; n++) last = (await ask('a.b')).status;
  expect(last).toBe(429);
  const { headers } = await ask('a.b');
  expect(Number(headers['retry-after'])).toBeGreaterThan(0);
  await ask(assertion()).expect(200);
});
