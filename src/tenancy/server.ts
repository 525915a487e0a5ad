import { isIP } from 'node:net';
import pg from 'pg';
import { Fault } from '../core/fault.js';
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

/**
 * The PostgreSQL at `url`. Its database is the control database. Nothing is connected yet.
 * @param plain Another machine may be spoken to without TLS, or without knowing whose certificate it is.
 * @throws Fault `invalid` where passwords and index terms would cross a network readable to others
 */
export function foreignServer(url: string, { plain = false, at = 'DATABASE_URL' } = {}): DatabaseServer {
  // node-postgres reads the URL, with all that libpq allows in one; it is not connected.
  const parsed = new pg.Client({ connectionString: url });
  if (!plain && !isHere(parsed.host) && !isVerified(parsed.ssl)) {
    throw new Fault('invalid', `${at} names another machine without TLS that knows its certificate.`, {
      at,
      remedy:
        'Add ?sslmode=verify-full (and sslrootcert=FILE for a CA of your own), or set CENOTE_DATABASE_PLAIN=yes where nobody else reads that network.',
    });
  }
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

/** A loopback address or the folder of a Unix socket. */
function isHere(host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, '').toLowerCase();
  return (
    bare.startsWith('/') ||
    bare === 'localhost' ||
    bare === '::1' ||
    (isIP(bare) === 4 && bare.startsWith('127.'))
  );
}

function isVerified(ssl: unknown): boolean {
  if (ssl === true) return true;
  return (
    typeof ssl === 'object' &&
    ssl !== null &&
    (ssl as { rejectUnauthorized?: unknown }).rejectUnauthorized !== false
  );
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
