import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Rooms } from '../../src/system.js';
import type { ImportReport } from '../../src/tasks/import-report.js';
import type { Tenant } from '../../src/tenancy/tenant.js';
import { importFrom } from '../support/import.js';
import { type TestSystem, testSystem } from '../support/system.js';

/** Imports into a tenant that asks for integrity: order is the import's business, what dangles at the end is not. */
let system: TestSystem;
let rooms: Rooms;
let tenant: Tenant;

beforeAll(async () => {
  system = await testSystem({ tenants: ['a'] });
  await system.tenants.setDefaults('a', { integrity: true, validation: 'structure' });
  rooms = await system.rooms();
  tenant = await system.tenant('a');
});
afterAll(() => system.close());

const reference = (to: string) => ({ reference: to });
const patient = (id: string, gender = 'female') => ({ resourceType: 'Patient', id, gender });
const encounter = (id: string, subject: string, condition?: string) => ({
  resourceType: 'Encounter',
  id,
  status: 'finished',
  class: { code: 'AMB' },
  subject: reference(subject),
  ...(condition ? { diagnosis: [{ condition: reference(condition) }] } : {}),
});
const condition = (id: string, subject: string, at: string) => ({
  resourceType: 'Condition',
  id,
  subject: reference(subject),
  encounter: reference(at),
});

/** Writes files into a folder and imports it. */
async function imported(
  name: string,
  files: Record<string, readonly object[] | object>,
): Promise<ImportReport> {
  const folder = join(system.dir, name);
  mkdirSync(folder);
  for (const [file, content] of Object.entries(files)) {
    const text = Array.isArray(content)
      ? content.map((r) => JSON.stringify(r)).join('\n')
      : JSON.stringify(content);
    writeFileSync(join(folder, file), text);
  }
  return again(folder);
}

async function again(folder: string): Promise<ImportReport> {
  return importFrom(rooms, tenant, { folder });
}

it('takes lines and files in any order, and files that refer to each other in circles', async () => {
  const report = await imported('circles', {
    'Condition.ndjson': [
      condition('c1', 'Patient/p1', 'Encounter/e1'),
      condition('c2', 'Patient/p1', 'Encounter/e2'),
    ],
    'Encounter.ndjson': [encounter('e1', 'Patient/p1', 'Condition/c1'), encounter('e2', 'Patient/p1')],
    'Patient.ndjson': [
      { ...patient('p0'), link: [{ type: 'seealso', other: reference('Patient/p1') }] },
      patient('p1'),
    ],
  });
  expect(report.errors).toEqual([]);
  expect(report.resources).toMatchObject({ created: 6, unchanged: 0, rejected: 0 });
  expect(report.resources.byType).toEqual({ Condition: 2, Encounter: 2, Patient: 2 });
  expect((await again(join(system.dir, 'circles'))).resources).toMatchObject({ created: 0, unchanged: 6 });
});

it('rejects by line what dangles at the end, and what refers to that', async () => {
  const report = await imported('dangling', {
    'Condition.ndjson': [
      condition('d1', 'Patient/d', 'Encounter/d1'),
      condition('d2', 'Patient/d', 'Encounter/d2'),
    ],
    'Encounter.ndjson': [encounter('d2', 'Patient/d'), encounter('d1', 'Patient/nobody')],
    'Patient.ndjson': [patient('d')],
  });
  expect(report.resources).toMatchObject({ created: 3, rejected: 2 });
  const places = report.errors.map(
    ({ file, line, element }) => `${file.split('/').at(-1)}:${line} ${element}`,
  );
  expect(places.sort()).toEqual([
    'Condition.ndjson:1 encounter.reference',
    'Encounter.ndjson:2 subject.reference',
  ]);
  expect(await rooms.store.read(tenant, 'Condition', 'd1')).toBeUndefined();
});

it('rejects more dangling lines of one commit than it would give up after', async () => {
  const many = Array.from({ length: 120 }, (_, i) =>
    encounter(`m${i}`, i % 2 ? 'Patient/m' : 'Patient/nobody'),
  );
  const report = await imported('many', { 'a.ndjson': [patient('m'), ...many] });
  expect(report.resources).toMatchObject({ created: 61, rejected: 60 });
});

it('lets a bundle wait for the file it refers to, and refuses a transaction that dangles as a whole', async () => {
  const bundle = (type: string, ...resources: object[]) => ({
    resourceType: 'Bundle',
    type,
    entry: resources.map((resource) => ({ resource })),
  });
  const report = await imported('bundles', {
    '1.json': bundle('collection', patient('b1'), encounter('b1', 'Patient/b2')),
    '2.json': bundle('collection', patient('b2')),
    '3.json': bundle('transaction', patient('b3'), encounter('b3', 'Patient/nobody')),
  });
  expect(report.errors.map(({ element }) => element)).toEqual(['Bundle.entry[1].resource.subject.reference']);
  expect(await rooms.store.read(tenant, 'Encounter', 'b1')).toBeDefined();
  expect(await rooms.store.read(tenant, 'Patient', 'b3')).toBeUndefined();
});

it('is checked as strictly as the tenant asks', async () => {
  const report = await imported('level', { 'a.ndjson': [patient('l1', 'girl')] });
  expect(report.resources).toMatchObject({ created: 1, rejected: 0 });
});
