import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Tenant } from '../../src/tenancy/tenant.js';
import { type TestSystem, testSystem } from '../support/system.js';
import { actor, create, note, observation, patient, remove, testStore, update } from './support.js';

let system: TestSystem;
let tenant: Tenant;
const { store, clock } = testStore();

beforeAll(async () => {
  system = await testSystem({ tenants: ['a'] });
  tenant = await system.tenant('a');
  const people = Array.from({ length: 60 }, (_, i) => [
    create(patient(`p${i}`)),
    create(observation(`o${i}`, `p${i}`, i)),
    create(note(`d${i}`, `p${i}`, 'Feels well.')),
  ]).flat();
  await store.commit(tenant, people, actor);
  clock.advance(1000);
  await store.commit(
    tenant,
    [update(observation('o1', 'p1', 50)), update(observation('o2', 'p3', 51))],
    actor,
  );
  await store.commit(tenant, [remove('Observation', 'o4'), remove('DocumentReference', 'd4')], actor);
  await store.commit(tenant, [create(observation('o4', 'p5', 52))], actor);
});
afterAll(() => system.close());

test('what the store wrote is consistent in every row', async () => {
  const seen: number[] = [];
  const report = await store.verify(tenant, { onProgress: (done, of) => seen.push(done / of) });
  expect(report.first).toEqual([]);
  expect(report).toMatchObject({ resources: 179, deleted: 1, versions: 185, total: 0, differences: {} });
  expect(report.indexRows).toBeGreaterThan(300);
  expect(seen.at(-1)).toBe(1);
});

const rid = (id: string) => tenant.keys.rid('Observation', id);

const damages: [what: string, sql: string, id: string, kinds: Record<string, number>][] = [
  [
    'an index row taken away',
    'delete from idx_date where ctid in (select ctid from idx_date where rid = $1 limit 1)',
    'o7',
    { 'index-missing': 1 },
  ],
  [
    'an index row altered',
    'update idx_quantity set lo = lo + 1 where ctid in (select ctid from idx_quantity where rid = $1 limit 1)',
    'o7',
    { 'index-missing': 1, 'index-extra': 1 },
  ],
  [
    'an index row twice',
    'insert into idx_reference select * from idx_reference where rid = $1 limit 1',
    'o7',
    { 'index-extra': 1 },
  ],
  [
    'an index row of nobody',
    'insert into idx_date select part, rtype, rid + 1, param, lo, hi from idx_date where rid = $1 limit 1',
    'o7',
    { 'index-extra': 1 },
  ],
  [
    'a row in clinical order taken away',
    'delete from idx_sorted where ctid in (select ctid from idx_sorted where rid = $1 limit 1)',
    'o7',
    { 'index-missing': 1 },
  ],
  [
    'a row in clinical order of nobody',
    'insert into idx_sorted (part, rtype, rid, term, at) select part, rtype, rid + 1, term, at from idx_sorted where rid = $1 limit 1',
    'o7',
    { 'index-extra': 1 },
  ],
  [
    'what leads to rows in clinical order',
    'update resource set sorted = sorted[2:] where rid = $1',
    'o7',
    { 'current-columns': 1 },
  ],
  [
    'a term added',
    'update resource set terms = terms || 7::bigint where rid = $1',
    'o7',
    { 'current-columns': 1 },
  ],
  [
    'a term taken away',
    'update resource set terms = terms[2:] where rid = $1',
    'o7',
    { 'current-columns': 1 },
  ],
  ['another clinical time', 'update resource set at = at + 1 where rid = $1', 'o7', { 'current-columns': 1 }],
  [
    'rolled back to an older version',
    'update resource set ver = v.ver, lu = v.lu, sid = v.sid, slot = v.slot from version v where resource.rid = $1 and v.rid = $1 and v.ver = 1',
    'o1',
    { 'current-version': 1 },
  ],
  [
    'a version taken out of the middle',
    'delete from version where rid = $1 and ver = 2',
    'o4',
    { 'version-chain': 1, audit: 1 },
  ],
  [
    'the newest version taken away',
    'delete from version where rid = $1 and ver = 2',
    'o1',
    { 'current-version': 1, audit: 1, 'unreferenced-body': 1 },
  ],
  [
    'a version moved in time',
    'update version set lu = lu - 1000000 where rid = $1 and ver = 2',
    'o1',
    { 'version-chain': 1, 'version-body': 1, 'current-version': 1, 'unreferenced-body': 1 },
  ],
  [
    'a body altered',
    'update segment set sealed = set_bit(sealed, 600, 1 - get_bit(sealed, 600)) where (part, sid) in (select part, sid from resource where rid = $1)',
    'o1',
    { body: 1, 'version-body': 1 },
  ],
  [
    'a body taken away',
    'delete from segment where (part, sid) in (select part, sid from resource where rid = $1)',
    'o1',
    { 'version-body': 1 },
  ],
  [
    'marked as deleted',
    'update resource set deleted = true where rid = $1',
    'o1',
    { 'current-version': 1, 'current-columns': 1 },
  ],
  [
    'a locator that leads elsewhere',
    'update locator set part = part + 1 where rid = $1',
    'o1',
    { locator: 1 },
  ],
  ['a locator taken away', 'delete from locator where rid = $1', 'o7', { locator: 1 }],
  [
    'an audit row altered',
    'update audit set sealed = set_bit(sealed, 300, 1 - get_bit(sealed, 300)) where part in (select part from resource where rid = $1)',
    'o7',
    { audit: 1, 'audit-chain': 1 },
  ],
  ['an annotation row taken away', 'delete from annotation where rid = $1', 'd7', { annotation: 1 }],
];
test.each(damages)('%s is found', async (_, sql, id, kinds) => {
  const key = id.startsWith('d') ? tenant.keys.rid('DocumentReference', id) : rid(id);
  const tables = [
    'idx_date',
    'idx_quantity',
    'idx_reference',
    'idx_sorted',
    'resource',
    'version',
    'segment',
    'locator',
    'audit',
    'annotation',
  ];
  const table = tables.find((t) => new RegExp(`^(delete from|update|insert into) ${t}\\b`).test(sql))!;
  // The tenant's own role could not do all of it: it adds to the audit log and cannot change it.
  const client = new pg.Client({ ...system.server, database: tenant.record.database });
  await client.connect();
  try {
    await client.query(`create temporary table kept as select * from ${table}`);
    expect((await client.query(sql, [key])).rowCount).toBeGreaterThan(0);
    const report = await store.verify(tenant);
    const found = { ...report.differences };
    for (const [kind, atLeast] of Object.entries(kinds)) {
      expect(
        found[kind as keyof typeof found] ?? 0,
        `${kind} in ${JSON.stringify(found)}`,
      ).toBeGreaterThanOrEqual(atLeast);
    }
    expect(report.first.length).toBeGreaterThan(0);
  } finally {
    await client.query(`delete from ${table}`);
    await client.query(`insert into ${table} select * from kept`);
    await client.query('drop table kept');
    await client.end();
  }
});

test('once the damage is undone nothing is found', async () => {
  expect((await store.verify(tenant)).total).toBe(0);
});
