import type { Config } from './config.js';
import { type Clock, systemClock } from './core/clock.js';
import { type Catalog, openTenants } from './tenancy/catalog.js';
import { openKeyFiles } from './tenancy/key-file.js';
import { makeDataDir } from './tenancy/postgres/place.js';
import { embeddedServer, foreignServer } from './tenancy/server.js';

/** Everything a shell needs, wired. What it opens it closes, last first. */
export interface System extends Rooms {
  readonly config: Config;
  close(): Promise<void>;
}

/** The rooms on top of a catalog of tenants. Tests wire them over a server of their own. */
export interface Rooms {
  readonly clock: Clock;
  readonly tenants: Catalog;
}

export interface Foundation {
  readonly clock: Clock;
  readonly tenants: Catalog;
}

/** Builds the rooms; none of them opens anything of its own. */
export function wireRooms({ clock, tenants }: Foundation): Rooms {
  return { clock, tenants };
}

/**
 * Opens the system: the database (embedded, started where it does not run, or DATABASE_URL's), the catalog brought
 * to its current schema, and the rooms on top. Tenants are opened when first asked for.
 * @throws Fault `unavailable`, `unsupported`, `forbidden` (a key file open to others).
 */
export async function openSystem(config: Config, options: { clock?: Clock } = {}): Promise<System> {
  const clock = options.clock ?? systemClock;
  makeDataDir(config.dataDir);
  const server = config.databaseUrl
    ? foreignServer(config.databaseUrl)
    : await embeddedServer(config.dataDir);
  try {
    const tenants = await openTenants({ server: server.address, keys: openKeyFiles(config.keyDir), clock });
    let closing: Promise<void> | undefined;
    return {
      config,
      ...wireRooms({ clock, tenants }),
      close: () => {
        closing ??= tenants.close().finally(() => server.close());
        return closing;
      },
    };
  } catch (error) {
    await server.close();
    throw error;
  }
}
