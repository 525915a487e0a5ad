import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../../src/core/clock.js';
import { type Catalog, openTenants } from '../../src/tenancy/catalog.js';
import { asAdmin } from '../../src/tenancy/database.js';
import { openKeyFiles } from '../../src/tenancy/key-file.js';
import { testServer } from '../support/system.js';

/** A control database of a test's own with the tenant `real`, and what a command needs to find it. */
export interface OwnServer {
  readonly tenants: Catalog;
  readonly env: Record<string, string>;
  /** Removes the tenants, the database and the folder. */
  close(): Promise<void>;
}

/** @param dir the data folder, of this test alone */
export async function ownServer(name: string, dir: string): Promise<OwnServer> {
  const server = await testServer();
  const database = `${name}_${randomBytes(5).toString('hex')}`;
  await asAdmin(server.address, (c) => c.query(`create database ${database} template template0`));
  const { user, password, port } = server.address;
  const address = { ...server.address, database };
  const keys = openKeyFiles(join(dir, 'keys'));
  const tenants = await openTenants({ server: address, keys, clock: systemClock });
  await tenants.create('real');
  return {
    tenants,
    env: {
      DATABASE_URL: `postgres://${user}:${password}@127.0.0.1:${port}/${database}`,
      CENOTE_DATA_DIR: dir,
    },
    async close() {
      await tenants.removeAll();
      await tenants.close();
      await asAdmin(server.address, (c) => c.query(`drop database ${database} (force)`));
      await server.release();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
