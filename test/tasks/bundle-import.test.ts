import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Resource } from '../../src/core/resource.js';
import { applyBundle, type BundleResult, ResolvedReferences } from '../../src/tasks/bundle.js';
import { checkAt } from '../../src/tasks/bundle-entry.js';
import { patient, type Served, serve } from '../http/served.js';

/** Bundles as an import applies them: ids kept, every resource an upsert, nothing written twice. */
let served: Served;
beforeAll(async () => {
  served = await serve();
});
afterAll(() => served.close());

const URN = 'urn:uuid:7d2f1d0a-0d8e-4f6f-9d26-0d1c1cbb3e01';
const UUID = URN.slice('urn:uuid:'.length);
const entry = (resource: unknown, fullUrl?: string, request?: Record<string, unknown>) => ({
  fullUrl,
  resource,
  request,
});
const post = (type: string, ifNoneExist?: string) => ({ method: 'POST', url: type, ifNoneExist });
const bundle = (type: string, ...entries: unknown[]): Resource => ({
  resourceType: 'Bundle',
  type,
  entry: entries,
});

function load(input: Resource, cache?: ResolvedReferences): Promise<BundleResult> {
  return applyBundle(served.rooms.bundles, served.tenant, structuredClone(input), {
    mode: 'import',
    actor: { id: 'import', kind: 'job' },
    base: served.base,
    cache,
  });
}
const read = async (type: string, id: string) =>
  (await served.rooms.store.read(served.tenant, type, id))?.resource;

describe('ids', () => {
  it.each([
    ['the resource’s own', { ...patient(), id: 'own-id' }, URN, 'own-id'],
    ['the UUID of the fullUrl', patient(), URN, UUID],
    ['the id in a RESTful fullUrl', patient(), 'https://source.example/fhir/Patient/p-77', 'p-77'],
  ])('are kept: %s', async (_what, resource, fullUrl, id) => {
    const { counts } = await load(bundle('transaction', entry(resource, fullUrl, post('Patient'))));
    expect(counts).toMatchObject({ created: 1, rejected: 0, byType: { Patient: 1 } });
    expect(await read('Patient', id)).toBeDefined();
  });

  it('are made of the content where there is none, so that a second run finds it', async () => {
    const twins = bundle(
      'collection',
      entry(patient({ gender: 'other' })),
      entry(patient({ gender: 'other' })),
    );
    expect((await load(twins)).counts).toMatchObject({ created: 2 });
    expect((await load(twins)).counts).toMatchObject({ created: 0, updated: 0, unchanged: 2 });
  });
});

describe('a second run', () => {
  const practice = bundle(
    'batch',
    entry(
      {
        resourceType: 'Organization',
        id: 'org-1',
        name: 'Clinic',
        identifier: [{ system: 'org', value: '1' }],
      },
      URN,
      post('Organization', 'identifier=org|1'),
    ),
    entry(
      { resourceType: 'Practitioner', id: 'dr-1', identifier: [{ system: 'npi', value: '1' }] },
      undefined,
      post('Practitioner', 'identifier=npi|1'),
    ),
    entry(
      {
        resourceType: 'PractitionerRole',
        id: 'role-1',
        organization: { reference: URN },
        practitioner: { reference: 'Practitioner?identifier=npi|1' },
      },
      undefined,
      post('PractitionerRole'),
    ),
  );

  it('writes nothing', async () => {
    expect((await load(practice)).counts).toMatchObject({ created: 3, rejected: 0 });
    expect((await load(practice)).counts).toMatchObject({ created: 0, updated: 0, unchanged: 3 });
    expect(await read('PractitionerRole', 'role-1')).toMatchObject({
      meta: { versionId: '1' },
      organization: { reference: 'Organization/org-1' },
      practitioner: { reference: 'Practitioner/dr-1' },
    });
  });

  it('with a change makes one version of what changed', async () => {
    const changed = structuredClone(practice) as unknown as {
      entry: { resource: Record<string, unknown> }[];
    };
    changed.entry[2]!.resource.active = true;
    expect((await load(changed as unknown as Resource)).counts).toMatchObject({ updated: 1, unchanged: 2 });
  });
});

describe('references', () => {
  it('by search are looked up once per job', async () => {
    const cache = new ResolvedReferences();
    const observation = (id: string) => ({
      resourceType: 'Observation',
      id,
      status: 'final',
      code: { text: 'x' },
      performer: [{ reference: 'Practitioner?identifier=npi|1' }],
    });
    await load(bundle('transaction', entry(observation('o1'), undefined, post('Observation'))), cache);
    await load(bundle('transaction', entry(observation('o2'), undefined, post('Observation'))), cache);
    expect(await read('Observation', 'o2')).toMatchObject({
      performer: [{ reference: 'Practitioner/dr-1' }],
    });
    expect(cache.get(`Practitioner?${new URLSearchParams({ identifier: 'npi|1' })}`)).toBe(
      'Practitioner/dr-1',
    );
  });

  it('to nothing fail a transaction as a whole, and one entry of anything else', async () => {
    const broken = (id: string) => ({
      resourceType: 'Basic',
      id,
      code: { text: 'x' },
      subject: { reference: 'Patient?identifier=mrn|none' },
    });
    const whole = { resourceType: 'Basic', id: 'whole-1', code: { text: 'x' } };
    const atomic = await load(
      bundle(
        'transaction',
        entry(whole, undefined, post('Basic')),
        entry(broken('b1'), undefined, post('Basic')),
      ),
    );
    expect(atomic.counts).toMatchObject({ created: 0 });
    expect(atomic.errors[0]!.fault.at).toBe('Bundle.entry[1].resource.subject.reference');
    expect(await read('Basic', 'whole-1')).toBeUndefined();
    const each = await load(bundle('collection', entry(broken('b2')), entry(whole), entry(broken('b3'))));
    expect(each.counts).toMatchObject({ created: 1, rejected: 2 });
    expect(each.errors.map((e) => e.entry)).toEqual([0, 2]);
  });

  it('to an entry the bundle lacks stay as they are', async () => {
    await load(
      bundle(
        'collection',
        entry({
          resourceType: 'Basic',
          id: 'dangling',
          code: { text: 'x' },
          subject: { reference: 'urn:uuid:7d2f1d0a-0d8e-4f6f-9d26-0d1c1cbb3eff' },
        }),
      ),
    );
    expect(await read('Basic', 'dangling')).toMatchObject({
      subject: { reference: 'urn:uuid:7d2f1d0a-0d8e-4f6f-9d26-0d1c1cbb3eff' },
    });
  });
});

describe('the level of validation', () => {
  it.each([
    ['strict', 0],
    ['structure', 1],
  ] as const)('%s takes %i of a code that a required binding has not', async (level, created) => {
    const odd = { ...patient({ gender: 'girl' }), id: `odd-${level}` };
    const { counts } = await applyBundle(
      served.rooms.bundles,
      served.tenant,
      bundle('collection', entry(odd)),
      {
        mode: 'import',
        actor: { id: 'import', kind: 'job' },
        base: served.base,
        check: checkAt(level),
      },
    );
    expect(counts).toMatchObject({ created, rejected: 1 - created });
  });
});

describe('what is refused', () => {
  it('in a transaction refuses all of it and names every fault', async () => {
    const { counts, errors } = await load(
      bundle(
        'transaction',
        entry({ resourceType: 'Basic', id: 'ok-1', code: { text: 'x' } }, undefined, post('Basic')),
        entry(patient({ birthDate: 'soon' }), undefined, post('Patient')),
        entry({ resourceType: 'Nothing' }),
      ),
    );
    expect(counts).toMatchObject({ created: 0, updated: 0, unchanged: 0 });
    expect(errors.map((e) => e.entry)).toEqual([1, 2]);
    expect(errors[0]!.fault.at).toBe('Bundle.entry[1].resource.birthDate');
    expect(await read('Basic', 'ok-1')).toBeUndefined();
  });

  it('elsewhere is one entry, and the rest goes on', async () => {
    const { counts, errors } = await load(
      bundle(
        'searchset',
        entry({ resourceType: 'Basic', id: 'ok-2', code: { text: 'x' } }),
        entry(patient({ birthDate: 'soon' })),
        { search: { mode: 'outcome' }, resource: { resourceType: 'OperationOutcome', issue: [] } },
        7,
      ),
    );
    expect(counts).toMatchObject({ created: 1, rejected: 2 });
    expect(errors.map((e) => e.entry)).toEqual([1, 3]);
  });

  it('is a history, as it holds no current resources', async () => {
    await expect(load(bundle('history'))).rejects.toThrow(/history/);
  });
});

it('of an id that stands twice keeps both as versions, the later one as the current', async () => {
  const basic = (text: string) => entry({ resourceType: 'Basic', id: 'twice', code: { text } });
  expect((await load(bundle('collection', basic('first'), basic('second')))).counts).toMatchObject({
    created: 1,
    updated: 1,
  });
  expect(await read('Basic', 'twice')).toMatchObject({ code: { text: 'second' }, meta: { versionId: '2' } });
});

it('makes one organisation of the same one in bundles that are loaded at once', async () => {
  const one = (id: string) =>
    bundle(
      'batch',
      entry(
        { resourceType: 'Organization', id, identifier: [{ system: 'org', value: 'race' }] },
        undefined,
        post('Organization', 'identifier=org|race'),
      ),
    );
  const results = await Promise.all(Array.from({ length: 8 }, (_, i) => load(one(`race-${i}`))));
  expect(results.reduce((n, r) => n + r.counts.created, 0)).toBe(1);
});
