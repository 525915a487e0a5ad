import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Resource } from '../../src/core/resource.js';
import {
  annotationStates,
  claimAnnotations,
  completeAnnotation,
  countAnnotations,
  readAnnotation,
  renewAnnotation,
  requeueAnnotations,
} from '../../src/store/annotations.js';
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
const { store, clock } = testStore();

beforeAll(async () => {
  system = await testSystem({ tenants: ['a'] });
  tenant = await system.tenant('a');
  await store.commit(tenant, [create(patient('p'))], actor);
});
afterAll(() => system.close());

/** A resource derived from a document. */
function fact(id: string, document: string, value = 1, more: object = {}): Resource {
  return observation(id, 'p', value, {
    extension: [
      {
        url: 'https://cenote.health/fhir/StructureDefinition/derived-from-document',
        valueReference: { reference: `DocumentReference/${document}` },
      },
    ],
    ...more,
  });
}

const REVIEWED = {
  meta: { tag: [{ system: 'https://cenote.health/fhir/CodeSystem/review', code: 'confirmed' }] },
};

async function versionOf(id: string): Promise<string> {
  const read = await store.read(tenant, 'Observation', id);
  return read ? `${read.op} ${read.version}` : 'never';
}

describe('the group of resources one document yields', () => {
  test('changed facts get a version, vanished ones are deleted, equal ones are left as they are', async () => {
    await store.commit(tenant, [create(note('g', 'p', 'x')), create(note('other', 'p', 'y'))], actor);
    await store.replaceDerivedGroup(tenant, 'other', [fact('of-other', 'other')], actor);
    const first = await store.replaceDerivedGroup(
      tenant,
      'g',
      [fact('a', 'g'), fact('b', 'g'), fact('c', 'g')],
      actor,
    );
    expect(first).toEqual({ created: 3, updated: 0, deleted: 0, unchanged: 0, byType: { Observation: 3 } });
    const before = await countRows(tenant);
    const same = await store.replaceDerivedGroup(
      tenant,
      'g',
      [fact('c', 'g'), fact('a', 'g'), fact('b', 'g')],
      actor,
    );
    expect(same).toMatchObject({ created: 0, updated: 0, deleted: 0, unchanged: 3 });
    expect(await countRows(tenant)).toEqual(before);
    const next = await store.replaceDerivedGroup(
      tenant,
      'g',
      [fact('a', 'g'), fact('b', 'g', 2), fact('d', 'g')],
      actor,
    );
    expect(next).toEqual({ created: 1, updated: 1, deleted: 1, unchanged: 1, byType: { Observation: 3 } });
    expect(await Promise.all(['a', 'b', 'c', 'd', 'of-other'].map(versionOf))).toEqual([
      'update 1',
      'update 2',
      'delete 2',
      'update 1',
      'update 1',
    ]);
    const back = await store.replaceDerivedGroup(tenant, 'g', [fact('c', 'g')], actor);
    expect(back).toMatchObject({ created: 1, deleted: 3 });
    expect(await versionOf('c')).toBe('update 3');
  });

  test('what a person reviewed or wrote survives, whether the new reading has it or not', async () => {
    await store.commit(tenant, [create(note('r', 'p', 'x'))], actor);
    await store.replaceDerivedGroup(
      tenant,
      'r',
      [fact('kept', 'r'), fact('corrected', 'r'), fact('plain', 'r')],
      actor,
    );
    await store.commit(
      tenant,
      [
        update(fact('kept', 'r', 1, REVIEWED)),
        update(fact('corrected', 'r', 9, REVIEWED)),
        create(observation('mine', 'p', 5)),
      ],
      actor,
    );
    const again = await store.replaceDerivedGroup(
      tenant,
      'r',
      [fact('corrected', 'r', 3), fact('mine', 'r', 3)],
      actor,
    );
    expect(again).toMatchObject({ created: 0, updated: 0, deleted: 1, unchanged: 3 });
    expect(await Promise.all(['kept', 'corrected', 'plain', 'mine'].map(versionOf))).toEqual([
      'update 2',
      'update 2',
      'delete 2',
      'create 1',
    ]);
  });

  const ends: [what: string, write: (id: string) => ReturnType<typeof update>][] = [
    ['deleted', (id) => remove('DocumentReference', id)],
    ['marked as entered in error', (id) => update(note(id, 'p', 'x', { status: 'entered-in-error' }))],
  ];
  test.each(ends)(
    'a document that is %s takes its facts with it in the same transaction',
    async (what, write) => {
      const id = `gone-${what.slice(0, 3)}`;
      await store.commit(tenant, [create(note(id, 'p', 'x'))], actor);
      await store.replaceDerivedGroup(
        tenant,
        id,
        [fact(`${id}-1`, id), fact(`${id}-2`, id, 1, REVIEWED)],
        actor,
      );
      await store.commit(tenant, [write(id)], actor);
      expect(await Promise.all([`${id}-1`, `${id}-2`].map(versionOf))).toEqual(['delete 2', 'update 1']);
      expect(await annotationStates(tenant, [id, 'nothing'])).toEqual(new Map([[id, 'withdrawn']]));
      expect((await store.verify(tenant)).first).toEqual([]);
    },
  );
});

describe('the queue of documents to annotate', () => {
  test('hands each document to one claimer, and back after the lease ends', async () => {
    await tenant.pool.query('update annotation set state = 2');
    const ids = Array.from({ length: 20 }, (_, i) => `q${i}`);
    for (const id of ids) {
      clock.advance(1);
      await store.commit(tenant, [create(note(id, 'p', `text of ${id}`))], actor);
    }
    const claims = (
      await Promise.all(Array.from({ length: 6 }, () => claimAnnotations(tenant, 3, 60_000)))
    ).flat();
    const more = await claimAnnotations(tenant, 100, 1);
    expect([...claims, ...more].map((c) => c.documentId).sort()).toEqual([...ids].sort());
    expect(claims.every((c) => c.version === 1 && c.attempts === 1 && c.document.id === c.documentId)).toBe(
      true,
    );
    await new Promise((resolve) => setTimeout(resolve, 20));
    const again = await claimAnnotations(tenant, 100, 60_000);
    expect(again.map((c) => c.documentId).sort()).toEqual(more.map((c) => c.documentId).sort());
    expect(again.every((c) => c.attempts === 2)).toBe(true);
    expect(await claimAnnotations(tenant, 100, 60_000)).toEqual([]);
    expect((await countAnnotations(tenant)).running).toBe(20);

    // The first holder comes back from the dead: its lease is another's now.
    const done = { state: 'done', pipeline: 'p1', annotation: { mentions: [] }, resources: [] } as const;
    expect(await refusal(completeAnnotation(store, tenant, more[0]!, done, actor))).toBe('conflict');
    expect(await renewAnnotation(tenant, more[0]!, 1000)).toBeUndefined();
    const renewed = (await renewAnnotation(tenant, again[0]!, 60_000))!;
    expect(await refusal(completeAnnotation(store, tenant, again[0]!, done, actor))).toBe('conflict');
    expect(await refusal(completeAnnotation(store, tenant, renewed, done, actor))).toBe('none');
    expect(await refusal(completeAnnotation(store, tenant, renewed, done, actor))).toBe('conflict');
  });

  test('a result for an older version is dropped, and the newer version waits', async () => {
    await tenant.pool.query('update annotation set state = 2');
    await store.commit(tenant, [create(note('late', 'p', 'one'))], actor);
    const [old] = await claimAnnotations(tenant, 1, 60_000);
    await store.commit(tenant, [update(note('late', 'p', 'two'))], actor);
    const result = {
      state: 'done',
      pipeline: 'p1',
      annotation: {},
      resources: [fact('late-1', 'late')],
    } as const;
    expect(await refusal(completeAnnotation(store, tenant, old!, result, actor))).toBe('conflict');
    expect(await versionOf('late-1')).toBe('never');
    const [fresh] = await claimAnnotations(tenant, 1, 60_000);
    expect(fresh).toMatchObject({ documentId: 'late', version: 2, attempts: 1 });
    await completeAnnotation(store, tenant, fresh!, result, actor);
    expect(await versionOf('late-1')).toBe('update 1');
  });

  test('each end of an annotation leaves its state, and facts only where it was read', async () => {
    const end = async (id: string, result: Parameters<typeof completeAnnotation>[3]) => {
      await tenant.pool.query('update annotation set state = 2 where state in (0, 1)');
      await store.commit(tenant, [update(note(id, 'p', String(clock.now())))], actor);
      clock.advance(1);
      const [claimed] = await claimAnnotations(tenant, 1, 60_000);
      await completeAnnotation(store, tenant, claimed!, result, actor);
      return readAnnotation(tenant, id);
    };
    const annotation = { mentions: [{ start: 0, end: 4, text: 'äöü😀' }] };
    const done = await end('e', { state: 'done', pipeline: 'p1', annotation, resources: [fact('e-1', 'e')] });
    expect(done).toMatchObject({ state: 'done', version: 1, pipeline: 'p1', error: undefined, annotation });
    expect(await versionOf('e-1')).toBe('update 1');
    const failed = await end('e', { state: 'failed', pipeline: 'p1', error: 'timeout' });
    expect(failed).toMatchObject({ state: 'failed', version: 2, error: 'timeout', annotation: undefined });
    expect(await versionOf('e-1')).toBe('update 1');
    const retry = await end('e', { state: 'pending', error: 'unavailable' });
    expect(retry).toMatchObject({ state: 'pending', version: 3, attempts: 1 });
    const [again] = await claimAnnotations(tenant, 1, 60_000);
    expect(again).toMatchObject({ documentId: 'e', attempts: 2 });
    await completeAnnotation(store, tenant, again!, { state: 'no-text', pipeline: 'p1' }, actor);
    expect(await versionOf('e-1')).toBe('delete 2');
    expect(await readAnnotation(tenant, 'nothing')).toBeUndefined();
  });

  test('a newer pipeline has every document read again, and only those of an older one', async () => {
    await tenant.pool.query("update annotation set state = 2, pipeline = 'p1' where state <> 5");
    const n = (await countAnnotations(tenant)).done;
    expect(await requeueAnnotations(tenant, 'p1')).toBe(0);
    expect(await requeueAnnotations(tenant, 'p2')).toBe(n);
    expect((await countAnnotations(tenant)).pending).toBe(n);
  });
});
