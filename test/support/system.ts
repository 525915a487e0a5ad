import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { inject } from 'vitest';
import type { IndexPrivacy } from '../../src/core/blind.js';
import { type Clock, systemClock } from '../../src/core/clock.js';
import type { Rooms } from '../../src/system.js';
import { type Catalog, openTenants } from '../../src/tenancy/catalog.js';
import { asAdmin } from '../../src/tenancy/database.js';
import { openKeyFiles } from '../../src/tenancy/key-file.js';
import type { Places } from '../../src/tenancy/places.js';
import {
  type EmbeddedServer,
  type ServerAddress,
  useEmbeddedServer,
} from '../../src/tenancy/postgres/embedded.js';
import type { Tenant } from '../../src/tenancy/tenant.js';

/** The FHIR base of tenant `a` is this and `/fhir/a`. */
export const TEST_BASE_URL = 'http://cenote.test';

export interface TestSystemOptions {
  /** Tenants to make, by name; `['a', 'b']` where not given. */
  readonly tenants?: readonly string[];
  /** How much their index tells; as the product has it where not given. */
  readonly indexPrivacy?: IndexPrivacy;
  /** The system's clock where not given. */
  readonly clock?: Clock;
  /** Other servers that tenants may be moved to. */
  readonly places?: Places;
}

/** The real thing on a real server, with databases of its own. Close it in `afterAll`. */
export interface TestSystem {
  readonly clock: Clock;
  readonly tenants: Catalog;
  /** Store, search, jobs and the rest, wired as the product wires them; loaded when asked for. */
  rooms(): Promise<Rooms>;
  /** Administrator's address; `database` is this system's control database. */
  readonly server: ServerAddress;
  /** A folder of its own, removed at the end. */
  readonly dir: string;
  readonly tenant: (name: string) => Promise<Tenant>;
  close(): Promise<void>;
}

/** One server per run of the tests, started by whichever test file needs it first. */
export async function testServer(): Promise<EmbeddedServer> {
  return useEmbeddedServer(join(inject('testDir'), 'server'), {
    keepRunning: true,
    // Tests need no power-cut safety, and several runs may share the machine.
    settings: {
      fsync: 'off',
      full_page_writes: 'off',
      synchronous_commit: 'off',
      shared_buffers: '64MB',
      autovacuum_naptime: '1min',
    },
  });
}

/**
 * Catalog, key files and tenants on the run's server:
 *
 *     let system: TestSystem;
 *     beforeAll(async () => { system = await testSystem({ tenants: ['a'] }); });
 *     afterAll(() => system.close());
 */
export async function testSystem(options: TestSystemOptions = {}): Promise<TestSystem> {
  const clock = options.clock ?? systemClock;
  const server = await testServer();
  const database = `control_${randomBytes(6).toString('hex')}`;
  const dir = join(inject('testDir'), database);
  mkdirSync(dir);
  await asAdmin(server.address, (admin) => admin.query(`create database ${database} template template0`));
  const address = { ...server.address, database };
  const tenants = await openTenants({
    server: address,
    keys: openKeyFiles(join(dir, 'keys')),
    clock,
    places: options.places,
  });
  await Promise.all(
    (options.tenants ?? ['a', 'b']).map((name) =>
      tenants.create(name, { indexPrivacy: options.indexPrivacy }),
    ),
  );
  let rooms: Promise<Rooms> | undefined;
  return {
    clock,
    tenants,
    rooms() {
      rooms ??= import('../../src/system.js').then(({ wireRooms }) =>
        wireRooms({ clock, tenants, baseUrl: TEST_BASE_URL }),
      );
      return rooms;
    },
    server: address,
    dir,
    tenant: (name) => tenants.open(name),
    async close() {
      await (await rooms)?.closeRooms();
      await tenants.removeAll();
      await tenants.close();
      await asAdmin(server.address, (admin) => admin.query(`drop database ${database} (force)`));
      await server.release();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
