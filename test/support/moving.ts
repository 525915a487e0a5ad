import { join } from 'node:path';
import { expect, inject } from 'vitest';
import { isFault } from '../../src/core/fault.js';
import type { Rooms } from '../../src/system.js';
import { type Catalog, openTenants } from '../../src/tenancy/catalog.js';
import { asAdmin } from '../../src/tenancy/database.js';
import { openKeyFiles } from '../../src/tenancy/key-file.js';
import {
  type EmbeddedServer,
  removeEmbedded,
  type ServerAddress,
  useEmbeddedServer,
} from '../../src/tenancy/postgres/embedded.js';
import type { Tenant } from '../../src/tenancy/tenant.js';
import { actor, create, note, observation, patient, remove, update } from '../store/support.js';
import { type TestSystem, testSystem } from './system.js';

/**
 * A system whose tenants may be moved to `east`, another PostgreSQL server, as its superuser, to `modest`, the same as a user
 * who may make databases and roles, and to `poor`, as one who may not.
 */
export interface MovingSystem {
  readonly system: TestSystem;
  readonly rooms: Rooms;
  readonly east: EmbeddedServer;
  /** The catalog as another process has it. */
  another(): Promise<Catalog>;
  /** A tenant at home with a little of everything. */
  filled(name: string): Promise<Tenant>;
  close(): Promise<void>;
}

export async function movingSystem(): Promise<MovingSystem> {
  const dir = join(inject('testDir'), `east-${process.pid}`);
  const east = await useEmbeddedServer(dir, { settings: { fsync: 'off', shared_buffers: '32MB' } });
  const users = { modest: 'createdb createrole', poor: 'nocreatedb nocreaterole' };
  const places = new Map([['east', east.address]]);
  for (const [user, may] of Object.entries(users)) {
    await asAdmin(east.address, async (c) => {
      await c.query(`create role ${user} login ${may} password 'word'`);
      await c.query(`grant connect on database postgres to ${user}`);
    });
    places.set(user, { ...east.address, user, password: 'word' });
  }
  const system = await testSystem({ tenants: [], places });
  const rooms = await system.rooms();
  return {
    system,
    rooms,
    east,
    another: () =>
      openTenants({
        server: system.server,
        keys: openKeyFiles(join(system.dir, 'keys')),
        clock: system.clock,
        places,
      }),
    async filled(name) {
      await system.tenants.create(name);
      const tenant = await system.tenant(name);
      const people = Array.from({ length: 40 }, (_, i) => [
        create(patient(`p${i}`)),
        create(observation(`o${i}`, `p${i}`, i)),
        create(note(`d${i}`, `p${i}`, 'Feels well.')),
      ]).flat();
      await rooms.store.commit(tenant, people, actor);
      await rooms.store.commit(
        tenant,
        [update(observation('o1', 'p1', 50)), remove('Observation', 'o4')],
        actor,
      );
      await rooms.jobs.create(tenant, 'import', { paths: ['x'] });
      return tenant;
    },
    async close() {
      await system.close();
      await east.release();
      await removeEmbedded(dir);
    },
  };
}

/** What a user sees of a tenant. */
export async function seen({ store, search, jobs, baseOf }: Rooms, tenant: Tenant): Promise<unknown> {
  const found = await search.search(tenant, {
    type: 'Observation',
    strict: true,
    base: baseOf(tenant),
    params: [
      ['code', 'http://loinc.org|2339-0'],
      ['value-quantity', 'gt20'],
      ['_sort', '-date'],
      ['_count', '50'],
    ],
  });
  const listed = await jobs.list(tenant);
  return {
    read: await store.read(tenant, 'Patient', 'p7'),
    history: await store.history(tenant, 'Observation', 'o1', { count: 10 }),
    gone: (await store.read(tenant, 'Observation', 'o4'))?.op,
    found: found.entries.map((e) => e.resource.id),
    jobs: listed.map((j) => j.id),
    params: await jobs.params(tenant, listed[0]!.id),
  };
}

/** `cenote verify` finds nothing. @returns rows of the audit log */
export async function whole({ store }: Rooms, tenant: Tenant): Promise<number> {
  const report = await store.verify(tenant);
  expect(report.first).toEqual([]);
  return report.auditRows;
}

export const category = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'no fault',
    (error: unknown) => (isFault(error) ? error.category : `not a fault: ${error}`),
  );

export const hasDatabase = (server: ServerAddress, database: string): Promise<boolean> =>
  asAdmin(server, async (c) => {
    const { rowCount } = await c.query('select 1 from pg_database where datname = $1', [database]);
    return rowCount === 1;
  });

/** Number of databases and roles of tenants on a server. */
export const tenantsOn = (server: ServerAddress): Promise<number> =>
  asAdmin(server, async (c) => {
    const { rows } = await c.query(
      `select (select count(*) from pg_database where datname like 'cenote\\_t\\_%')
         + (select count(*) from pg_roles where rolname like 'cenote\\_t\\_%') as n`,
    );
    return Number(rows[0].n);
  });
