import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Catalog, openTenants } from '../../src/tenancy/catalog.js';
import { asAdmin } from '../../src/tenancy/database.js';
import { openKeyFiles } from '../../src/tenancy/key-file.js';
import type { Tenant } from '../../src/tenancy/tenant.js';
import { type TestSystem, testSystem } from '../support/system.js';

/** `CENOTE_TEST_TENANTS=50 CENOTE_TEST_STEPS=5000` for the long run. */
const TENANTS = Number(process.env.CENOTE_TEST_TENANTS ?? 6);
const STEPS = Number(process.env.CENOTE_TEST_STEPS ?? 132);
const AT_ONCE = 8;

let system: TestSystem;
/** Keeps few tenants open, so that opening and making room happen all the time. */
let narrow: Catalog;
const names = Array.from({ length: TENANTS }, (_, i) => `t${i}`);
const canary = (name: string): string => `canary of ${name} ${'x'.repeat(40)}`;
const context = (name: string) => ({ purpose: 'body', bind: ['canary', name] }) as const;

beforeAll(async () => {
  system = await testSystem({ tenants: names.slice(0, 2) });
  for (const name of names.slice(2)) await system.tenants.create(name);
  narrow = await openTenants({
    server: system.server,
    keys: openKeyFiles(join(system.dir, 'keys')),
    clock: system.clock,
    maxOpen: 3,
  });
  for (const name of names) {
    const tenant = await narrow.open(name);
    await tenant.pool.query('insert into segment (part, sid, kv, bind, sealed) values (0, 1, 1, 0, $1)', [
      tenant.keys.seal(Buffer.from(canary(name)), context(name)),
    ]);
  }
});
afterAll(async () => {
  await narrow.close();
  await system.close();
});

/** The canary that this connection and these keys yield. */
async function readCanary(tenant: Tenant): Promise<string> {
  const { rows } = await tenant.pool.query<{ sealed: Buffer; where: string }>(
    'select sealed, current_database() as where from segment where sid = 1',
  );
  expect(rows).toHaveLength(1);
  expect(rows[0]!.where).toBe(tenant.record.database);
  return tenant.keys.open(rows[0]!.sealed, context(tenant.record.name)).toString();
}

type Mischief = (tenant: Tenant, neighbour: Tenant) => Promise<void>;

/** What goes wrong in the middle of somebody's work. Each may fail; none may change what anybody reads afterwards. */
const MISCHIEF: Readonly<Record<string, Mischief>> = {
  async 'a statement with an error'({ pool }) {
    await pool.query('select nothing from nowhere');
  },
  async 'an error in a transaction, connection given back as it is'({ pool }) {
    const client = await pool.connect();
    try {
      await client.query('begin');
      await client.query('insert into segment (part, sid, kv, bind, sealed) values (0, 1, 1, 0, $1)', [
        Buffer.of(1),
      ]);
    } finally {
      client.release();
    }
  },
  async 'a transaction left open with a setting and a temporary table'({ pool }) {
    const client = await pool.connect();
    await client.query('begin');
    await client.query(`set local search_path to pg_temp`);
    await client.query('create temporary table segment (sid bigint, sealed bytea) on commit drop');
    await client.query('rollback');
    client.release();
  },
  async 'a statement that takes too long'({ pool }) {
    const client = await pool.connect();
    try {
      await client.query('begin');
      await client.query('set local statement_timeout = 5');
      await client.query('select pg_sleep(1)');
    } finally {
      await client.query('rollback');
      client.release();
    }
  },
  async 'a connection cut by the server'({ pool }) {
    const client = await pool.connect();
    client.on('error', () => {});
    const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
    await asAdmin(system.server, (admin) => admin.query('select pg_terminate_backend($1)', [rows[0]!.pid]));
    try {
      await client.query('select 1');
    } finally {
      client.release(true);
    }
  },
  async "another tenant's role"({ pool }, neighbour) {
    await pool.query(`set role ${neighbour.record.database}`);
  },
  async "another tenant's database"({ pool }, neighbour) {
    const { user, password } = pool.options;
    await asAdmin(
      {
        ...system.server,
        user: user as string,
        password: password as string,
        database: neighbour.record.database,
      },
      async (client) => {
        await client.query('select sealed from segment');
        expect.unreachable('a tenant connected to the database of another');
      },
    );
  },
  async "another tenant's keys"(tenant, neighbour) {
    const { rows } = await neighbour.pool.query<{ sealed: Buffer }>(
      'select sealed from segment where sid = 1',
    );
    tenant.keys.open(rows[0]!.sealed, context(neighbour.record.name));
    expect.unreachable('a tenant opened what another sealed');
  },
  async 'the list of roles and their passwords'({ pool }) {
    await pool.query('select rolpassword from pg_authid');
    expect.unreachable('a tenant read the password hashes');
  },
  async 'the files of the server'({ pool }) {
    await pool.query(`select pg_read_file('postgresql.conf')`);
    expect.unreachable('a tenant read a file of the server');
  },
  async 'a tenant suspended and resumed'(tenant) {
    await system.tenants.setState(tenant.record.name, 'suspended');
    await system.tenants.setState(tenant.record.name, 'active');
  },
};

test(`${TENANTS} tenants read their own canary and no other, whatever goes wrong beside them`, async () => {
  const kinds = Object.keys(MISCHIEF);
  const happened = new Map<string, number>();
  const pick = <T>(list: readonly T[]): T => list[randomBytes(4).readUInt32LE() % list.length]!;
  let step = 0;
  async function worker(): Promise<void> {
    while (step < STEPS) {
      step += 1;
      const name = pick(names);
      // Another worker may have it suspended for this moment.
      const tenant = await narrow.open(name).catch((error) => {
        expect(error).toMatchObject({ category: 'forbidden' });
        return undefined;
      });
      const neighbour = await narrow.open(pick(names.filter((n) => n !== name))).catch(() => undefined);
      if (!tenant || !neighbour) continue;
      const kind = kinds[step % kinds.length]!;
      await MISCHIEF[kind]!(tenant, neighbour).catch((error: Error) => {
        if (/^(a tenant )/.test(error.message)) throw error;
      });
      happened.set(kind, (happened.get(kind) ?? 0) + 1);
      expect(await readCanary(tenant), `${name} after ${kind}`).toBe(canary(name));
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  expect([...happened.keys()].sort()).toEqual([...kinds].sort());
});
