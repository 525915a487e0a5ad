import { appendFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { type AdminAudit, createAdminAudit } from '../../src/tenancy/admin-audit.js';
import { type TestSystem, testSystem } from '../support/system.js';

/** S-54 for what administrators do: whatever is taken, added or changed is named by its first place. */
let system: TestSystem;
let acts: AdminAudit;
let anchors: string;

beforeAll(async () => {
  system = await testSystem({ tenants: [] });
});
afterAll(() => system.close());

const open = () =>
  createAdminAudit({
    control: system.tenants.control,
    clock: system.clock,
    keyFile: join(system.dir, 'control-audit.key'),
    anchorDir: join(system.dir, 'anchors'),
  });
const sql = (text: string) => system.tenants.control.query(text);

beforeEach(async () => {
  await sql('delete from admin_audit');
  await sql("update admin_audit_head set seq = 0, chain = ''");
  anchors = join(system.dir, 'anchors', 'administration.jsonl');
  rmSync(anchors, { force: true });
  acts = open();
  for (let i = 1; i <= 5; i++)
    await acts.record({ subject: 'ops', action: 'tenant-create', tenant: `t${i}`, outcome: 'done' });
});

it('agrees with itself, in another process too, and lists the newest first', async () => {
  expect(await open().verify()).toEqual({ rows: 5, broken: [] });
  const listed = await acts.list(2);
  expect(listed.map(({ seq, tenant }) => [seq, tenant])).toEqual([
    [5, 't5'],
    [4, 't4'],
  ]);
  expect((await acts.list(10, 4)).map(({ seq }) => seq)).toEqual([3, 2, 1]);
});

it('keeps its order when several write at once', async () => {
  const other = open();
  await Promise.all(
    Array.from({ length: 20 }, (_, i) =>
      (i % 2 ? acts : other).record({ subject: `s${i}`, action: 'client-register', outcome: 'begun' }),
    ),
  );
  expect(await acts.verify()).toEqual({ rows: 25, broken: [] });
});

const HEAD = 'update admin_audit_head h set seq = a.seq, chain = a.chain from admin_audit a where a.seq =';
it.each([
  [
    'a row altered',
    "update admin_audit set entry = replace(entry, 'ops', 'ops2') where seq = 3",
    'row 3: is not what was written there',
  ],
  [
    'a time altered',
    'update admin_audit set at = at - 1 where seq = 2',
    'row 2: is not what was written there',
  ],
  ['a row taken out', 'delete from admin_audit where seq = 2', 'row 2: is missing'],
  ['the first row taken out', 'delete from admin_audit where seq = 1', 'row 1: is missing'],
  [
    'the newest taken off',
    'delete from admin_audit where seq = 5',
    'row 5: is missing, though it was anchored',
  ],
  [
    'the newest taken off with the end',
    `delete from admin_audit where seq >= 4; ${HEAD} 3`,
    'row 4: is missing, though it was anchored',
  ],
  [
    'two rows in each other’s place',
    'update admin_audit a set entry = b.entry, at = b.at from admin_audit b where a.seq + b.seq = 5 and a.seq in (2, 3)',
    'row 2: is not what was written there',
  ],
  [
    'a row put at the end',
    'insert into admin_audit select 6, at, entry, chain from admin_audit where seq = 5',
    'row 6: is not what was written there',
  ],
  [
    'everything taken',
    "delete from admin_audit; update admin_audit_head set seq = 0, chain = ''",
    'row 1: is missing, though it was anchored',
  ],
])('names the place of %s', async (_what, statement, place) => {
  await sql(statement);
  expect((await acts.verify()).broken[0]).toBe(`administration ${place}`);
});

it('names an anchor that was altered, and misses anchors that are gone', async () => {
  const lines = readFileSync(anchors, 'utf8');
  writeFileSync(anchors, lines.replace('"seq":2', '"seq":7'));
  expect((await acts.verify()).broken).toContain('administration anchor 2');
  writeFileSync(anchors, lines);
  appendFileSync(anchors, 'nonsense\n');
  expect((await acts.verify()).broken).toContain('administration anchor 6');
  for (let i = 0; i < 40; i++) await acts.record({ subject: 'ops', action: 'migrate', outcome: 'done' });
  rmSync(anchors);
  expect((await acts.verify()).broken).toEqual(['administration anchors: the newest are missing']);
});

it('refuses what it cannot write down', async () => {
  await sql('alter table admin_audit rename to away');
  try {
    await expect(
      acts.record({ subject: 'ops', action: 'tenant-create', outcome: 'begun' }),
    ).rejects.toMatchObject({ category: 'unavailable' });
  } finally {
    await sql('alter table away rename to admin_audit');
  }
});
