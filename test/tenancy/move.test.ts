import pg from 'pg';
import supertest from 'supertest';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createApp } from '../../src/http/app.js';
import type { Rooms } from '../../src/system.js';
import { compareTables } from '../../src/tenancy/copy-database.js';
import { asAdmin } from '../../src/tenancy/database.js';
import { MOVE_STEPS, type MoveStep } from '../../src/tenancy/move.js';
import type { Tenant } from '../../src/tenancy/tenant.js';
import {
  createTenantDatabase,
  dropTenantDatabase,
  newTenantPlace,
} from '../../src/tenancy/tenant-database.js';
import { actor, create, patient, update } from '../store/support.js';
import {
  category,
  hasDatabase,
  type MovingSystem,
  movingSystem,
  seen,
  tenantsOn,
  whole,
} from '../support/moving.js';

let moving: MovingSystem;
let rooms: Rooms;

beforeAll(async () => {
  moving = await movingSystem();
  rooms = moving.rooms;
}, 120_000);
afterAll(() => moving.close());

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

test('a moved tenant is the same at the other server, works there, and running servers follow', async () => {
  const { system, east } = moving;
  const tenant = await moving.filled('goes');
  const running = await moving.another();
  try {
    const before = await seen(rooms, tenant);
    const held = await running.open('goes');
    const sealed = tenant.keys.seal(Buffer.from('words'), { purpose: 'body', bind: [1] });
    const steps: MoveStep[] = [];
    const auditRows = await whole(rooms, tenant);

    const moved = await system.tenants.move('goes', { to: 'east', onStep: (step) => void steps.push(step) });

    expect(moved).toMatchObject({ from: 'home', to: 'east' });
    expect(moved.rows).toBeGreaterThan(500n);
    expect(steps).toEqual(MOVE_STEPS);
    const there = await system.tenant('goes');
    expect(there.record).toMatchObject({ id: tenant.record.id, place: 'east', epoch: 2 });
    const { rows } = await there.pool.query('select inet_server_port() as port, current_database() as name');
    expect(rows[0]).toEqual({ port: east.address.port, name: there.record.database });
    expect(await seen(rooms, there)).toEqual(before);
    expect(there.keys.open(sealed, { purpose: 'body', bind: [1] }).toString()).toBe('words');
    await rooms.store.commit(there, [update(patient('p7', { gender: 'female' }))], actor);
    expect(await whole(rooms, there)).toBeGreaterThan(auditRows);

    await wait(1_100);
    const followed = await running.open('goes');
    expect((await rooms.store.read(followed, 'Patient', 'p7'))?.version).toBe(2);
    // Whoever holds on to the old place can neither write there nor read, and is told to come back.
    expect(await category(rooms.store.commit(held, [create(patient('late'))], actor))).toBe('unavailable');
    expect(await category(rooms.store.read(held, 'Patient', 'p7'))).toBe('unavailable');

    // Rights are as for any tenant.
    await expect(there.pool.query('drop table resource')).rejects.toMatchObject({ code: '42501' });
    await expect(there.pool.query('delete from audit')).rejects.toMatchObject({ code: '42501' });
    expect(await system.tenants.diskBytes(there.record)).toBeGreaterThan(1_000_000n);
    expect(await system.tenants.migrateRecord(there.record)).toEqual([]);
    expect(await category(system.tenants.move('goes', { to: 'east' }))).toBe('conflict');
    expect(await category(system.tenants.revertMove('goes'))).toBe('conflict');
    expect(await category(system.tenants.move('goes', { to: 'nowhere' }))).toBe('unavailable');

    // The old database stays, unchanged and closed, until it is dropped.
    const old = { ...system.server, database: tenant.record.database };
    const rights = await asAdmin(old, async (c) => {
      const { rows: found } = await c.query(
        `select has_database_privilege($1, current_database(), 'connect') as enter,
           bool_or(has_table_privilege($1, oid, 'insert, update, delete')) as write
         from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'`,
        [tenant.record.database],
      );
      return found[0];
    });
    expect(rights).toEqual({ enter: false, write: false });
    expect(await system.tenants.formerPlaces(there.record)).toEqual([`home/${old.database}`]);
    expect(await system.tenants.dropFormer('goes')).toBe(1);
    expect(await hasDatabase(system.server, old.database)).toBe(false);

    // Its keys may be changed there, and it comes back.
    await system.tenants.rotateKey('goes', 'tenant');
    await system.tenants.move('goes', { to: 'home', noticeMs: 50 });
    const home = await system.tenant('goes');
    expect(home.record.place).toBeUndefined();
    expect((await rooms.store.read(home, 'Patient', 'p7'))?.version).toBe(2);
    await rooms.store.commit(home, [create(patient('again'))], actor);
    await whole(rooms, home);
    expect(await system.tenants.dropFormer('goes')).toBe(1);
    expect(await tenantsOn(east.address)).toBe(0);
  } finally {
    await running.close();
  }
});

test('while it is moved a tenant is read, and writes are answered 503 with Retry-After', async () => {
  const { system } = moving;
  const tenant = await moving.filled('read');
  const running = await moving.another();
  const app = createApp(rooms, { baseUrl: 'http://127.0.0.1:8080', version: '0', dev: true });
  const call = async (method: 'get' | 'put', id: string) => {
    const request = supertest(app.express)[method](`/fhir/read/Patient/${id}`);
    if (method === 'put') request.set('Content-Type', 'application/fhir+json').send(patient(id));
    const answer = await request;
    return [answer.status, answer.headers['retry-after']];
  };
  const during: Partial<Record<MoveStep, unknown>> = {};
  try {
    await system.tenants.move('read', {
      to: 'east',
      onStep: async (step) => {
        if (step === 'announced') await wait(1_100);
        if (['prepared', 'announced', 'fenced', 'copied', 'compared'].includes(step))
          during[step] = [await call('get', 'p1'), await call('put', 'x')];
        if (step !== 'compared') return;
        const { record } = await running.open('read');
        const job = (await rooms.jobs.list(tenant))[0]!.id;
        expect(
          await category(moving.another().then((c) => c.move('read', { to: 'east' }).finally(c.close))),
        ).toBe('conflict');
        expect(await category(running.migrateRecord(record))).toBe('unavailable');
        expect(await category(rooms.jobs.claim(tenant, job))).toBe('unavailable');
        expect((await rooms.jobs.next(['import']))?.tenant).not.toBe('read');
        expect((await system.tenants.find('read'))?.moving).toBe(true);
      },
    });
    const [read, written, refused] = [
      [200, undefined],
      [201, undefined],
      [503, '1'],
    ];
    expect(during).toEqual({
      prepared: [read, written],
      announced: [read, [200, undefined]],
      fenced: [read, refused],
      copied: [read, refused],
      compared: [read, refused],
    });
    // The reads of that time stand in the log at the new place.
    await whole(rooms, await system.tenant('read'));
    const app2 = createApp(rooms, { baseUrl: 'http://127.0.0.1:8080', version: '0', dev: true });
    expect((await supertest(app2.express).get('/fhir/read/Patient/x')).status).toBe(200);
    expect(await call('put', 'y')).toEqual([201, undefined]);
  } finally {
    await running.close();
  }
});

test('no write that was accepted and no audit row is lost, with writers and readers of two processes', async () => {
  const { system } = moving;
  const tenant = await moving.filled('busy');
  const running = await moving.another();
  const accepted: string[] = [];
  const refused = new Set<string>();
  const reads = { done: 0, refused: 0, recorded: 0 };
  let working = true;
  const write = async (who: string, held?: Tenant) => {
    for (let i = 0; working; i++) {
      const id = `${who}-${i}`;
      await (async () =>
        rooms.store.commit(held ?? (await running.open('busy')), [create(patient(id))], actor))().then(
        () => accepted.push(id),
        (error) => refused.add(error.category ?? `not a fault: ${error}`),
      );
      await wait(5);
    }
  };
  const read = async () => {
    while (working) {
      await (async () => {
        const at = await running.open('busy');
        await rooms.store.read(at, 'Patient', 'p1');
        await rooms.audit.record(at, { actor, at: system.clock.now(), interaction: 'read', status: 200 });
      })().then(
        () => (reads.done += 1),
        () => (reads.refused += 1),
      );
      await wait(5);
    }
  };
  try {
    const auditBefore = await whole(rooms, tenant);
    // The last of the writers never asks the catalog again, as a job that holds its tenant.
    const all = [write('w1'), write('w2'), write('w3', tenant), read(), read()];
    await wait(300);
    const moved = await system.tenants.move('busy', { to: 'east' });
    const [byMove, readsByMove] = [accepted.length, reads.done];
    await wait(500);
    working = false;
    await Promise.all(all);
    expect(byMove).toBeGreaterThan(20);
    expect(accepted.length).toBeGreaterThan(byMove);
    expect([...refused]).toEqual(['unavailable']);
    expect(reads.done).toBeGreaterThan(readsByMove);
    // Readers ask for their tenant anew each time: they were held, and few of those under way cut off.
    expect(reads.refused).toBeLessThanOrEqual(2);
    expect(moved.readsHeldMs).toBeLessThan(moved.writesRefusedMs);
    const there = await system.tenant('busy');
    const ids = await Promise.all(
      accepted.map(async (id) => (await rooms.store.read(there, 'Patient', id))?.id),
    );
    expect(ids).toEqual(accepted);
    expect(await whole(rooms, there)).toBeGreaterThan(auditBefore + accepted.length);
  } finally {
    working = false;
    await running.close();
  }
});

test('a move that is refused or interrupted leaves the tenant where it was, at work, and nothing elsewhere', async () => {
  const { system, east } = moving;
  const tenant = await moving.filled('stays');
  const before = await seen(rooms, tenant);
  const elsewhere = await tenantsOn(east.address);
  for (const at of ['fenced', 'closed'] as const) {
    const stopping = new AbortController();
    const interrupted = system.tenants.move('stays', {
      to: 'east',
      noticeMs: 50,
      signal: stopping.signal,
      onStep: (step) => {
        if (step === at) stopping.abort();
      },
    });
    expect(await category(interrupted)).toBe('unavailable');
    const still = await system.tenant('stays');
    expect(still.record).toMatchObject({ database: tenant.record.database });
    expect(await seen(rooms, still)).toEqual(before);
    await rooms.store.commit(still, [create(patient(`new-${at}`))], actor);
  }
  // What somebody wrote past the fence is noticed, and so is what is not the same.
  const tamper = (step: MoveStep, sql: string) =>
    category(
      system.tenants.move('stays', {
        to: 'east',
        noticeMs: 50,
        onStep: async (now) => {
          if (now === step)
            await asAdmin({ ...system.server, database: tenant.record.database }, (c) => c.query(sql));
        },
      }),
    );
  const { database } = tenant.record;
  expect(await tamper('closed', `grant insert on resource to ${database}`)).toBe('conflict');
  expect(await tamper('closed', 'update audit_head set seq = seq + 1')).toBe('integrity');
  await asAdmin({ ...system.server, database }, (c) => c.query('update audit_head set seq = seq - 1'));
  expect(await tamper('prepared', 'create index odd on resource (ver)')).toBe('conflict');
  await asAdmin({ ...system.server, database }, (c) => c.query('drop index odd'));

  const spoil = system.tenants.move('stays', {
    to: 'east',
    noticeMs: 50,
    onStep: async (step) => {
      if (step !== 'fenced') return;
      const { rows } = await system.tenants.control.query(
        `select database from tenant_place where state = 'copying'`,
      );
      await asAdmin({ ...east.address, database: rows[0].database }, (c) =>
        c.query('alter table version rename to other'),
      );
    },
  });
  await expect(spoil).rejects.toThrow('SQL state 42P01');
  expect(await category(spoil)).toBe('unavailable');
  // The connection that holds the mover's lock: without it nobody knows who moves.
  const cut = system.tenants.move('stays', {
    to: 'east',
    noticeMs: 50,
    onStep: async (step) => {
      if (step !== 'caught up') return;
      const { rowCount } = await system.tenants.control.query(
        `select pg_terminate_backend(pid) from pg_locks
         where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())`,
      );
      expect(rowCount).toBe(1);
    },
  });
  expect(await category(cut)).toMatch(/unavailable|conflict/);
  const move = (to: string) => system.tenants.move('stays', { to, noticeMs: 50 });
  expect(await category(move('poor'))).toBe('forbidden');
  const still = await system.tenant('stays');
  const job = await rooms.jobs.claim(still, (await rooms.jobs.list(still))[0]!.id);
  expect(await category(system.tenants.move('stays', { to: 'east', noticeMs: 50 }))).toBe('conflict');
  await rooms.jobs.release(job, {});
  await rooms.store.commit(still, [create(patient('last'))], actor);
  await whole(rooms, still);
  expect(await tenantsOn(east.address)).toBe(elsewhere);
});

test('a writer under way is waited for, and what it wrote goes along', async () => {
  const { system } = moving;
  const tenant = await moving.filled('long');
  const writer = await tenant.pool.connect();
  const insert = (i: number) =>
    writer.query(
      `insert into import_error (part, job, fkey, position, count, sealed) values (0, $1, 1, $2, 1, '')`,
      [tenant.record.id, i],
    );
  await writer.query('begin; select from tenant_epoch where part = 0 for share');
  await insert(1);
  let ended: Promise<unknown> | undefined;
  await system.tenants.move('long', {
    to: 'east',
    noticeMs: 50,
    onStep: (step) => {
      // Longer than a first attempt waits.
      if (step === 'announced') ended = wait(3_000).then(() => insert(2).then(() => writer.query('commit')));
      if (step === 'fenced') expect(ended).toBeDefined();
    },
  });
  await ended;
  writer.release(true);
  const there = await system.tenant('long');
  const { rows } = await there.pool.query('select position from import_error order by position');
  expect(rows).toEqual([{ position: 1 }, { position: 2 }]);
});

test('the administrator of a place need not be a superuser', async () => {
  const { system } = moving;
  const tenant = await moving.filled('modestly');
  for (const to of ['modest', 'home', 'modest', 'home']) {
    await system.tenants.move('modestly', { to, noticeMs: 50 });
    const at = await system.tenant('modestly');
    expect(at.record.place ?? 'home').toBe(to);
    await rooms.store.commit(at, [create(patient(`at-${at.record.epoch}`))], actor);
    await whole(rooms, at);
    await expect(at.pool.query('drop table resource')).rejects.toMatchObject({ code: '42501' });
  }
  // From the second time on its role was there already, with the databases of before.
  expect(await system.tenants.dropFormer('modestly')).toBe(4);
  expect(await category(rooms.store.commit(tenant, [create(patient('late'))], actor))).toBe('unavailable');
});

test('a suspended tenant is moved as it is, and shredding drops what is at every place', async () => {
  const { system, east } = moving;
  const tenant = await moving.filled('quiet');
  await system.tenants.setState('quiet', 'suspended');
  const elsewhere = await tenantsOn(east.address);
  await system.tenants.move('quiet', { to: 'east', noticeMs: 50 });
  expect(await category(system.tenants.open('quiet'))).toBe('forbidden');
  await system.tenants.setState('quiet', 'active');
  const moved = await system.tenant('quiet');
  expect((await rooms.store.read(moved, 'Patient', 'p3'))?.version).toBe(1);
  expect(await tenantsOn(east.address)).toBe(elsewhere + 2);
  expect(await system.tenants.shred('quiet')).toMatchObject({ keyDestroyed: true });
  expect(await tenantsOn(east.address)).toBe(elsewhere);
  expect(await hasDatabase(system.server, tenant.record.database)).toBe(false);
  expect(await category(system.tenants.move('quiet', { to: 'east', noticeMs: 50 }))).toBe('gone');
});

test('a table that is not the same at both sides is named', async () => {
  const { server } = moving.system;
  const places = [newTenantPlace(), newTenantPlace()];
  const clients = places.map((p) => new pg.Client({ ...server, database: p.database }));
  const [a, b] = clients as [pg.Client, pg.Client];
  const compare = () => compareTables(a, b, () => {}, new AbortController().signal);
  try {
    for (const place of places) await createTenantDatabase(server, place);
    await Promise.all([a.connect(), b.connect()]);
    expect(await compare()).toBe(1n);
    const row = (hi: number) => `insert into idx_date values (1, 2, 3, 4, 5, ${hi})`;
    await a.query(row(6));
    await expect(compare()).rejects.toThrow('Table idx_date');
    // As many rows, another value.
    await b.query(row(7));
    await expect(compare()).rejects.toThrow('Table idx_date');
  } finally {
    await Promise.all(clients.map((c) => c.end()));
    for (const place of places) await dropTenantDatabase(server, place.database, place.role);
  }
});
