import { createHmac, generateKeyPairSync, randomBytes } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import jwt from 'jsonwebtoken';
import { afterAll, describe, expect, test } from 'vitest';
import { fixedClock } from '../../src/core/clock.js';
import {
  issueToken,
  MAX_TOKEN_LIFE_S,
  openTokenSecret,
  parseScopes,
  verifyToken,
} from '../../src/tenancy/tokens.js';

const now = Date.UTC(2026, 5, 1);
const seconds = now / 1000;
const clock = fixedClock(now);
const secret = randomBytes(32);
const a = { id: '0f3f1c1e-0000-4000-8000-00000000000a', name: 'a' };
const b = { id: '0f3f1c1e-0000-4000-8000-00000000000b', name: 'b' };
const request = { tenant: a, scope: 'system/*.cruds' };

const verifyAt = (ms: number, token: string, tenant = a) =>
  verifyToken(secret, fixedClock(ms), token, tenant);

test('a token says who, for which tenant, what and how long', () => {
  const token = issueToken(secret, clock, {
    tenant: a,
    scope: 'patient/*.rs patient/*.rs launch'.replace(' launch', ''),
    patient: 'p-1',
    subject: 'me',
    lifeS: 60,
  });
  expect(verifyToken(secret, clock, token, a)).toMatchObject({
    subject: 'me',
    tenant: a,
    scopes: ['patient/*.rs'],
    patient: 'p-1',
    expiresAt: now + 60_000,
  });
});

test('a token counts until it expires, with half a minute for clocks that differ', () => {
  const token = issueToken(secret, clock, { ...request, lifeS: 60 });
  expect(verifyAt(now + 59_000, token).subject).toBe('local');
  expect(() => verifyAt(now + 91_000, token)).toThrow('not valid here');
  expect(() => verifyAt(now - 31_000, token)).toThrow('not valid here');
});

test('a token of one tenant does not count for another, nor for a new tenant of the same name', () => {
  const token = issueToken(secret, clock, request);
  expect(() => verifyAt(now, token, b)).toThrow('not valid here');
  expect(() => verifyAt(now, token, { ...a, id: b.id })).toThrow('not valid here');
});

describe('a forged token is refused', () => {
  const claims = {
    iss: 'https://cenote.health/local',
    sub: 'x',
    aud: `/fhir/${a.name}#${a.id}`,
    iat: seconds,
    exp: seconds + 60,
    jti: 'j',
    scope: 'system/*.cruds',
  };
  const header = { alg: 'HS256', typ: 'at+jwt' };
  const sign = (payload: object, h: object = header, key: Buffer = secret): string => {
    const text = [h, payload]
      .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
      .join('.');
    return `${text}.${createHmac('sha256', key).update(text).digest('base64url')}`;
  };
  const without = (name: string) =>
    Object.fromEntries(Object.entries(claims).filter(([key]) => key !== name));
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });

  test('the honest one of this test counts', () => {
    expect(verifyAt(now, sign(claims)).subject).toBe('x');
  });

  const forged: readonly (readonly [string, string])[] = [
    [
      'alg none',
      `${sign(claims, { ...header, alg: 'none' })
        .split('.')
        .slice(0, 2)
        .join('.')}.`,
    ],
    ['alg None', sign(claims, { ...header, alg: 'None' })],
    ['alg HS384', jwt.sign(claims, secret, { algorithm: 'HS384', header: { alg: 'HS384', typ: 'at+jwt' } })],
    [
      'alg RS256',
      jwt.sign(claims, rsa.privateKey, { algorithm: 'RS256', header: { alg: 'RS256', typ: 'at+jwt' } }),
    ],
    ['another key', sign(claims, header, randomBytes(32))],
    ['no signature', `${sign(claims).split('.').slice(0, 2).join('.')}.`],
    [
      'one character changed',
      sign(claims)
        .replace(/.$/, (c) => (c === 'A' ? 'B' : 'A'))
        .replace(/\.(.)/, '.X'),
    ],
    ['type JWT', sign(claims, { ...header, typ: 'JWT' })],
    ['no type', sign(claims, { alg: 'HS256' })],
    ['another issuer', sign({ ...claims, iss: 'https://evil.example' })],
    ['no issuer', sign(without('iss'))],
    ['audience of another', sign({ ...claims, aud: '/fhir/b' })],
    ['audience list with ours and another', sign({ ...claims, aud: [claims.aud, '/fhir/b#x'] })],
    ['audience prefix', sign({ ...claims, aud: '/fhir/a' })],
    ['no audience', sign(without('aud'))],
    ['no expiry', sign(without('exp'))],
    ['expiry as text', sign({ ...claims, exp: String(claims.exp) })],
    ['expiry with a fraction', sign({ ...claims, exp: claims.exp + 0.5 })],
    ['expiry too far away', sign({ ...claims, exp: seconds + MAX_TOKEN_LIFE_S + 1 })],
    ['expiry 1e300', sign({ ...claims, exp: 1e300 })],
    ['expired', sign({ ...claims, exp: seconds - 31 })],
    ['not yet valid', sign({ ...claims, nbf: seconds + 3600 })],
    ['no time of issue', sign(without('iat'))],
    ['issued in the future', sign({ ...claims, iat: seconds + 31 })],
    ['no subject', sign(without('sub'))],
    ['no id', sign(without('jti'))],
    ['no scope', sign(without('scope'))],
    ['scope as a list', sign({ ...claims, scope: ['system/*.cruds'] })],
    ['unknown scope', sign({ ...claims, scope: 'everything' })],
    ['patient scope without a patient', sign({ ...claims, scope: 'patient/*.rs' })],
    ['patient that is no id', sign({ ...claims, patient: "p'1" })],
    ['too long', sign({ ...claims, sub: 'x'.repeat(9000) })],
    ['empty', ''],
    ['no token at all', 'Bearer'],
    ['payload that is text', `${Buffer.from(JSON.stringify(header)).toString('base64url')}.Zm9v.AAAA`],
  ];
  test.each(forged)('%s', (_, token) => {
    expect(() => verifyAt(now, token)).toThrow(expect.objectContaining({ category: 'unauthenticated' }));
  });
});

describe('scopes', () => {
  const good = [
    'system/*.cruds',
    'user/Observation.rs',
    'patient/*.read',
    'system/*.*',
    'user/Patient.write',
    'admin',
    'system/Observation.rs?category=laboratory',
  ];
  test.each(good)('%s is one', (scope) => expect(parseScopes(scope)).toEqual([scope]));
  const bad = [
    '',
    ' ',
    'openid-ish',
    'system/*.',
    'system/*.sr',
    'system/observation.rs',
    'system/Observation',
    'root/*.rs',
    'system/*.rs;admin',
    'system/*.rw',
  ];
  test.each(bad)('%j is none', (scope) => expect(() => parseScopes(scope)).toThrow());
});

test.each([0, -1, 1.5, Number.NaN, MAX_TOKEN_LIFE_S + 1])('a life of %d seconds is refused', (lifeS) => {
  expect(() => issueToken(secret, clock, { ...request, lifeS })).toThrow('lives from');
});

describe('the secret', () => {
  const folder = mkdtempSync(join(tmpdir(), 'cenote-token-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test('is made once, for its owner alone, and then kept', () => {
    const file = join(folder, 'token.secret');
    const first = openTokenSecret(file);
    expect(first).toHaveLength(32);
    expect(openTokenSecret(file)).toEqual(first);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    chmodSync(file, 0o644);
    expect(() => openTokenSecret(file)).toThrow('open to other users');
  });
});
