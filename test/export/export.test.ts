import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import supertest from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseJson } from '../../src/core/json.js';
import { createApp } from '../../src/http/app.js';
import { type Rooms, wireRooms } from '../../src/system.js';
import { type ExportRequest, runExport } from '../../src/tasks/export.js';
import type { Tenant } from '../../src/tenancy/tenant.js';
import { TEST_BASE_URL, type TestSystem, testSystem } from '../support/system.js';

const ACTOR = { id: 'test', kind: 'job' } as const;
const PATIENTS = 40;

// biome-ignore lint/suspicious/noExplicitAny: resources are looked at by the expectations
type Any = Record<string, any>;

let system: TestSystem;
let rooms: Rooms;
let tenant: Tenant;
let out = 0;
const folder = () => join(system.dir, `out-${++out}`);

const recordsOf = (n: number): Any[] => [
  {
    resourceType: 'Patient',
    id: `p${n}`,
    birthDate: '1950-02-01',
    name: [{ family: `Müller ${n}`, given: ['Ana'] }],
  },
  {
    resourceType: 'Encounter',
    id: `e${n}`,
    status: 'finished',
    class: { code: 'AMB' },
    subject: { reference: `Patient/p${n}` },
    participant: [{ individual: { reference: `Practitioner/dr${n % 3}` } }],
    period: { start: '2020-01-01T10:00:00Z', end: '2020-01-01T11:00:00Z' },
  },
  ...[1, 2, 3].map((i) => ({
    resourceType: 'Observation',
    id: `o${n}-${i}`,
    status: 'final',
    code: {
      coding: [{ system: 'http://loinc.org', code: '2160-0', display: 'Creatinine' }],
      text: 'Creatinine',
    },
    subject: { reference: `Patient/p${n}` },
    encounter: { reference: `Encounter/e${n}` },
    effectiveDateTime: `2020-01-0${i}T10:30:00Z`,
    valueQuantity: { value: parseJson(`${n}.${i}0`), unit: 'mg/dL', code: 'mg/dL' },
  })),
];
/** In two compartments at once. */
const SHARED = {
  resourceType: 'Observation',
  id: 'both',
  status: 'final',
  code: { text: 'twins' },
  subject: { reference: 'Patient/p1' },
  performer: [{ reference: 'Patient/p2' }],
};
const PROVENANCE = {
  resourceType: 'Provenance',
  id: 'pr',
  target: [{ reference: 'Observation/o1-1' }],
  recorded: '2020-01-02T00:00:00Z',
  agent: [{ who: { reference: 'Practitioner/dr0' } }],
};

/** The API without tokens. */
const OPEN = {
  baseUrl: TEST_BASE_URL,
  version: '0',
  dev: true,
  verify: async () => {
    throw new Error('open');
  },
  validation: 'minimal',
} as never;

const put = (resources: Any[]) =>
  rooms.store.commit(
    tenant,
    resources.map((r) => ({ op: 'update' as const, type: r.resourceType, id: r.id, resource: r })) as never,
    ACTOR,
  );

beforeAll(async () => {
  system = await testSystem({ tenants: ['lake'] });
  rooms = wireRooms({
    clock: system.clock,
    tenants: system.tenants,
    baseUrl: TEST_BASE_URL,
    dataDir: system.dir,
  });
  tenant = await system.tenant('lake');
  await put([0, 1, 2].map((n) => ({ resourceType: 'Practitioner', id: `dr${n}` })));
  for (let n = 1; n <= PATIENTS; n++) await put(recordsOf(n));
  await put([SHARED, PROVENANCE]);
});
afterAll(async () => {
  await rooms?.closeRooms();
  await system?.close();
});

async function exported(request: Partial<ExportRequest> = {}) {
  const directory = folder();
  // All is written by now, so that nothing has to be waited for.
  const asOf = request.patients ? {} : { asOfMs: Date.now() };
  const manifest = await runExport(rooms, tenant, { directory, request: 'test', ...asOf, ...request });
  return { directory, manifest };
}

/** Every resource of an NDJSON export, by `Type/id`. */
function resources(directory: string, files: readonly { file: string }[]): Map<string, string> {
  const found = new Map<string, string>();
  for (const { file } of files)
    for (const line of readFileSync(join(directory, file), 'utf8').trimEnd().split('\n')) {
      const { resourceType, id } = JSON.parse(line);
      expect(found.has(`${resourceType}/${id}`)).toBe(false);
      found.set(`${resourceType}/${id}`, line);
    }
  return found;
}

async function* of(...ids: string[]) {
  yield ids;
}

async function duck(sql: string): Promise<Any[]> {
  const db = await (await DuckDBInstance.create()).connect();
  return (await db.runAndReadAll(sql)).getRowObjectsJson();
}

const TOTAL = 3 + PATIENTS * 5 + 2;

describe('an export', () => {
  it('holds every resource once, as it is stored', async () => {
    const { directory, manifest } = await exported();
    expect(manifest.counts).toEqual({
      Encounter: PATIENTS,
      Observation: PATIENTS * 3 + 1,
      Patient: PATIENTS,
      Practitioner: 3,
      Provenance: 1,
    });
    const found = resources(directory, manifest.output);
    expect(found.size).toBe(TOTAL);
    expect(found.get('Observation/o7-1')).toContain('"value":7.10');
    const read = await rooms.store.read(tenant, 'Observation', 'o7-1');
    expect(JSON.parse(found.get('Observation/o7-1')!)).toEqual(JSON.parse(JSON.stringify(read!.resource)));
    expect(readdirSync(directory).sort()).toEqual([...manifest.output.map((f) => f.file), 'manifest.json']);
  });

  it('gives of patients what search and $everything give', async () => {
    const { express } = createApp(rooms, OPEN);
    const ids = ['p1', 'p2', 'p30'];
    const { directory, manifest } = await exported({ patients: of(...ids) });
    const given = [...resources(directory, manifest.output).keys()].sort();
    const everything = new Set<string>();
    for (const id of ids) {
      const { body } = await supertest(express)
        .get(`/fhir/lake/Patient/${id}/$everything?_count=1000`)
        .expect(200);
      for (const { resource } of body.entry) everything.add(`${resource.resourceType}/${resource.id}`);
    }
    // Provenance comes along: it is in no compartment, so $everything does not give it.
    expect(given).toEqual([...everything, 'Provenance/pr'].sort());
    for (const type of ['Observation', 'Encounter']) {
      const { body } = await supertest(express)
        .get(`/fhir/lake/${type}?patient=${ids.join(',')}&_count=1000&_elements=id`)
        .expect(200);
      expect(body.entry.map((e: Any) => `${type}/${e.resource.id}`).sort(), type).toEqual(
        given.filter((key) => key.startsWith(`${type}/`) && key !== 'Observation/none'),
      );
    }
  });

  it.each(['p1', 'p2', 'p3'])(
    'gives of %s alone what its compartment holds, what is in several too',
    async (id) => {
      const { express } = createApp(rooms, OPEN);
      const get = async (path: string): Promise<string[]> => {
        const { body } = await supertest(express).get(`/fhir/lake/${path}`).expect(200);
        return body.entry.map((e: Any) => `${e.resource.resourceType}/${e.resource.id}`);
      };
      const { directory, manifest } = await exported({ patients: of(id) });
      const given = [...resources(directory, manifest.output).keys()].sort();
      const everything = await get(`Patient/${id}/$everything?_count=1000`);
      expect(given.filter((key) => !key.startsWith('Provenance/'))).toEqual([...everything].sort());
      const compartment = await get(`Patient/${id}/*?_count=1000`);
      expect(compartment.includes('Observation/both')).toBe(id !== 'p3');
      // The rest is what the records refer to: who treated.
      expect(given.filter((key) => !/^(Provenance|Practitioner)\//.test(key))).toEqual(
        [...new Set([`Patient/${id}`, ...compartment])].sort(),
      );
    },
  );

  it('is split into shards that together are the same', async () => {
    const whole = await exported();
    const split = await exported({ resourcesPerShard: 30 });
    expect(split.manifest.output.length).toBeGreaterThan(whole.manifest.output.length);
    expect(split.manifest.counts).toEqual(whole.manifest.counts);
    expect([...resources(split.directory, split.manifest.output)].sort()).toEqual(
      [...resources(whole.directory, whole.manifest.output)].sort(),
    );
  });

  it('keeps each patient’s records together in its bucket', async () => {
    const { directory, manifest } = await exported({ buckets: 8 });
    const buckets = new Map<string, string>();
    for (const { file } of manifest.output) {
      const [bucket] = file.split('/');
      for (const [, line] of resources(directory, [{ file }])) {
        const { resourceType, id, subject } = JSON.parse(line);
        const patient = resourceType === 'Patient' ? id : subject?.reference?.slice(8);
        if (!patient || id === 'both') continue;
        expect(buckets.get(patient) ?? bucket).toBe(bucket);
        buckets.set(patient, bucket!);
      }
    }
    expect(buckets.size).toBe(PATIENTS);
  });

  it('is written down first, and not made where that fails', async () => {
    const seen: unknown[] = [];
    await exported({ patients: of('p2', 'p1'), record: async (ids) => void seen.push(ids) });
    expect(seen).toEqual([['p1', 'p2']]);
    const directory = folder();
    const record = () => Promise.reject(new Error('no log'));
    await expect(runExport(rooms, tenant, { directory, request: 'test', record })).rejects.toThrow('no log');
    expect(existsSync(directory)).toBe(false);
  });

  it('names only the types asked for, and what changed since', async () => {
    const { manifest } = await exported({ types: ['Patient'] });
    expect(manifest.counts).toEqual({ Patient: PATIENTS });
    const later = await exported({ sinceMs: Date.now() + 60_000 });
    expect(later.manifest.total).toBe(0);
  });
});

describe('an export as of the past', () => {
  it('holds what was there, in its version of then, also what was deleted since', async () => {
    const then = Date.now();
    await new Promise((wake) => setTimeout(wake, 5));
    await put([{ ...recordsOf(9)[0], gender: 'other' }]);
    await rooms.store.commit(tenant, [{ op: 'delete', type: 'Encounter', id: 'e9' }], ACTOR);
    const past = await exported({ asOfMs: then });
    expect(past.manifest.total).toBe(TOTAL);
    const found = resources(past.directory, past.manifest.output);
    expect(found.has('Encounter/e9')).toBe(true);
    expect(found.get('Patient/p9')).not.toContain('other');
    const now = await exported();
    expect(now.manifest.total).toBe(TOTAL - 1);
    expect(resources(now.directory, now.manifest.output).get('Patient/p9')).toContain('other');
    await put([recordsOf(9)[1]!, recordsOf(9)[0]!]);
  });
});

describe('an export as tables', () => {
  it('is typed Parquet that DuckDB reads, partitions too', async () => {
    const { directory, manifest } = await exported({ format: 'parquet', buckets: 4 });
    expect(manifest.total).toBe(TOTAL);
    const [row] = await duck(
      `select id, patient_id, code_system, code_code, value_quantity_value v, value_quantity_unit u,
         typeof(effective_date_time) t, subject, encounter, json_extract_string(resource, '$.valueQuantity.value') raw
       from read_parquet('${directory}/*/Observation.parquet', hive_partitioning = true) where id = 'o7-1'`,
    );
    expect(row).toEqual({
      id: 'o7-1',
      patient_id: 'p7',
      code_system: 'http://loinc.org',
      code_code: '2160-0',
      v: 7.1,
      u: 'mg/dL',
      t: 'TIMESTAMP WITH TIME ZONE',
      subject: 'Patient/p7',
      encounter: 'Encounter/e7',
      raw: expect.anything(),
    });
    const [count] = await duck(
      `select count(*)::int n, count(distinct id)::int d from read_parquet('${directory}/*/Observation.parquet')`,
    );
    expect(count).toEqual({ n: PATIENTS * 3 + 1, d: PATIENTS * 3 + 1 });
  });

  it('is CSV with the digits as stored', async () => {
    const { directory } = await exported({ format: 'csv', types: ['Observation'] });
    const [row] = await duck(
      `select id, value_quantity_value v, effective_date_time t from read_csv('${directory}/Observation.csv', all_varchar = true) where id = 'o7-1'`,
    );
    expect(row).toEqual({ id: 'o7-1', v: '7.10', t: '2020-01-01T10:30:00Z' });
  });
});

describe('a de-identified export', () => {
  it.each(['ndjson', 'parquet', 'csv'] as const)(
    'as %s holds no name, no id and no date as it was',
    async (format) => {
      const { directory, manifest } = await exported({ format, deidentify: {} });
      expect(manifest.counts).toEqual({
        Encounter: PATIENTS,
        Observation: PATIENTS * 3 + 1,
        Patient: PATIENTS,
      });
      const report = JSON.parse(readFileSync(join(directory, 'deidentification.json'), 'utf8'));
      expect(report.removed['Patient.name']).toEqual({ 'says who, where or in words': PATIENTS });
      expect(report.leftOut).toEqual({ Practitioner: 3, Provenance: 1 });
      let text = JSON.stringify(report);
      for (const { file } of manifest.output) {
        text +=
          format === 'parquet'
            ? JSON.stringify(await duck(`select * from '${join(directory, file)}'`))
            : readFileSync(join(directory, file), 'utf8');
      }
      // Dates go back by a day at least: the last day of results and the hours of encounters cannot come again.
      expect(text).not.toMatch(/Müller|\b[peo]\d+(-\d)?\b|1950-02-01|2020-01-03[T ]|2020-01-01[T ]1[01]:00/);
      expect(text).toMatch(/2160-0/);
    },
  );

  it('gives the same person the same id in every export, and keeps intervals', async () => {
    const ids: string[][] = [];
    for (let i = 0; i < 2; i++) {
      const { directory, manifest } = await exported({ deidentify: {}, types: ['Observation', 'Patient'] });
      ids.push([...resources(directory, manifest.output).keys()].sort());
    }
    expect(ids[0]).toEqual(ids[1]);
  });
});

describe('the quality report beside an export', () => {
  it('counts what was exported, and what refers to nothing', async () => {
    await put([
      {
        resourceType: 'Observation',
        id: 'lost',
        status: 'final',
        code: { text: 'x' },
        subject: { reference: 'Patient/p1' },
        encounter: { reference: 'Encounter/nowhere' },
        effectiveDateTime: '1940-01-01',
      },
    ]);
    const { directory, manifest } = await exported({
      format: 'parquet',
      report: { target: 'Observation.status' },
    });
    expect(manifest.beside).toEqual(['quality.json', 'quality.html']);
    const report = JSON.parse(readFileSync(join(directory, 'quality.json'), 'utf8'));
    expect(report.brokenReferences).toEqual([{ from: 'Observation', to: 'Encounter', count: 1 }]);
    const rows = Object.fromEntries(report.types.map((t: Any) => [t.type, t.rows]));
    expect(rows).toEqual(manifest.counts);
    const observation = report.types.find((t: Any) => t.type === 'Observation');
    expect(observation.dates).toMatchObject({ beforeBirth: 1, undated: 1 });
    expect(readFileSync(join(directory, 'quality.html'), 'utf8')).toContain('Broken references');
    await rooms.store.commit(tenant, [{ op: 'delete', type: 'Observation', id: 'lost' }], ACTOR);
  });

  it('is the same after an interruption, and fits the moved dates of a de-identified export', async () => {
    const request = { resourcesPerShard: 40, deidentify: {}, report: {} };
    const whole = await exported(request);
    const directory = folder();
    const stop = new AbortController();
    const onProgress = (n: number) => void (n > 60 && stop.abort());
    await expect(
      runExport(rooms, tenant, { directory, request: 'test', ...request, signal: stop.signal, onProgress }),
    ).rejects.toThrow();
    await runExport(rooms, tenant, { directory, request: 'test', ...request });
    const read = (at: string) => {
      const { asOf: _asOf, ...rest } = JSON.parse(readFileSync(join(at, 'quality.json'), 'utf8'));
      return rest;
    };
    expect(read(directory)).toEqual(read(whole.directory));
    const observation = read(directory).types.find((t: Any) => t.type === 'Observation');
    expect(observation.dates.beforeBirth).toBe(0);
  });

  it('refuses a target that is no column', async () => {
    await expect(exported({ report: { target: 'Patient.shoe_size' } })).rejects.toMatchObject({
      category: 'invalid',
    });
  });
});

describe('an export that was interrupted', () => {
  it.each(['ndjson', 'parquet'] as const)(
    'goes on to the same %s, though the lake changed meanwhile',
    async (format) => {
      const whole = await exported({ format, resourcesPerShard: 40 });
      const directory = folder();
      const stop = new AbortController();
      const request = { directory, format, request: 'test', resourcesPerShard: 40 };
      await expect(
        runExport(rooms, tenant, {
          ...request,
          signal: stop.signal,
          onProgress: (n) => n > 60 && stop.abort(),
        }),
      ).rejects.toThrow();
      expect(readdirSync(directory)).toContain('export-state.json');
      // What comes later is not in it, what goes is, what changes is as it was.
      const before = await rooms.store.read(tenant, 'Patient', 'p3');
      await put([
        { ...SHARED, id: 'late' },
        { ...recordsOf(3)[0], birthDate: '1999-09-09' },
      ]);
      await rooms.store.commit(tenant, [{ op: 'delete', type: 'Observation', id: 'o5-1' }], ACTOR);
      const manifest = await runExport(rooms, tenant, request);
      const files = (m: typeof manifest) =>
        m.output.map(({ type, count, sha256 }) => ({ type, count, sha256 }));
      expect(files(manifest)).toEqual(files(whole.manifest));
      expect(readdirSync(directory)).not.toContain('export-state.json');
      await rooms.store.commit(tenant, [{ op: 'delete', type: 'Observation', id: 'late' }], ACTOR);
      await put([before!.resource as never, recordsOf(5)[2]!]);
    },
  );

  it('is not mixed with another, nor written over', async () => {
    const { directory } = await exported({ types: ['Patient'] });
    await expect(runExport(rooms, tenant, { directory, request: 'test' })).rejects.toMatchObject({
      category: 'conflict',
    });
    const other = folder();
    mkdirSync(other);
    writeFileSync(join(other, 'thesis.txt'), 'mine');
    await expect(runExport(rooms, tenant, { directory: other, request: 'test' })).rejects.toMatchObject({
      category: 'conflict',
    });
    const half = folder();
    const stop = AbortSignal.abort();
    await expect(
      runExport(rooms, tenant, { directory: half, request: 'test', signal: stop }),
    ).rejects.toThrow();
    await expect(
      runExport(rooms, tenant, { directory: half, request: 'test', types: ['Patient'] }),
    ).rejects.toMatchObject({ category: 'conflict' });
  });
});
