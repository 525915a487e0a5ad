import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from 'fhir-kit-client';
import supertest from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Clock } from '../../src/core/clock.js';
import { type App, type AppOptions, createApp } from '../../src/http/app.js';
import { listen } from '../../src/http/server.js';
import { LEASE_MS } from '../../src/jobs/job.js';
import { type Rooms, wireRooms } from '../../src/system.js';
import { runBulkExport } from '../../src/tasks/bulk-export.js';
import { BULK_KEPT_MS } from '../../src/tasks/bulk-export-job.js';
import { issueToken, verifyToken } from '../../src/tenancy/tokens.js';
import { startExportWorker } from '../../src/worker/exports.js';
import { type TestSystem, testSystem } from '../support/system.js';

/** Bulk Data Access 2.0 as a client meets it, over HTTP alone; a worker runs beside as it does in the server. */
const BASE_URL = 'http://127.0.0.1:8080';
const BASE = '/fhir/lake';
const ACTOR = { id: 'test', kind: 'client' } as const;

// biome-ignore lint/suspicious/noExplicitAny: answers are looked at by the expectations
type Any = Record<string, any>;
interface Manifest {
  transactionTime: string;
  request: string;
  requiresAccessToken: boolean;
  output: { type: string; url: string; count: number }[];
  deleted: { type: string; url: string; count: number }[];
  error: { type: string; url: string; count: number }[];
}

let system: TestSystem;
let rooms: Rooms;
let ahead = 0;
const clock: Clock = { now: () => Date.now() + ahead };
let dev: ReturnType<typeof app>;
let secured: ReturnType<typeof app>;
let worker: { stop(): Promise<void> };
const secret = randomBytes(32);

function build(options: Partial<AppOptions>): App {
  return createApp(rooms, {
    baseUrl: BASE_URL,
    version: '0.0.0',
    dev: true,
    verify: (token, tenant) => verifyToken(secret, clock, token, tenant),
    validation: 'minimal',
    ...options,
  });
}
const app = (options: Partial<AppOptions>) => build(options).express;

const observation = (id: string, patients: string[], over: Any = {}) => ({
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
const provenance = (id: string, target: string) => ({
  resourceType: 'Provenance',
  id,
  target: [{ reference: target }],
  recorded: '2024-01-01T00:00:00Z',
  agent: [{ who: { reference: 'Organization/org' } }],
});
const CONTENT: Any[] = [
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
const local = (url: string) => new URL(url).pathname;
const kickOff = (path: string, query: Any = {}) =>
  supertest(dev).get(`${BASE}/${path}`).query(query).set('Prefer', 'respond-async');

async function finished(at: string, express = dev, token = ''): Promise<Manifest> {
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

async function lines(url: string): Promise<Any[]> {
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

async function exported(path: string, query: Any = {}, body?: Any) {
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

const names = (filter: (r: Any) => boolean) =>
  CONTENT.filter(filter)
    .map((r) => `${r.resourceType}/${r.id}`)
    .sort();
const P1 = [
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

describe('what an export gives', () => {
  it('is everything at system level, and as much as search counts', async () => {
    const { ids, manifest, resources } = await exported('$export');
    expect(ids).toEqual(names(() => true));
    for (const { type, count } of manifest.output) {
      const found = await supertest(dev).get(`${BASE}/${type}?_summary=count`).expect(200);
      expect(count).toBe(found.body.total);
    }
    expect(manifest.request).toMatch(/^http:.*\/fhir\/lake\/\$export$/);
    expect(manifest.requiresAccessToken).toBe(false);
    expect(manifest.deleted).toEqual([]);
    expect(manifest.error).toEqual([]);
    const doc = resources.find((r) => r.id === 'doc')!;
    expect(doc.content[0].attachment.url).toMatch(/^http:.*\/fhir\/lake\/Binary\/b1$/);
    expect(doc.meta.lastUpdated <= manifest.transactionTime).toBe(true);
  });

  it('is the compartments of all patients at patient level, with what they refer to', async () => {
    const { ids } = await exported('Patient/$export');
    const outside = ['Organization/stranger', 'Binary/b1', 'Provenance/pr3', 'PractitionerRole/role'];
    expect(ids).toEqual(names((r) => !outside.includes(`${r.resourceType}/${r.id}`)));
  });

  it('is the compartments of its members at group level, records of several patients among them', async () => {
    expect((await exported('Group/g/$export')).ids).toEqual(P1);
  });

  it('never holds another patient’s records where patients are named', async () => {
    const parameter = [{ name: 'patient', valueReference: { reference: 'Patient/p1' } }];
    const { ids } = await exported('Patient/$export', {}, { resourceType: 'Parameters', parameter });
    expect(ids).toEqual(P1.filter((name) => name !== 'Observation/both'));
  });

  const CASES: [string, string, Any, string[]][] = [
    [
      '_type',
      '$export',
      { _type: 'Patient,Encounter' },
      names((r) => /^(Patient|Encounter)$/.test(r.resourceType)),
    ],
    [
      '_type repeated',
      '$export',
      { _type: ['Patient', 'Encounter'] },
      names((r) => /^(Patient|Encounter)$/.test(r.resourceType)),
    ],
    ['_until in the past', '$export', { _until: '2020-01-01T00:00:00Z' }, []],
    ['_since in the future', 'Patient/$export', { _since: '2099-01-01T00:00:00Z' }, []],
    [
      '_typeFilter',
      '$export',
      { _type: 'Observation,Patient', _typeFilter: 'Observation?code=2345-7' },
      ['Observation/o2', 'Patient/p1', 'Patient/p2', 'Patient/p3'],
    ],
    [
      '_typeFilter with two searches',
      '$export',
      { _type: 'Observation', _typeFilter: 'Observation?code=2345-7,Observation?subject=Patient/p2' },
      ['Observation/o2'],
    ],
    [
      '_typeFilter of a group',
      'Group/g/$export',
      { _type: 'Observation', _typeFilter: 'Observation?code=4548-4' },
      ['Observation/both', 'Observation/o1'],
    ],
    ['no Provenance where types leave it out', 'Patient/$export', { _type: 'Encounter' }, ['Encounter/e1']],
    [
      'all relevant Provenance',
      '$export',
      { _type: 'Observation', includeAssociatedData: 'RelevantProvenanceResources' },
      [...names((r) => r.resourceType === 'Observation'), 'Provenance/pr1', 'Provenance/pr2'],
    ],
    [
      'the less restrictive of two',
      '$export',
      {
        _type: 'Observation',
        includeAssociatedData: 'LatestProvenanceResources,RelevantProvenanceResources',
      },
      [...names((r) => r.resourceType === 'Observation'), 'Provenance/pr1', 'Provenance/pr2'],
    ],
  ];
  it.each(CASES)('heeds %s', async (_title, path, query, expected) => {
    expect((await exported(path, query)).ids).toEqual([...expected].sort());
  });

  it('is blocks by patient where asked, a record of several patients in each of theirs', async () => {
    const answer = await kickOff('Patient/$export', {
      organizeOutputBy: 'Patient',
      allowPartialManifests: 'true',
      _type: 'Patient,Observation,Encounter',
    }).expect(202);
    const manifest = (await finished(answer.headers['content-location']!)) as Any;
    expect(manifest.outputOrganizedBy).toBe('Patient');
    expect(manifest.output).toHaveLength(1);
    expect(manifest.output[0]).not.toHaveProperty('type');
    const blocks = new Map<string, string[]>();
    let block: string[] = [];
    for (const resource of await lines(manifest.output[0].url)) {
      if (resource.resourceType === 'Parameters') {
        block = [];
        expect(blocks.has(resource.parameter[0].valueReference.reference)).toBe(false);
        blocks.set(resource.parameter[0].valueReference.reference, block);
        expect(resource.parameter[0].name).toBe('header');
      } else block.push(`${resource.resourceType}/${resource.id}`);
    }
    for (const [patient, content] of blocks) expect(content[0]).toBe(patient);
    expect(Object.fromEntries([...blocks].map(([k, v]) => [k, [...v].sort()]))).toEqual({
      'Patient/p1': ['Encounter/e1', 'Observation/both', 'Observation/o1', 'Patient/p1'],
      'Patient/p2': ['Observation/both', 'Observation/o2', 'Patient/p2'],
      'Patient/p3': ['Observation/o3', 'Patient/p3'],
    });
  });

  it('says nothing of who where asked to, ids replaced alike everywhere', async () => {
    const { resources, ids } = await exported('$export', { _deidentify: 'true' });
    expect(new Set(resources.map((r) => r.resourceType))).toEqual(
      new Set(['Patient', 'Observation', 'Encounter', 'DocumentReference']),
    );
    expect(ids).toHaveLength(9);
    expect(JSON.stringify(resources)).not.toMatch(/"(p1|o1|both|dr|e1)"|\/(p1|dr|org)"|1970-01-01/);
    const patients = new Set(
      resources.filter((r) => r.resourceType === 'Patient').map((r) => `Patient/${r.id}`),
    );
    for (const { subject } of resources) if (subject) expect(patients).toContain(subject.reference);
  });

  it('has a quality report beside it where asked', async () => {
    const answer = await kickOff('$export', { _qualityReport: 'true' }).expect(202);
    const manifest = (await finished(answer.headers['content-location']!)) as Any;
    const [html, json] = manifest.extension['https://cenote.health/fhir/quality-report'];
    const report = await supertest(dev)
      .get(local(json.url))
      .expect('Content-Type', /^application\/json/)
      .expect(200);
    const rows = Object.fromEntries(report.body.types.map((t: Any) => [t.type, t.rows]));
    expect(rows).toMatchObject({ Patient: 3, Observation: 4 });
    const page = await supertest(dev)
      .get(local(html.url))
      .expect('Content-Type', /^text\/html/)
      .expect(200);
    expect(page.headers['content-security-policy']).toContain('sandbox');
    expect(page.text).toContain('Quality of the data');
    await kickOff('$export', { _qualityReport: 'maybe' }).expect(400);
  });

  it('gives of Provenance the latest alone where asked', async () => {
    const { ids } = await exported('$export', {
      _type: 'Observation',
      includeAssociatedData: 'LatestProvenanceResources',
    });
    expect(ids.filter((id) => id.startsWith('Provenance/'))).toHaveLength(1);
  });

  it('gives mandatory and named elements alone, and says that they are a part', async () => {
    const { resources } = await exported('$export', {
      _type: 'Observation',
      _elements: 'Observation.subject',
    });
    for (const resource of resources) {
      expect(Object.keys(resource).sort()).toEqual([
        'code',
        'id',
        'meta',
        'resourceType',
        'status',
        'subject',
      ]);
      expect(resource.meta.tag.at(-1).code).toBe('SUBSETTED');
    }
  });
});

describe('a chain of exports', () => {
  it('tells what changed and what was deleted since the last', async () => {
    const tenant = await system.tenant('lake');
    const write = (op: 'update' | 'delete', id: string) =>
      rooms.store.commit(
        tenant,
        [
          {
            op,
            type: 'Observation',
            id,
            ...(op === 'update' ? { resource: observation(id, ['p1']) } : {}),
          } as never,
        ],
        ACTOR,
      );
    await write('update', 'short-lived');
    const first = await exported('Patient/$export');
    expect((await exported('Patient/$export', { _since: first.manifest.transactionTime })).ids).toEqual([]);
    await write('delete', 'short-lived');
    await write('update', 'new');
    const second = await exported('Patient/$export', { _since: first.manifest.transactionTime });
    // The physician of what is new comes along: the client may not know her yet.
    expect(second.ids).toEqual(['Observation/new', 'Practitioner/dr']);
    const [file] = second.manifest.deleted;
    expect(file!.type).toBe('Bundle');
    expect(await lines(file!.url)).toEqual([
      {
        resourceType: 'Bundle',
        type: 'transaction',
        entry: [{ request: { method: 'DELETE', url: 'Observation/short-lived' } }],
      },
    ]);
    const other = await exported('Group/g/$export', {
      _since: first.manifest.transactionTime,
      _type: 'Encounter',
    });
    expect(other.manifest.deleted).toEqual([]);
    await write('delete', 'new');
  });

  it('loses no write that was under way for long', { timeout: 20_000 }, async () => {
    const tenant = await system.tenant('lake');
    let letGo = () => {};
    const held = new Promise<void>((resolve) => {
      letGo = resolve;
    });
    const slow = rooms.store.transact(tenant, ACTOR, async (tx) => {
      const [written] = await tx.write([
        {
          op: 'create',
          type: 'Basic',
          id: 'slow',
          resource: { resourceType: 'Basic', id: 'slow', code: {} },
        },
      ]);
      await held;
      return written!;
    });
    await new Promise((resume) => setTimeout(resume, 200));
    const first = await exported('$export', { _type: 'Basic' });
    letGo();
    const { lastUpdated } = await slow;
    expect(first.ids).toEqual([]);
    expect(Date.parse(first.manifest.transactionTime)).toBeLessThanOrEqual(lastUpdated);
    const next = await exported('$export', { _type: 'Basic', _since: first.manifest.transactionTime });
    expect(next.ids).toEqual(['Basic/slow']);
    await rooms.store.commit(tenant, [{ op: 'delete', type: 'Basic', id: 'slow' }], ACTOR);
  });
});

describe('fhir-kit-client', () => {
  it('kicks an export off, follows it to its manifest and deletes it', async () => {
    const server = await listen(build({}), { host: '127.0.0.1', port: 0, dev: true });
    try {
      const client = new Client({ baseUrl: `http://127.0.0.1:${server.port}${BASE}` });
      const started = await client.operation({
        name: 'export',
        resourceType: 'Patient',
        method: 'GET',
        input: { _type: 'Encounter' },
        options: { headers: { Prefer: 'respond-async' } },
      } as never);
      const at = Client.httpFor(started).response!.headers.get('content-location')!;
      const manifest = await finished(at);
      expect(manifest.output.map((f) => f.count)).toEqual([1]);
      const gone = await client.request(at, { method: 'DELETE' } as never);
      expect(Client.httpFor(gone).response!.status).toBe(202);
    } finally {
      await server.stop();
    }
  });
});

describe('the CapabilityStatement', () => {
  it('claims the three exports by their canonical addresses', async () => {
    const { body } = await supertest(dev).get(`${BASE}/metadata`).expect(200);
    const of = (type: string) => body.rest[0].resource.find((r: Any) => r.type === type).operation;
    const definition = 'http://hl7.org/fhir/uv/bulkdata/OperationDefinition';
    expect(body.rest[0].operation).toContainEqual({ name: 'export', definition: `${definition}/export` });
    expect(of('Patient')).toContainEqual({ name: 'export', definition: `${definition}/patient-export` });
    expect(of('Group')).toContainEqual({ name: 'export', definition: `${definition}/group-export` });
    expect(body.instantiates).toEqual(['http://hl7.org/fhir/uv/bulkdata/CapabilityStatement/bulk-data']);
  });
});

describe('a kick-off is refused', () => {
  const CASES: [string, string, Any, number][] = [
    ['an unknown type', '$export', { _type: 'Nothing' }, 400],
    ['a type outside of the level', 'Patient/$export', { _type: 'Organization' }, 400],
    ['an unknown parameter', '$export', { _nonsense: '1' }, 400],
    ['another format', '$export', { _outputFormat: 'text/csv' }, 400],
    ['a date for an instant', '$export', { _since: '2024' }, 400],
    ['what is no search', '$export', { _typeFilter: 'nothing' }, 400],
    ['a search with an unknown parameter', '$export', { _typeFilter: 'Patient?nothing=1' }, 400],
    ['a search that is paged', '$export', { _typeFilter: 'Patient?_count=1' }, 400],
    ['a nested element', '$export', { _elements: 'Patient.name.family' }, 400],
    ['patients of the system', '$export', { patient: 'Patient/p1' }, 400],
    ['patients by GET', 'Patient/$export', { patient: 'Patient/p1' }, 400],
    ['an unknown kind of associated data', '$export', { includeAssociatedData: 'Everything' }, 400],
    ['blocks of another type', '$export', { organizeOutputBy: 'Encounter' }, 400],
    [
      'blocks with a filter',
      '$export',
      { organizeOutputBy: 'Patient', _typeFilter: 'Patient?gender=male' },
      400,
    ],
    ['partial manifests neither true nor false', '$export', { allowPartialManifests: 'perhaps' }, 400],
    ['a Group that is not there', 'Group/none/$export', {}, 404],
  ];
  it.each(CASES)('for %s', async (_title, path, query, status) => {
    const answer = await kickOff(path, query);
    expect(answer.status).toBe(status);
    expect(answer.body.resourceType).toBe('OperationOutcome');
  });

  it('without respond-async, and for a patient who is not here', async () => {
    await supertest(dev).get(`${BASE}/$export`).expect(400);
    const parameter = [{ name: 'patient', valueReference: { reference: 'Patient/none' } }];
    await supertest(dev)
      .post(`${BASE}/Patient/$export`)
      .set('Prefer', 'respond-async')
      .send({ resourceType: 'Parameters', parameter })
      .expect(400);
  });

  it('but not when it is asked to be lenient: then the error file tells what was left out', async () => {
    const answer = await kickOff('$export', { _type: 'Patient', _nonsense: '1' }).set(
      'Prefer',
      'respond-async, handling=lenient',
    );
    expect(answer.status).toBe(202);
    const manifest = await finished(answer.headers['content-location']!);
    expect(manifest.output.map((f) => f.type)).toEqual(['Patient']);
    expect((await lines(manifest.error[0]!.url))[0]!.resourceType).toBe('OperationOutcome');
  });

  it('takes every name of the format', async () => {
    for (const _outputFormat of ['application/fhir+ndjson', 'application/ndjson', 'ndjson'])
      expect((await exported('$export', { _type: 'Patient', _outputFormat })).ids).toHaveLength(3);
  });
});

describe('who may see an export', () => {
  const token = async (name: string, scope: string, subject: string) => {
    const { id } = (await system.tenant(name)).record;
    return issueToken(secret, clock, { tenant: { id, name }, scope, subject });
  };
  const as = (bearer: string, url: string, method: 'get' | 'delete' = 'get') =>
    supertest(secured)[method](url).set('Authorization', `Bearer ${bearer}`).set('Prefer', 'respond-async');

  it('is who asked for it, and holds only what the token covers', async () => {
    const mine = await token('lake', 'system/*.rs', 'mine');
    const theirs = await token('lake', 'system/*.rs', 'theirs');
    const narrow = await token('lake', 'system/Patient.rs', 'mine');
    const at = (await as(mine, `${BASE}/$export?_type=Encounter`).expect(202)).headers['content-location']!;
    const manifest = await finished(at, secured, mine);
    expect(manifest.requiresAccessToken).toBe(true);
    const file = local(manifest.output[0]!.url);
    await as(mine, file).expect(200);
    await as(theirs, local(at)).expect(404);
    await as(theirs, file).expect(404);
    await as(theirs, local(at), 'delete').expect(404);
    await as(narrow, file).expect(403);
    await supertest(secured).get(file).expect(401);
    const elsewhere = await token('other', 'system/*.rs', 'mine');
    await as(elsewhere, file).expect(403);
    await as(elsewhere, file.replace('/lake/', '/other/')).expect(404);
    await as(narrow, `${BASE}/$export?_type=Encounter`).expect(403);
    const small = (await as(narrow, `${BASE}/$export`).expect(202)).headers['content-location']!;
    expect((await finished(small, secured, narrow)).output.map((f) => f.type)).toEqual(['Patient']);
    // A file's address leads to files of the export alone.
    const folder = file.slice(0, file.lastIndexOf('/'));
    for (const name of [
      '..',
      '.',
      'Encounter.ndjson%2f..',
      '..%2f..%2ftoken.secret',
      '.Encounter.ndjson.part',
      'x',
    ])
      expect((await as(mine, `${folder}/${name}`)).status, name).toBe(404);
  });
});

describe('the files', () => {
  it('are sealed where they lie, and come compressed to who takes that', async () => {
    const { at, manifest } = await exported('$export', { _type: 'Patient' });
    const id = at.split('/').at(-1)!;
    const home = join(system.dir, 'exports', (await system.tenant('lake')).record.id, id);
    const [attempt] = readdirSync(home);
    const path = join(home, attempt!, 'Patient.ndjson');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readFileSync(path).includes('birthDate')).toBe(false);
    const zipped = await supertest(dev)
      .get(local(manifest.output[0]!.url))
      .set('Accept-Encoding', 'gzip')
      .expect(200);
    expect(zipped.headers['content-encoding']).toBe('gzip');
    await supertest(dev).head(local(manifest.output[0]!.url)).expect(200);
  });

  it('go with the export when it is deleted', async () => {
    const { at, manifest } = await exported('$export', { _type: 'Patient' });
    const home = join(system.dir, 'exports', (await system.tenant('lake')).record.id, at.split('/').at(-1)!);
    await supertest(dev).delete(local(at)).expect(202);
    expect((await supertest(dev).get(local(at)).expect(404)).body.resourceType).toBe('OperationOutcome');
    await supertest(dev).get(local(manifest.output[0]!.url)).expect(404);
    await supertest(dev).delete(local(at)).expect(404);
    expect(existsSync(home)).toBe(false);
  });

  it('go after a day', async () => {
    const { at, manifest } = await exported('$export', { _type: 'Patient' });
    const home = join(system.dir, 'exports', (await system.tenant('lake')).record.id, at.split('/').at(-1)!);
    const answer = await supertest(dev).get(local(at)).expect(200);
    expect(Date.parse(answer.headers.expires!)).toBeGreaterThan(Date.now() + BULK_KEPT_MS - 60_000);
    ahead = BULK_KEPT_MS + 1_000;
    try {
      await supertest(dev).get(local(manifest.output[0]!.url)).expect(404);
      await supertest(dev).get(local(at)).expect(404);
      expect(await rooms.exports!.expire()).toBeGreaterThan(0);
      expect(existsSync(home)).toBe(false);
    } finally {
      ahead = 0;
    }
  });
});

describe('an export that waits', () => {
  beforeAll(() => worker.stop());

  it('is made anew when its worker died, and what is half-written is never seen', {
    timeout: 20_000,
  }, async () => {
    const tenant = await system.tenant('lake');
    const at = (await kickOff('$export', { _type: 'Patient' })).headers['content-location']!;
    const id = at.split('/').at(-1)!;
    const dead = await rooms.jobs.claim(tenant, id);
    await supertest(dev).get(`${BASE}/$export-file/${id}/Patient.ndjson`).expect(404);
    ahead = LEASE_MS + 1_000;
    try {
      expect(await rooms.jobs.next(['export'])).toEqual({ id, tenant: 'lake' });
      const job = await rooms.jobs.claim(tenant, id);
      await runBulkExport(rooms.exports!.deps, tenant, job);
      // The first worker comes back: it has lost the job, and spoils nothing.
      await expect(runBulkExport(rooms.exports!.deps, tenant, dead)).rejects.toThrow();
    } finally {
      ahead = 0;
    }
    const manifest = await finished(at);
    expect(await lines(manifest.output[0]!.url)).toHaveLength(3);
  });

  it('goes on with another worker when its own is stopped', async () => {
    const tenant = await system.tenant('lake');
    const at = (await kickOff('$export', { _type: 'Patient' })).headers['content-location']!;
    const job = await rooms.jobs.claim(tenant, at.split('/').at(-1)!);
    await runBulkExport(rooms.exports!.deps, tenant, job, AbortSignal.timeout(100));
    const after = await rooms.jobs.get(tenant, job.id);
    expect(after.state).toBe('queued');
    await supertest(dev).delete(local(at)).expect(202);
  });

  it('is one of a few for each client', async () => {
    const waiting: string[] = [];
    for (let i = 0; i < 4; i++)
      waiting.push((await kickOff('$export').expect(202)).headers['content-location']!);
    const refused = await kickOff('$export').expect(429);
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
    for (const at of waiting) {
      await supertest(dev).get(local(at)).expect(202);
      await supertest(dev).delete(local(at)).expect(202);
    }
    await kickOff('$export').expect(202);
  });
});
