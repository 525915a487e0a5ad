import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fixedClock } from '../../src/core/clock.js';
import { isFault } from '../../src/core/fault.js';
import { openTenants } from '../../src/tenancy/catalog.js';
import { asAdmin } from '../../src/tenancy/database.js';
import { openKeyFiles } from '../../src/tenancy/key-file.js';
import { createTenantDatabase, newTenantPlace } from '../../src/tenancy/tenant-database.js';
import { type TestSystem, testSystem } from '../support/system.js';

const clock = fixedClock(Date.UTC(2026, 0, 1));
let system: TestSystem;
beforeAll(async () => {
  system = await testSystem({ tenants: ['a', 'b'], clock });
});
afterAll(() => system.close());

const category = async (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'no fault',
    (error: unknown) => (isFault(error) ? error.category : `not a fault: ${error}`),
  );

describe('names', () => {
  const bad = ['', 'A', '1a', '-a', 'a_b', 'a.b', 'a/b', '..', 'a b', 'a'.repeat(41), "a'", 'ä', 'a\n'];
  test.each(bad)('%j is refused as the name of a tenant', async (name) => {
    expect(await category(system.tenants.create(name))).toBe('invalid');
    expect(await category(system.tenants.open(name))).toBe('not-found');
  });
});

describe('tenants', () => {
  test('are listed by name and found by it', async () => {
    const names = (await system.tenants.list()).map((t) => t.name);
    expect(names).toContain('a');
    expect(names).toContain('b');
    expect(await system.tenants.find('a')).toMatchObject({ name: 'a', state: 'active', epoch: 1 });
    expect(await system.tenants.find('nobody')).toBeUndefined();
  });

  test('of the same name created four at a time are exactly one', async () => {
    const outcomes = await Promise.all([1, 2, 3, 4].map(() => category(system.tenants.create('twin'))));
    expect(outcomes.sort()).toEqual(['conflict', 'conflict', 'conflict', 'no fault']);
    const { rows } = await system.tenants.control.query(
      `select count(*) as n from tenant where name = 'twin'`,
    );
    expect(rows[0].n).toBe(1n);
  });

  test('have databases of their own under roles of their own', async () => {
    const [a, b] = [await system.tenant('a'), await system.tenant('b')];
    expect(a.record.database).not.toBe(b.record.database);
    const { rows } = await a.pool.query('select current_user as who, current_database() as where');
    expect(rows[0].where).toBe(a.record.database);
    expect(rows[0].who).not.toBe(system.server.user);
  });

  test("cannot be connected to with another tenant's role", async () => {
    const [a, b] = [await system.tenant('a'), await system.tenant('b')];
    const { user, password } = a.pool.options;
    const attempt = asAdmin(
      { ...system.server, user: user as string, password: password as string, database: b.record.database },
      (client) => client.query('select 1'),
    );
    await expect(attempt).rejects.toMatchObject({ category: 'unavailable', cause: { code: '42501' } });
  });

  test('cannot change their own schema nor become another role', async () => {
    const { pool } = await system.tenant('a');
    const { record } = await system.tenant('b');
    await expect(pool.query('create table t (x int)')).rejects.toMatchObject({ code: '42501' });
    await expect(pool.query('drop table resource')).rejects.toMatchObject({ code: '42501' });
    await expect(pool.query(`delete from schema_migration`)).rejects.toMatchObject({ code: '42501' });
    await expect(pool.query(`set role ${system.server.user}`)).rejects.toMatchObject({ code: '42501' });
    await expect(pool.query(`set role ${record.database}`)).rejects.toMatchObject({ code: '42501' });
    await expect(pool.query(`copy locator to program 'cat'`)).rejects.toMatchObject({ code: '42501' });
  });

  test('seal with keys that open nothing of each other', async () => {
    const [a, b] = [await system.tenant('a'), await system.tenant('b')];
    const context = { purpose: 'body', bind: ['Patient', '1'] } as const;
    const sealed = a.keys.seal(Buffer.from('words'), context);
    expect(a.keys.open(sealed, context).toString()).toBe('words');
    expect(() => b.keys.open(sealed, context)).toThrow();
    expect(a.keys.blind('x')).not.toBe(b.keys.blind('x'));
  });

  test('keep their keys when opened by another process', async () => {
    const a = await system.tenant('a');
    const other = await openTenants({
      server: system.server,
      keys: openKeyFiles(`${system.dir}/keys`),
      clock,
    });
    try {
      const again = await other.open('a');
      expect(again.keys.blind('x')).toBe(a.keys.blind('x'));
      const context = { purpose: 'body', bind: [1] } as const;
      expect(again.keys.open(a.keys.seal(Buffer.from('words'), context), context).toString()).toBe('words');
    } finally {
      await other.close();
    }
  });

  test('are refused while suspended, in other processes after a second, and work again when resumed', async () => {
    await system.tenants.create('pause');
    const other = await openTenants({
      server: system.server,
      keys: openKeyFiles(`${system.dir}/keys`),
      clock,
    });
    try {
      await other.open('pause');
      await system.tenants.setState('pause', 'suspended');
      expect(await category(system.tenants.open('pause'))).toBe('forbidden');
      clock.advance(1_000);
      expect(await category(other.open('pause'))).toBe('forbidden');
      await system.tenants.setState('pause', 'active');
      expect(await category(other.open('pause'))).toBe('no fault');
    } finally {
      await other.close();
    }
  });

  test('without their key file are unavailable, and no new key is made', async () => {
    const keys = openKeyFiles(`${system.dir}/lost-keys`);
    const other = await openTenants({ server: system.server, keys, clock });
    try {
      expect(await category(other.open('a'))).toBe('unavailable');
    } finally {
      await other.close();
    }
  });

  test('whose wrapped keys were swapped in the control database do not open', async () => {
    const record = await system.tenants.create('swapped');
    const b = await system.tenants.find('b');
    const { control } = system.tenants;
    await control.query(
      `update tenant_key set wrapped = (select wrapped from tenant_key where tenant_id = $2 and purpose = 'body')
       where tenant_id = $1 and purpose = 'body'`,
      [record.id, b!.id],
    );
    expect(await category(system.tenants.open('swapped'))).toBe('integrity');
  });

  test('more than may be open make room, and those held go on working', async () => {
    const few = await openTenants({
      server: system.server,
      keys: openKeyFiles(`${system.dir}/keys`),
      clock,
      maxOpen: 1,
    });
    try {
      const a = await few.open('a');
      await few.open('b');
      await few.open('twin');
      expect((await a.pool.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
      expect(await few.open('a')).not.toBe(a);
    } finally {
      await few.close();
    }
  });
});

describe('connections', () => {
  test('of all tenants together stay within the budget; idle ones make room, and whoever must wait is served', async () => {
    const few = await openTenants({
      server: system.server,
      keys: openKeyFiles(`${system.dir}/keys`),
      clock,
      maxConnections: 5,
    });
    try {
      const tenants = [await few.open('a'), await few.open('b'), await few.open('twin')];
      let most = 0;
      const watch = setInterval(() => {
        most = Math.max(
          most,
          tenants.reduce((sum, t) => sum + t.pool.totalCount, 0),
        );
      }, 1);
      for (let round = 0; round < 3; round++) {
        const all = tenants.flatMap((t) =>
          Array.from({ length: 8 }, () => t.pool.query('select pg_sleep(0.01), current_database() as db')),
        );
        const dbs = (await Promise.all(all)).map((r) => r.rows[0].db);
        expect(dbs).toEqual(tenants.flatMap((t) => Array(8).fill(t.record.database)));
      }
      clearInterval(watch);
      expect(most).toBeGreaterThan(2);
      expect(most).toBeLessThanOrEqual(5);
    } finally {
      await few.close();
    }
  });
});

describe('a tenant connection', () => {
  test('reads int8 as bigint and int8[] as bigint[]', async () => {
    const { pool } = await system.tenant('a');
    const { rows } = await pool.query(
      `select $1::bigint as one, $2::bigint[] as many, '{}'::bigint[] as none, count(*) as n from tenant_epoch`,
      [-(2n ** 63n), [1n, -2n]],
    );
    expect(rows[0]).toEqual({ one: -(2n ** 63n), many: [1n, -2n], none: [], n: 1n });
  });

  const settings = [
    ['plan_cache_mode', 'auto'],
    ['statement_timeout', '1min'],
    ['lock_timeout', '2s'],
    ['idle_in_transaction_session_timeout', '30s'],
  ];
  test.each(settings)('has %s set to %s', async (name, value) => {
    const { pool } = await system.tenant('a');
    const { rows } = await pool.query(`show ${name}`);
    expect(rows[0][name as string]).toBe(value);
  });
});

test('a name nobody took is free again when its creation failed', async () => {
  const keys = openKeyFiles(`${system.dir}/${randomBytes(4).toString('hex')}`);
  const failing = await openTenants({
    server: system.server,
    clock,
    keys: { ...keys, wrap: async () => Promise.reject(new Error('the key provider went away')) },
  });
  try {
    await expect(failing.create('second-try')).rejects.toThrow('went away');
  } finally {
    await failing.close();
  }
  expect(await category(system.tenants.create('second-try'))).toBe('no fault');
});

describe('a creation that ended in between', () => {
  test('is cleared up by the next one: its key, database and role go, and nobody else’s', async () => {
    const keys = openKeyFiles(`${system.dir}/keys`);
    const id = randomUUID();
    const place = newTenantPlace();
    await keys.createKey(`tenant-${id}`);
    await createTenantDatabase(system.server, place);
    await system.tenants.control.query(
      `insert into tenant_making (id, key_provider, key_ref, database, role, started_at) values ($1, $2, $3, $4, $5, 0)`,
      [id, keys.kind, `tenant-${id}`, place.database, place.role],
    );
    // Another creation is under way meanwhile: what it has made already is not taken from it.
    let go = () => {};
    const held = new Promise<void>((resolve) => {
      go = resolve;
    });
    let reached = () => {};
    const madeKey = new Promise<void>((resolve) => {
      reached = resolve;
    });
    const slow = await openTenants({
      server: system.server,
      clock,
      keys: {
        ...keys,
        async wrap(...args) {
          reached();
          await held;
          return keys.wrap(...args);
        },
      },
    });
    try {
      const underWay = slow.create('under-way');
      await madeKey;
      await system.tenants.create('next');
      go();
      await underWay;
    } finally {
      await slow.close();
    }
    expect(await keys.hasKey(`tenant-${id}`)).toBe(false);
    const left = await asAdmin(system.server, (admin) =>
      admin.query(
        'select datname from pg_database where datname = $1 union all select rolname from pg_roles where rolname = $2',
        [place.database, place.role],
      ),
    );
    expect(left.rows).toEqual([]);
    expect((await system.tenants.control.query('select 1 from tenant_making')).rowCount).toBe(0);
    for (const name of ['a', 'next', 'under-way']) await system.tenant(name);
  });
});
