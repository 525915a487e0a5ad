import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { packageRoot } from '../../src/core/package-root.js';
import { drainAnnotations } from '../../src/tasks/annotate.js';
import { runExport } from '../../src/tasks/export.js';
import { type ImportRun, runImport } from '../../src/tasks/import.js';
import type { ImportReport } from '../../src/tasks/import-report.js';
import { asAdmin } from '../../src/tenancy/database.js';
import { findPlace } from '../../src/tenancy/postgres/place.js';
import { BASE, type Served, serve } from '../http/served.js';
import { testServer } from '../support/system.js';

const SAMPLE = join(packageRoot(), 'examples', 'sample');
const RXNORM = 'http://www.nlm.nih.gov/research/umls/rxnorm';

let served: Served;
let folder: string;
let first: ImportReport;

async function runJob(paths: string[], run: Partial<ImportRun> = {}, jobId?: string): Promise<ImportReport> {
  const { rooms, tenant } = served;
  const id =
    jobId ??
    (await rooms.jobs.create(tenant, 'import', { paths, folder: process.cwd(), defaults: {}, columns: {} }))
      .id;
  const job = await rooms.jobs.claim(tenant, id);
  return runImport({ jobs: rooms.jobs, bundle: rooms.bundles, clock: rooms.clock }, tenant, job, {
    base: rooms.baseOf(tenant),
    annotate: async (signal) => {
      const { documents: _, ...derived } = await drainAnnotations(await rooms.annotation(), tenant, {
        signal,
      });
      return derived;
    },
    ...run,
  });
}

beforeAll(async () => {
  served = await serve();
  folder = mkdtempSync(join(tmpdir(), 'cenote-main-'));
  first = await runJob([SAMPLE]);
}, 180_000);
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await served.close();
});

/** Resources of the structured sample files by type, counted from the files themselves. */
function countsOfFiles(): Record<string, number> {
  const counts: Record<string, number> = {};
  const count = (type: string, n = 1) => {
    counts[type] = (counts[type] ?? 0) + n;
  };
  for (const name of readdirSync(SAMPLE)) {
    const path = join(SAMPLE, name);
    if (statSync(path).isDirectory())
      count('DocumentReference', readdirSync(path).filter((f) => f.endsWith('.txt')).length);
    else if (name.endsWith('.json')) {
      const bundle = JSON.parse(readFileSync(path, 'utf8')) as {
        entry: { resource: { resourceType: string } }[];
      };
      for (const { resource } of bundle.entry) count(resource.resourceType);
    } else if (name.endsWith('.ndjson')) {
      for (const line of readFileSync(path, 'utf8').trim().split('\n')) count(JSON.parse(line).resourceType);
    } else if (name.endsWith('.jsonl'))
      count('DocumentReference', readFileSync(path, 'utf8').trim().split('\n').length);
    else if (name.endsWith('.csv'))
      count('DocumentReference', readFileSync(path, 'utf8').match(/^note-/gm)!.length);
  }
  return counts;
}

const total = async (query: string): Promise<number> => {
  const { body } = await served
    .http()
    .get(`${BASE}/${query}${query.includes('?') ? '&' : '?'}_summary=count`)
    .expect(200);
  return body.total as number;
};

describe('import', () => {
  it('takes every resource and note of every format, and the counts equal the files', () => {
    expect(first.errors).toEqual([]);
    expect(first.resources.byType).toEqual(
      Object.fromEntries(Object.entries(countsOfFiles()).sort(([a], [b]) => (a < b ? -1 : 1))),
    );
    expect(first.documents).toBe(37);
    expect(first.documentsWithoutPatient).toBe(1);
    expect(first.derived.created).toBeGreaterThan(100);
  });

  it('changes nothing when run again', async () => {
    const again = await runJob([SAMPLE]);
    expect(again.resources).toMatchObject({ created: 0, updated: 0, deleted: 0, rejected: 0 });
    expect(again.resources.unchanged).toBe(first.resources.created);
    expect(again.derived).toMatchObject({ created: 0, updated: 0, deleted: 0 });
  });

  it('reports each bad line with file, line and reason, and takes the rest', async () => {
    const file = join(folder, 'mixed.ndjson');
    writeFileSync(
      file,
      [
        '{"resourceType":"Patient","id":"mixed-1"}',
        '{"resourceType":"Patient","id":"mixed-2","birthDate":"1990-02-31"}',
        'not json',
        '',
        '{"resourceType":"Nothing","id":"mixed-3"}',
        '{"resourceType":"Patient","id":"mixed-4"}',
      ].join('\n'),
    );
    const report = await runJob([file]);
    expect(report.resources).toMatchObject({ created: 2, rejected: 3 });
    expect(report.errors.map((e) => e.line)).toEqual([2, 3, 5]);
    expect(report.errors[0]).toMatchObject({ file, element: 'birthDate' });
    for (const { message } of report.errors) expect(message).not.toMatch(/mixed-|1990/);
  });

  it('refuses a note whose patient nobody is, and says what to do', async () => {
    const file = join(folder, 'lost.jsonl');
    writeFileSync(file, '{"id":"lost-1","text":"Cough.","patient":"https://clinic.example/mrn|NOBODY"}\n');
    const report = await runJob([file]);
    expect(report.resources.rejected).toBe(1);
    expect(report.errors[0]).toMatchObject({ line: 1, element: 'patient' });
    expect(report.errors[0]!.message).toMatch(/Import the patients first/);
    expect(report.errors[0]!.message).not.toContain('NOBODY');
  });

  it('goes on where it was stopped, losing and doubling nothing', async () => {
    const many = join(folder, 'many');
    mkdirSync(many);
    for (let i = 0; i < 12; i++) {
      const lines = Array.from(
        { length: 40 },
        (_, k) => `{"resourceType":"Basic","id":"part-${i}-${k}","code":{"text":"part"}}`,
      );
      writeFileSync(join(many, `part-${String(i).padStart(2, '0')}.ndjson`), lines.join('\n'));
    }
    const { rooms, tenant } = served;
    const job = await rooms.jobs.create(tenant, 'import', {
      paths: [many],
      folder: process.cwd(),
      defaults: {},
      columns: {},
    });
    const stop = new AbortController();
    await expect(
      runJob([many], { signal: stop.signal, onProgress: (p) => p.filesDone >= 3 && stop.abort() }, job.id),
    ).rejects.toThrow(/stopped/);
    expect((await rooms.jobs.get(tenant, job.id)).state).toBe('cancelled');
    const report = await runJob([many], {}, job.id);
    expect(report.resources.byType.Basic).toBe(480);
    expect(report.resources.created).toBe(480);
    expect(await total('Basic')).toBe(480);
  });

  it('keeps no name of a file in the unsealed row of a job that failed', async () => {
    const { rooms, tenant } = served;
    const paths = [join(folder, 'Canary_Name.json')];
    const job = await rooms.jobs.create(tenant, 'import', {
      paths,
      folder: process.cwd(),
      defaults: {},
      columns: {},
    });
    await expect(runJob(paths, {}, job.id)).rejects.toMatchObject({ category: 'not-found' });
    expect(await rooms.jobs.get(tenant, job.id)).toMatchObject({ state: 'failed', error: 'not-found' });
  });

  it('reads what a file refers to first, whatever the order of the names', async () => {
    const order = join(folder, 'order');
    mkdirSync(order);
    copyFileSync(join(SAMPLE, 'patient-mr-100207.json'), join(order, 'a.json'));
    writeFileSync(
      join(order, 'b.json'),
      JSON.stringify({
        resourceType: 'Organization',
        id: 'late-org',
        identifier: [{ system: 'urn:late', value: '1' }],
      }),
    );
    const bundle = {
      resourceType: 'Bundle',
      type: 'transaction',
      entry: [
        {
          fullUrl: 'urn:uuid:5b8a9d36-3a0e-4d8c-8a2c-111111111111',
          resource: {
            resourceType: 'Patient',
            managingOrganization: { reference: 'Organization?identifier=urn:late|1' },
          },
          request: { method: 'POST', url: 'Patient' },
        },
      ],
    };
    writeFileSync(join(order, 'a-first.json'), JSON.stringify(bundle));
    const report = await runJob([order]);
    expect(report.errors).toEqual([]);
    const { body } = await served
      .http()
      .get(`${BASE}/Patient/5b8a9d36-3a0e-4d8c-8a2c-111111111111`)
      .expect(200);
    expect(body.managingOrganization.reference).toBe('Organization/late-org');
  });
});

describe('what comes out', () => {
  const holloway = async () => {
    const { body } = await served
      .http()
      .get(`${BASE}/Patient?identifier=https://clinic.example/mrn|MR-100201`)
      .expect(200);
    return body.entry[0].resource.id as string;
  };

  it('shows structured and derived events of a patient in one order', async () => {
    const id = await holloway();
    const { body } = await served.http().get(`${BASE}/Patient/${id}/$timeline?_count=200`).expect(200);
    const events = (
      body.entry as {
        resource: { resourceType: string };
        extension: { url: string; extension: Record<string, unknown>[] }[];
      }[]
    ).map((e) => {
      const parts = e.extension.find((x) => x.url.endsWith('/timeline-event'))!.extension;
      const part = (url: string) => parts.find((p) => p.url === url);
      return {
        type: e.resource.resourceType,
        derived: part('derived')!.valueBoolean as boolean,
        when: (part('when')?.valueDateTime ??
          (part('when')?.valuePeriod as { start?: string } | undefined)?.start) as string | undefined,
      };
    });
    expect(events.some((e) => e.derived)).toBe(true);
    expect(events.some((e) => !e.derived)).toBe(true);
    const days = events.map((e) => e.when?.slice(0, 4)).filter((d) => d !== undefined);
    expect(days).toEqual([...days].sort());
  });

  it('finds the patients of a cohort, exports them, and the counts equal what search returns', async () => {
    const { rooms, tenant } = served;
    const base = rooms.baseOf(tenant);
    const { cohort } = await rooms.cohorts.create(
      tenant,
      {
        name: 'diabetes',
        criteria: {
          and: [
            { search: 'Condition?code=http://snomed.info/sct|44054006' },
            { search: `MedicationStatement?code=${RXNORM}|6809` },
          ],
        },
      },
      { actor: { id: 'test', kind: 'dev' }, base },
    );
    expect(cohort.size).toBe(1);
    const out = join(folder, 'export');
    const manifest = await runExport(rooms, tenant, {
      directory: out,
      patients: rooms.cohorts.members(tenant, cohort.id, base),
      request: 'cohort',
    });
    const id = await holloway();
    for (const [type, parameter] of [
      ['Condition', 'subject'],
      ['Observation', 'subject'],
      ['MedicationStatement', 'subject'],
      ['DocumentReference', 'subject'],
      ['Encounter', 'subject'],
      ['AllergyIntolerance', 'patient'],
    ]) {
      expect(manifest.counts[type!] ?? 0, type).toBe(await total(`${type}?${parameter}=Patient/${id}`));
    }
    for (const { file, count } of manifest.output) {
      const lines = readFileSync(join(out, file), 'utf8').trim().split('\n');
      expect(lines.length, file).toBe(count);
      for (const line of lines) expect(JSON.parse(line).meta.versionId).toBeDefined();
    }
    expect(JSON.parse(readFileSync(join(out, 'manifest.json'), 'utf8'))).toEqual(manifest);
  });

  it('keeps decimals digit for digit from the file to the answer', async () => {
    const { text } = await served
      .http()
      .get(`${BASE}/Observation?code=http://loinc.org|2160-0&_count=50`)
      .expect(200);
    expect(text).toMatch(/"value":\s*0\.90\b/);
  });

  it('withdraws the facts of a note that is deleted or entered in error', async () => {
    const write = (id: string, status: string) =>
      served
        .http()
        .put(`${BASE}/DocumentReference/${id}`)
        .send({
          resourceType: 'DocumentReference',
          id,
          status,
          subject: { reference: 'Patient/mixed-1' },
          content: [
            {
              attachment: {
                contentType: 'text/plain',
                data: Buffer.from('Assessment: gout.').toString('base64'),
              },
            },
          ],
        });
    const { rooms, tenant } = served;
    const gout = () => total('Condition?subject=Patient/mixed-1');
    for (const withdraw of [
      () => served.http().delete(`${BASE}/DocumentReference/wrong-note`).expect(204),
      () => write('wrong-note', 'entered-in-error').expect(200),
    ]) {
      await write('wrong-note', 'current');
      await drainAnnotations(await rooms.annotation(), tenant);
      expect(await gout()).toBe(1);
      await withdraw();
      await drainAnnotations(await rooms.annotation(), tenant);
      expect(await gout()).toBe(0);
    }
  });
});

describe('at rest', () => {
  it('holds no name, identifier or sentence in the data folder or its log of changes', async () => {
    const server = await testServer();
    try {
      await asAdmin(server.address, (admin) => admin.query('checkpoint'));
    } finally {
      await server.release();
    }
    const home = findPlace(join(inject('testDir'), 'server'))!.home;
    const canaries = [
      'Holloway',
      'MR-100201',
      'always thirsty',
      'Telehealth visit due to pandemic',
      'note-001',
      'telephone-and-nursing',
    ];
    const found: string[] = [];
    let files = 0;
    // Databases of other test files come and go while we look.
    const there = <T>(read: () => T): T | undefined => {
      try {
        return read();
      } catch (error) {
        if ((error as { code?: string }).code === 'ENOENT') return undefined;
        throw error;
      }
    };
    const walk = (path: string) => {
      for (const entry of there(() => readdirSync(path, { withFileTypes: true })) ?? []) {
        const inner = join(path, entry.name);
        if (entry.isDirectory()) walk(inner);
        else if (entry.isFile()) {
          files++;
          const bytes = there(() => readFileSync(inner));
          if (!bytes) continue;
          for (const canary of canaries) if (bytes.includes(canary)) found.push(`${canary} in ${inner}`);
        }
      }
    };
    walk(join(home, 'data'));
    expect(files).toBeGreaterThan(100);
    expect(found).toEqual([]);
  });
});
