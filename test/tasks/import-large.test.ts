import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Rooms } from '../../src/system.js';
import type { ImportReport } from '../../src/tasks/import-report.js';
import { importFrom } from '../support/import.js';
import { type TestSystem, testSystem } from '../support/system.js';

/** A Bundle that is too long to be held in memory: some entries carry a picture. */
let system: TestSystem;
let rooms: Rooms;

beforeAll(async () => {
  system = await testSystem({ tenants: ['a'] });
  rooms = await system.rooms();
});
afterAll(() => system.close());

const PICTURE = 'QUJD'.repeat(500_000);
const uuid = (n: number) => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;

/** Patients, Observations that refer to them by fullUrl from before and behind, and pictures that fill the file. */
function entriesOf(tag: string, type: string, spoil: readonly number[] = []): object[] {
  const entries: object[] = [];
  const add = (fullUrl: string | undefined, resource: { resourceType: string }) =>
    entries.push({
      ...(fullUrl ? { fullUrl } : {}),
      resource,
      ...(type === 'transaction' ? { request: { method: 'POST', url: resource.resourceType } } : {}),
    });
  const observation = (n: number) => {
    const subject = { reference: `urn:uuid:${uuid(n % 10)}`, display: tag };
    const status = spoil.includes(n) ? 'perhaps' : 'final';
    add(undefined, {
      resourceType: 'Observation',
      id: `${tag}-${n}`,
      status,
      code: { text: 'x' },
      subject,
    } as never);
  };
  for (let n = 0; n < 200; n++) observation(n);
  for (let n = 0; n < 10; n++)
    add(`urn:uuid:${uuid(n)}`, { resourceType: 'Patient', id: `${tag}-p${n}` } as never);
  for (let n = 0; n < 17; n++)
    add(undefined, {
      resourceType: 'Binary',
      id: `${tag}-b${n}`,
      contentType: 'image/png',
      data: PICTURE,
    } as never);
  for (let n = 200; n < 400; n++) observation(n);
  return entries;
}

async function importBundle(name: string, type: string, entry: object[]): Promise<ImportReport> {
  const file = join(system.dir, `${name}.json`);
  writeFileSync(file, JSON.stringify({ resourceType: 'Bundle', entry, type }));
  return importFrom(rooms, await system.tenant('a'), { paths: [file], folder: system.dir });
}

async function subjectOf(tag: string, n: number): Promise<unknown> {
  const found = await rooms.store.read(await system.tenant('a'), 'Observation', `${tag}-${n}`);
  return (found?.resource?.subject as { reference?: unknown } | undefined)?.reference;
}

it.each(['transaction', 'collection'])(
  'a long %s is imported whole, its entries refer to each other',
  async (type) => {
    const entries = entriesOf(type, type);
    expect((await importBundle(type, type, entries)).resources).toMatchObject({
      created: 427,
      rejected: 0,
    });
    expect(await subjectOf(type, 0)).toBe(`Patient/${type}-p0`);
    expect(await subjectOf(type, 399)).toBe(`Patient/${type}-p9`);
    const again = await importBundle(type, type, entries);
    expect(again.resources).toMatchObject({ created: 0, updated: 0, unchanged: 427 });
  },
);

it('of a long transaction with bad entries nothing is written, and each is named', async () => {
  const report = await importBundle('bad', 'transaction', entriesOf('bad', 'transaction', [3, 390]));
  expect(report.resources).toMatchObject({ created: 0, rejected: 427 });
  expect(report.errors.map((e) => e.element)).toEqual([
    'Bundle.entry[3].resource.status',
    'Bundle.entry[417].resource.status',
  ]);
  expect(await subjectOf('bad', 0)).toBeUndefined();
});

it('of a long collection with bad entries the others are written', async () => {
  const report = await importBundle('some', 'collection', entriesOf('some', 'collection', [3, 390]));
  expect(report.resources).toMatchObject({ created: 425, rejected: 2 });
  expect(report.errors.map((e) => e.element)).toEqual([
    'Bundle.entry[3].resource.status',
    'Bundle.entry[417].resource.status',
  ]);
});
