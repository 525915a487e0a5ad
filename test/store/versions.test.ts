import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Tenant } from '../../src/tenancy/tenant.js';
import { type TestSystem, testSystem } from '../support/system.js';
import {
  actor,
  countRows,
  create,
  observation,
  patient,
  refusal,
  remove,
  START_MS,
  testStore,
  update,
} from './support.js';

let system: TestSystem;
let tenant: Tenant;
const { store, clock } = testStore();

beforeAll(async () => {
  system = await testSystem({ tenants: ['a', 'b'] });
  tenant = await system.tenant('a');
});
afterAll(() => system.close());

describe('versions', () => {
  test('a created resource reads back with version 1, its time and every element', async () => {
    const written = observation('v1', 'p1', 7, { meta: { versionId: '99', tag: [{ code: 'x' }] } });
    const [result] = await store.commit(tenant, [create(written)], actor);
    const expected = {
      ...written,
      meta: { versionId: '1', lastUpdated: '2026-01-02T03:04:05.678Z', tag: [{ code: 'x' }] },
    };
    expect(result).toMatchObject({ outcome: 'created', version: 1, lastUpdated: START_MS });
    expect(result!.resource).toEqual(expected);
    const read = await store.read(tenant, 'Observation', 'v1');
    expect(read).toEqual({
      type: 'Observation',
      id: 'v1',
      version: 1,
      lastUpdated: START_MS,
      op: 'create',
      resource: expected,
    });
    expect(Object.keys(read!.resource!).slice(0, 3)).toEqual(['resourceType', 'id', 'meta']);
  });

  test('an id that never existed reads as undefined, in another tenant too', async () => {
    expect(await store.read(tenant, 'Observation', 'nowhere')).toBeUndefined();
    expect(await store.read(tenant, 'NoSuchType', 'v1')).toBeUndefined();
    expect(await store.history(tenant, 'Observation', 'nowhere', { count: 10 })).toBeUndefined();
    expect(await store.read(await system.tenant('b'), 'Observation', 'v1')).toBeUndefined();
  });

  test('update, delete and re-creation count on densely, and every version stays readable', async () => {
    const o = (value: number) => observation('dense', 'p1', value);
    await store.commit(tenant, [create(o(1))], actor);
    clock.advance(1000);
    await store.commit(tenant, [update(o(2))], actor);
    clock.advance(1000);
    await store.commit(tenant, [remove('Observation', 'dense')], actor);
    expect(await store.read(tenant, 'Observation', 'dense')).toMatchObject({
      op: 'delete',
      version: 3,
      resource: undefined,
    });
    clock.advance(1000);
    const [again] = await store.commit(tenant, [create(o(4))], actor);
    expect(again).toMatchObject({ outcome: 'created', version: 4 });

    const page = (await store.history(tenant, 'Observation', 'dense', { count: 10 }))!;
    expect(page.versions.map((v) => [v.version, v.op])).toEqual([
      [4, 'create'],
      [3, 'delete'],
      [2, 'update'],
      [1, 'create'],
    ]);
    expect(
      page.versions.map((v) => (v.resource?.valueQuantity as { value: number } | undefined)?.value),
    ).toEqual([4, undefined, 2, 1]);
    expect(page).toMatchObject({ total: 4, more: false });
    const first = await store.readVersion(tenant, 'Observation', 'dense', 1);
    expect(first!.resource!.meta.versionId).toBe('1');
    expect(await store.readVersion(tenant, 'Observation', 'dense', 5)).toBeUndefined();
  });

  test('history pages newest first, since a time, and as of a time', async () => {
    const start = clock.now();
    for (let i = 1; i <= 5; i++) {
      clock.advance(10);
      await store.commit(tenant, [update(patient('hist', { birthDate: `200${i}-01-01` }))], actor);
    }
    const ask = (options: object) => store.history(tenant, 'Patient', 'hist', { count: 2, ...options });
    const versions = async (options: object) => {
      const page = (await ask(options))!;
      return [page.versions.map((v) => v.version), page.total, page.more];
    };
    expect(await versions({})).toEqual([[5, 4], 5, true]);
    expect(await versions({ belowVersion: 4 })).toEqual([[3, 2], 5, true]);
    expect(await versions({ belowVersion: 2 })).toEqual([[1], 5, false]);
    expect(await versions({ sinceMs: start + 40 })).toEqual([[5, 4], 2, false]);
    expect(await versions({ atMs: start + 35 })).toEqual([[3], 1, false]);
    expect(await versions({ atMs: start })).toEqual([[], 0, false]);
  });

  const cases: [what: string, write: () => ReturnType<typeof update>, refused: string][] = [
    ['create of an id that exists', () => create(patient('cas')), 'conflict writes[0]'],
    ['update of an older version', () => update(patient('cas'), { ifMatch: 1 }), 'precondition writes[0]'],
    ['update of a version to come', () => update(patient('cas'), { ifMatch: 3 }), 'precondition writes[0]'],
    ['update that asks for absence', () => update(patient('cas'), { ifMatch: 0 }), 'precondition writes[0]'],
    ['delete of an older version', () => remove('Patient', 'cas', { ifMatch: 1 }), 'precondition writes[0]'],
    [
      'update of an absent one by version',
      () => update(patient('cas-2'), { ifMatch: 1 }),
      'precondition writes[0]',
    ],
    ['delete of what never was', () => remove('Patient', 'cas-3'), 'not-found writes[0]'],
    ['delete of what is deleted', () => remove('Patient', 'cas-gone'), 'gone writes[0]'],
    ['an id of forbidden characters', () => create(patient('a b')), 'invalid writes[0]'],
    ['an unknown type', () => ({ ...create(patient('x')), type: 'Pation' }), 'invalid writes[0]'],
    ['a body of another type', () => ({ ...create(patient('x')), type: 'Basic' }), 'invalid writes[0]'],
  ];
  test('writes that contradict what stands are refused and leave nothing', async () => {
    await store.commit(tenant, [create(patient('cas')), create(patient('cas-gone'))], actor);
    await store.commit(
      tenant,
      [update(patient('cas', { gender: 'other' })), remove('Patient', 'cas-gone')],
      actor,
    );
    const before = await countRows(tenant);
    for (const [what, write, refused] of cases)
      expect([what, await refusal(store.commit(tenant, [write()], actor))]).toEqual([what, refused]);
    expect(await refusal(store.commit(tenant, [update(patient('cas')), update(patient('cas'))], actor))).toBe(
      'invalid writes[1]',
    );
    expect(await countRows(tenant)).toEqual(before);
    const [ok] = await store.commit(
      tenant,
      [update(patient('cas', { gender: 'male' }), { ifMatch: 2 })],
      actor,
    );
    expect(ok!.version).toBe(3);
  });

  test('unchanged content writes nothing where that was asked for', async () => {
    const body = patient('same', { meta: { profile: ['https://example.org/p'] } });
    await store.commit(tenant, [update(body)], actor);
    const before = await countRows(tenant);
    const stored = (await store.read(tenant, 'Patient', 'same'))!.resource!;
    for (const again of [body, stored, { ...body, meta: { ...body.meta, versionId: '7' } }]) {
      const [result] = await store.commit(tenant, [update(again, { skipUnchanged: true })], actor);
      expect(result).toMatchObject({ outcome: 'unchanged', version: 1, resource: undefined });
    }
    const absent = await store.commit(tenant, [remove('Patient', 'never', { skipUnchanged: true })], actor);
    expect(absent[0]).toMatchObject({ outcome: 'unchanged', version: 0 });
    expect(await countRows(tenant)).toEqual(before);
    const [changed] = await store.commit(tenant, [update(patient('same'), { skipUnchanged: true })], actor);
    expect(changed).toMatchObject({ outcome: 'updated', version: 2 });
  });

  test('a clock that jumps back never makes lastUpdated run backwards', async () => {
    await store.commit(tenant, [create(patient('clock'))], actor);
    const at = clock.now();
    clock.advance(-3_600_000);
    const [second] = await store.commit(tenant, [update(patient('clock', { gender: 'female' }))], actor);
    clock.advance(3_600_000);
    expect(second!.lastUpdated).toBe(at);
  });

  test('decimals keep their digits', async () => {
    const { parseJson, stringifyJson } = await import('../../src/core/json.js');
    const body = parseJson(
      '{"resourceType":"Observation","id":"dec","status":"final","code":{"text":"x"},"valueQuantity":{"value":1.10,"comparator":"<"},"component":[{"code":{"text":"y"},"valueQuantity":{"value":0.000000000000000000000100}}]}',
    );
    await store.commit(tenant, [create(body as ReturnType<typeof patient>)], actor);
    const text = stringifyJson((await store.read(tenant, 'Observation', 'dec'))!.resource);
    expect(text).toContain('"value":1.10,');
    expect(text).toContain('"value":0.000000000000000000000100}');
  });

  test('readMany and readRows answer in the order asked, with gaps', async () => {
    await store.commit(
      tenant,
      [create(patient('m1')), create(observation('m2', 'm1')), create(patient('m3'))],
      actor,
    );
    await store.commit(tenant, [remove('Patient', 'm3')], actor);
    const keys = [
      ['Observation', 'm2'],
      ['Patient', 'nobody'],
      ['Patient', 'm1'],
      ['Patient', 'm3'],
      ['Observation', 'm2'],
      ['Nothing', 'm1'],
    ].map(([type, id]) => ({ type: type!, id: id! }));
    const found = await store.readMany(tenant, keys);
    expect(found.map((r) => r?.id)).toEqual(['m2', undefined, 'm1', undefined, 'm2', undefined]);
    const { rows } = await tenant.pool.query(
      'select part, rtype, rid, ver, sid, slot from resource where not deleted order by rid limit 5',
    );
    const resources = await store.readRows(tenant, rows);
    expect(resources.map((r) => tenant.keys.rid(r.resourceType, r.id))).toEqual(rows.map((row) => row.rid));
  });
});
