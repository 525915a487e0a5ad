import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import supertest from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isPublicAddress } from '../../src/core/public-address.js';
import { createApp } from '../../src/http/app.js';
import { checkRemote } from '../../src/ingest/remote.js';
import { type Rooms, wireRooms } from '../../src/system.js';
import { issueToken, verifyToken } from '../../src/tenancy/tokens.js';
import { startImportWorker } from '../../src/worker/imports.js';
import { type TestSystem, testSystem } from '../support/system.js';

/** Imports asked for over HTTP, run by a worker beside, as in the server. */
const BASE = '/fhir/lake';
const secret = Buffer.alloc(32, 7);
let system: TestSystem;
let rooms: Rooms;
let files: Server;
let origin: string;
let worker: { stop(): Promise<void> };
let dev: ReturnType<typeof createApp>['express'];
let secured: ReturnType<typeof createApp>['express'];
const served = new Map<string, string | Buffer>();
const asked: (string | undefined)[] = [];

// biome-ignore lint/suspicious/noExplicitAny: answers are looked at by the expectations
type Any = Record<string, any>;
const patient = (id: string, over: Any = {}) => ({ resourceType: 'Patient', id, gender: 'female', ...over });
const lines = (...resources: unknown[]) =>
  resources.map((r) => (typeof r === 'string' ? r : JSON.stringify(r))).join('\n');

beforeAll(async () => {
  system = await testSystem({ tenants: ['lake', 'other'] });
  files = createServer((request, response) => {
    asked.push(request.headers.authorization);
    const url = new URL(request.url ?? '/', 'http://x');
    if (url.pathname === '/away')
      response.writeHead(302, { location: 'http://169.254.169.254/latest' }).end();
    else if (url.pathname === '/moved') response.writeHead(302, { location: '/patients.ndjson' }).end();
    else if (served.has(url.pathname)) response.end(served.get(url.pathname));
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => files.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(files.address() as AddressInfo).port}`;
  for (const folder of ['in', 'out']) mkdirSync(join(system.dir, folder));
  rooms = wireRooms({
    clock: system.clock,
    tenants: system.tenants,
    baseUrl: 'http://127.0.0.1:8080',
    dataDir: system.dir,
    importReach: {
      origins: ['https://data.example.org'],
      privateOrigins: [origin],
      stores: [
        { prefix: 's3://incoming', folder: join(system.dir, 'in') },
        { prefix: 's3://results', folder: join(system.dir, 'out') },
      ],
    },
  });
  const common = { baseUrl: 'http://127.0.0.1:8080', version: '0.0.0' };
  dev = createApp(rooms, { ...common, dev: true }).express;
  secured = createApp(rooms, {
    ...common,
    dev: false,
    verify: (token, tenant) => verifyToken(secret, system.clock, token, tenant),
  }).express;
  worker = startImportWorker({ tenants: system.tenants, imports: rooms.imports! });
});
afterAll(async () => {
  await worker?.stop();
  files?.close();
  await rooms?.closeRooms();
  await system?.close();
});

const kickOff = (body: unknown, headers: Record<string, string> = {}) =>
  supertest(dev)
    .post(`${BASE}/$import`)
    .set({ Prefer: 'respond-async', 'Content-Type': 'application/json', ...headers })
    .send(typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body));

async function settled(location: string): Promise<Any> {
  for (let i = 0; i < 200; i++) {
    const answer = await supertest(dev).get(new URL(location).pathname);
    if (answer.status !== 202) return answer;
    expect(answer.headers['retry-after']).toMatch(/^\d+$/);
    await new Promise((resume) => setTimeout(resume, 50));
  }
  throw new Error('the import does not end');
}

async function imported(body: unknown, headers?: Record<string, string>): Promise<Any> {
  const started = await kickOff(body, headers);
  expect(started.status, started.text).toBe(202);
  return settled(started.headers['content-location']!);
}

/** Lines of the error file of a manifest. */
async function errorsOf(manifest: Any): Promise<Any[]> {
  const { text } = await supertest(dev)
    .get(new URL(manifest.error[0].url).pathname)
    .buffer(true)
    .parse((response, done) => {
      let all = '';
      response.on('data', (chunk) => {
        all += chunk;
      });
      response.on('end', () => done(null, all));
    })
    .then((answer) => ({ text: answer.body as string }));
  return text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
}

describe('$import', () => {
  it('fetches files, takes in what is right and tells each bad line once', async () => {
    served.set(
      '/patients.ndjson',
      gzipSync(
        lines(patient('u1'), '{"broken', patient('u2'), patient('u3', { gender: 'unheard' }), patient('u4')),
      ),
    );
    const { status, body } = await imported({
      inputFormat: 'application/fhir+ndjson',
      inputSource: 'https://exporter.example.org',
      storageDetail: { type: 'https' },
      input: [{ type: 'Patient', url: `${origin}/moved?signature=secret` }],
    });
    expect(status).toBe(200);
    expect(body).toMatchObject({
      request: expect.stringMatching(/\/fhir\/lake\/\$import$/),
      output: [{ type: 'Patient', count: 3 }],
      error: [{ type: 'OperationOutcome', count: 2 }],
      extension: { counts: { created: 3, accepted: 3, rejected: 2 } },
    });
    expect(JSON.stringify(body)).not.toContain('secret');
    const errors = await errorsOf(body);
    expect(errors.map((e) => e.issue[0].extension[0].valueInteger)).toEqual([2, 4]);
    expect(errors[1]).toMatchObject({
      resourceType: 'OperationOutcome',
      extension: [{ valueString: `${origin}/moved` }],
      issue: [{ severity: 'error', expression: ['gender'] }],
    });
    expect(JSON.stringify(errors)).not.toContain('unheard');
    expect(asked.every((header) => header === undefined)).toBe(true);
    expect((await supertest(dev).get(`${BASE}/Patient/u4`)).status).toBe(200);
  });

  it('takes Parameters, Binaries that are here, and a file as the body', async () => {
    const csv = 'id,patient,text\nn1,u1,Takes metformin 500 mg twice daily.\nn2,u1,\n';
    await supertest(dev)
      .put(`${BASE}/Binary/notes`)
      .set('Content-Type', 'application/fhir+json')
      .send({
        resourceType: 'Binary',
        id: 'notes',
        contentType: 'text/csv',
        data: Buffer.from(csv).toString('base64'),
      })
      .expect(201);
    const parameters = {
      resourceType: 'Parameters',
      parameter: [{ name: 'input', part: [{ name: 'url', valueUrl: 'Binary/notes' }] }],
    };
    const binary = await imported(parameters, { 'Content-Type': 'application/fhir+json' });
    expect(binary.body).toMatchObject({
      output: [{ type: 'DocumentReference', count: 1 }],
      extension: { documents: 1, counts: { rejected: 1 } },
    });
    const upload = await imported(lines(patient('up1'), patient('up2')), {
      'Content-Type': 'application/fhir+ndjson',
    });
    expect(upload.body.extension.counts).toMatchObject({ created: 2, rejected: 0 });
    const named = await imported(
      Buffer.from('MSH|^~\\&|A|B|C|D|20240101||ADT^A08|1|P|2.5\rPID|1||77^^^H^MR||Alder^Robin\r'),
      {
        'Content-Type': 'application/octet-stream',
        'Content-Disposition': 'attachment; filename="adt.hl7"',
      },
    );
    expect(named.body.output).toContainEqual({ type: 'Patient', count: 1 });
  });

  it('shows jobs with speed, errors and profile to who may read everything, and stops them', async () => {
    const { body } = await supertest(dev).get(`${BASE}/$jobs`).expect(200);
    const done = body.jobs.find((job: Any) => job.progress.rejected === 2);
    expect(done).toMatchObject({ kind: 'bulk-import', state: 'done' });
    const shown = (await supertest(dev).get(`${BASE}/$jobs/${done.id}`).expect(200)).body;
    expect(shown.errors).toHaveLength(2);
    expect(shown.profile.workers[0].ms.commit).toBeGreaterThan(0);
    const { id } = (await system.tenant('lake')).record;
    const token = issueToken(secret, system.clock, {
      tenant: { id, name: 'lake' },
      scope: 'system/Patient.rs',
    });
    await supertest(secured).get(`${BASE}/$jobs`).set('Authorization', `Bearer ${token}`).expect(403);
    await supertest(secured)
      .post(`${BASE}/$import`)
      .set({ Authorization: `Bearer ${token}`, Prefer: 'respond-async' })
      .send({ input: [] })
      .expect(403);
    await supertest(dev).post(`${BASE}/$jobs/${done.id}/cancel`).expect(409);
    await supertest(dev).get(`/fhir/other/$jobs/${done.id}`).expect(404);
  });

  it.each([
    ['a host nobody opened', { url: 'https://evil.example.org/a.ndjson' }, 403],
    ['a host that begins like one', { url: 'https://data.example.org.evil.example/a' }, 403],
    ['a name and password', { url: 'https://data.example.org@evil.example/a' }, 400],
    ['plain http', { url: 'http://data.example.org/a' }, 400],
    ['a file of the machine', { url: 'file:///etc/passwd' }, 403],
    ['a way out of a store', { url: 's3://incoming/../../etc/passwd' }, 403],
    ['the metadata service', { url: 'http://169.254.169.254/latest/meta-data' }, 400],
    ['no url', {}, 400],
  ])('refuses %s at once', async (_, input, status) => {
    const answer = await kickOff({ input: [input] });
    expect(answer.status).toBe(status);
    expect(answer.body.resourceType).toBe('OperationOutcome');
  });

  it('does not follow a redirect to where it may not go', async () => {
    served.set('/good.ndjson', lines(patient('good')));
    const { body } = await imported({
      input: ['away', 'none', 'good.ndjson'].map((name) => ({ url: `${origin}/${name}` })),
    });
    expect(body.extension.counts).toMatchObject({ created: 1, rejected: 2 });
    expect((await errorsOf(body)).map((e) => e.issue[0].code).sort()).toEqual(['not-found', 'not-supported']);
  });

  it('speaks as HealthLake does', async () => {
    writeFileSync(join(system.dir, 'in', 'a.ndjson'), lines(patient('hl1'), patient('hl2'), '{}'));
    const call = (action: string, body: object) =>
      supertest(dev)
        .post(`${BASE}/$healthlake/`)
        .set({ 'X-Amz-Target': `HealthLake.${action}`, 'Content-Type': 'application/x-amz-json-1.0' })
        .send(JSON.stringify(body));
    const wanted = {
      JobName: 'nightly',
      DatastoreId: 'lake',
      InputDataConfig: { S3Uri: 's3://incoming/' },
      JobOutputDataConfig: { S3Configuration: { S3Uri: 's3://results', KmsKeyId: 'arn:aws:kms:x' } },
      DataAccessRoleArn: 'arn:aws:iam::123456789012:role/import',
      ClientToken: 'token-1',
      ValidationLevel: 'structure-only',
    };
    const { body: started } = await call('StartFHIRImportJob', wanted).expect(200);
    expect(started).toMatchObject({ JobStatus: 'SUBMITTED', JobId: expect.stringMatching(/^[0-9a-f]{32}$/) });
    expect((await call('StartFHIRImportJob', wanted)).body.JobId).toBe(started.JobId);
    let properties: Any = {};
    for (let i = 0; i < 200 && !/^(COMPLETED|FAILED)/.test(properties.JobStatus ?? ''); i++) {
      await new Promise((resume) => setTimeout(resume, 50));
      const found = await call('DescribeFHIRImportJob', { DatastoreId: 'lake', JobId: started.JobId });
      properties = found.body.ImportJobProperties;
    }
    expect(properties).toMatchObject({
      JobStatus: 'COMPLETED_WITH_ERRORS',
      JobName: 'nightly',
      InputDataConfig: wanted.InputDataConfig,
      ValidationLevel: 'structure-only',
      JobProgressReport: {
        TotalNumberOfScannedFiles: 1,
        TotalNumberOfResourcesScanned: 3,
        TotalNumberOfResourcesImported: 2,
        TotalNumberOfResourcesWithCustomerError: 1,
      },
    });
    const listed = await call('ListFHIRImportJobs', { DatastoreId: 'lake', JobName: 'nightly' });
    expect(listed.body.ImportJobPropertiesList).toHaveLength(1);
    const id = started.JobId.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
    const home = join(system.dir, 'out', `import-${id}`);
    expect(JSON.parse(readFileSync(join(home, 'manifest.json'), 'utf8'))).toMatchObject({
      counts: { accepted: 2, rejected: 1 },
      error: [{ file: 'errors.ndjson', count: 1 }],
    });
    expect(readFileSync(join(home, 'errors.ndjson'), 'utf8').trim().split('\n')).toHaveLength(1);
  });
});

it.each([
  ['8.8.8.8', true],
  ['2606:4700::1111', true],
  ['127.0.0.1', false],
  ['10.1.2.3', false],
  ['172.31.255.255', false],
  ['169.254.169.254', false],
  ['100.100.100.200', false],
  ['::1', false],
  ['::ffff:8.8.8.8', true],
  ['::ffff:127.0.0.1', false],
  ['fd00::1', false],
  ['fe80::1', false],
  ['64:ff9b::7f00:1', false],
  ['2002:7f00:1::', false],
])('knows whether %s is public', (address, isPublic) => expect(isPublicAddress(address)).toBe(isPublic));

it.each(['https://0x7f.1/a', 'https://2130706433/a', 'https://[::ffff:127.0.0.1]/a', 'https://localhost./a'])(
  'takes %s for no host that was opened',
  (url) =>
    expect(() => checkRemote(url, { origins: ['https://data.example.org'], privateOrigins: [] })).toThrow(
      /fetch/,
    ),
);
