import { afterAll, beforeAll, expect, test } from 'vitest';
import { asAdmin } from '../../src/tenancy/database.js';
import { type TestSystem, testSystem } from '../support/system.js';

/**
 * SECURITY.md says what stays readable in the databases without the keys. Columns that can hold words, or bytes, are listed here
 * with what they hold: a new one is looked at before it is, and the page is told.
 */
const TENANT: Readonly<Record<string, string>> = {
  'annotation.pipeline': 'name and version of the reader of notes',
  'annotation.error': 'category of a fault, one of ours',
  'annotation.sealed': 'sealed',
  'audit.chain': 'keyed hash',
  'audit.sealed': 'sealed',
  'audit_anchor.mac': 'keyed hash',
  'audit_head.chain': 'keyed hash',
  'idempotency.sealed': 'sealed',
  'import_error.sealed': 'sealed',
  'import_file.counts': 'counts by resource type',
  'import_file.sealed': 'sealed',
  'own_parameters.sealed': 'sealed',
  'patient_key.wrapped': 'wrapped key',
  'schema_migration.name': 'file name of ours',
  'segment.sealed': 'sealed',
};

const CONTROL: Readonly<Record<string, string>> = {
  'admin_audit.entry': 'who changed what of tenants, keys and clients; no records',
  'admin_audit.chain': 'keyed hash',
  'admin_audit_head.chain': 'keyed hash',
};

/** Tables of the control database that hold no record and may be read: configuration of tenants, clients, jobs. */
const CONFIGURATION = new Set([
  'client',
  'job',
  'refresh_family',
  'revoked_token',
  'schema_migration',
  'schema_migration_lock',
  'tenant',
  'tenant_key',
  'tenant_making',
  'tenant_place',
  'used_once',
]);

let system: TestSystem;
beforeAll(async () => {
  system = await testSystem({ tenants: ['a'] });
});
afterAll(() => system.close());

const WORDS = `select c.table_name || '.' || c.column_name as name, c.table_name as table from information_schema.columns c
  where c.table_schema = 'public'
    and c.data_type not in ('smallint', 'integer', 'bigint', 'boolean', 'double precision', 'uuid')
    and not (c.data_type = 'ARRAY' and c.udt_name in ('_int2', '_int4', '_int8'))
    and c.column_name not in ('migration_time', 'batch') order by 1`;

test('a tenant’s database holds in clear nothing but numbers, hashes and our own words', async () => {
  const { rows } = await (await system.tenant('a')).pool.query<{ name: string }>(WORDS);
  expect(rows.map(({ name }) => name)).toEqual(Object.keys(TENANT).sort());
});

test('the control database holds configuration and no records', async () => {
  const names: string[] = [];
  await asAdmin(system.server, async (client) => {
    const { rows } = await client.query<{ name: string; table: string }>(WORDS);
    names.push(...rows.filter(({ table }) => !CONFIGURATION.has(table)).map(({ name }) => name));
  });
  expect(names).toEqual(Object.keys(CONTROL).sort());
});
