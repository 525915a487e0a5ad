import { deflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Resource, StoredResource } from '../../src/core/resource.js';
import { findSearchParameter } from '../../src/fhir/registry.js';
import { sortFieldOf, sortLine, sortText, textAt } from '../../src/indexing/index.js';
import { createSearch, type Search } from '../../src/search/search.js';
import type { RowKey, Store } from '../../src/store/contract.js';
import { openSegment, type SegmentRow } from '../../src/store/segment.js';
import { dictionaryOf, NEWEST_DICTIONARY } from '../../src/store/vocabulary.js';
import type { Tenant } from '../../src/tenancy/tenant.js';
import { type TestSystem, testSystem } from '../support/system.js';

/** The texts that results are sorted by stand beside the bodies, so that these need not be opened. */

const actor = { id: 'test', kind: 'job' as const };
let system: TestSystem;
let tenant: Tenant;
let store: Store;
let search: Search;
let base: string;
/** Bodies that searches opened. */
let opened = 0;

const FAMILIES = [
  'Zhang',
  'Ångström',
  'angler',
  'Öz',
  'de la Cruz',
  'O’Neil',
  'Müller',
  'muller',
  'Ñandú',
  'Abel',
];
const patients: Resource[] = FAMILIES.map((family, i) => ({
  resourceType: 'Patient',
  id: `p${i}`,
  birthDate: `19${50 + ((i * 7) % 40)}-01-01`,
  name: [{ family, given: [`G${i % 3}`] }, ...(i % 4 === 0 ? [{ family: 'Zz' }] : [])],
}));
const conditions: Resource[] = Array.from({ length: 40 }, (_, i) => ({
  resourceType: 'Condition',
  id: `c${i}`,
  subject: { reference: `Patient/p${i % 10}` },
  code: { text: `Text ${(i * 17) % 23}` },
  ...(i % 6 === 0 ? {} : { recordedDate: `20${10 + ((i * 5) % 13)}-01-01` }),
}));

beforeAll(async () => {
  system = await testSystem({ tenants: ['a'] });
  const rooms = await system.rooms();
  ({ store } = rooms);
  tenant = await system.tenant('a');
  base = rooms.baseOf(tenant);
  const counted: Store = {
    ...store,
    readRows(of: Tenant, rows: readonly RowKey[]): Promise<StoredResource[]> {
      opened += rows.length;
      return store.readRows(of, rows);
    },
  };
  search = createSearch({ store: counted, clock: system.clock });
  await store.commit(
    tenant,
    [...patients, ...conditions].map((resource) => ({
      op: 'create',
      type: resource.resourceType,
      id: resource.id!,
      resource,
    })),
    actor,
  );
});

afterAll(() => system.close());

async function page(type: string, query: string): Promise<{ ids: string[]; opened: number }> {
  opened = 0;
  const { entries } = await search.search(tenant, {
    type,
    params: [...new URLSearchParams(query)],
    strict: true,
    base,
  });
  return { ids: entries.map((e) => e.resource.id!), opened };
}

const QUERIES: readonly [type: string, query: string][] = [
  ['Patient', '_sort=family'],
  ['Patient', '_sort=-family,given'],
  ['Patient', '_sort=given,-birthdate'],
  ['Patient', '_sort=-name'],
  ['Condition', '_sort=code'],
  ['Condition', '_sort=-code,recorded-date'],
  ['Condition', '_sort=code,-recorded-date,-_lastUpdated'],
  ['Condition', 'patient=p1&_sort=-code'],
];

test.each(QUERIES)(
  '%s?%s opens the bodies of the page alone, and gives the order that opening them gives',
  async (type, query) => {
    const all = await page(type, `${query}&_count=50`);
    const first = await page(type, `${query}&_count=3`);
    expect(first.opened).toBeLessThanOrEqual(3);
    expect(first.ids).toEqual(all.ids.slice(0, 3));
    if (type !== 'Patient') return;
    // A clause that is rechecked has all of them opened.
    const some = await page(type, `name:contains=z&${query}&_count=50`);
    expect(some.opened).toBeGreaterThan(some.ids.length);
    expect(some.ids).toEqual(all.ids.filter((id) => some.ids.includes(id)));
  },
);

test('what a release of before wrote has no texts beside its bodies, and is sorted all the same', async () => {
  const before = await Promise.all(QUERIES.map(([type, query]) => page(type, `${query}&_count=50`)));
  const { keys } = tenant;
  const { rows } = await tenant.pool.query<SegmentRow>(
    'select s.part, s.sid, s.bind, s.sealed, s.owner, pk.wv, pk.wrapped from segment s left join patient_key pk on pk.part = s.part and pk.owner = s.owner order by s.sid',
  );
  for (const [i, row] of rows.entries()) {
    // One in two stays.
    if (i % 2 === 0) continue;
    const members = openSegment(keys, row);
    const list = members
      .map((m) => `${m.type}/${m.id}/${m.version}/${m.lastUpdated}/${m.content.length}\n`)
      .join('');
    const packed = deflateRawSync(`${list}\n${members.map((m) => m.content).join('')}`, {
      dictionary: dictionaryOf(NEWEST_DICTIONARY),
    });
    const patient =
      row.owner === null
        ? undefined
        : keys.openPatientKey({ owner: row.owner, wv: row.wv!, wrapped: row.wrapped! });
    const sealed = keys.seal(Buffer.concat([Buffer.of(NEWEST_DICTIONARY), packed]), {
      purpose: 'body',
      bind: [row.part, row.sid, row.bind],
      patient,
    });
    await tenant.pool.query('update segment set sealed = $3 where part = $1 and sid = $2', [
      row.part,
      row.sid,
      sealed,
    ]);
  }
  const after = await Promise.all(QUERIES.map(([type, query]) => page(type, `${query}&_count=50`)));
  expect(after.map((p) => p.ids)).toEqual(before.map((p) => p.ids));
  expect((await store.verify(tenant)).differences).toEqual({});
});

const CODES = ['family', 'given', 'name'];
const words = fc.array(
  fc.oneof(
    fc.string({ unit: 'binary', maxLength: 150 }),
    fc.constantFrom('Ann', 'ann\t', 'Ä\n', '\u001f', ''),
  ),
  { maxLength: 3 },
);

test('a line gives for each parameter what the resource itself gives, whatever it holds', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ family: fc.string({ unit: 'binary' }), given: words }), { maxLength: 3 }),
      (name) => {
        const resource: Resource = { resourceType: 'Patient', name };
        const line = sortLine(resource);
        expect(line).not.toContain('\n');
        expect(Buffer.from(line, 'utf8').toString('utf8')).toBe(line);
        for (const code of CODES)
          for (const descending of [false, true]) {
            const parameter = findSearchParameter('Patient', code)!;
            expect(textAt(line, sortFieldOf(parameter), descending)).toBe(
              sortText(parameter, resource, descending),
            );
          }
      },
    ),
  );
});
