import { generateKeyPairSync } from 'node:crypto';
import jwt from 'jsonwebtoken';
import { createAuthorization } from '../../../src/tenancy/clients-authorization.js';
import { openTokenSecret } from '../../../src/tenancy/tokens.js';
import { type Crooked, FLOODED_TENANT, jwk, keys, OTHER_TENANT, TENANT } from './lab.js';
import type { Answer, Row } from './trial.js';

const PEM = keys.rsa.publicKey.export({ format: 'pem', type: 'spki' }) as string;
const refused = (answer: Answer) => answer.status === 401 && answer.json?.error === 'invalid_client';
const now = () => Math.floor(Date.now() / 1000);

export const AUTHENTICATION: readonly Row[] = [
  {
    id: 'S-01',
    title: 'crooked algorithms and keys',
    async attack(lab, t) {
      const crooked: [string, Crooked][] = [
        ['alg none', { alg: 'none', key: '' }],
        ['HS256 with the public key', { alg: 'HS256', key: PEM }],
        ['HS384 with the public key', { alg: 'HS384', key: PEM }],
        ['HS256, key after a newline', { alg: 'HS256', key: `\n${PEM}` }],
        ['HS256, key after a space', { alg: 'HS256', key: ` ${PEM}` }],
        ['RS256, which is not offered', { alg: 'RS256' }],
        ['PS384, which is not offered', { alg: 'PS384' }],
        ['an unknown algorithm', { alg: 'XX999' }],
        ['the algorithm in small letters', { alg: 'rs384' }],
        ['no algorithm', { alg: '' }],
        ['no key id', { header: { kid: undefined } }],
        ['two keys with the key id', { client: 'twins', header: { kid: 'same' } }],
        ['a path as key id', { header: { kid: '../../../../dev/null' } }],
        ['SQL as key id', { header: { kid: "x' union select 'AAAA" } }],
        ['an object as key id', { header: { kid: { $ne: 1 } } }],
        ['the key of a stranger', { key: keys.stranger.privateKey }],
        ['a curve for an RSA key id', { alg: 'ES384', key: keys.ec.privateKey, header: { kid: 'rsa-1' } }],
        ['critical headers unknown to us', { header: { crit: ['exp2'], exp2: 1 } }],
      ];
      for (const [name, how] of crooked) t.answer(name, await lab.ask(lab.assertion(how)), refused);
      const [head, payload, signature] = lab.assertion().split('.');
      const cut = [
        `${head}.${payload}.`,
        `${head}.${payload}`,
        `${head}..${signature}`,
        `${head}.${payload}.${signature}.x.y`,
      ];
      for (const text of cut)
        t.answer(
          `${text.split('.').length} parts, ${text.length} characters`,
          await lab.ask(text, {}, OTHER_TENANT),
          [400, 401],
        );
      const part = (text: string) => Buffer.from(text).toString('base64url');
      for (const text of ['{"iss', 'null', '[]', '1', '"x"', ''])
        t.answer(
          `claims that are ${text || 'nothing'}`,
          await lab.ask(
            `${part('{"alg":"RS384","typ":"JWT","kid":"rsa-1"}')}.${part(text)}.AAAA`,
            {},
            OTHER_TENANT,
          ),
          [400, 401],
        );
      t.answer(
        'a good one is served',
        await lab.ask(lab.assertion({ alg: 'ES384', key: keys.ec.privateKey })),
        [200],
      );
    },
  },
  {
    id: 'S-02',
    title: 'replay, times, audiences',
    async attack(lab, t) {
      const tenant = OTHER_TENANT;
      const crooked: [string, Record<string, unknown>][] = [
        ['six minutes ahead', { exp: now() + 360 + 31 }],
        ['ended', { exp: now() - 60 }],
        ['an end as text', { exp: String(now() + 240) }],
        ['an end out of all time', { exp: 1e300 }],
        ['no end', { exp: undefined }],
        ['not yet', { nbf: now() + 600 }],
        ['no jti', { jti: undefined }],
        ['jti that is no text', { jti: { a: 1 } }],
        ['the other tenant', { aud: `${lab.url}/oauth/${TENANT}/token` }],
        ['a prefix of the address', { aud: `${lab.url}/oauth/${tenant}` }],
        ['an address that begins as ours', { aud: `${lab.url}/oauth/${tenant}/token.evil.example` }],
        ['another server', { aud: 'https://evil.example/token' }],
        ['no audience', { aud: undefined }],
        ['issuer and subject differ', { sub: 'twins' }],
        ['no subject', { sub: undefined }],
      ];
      for (const [name, claims] of crooked)
        t.answer(name, await lab.ask(lab.assertion({ claims, tenant }), {}, tenant), refused);
      const once = lab.assertion({ tenant });
      t.answer('the first time', await lab.ask(once, {}, tenant), [200]);
      t.answer('the second time', await lab.ask(once, {}, tenant), refused);
      // What the token endpoint does, in a process that starts now.
      const { config, tenants, clock } = lab.system;
      const fresh = createAuthorization({
        control: tenants.control,
        clock,
        secret: openTokenSecret(config.tokenSecretFile),
        trustedOrigins: new Set(config.jwksOrigins),
      });
      const { record } = await tenants.open(tenant);
      const outcome = await fresh.authenticate(record, once, [`${lab.url}/oauth/${tenant}/token`]).then(
        () => 'counted',
        () => 'refused',
      );
      t.check('the third time, in another process', outcome === 'refused', outcome);
    },
  },
  {
    id: 'S-03',
    title: 'keys from elsewhere',
    slow: true,
    async attack(lab, t) {
      const evil = generateKeyPairSync('rsa', { modulusLength: 2048 });
      const key = evil.privateKey;
      const tenant = FLOODED_TENANT;
      const headers: [string, Record<string, unknown>][] = [
        ['jku to a stranger', { jku: `${lab.keyServer.origin}/stranger` }],
        ['x5u to a stranger', { x5u: `${lab.keyServer.origin}/stranger` }],
        ['a key brought along', { jwk: jwk(evil.publicKey, 'rsa-1') }],
        ['a chain brought along', { x5c: ['AAAA'] }],
      ];
      for (const [name, header] of headers)
        t.answer(name, await lab.ask(lab.assertion({ key, header, tenant }), {}, tenant), refused);
      t.answer(
        'jku other than registered',
        await lab.ask(
          lab.assertion({ client: 'url-good', tenant, header: { jku: `${lab.keyServer.origin}/stranger` } }),
          {},
          tenant,
        ),
        refused,
      );
      t.check('the stranger was never asked', !lab.keyServer.asked.has('/stranger'));
      for (const mode of ['redirect', 'huge', 'many', 'slow', 'html']) {
        const answer = await lab.ask(lab.assertion({ client: `url-${mode}`, tenant }), {}, tenant);
        t.answer(`key set: ${mode}`, answer, (a) => a.status === 401 && a.ms < 8_000);
      }
      t.check('the redirect was not followed', !lab.keyServer.asked.has('/good'));
      t.answer(
        'a good key set is served',
        await lab.ask(lab.assertion({ client: 'url-good', tenant }), {}, tenant),
        [200],
      );
    },
  },
  {
    id: 'S-04',
    title: 'tokens past their time and place',
    async attack(lab, t) {
      const { config, tenants, clock } = lab.system;
      const secret = openTokenSecret(config.tokenSecretFile);
      const old = createAuthorization({
        control: tenants.control,
        clock: { now: () => clock.now() - 3_600_000 },
        secret,
      });
      const { record } = await tenants.open(TENANT);
      const expired = old.issue({ tenant: record, scope: 'system/*.cruds', lifeS: 60 });
      const places = [
        'Patient/mine',
        '$export-poll-status',
        '$export-status/abc',
        '$export-file/abc/x',
        '$jobs',
        '',
      ];
      for (const path of places)
        t.answer(
          `expired, at ${path || 'the base'}`,
          await lab.send({ path, token: expired, method: path === '' ? 'POST' : 'GET' }),
          [401, 404],
        );
      t.answer(
        'of the other tenant',
        await lab.send({
          path: 'Patient/mine',
          token: await lab.token('system/*.cruds', { tenant: OTHER_TENANT }),
        }),
        [403],
      );
      const good = await lab.token('system/*.cruds');
      t.answer('in the address', await lab.send({ path: `Patient/mine?access_token=${good}` }), [400]);
      t.answer(
        'in the address and the header',
        await lab.send({ path: `Patient/mine?access_token=${good}`, token: good }),
        [400],
      );
      t.answer(
        'in a cookie',
        await lab.send({ path: 'Patient/mine', headers: { Cookie: `access_token=${good}` } }),
        [401],
      );
      t.answer(
        'as Basic',
        await lab.send({ path: 'Patient/mine', headers: { Authorization: `Basic ${good}` } }),
        [401],
      );
      t.answer(
        'one after the other',
        await lab.send({
          path: 'Patient/mine',
          headers: { Authorization: `Bearer ${good}, Bearer ${good}` },
        }),
        [401],
      );
      const forged: [string, string][] = [
        [
          'alg none',
          `${Buffer.from('{"alg":"none","typ":"at+jwt"}').toString('base64url')}.${good.split('.')[1]}.`,
        ],
        ['another secret', jwt.sign(jwt.decode(good) as object, 'guess', { algorithm: 'HS256' })],
        ['no JSON inside', `${good.split('.')[0]}.${Buffer.from('{"aud').toString('base64url')}.AAAA`],
        ['no object inside', `${good.split('.')[0]}.${Buffer.from('null').toString('base64url')}.AAAA`],
        ['an empty secret', `${good.split('.').slice(0, 2).join('.')}.AAAA`],
        [
          'scope changed',
          [
            good.split('.')[0],
            Buffer.from(JSON.stringify({ ...(jwt.decode(good) as object), scope: 'admin' })).toString(
              'base64url',
            ),
            good.split('.')[2],
          ].join('.'),
        ],
      ];
      for (const [name, token] of forged)
        t.answer(`forged: ${name}`, await lab.send({ path: 'Patient/mine', token }), [401]);
      t.answer('of a tenant, at /admin', await lab.send({ path: '/admin/tenants', token: good }), [401]);
      await lab.authorization.clients.register(record, {
        id: 'leaver',
        name: 'Leaver',
        kind: 'backend',
        scopes: 'system/*.rs',
        jwks: { keys: [jwk(keys.rsa.publicKey, 'l')] },
      });
      const leaving = await lab.token('system/*.rs', { client: 'leaver', subject: 'leaver' });
      t.answer('of a client', await lab.send({ path: 'Patient/mine', token: leaving }), [200]);
      await lab.authorization.clients.revoke(record, 'leaver');
      await new Promise((resolve) => setTimeout(resolve, 1_500));
      t.answer(
        'of a client that was revoked',
        await lab.send({ path: 'Patient/mine', token: leaving }),
        [401],
      );
    },
  },
  {
    id: 'S-05',
    title: 'other formats',
    async attack(lab, t) {
      const token = await lab.token('system/*.cruds');
      const xxe =
        '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><Patient xmlns="http://hl7.org/fhir"><id value="&a;"/></Patient>';
      const laughs = `<!DOCTYPE x [<!ENTITY a "${'ha'.repeat(500)}">]><Patient>${'&a;'.repeat(1000)}</Patient>`;
      const types: [string, string, number[]][] = [
        ['application/fhir+xml', xxe, [415]],
        ['application/xml', laughs, [415]],
        ['text/xml', xxe, [415]],
        ['text/turtle', 'x', [415]],
        ['application/yaml', '!!js/function x', [415]],
        ['multipart/form-data; boundary=x', '--x', [415]],
        ['application/fhir+json; charset=utf-16', '{}', [415]],
        ['application/fhir+json; charset=utf-7', '+AHs-', [415]],
        ['application/fhir+json; fhirVersion=1.0', '{}', [415]],
        ['application/json-patch+json', '[]', [415]],
        ['application/fhir+json', xxe, [400]],
        ['application/fhir+xml', `<Patient>${'<a>'.repeat(300_000)}`, [415]],
        ['application/fhir+json, application/fhir+xml', xxe, [415]],
        ['application/fhir+json; charset="utf-16le"', '{}', [415]],
        ['application/fhir+json; charset=ebcdic-cp-us', '{}', [415]],
        ['application/json; charset=UTF-8; charset=utf-7', '+AHs-', [400, 415]],
        ['image/svg+xml', xxe, [415]],
        ['application/xhtml+xml', laughs, [415]],
        ['application/soap+xml', xxe, [415]],
        ['text/plain', '{"resourceType":"Patient"}', [415]],
        ['application/x-www-form-urlencoded', 'resourceType=Patient', [415]],
        ['', '{"resourceType":"Patient"}', [201, 415]],
      ];
      for (const [type, body, right] of types)
        t.answer(
          `body of ${type || 'no type'}`,
          await lab.send({ method: 'POST', path: 'Patient', token, headers: { 'Content-Type': type }, body }),
          right,
        );
      for (const accept of [
        'application/fhir+xml',
        'text/turtle',
        'application/fhir+json;fhirVersion=1.0',
        'application/fhir+xml;q=1, application/fhir+json;q=0',
        'application/*+xml',
        'image/*',
        ','.repeat(3000),
      ])
        t.answer(
          `Accept ${accept.slice(0, 40)}`,
          await lab.send({ path: 'Patient/mine', token, headers: { Accept: accept } }),
          [406],
        );
      for (const accept of [
        '*/*',
        'application/*',
        'text/html, */*;q=0.1',
        'application/fhir+xml, */*;q=0.1',
      ])
        t.answer(
          `Accept ${accept} is JSON`,
          await lab.send({ path: 'Patient/mine', token, headers: { Accept: accept } }),
          (a) => a.status === 200 && /json/.test(String(a.headers['content-type'])),
        );
      for (const format of ['xml', 'ttl', 'html', '..%2F..%2Fetc'])
        t.answer(
          `_format=${format}`,
          await lab.send({ path: `Patient/mine?_format=${format}`, token }),
          [406],
        );
    },
  },
  {
    id: 'S-06',
    title: 'trying out secrets',
    async attack(lab, t) {
      const tenant = FLOODED_TENANT;
      const guess = () => lab.ask(lab.assertion({ key: keys.stranger.privateKey, tenant }), {}, tenant);
      const answers: Answer[] = [];
      for (let i = 0; i < 9; i++) answers.push(...(await Promise.all(Array.from({ length: 10 }, guess))));
      t.check(
        'none of 90 guesses counted',
        answers.every((a) => a.status === 401 || a.status === 429),
      );
      const last = answers.at(-1)!;
      t.answer(
        'the last is told to wait',
        last,
        (a) => a.status === 429 && Number(a.headers['retry-after']) > 0,
      );
      t.answer(
        'a client with a good proof is served',
        await lab.ask(lab.assertion({ tenant }), {}, tenant),
        [200],
      );
      t.answer('a neighbour is served', await lab.ask(lab.assertion()), [200]);
      t.answer(
        'an unknown client is told the same',
        await lab.ask(lab.assertion({ client: 'nobody' })),
        refused,
      );
      t.answer(
        'an unknown tenant is told the same',
        await lab.ask(lab.assertion({ tenant: 'nobody' }), {}, 'nobody'),
        refused,
      );
      for (const path of ['/fhir/lake/Patient', '/fhir/nobody/Patient'])
        t.answer(`no token at ${path}`, await lab.send({ path }), [401]);
    },
  },
];
