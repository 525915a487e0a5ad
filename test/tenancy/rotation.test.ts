import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fixedClock } from '../../src/core/clock.js';
import { type Catalog, openTenants } from '../../src/tenancy/catalog.js';
import { asAdmin } from '../../src/tenancy/database.js';
import { openKeyFiles } from '../../src/tenancy/key-file.js';
import { KEY_CACHE_MS, KEY_NOTICE_MS } from '../../src/tenancy/key-rows.js';
import { sealedKeyVersion } from '../../src/tenancy/seal.js';
import { type TestSystem, testSystem } from '../support/system.js';

const clock = fixedClock(Date.UTC(2026, 0, 1));
const context = { purpose: 'body', bind: ['Patient', 'p1', 1] } as const;
let system: TestSystem;
let other: Catalog;
const keyFolder = () => join(system.dir, 'keys');
const elsewhere = () => openTenants({ server: system.server, keys: openKeyFiles(keyFolder()), clock });
beforeAll(async () => {
  system = await testSystem({ tenants: ['a', 'b', 'doomed'], clock });
  other = await elsewhere();
});
afterAll(async () => {
  await other.close();
  await system.close();
});

describe.each(['customer', 'tenant', 'body'] as const)('rotating the %s key', (level) => {
  test('leaves what was sealed before readable, here, in open processes and in new ones', async () => {
    const before = await system.tenant('a');
    const open = await other.open('a');
    const sealed = before.keys.seal(Buffer.from('before'), context);
    const term = before.keys.blind('term');
    const rotation = await system.tenants.rotateKey('a', level);
    expect(rotation.level).toBe(level);
    clock.advance(KEY_CACHE_MS + KEY_NOTICE_MS);
    const fresh = await elsewhere();
    try {
      for (const tenant of [
        before,
        open,
        await system.tenant('a'),
        await other.open('a'),
        await fresh.open('a'),
      ]) {
        expect(tenant.keys.open(sealed, context).toString()).toBe('before');
        expect(tenant.keys.blind('term')).toBe(term);
        expect((await tenant.pool.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
      }
    } finally {
      await fresh.close();
    }
  });

  test('changes no other tenant', async () => {
    const rows = () =>
      system.tenants.control
        .query(
          `select k.* from tenant_key k join tenant t on t.id = k.tenant_id where t.name = 'b' order by 2, 3`,
        )
        .then((r) => r.rows);
    const before = await rows();
    await system.tenants.rotateKey('a', level);
    expect(await rows()).toEqual(before);
  });

  test('by four at once happens four times, one after the other', async () => {
    await Promise.all([system.tenants, other, system.tenants, other].map((c) => c.rotateKey('b', level)));
    const fresh = await elsewhere();
    try {
      expect((await fresh.open('b')).record.name).toBe('b');
    } finally {
      await fresh.close();
    }
  });
});

test('a new customer key is one, the former one opens the tenant no more', async () => {
  const keys = openKeyFiles(keyFolder());
  const before = (await system.tenants.control.query(`select key_ref from tenant where name = 'a'`)).rows[0]
    .key_ref;
  const rotation = await system.tenants.rotateKey('a', 'customer');
  expect(rotation.superseded).toBe(before);
  expect(rotation.to).not.toBe(before);
  await keys.destroyKey(before);
  const fresh = await elsewhere();
  try {
    await fresh.open('a');
  } finally {
    await fresh.close();
  }
});

test('a new body key seals nothing before every process can have loaded it', async () => {
  await system.tenants.create('bodies');
  const version = async (catalog: Catalog) => (await catalog.open('bodies')).keys.currentVersion;
  expect(await version(other)).toBe(1);
  await system.tenants.rotateKey('bodies', 'body');
  const fresh = await elsewhere();
  try {
    expect(await version(fresh)).toBe(1);
    clock.advance(KEY_CACHE_MS);
    // The process that was open has loaded it now, and still nobody uses it.
    expect([await version(other), await version(fresh)]).toEqual([1, 1]);
    clock.advance(KEY_NOTICE_MS - KEY_CACHE_MS);
    const third = await elsewhere();
    const sealed = (await third.open('bodies')).keys.seal(Buffer.from('new'), context);
    expect(await version(third)).toBe(2);
    await third.close();
    expect((await other.open('bodies')).keys.open(sealed, context).toString()).toBe('new');
  } finally {
    await fresh.close();
  }
});

test.each(['audit', 'export'] as const)(
  'a new %s key leaves what is under the former readable',
  async (purpose) => {
    const name = `of-${purpose}`;
    await system.tenants.create(name);
    const bound = { purpose, bind: ['x'] };
    const tenant = await system.tenant(name);
    const before = tenant.keys.seal(Buffer.from('before'), bound);
    const mac = tenant.keys.auditMac(1, Buffer.from('row'));
    expect(await system.tenants.rotateKey(name, purpose)).toMatchObject({ level: purpose, to: '2' });
    clock.advance(KEY_NOTICE_MS);
    const { keys } = await system.tenant(name);
    const after = keys.seal(Buffer.from('after'), bound);
    expect([sealedKeyVersion(before), sealedKeyVersion(after)]).toEqual([1, 2]);
    expect(keys.auditVersion).toBe(purpose === 'audit' ? 2 : 1);
    for (const opened of [keys, (await other.open(name)).keys]) {
      expect([opened.open(before, bound), opened.open(after, bound)].map(String)).toEqual([
        'before',
        'after',
      ]);
      expect(opened.auditMac(1, Buffer.from('row')).equals(mac)).toBe(true);
    }
  },
);

test('an export key is destroyed when no file can be under it any more', async () => {
  await system.tenants.create('files');
  const versions = async () =>
    (
      await system.tenants.control.query(
        `select k.version from tenant_key k join tenant t on t.id = k.tenant_id
         where t.name = 'files' and k.purpose = 'export' order by 1`,
      )
    ).rows.map((row) => row.version);
  await system.tenants.rotateKey('files', 'export');
  clock.advance(30 * 86_400_000);
  await system.tenants.rotateKey('files', 'export');
  expect(await versions()).toEqual([1, 2, 3]);
  clock.advance(30 * 86_400_000);
  await system.tenants.rotateKey('files', 'export');
  expect(await versions()).toEqual([2, 3, 4]);
});

describe('a shredded tenant', () => {
  test('is gone at once here, within a second elsewhere, and nothing of it opens, whatever copy there is', async () => {
    const record = (await system.tenants.find('doomed'))!;
    const open = await other.open('doomed');
    const { rows: copy } = await system.tenants.control.query(
      'select * from tenant_key where tenant_id = $1',
      [record.id],
    );
    const keyRef = (
      await system.tenants.control.query('select key_ref from tenant where id = $1', [record.id])
    ).rows[0].key_ref;
    expect((await system.tenants.shred('doomed')).keyDestroyed).toBe(true);
    await expect(system.tenants.open('doomed')).rejects.toMatchObject({ category: 'gone' });
    clock.advance(1_000);
    await expect(other.open('doomed')).rejects.toMatchObject({ category: 'gone' });
    await expect(open.pool.query('select 1')).rejects.toThrow();
    // The backup: its wrapped keys need the customer's key, which is nowhere any more.
    const keys = openKeyFiles(keyFolder());
    expect(readdirSync(keyFolder()).filter((name) => name.includes(record.id))).toEqual([]);
    for (const row of copy)
      await expect(
        keys.unwrap(keyRef, row.wrapped, `tenant ${record.id} ${row.version}`),
      ).rejects.toMatchObject({
        category: 'unavailable',
      });
    const { rowCount } = await asAdmin(system.server, (c) =>
      c.query(
        'select 1 from pg_database where datname = $1 union all select 1 from pg_roles where rolname = $1',
        [record.database],
      ),
    );
    expect(rowCount).toBe(0);
  });

  test('stays in the catalog as such; its name is not given again', async () => {
    expect(await system.tenants.find('doomed')).toMatchObject({ state: 'shredded' });
    await expect(system.tenants.create('doomed')).rejects.toMatchObject({ category: 'conflict' });
    await expect(system.tenants.setState('doomed', 'active')).rejects.toMatchObject({
      category: 'not-found',
    });
    await expect(system.tenants.rotateKey('doomed', 'tenant')).rejects.toMatchObject({ category: 'gone' });
  });

  test('may be shredded again, which finishes what was left undone', async () => {
    expect((await system.tenants.shred('doomed')).keyDestroyed).toBe(false);
  });

  test('of another name is none', async () => {
    await expect(system.tenants.shred('nobody')).rejects.toMatchObject({ category: 'not-found' });
  });
});
