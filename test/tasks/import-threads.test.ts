import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Rooms } from '../../src/system.js';
import { runImport } from '../../src/tasks/import.js';
import type { ImportReport } from '../../src/tasks/import-report.js';
import { contentDigest } from '../bench/support/crash.js';
import { recordsOf } from '../bench/support/records.js';
import { importFrom } from '../support/import.js';
import { type TestSystem, testSystem } from '../support/system.js';

/** Bulk files whose lines other threads prepare and seal: to the same end as in this thread alone. */
let system: TestSystem;
let rooms: Rooms;

beforeAll(async () => {
  system = await testSystem({ tenants: ['alone', 'threads', 'stopped'] });
  rooms = await system.rooms();
});
afterAll(() => system.close());

type Files = Record<string, readonly (object | string)[]>;

function written(folder: string, files: Files): string {
  const path = join(system.dir, folder);
  mkdirSync(path, { recursive: true });
  for (const [name, lines] of Object.entries(files))
    writeFileSync(
      join(path, `${name}.ndjson`),
      lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n'),
    );
  return path;
}

async function imported(name: string, folder: string, threadsFromBytes = 0): Promise<ImportReport> {
  return importFrom(rooms, await system.tenant(name), { folder }, { threadsFromBytes });
}

const withoutTimes = ({ files, resources, documents, errors }: ImportReport) => ({
  files,
  resources,
  documents,
  errors,
});

const records = [1, 2, 3].flatMap((n) => recordsOf(n, 2));
const ofType = (type: string) => records.filter(({ resourceType }) => resourceType === type);
const patient = (id: string, more: object = {}) => ({ resourceType: 'Patient', id, ...more });
const note = (id: string, more: object) => ({
  resourceType: 'DocumentReference',
  id,
  status: 'current',
  content: [{ attachment: { contentType: 'text/plain', data: 'Tm8gZmV2ZXIu' } }],
  ...more,
});

const FIRST: Files = {
  Patient: [
    ...ofType('Patient'),
    '',
    `${JSON.stringify(patient('with-return'))}\r`,
    '  ',
    '{"resourceType":"Patient","birthDate":"soon"}',
    '{"resourceType":"Patient",',
    '[]',
    '{"resourceType":"Patient","active":true}',
    '{"resourceType":"Nothing","id":"a"}',
    '{"resourceType":"Patient","id":"not an id"}',
    '{"resourceType":"Patient","id":"exact","multipleBirthInteger":2,"extension":[{"url":"https://example.org/x","valueDecimal":1.10}]}',
    '{"resourceType":"Patient","id":"spaced", "active":true}',
    '{"id":"in-another-order","resourceType":"Patient","active":true}',
    '{"resourceType":"Patient","id":"with-meta","meta":{"versionId":"7","profile":["https://example.org/p"]},"active":true}',
    '{"resourceType":"Patient","id":"escaped","name":[{"family":"\\u0041lder"}]}',
    '{"resourceType":"Patient","id":"bare"}',
    patient('letters', { name: [{ family: 'Ærøskøbing 😀 \u2028' }] }),
  ],
  Observation: ofType('Observation'),
  Encounter: ofType('Encounter'),
  DocumentReference: [
    note('with-patient', { subject: { reference: `Patient/${ofType('Patient')[0]!.id}` } }),
    note('without-patient', {}),
  ],
};
const SECOND: Files = {
  Patient: [
    ...ofType('Patient').map((one, i) => (i === 1 ? { ...one, active: false } : one)),
    patient('with-return', { active: true }),
  ],
  // Into another compartment, and a document that is taken back.
  Encounter: ofType('Encounter').map((one, i) =>
    i === 0 ? { ...one, subject: { reference: `Patient/${ofType('Patient')[2]!.id}` } } : one,
  ),
  DocumentReference: [
    note('with-patient', {
      subject: { reference: `Patient/${ofType('Patient')[0]!.id}` },
      status: 'entered-in-error',
    }),
  ],
};
/** What the threads leave to this one. */
const OTHERS: Files = {
  // Of an id that comes again the last one counts.
  Organization: ['A', 'B', 'C'].map((name) => ({ resourceType: 'Organization', id: 'again', name })),
  Condition: [
    {
      resourceType: 'Condition',
      id: 'by-search',
      subject: { reference: 'Patient?identifier=https://hospital.example.org/mrn|MRN100002' },
    },
    {
      resourceType: 'Condition',
      id: 'by-escaped-search',
      subject: { reference: 'Patient?identifier=https://hospital.example.org/mrn|MRN100003' },
    },
    {
      resourceType: 'Condition',
      id: 'of-nobody',
      subject: { reference: 'Patient?identifier=https://hospital.example.org/mrn|0' },
    },
  ].map((one) => JSON.stringify(one).replace(/(escaped.*Patient)\?/, '$1\\u003f')),
};

describe('lines that other threads prepare', () => {
  it.each([
    ['read for the first time', FIRST],
    ['read again', FIRST],
    ['other versions', SECOND],
    ['the first ones again, which are held until all files are read', FIRST],
    ['references that are searches, and an id that stands twice', OTHERS],
  ])('%s: counted, refused and stored as by one thread', async (what, files) => {
    const folder = written(what.replaceAll(/\W/g, ''), files);
    const alone = await imported('alone', folder, Number.POSITIVE_INFINITY);
    const threads = await imported('threads', folder);
    expect(withoutTimes(threads)).toEqual(withoutTimes(alone));
    const digests = await Promise.all(
      ['alone', 'threads'].map(async (name) => contentDigest(rooms.store, await system.tenant(name))),
    );
    expect(digests[1]).toBe(digests[0]);
  });

  it('tells of each refused line once, with the element', async () => {
    const { errors, resources } = await imported('threads', written('refused', { Patient: FIRST.Patient! }));
    const places = errors.map(({ line, element }) => [line, element]);
    expect(places.slice(0, 2)).toEqual([
      [7, 'birthDate'],
      [8, undefined],
    ]);
    expect(new Set(errors.map(({ line }) => line)).size).toBe(resources.rejected);
  });

  it('stores what this thread would: it finds it unchanged', async () => {
    const folder = written('refused', { Patient: FIRST.Patient! });
    const { created, updated } = (await imported('threads', folder, Number.POSITIVE_INFINITY)).resources;
    expect({ created, updated }).toEqual({ created: 0, updated: 0 });
  });

  it('leaves nothing that cenote verify finds fault with', async () => {
    const { total, first, resources } = await rooms.store.verify(await system.tenant('threads'));
    expect({ total, first }).toEqual({ total: 0, first: [] });
    expect(resources).toBeGreaterThan(60);
  });

  it('indexes by the tenant’s own search parameters', async () => {
    const tenant = await system.tenant('threads');
    const definition = {
      resourceType: 'SearchParameter',
      url: 'https://example.org/SearchParameter/nickname',
      code: 'nickname',
      base: ['Patient'],
      type: 'string',
      expression: "Patient.name.where(use = 'nickname').given",
    };
    await rooms.store.parameters.change(tenant, () => ({
      parameters: [{ id: 'nickname', state: 'live', definition }],
      dirty: [],
      mark: 'nickname',
    }));
    const called = patient('called', { name: [{ use: 'nickname', given: ['Sparrow'] }] });
    await imported('threads', written('own', { Patient: [called] }));
    const found = await rooms.search.findMatches(tenant, 'Patient', 'nickname=spar', 2, rooms.baseOf(tenant));
    expect(found.map(({ id }) => id)).toEqual(['called']);
  });

  it('keeps digits and letters as they came', async () => {
    const tenant = await system.tenant('threads');
    const texts: string[] = [];
    for await (const some of rooms.store.scanText(tenant, { types: ['Patient'] }))
      texts.push(...some.map(({ text }) => text));
    expect(texts.some((text) => text.includes('"valueDecimal":1.10}'))).toBe(true);
    const found = await rooms.store.read(tenant, 'Patient', 'letters');
    expect(found?.resource?.name).toEqual([{ family: 'Ærøskøbing 😀 \u2028' }]);
  });
});

it('goes on after the blocks that were noted when it was stopped', async () => {
  const lines = Array.from({ length: 4_300 }, (_, i) => patient(`p${i + 1}`, { active: true }));
  const folder = written('many', {
    Patient: [...lines.slice(0, 4_298), '{"resourceType":"Patient"', lines[0]!],
  });
  const tenant = await system.tenant('stopped');
  const params = { paths: [folder], folder, defaults: {}, columns: {} };
  const { id } = await rooms.jobs.create(tenant, 'import', params);
  const deps = { jobs: rooms.jobs, bundle: rooms.bundles, clock: rooms.clock };
  const base = rooms.baseOf(tenant);
  const stop = new AbortController();
  const first = runImport(deps, tenant, await rooms.jobs.claim(tenant, id), {
    base,
    threadsFromBytes: 0,
    signal: stop.signal,
    onProgress: ({ resources }) => resources > 0 && stop.abort(),
  });
  await expect(first).rejects.toMatchObject({ category: 'conflict' });
  const report = await runImport(deps, tenant, await rooms.jobs.claim(tenant, id), {
    base,
    threadsFromBytes: 0,
  });
  expect(report.errors.map(({ line }) => line)).toEqual([4_299]);
  const { created, updated, unchanged, rejected } = report.resources;
  expect({ all: created + updated + unchanged, rejected }).toEqual({ all: 4_299, rejected: 1 });
  expect(await rooms.store.read(tenant, 'Patient', 'p4298')).toMatchObject({ version: 1 });
});
