import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { IndexPrivacy } from '../../src/core/blind.js';
import { systemClock } from '../../src/core/clock.js';
import type { Resource } from '../../src/core/resource.js';
import type { Rooms } from '../../src/system.js';
import { wireRooms } from '../../src/system.js';
import { requestRotateIndex, runRotateIndex } from '../../src/tasks/rotate-index.js';
import { type Catalog, openTenants } from '../../src/tenancy/catalog.js';
import { openKeyFiles } from '../../src/tenancy/key-file.js';
import { KEY_NOTICE_MS } from '../../src/tenancy/key-rows.js';
import { TEST_BASE_URL, type TestSystem, testSystem } from '../support/system.js';

const actor = { id: 'test', kind: 'job' as const };
const LEVELS: readonly IndexPrivacy[] = ['exact', 'bucketed'];
const PATIENTS = 12;

/** Of keys and of the job that waits for them; what is written has the time of the machine. */
let leap = 0;
const clock = { now: () => Date.now() + leap };
let system: TestSystem;
let here: Rooms;
/** Another process, with keys of its own. */
let other: Catalog;
let there: Rooms;

beforeAll(async () => {
  system = await testSystem({ tenants: [], clock });
  for (const indexPrivacy of LEVELS) await system.tenants.create(indexPrivacy, { indexPrivacy });
  here = wireRooms({ clock: systemClock, tenants: system.tenants, baseUrl: TEST_BASE_URL });
  other = await openTenants({
    server: system.server,
    keys: openKeyFiles(`${system.dir}/keys`),
    clock,
  });
  there = wireRooms({ clock: systemClock, tenants: other, baseUrl: TEST_BASE_URL });
});

afterAll(async () => {
  await here.closeRooms();
  await there.closeRooms();
  await other.close();
  await system.close();
});

/** What each round of writing leaves: found by code, by date and in its order, by name, by reference and by chain. */
function record(n: number, round: number): Resource[] {
  return [
    { resourceType: 'Patient', id: `p${n}`, name: [{ family: `Berg${round % 2}` }], gender: 'female' },
    {
      resourceType: 'Observation',
      id: `o${n}`,
      status: 'final',
      subject: { reference: `Patient/p${n}` },
      code: { coding: [{ system: 'urn:s', code: 'A' }] },
      effectiveDateTime: `20${String(10 + n).padStart(2, '0')}-0${1 + (round % 9)}-01`,
      valueQuantity: { value: n, system: 'http://unitsofmeasure.org', code: 'g' },
    },
  ] as Resource[];
}

async function write(rooms: Rooms, level: string, n: number, round: number): Promise<void> {
  const writes = record(n, round).map((resource) => ({
    op: 'update' as const,
    type: resource.resourceType,
    id: resource.id!,
    resource,
  }));
  const tenant = await rooms.tenants.open(level);
  // Each alone, in one statement, and both in a transaction.
  if (round % 2) for (const one of writes) await rooms.store.commit(tenant, [one], actor);
  else await rooms.store.commit(tenant, writes, actor);
}

/** Both processes, and the job, share a processor. */
const pause = () => new Promise((resolve) => setTimeout(resolve, 10));

const QUESTIONS: readonly (readonly [type: string, query: string])[] = [
  ['Observation', 'code=urn:s|A'],
  ['Observation', 'date=ge2010-01-01&_sort=date'],
  ['Observation', 'code=A&value-quantity=ge0'],
  ['Observation', 'subject:Patient.gender=female'],
  ['Patient', 'family=berg'],
  ['Patient', '_has:Observation:subject:code=A'],
  ['Patient', 'birthdate:missing=true&gender:not=male'],
];

async function ask(rooms: Rooms, level: string, at: number): Promise<void> {
  const [type, query] = QUESTIONS[at % QUESTIONS.length]!;
  const tenant = await rooms.tenants.open(level);
  const page = await rooms.search.search(tenant, {
    type,
    params: [...new URLSearchParams(query)],
    strict: true,
    base: rooms.baseOf(tenant),
  });
  const ids = page.entries.map((e) => Number(e.resource.id!.slice(1)));
  const all = Array.from({ length: PATIENTS }, (_, n) => n);
  expect({ query, ids: query.includes('_sort') ? ids : ids.sort((a, b) => a - b) }).toEqual({
    query,
    ids: all,
  });
}

describe.each(LEVELS)('a new index key of a tenant of level %s', (level) => {
  test('comes into use while two processes read and write, and the old one is destroyed', async () => {
    const tenant = await system.tenant(level);
    for (let n = 0; n < PATIENTS; n++) await write(here, level, n, 0);
    await other.open(level);
    const { rid, digest } = tenant.keys;
    const before = { blind: tenant.keys.blind, rid: rid('Patient', 'p1'), digest: digest('x') };
    const context = { blind: before.blind, base: here.baseOf(tenant) };
    const { indexResource } = await import('../../src/indexing/index.js');
    const oldTerms = indexResource(record(1, 0)[0]!, context).terms;

    const rotation = await system.tenants.rotateKey(level, 'index');
    expect(rotation).toMatchObject({ level: 'index', to: '2' });
    await expect(system.tenants.rotateKey(level, 'index')).rejects.toMatchObject({ category: 'conflict' });
    const { id } = await requestRotateIndex(here, tenant);

    let over = false;
    let asking = 0;
    let leaping = false;
    const users = [here, there].flatMap((rooms, k) => [
      (async () => {
        for (let round = 1; !over; round++)
          await write(rooms, level, 2 * (round % (PATIENTS / 2)) + k, round).then(pause);
      })(),
      (async () => {
        for (let at = 0; !over; at++) {
          if (!leaping) {
            asking++;
            await ask(rooms, level, at).finally(() => asking--);
          }
          await pause();
        }
      })(),
    ]);
    const watch = (async () => {
      while (!over) {
        if ((await system.tenants.indexKeyStep(level)).at === 'searching') {
          await new Promise((resolve) => setTimeout(resolve, 200));
          // The old rows go a minute after the last search that may ask for them has ended; no leap may undo that.
          leaping = true;
          while (asking > 0) await pause();
          leap += KEY_NOTICE_MS;
          leaping = false;
          return;
        }
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    })();
    try {
      // Stopped once on the way; it goes on behind what is done.
      const stop = new AbortController();
      const reindex = here.store.reindex;
      let steps = 0;
      const stopping = {
        ...here.store,
        reindex: async (...args: Parameters<typeof reindex>) => {
          if (++steps === 10) stop.abort();
          return reindex(...args);
        },
      };
      const job = await here.jobs.claim(tenant, id);
      const half = await runRotateIndex({ ...here, clock, store: stopping }, tenant, job, stop.signal);
      expect(half.partsDone).toBe(10 * 512);
      const done = await runRotateIndex({ ...here, clock }, tenant, await here.jobs.claim(tenant, id));
      expect(done.partsDone).toBe(2 * 16_384);
    } finally {
      over = true;
      await Promise.all([...users, watch]);
    }
    expect((await here.jobs.get(tenant, id)).state).toBe('done');

    for (const rooms of [here, there])
      for (let at = 0; at < QUESTIONS.length; at++) await ask(rooms, level, at);
    const now = tenant.keys;
    expect(now.blind('x')).not.toBe(before.blind('x'));
    expect({ rid: now.rid('Patient', 'p1'), digest: now.digest('x') }).toEqual({
      rid: before.rid,
      digest: before.digest,
    });
    const { rows } = await tenant.pool.query(
      'select count(*)::int as n from resource where terms && $1::bigint[]',
      [`{${oldTerms.join()}}`],
    );
    expect(rows[0].n).toBe(0);
    expect((await here.store.verify(tenant)).differences).toEqual({});
    const keys = await system.tenants.control.query(
      `select purpose, version from tenant_key k join tenant t on t.id = k.tenant_id
       where t.name = $1 and purpose in ('index', 'identity') order by 1`,
      [level],
    );
    expect(keys.rows).toEqual([
      { purpose: 'identity', version: 1 },
      { purpose: 'index', version: 2 },
    ]);
  }, 120_000);

  test('can be changed again', async () => {
    const tenant = await system.tenant(level);
    await system.tenants.rotateKey(level, 'index');
    const { id } = await requestRotateIndex(here, tenant);
    const job = await here.jobs.claim(tenant, id);
    const leaping = setInterval(() => {
      leap += KEY_NOTICE_MS;
    }, 300);
    await runRotateIndex({ ...here, clock }, tenant, job).finally(() => clearInterval(leaping));
    expect((await here.store.verify(tenant)).differences).toEqual({});
    await ask(there, level, 0);
  }, 120_000);
});
