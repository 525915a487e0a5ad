import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { asAdmin } from '../../src/tenancy/database.js';
import {
  appliedMigrations,
  migrateDatabase,
  migrationFiles,
  pendingMigrations,
} from '../../src/tenancy/migrate.js';
import type { EmbeddedServer } from '../../src/tenancy/postgres/embedded.js';
import { type TestSystem, testServer, testSystem } from '../support/system.js';

let server: EmbeddedServer;
let system: TestSystem;
const made: string[] = [];
beforeAll(async () => {
  server = await testServer();
  system = await testSystem({ tenants: ['a'] });
});
afterAll(async () => {
  await system.close();
  for (const name of made) await asAdmin(server.address, (c) => c.query(`drop database ${name} (force)`));
  await server.release();
});

async function empty() {
  const database = `migrate_${randomBytes(5).toString('hex')}`;
  await asAdmin(server.address, (c) => c.query(`create database ${database} template template0`));
  made.push(database);
  return { ...server.address, database };
}

const names = (schema: 'control' | 'tenant') => migrationFiles(schema).map((f) => f.name);

test('migrating twice applies everything once', async () => {
  const address = await empty();
  expect(await migrateDatabase(address, 'control')).toEqual(names('control'));
  expect(await migrateDatabase(address, 'control')).toEqual([]);
});

test('migrating from four processes at once applies everything once', async () => {
  const address = await empty();
  const applied = await Promise.all([1, 2, 3, 4].map(() => migrateDatabase(address, 'tenant')));
  expect(applied.flat()).toEqual(names('tenant'));
  expect(await asAdmin(address, appliedMigrations)).toEqual(names('tenant'));
});

test('a lock row left by a migration that was killed does not stop the next', async () => {
  const address = await empty();
  await migrateDatabase(address, 'control');
  await asAdmin(address, async (c) => {
    await c.query('update schema_migration_lock set is_locked = 1');
    await c.query(`delete from schema_migration where name = '${names('control').at(-1)}'`);
    await c.query('drop table client, used_once, revoked_token, refresh_family');
  });
  expect(await migrateDatabase(address, 'control')).toEqual(names('control').slice(-1));
});

test('a step that fails leaves nothing behind and says which schema', async () => {
  const address = await empty();
  await asAdmin(address, (c) => c.query('create table tenant (mine int)'));
  await expect(migrateDatabase(address, 'control')).rejects.toMatchObject({ category: 'unavailable' });
  const left = await asAdmin(address, (c) => c.query(`select to_regclass('tenant_key') as left`));
  expect(left.rows[0].left).toBeNull();
});

test('a database made by a newer version is refused', () => {
  expect(() => pendingMigrations('tenant', [...names('tenant'), '9999_from_the_future.sql'])).toThrow(
    'newer version',
  );
});

test('a tenant left behind by an upgrade is migrated when it is opened, and its role reaches the new tables', async () => {
  const record = await system.tenants.create('old');
  const address = { ...system.server, database: record.database };
  await asAdmin(address, async (c) => {
    // As it was before its first migration.
    await c.query('drop schema public cascade');
    await c.query('create schema public');
    await c.query('grant usage on schema public to public');
  });
  const tenant = await system.tenant('old');
  expect((await tenant.pool.query('select part from tenant_epoch')).rows).toEqual([{ part: 0 }]);
  await expect(tenant.pool.query('drop table tenant_epoch')).rejects.toMatchObject({ code: '42501' });
});
