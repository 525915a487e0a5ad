import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { claimAnnotations, completeAnnotation } from '../../src/store/annotations.js';
import type { Write } from '../../src/store/contract.js';
import type { Tenant } from '../../src/tenancy/tenant.js';
import { type TestSystem, testSystem } from '../support/system.js';
import {
  actor,
  countRows,
  create,
  note,
  observation,
  patient,
  refusal,
  remove,
  testStore,
  update,
} from './support.js';

let system: TestSystem;
let tenant: Tenant;
const { store } = testStore();

beforeAll(async () => {
  system = await testSystem({ tenants: ['a'] });
  tenant = await system.tenant('a');
});
afterAll(() => system.close());

/** The tenant, with every statement counted and the `failAt`-th one failing before or after it ran. */
function faulty(
  failAt: number,
  when: 'before' | 'after',
): { tenant: Tenant; ran: () => number; committed: () => boolean } {
  let ran = 0;
  let committed = false;
  // With a callback or with a promise, as node-postgres has it.
  const connect =
    (pool: pg.Pool) => async (done?: (error: Error | undefined, client?: pg.PoolClient) => void) => {
      const client = wrap(await pool.connect());
      done?.(undefined, client);
      return client;
    };
  const wrap = <C extends pg.Pool | pg.PoolClient>(target: C): C =>
    new Proxy(target, {
      get(object, name) {
        const value = Reflect.get(object, name);
        if (name === 'connect') return connect(object as pg.Pool);
        if (name !== 'query' || typeof value !== 'function')
          return typeof value === 'function' ? value.bind(object) : value;
        return (...args: unknown[]) => {
          if (args[0] === 'rollback') return value.apply(object, args);
          const fails = ++ran === failAt;
          const streams = typeof args[0] === 'object' && 'pipe' in args[0]!;
          if (fails && when === 'before') {
            if (streams) throw new Error('injected');
            return Promise.reject(new Error('injected'));
          }
          // A statement with a fence of its own is a transaction of its own.
          committed ||= args[0] === 'commit' || /^with fence/.test((args[0] as { text?: string }).text ?? '');
          const result = value.apply(object, args);
          // A COPY answers with a stream: there the failure comes once the rows are on their way.
          if (!fails) return result;
          if (typeof result?.then === 'function')
            return result.then(() => Promise.reject(new Error('injected')));
          result.destroy(new Error('injected'));
          return result;
        };
      },
    });
  return { tenant: { ...tenant, pool: wrap(tenant.pool) }, ran: () => ran, committed: () => committed };
}

async function failed(work: Promise<unknown>): Promise<boolean> {
  return work.then(
    () => false,
    () => true,
  );
}

describe('all or nothing', () => {
  test('a transaction whose k-th write is refused leaves nothing, for every k', async () => {
    await store.commit(tenant, [create(patient('taken'))], actor);
    const before = await countRows(tenant);
    for (const size of [1, 5, 140]) {
      for (let k = 0; k < size; k += size > 10 ? 45 : 1) {
        const writes = Array.from({ length: size }, (_, i) => create(observation(`k-${i}`, 'taken')));
        writes[k] = create(patient('taken'));
        expect(await refusal(store.commit(tenant, writes, actor))).toBe(`conflict writes[${k}]`);
      }
    }
    expect(await countRows(tenant)).toEqual(before);
  });

  test('a transaction that throws after it wrote leaves nothing', async () => {
    const before = await countRows(tenant);
    const work = store.transact(tenant, actor, async (tx) => {
      await tx.write([create(patient('half'))]);
      expect(await tx.read('Patient', 'half')).toMatchObject({ version: 1 });
      throw new Error('changed my mind');
    });
    await expect(work).rejects.toThrow('changed my mind');
    expect(await countRows(tenant)).toEqual(before);
    expect(await store.read(tenant, 'Patient', 'half')).toBeUndefined();
  });

  const some = (n: number, value: number): Write[] =>
    Array.from({ length: n }, (_, i) => update(observation(`n-${i}`, `p-${(i + value) % 3}`, value)));
  let value = 0;
  const operations: [what: string, work: (t: Tenant) => Promise<unknown>][] = [
    ['a single create', (t) => store.commit(t, [create(patient(`single-${++value}`))], actor)],
    ['a single update', (t) => store.commit(t, [update(observation('single', 'p-1', ++value))], actor)],
    [
      'a single delete',
      async (t) => {
        await store.commit(tenant, [update(observation('single', 'p-1', ++value))], actor);
        before = await countRows(tenant);
        return store.commit(t, [remove('Observation', 'single')], actor);
      },
    ],
    [
      'a single move',
      (t) => store.commit(t, [update(observation('mover', `p-${++value % 3}`, value))], actor),
    ],
    [
      'a small transaction of creates, updates, moves and deletes',
      async (t) => {
        const writes: Write[] = [
          ...some(4, ++value),
          create(patient(`f-${value}`)),
          update(note('d-1', 'p-1', `text ${value}`)),
        ];
        if (await store.read(tenant, 'Patient', `f-${value - 1}`))
          writes.push(remove('Patient', `f-${value - 1}`));
        return store.commit(t, writes, actor);
      },
    ],
    ['a transaction written by COPY', (t) => store.commit(t, some(101, ++value), actor)],
    [
      'the replacement of a derived group',
      async (t) => {
        const fact = (n: number) =>
          observation(`fact-${n}`, 'p-1', ++value, {
            extension: [
              {
                url: 'https://cenote.health/fhir/StructureDefinition/derived-from-document',
                valueReference: { reference: 'DocumentReference/d-2' },
              },
            ],
          });
        return store.replaceDerivedGroup(t, 'd-2', [fact(value % 3), fact(3)], actor);
      },
    ],
    [
      'the end of an annotation',
      async (t) => {
        await store.commit(tenant, [update(note('d-3', 'p-1', `text ${++value}`))], actor);
        await tenant.pool.query('update annotation set state = 2 where state in (0, 1) and rid <> $1', [
          tenant.keys.rid('DocumentReference', 'd-3'),
        ]);
        const [claimed] = await claimAnnotations(tenant, 1, 60_000);
        const result = { state: 'done', pipeline: 'p', annotation: { value }, resources: [] } as const;
        before = await countRows(tenant);
        states = await annotations();
        return completeAnnotation(store, t, claimed!, result, actor);
      },
    ],
  ];
  let before: Record<string, number>;
  let states: unknown;
  const annotations = async () =>
    (await tenant.pool.query('select rid, ver, state, pipeline from annotation order by rid')).rows;

  test.each(operations)('%s survives a fault at each of its statements', async (_, work) => {
    await work(tenant);
    for (const when of ['before', 'after'] as const) {
      for (let n = 1; ; n++) {
        before = await countRows(tenant);
        states = await annotations();
        const broken = faulty(n, when);
        const didFail = await failed(work(broken.tenant));
        if (!didFail) {
          expect(n).toBeGreaterThan(1);
          expect(broken.ran()).toBeLessThan(n);
          break;
        }
        // After COMMIT ran, the fault only loses the answer: the work is done as a whole.
        if (broken.committed()) continue;
        expect(await countRows(tenant), `${when} ${n}`).toEqual(before);
        expect(await annotations(), `${when} ${n}`).toEqual(states);
      }
    }
    await work(tenant);
  });
});
