import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Rooms } from '../../src/system.js';
import { importFrom } from '../support/import.js';
import { type TestSystem, testSystem } from '../support/system.js';

/** The same record said differently by several lines or files of one import, and the import done again. */
let system: TestSystem;
let rooms: Rooms;

beforeAll(async () => {
  system = await testSystem({ tenants: ['a'] });
  rooms = await system.rooms();
});
afterAll(() => system.close());

const clinic = (id: string, name: string) => ({ resourceType: 'Organization', id, name });
const bundle = (...resources: object[]) =>
  JSON.stringify({
    resourceType: 'Bundle',
    type: 'transaction',
    entry: resources.map((resource) => ({ resource, request: { method: 'POST', url: 'Organization' } })),
  });
const lines = (...resources: object[]) => resources.map((r) => JSON.stringify(r)).join('\n');

async function importFolder(name: string, files: Record<string, string>) {
  const folder = join(system.dir, name);
  mkdirSync(folder, { recursive: true });
  for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, file), text);
  const { resources } = await importFrom(rooms, await system.tenant('a'), { folder });
  const { created, updated, unchanged, rejected } = resources;
  return { created, updated, unchanged, rejected };
}

async function standing(id: string): Promise<[version: number | undefined, name: unknown]> {
  const found = await rooms.store.read(await system.tenant('a'), 'Organization', id);
  return [found?.version, found?.resource?.name];
}

it.each([
  [
    'a file that the others refer to, and one of them',
    'shared',
    {
      'hospitalInformation.json': bundle(clinic('shared-1', 'Before'), clinic('shared-2', 'Alone')),
      'patient.json': bundle(clinic('shared-1', 'After')),
    },
    'shared-1',
    { created: 2, updated: 1 },
    [2, 'After'],
  ],
  [
    'lines of one file',
    'lines',
    { 'Organization.ndjson': lines(clinic('lines-1', 'A'), clinic('lines-1', 'B'), clinic('lines-1', 'C')) },
    'lines-1',
    { created: 1, updated: 2 },
    [3, 'C'],
  ],
  [
    'lines of one file, of which the last returns to the first',
    'back',
    { 'Organization.ndjson': lines(clinic('back-1', 'A'), clinic('back-1', 'B'), clinic('back-1', 'A')) },
    'back-1',
    { created: 1, updated: 2 },
    [3, 'A'],
  ],
])(
  '%s: the last one counts, and done again nothing is written',
  async (_what, name, files, id, first, stands) => {
    expect(await importFolder(name, files as unknown as Record<string, string>)).toMatchObject(first);
    expect(await standing(id)).toEqual(stands);
    const { created, updated, rejected, unchanged } = await importFolder(name, {});
    expect({ created, updated, rejected }).toEqual({ created: 0, updated: 0, rejected: 0 });
    expect(unchanged).toBe(first.created + first.updated);
    expect(await standing(id)).toEqual(stands);
  },
);

it('a record that returns to an earlier form in a later import is written as a new version', async () => {
  await importFolder('day1', { 'Organization.ndjson': lines(clinic('days', 'Open')) });
  await importFolder('day2', { 'Organization.ndjson': lines(clinic('days', 'Closed')) });
  expect(await importFolder('day1', {})).toEqual({ created: 0, updated: 1, unchanged: 0, rejected: 0 });
  expect(await standing('days')).toEqual([3, 'Open']);
});
