import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { WriteResult } from '../../src/store/contract.js';
import { type Catalog, openTenants } from '../../src/tenancy/catalog.js';
import { openKeyFiles } from '../../src/tenancy/key-file.js';
import type { Tenant } from '../../src/tenancy/tenant.js';
import { type TestSystem, testSystem } from '../support/system.js';
import { actor, create, observation, patient, refusal, remove, testStore, update } from './support.js';

/**
 * Two catalogs with pools, keys and stores of their own share nothing but the database, as two processes do.
 */
let system: TestSystem;
let second: Catalog;
const sides: { store: ReturnType<typeof testStore>['store']; tenant: Tenant }[] = [];

beforeAll(async () => {
  system = await testSystem({ tenants: ['a'] });
  second = await openTenants({
    server: system.server,
    keys: openKeyFiles(join(system.dir, 'keys')),
    clock: system.clock,
  });
  sides.push({ store: testStore().store, tenant: await system.tenant('a') });
  sides.push({ store: testStore().store, tenant: await second.open('a') });
});
afterAll(async () => {
  await second.close();
  await system.close();
});

const side = (i: number) => sides[i % 2]!;

test('what one process wrote, the other reads at once', async () => {
  await side(0).store.commit(side(0).tenant, [create(patient('shared'))], actor);
  expect(await side(1).store.read(side(1).tenant, 'Patient', 'shared')).toMatchObject({ version: 1 });
});

test('of two processes that create the same ids, one at a time or in bulk, exactly one wins each', async () => {
  for (const size of [1, 6, 150]) {
    const ids = Array.from({ length: size }, (_, i) => `both-${size}-${i}`);
    const outcomes = await Promise.all(
      [0, 1, 2, 3].map((i) => {
        const mine = i < 2 ? ids : [...ids].reverse();
        const writes = mine.map((id) => create(observation(id, 'shared', i)));
        return refusal(side(i).store.commit(side(i).tenant, writes, actor));
      }),
    );
    expect(outcomes.filter((o) => o === 'none')).toHaveLength(1);
    expect(outcomes.filter((o) => o.startsWith('conflict'))).toHaveLength(3);
    for (const id of ids)
      expect(await side(0).store.read(side(0).tenant, 'Observation', id)).toMatchObject({ version: 1 });
  }
});

test('64 conditional creates of one criterion from two processes make one resource per criterion', async () => {
  for (let key = 0; key < 3; key++) {
    const made = await Promise.all(
      Array.from({ length: 64 }, (_, i) =>
        side(i).store.transact(side(i).tenant, actor, async (tx) => {
          await tx.lock(`Patient?identifier=urn:x|${key}`);
          const { rows } = await tx.query('select 1 from locator where rid = any ($1::bigint[])', [
            Array.from({ length: 64 }, (_, n) => side(i).tenant.keys.rid('Patient', `cond-${key}-${n}`)),
          ]);
          if (rows.length > 0) return false;
          await tx.write([create(patient(`cond-${key}-${i}`))]);
          return true;
        }),
      ),
    );
    expect(made.filter(Boolean)).toHaveLength(1);
  }
});

test('mixed updates, deletes and re-creations: every answer is one version, and history holds what was answered', async () => {
  const id = 'contested';
  const answered = new Map<number, string>();
  const note = (result: WriteResult, what: string) => {
    if (result.outcome === 'unchanged') return;
    expect(answered.has(result.version), `version ${result.version} was answered twice`).toBe(false);
    answered.set(result.version, what);
  };
  await Promise.all(
    Array.from({ length: 32 }, async (_, client) => {
      const { store, tenant } = side(client);
      for (let round = 0; round < 5; round++) {
        const value = client * 100 + round;
        const body = observation(id, 'shared', value);
        const kind = (client + round) % 4;
        if (kind === 0) note((await store.commit(tenant, [update(body)], actor))[0]!, `value ${value}`);
        else if (kind === 1) {
          const current = await store.read(tenant, 'Observation', id);
          const ifMatch = current && current.op !== 'delete' ? current.version : 0;
          await store.commit(tenant, [update(body, { ifMatch })], actor).then(
            ([result]) => note(result!, `value ${value}`),
            (error) => expect(error.category).toBe('precondition'),
          );
        } else if (kind === 2) {
          note(
            (await store.commit(tenant, [remove('Observation', id, { skipUnchanged: true })], actor))[0]!,
            'deleted',
          );
        } else {
          // Together with another resource, so that it goes by the transaction with locks.
          const other = update(patient(`beside-${client}`, { birthDate: `19${10 + round}-01-01` }));
          note((await store.commit(tenant, [other, update(body)], actor))[1]!, `value ${value}`);
        }
      }
    }),
  );
  const { store, tenant } = side(0);
  const page = (await store.history(tenant, 'Observation', id, { count: 1000 }))!;
  expect(page.versions.map((v) => v.version)).toEqual(
    Array.from({ length: answered.size }, (_, i) => answered.size - i),
  );
  for (const v of page.versions) {
    const value = (v.resource?.valueQuantity as { value: number } | undefined)?.value;
    expect(v.resource ? `value ${value}` : 'deleted').toBe(answered.get(v.version));
  }
  const [last] = await store.commit(tenant, [update(observation(id, 'shared', -1))], actor);
  expect(last!.version).toBe(answered.size + 1);
  expect((await store.verify(tenant)).first).toEqual([]);
});
