import { afterAll, beforeAll, expect, test } from 'vitest';
import { fixedClock } from '../../src/core/clock.js';
import { createJobs } from '../../src/jobs/jobs.js';
import { claimAnnotations, completeAnnotation, readAnnotation } from '../../src/store/annotations.js';
import { createStore } from '../../src/store/index.js';
import { requestReseal, runReseal } from '../../src/tasks/reseal.js';
import { openTenants } from '../../src/tenancy/catalog.js';
import { openKeyFiles } from '../../src/tenancy/key-file.js';
import { KEY_NOTICE_MS } from '../../src/tenancy/key-rows.js';
import type { Tenant } from '../../src/tenancy/tenant.js';
import { type TestSystem, testSystem } from '../support/system.js';
import { actor, create, note, observation, patient, START_MS, update } from './support.js';

const clock = fixedClock(START_MS);
const store = createStore({ clock, base: 'https://lake.example/fhir' });
let system: TestSystem;
beforeAll(async () => {
  system = await testSystem({ tenants: ['a', 'b', 'c', 'old', 'race'], clock });
});
afterAll(() => system.close());

const owners = async (tenant: Tenant, table = 'segment'): Promise<(bigint | null)[]> =>
  (await tenant.pool.query(`select distinct owner from ${table} order by 1`)).rows.map((row) => row.owner);
const differences = async (tenant: Tenant) => (await store.verify(tenant)).differences;
const jobsOf = () => createJobs({ control: system.tenants.control, clock });

async function rotate(name: string, level: 'body' | 'patient') {
  const tenant = await system.tenant(name);
  const rotation = await system.tenants.rotateKey(name, level);
  const jobs = jobsOf();
  const { id } = await requestReseal({ jobs }, tenant, rotation);
  clock.advance(KEY_NOTICE_MS);
  const deps = { store, jobs, clock, tenants: system.tenants };
  return runReseal(deps, tenant, await jobs.claim(tenant, id));
}

/** What a copy of the sealed tables would be put back into: rows of before, in the tables of now. */
async function putBack(tenant: Tenant, table: string, rows: Record<string, unknown>[]): Promise<void> {
  for (const row of rows) {
    const names = Object.keys(row);
    await tenant.pool.query(
      `insert into ${table} (${names.join(', ')}) values (${names.map((_, i) => `$${i + 1}`).join(', ')})
       on conflict do nothing`,
      names.map((name) => row[name]),
    );
  }
}
const SEALED = ['segment', 'version', 'resource', 'locator', 'annotation'] as const;
async function copyOf(tenant: Tenant): Promise<Map<string, Record<string, unknown>[]>> {
  const copy = new Map<string, Record<string, unknown>[]>();
  for (const table of [...SEALED, 'patient_key'])
    copy.set(table, (await tenant.pool.query(`select * from ${table}`)).rows);
  return copy;
}

async function annotate(tenant: Tenant): Promise<void> {
  for (const claimed of await claimAnnotations(tenant, 10, 60_000))
    await completeAnnotation(
      store,
      tenant,
      claimed,
      { state: 'done', annotation: { words: 'fits of temper' }, resources: [], pipeline: 'p' },
      actor,
    );
}

test('each patient has a key, made once however it is written; what is of nobody has none', async () => {
  const tenant = await system.tenant('a');
  const rid = (type: string, id: string) => tenant.keys.rid(type, id);
  await store.commit(tenant, [create(patient('one'))], actor);
  await store.commit(tenant, [create(observation('o1', 'one'))], actor);
  const many = Array.from({ length: 150 }, (_, i) => create(observation(`m${i}`, i % 2 ? 'one' : 'two')));
  await store.commit(tenant, [create(patient('two')), ...many], actor);
  await store.commit(
    tenant,
    [
      create({ resourceType: 'Organization', id: 'org', name: 'Lindenhof' }),
      create({ resourceType: 'Binary', id: 'file', contentType: 'text/plain', data: 'aGVsbG8=' }),
    ],
    actor,
  );
  const keyed = [rid('Patient', 'one'), rid('Patient', 'two'), rid('Binary', 'file')].sort((x, y) =>
    x < y ? -1 : 1,
  );
  expect(await owners(tenant, 'patient_key')).toEqual(keyed);
  expect(await owners(tenant)).toEqual([...keyed, null]);
  for (const [type, id] of [
    ['Patient', 'one'],
    ['Observation', 'o1'],
    ['Observation', 'm149'],
    ['Organization', 'org'],
    ['Binary', 'file'],
  ] as const)
    expect((await store.read(tenant, type, id))?.resource?.id).toBe(id);
  expect(await differences(tenant)).toEqual({});
});

test('two who write about a new patient at once agree on one key', async () => {
  const tenant = await system.tenant('race');
  for (let round = 0; round < 4; round++) {
    const who = `r${round}`;
    await Promise.all([
      ...Array.from({ length: 4 }, (_, i) =>
        store.commit(tenant, [create(observation(`${who}-s${i}`, who))], actor),
      ),
      ...Array.from({ length: 3 }, (_, k) =>
        store.commit(
          tenant,
          Array.from({ length: k === 0 ? 120 : 3 }, (_, i) => create(observation(`${who}-${k}-${i}`, who))),
          actor,
        ),
      ),
    ]);
  }
  expect((await owners(tenant, 'patient_key')).length).toBe(4);
  expect(await differences(tenant)).toEqual({});
});

test('a key made in a part of a transaction that is taken back seals nothing afterwards', async () => {
  const tenant = await system.tenant('race');
  await store.transact(tenant, actor, async (tx) => {
    await tx.query('savepoint entry', []);
    await tx.write([create(patient('undone'))]);
    await tx.query('rollback to savepoint entry', []);
    await tx.write([create(observation('kept', 'undone'))]);
  });
  await store.commit(tenant, [create(patient('undone'))], actor);
  expect((await store.read(tenant, 'Observation', 'kept'))?.resource?.id).toBe('kept');
  expect(await differences(tenant)).toEqual({});
});

test('an erased record opens in no copy without its key, and after the wrapping key changed in no older copy at all', async () => {
  const tenant = await system.tenant('b');
  for (const who of ['gone', 'stays'])
    await store.commit(
      tenant,
      [
        create(patient(who)),
        create(observation(`${who}-o`, who)),
        create(note(`${who}-n`, who, 'fits of temper')),
      ],
      actor,
    );
  await annotate(tenant);
  await store.commit(tenant, [update(observation('gone-o', 'gone', 9))], actor);
  // Moves to another's record: its older version is sealed under the key that goes.
  await store.commit(tenant, [create(observation('moved', 'gone'))], actor);
  await store.commit(tenant, [update(observation('moved', 'stays'))], actor);
  const copy = await copyOf(tenant);
  const erased = await store.erase(
    tenant,
    { type: 'Patient', id: 'gone', compartment: true, reason: 'asked for' },
    actor,
  );
  expect(erased.keysDestroyed).toBe(1);
  expect(await differences(tenant)).toEqual({});
  expect((await store.readVersion(tenant, 'Observation', 'moved', 1))?.resource?.id).toBe('moved');

  // The tables put back as they were, but the keys' own.
  for (const table of SEALED) await putBack(tenant, table, copy.get(table)!);
  const refused = { category: 'integrity', message: expect.stringContaining('key of this record is gone') };
  await expect(store.read(tenant, 'Patient', 'gone')).rejects.toMatchObject(refused);
  await expect(store.readVersion(tenant, 'Observation', 'gone-o', 1)).rejects.toMatchObject(refused);
  await expect(readAnnotation(tenant, 'gone-n')).rejects.toMatchObject(refused);
  expect((await differences(tenant))['patient-key']).toBeGreaterThan(0);

  // With a copy of the keys' table of the same age it opens still, which is why the wrapping key is changed.
  const old = copy.get('patient_key')!.filter((row) => row.owner === tenant.keys.rid('Patient', 'gone'));
  await putBack(tenant, 'patient_key', old);
  expect((await store.read(tenant, 'Patient', 'gone'))?.resource?.id).toBe('gone');
  await store.erase(tenant, { type: 'Patient', id: 'gone', compartment: true, reason: 'again' }, actor);

  const done = await rotate('b', 'patient');
  expect(done).toMatchObject({ rewrapped: 1, keysDestroyed: 1, patient: 2 });
  for (const table of [...SEALED, 'patient_key']) await putBack(tenant, table, copy.get(table)!);
  await expect(store.read(tenant, 'Patient', 'gone')).rejects.toMatchObject({ category: 'integrity' });
  expect((await store.read(tenant, 'Patient', 'stays'))?.resource?.id).toBe('stays');
  expect((await readAnnotation(tenant, 'stays-n'))?.annotation).toEqual({ words: 'fits of temper' });
});

test('a writer that remembers the key of an erased patient makes a new one', async () => {
  const tenant = await system.tenant('a');
  const other = await openTenants({ server: system.server, keys: openKeyFiles(`${system.dir}/keys`), clock });
  try {
    const there = await other.open('a');
    await store.commit(tenant, [create(patient('twice'))], actor);
    await store.commit(there, [create(observation('t1', 'twice'))], actor);
    await store.commit(there, [create(observation('t2', 'twice'))], actor);
    await store.erase(
      tenant,
      { type: 'Patient', id: 'twice', compartment: true, reason: 'asked for' },
      actor,
    );
    await store.commit(there, [create(observation('t3', 'twice'))], actor);
    await store.commit(tenant, [create(observation('t4', 'twice'))], actor);
    for (const id of ['t3', 't4'])
      expect((await store.read(tenant, 'Observation', id))?.resource?.id).toBe(id);
    expect(await differences(tenant)).toEqual({});
  } finally {
    await other.close();
  }
});

test('after a new body key everything is sealed anew while others write, and the old key is destroyed', async () => {
  const tenant = await system.tenant('c');
  const stop = { now: false };
  for (const who of ['p', 'q'])
    await store.commit(
      tenant,
      [create(patient(who)), create(note(`${who}-n`, who, 'words')), create(observation(`${who}-o`, who))],
      actor,
    );
  await store.commit(tenant, [create({ resourceType: 'Organization', id: 'org', name: 'Lindenhof' })], actor);
  await annotate(tenant);
  let written = 0;
  const writing = (async () => {
    while (!stop.now) {
      await store.commit(tenant, [create(observation(`w${written}`, 'p'))], actor);
      expect((await store.read(tenant, 'Observation', 'q-o'))?.resource?.id).toBe('q-o');
      written++;
    }
  })();
  const done = await rotate('c', 'body');
  stop.now = true;
  await writing;
  expect(done).toMatchObject({ partsDone: 16_384, body: 2, keysDestroyed: 1 });
  const { rows } = await tenant.pool.query(
    `select distinct kv from segment union select kv from annotation where kv is not null`,
  );
  expect(rows).toEqual([{ kv: 2 }]);
  const keys = await system.tenants.control.query(
    `select version from tenant_key k join tenant t on t.id = k.tenant_id where t.name = 'c' and purpose = 'body'`,
  );
  expect(keys.rows.map((row) => row.version)).toEqual([2]);
  const fresh = await openTenants({ server: system.server, keys: openKeyFiles(`${system.dir}/keys`), clock });
  try {
    const there = await fresh.open('c');
    for (const id of ['p-o', 'q-o', `w${written - 1}`])
      expect((await store.read(there, 'Observation', id))?.resource?.id).toBe(id);
    expect((await readAnnotation(there, 'p-n'))?.state).toBe('done');
    expect(await differences(there)).toEqual({});
  } finally {
    await fresh.close();
  }
});

test('a tenant of before gets keys for its patients when asked to, and what it had is sealed under them', async () => {
  const { control } = system.tenants;
  await control.query(
    `delete from tenant_key where purpose = 'patient' and tenant_id = (select id from tenant where name = 'old')`,
  );
  const tenant = await system.tenant('old');
  expect(tenant.keys.wrapVersion).toBe(0);
  await store.commit(
    tenant,
    [create(patient('p')), create(observation('o', 'p')), create(note('n', 'p', 'words'))],
    actor,
  );
  await annotate(tenant);
  expect(await owners(tenant)).toEqual([null]);
  const done = await rotate('old', 'patient');
  expect(done).toMatchObject({ patient: 1, keysDestroyed: 0 });
  const rid = tenant.keys.rid('Patient', 'p');
  expect([await owners(tenant), await owners(tenant, 'annotation')]).toEqual([[rid], [rid]]);
  expect((await store.read(tenant, 'Observation', 'o'))?.resource?.id).toBe('o');
  expect((await readAnnotation(tenant, 'n'))?.state).toBe('done');
  expect(await differences(tenant)).toEqual({});
});
