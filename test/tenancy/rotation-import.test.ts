import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.js';
import { type Rooms, wireRooms } from '../../src/system.js';
import { requestRotateIndex, runRotateIndex } from '../../src/tasks/rotate-index.js';

import { KEY_NOTICE_MS } from '../../src/tenancy/key-rows.js';
import { importFrom } from '../support/import.js';
import { TEST_BASE_URL, type TestSystem, testSystem } from '../support/system.js';

/** Keys that are rotated while threads prepare and seal the lines of an import. */
const NAME = 'busy';
const LINES = 1_500;
let leap = 0;
const clock = { now: () => Date.now() + leap };
let system: TestSystem;
let rooms: Rooms;

beforeAll(async () => {
  system = await testSystem({ tenants: [NAME], clock });
  rooms = wireRooms({ clock: systemClock, tenants: system.tenants, baseUrl: TEST_BASE_URL });
});
afterAll(async () => {
  await rooms.closeRooms();
  await system.close();
});

/** Imports as many patients as there are lines, all of them with the family name of the round. */
async function importRound(round: number): Promise<void> {
  const folder = join(system.dir, `round${round}`);
  mkdirSync(folder, { recursive: true });
  const lines = Array.from({ length: LINES }, (_, n) =>
    JSON.stringify({ resourceType: 'Patient', id: `p${n}`, name: [{ family: `Berg${round}` }] }),
  );
  writeFileSync(join(folder, 'Patient.ndjson'), lines.join('\n'));
  const tenant = await system.tenant(NAME);
  const { resources } = await importFrom(rooms, tenant, { folder }, { threadsFromBytes: 0 });
  expect(resources.created + resources.updated).toBe(LINES);
}

async function found(family: string): Promise<number> {
  const tenant = await system.tenant(NAME);
  const matches = await rooms.search.findMatches(
    tenant,
    'Patient',
    `family=${family}`,
    2 * LINES,
    rooms.baseOf(tenant),
  );
  return matches.length;
}

it('finds and reads every line, whichever key was in use when it was sealed', async () => {
  const tenant = await system.tenant(NAME);
  await importRound(0);
  await system.tenants.rotateKey(NAME, 'index');
  const { id } = await requestRotateIndex(rooms, tenant);
  let over = false;
  let rounds = 0;
  const importing = (async () => {
    // One more after the end, and the body key in the midst of one.
    for (let last = false; !last; ) {
      last = over;
      const round = importRound(++rounds);
      if (rounds === 1) await system.tenants.rotateKey(NAME, 'body');
      await round;
      expect(await found(`berg${rounds}`)).toBe(LINES);
      if ((await system.tenants.indexKeyStep(NAME)).at === 'searching') leap += KEY_NOTICE_MS;
    }
  })();
  try {
    await runRotateIndex({ ...rooms, clock }, tenant, await rooms.jobs.claim(tenant, id));
  } finally {
    over = true;
    await importing;
  }
  expect(rounds).toBeGreaterThan(2);
  expect(await found(`berg${rounds}`)).toBe(LINES);
  expect(await found('berg0')).toBe(0);
  const { total, first } = await rooms.store.verify(tenant);
  expect({ total, first }).toEqual({ total: 0, first: [] });
  // What was imported before the new body key was noticed is under the old one, what came last under the new.
  const { rows } = await tenant.pool.query('select distinct kv from segment order by kv');
  expect(rows).toEqual([{ kv: 1 }, { kv: 2 }]);
}, 120_000);
