import { generateKeyPairSync, type KeyObject, randomUUID } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Express } from 'express';
import jwt from 'jsonwebtoken';
import supertest from 'supertest';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createApp } from '../../src/http/app.js';
import { type Rooms, wireRooms } from '../../src/system.js';
import { createAuthorization } from '../../src/tenancy/clients-authorization.js';
import { startExportWorker } from '../../src/worker/exports.js';
import { startImportWorker } from '../../src/worker/imports.js';
import { type TestSystem, testSystem } from '../support/system.js';

/** SMART Backend Services from the registration to the last file: imports, jobs and exports by a client's own key. */
const BASE = '/fhir/lake';
const HOST = '127.0.0.1:8080';
const ENDPOINT = `http://${HOST}/oauth/lake/token`;
const pairs = {
  RS384: generateKeyPairSync('rsa', { modulusLength: 2048 }),
  ES384: generateKeyPairSync('ec', { namedCurve: 'P-384' }),
};
type Algorithm = keyof typeof pairs;
const jwk = (key: KeyObject, alg: Algorithm) => ({ ...key.export({ format: 'jwk' }), kid: alg, alg });
const JWKS = {
  keys: [jwk(pairs.RS384.publicKey, 'RS384'), jwk(pairs.ES384.publicKey, 'ES384')],
};
let system: TestSystem;
let rooms: Rooms;
let app: Express;
let keyServer: Server;
const workers: { stop(): Promise<void> }[] = [];

beforeAll(async () => {
  system = await testSystem({ tenants: ['lake'] });
  const { clock, tenants } = system;
  const baseUrl = `http://${HOST}`;
  rooms = wireRooms({ clock, tenants, baseUrl, dataDir: system.dir });
  keyServer = createServer((_request, response) => response.end(JSON.stringify(JWKS))).listen(0, '127.0.0.1');
  await new Promise((resolve) => keyServer.once('listening', resolve));
  const origin = `http://127.0.0.1:${(keyServer.address() as AddressInfo).port}`;
  const authorization = createAuthorization({
    control: tenants.control,
    clock,
    secret: Buffer.alloc(32, 7),
    trustedOrigins: new Set([origin]),
  });
  app = createApp(rooms, {
    baseUrl,
    version: '0',
    dev: false,
    authorization,
    verify: authorization.verify,
  }).express;
  workers.push(
    startExportWorker({ tenants, exports: rooms.exports! }),
    startImportWorker({ tenants, imports: rooms.imports! }),
  );
  const { record } = await system.tenant('lake');
  const client = (id: string, scopes: string, keys: object) =>
    authorization.clients.register(record, { id, name: id, kind: 'backend', scopes, ...keys });
  await client('inline', 'system/*.cruds', { jwks: JWKS });
  await client('by-url', 'system/*.cruds', { jwksUrl: `${origin}/jwks` });
  await client('reader', 'system/Patient.rs', { jwks: JWKS });
  await client('stranger', 'system/*.cruds', { jwks: JWKS });
});
afterAll(async () => {
  for (const worker of workers) await worker.stop();
  keyServer?.close();
  await rooms?.closeRooms();
  await system?.close();
});

async function token(client: string, alg: Algorithm = 'ES384', scope = 'system/*.cruds'): Promise<string> {
  const claims = { iss: client, sub: client, aud: ENDPOINT, exp: Math.floor(Date.now() / 1000) + 240 };
  const client_assertion = jwt.sign({ ...claims, jti: randomUUID() }, pairs[alg].privateKey, {
    algorithm: alg,
    keyid: alg,
  });
  const { body } = await supertest(app)
    .post('/oauth/lake/token')
    .set('Host', HOST)
    .type('form')
    .send({
      grant_type: 'client_credentials',
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion,
      scope,
    })
    .expect(200);
  return body.access_token as string;
}

const ask = (method: 'get' | 'post' | 'delete', path: string, bearer?: string) => {
  const request = supertest(app)
    [method](path.startsWith('/') ? path : `${BASE}/${path}`)
    .set('Host', HOST);
  return bearer === undefined ? request : request.auth(bearer, { type: 'bearer' });
};
const pathOf = (url: string | undefined) => new URL(url ?? 'http://none/').pathname;

async function ended(status: string, bearer: string) {
  for (let i = 0; i < 300; i++) {
    const answer = await ask('get', status, bearer);
    if (answer.status !== 202) return answer;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error('The job does not end.');
}

it.each([
  ['RS384', 'inline'],
  ['ES384', 'inline'],
  ['RS384', 'by-url'],
  ['ES384', 'by-url'],
] as const)(
  'a client with %s and its keys %s imports, watches its job, exports and gets the files',
  async (alg, client) => {
    const bearer = await token(client, alg);
    const id = `${client}-${alg}`.toLowerCase();
    const lines = [
      { resourceType: 'Patient', id },
      {
        resourceType: 'Observation',
        id,
        status: 'final',
        code: { text: 'x' },
        subject: { reference: `Patient/${id}` },
      },
    ];
    const kick = await ask('post', '$import', bearer)
      .set({ Prefer: 'respond-async', 'Content-Type': 'application/fhir+ndjson' })
      .send(lines.map((line) => JSON.stringify(line)).join('\n'));
    expect([kick.status, kick.text]).toEqual([202, kick.text]);
    const importing = pathOf(kick.headers['content-location']);
    expect((await ended(importing, bearer)).status).toBe(200);
    const { body: jobs } = await ask('get', '$jobs', bearer).expect(200);
    expect(jobs.jobs.map((job: { id: string }) => job.id)).toContain(importing.split('/').at(-1));
    await ask('get', `Patient/${id}`, bearer).expect(200);

    const out = await ask('get', '$export?_type=Patient,Observation', bearer)
      .set('Prefer', 'respond-async')
      .expect(202);
    const exporting = pathOf(out.headers['content-location']);
    // A token lives five minutes: the state and the files may be asked for with a newer one.
    const later = await token(client, alg);
    const { status, body: manifest } = await ended(exporting, later);
    expect(status).toBe(200);
    expect(manifest.requiresAccessToken).toBe(true);
    for (const { url, type } of manifest.output as { url: string; type: string }[]) {
      const file = await ask('get', pathOf(url), later).buffer(true).parse(text).expect(200);
      expect(String(file.body)).toContain(`"resourceType":"${type}"`);
      expect(String(file.body)).toContain(`"id":"${id}"`);
      await ask('get', pathOf(url)).expect(401);
      const other = (await ask('get', pathOf(url), await token('stranger'))).status;
      expect([403, 404]).toContain(other);
      const lesser = await ask('get', pathOf(url), await token(client, alg, 'system/Encounter.rs'));
      expect([403, 404]).toContain(lesser.status);
    }
    const watched = (await ask('get', exporting, await token('stranger'))).status;
    expect([403, 404]).toContain(watched);
    await ask('delete', exporting, later).expect(202);
    await ask('get', exporting, later).expect(404);
  },
);

it('a client that may only read neither imports nor sees jobs, and exports what it may read', async () => {
  const bearer = await token('reader', 'ES384', 'system/*.cruds');
  await ask('post', '$import', bearer)
    .set({ Prefer: 'respond-async', 'Content-Type': 'application/fhir+ndjson' })
    .send('{"resourceType":"Patient","id":"no"}')
    .expect(403);
  await ask('get', '$jobs', bearer).expect(403);
  await ask('get', '$export?_type=Observation', bearer).set('Prefer', 'respond-async').expect(403);
  const kick = await ask('get', '$export', bearer).set('Prefer', 'respond-async').expect(202);
  const { body } = await ended(pathOf(kick.headers['content-location']), bearer);
  expect([...new Set(body.output.map((o: { type: string }) => o.type))]).toEqual(['Patient']);
});

function text(response: supertest.Response, done: (error: Error | null, body: unknown) => void): void {
  let all = '';
  const stream = response as unknown as NodeJS.ReadableStream;
  stream.on('data', (chunk) => {
    all += chunk;
  });
  stream.on('end', () => done(null, all));
}
