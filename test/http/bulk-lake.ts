import { randomBytes } from 'node:crypto';
import supertest from 'supertest';
import { afterAll, beforeAll, expect } from 'vitest';
import type { Clock } from '../../src/core/clock.js';
import { type App, type AppOptions, createApp } from '../../src/http/app.js';
import { type Rooms, wireRooms } from '../../src/system.js';
import { verifyToken } from '../../src/tenancy/tokens.js';
import { startExportWorker } from '../../src/worker/exports.js';
import { type TestSystem, testSystem } from '../support/system.js';

/** A small lake for tests of Bulk Data over HTTP alone; a worker runs beside as it does in the server. */
const BASE_URL = 'http://127.0.0.1:8080';
export const BASE = '/fhir/lake';
export const ACTOR = { id: 'test', kind: 'client' } as const;

// biome-ignore lint/suspicious/noExplicitAny: answers are looked at by the expectations
export type Any = Record<string, any>;
export interface Manifest {
  transactionTime: string;
  request: string;
  requiresAccessToken: boolean;
  output: { type: string; url: string; count: number }[];
  deleted: { type: string; url: string; count: number }[];
  error: { type: string; url: string; count: number }[];
}

export let system: TestSystem;
export let rooms: Rooms;
let ahead = 0;
/** Lets the server's clock run ahead by so many ms; 0 ends it. */
export const skip = (ms: number) => {
  ahead = ms;
};
export const clock: Clock = { now: () => Date.now() + ahead };
export let dev: ReturnType<typeof app>;
export let secured: ReturnType<typeof app>;
export let worker: { stop(): Promise<void> };
export const secret = randomBytes(32);

export function build(options: Partial<AppOptions>): App {
  return createApp(rooms, {
    baseUrl: BASE_URL,
    version: '0.0.0',
    dev: true,
    verify: (token, tenant) => verifyToken(secret, clock, token, tenant),
    validation: 'minimal',
    ...options,
  });
}
export const app = (options: Partial<AppOptions>) => build(options).express;

export const observation = (id: string, patients: string[], over: Any = {}) => ({
  resourceType: 'Observation',
  id,
  status: 'final',
  code: { coding: [{ system: 'http://loinc.org', code: '4548-4' }] },
  subject: { reference: `Patient/${patients[0]}` },
  performer: [
    { reference: 'Practitioner/dr' },
    ...patients.slice(1).map((p) => ({ reference: `Patient/${p}` })),
  ],
  valueQuantity: { value: 7.1, unit: '%' },
  ...over,
});
export const provenance = (id: string, target: string) => ({
  resourceType: 'Provenance',
  id,
  target: [{ reference: target }],
  recorded: '2024-01-01T00:00:00Z',
  agent: [{ who: { reference: 'Organization/org' } }],
});
export const CONTENT: Any[] = [
  ...['p1', 'p2', 'p3'].map((id) => ({ resourceType: 'Patient', id, birthDate: '1970-01-01' })),
  observation('o1', ['p1']),
  observation('o2', ['p2'], { code: { coding: [{ system: 'http://loinc.org', code: '2345-7' }] } }),
  observation('o3', ['p3']),
  observation('both', ['p1', 'p2']),
  { resourceType: 'Practitioner', id: 'dr' },
  {
    resourceType: 'PractitionerRole',
    id: 'role',
    practitioner: { reference: 'Practitioner/dr' },
    organization: { reference: 'Organization/org' },
  },
  {
    resourceType: 'Encounter',
    id: 'e1',
    status: 'finished',
    class: { code: 'AMB' },
    subject: { reference: 'Patient/p1' },
    serviceProvider: { reference: 'Organization/ward' },
  },
  { resourceType: 'Organization', id: 'ward', partOf: { reference: 'Organization/org' } },
  { resourceType: 'Organization', id: 'org' },
  { resourceType: 'Organization', id: 'stranger' },
  {
    resourceType: 'DocumentReference',
    id: 'doc',
    status: 'current',
    subject: { reference: 'Patient/p1' },
    content: [{ attachment: { contentType: 'text/plain', url: 'Binary/b1' } }],
  },
  { resourceType: 'Binary', id: 'b1', contentType: 'text/plain', data: 'aGVsbG8=' },
  provenance('pr1', 'Observation/o1'),
  provenance('pr2', 'Observation/o1'),
  provenance('pr3', 'Organization/stranger'),
  {
    resourceType: 'Group',
    id: 'g',
    type: 'person',
    actual: true,
    member: [{ entity: { reference: 'Patient/p1' } }],
  },
];

beforeAll(async () => {
  system = await testSystem({ tenants: ['lake', 'other'], clock });
  rooms = wireRooms({ clock, tenants: system.tenants, baseUrl: BASE_URL, dataDir: system.dir });
  dev = app({});
  secured = app({ dev: false });
  const tenant = await system.tenant('lake');
  const writes = CONTENT.map((r) => ({ op: 'update' as const, type: r.resourceType, id: r.id, resource: r }));
  await rooms.store.commit(tenant, writes as never, ACTOR);
  worker = startExportWorker({
    tenants: system.tenants,
    exports: rooms.exports!,
    onError: (c) => console.error(c),
  });
});
afterAll(async () => {
  await worker.stop();
  await rooms.closeRooms();
  await system.close();
});

/** Addresses are absolute, and of the host the client reached: here a port of the moment. */
export const local = (url: string) => new URL(url).pathname;
export const kickOff = (path: string, query: Any = {}) =>
  supertest(dev).get(`${BASE}/${path}`).query(query).set('Prefer', 'respond-async');

export async function finished(at: string, express = dev, token = ''): Promise<Manifest> {
  for (let i = 0; i < 200; i++) {
    const answer = await supertest(express).get(local(at)).set('Authorization', `Bearer ${token}`);
    if (answer.status !== 202) {
      expect(answer.status, JSON.stringify(answer.body)).toBe(200);
      expect(answer.headers['content-type']).toMatch(/^application\/json/);
      return answer.body;
    }
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
    expect(answer.headers['x-progress']).toBeTruthy();
    await new Promise((resume) => setTimeout(resume, 50));
  }
  throw new Error('The export did not end.');
}

export async function lines(url: string): Promise<Any[]> {
  const answer = await supertest(dev)
    .get(local(url))
    .set('Accept', 'application/fhir+ndjson')
    .buffer(true)
    .parse((response, done) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('end', () => done(null, Buffer.concat(chunks).toString('utf8')));
    })
    .expect(200)
    .expect('Content-Type', 'application/fhir+ndjson');
  return (answer.body as string)
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
}

export async function exported(path: string, query: Any = {}, body?: Any) {
  const request = body
    ? supertest(dev).post(`${BASE}/${path}`).query(query).set('Prefer', 'respond-async').send(body)
    : kickOff(path, query);
  const answer = await request;
  expect(answer.status, JSON.stringify(answer.body)).toBe(202);
  const at = answer.headers['content-location']!;
  const manifest = await finished(at);
  const ids: string[] = [];
  const resources: Any[] = [];
  for (const file of manifest.output) {
    const found = await lines(file.url);
    expect(found).toHaveLength(file.count);
    for (const resource of found) {
      expect(resource.resourceType).toBe(file.type);
      ids.push(`${file.type}/${resource.id}`);
      resources.push(resource);
    }
  }
  expect(new Set(ids).size).toBe(ids.length);
  return { at, manifest, ids: ids.sort(), resources };
}

export const names = (filter: (r: Any) => boolean) =>
  CONTENT.filter(filter)
    .map((r) => `${r.resourceType}/${r.id}`)
    .sort();
export const P1 = [
  'DocumentReference/doc',
  'Encounter/e1',
  'Group/g',
  'Observation/both',
  'Observation/o1',
  'Organization/org',
  'Organization/ward',
  'Patient/p1',
  'Practitioner/dr',
  'Provenance/pr1',
  'Provenance/pr2',
];
