import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Resource } from '../../src/core/resource.js';
import type { Store, Write } from '../../src/store/contract.js';
import type { Tenant } from '../../src/tenancy/tenant.js';
import { type TestSystem, testSystem } from '../support/system.js';

/** References in a tenant that asks for integrity. */
const actor = { id: 'test', kind: 'job' as const };
let system: TestSystem;
let store: Store;
let tenant: Tenant;

beforeAll(async () => {
  system = await testSystem({ tenants: ['a', 'loose'] });
  await system.tenants.setDefaults('a', { integrity: true });
  ({ store } = await system.rooms());
  tenant = await system.tenant('a');
});
afterAll(() => system.close());

const put = (resource: Record<string, unknown>): Write => ({
  op: 'update',
  type: resource.resourceType as string,
  id: resource.id as string,
  resource: resource as Resource,
});
const del = (type: string, id: string): Write => ({ op: 'delete', type, id });
const patient = (id: string, more = {}) => ({ resourceType: 'Patient', id, ...more });
const observation = (id: string, subject: string, more = {}) => ({
  resourceType: 'Observation',
  id,
  status: 'final',
  code: { text: 'x' },
  subject: { reference: subject },
  ...more,
});
const commit = (...writes: Write[]) => store.commit(tenant, writes, actor);

const REFUSED: [what: string, resource: Record<string, unknown>, at: string][] = [
  ['what was never here', observation('r1', 'Patient/nobody'), 'writes[0].subject.reference'],
  [
    'the same under our own base',
    observation('r2', 'http://cenote.test/fhir/a/Patient/nobody'),
    'writes[0].subject.reference',
  ],
  [
    'what was never here, from a list',
    patient('r3', { generalPractitioner: [{ display: 'x' }, { reference: 'Practitioner/none' }] }),
    'writes[0].generalPractitioner[1].reference',
  ],
  [
    'what was never here, from a contained resource',
    patient('r4', {
      contained: [{ resourceType: 'Provenance', id: 'c', agent: [{ who: { reference: 'Device/none' } }] }],
    }),
    'writes[0].contained[0].agent[0].who.reference',
  ],
  [
    'what was never here, from an extension',
    patient('r5', { extension: [{ url: 'urn:x', valueReference: { reference: 'Device/none' } }] }),
    'writes[0].extension[0].valueReference.reference',
  ],
];

const TAKEN: [what: string, resource: Record<string, unknown>][] = [
  ['an absolute address elsewhere', observation('t1', 'https://other.example/fhir/Patient/9')],
  ['an urn', observation('t2', 'urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0')],
  ['an identifier alone', { ...observation('t3', ''), subject: { identifier: { value: '1' } } }],
  ['a contained resource', { ...observation('t4', '#p'), contained: [{ resourceType: 'Patient', id: 'p' }] }],
  ['itself', patient('t5', { link: [{ other: { reference: 'Patient/t5' }, type: 'seealso' }] })],
  [
    'an entry of its own Bundle',
    {
      resourceType: 'Bundle',
      id: 't6',
      type: 'collection',
      entry: [{ resource: observation('x', 'Patient/y') }],
    },
  ],
];

describe('a tenant with integrity', () => {
  it.each(REFUSED)('refuses a reference to %s, and writes nothing', async (_what, resource, at) => {
    await expect(commit(put(resource))).rejects.toMatchObject({ category: 'precondition', at });
    expect(await store.read(tenant, resource.resourceType as string, resource.id as string)).toBeUndefined();
  });

  it.each(TAKEN)('takes a reference to %s', async (_what, resource) => {
    expect((await commit(put(resource)))[0]!.outcome).toBe('created');
  });

  it('takes references between the writes of one transaction, in any order and in circles', async () => {
    await commit(
      put({
        resourceType: 'Encounter',
        id: 'e1',
        status: 'finished',
        class: { code: 'AMB' },
        subject: { reference: 'Patient/p1' },
        diagnosis: [{ condition: { reference: 'Condition/c1' } }],
      }),
      put({
        resourceType: 'Condition',
        id: 'c1',
        subject: { reference: 'Patient/p1' },
        encounter: { reference: 'Encounter/e1' },
      }),
      put(patient('p1')),
    );
    expect((await store.read(tenant, 'Encounter', 'e1'))?.version).toBe(1);
  });

  it('names every write that dangles, each by its first reference', async () => {
    const error = await commit(
      put(observation('m1', 'Patient/none', { encounter: { reference: 'Encounter/none' } })),
      put(patient('m2')),
      put(observation('m3', 'Patient/none')),
    ).catch((e: unknown) => e as { at: string; also: { at: string }[] });
    expect(
      [error as { at: string }, ...(error as { also: { at: string }[] }).also].map(({ at }) => at),
    ).toEqual(['writes[0].subject.reference', 'writes[2].subject.reference']);
    expect(await store.read(tenant, 'Patient', 'm2')).toBeUndefined();
  });

  it('keeps what others refer to, until they are gone or go with it', async () => {
    await commit(put(patient('k1')), put(observation('k2', 'Patient/k1')));
    await expect(commit(del('Patient', 'k1'))).rejects.toMatchObject({
      category: 'conflict',
      at: 'writes[0]',
    });
    await commit(del('Observation', 'k2'), del('Patient', 'k1'));
    await expect(commit(put(observation('k3', 'Patient/k1')))).rejects.toMatchObject({
      category: 'precondition',
      message: expect.stringContaining('deleted'),
    });
    // A version that is named is kept, deleted or not.
    await commit(put(observation('k4', 'Patient/k1/_history/1')));
  });

  it('lets what an update no longer refers to be deleted', async () => {
    await commit(put(patient('u1')), put(patient('u2')), put(observation('u3', 'Patient/u1')));
    await commit(put(observation('u3', 'Patient/u2')));
    expect((await commit(del('Patient', 'u1')))[0]!.outcome).toBe('deleted');
  });

  it('never ends with a dangling reference when deletions and references race', async () => {
    const rounds = Array.from({ length: 12 }, (_, i) => i);
    await commit(...rounds.map((i) => put(patient(`race${i}`))));
    const outcomes = await Promise.all(
      rounds.map(async (i) => {
        const [deleted, referred] = await Promise.allSettled([
          commit(del('Patient', `race${i}`)),
          commit(put(observation(`race${i}`, `Patient/race${i}`))),
        ]);
        return [deleted.status, referred.status];
      }),
    );
    for (const pair of outcomes) expect([...pair].sort()).toEqual(['fulfilled', 'rejected']);
  });

  it('leaves other tenants as they are', async () => {
    const loose = await system.tenant('loose');
    await store.commit(loose, [put(observation('1', 'Patient/none'))], actor);
    await store.commit(loose, [put(patient('2')), put(observation('3', 'Patient/2'))], actor);
    await store.commit(loose, [del('Patient', '2')], actor);
  });
});
