import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import jwt from 'jsonwebtoken';
import supertest from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type App, createApp } from '../../src/http/app.js';
import { wireRooms } from '../../src/system.js';
import { createAuthorization } from '../../src/tenancy/clients-authorization.js';
import { readOidcProviders } from '../../src/tenancy/clients-oidc.js';
import { type TestSystem, testSystem } from '../support/system.js';

/** Tokens of an outside OpenID provider, taken as the operator configured it. */
let system: TestSystem;
let app: App;
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const other = generateKeyPairSync('rsa', { modulusLength: 2048 });
const PROVIDER = {
  name: 'hospital',
  issuer: 'https://login.hospital.example',
  audience: 'https://lake.hospital.example',
  jwks: { keys: [{ ...rsa.publicKey.export({ format: 'jwk' }), kid: 'k1', alg: 'RS256', use: 'sig' }] },
  tenants: ['lake'],
  claims: { scope: 'scp', patient: 'fhir_patient', tenant: 'org' },
  scopes: 'user/*.rs patient/*.rs',
};

beforeAll(async () => {
  system = await testSystem({ tenants: ['lake', 'other'] });
  const { clock, tenants, dir } = system;
  const file = join(dir, 'oidc.json');
  writeFileSync(file, JSON.stringify([PROVIDER]));
  const baseUrl = 'http://127.0.0.1:8080';
  const rooms = wireRooms({ clock, tenants, baseUrl });
  const authorization = createAuthorization({
    control: tenants.control,
    clock,
    secret: randomBytes(32),
    providers: readOidcProviders(file, new Set()),
  });
  app = createApp(rooms, { baseUrl, version: '0', dev: false, authorization, verify: authorization.verify });
  const all = authorization.issue({ tenant: (await system.tenant('lake')).record, scope: 'system/*.cruds' });
  for (const id of ['p1', 'p2'])
    await supertest(app.express)
      .put(`/fhir/lake/Patient/${id}`)
      .auth(all, { type: 'bearer' })
      .send({ resourceType: 'Patient', id })
      .expect(201);
});
afterAll(() => system.close());

interface Crooked {
  claims?: Record<string, unknown>;
  header?: Record<string, unknown>;
  algorithm?: jwt.Algorithm;
  key?: jwt.Secret;
}
const now = () => Math.floor(Date.now() / 1000);
function token({
  claims = {},
  header = {},
  algorithm = 'RS256',
  key = rsa.privateKey,
}: Crooked = {}): string {
  const payload: Record<string, unknown> = {
    iss: PROVIDER.issuer,
    aud: PROVIDER.audience,
    sub: 'u-1',
    org: 'lake',
    scp: ['user/Patient.rs', 'openid'],
    exp: now() + 600,
    ...claims,
  };
  for (const [name, value] of Object.entries(payload)) if (value === undefined) delete payload[name];
  return jwt.sign(payload, key, {
    algorithm,
    header: { alg: algorithm, typ: 'at+jwt', kid: 'k1', ...header },
  });
}
const get = (path: string, bearer: string, tenant = 'lake') =>
  supertest(app.express).get(`/fhir/${tenant}/${path}`).auth(bearer, { type: 'bearer' });

describe('a token of the provider', () => {
  it('permits what it says, and no more than the provider may', async () => {
    await get('Patient/p1', token()).expect(200);
    await get('Observation', token()).expect(403);
    const wide = token({ claims: { scp: 'user/*.cruds system/*.cruds' } });
    await get('Patient/p1', wide).expect(200);
    await supertest(app.express).delete('/fhir/lake/Patient/p1').auth(wide, { type: 'bearer' }).expect(403);
  });

  it('about a patient sees this patient', async () => {
    const own = token({ claims: { scp: 'patient/*.rs', fhir_patient: 'p2' } });
    await get('Patient/p2', own).expect(200);
    await get('Patient/p1', own).expect(404);
    await get('Patient/p1', token({ claims: { scp: 'patient/*.rs' } })).expect(403);
  });

  it.each<[string, Crooked]>([
    ['for another tenant', { claims: { org: 'other' } }],
    ['for no tenant', { claims: { org: undefined } }],
    ['for another audience', { claims: { aud: 'https://evil.example' } }],
    ['of an unknown issuer', { claims: { iss: 'https://evil.example' } }],
    ['that expired', { claims: { exp: now() - 60 } }],
    ['that never expires', { claims: { exp: undefined } }],
    ['that lives for weeks', { claims: { exp: now() + 14 * 86_400 } }],
    ['that counts later', { claims: { nbf: now() + 600 } }],
    ['about an impossible patient', { claims: { fhir_patient: '../p1' } }],
    ['of nobody', { claims: { sub: undefined } }],
    ['without scopes', { claims: { scp: undefined } }],
    ['signed by another', { key: other.privateKey }],
    ['of another algorithm', { algorithm: 'RS512' }],
    [
      'signed with the public key as a secret',
      { algorithm: 'HS256', key: rsa.publicKey.export({ type: 'spki', format: 'pem' }) as string },
    ],
    ['with another key id', { header: { kid: 'k2' } }],
    ['without a key id', { header: { kid: undefined } }],
    ['that is an identity token of another type', { header: { typ: 'logout+jwt' } }],
  ])('%s is refused', async (_what, crooked) => {
    await get('Patient/p1', token(crooked)).expect(401);
  });

  it('counts at no other tenant', async () => {
    await get('Patient/p1', token({ claims: { org: 'other' } }), 'other').expect(401);
  });
});

describe('a file of providers is refused', () => {
  const written = (value: unknown) => {
    const file = join(system.dir, 'bad.json');
    writeFileSync(file, typeof value === 'string' ? value : JSON.stringify(value));
    return () => readOidcProviders(file, new Set());
  };
  it.each<[string, unknown]>([
    ['that is no JSON', '{'],
    ['that is no list', PROVIDER],
    ['with a secret algorithm', [{ ...PROVIDER, algorithms: ['HS256'] }]],
    ['with an unknown field', [{ ...PROVIDER, audiance: 'x' }]],
    ['without an audience', [{ ...PROVIDER, audience: undefined }]],
    ['without tenants', [{ ...PROVIDER, tenants: [] }]],
    ['with keys by http', [{ ...PROVIDER, jwks: undefined, jwksUrl: 'http://x.example/keys' }]],
    ['with scopes that are none', [{ ...PROVIDER, scopes: 'everything' }]],
    ['with one issuer twice', [PROVIDER, { ...PROVIDER, name: 'again' }]],
  ])('%s', (_what, value) => {
    expect(written(value)).toThrow();
  });
});
