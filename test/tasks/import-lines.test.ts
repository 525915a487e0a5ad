import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Rooms } from '../../src/system.js';
import { importFrom } from '../support/import.js';
import { type TestSystem, testSystem } from '../support/system.js';

/** A bulk file of several commits, of which some are under way at once. */
let system: TestSystem;
let rooms: Rooms;

beforeAll(async () => {
  system = await testSystem({ tenants: ['a'] });
  rooms = await system.rooms();
});
afterAll(() => system.close());

it('keeps the order of a file whose commits run side by side, and counts every line once', async () => {
  const tenant = await system.tenant('a');
  const lines = Array.from({ length: 8_100 }, (_, i) =>
    JSON.stringify({ resourceType: 'Patient', id: `p${i + 1}`, active: true }),
  );
  const put = (line: number, text: string) => {
    lines[line - 1] = text;
  };
  const same = (birthDate: string) => JSON.stringify({ resourceType: 'Patient', id: 'same', birthDate });
  // Once in each commit, the last one counts.
  put(1, same('1970-01-01'));
  put(4_005, same('1980-01-01'));
  put(8_050, same('1990-01-01'));
  for (const line of [2, 4_100, 8_099]) put(line, '{"resourceType":"Patient","birthDate":"soon"}');
  const file = join(system.dir, 'Patient.ndjson');
  writeFileSync(file, lines.join('\n'));
  const report = await importFrom(rooms, tenant, { paths: [file], folder: system.dir });
  expect(report.errors.map((e) => e.line)).toEqual([2, 4_100, 8_099]);
  expect(report.resources).toMatchObject({ created: 8_095, updated: 2, unchanged: 0, rejected: 3 });
  expect(await rooms.store.read(tenant, 'Patient', 'same')).toMatchObject({
    version: 3,
    resource: { birthDate: '1990-01-01' },
  });
});
