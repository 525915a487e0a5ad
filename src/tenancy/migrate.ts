import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Knex } from 'knex';
import pg from 'pg';
import { Fault } from '../core/fault.js';
import { packageRoot } from '../core/package-root.js';
import type { ServerAddress } from './postgres/embedded.js';

/** The two schemas: the catalog, and what each tenant's database holds. */
export type SchemaName = 'control' | 'tenant';

/** One SQL file of `migrations/<schema>/`, applied once and in the order of the names. */
export interface MigrationFile {
  readonly name: string;
  readonly sql: string;
}

/** Table of what was applied. Its own name, since a control database may be shared with other programs. */
export const MIGRATION_TABLE = 'schema_migration';
/** Held while a database is migrated, so that two processes take turns. */
export const MIGRATION_LOCK = 7_236_019_202;
const FILE_NAME = /^\d{4}_[a-z0-9_]+\.sql$/;

const filesOf = new Map<SchemaName, readonly MigrationFile[]>();

/** The migrations of a schema, oldest first. */
export function migrationFiles(schema: SchemaName): readonly MigrationFile[] {
  const known = filesOf.get(schema);
  if (known) return known;
  const folder = join(packageRoot(), 'migrations', schema);
  const files = readdirSync(folder)
    .filter((name) => FILE_NAME.test(name))
    .sort()
    .map((name) => ({ name, sql: readFileSync(join(folder, name), 'utf8') }));
  filesOf.set(schema, files);
  return files;
}

/** 12 hexadecimal digits that change with any migration of the schema; part of the template's name. */
export function schemaDigest(schema: SchemaName): string {
  const hash = createHash('sha256');
  for (const file of migrationFiles(schema)) hash.update(`${file.name}\0${file.sql}\0`);
  return hash.digest('hex').slice(0, 12);
}

/**
 * What is still to apply in a database, by the names it says were applied.
 * @throws Fault `unavailable` where it was migrated by a newer version than this one.
 */
export function pendingMigrations(schema: SchemaName, applied: readonly string[]): readonly MigrationFile[] {
  const files = migrationFiles(schema);
  const known = new Set(files.map((f) => f.name));
  if (applied.some((name) => !known.has(name)))
    throw new Fault('unavailable', 'The database was made by a newer version of Cenote.', {
      remedy: 'Use that version or a later one.',
    });
  const done = new Set(applied);
  return files.filter((f) => !done.has(f.name));
}

/**
 * Brings the database at `address` to the current schema. Each file is one transaction; running it again, or from
 * two processes at once, is harmless. Returns the names applied now.
 * @throws Fault `unavailable` as `pendingMigrations`, or naming the file that failed.
 */
export async function migrateDatabase(address: ServerAddress, schema: SchemaName): Promise<string[]> {
  const lock = new pg.Client({ ...address, application_name: 'cenote migrate' });
  lock.on('error', () => {});
  await lock.connect();
  try {
    await lock.query('select pg_advisory_lock($1)', [MIGRATION_LOCK]);
    const applied = await appliedMigrations(lock);
    if (pendingMigrations(schema, applied).length === 0) return [];
    return await runKnex(address, schema);
  } finally {
    await lock.end();
  }
}

/** Names of the migrations a database says it has; none where it is new. */
export async function appliedMigrations(client: Pick<pg.ClientBase, 'query'>): Promise<string[]> {
  const { rows: found } = await client.query<{ there: boolean }>(
    'select to_regclass($1) is not null as there',
    [`public.${MIGRATION_TABLE}`],
  );
  if (found[0]?.there !== true) return [];
  const { rows } = await client.query<{ name: string }>(
    `select name from public.${MIGRATION_TABLE} order by name`,
  );
  return rows.map((r) => r.name);
}

async function runKnex(address: ServerAddress, schema: SchemaName): Promise<string[]> {
  // Loaded here because it takes a quarter of a second, and most starts have nothing to migrate.
  const { default: knex } = await import('knex');
  const { ssl, ...connection } = address;
  const db = knex({
    client: 'pg',
    connection: { ...connection, ssl: ssl as never, application_name: 'cenote migrate' },
    pool: { min: 0, max: 2 },
    // It would print the whole step that failed; the fault says it in one line.
    log: { warn() {}, error() {}, deprecate() {}, debug() {} },
  });
  const config: Knex.MigratorConfig = {
    tableName: MIGRATION_TABLE,
    schemaName: 'public',
    migrationSource: sqlFiles(schema),
  };
  try {
    // We hold the advisory lock, so a lock row that is still set was left by a process that died.
    await db.migrate.forceFreeMigrationsLock(config);
    const [, names] = (await db.migrate.latest(config)) as [number, string[]];
    return names;
  } catch (cause) {
    throw new Fault('unavailable', `The ${schema} database could not be brought to the current schema.`, {
      remedy:
        'Nothing of the failed step was kept. See the log for the reason, mend it and run: cenote migrate',
      log: cause instanceof Error ? cause.message : String(cause),
      cause,
    });
  } finally {
    await db.destroy();
  }
}

function sqlFiles(schema: SchemaName): Knex.MigrationSource<MigrationFile> {
  return {
    getMigrations: async () => [...migrationFiles(schema)],
    getMigrationName: (file) => file.name,
    getMigration: async (file) => ({
      async up(trx: Knex) {
        await trx.raw(file.sql);
      },
      async down() {
        throw new Error('migrations are not undone; restore a backup');
      },
    }),
  };
}
