import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Rooms } from '../../src/system.js';
import { FORMER_ID_SYSTEM } from '../../src/tasks/import-persons.js';
import type { ImportReport } from '../../src/tasks/import-report.js';
import type { Tenant } from '../../src/tenancy/tenant.js';
import { importFrom } from '../support/import.js';
import { type TestSystem, testSystem } from '../support/system.js';

/** Two hospitals' files about the same people: who is one person, by an identifier, and who may be. */
let system: TestSystem;
let rooms: Rooms;
let tenant: Tenant;

const MRN = 'urn:mrn';
const patient = (id: string, mrn: string | undefined, over: object = {}) => ({
  resourceType: 'Patient',
  id,
  ...(mrn === undefined ? {} : { identifier: [{ system: MRN, value: mrn }] }),
  name: [{ family: 'Alder, of Elm', given: ['Robin'] }],
  birthDate: '1970-02-03',
  gender: 'female',
  ...over,
});
const condition = (id: string, who: string) => ({
  resourceType: 'Condition',
  id,
  clinicalStatus: {
    coding: [{ system: 'http://terminology.hl7.org/CodeSystem/condition-clinical', code: 'active' }],
  },
  code: { text: 'diabetes' },
  subject: { reference: who },
});

const FILES: Record<string, unknown> = {
  'a/Patient.ndjson': [
    patient('a1', '1'),
    patient('a2', undefined, { name: [{ family: 'Rowan', given: ['Ash'] }] }),
  ],
  'a/Condition.ndjson': [condition('ca', 'Patient/a1')],
  // The second hospital's ids are others; what refers to them comes before them by name.
  'b/Condition.ndjson': [condition('cb', 'Patient/b1')],
  'b/Patient.ndjson': [
    patient('b1', '1', { gender: 'male', telecom: [{ system: 'phone', value: '555-0101' }] }),
    patient('b3', '3'),
    'broken',
  ],
  'c.json': {
    resourceType: 'Bundle',
    type: 'transaction',
    entry: [
      {
        fullUrl: 'urn:uuid:5c1e6a0e-0000-4000-8000-000000000001',
        resource: { ...patient('x', '1'), id: undefined },
        request: { method: 'POST', url: 'Patient' },
      },
      {
        fullUrl: 'urn:uuid:5c1e6a0e-0000-4000-8000-000000000002',
        resource: condition('cc', 'urn:uuid:5c1e6a0e-0000-4000-8000-000000000001'),
        request: { method: 'PUT', url: 'Condition/cc' },
      },
    ],
  },
};
let folder: string;

beforeAll(async () => {
  system = await testSystem({ tenants: ['a'] });
  rooms = await system.rooms();
  tenant = await system.tenant('a');
  folder = join(system.dir, 'input');
  for (const name of ['a', 'b']) mkdirSync(join(folder, name), { recursive: true });
  for (const [name, content] of Object.entries(FILES)) {
    const lines = (Array.isArray(content) ? content : [content]).map((r) =>
      typeof r === 'string' ? r : JSON.stringify(r),
    );
    writeFileSync(join(folder, name), lines.join('\n'));
  }
});
afterAll(() => system.close());

async function imported(): Promise<ImportReport> {
  return importFrom(rooms, tenant, {
    paths: ['a', 'b', 'c.json'].map((name) => join(folder, name)),
    folder,
    link: true,
  });
}

const current = async (type: string, id: string) => (await rooms.store.read(tenant, type, id))?.resource;

it('one person from several files is one Patient where an identifier proves it, else a candidate', async () => {
  const report = await imported();
  expect(report.resources).toMatchObject({ rejected: 1 });
  expect(report.linked).toMatchObject({
    joined: 2,
    candidates: [{ file: expect.stringMatching(/b\/Patient\.ndjson$/), line: 2, patient: 'b3', like: 'a1' }],
  });
  for (const id of ['b1', '5c1e6a0e-0000-4000-8000-000000000001'])
    expect(await current('Patient', id)).toBeUndefined();
  // The record that was here keeps what it says; the later ones fill gaps.
  expect(await current('Patient', 'a1')).toMatchObject({
    gender: 'female',
    telecom: [{ value: '555-0101' }],
    identifier: expect.arrayContaining([
      { system: MRN, value: '1' },
      { system: FORMER_ID_SYSTEM, value: 'b1' },
    ]),
  });
  for (const id of ['ca', 'cb', 'cc'])
    expect((await current('Condition', id))?.subject).toEqual({ reference: 'Patient/a1' });
});

it('again changes nothing', async () => {
  const { resources, linked } = await imported();
  expect(resources).toMatchObject({ created: 0, updated: 0, rejected: 1 });
  expect(linked?.joined).toBe(2);
});
