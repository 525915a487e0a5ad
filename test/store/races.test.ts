import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Tenant } from '../../src/tenancy/tenant.js';
import { type TestSystem, testSystem } from '../support/system.js';
import { actor, create, observation, patient, refusal, remove, testStore, update } from './support.js';

let system: TestSystem;
let tenant: Tenant;
const { store } = testStore();

beforeAll(async () => {
  system = await testSystem({ tenants: ['a'] });
  tenant = await system.tenant('a');
});
afterAll(() => system.close());

const CLIENTS = 32;

async function versionsOf(type: string, id: string): Promise<number[]> {
  const page = await store.history(tenant, type, id, { count: 1000 });
  return page!.versions.map((v) => v.version);
}

function downFrom(n: number): number[] {
  return Array.from({ length: n }, (_, i) => n - i);
}

test('32 clients that create one id: one wins, the others get a conflict', async () => {
  const results = await Promise.all(
    Array.from({ length: CLIENTS }, (_, i) =>
      refusal(store.commit(tenant, [create(patient('race', { birthDate: `19${10 + i}-01-01` }))], actor)),
    ),
  );
  expect(results.filter((r) => r === 'none')).toHaveLength(1);
  expect(results.filter((r) => r === 'conflict writes[0]')).toHaveLength(CLIENTS - 1);
  expect(await versionsOf('Patient', 'race')).toEqual([1]);
});

test('32 clients that update one resource by version: versions are dense and each success is one of them', async () => {
  await store.commit(tenant, [create(patient('cas'))], actor);
  let won = 0;
  await Promise.all(
    Array.from({ length: CLIENTS }, async (_, i) => {
      for (let round = 0; round < 6; round++) {
        const now = (await store.read(tenant, 'Patient', 'cas'))!.version;
        const body = patient('cas', { birthDate: `19${10 + i}-01-0${round + 1}` });
        const outcome = await refusal(store.commit(tenant, [update(body, { ifMatch: now })], actor));
        if (outcome === 'none') won++;
        else expect(outcome).toBe('precondition writes[0]');
      }
    }),
  );
  expect(won).toBeGreaterThan(0);
  expect(await versionsOf('Patient', 'cas')).toEqual(downFrom(won + 1));
});

test('updates, deletes and re-creations without versions all succeed in some order, and none is lost', async () => {
  await store.commit(tenant, [create(patient('mix'))], actor);
  let done = 0;
  await Promise.all(
    Array.from({ length: CLIENTS }, async (_, i) => {
      for (let round = 0; round < 4; round++) {
        const write =
          i % 4 === 3
            ? remove('Patient', 'mix', { skipUnchanged: true })
            : update(patient('mix', { birthDate: `19${10 + i}-01-0${round + 1}` }));
        const [result] = await store.commit(tenant, [write], actor);
        if (result!.outcome !== 'unchanged') done++;
      }
    }),
  );
  expect(await versionsOf('Patient', 'mix')).toEqual(downFrom(done + 1));
  const [last] = await store.commit(tenant, [update(patient('mix'))], actor);
  expect(last!.version).toBe(done + 2);
});

test('transactions over the same resources in different orders never deadlock', async () => {
  const ids = Array.from({ length: 12 }, (_, i) => `order-${i}`);
  const outcomes = await Promise.all(
    Array.from({ length: 24 }, async (_, client) => {
      const turned = [...ids.slice(client % 12), ...ids.slice(0, client % 12)];
      if (client % 2) turned.reverse();
      // Half of the ids are new to whoever comes first: claims and locks are mixed.
      const writes = turned.map((id) => update(observation(id, 'order-p', client)));
      return refusal(store.commit(tenant, writes, actor));
    }),
  );
  expect(outcomes.filter((o) => o !== 'none')).toEqual([]);
  for (const id of ids) expect(await versionsOf('Observation', id)).toEqual(downFrom(24));
});

test('bulk writes that share new ids never deadlock: each id is created once, and changed by those that waited', async () => {
  const outcomes = await Promise.all(
    Array.from({ length: 8 }, async (_, client) => {
      // 400 ids each, of which the next client has 300 too.
      const ids = Array.from({ length: 400 }, (_, i) => `bulk-${client * 100 + i}`);
      if (client % 2) ids.reverse();
      const writes = ids.map((id) => update(observation(id, 'bulk-p', client)));
      return (await store.commit(tenant, writes, actor)).filter((r) => r.outcome === 'created').length;
    }),
  );
  expect(outcomes.reduce((a, b) => a + b)).toBe(1100);
  expect((await versionsOf('Observation', 'bulk-0')).length).toBe(1);
  expect(await versionsOf('Observation', 'bulk-350')).toEqual(downFrom(4));
});

test('a bulk write with a few ids that are there creates the others and changes these', async () => {
  await store.commit(tenant, [create(patient('few-0')), create(patient('few-777'))], actor);
  const writes = Array.from({ length: 1000 }, (_, i) => update(patient(`few-${i}`, { gender: 'other' })));
  const results = await store.commit(tenant, writes, actor);
  const changed = results.filter((r) => r.outcome === 'updated').map((r) => `${r.id}/${r.version}`);
  expect(changed.sort()).toEqual(['few-0/2', 'few-777/2']);
  expect(results.filter((r) => r.outcome === 'created')).toHaveLength(998);
});

test('a named lock lets conditional creates on one criterion make exactly one resource', async () => {
  const made = await Promise.all(
    Array.from({ length: CLIENTS }, (_, i) =>
      store.transact(tenant, actor, async (tx) => {
        await tx.lock('Patient?identifier=x|1');
        const { rows } = await tx.query(
          'select count(*)::int as n from resource where terms @> array[$1::bigint]',
          [tenant.keys.blind('never')],
        );
        expect(rows[0]).toEqual({ n: 0 });
        if (await tx.read('Patient', 'conditional')) return false;
        await tx.write([create(patient('conditional', { birthDate: `19${10 + i}-01-01` }))]);
        return true;
      }),
    ),
  );
  expect(made.filter(Boolean)).toHaveLength(1);
});

test('a tenant that moved away refuses writers with the old catalog entry, and reads go on', async () => {
  await tenant.pool.query('select 1');
  const stale: Tenant = { ...tenant, record: { ...tenant.record, epoch: tenant.record.epoch + 1 } };
  expect(await refusal(store.commit(stale, [create(patient('fenced'))], actor))).toBe('unavailable');
  expect(await store.read(stale, 'Patient', 'fenced')).toBeUndefined();
  expect(await refusal(store.commit(tenant, [create(patient('fenced'))], actor))).toBe('none');
});

test('a writer that waits longer than the lock limit tries again and succeeds', async () => {
  await store.commit(tenant, [create(patient('held'))], actor);
  const holder = await tenant.pool.connect();
  await holder.query('begin');
  await holder.query('select 1 from locator where rid = $1 for update', [tenant.keys.rid('Patient', 'held')]);
  const release = setTimeout(() => void holder.query('commit').then(() => holder.release()), 2600);
  const [result] = await store.commit(tenant, [update(patient('held', { gender: 'other' }))], actor);
  clearTimeout(release);
  expect(result!.version).toBe(2);
});

test('an update that waited while the index rows of its version were made anew leaves none of them behind', async () => {
  await store.commit(tenant, [create(patient('rows'))], actor);
  const job = await tenant.pool.connect();
  try {
    // What a reindex does within one transaction: the lock of every writer, new rows, the row of the resource itself.
    await job.query('begin');
    const { rid } = tenant.keys;
    const key = [rid('Patient', 'rows')];
    await job.query('select from locator where rid = $1 for update', key);
    const { rows } = await job.query<{ part: number; rtype: number }>(
      'select part, rtype from resource where rid = $1',
      key,
    );
    const [{ part, rtype }] = rows as [{ part: number; rtype: number }];
    await job.query('insert into idx_date (part, rtype, rid, param, lo, hi) values ($1, $2, $3, 1, 2, 3)', [
      part,
      rtype,
      ...key,
    ]);
    await job.query('update resource set terms = terms where rid = $1', key);
    const waiting = store.commit(tenant, [update(patient('rows', { birthDate: '1955-05-05' }))], actor);
    await new Promise((resolve) => setTimeout(resolve, 300));
    await job.query('commit');
    expect((await waiting)[0]).toMatchObject({ version: 2 });
  } finally {
    job.release();
  }
  expect((await store.verify(tenant)).differences).toEqual({});
});
