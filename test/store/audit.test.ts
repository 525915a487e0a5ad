import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createAccessLog } from '../../src/store/access-log.js';
import { createAuditAnchors } from '../../src/store/audit-anchor.js';
import type { Tenant } from '../../src/tenancy/tenant.js';
import { type TestSystem, testSystem } from '../support/system.js';
import { actor, create, observation, patient, refusal, remove, testStore, update } from './support.js';

let system: TestSystem;
let tenant: Tenant;
let admin: pg.Client;
const { store, clock } = testStore();
const directory = mkdtempSync(join(tmpdir(), 'cenote-anchors-'));
const anchors = createAuditAnchors({ directory, clock });
const log = createAccessLog({ durable: false });

beforeAll(async () => {
  system = await testSystem({ tenants: ['a'] });
  tenant = await system.tenant('a');
  admin = new pg.Client({ ...system.server, database: tenant.record.database });
  await admin.connect();
  // One by one, together, and as many as are copied: each has its own way into the tables.
  await store.commit(tenant, [create(patient('p1'))], actor);
  await store.commit(
    tenant,
    Array.from({ length: 150 }, (_, i) => create(observation(`o${i}`, `p${i % 3}`, i))),
    actor,
  );
  await Promise.all(
    Array.from({ length: 40 }, (_, i) =>
      store.commit(tenant, [create(observation(`x${i}`, 'p1', i))], actor),
    ),
  );
  await store.commit(tenant, [update(observation('o1', 'p1', 99)), remove('Observation', 'o2')], actor);
  await Promise.all(Array.from({ length: 300 }, (_, i) => log.record(tenant, access(`c${i}`))));
});
afterAll(async () => {
  await admin.end();
  await system.close();
  rmSync(directory, { recursive: true });
});

const access = (id: string) => ({
  actor: { id, kind: 'client' as const },
  at: clock.now(),
  interaction: 'read',
  type: 'Patient',
  status: 200,
  resources: [['Patient', 'p1', '1'] as const],
  patients: ['p1'],
});

async function chainFaults(): Promise<string[]> {
  const { ends, broken } = await anchors.read(tenant);
  const report = await store.verify(tenant, { anchors: ends });
  return [...broken, ...report.first.filter((d) => d.kind === 'audit-chain').map((d) => d.place)];
}

test('every way of writing leaves rows that stand in a chain', async () => {
  expect(await chainFaults()).toEqual([]);
  const { rows } = await tenant.pool.query('select count(*) as n from audit where seq is null');
  expect(Number(rows[0].n)).toBe(0);
  const report = await store.verify(tenant);
  expect(report.auditStrands).toBeGreaterThan(3);
  expect(report.total).toBe(0);
});

test('accesses of one moment share a row, and none is lost', async () => {
  const { rows } = await tenant.pool.query('select count(*) as n from audit where part = 16384');
  expect(Number(rows[0].n)).toBeGreaterThanOrEqual(2);
  expect(Number(rows[0].n)).toBeLessThan(300);
});

test("the tenant's own role cannot change or take away what the log says", async () => {
  for (const sql of ['delete from audit', 'update audit set at = 0'])
    await expect(tenant.pool.query(sql)).rejects.toMatchObject({ code: '42501' });
});

const tampering: [what: string, sql: string, why: RegExp][] = [
  [
    'a row is altered',
    'update audit set sealed = set_bit(sealed, 400, 1 - get_bit(sealed, 400))',
    /is not what/,
  ],
  ['a row is taken away', 'delete from audit', /row \d+: is missing/],
  ['a row is dated otherwise', 'update audit set at = at + 1', /is not what/],
  [
    'rows are taken away and the end is mended',
    'with gone as (delete from audit TARGET returning part, strand) update audit_head h set seq = h.seq - 1 from gone where h.part = gone.part and h.strand = gone.strand',
    /audit strand/,
  ],
];
test.each(tampering)('the first broken link is named where %s', async (_, sql, why) => {
  const target = `where aid in (select aid from audit where part = 16384 order by strand, seq limit 1)`;
  await admin.query('create temporary table kept as select * from audit');
  await admin.query('create temporary table kept_head as select * from audit_head');
  try {
    await admin.query(sql.includes('TARGET') ? sql.replace('TARGET', target) : `${sql} ${target}`);
    const faults = await chainFaults();
    expect(faults).toHaveLength(1);
    expect(faults[0]).toMatch(why);
    expect(faults[0]).toMatch(/16384\/\d+ row 1/);
  } finally {
    await admin.query('truncate audit; insert into audit select * from kept; drop table kept');
    await admin.query(
      'truncate audit_head; insert into audit_head select * from kept_head; drop table kept_head',
    );
  }
});

test('a row put into the log without the key has no place', async () => {
  await admin.query(
    `insert into audit (part, at, aid, kv, sealed) select part, at + 1, gen_random_uuid(), kv, sealed from audit limit 1`,
  );
  expect(await chainFaults()).toEqual([expect.stringMatching(/has no place in the chain/)]);
  await admin.query('delete from audit where seq is null');
});

test('an end cut off together with the table of ends is told by the anchor', async () => {
  clock.advance(1);
  expect(await anchors.anchor(tenant)).toBe(true);
  expect(await anchors.anchor(tenant)).toBe(false);
  clock.advance(1000);
  await log.record(tenant, access('late'));
  expect(await anchors.anchor(tenant)).toBe(true);
  expect(await chainFaults()).toEqual([]);
  await admin.query('create temporary table kept as select * from audit');
  await admin.query('create temporary table kept_head as select * from audit_head');
  const { rows } = await admin.query(
    `delete from audit a where at = (select max(at) from audit) returning part, strand, seq`,
  );
  const [{ part, strand, seq }] = rows;
  await admin.query(
    seq === '1'
      ? `delete from audit_head where part = ${part} and strand = ${strand}`
      : `update audit_head h set seq = h.seq - 1, chain = (select chain from audit where part = h.part and strand = h.strand and seq = h.seq - 1) where part = ${part} and strand = ${strand}`,
  );
  expect(await chainFaults()).toEqual([
    `audit strand ${part}/${strand} row ${seq}: is missing, though it was anchored`,
  ]);
  await admin.query('truncate audit; insert into audit select * from kept; drop table kept');
  await admin.query(
    'truncate audit_head; insert into audit_head select * from kept_head; drop table kept_head',
  );
  expect(await chainFaults()).toEqual([]);
});

test('an anchor file that was cut or altered is told', async () => {
  const file = join(directory, `${tenant.record.id}.jsonl`);
  const text = readFileSync(file, 'utf8');
  const lines = text.trimEnd().split('\n');
  writeFileSync(file, `${lines[0]}\n`);
  expect(await chainFaults()).toEqual(['audit anchor: the last one is missing']);
  writeFileSync(file, text.replace(/"at":(\d)/, '"at":9'));
  expect((await chainFaults())[0]).toBe('audit anchor 1');
  writeFileSync(file, text);
  expect(await chainFaults()).toEqual([]);
});

test('where the log cannot be written, the access is refused', async () => {
  await admin.query(`revoke insert on audit from ${tenant.record.database}`);
  expect(await refusal(log.record(tenant, access('x')))).toContain('unavailable');
  await admin.query(`grant insert on audit to ${tenant.record.database}`);
  await log.record(tenant, access('y'));
});
