import { createHash, randomBytes } from 'node:crypto';
import pg from 'pg';
import { asAdmin } from './database.js';
import { appliedMigrations, MIGRATION_TABLE, migrateDatabase, schemaDigest } from './migrate.js';
import type { ServerAddress } from './postgres/embedded.js';

/** A name that is taken: seen at once, or only when two make it in the same moment. */
const TAKEN = new Set(['42P04', '23505']);
/** A role that has rights in another database. */
const STILL_NEEDED = '2BP01';
const quote = pg.escapeIdentifier;

/**
 * Name of the template that tenants' databases are cloned from. It changes with the schema and with the
 * administrator, so that no template in use is ever changed and several installations can share a server.
 */
export function templateName(server: ServerAddress): string {
  const digest = createHash('sha256')
    .update(`${schemaDigest('tenant')}|${server.user}`)
    .digest('hex')
    .slice(0, 12);
  return `cenote_template_${digest}`;
}

/** Makes the template where there is none. Two processes at once: the second drops its own and uses the first's. */
export async function ensureTemplate(server: ServerAddress): Promise<string> {
  const name = templateName(server);
  if (await databaseExists(server, name)) return name;
  const draft = `${name}_${randomBytes(4).toString('hex')}`;
  await asAdmin(server, async (admin) => {
    await admin.query(`create database ${quote(draft)} template template0 encoding 'UTF8'`);
    try {
      await migrateDatabase({ ...server, database: draft }, 'tenant');
      await admin.query(`alter database ${quote(draft)} allow_connections false`);
      await admin.query(`alter database ${quote(draft)} rename to ${quote(name)}`);
    } catch (error) {
      await admin.query(`drop database if exists ${quote(draft)} (force)`);
      if (!TAKEN.has((error as { code?: string }).code ?? '')) throw error;
    }
  });
  return name;
}

async function databaseExists(server: ServerAddress, name: string): Promise<boolean> {
  return asAdmin(server, async (admin) => {
    const { rowCount } = await admin.query('select 1 from pg_database where datname = $1', [name]);
    return rowCount === 1;
  });
}

/** A tenant's own place on the server. */
export interface TenantPlace {
  readonly database: string;
  /** Login role that may connect to `database` and to no other. */
  readonly role: string;
  readonly password: string;
}

/** Random names: nothing on the server tells which customer a database is of. */
export function newTenantPlace(): TenantPlace {
  const name = `cenote_t_${randomBytes(8).toString('hex')}`;
  return { database: name, role: name, password: randomBytes(24).toString('base64url') };
}

/** Makes the role and the database, cloned from the template, and closes it to everybody else. */
export async function createTenantDatabase(server: ServerAddress, place: TenantPlace): Promise<void> {
  const template = await ensureTemplate(server);
  await asAdmin(server, async (admin) => {
    const database = quote(place.database);
    const role = quote(place.role);
    const password = pg.escapeLiteral(place.password);
    const none = 'nosuperuser nocreatedb nocreaterole noreplication nobypassrls';
    // There is one already where the tenant has, or had, another database on this server.
    const { rowCount } = await admin.query('select from pg_roles where rolname = $1', [place.role]);
    if (rowCount === 0) await admin.query(`create role ${role} login ${none} password ${password}`);
    else await admin.query(`alter role ${role} login password ${password}`);
    // So that an administrator who is no superuser may end the role's connections, which dropping takes.
    await admin.query(`grant ${role} to current_user`);
    await admin.query(`create database ${database} template ${quote(template)}`);
    await admin.query(`revoke all on database ${database} from public`);
    await admin.query(`grant connect, temporary on database ${database} to ${role}`);
    await quietLogging(admin, place.database);
  });
  await grantTenantRole({ ...server, database: place.database }, place.role);
}

/**
 * What the tenant's role may do in its database: read and write rows. It owns nothing, so it can neither change the
 * schema nor give anything away. Given again after each migration, for the tables that came with it.
 */
export async function grantTenantRole(database: ServerAddress, tenantRole: string): Promise<void> {
  await asAdmin(database, async (admin) => {
    const role = quote(tenantRole);
    await admin.query(`grant usage on schema public to ${role}`);
    await admin.query(`grant select, insert, update, delete on all tables in schema public to ${role}`);
    for (const table of [MIGRATION_TABLE, `${MIGRATION_TABLE}_lock`])
      await admin.query(`revoke insert, update, delete on public.${quote(table)} from ${role}`);
    // What was done stays said: the role adds to the log and cannot change what is in it.
    await admin.query(`revoke update, delete on public.audit from ${role}`);
    const { rows } = await admin.query<{ version: number }>(
      `select current_setting('server_version_num')::int / 10000 as version`,
    );
    // ANALYZE after a bulk load; before 17 only the owner may, and autovacuum does it a little later.
    if ((rows[0]?.version ?? 0) >= 17)
      await admin.query(`grant maintain on all tables in schema public to ${role}`);
  });
}

/** What is applied in a tenant's database, and whether its role (the one that asks) may reach every table. */
export async function schemaStateOf(pool: pg.Pool): Promise<{ applied: string[]; granted: boolean }> {
  const applied = await appliedMigrations(pool);
  // False after a migration whose process ended before it could give the rights to the new tables.
  const { rows } = await pool.query<{ granted: boolean | null }>(
    `select bool_and(has_table_privilege(oid, 'select')) as granted
     from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')`,
  );
  return { applied, granted: rows[0]?.granted === true };
}

/** Removes the database with everything in it, and its role unless that has rights in another one on the same server. */
export async function dropTenantDatabase(
  server: ServerAddress,
  database: string,
  role: string,
): Promise<void> {
  await asAdmin(server, async (admin) => {
    await admin.query(`drop database if exists ${quote(database)} (force)`);
    try {
      await admin.query(`drop role if exists ${quote(role)}`);
    } catch (error) {
      if ((error as { code?: string }).code !== STILL_NEEDED) throw error;
    }
  });
}

/**
 * Keeps statements and their values out of the server's log. The embedded server is started so; on a foreign one
 * it takes a superuser, and where we are none it is the operator's to set (README, "PostgreSQL of your own").
 */
async function quietLogging(admin: pg.Client, database: string): Promise<void> {
  for (const [name, value] of [
    ['log_statement', 'none'],
    ['log_min_duration_statement', '-1'],
    ['log_min_error_statement', 'panic'],
    ['log_parameter_max_length', '0'],
    ['log_parameter_max_length_on_error', '0'],
  ] as const) {
    try {
      await admin.query(`alter database ${quote(database)} set ${name} = '${value}'`);
    } catch (error) {
      if ((error as { code?: string }).code !== '42501') throw error;
    }
  }
}
