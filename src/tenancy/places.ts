import type pg from 'pg';
import { Fault, invalid } from '../core/fault.js';
import type { CatalogContext } from './catalog-rows.js';
import type { ServerAddress } from './postgres/embedded.js';
import { readSecretFile } from './secret-file.js';
import { foreignServer } from './server.js';
import { dropTenantDatabase } from './tenant-database.js';

/** What the place is called that needs no name: the server of the control database. */
export const HOME = 'home';
const SETTING = 'CENOTE_PLACES_FILE';
const NAME = /^[a-z][a-z0-9-]{0,39}$/;
const MAX_PLACES = 100;

/** Other PostgreSQL servers that tenants may be on, by name; each address is its administrator's. */
export type Places = ReadonlyMap<string, ServerAddress>;

/**
 * Reads a file such as `{"east": "postgres://cenote:secret@east.example.org:5432/postgres?sslmode=verify-full"}`.
 * @throws Fault `invalid` where it is none, or a password would cross a network that others read; `forbidden` where others
 * than its owner may open it
 */
export function readPlaces(file: string, { plain = false } = {}): Places {
  let value: unknown;
  try {
    value = JSON.parse(readSecretFile(file).toString('utf8'));
  } catch (cause) {
    if (cause instanceof Fault) throw cause;
    throw new Fault('invalid', 'The file of places cannot be read as JSON.', { at: SETTING, cause });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalid('The file of places is no object of names and URLs.', SETTING);
  const entries = Object.entries(value);
  if (entries.length > MAX_PLACES)
    throw invalid(`The file of places has more than ${MAX_PLACES} of them.`, SETTING);
  return new Map(
    entries.map(([name, url], i) => {
      const at = `${SETTING}[${i}]`;
      if (!NAME.test(name) || name === HOME)
        throw invalid(
          `A place has 1 to 40 of a-z, 0-9 and -, starts with a letter and is not "${HOME}".`,
          at,
        );
      if (typeof url !== 'string' || !/^postgres(ql)?:\/\//.test(url) || !URL.canParse(url))
        throw invalid('A place is no URL such as postgres://user:password@host:5432/postgres.', at);
      return [name, foreignServer(url, { plain, at }).address] as const;
    }),
  );
}

/** The administrator's address of a place; null is the control database's own server. @throws Fault `unavailable` */
export function serverOf({ server, places }: CatalogContext, place: string | null): ServerAddress {
  if (place === null) return server;
  const address = places.get(place);
  if (!address)
    throw new Fault('unavailable', 'This tenant is at a place that is not configured here.', {
      remedy: `Name its server in the file of ${SETTING}, as on the machine that moved it (cenote tenant show).`,
    });
  return address;
}

/** A row of `tenant_place`. */
export interface PlaceRow {
  readonly database: string;
  readonly place: string | null;
  readonly state: 'copying' | 'abandoned' | 'former';
}

/** Databases of a tenant that it does not work in, oldest first. */
export async function placesOf(
  client: pg.Pool | pg.ClientBase,
  tenantId: string,
  states: readonly PlaceRow['state'][] = ['copying', 'abandoned', 'former'],
): Promise<PlaceRow[]> {
  const { rows } = await client.query<PlaceRow>(
    `select database, place, state from tenant_place
     where tenant_id = $1 and state = any($2) order by since, database`,
    [tenantId, states],
  );
  return rows;
}

/**
 * Drops databases that a tenant does not work in. What cannot be reached now stays written down.
 * @returns how many went, and the first error
 */
export async function dropPlaces(
  context: CatalogContext,
  tenant: { readonly id: string; readonly role: string | null; readonly database: string },
  states: readonly PlaceRow['state'][],
): Promise<{ dropped: number; left: number; error: unknown }> {
  let dropped = 0;
  let left = 0;
  let error: unknown;
  for (const { place, database } of await placesOf(context.control, tenant.id, states)) {
    try {
      await dropTenantDatabase(serverOf(context, place), database, tenant.role ?? tenant.database);
      await context.control.query('delete from tenant_place where tenant_id = $1 and database = $2', [
        tenant.id,
        database,
      ]);
      dropped += 1;
    } catch (cause) {
      left += 1;
      error ??= cause;
    }
  }
  return { dropped, left, error };
}
