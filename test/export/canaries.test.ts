import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import supertest from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Resource } from '../../src/core/resource.js';
import { readyViews } from '../../src/export/ready-views.js';
import { createApp } from '../../src/http/app.js';
import { type Rooms, wireRooms } from '../../src/system.js';
import { runExport } from '../../src/tasks/export.js';
import { startExportWorker } from '../../src/worker/exports.js';
import { type TestSystem, testSystem } from '../support/system.js';

/** Every way out of the lake that takes out what says who, in every format: no canary survives. */
let system: TestSystem;
let rooms: Rooms;
let worker: { stop(): Promise<void> };
let http: () => ReturnType<typeof supertest>;
const BASE = '/fhir/lake';
const BASE_URL = 'http://127.0.0.1:8080';
const folder = mkdtempSync(join(tmpdir(), 'cenote-canaries-'));

/** What must not come out, in any writing. */
const CANARIES = [
  'Quetzalcoatlus',
  'Brontë',
  'MRN-7730914',
  '555-0143-77',
  'Larkspur',
  'canary-patient',
  'canary-weight',
  'canary-note',
  '2019-05-17',
  '2019-05-16',
  '1931-02-03',
  'Dr Oppelt',
];
const NOTE =
  'Seen on 2019-05-17. Quetzalcoatlus Brontë, MRN-7730914, phone 555-0143-77, of 12 Larkspur Lane, seen by Dr Oppelt. Type 2 diabetes mellitus, on metformin 500 mg.';
const attachment = (text: string) => ({
  contentType: 'text/plain',
  data: Buffer.from(text).toString('base64'),
  title: 'Letter about Quetzalcoatlus',
});
const subject = { reference: 'Patient/canary-patient', display: 'Quetzalcoatlus Brontë' };
const RECORDS = [
  {
    resourceType: 'Patient',
    id: 'canary-patient',
    identifier: [{ system: 'urn:mrn', value: 'MRN-7730914' }],
    name: [{ family: 'Quetzalcoatlus', given: ['Brontë'], text: 'Brontë Quetzalcoatlus' }],
    telecom: [{ system: 'phone', value: '555-0143-77' }],
    gender: 'female',
    birthDate: '1931-02-03',
    address: [{ line: ['12 Larkspur Lane'], city: 'Larkspur', state: 'MA', postalCode: '02139' }],
    contact: [{ name: { text: 'Dr Oppelt' } }],
  },
  {
    resourceType: 'Observation',
    id: 'canary-weight',
    status: 'final',
    code: { coding: [{ system: 'http://loinc.org', code: '29463-7', display: 'Weight of Quetzalcoatlus' }] },
    subject,
    effectiveDateTime: '2019-05-17T10:00:00Z',
    issued: '2019-05-17T12:00:00Z',
    valueQuantity: { value: 61.5, unit: 'kg', code: 'kg', system: 'http://unitsofmeasure.org' },
    note: [{ text: 'told by Dr Oppelt' }],
    performer: [{ reference: 'Practitioner/canary-doctor', display: 'Dr Oppelt' }],
  },
  {
    resourceType: 'Condition',
    id: 'canary-condition',
    code: {
      coding: [{ system: 'http://snomed.info/sct', code: '44054006' }],
      text: 'Diabetes of Quetzalcoatlus',
    },
    subject,
    onsetDateTime: '2019-05-17',
    recordedDate: '2019-05-16',
  },
  {
    resourceType: 'DocumentReference',
    id: 'canary-note',
    status: 'current',
    type: { text: 'Letter to Dr Oppelt' },
    subject,
    date: '2019-05-17T12:00:00Z',
    content: [{ attachment: attachment(NOTE) }],
  },
  { resourceType: 'Practitioner', id: 'canary-doctor', name: [{ text: 'Dr Oppelt' }] },
];
const VIEWS = ['patient', 'observation', 'condition', 'note'];

beforeAll(async () => {
  system = await testSystem({ tenants: ['lake'] });
  rooms = wireRooms({ clock: system.clock, tenants: system.tenants, baseUrl: BASE_URL, dataDir: system.dir });
  await rooms.store.transact(await system.tenant('lake'), { id: 'test', kind: 'job' }, (tx) =>
    tx.write(RECORDS.map((r) => ({ op: 'create' as const, type: r.resourceType, id: r.id, resource: r }))),
  );
  http = () => supertest(createApp(rooms, { baseUrl: BASE_URL, version: '0', dev: true }).express);
  worker = startExportWorker({ tenants: system.tenants, exports: rooms.exports! });
});
afterAll(async () => {
  await worker.stop();
  await rooms.closeRooms();
  await system.close();
  rmSync(folder, { recursive: true, force: true });
});

let files = 0;
/** The text of a file, with the values of Parquet and the notes in it spelt out. */
async function textOf(bytes: Buffer, format: string): Promise<string> {
  let text = bytes.toString('utf8');
  if (format === 'parquet') {
    const path = join(folder, `${files++}.parquet`);
    writeFileSync(path, bytes);
    const db = await (await DuckDBInstance.create()).connect();
    const rows = (await db.runAndReadAll(`select * from '${path}'`)).getRowObjectsJson();
    const stats = (await db.runAndReadAll(`select * from parquet_metadata('${path}')`)).getRowObjectsJson();
    text = `${bytes.toString('latin1')}${JSON.stringify(rows)}${JSON.stringify(stats)}`;
  }
  const inside = [...text.matchAll(/[A-Za-z0-9+/]{40,}={0,2}/g)].map(([found]) =>
    Buffer.from(found, 'base64').toString('utf8'),
  );
  return `${text}\n${inside.join('\n')}`;
}

function expectNobody(text: string): void {
  for (const canary of CANARIES)
    expect(text.toLowerCase().includes(canary.toLowerCase()), canary).toBe(false);
}

const parts = ['ndjson', 'parquet', 'csv'].flatMap((format) =>
  [undefined, VIEWS].flatMap((views) =>
    (['drop', 'scrub'] as const).map((notes) => ({
      format,
      views,
      notes,
      what: views ? 'views' : 'resources',
    })),
  ),
);

describe('the canaries', () => {
  it.each(['ndjson', 'parquet', 'csv'] as const)(
    'are seen where nothing is taken out: %s',
    async (format) => {
      const directory = mkdtempSync(join(folder, 'plain-'));
      await runExport({ store: rooms.store, clock: system.clock }, await system.tenant('lake'), {
        directory,
        request: 'test',
        format,
      });
      let text = '';
      for (const name of readdirSync(directory))
        text += await textOf(readFileSync(join(directory, name)), name.split('.').at(-1)!);
      for (const canary of CANARIES) expect(text.includes(canary), canary).toBe(true);
    },
  );
});

describe('files of a de-identified export', () => {
  it.each(parts)('hold no canary: $what as $format, notes: $notes', async ({ format, views, notes }) => {
    const directory = mkdtempSync(join(folder, 'out-'));
    await runExport({ store: rooms.store, clock: system.clock }, await system.tenant('lake'), {
      directory,
      request: 'test',
      format: format as 'csv',
      deidentify: { dates: 'shift', notes },
      report: {},
      ...(views
        ? { views: views.map((name) => ({ name, definition: readyViews().get(name) as Resource })) }
        : {}),
    });
    const names = readdirSync(directory);
    expect(names).toContain(views ? `observation.${format}` : `Observation.${format}`);
    expect(names).toEqual(expect.arrayContaining(['deidentification.json', 'quality.json', 'quality.html']));
    for (const name of names)
      expectNobody(await textOf(readFileSync(join(directory, name)), name.split('.').at(-1)!));
    const { removed } = JSON.parse(readFileSync(join(directory, 'deidentification.json'), 'utf8'));
    expect(removed).toMatchObject({
      'Patient.name': { 'says who, where or in words': 1 },
      'Patient.birthDate': { 'age over 89 grouped': 1 },
      'Observation.effectiveDateTime': { 'date moved': 1 },
    });
  });
});

async function got(path: string): Promise<Buffer> {
  const answer = await http()
    .get(path)
    .buffer(true)
    .parse((response, done) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('end', () => done(null, Buffer.concat(chunks)));
    });
  expect(answer.status).toBe(200);
  return answer.body as Buffer;
}

/** Kicks an export off and gives its files by name. */
async function exported(path: string, parameter: object[]): Promise<Map<string, Buffer>> {
  const begun = await http()
    .post(`${BASE}/${path}`)
    .set('Prefer', 'respond-async')
    .send({ resourceType: 'Parameters', parameter });
  expect(begun.status, JSON.stringify(begun.body)).toBe(202);
  const status = new URL(begun.headers['content-location']!).pathname;
  for (let tries = 0; tries < 200; tries++) {
    const answer = await http().get(status);
    if (answer.status === 202) {
      await new Promise((resume) => setTimeout(resume, 50));
      continue;
    }
    const links = JSON.stringify(answer.body).match(/http:[^"]*\$export-file[^"]*/g) ?? [];
    const found = new Map<string, Buffer>();
    for (const link of links) found.set(link.split('/').at(-1)!, await got(new URL(link).pathname));
    return found;
  }
  throw new Error('The export did not end.');
}

const YES = [
  { name: '_deidentify', valueBoolean: true },
  { name: '_qualityReport', valueBoolean: true },
];

describe('what is asked for over HTTP', () => {
  it('holds no canary: $export', async () => {
    const found = await exported('$export', YES);
    expect([...found.keys()]).toEqual(
      expect.arrayContaining(['Patient.ndjson', 'quality.json', 'quality.html', 'deidentification.json']),
    );
    for (const bytes of found.values()) expectNobody(await textOf(bytes, 'ndjson'));
  });

  it.each(['ndjson', 'json', 'csv', 'parquet'])(
    'holds no canary: $viewdefinition-export as %s, with both reports beside',
    async (format) => {
      const found = await exported('$viewdefinition-export', [
        ...YES,
        { name: '_format', valueCode: format },
        ...VIEWS.map((id) => ({
          name: 'view',
          part: [
            { name: 'name', valueString: id },
            { name: 'viewReference', valueReference: { reference: `ViewDefinition/${id}` } },
          ],
        })),
      ]);
      expect([...found.keys()].sort()).toEqual(
        [
          ...VIEWS.map((v) => `${v}.${format}`),
          'deidentification.json',
          'quality.html',
          'quality.json',
        ].sort(),
      );
      for (const [name, bytes] of found) expectNobody(await textOf(bytes, name.split('.').at(-1)!));
      const quality = JSON.parse(found.get('quality.json')!.toString());
      const about = quality.types.find((t: { type: string }) => t.type === 'observation');
      expect(about).toMatchObject({ rows: 1, dates: { undated: 0, beforeBirth: 0 } });
      const columns = about.columns.map((c: { name: string }) => c.name);
      expect(columns.slice(0, 2)).toEqual(['id', 'patient_id']);
      expect(new Set(columns).size).toBe(columns.length);
    },
  );

  it.each(['ndjson', 'json', 'csv', 'parquet'])(
    'holds no canary: $viewdefinition-run as %s',
    async (format) => {
      for (const id of VIEWS) {
        const bytes = await got(`${BASE}/ViewDefinition/${id}/$run?_format=${format}&_deidentify=true`);
        expectNobody(await textOf(bytes, format));
      }
    },
  );

  it.each(['ndjson', 'json', 'csv', 'parquet'])('holds no canary: $cohort-features as %s', async (format) => {
    const answer = await http()
      .post(`${BASE}/$cohort-features`)
      .send({
        resourceType: 'Parameters',
        parameter: [
          { name: 'feature', valueString: 'observation' },
          { name: '_deidentify', valueBoolean: true },
          { name: '_format', valueCode: format },
          {
            name: 'row',
            part: [
              { name: 'patient', valueReference: { reference: 'Patient/canary-patient' } },
              { name: 'time', valueDateTime: '2031-01-01T00:00:00Z' },
            ],
          },
        ],
      })
      .buffer(true)
      .parse((response, done) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk) => chunks.push(chunk));
        response.on('end', () => done(null, Buffer.concat(chunks)));
      });
    expect(answer.status, String(answer.body)).toBe(200);
    const text = await textOf(answer.body as Buffer, format);
    expectNobody(text);
    expect(text).toContain('29463-7');
    expect(text).not.toContain('2031-01-01');
  });
});
