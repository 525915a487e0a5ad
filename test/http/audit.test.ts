import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { validateResource } from '../../src/fhir/validate.js';
import { BASE, type Served, serve, TENANT } from './served.js';

let served: Served;
let reader: string;
let auditor: string;

interface Event {
  readonly action: string;
  readonly outcome: string;
  readonly subtype: { code: string; display?: string }[];
  readonly agent: { who: { display?: string } }[];
  readonly entity?: { what?: { reference?: string }; role?: { code: string }; query?: string }[];
}

interface Answer {
  readonly body: Page;
}

interface Page {
  readonly entry?: { resource: { id: string } }[];
  readonly link: { relation: string; url: string }[];
}

beforeAll(async () => {
  served = await serve({ dev: false });
  reader = await served.token(TENANT, 'system/*.cruds', 'reader-1');
  auditor = await served.token(TENANT, 'system/AuditEvent.rs', 'auditor-1');
  const put = (type: string, id: string, body: object) =>
    as(reader)
      .put(`${BASE}/${type}/${id}`)
      .send({ resourceType: type, id, ...body });
  await put('Patient', 'p1', { name: [{ family: 'Quillfeather' }] }).expect(201);
  await put('Patient', 'p2', {}).expect(201);
  await put('Condition', 'c1', { subject: { reference: 'Patient/p1' }, code: { text: 'Asthma' } }).expect(
    201,
  );
});
afterAll(() => served.close());

function as(token: string) {
  const agent = served.http();
  const asked = (method: 'get' | 'put' | 'post' | 'delete') => (url: string) =>
    agent[method](url).set('Authorization', `Bearer ${token}`);
  return { get: asked('get'), put: asked('put'), post: asked('post'), delete: asked('delete') };
}

async function log(query: string): Promise<Event[]> {
  const { body } = await as(auditor).get(`${BASE}/AuditEvent/$audit-log?${query}`).expect(200);
  return (body.entry ?? []).map((entry: { resource: Event }) => entry.resource);
}

const references = (event: Event) => event.entity?.map((e) => e.what?.reference).filter(Boolean);

test('a read says who read which version of whose record', async () => {
  await as(reader).get(`${BASE}/Condition/c1`).expect(200);
  const [event] = await log('subtype=read&agent=reader-1');
  expect(event).toMatchObject({ action: 'R', outcome: '0', subtype: [{ code: 'read' }] });
  expect(event!.agent[0]!.who.display).toBe('reader-1');
  expect(references(event!)).toEqual(['Patient/p1', 'Condition/c1/_history/1']);
});

test('a search says what was asked, and of whom something was given out', async () => {
  await as(reader)
    .post(`${BASE}/Condition/_search`)
    .type('form')
    .send('code:text=asthma&_include=Condition:subject')
    .expect(200);
  const [event] = await log('subtype=search-type&agent=reader-1');
  expect(event).toMatchObject({ action: 'E', outcome: '0' });
  expect(references(event!)).toEqual(['Patient/p1', 'Condition/c1/_history/1', 'Patient/p1/_history/1']);
  const query = event!.entity!.find((e) => e.role?.code === '24')!.query!;
  expect(Buffer.from(query, 'base64').toString()).toContain('_include=Condition');
});

test.each([
  ['a resource that is not there', () => as(reader).get(`${BASE}/Patient/none`), 404, '4', 'read'],
  ['what the token does not permit', () => as(auditor).get(`${BASE}/Patient/p1`), 403, '4', 'read'],
  [
    'a version that is stale',
    () =>
      as(reader)
        .put(`${BASE}/Patient/p1`)
        .set('If-Match', 'W/"9"')
        .send({ resourceType: 'Patient', id: 'p1' }),
    412,
    '4',
    'update',
  ],
  ['a token that is no token', () => as('nonsense').get(`${BASE}/Patient/p1`), 401, '4', 'read'],
] as const)('a refusal is written down too: %s', async (_, ask, status, outcome, subtype) => {
  const asked = ask().set('X-Request-Id', `refused-${status}`);
  await asked.expect(status);
  const [event] = await log(`request=refused-${status}`);
  expect(event).toMatchObject({ outcome, subtype: [{ code: subtype }] });
});

test('writes are told by the row of their own transaction, once', async () => {
  await as(reader)
    .put(`${BASE}/Condition/c1`)
    .set('X-Request-Id', 'write-1')
    .send({
      resourceType: 'Condition',
      id: 'c1',
      subject: { reference: 'Patient/p1' },
      code: { text: 'Mild asthma' },
    })
    .expect(200);
  const events = await log('request=write-1');
  expect(events).toHaveLength(1);
  expect(events[0]).toMatchObject({ action: 'U', subtype: [{ code: 'update' }] });
  expect(references(events[0]!)).toEqual(['Condition/c1/_history/2']);
});

test('a deletion that finds nothing is written down with what it was to delete', async () => {
  await as(reader).delete(`${BASE}/Condition/none`).set('X-Request-Id', 'in-vain').expect(204);
  const events = await log('request=in-vain');
  expect(events).toHaveLength(1);
  expect(events[0]).toMatchObject({ outcome: '0', subtype: [{ code: 'delete' }] });
  expect(references(events[0]!)).toEqual(['Condition/none']);
});

test('a batch with a read inside tells of the read', async () => {
  await as(reader)
    .post(BASE)
    .send({
      resourceType: 'Bundle',
      type: 'batch',
      entry: [{ request: { method: 'GET', url: 'Patient/p2' } }],
    })
    .expect(200);
  const [event] = await log('subtype=batch');
  expect(references(event!)).toEqual(['Patient/p2', 'Patient/p2/_history/1']);
});

test('the log is narrowed by patient, entity, action, outcome and time, and paged', async () => {
  const about = await log('patient=Patient/p1&_count=200');
  expect(about.length).toBeGreaterThanOrEqual(5);
  // Writes to the patient's records count, though the row names no patient.
  expect(about.flatMap((e) => references(e))).toContain('Condition/c1/_history/2');
  expect((await log('patient=p2&_count=200')).every((e) => references(e)!.join().includes('p2'))).toBe(true);
  expect((await log('entity=Condition/c1&action=C')).length).toBe(1);
  expect((await log('date=lt2000')).length).toBe(0);
  const whole = (await log('_count=500')) as unknown as { id: string }[];
  const seen: string[] = [];
  let next: string | undefined = `${BASE}/AuditEvent/$audit-log?_count=2&agent=reader-1`;
  while (next) {
    const { body } = (await as(auditor).get(next).expect(200)) as unknown as Answer;
    seen.push(...(body.entry ?? []).map((e) => e.resource.id));
    const url = body.link.find((l) => l.relation === 'next')?.url;
    next = url && new URL(url).pathname + new URL(url).search;
  }
  expect(new Set(seen).size).toBe(seen.length);
  const ofReader = whole.filter((e) => JSON.stringify(e).includes('"display":"reader-1"'));
  expect(seen).toEqual(ofReader.map((e) => e.id));
});

test('asking the log is written down, and only who may search it all may ask', async () => {
  expect((await log('agent=auditor-1&subtype=$audit-log')).length).toBeGreaterThan(0);
  const narrow = await served.token(TENANT, 'system/Patient.rs', 'narrow');
  await as(narrow).get(`${BASE}/AuditEvent/$audit-log`).expect(403);
  await as(auditor).get(`${BASE}/AuditEvent/$audit-log?colour=red`).expect(400);
  await as(auditor).get(`${BASE}/AuditEvent/$audit-log?_cursor=abc`).expect(400);
});

test('every event is a valid AuditEvent', async () => {
  const events = await log('_count=500');
  expect(events.length).toBeGreaterThan(10);
  for (const event of events) expect(() => validateResource(event, 'strict')).not.toThrow();
});

test('where the log cannot be written, nothing is given out', async () => {
  const admin = new pg.Client({ ...served.system.server, database: served.tenant.record.database });
  await admin.connect();
  await admin.query(`revoke insert on audit from ${served.tenant.record.database}`);
  try {
    const { body } = await as(reader).get(`${BASE}/Patient/p1`).expect(503);
    expect(JSON.stringify(body)).not.toContain('Quillfeather');
    await as(reader).get(`${BASE}/Patient?family=quill`).expect(503);
  } finally {
    await admin.query(`grant insert on audit to ${served.tenant.record.database}`);
    await admin.end();
  }
  await as(reader).get(`${BASE}/Patient/p1`).expect(200);
});

test('who watches jobs stands there once for each answer, who is refused each time', async () => {
  const other = await served.token(TENANT, 'system/*.cruds', 'reader-2');
  for (let i = 0; i < 4; i++) await as(reader).get(`${BASE}/$jobs`).expect(200);
  await as(other).get(`${BASE}/$jobs`).expect(200);
  for (let i = 0; i < 2; i++) await as(auditor).get(`${BASE}/$jobs`).expect(403);
  for (let i = 0; i < 2; i++)
    await as(reader).get(`${BASE}/$jobs/00000000-0000-4000-8000-000000000000`).expect(404);
  const events = await log('subtype=$jobs');
  const told = events.map((e) => `${e.agent[0]!.who.display} ${e.outcome}`).sort();
  expect(told).toEqual([
    'auditor-1 4',
    'auditor-1 4',
    'reader-1 0',
    'reader-1 4',
    'reader-1 4',
    'reader-2 0',
  ]);
});
