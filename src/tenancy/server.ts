import pg from 'pg';
import { asAdmin } from './database.js';
import { type EmbeddedOptions, type ServerAddress, useEmbeddedServer } from './postgres/embedded.js';

/** A database server in use: ours for as long as it is not closed. */
export interface DatabaseServer {
  /** Its administrator; `database` is the control database. */
  readonly address: ServerAddress;
  readonly embedded: boolean;
  close(): Promise<void>;
}

/** Name of the control database on the embedded server. */
const CONTROL_DATABASE = 'cenote';
const DUPLICATE = new Set(['42P04', '23505']);

/** The PostgreSQL at `url`. Its database is the control database. Nothing is connected yet. */
export function foreignServer(url: string): DatabaseServer {
  // node-postgres reads the URL, with all that libpq allows in one; it is not connected.
  const parsed = new pg.Client({ connectionString: url });
  const address: ServerAddress = {
    host: parsed.host,
    port: parsed.port,
    user: parsed.user ?? '',
    password: typeof parsed.password === 'string' ? parsed.password : undefined,
    database: parsed.database ?? '',
    ssl: parsed.ssl,
  };
  return { address, embedded: false, close: async () => {} };
}

/** The embedded PostgreSQL of a data folder, with its control database; started where it does not run. */
export async function embeddedServer(
  dataDir: string,
  options: EmbeddedOptions = {},
): Promise<DatabaseServer> {
  const share = await useEmbeddedServer(dataDir, options);
  try {
    await asAdmin(share.address, async (admin) => {
      const { rowCount } = await admin.query('select 1 from pg_database where datname = $1', [
        CONTROL_DATABASE,
      ]);
      if (rowCount === 1) return;
      await admin.query(`create database ${CONTROL_DATABASE} template template0 encoding 'UTF8'`);
      for (const database of [CONTROL_DATABASE, 'postgres', 'template1'])
        await admin.query(`revoke all on database ${database} from public`);
    });
  } catch (error) {
    if (!DUPLICATE.has((error as { code?: string }).code ?? '')) {
      await share.release();
      throw error;
    }
  }
  return {
    address: { ...share.address, database: CONTROL_DATABASE },
    embedded: true,
    close: () => share.release(),
  };
}
