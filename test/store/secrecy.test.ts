import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { to as copyTo } from 'pg-copy-streams';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { claimAnnotations, completeAnnotation, readAnnotation } from '../../src/store/annotations.js';
import { asAdmin } from '../../src/tenancy/database.js';
import type { Tenant } from '../../src/tenancy/tenant.js';
import { type TestSystem, testSystem } from '../support/system.js';
import {
  actor,
  create,
  note,
  observation,
  patient,
  refusal,
  tablesOf,
  testStore,
  update,
} from './support.js';

let system: TestSystem;
let tenant: Tenant;
const { store } = testStore();

const SENTENCE = 'Marigold lantern seen drifting past the infirmary at dusk.';

beforeAll(async () => {
  system = await testSystem({ tenants: ['a'] });
  tenant = await system.tenant('a');
  const people = Array.from({ length: 130 }, (_, i) => [
    create(patient(`canary-${i}`, { identifier: [{ system: 'urn:x', value: 'MRN-774411' }] })),
    create(observation(`glucose-${i}`, `canary-${i}`, i)),
  ]).flat();
  await store.commit(tenant, people, actor);
  await store.commit(
    tenant,
    [create(note('canary-note', 'canary-1', SENTENCE, { description: SENTENCE }))],
    actor,
  );
  const [claimed] = await claimAnnotations(tenant, 1, 60_000);
  await completeAnnotation(
    store,
    tenant,
    claimed!,
    { state: 'done', pipeline: 'p1', annotation: { text: SENTENCE }, resources: [] },
    actor,
  );
});
afterAll(() => system.close());

async function dump(): Promise<string> {
  let text = '';
  for (const table of await tablesOf(tenant)) {
    const client = await tenant.pool.connect();
    for (const format of ['csv', 'binary']) {
      const stream = client.query(copyTo(`copy ${table} to stdout (format ${format})`));
      for await (const chunk of stream) text += (chunk as Buffer).toString('latin1');
    }
    client.release();
  }
  // Text that hides in the hexadecimal form of a bytea counts as found.
  return (
    text + text.replace(/\\x([0-9a-f]+)/g, (_, hex: string) => Buffer.from(hex, 'hex').toString('latin1'))
  );
}

test('a dump of every table holds no name, identifier, id, date of birth or sentence', async () => {
  const text = await dump();
  expect(text.length).toBeGreaterThan(50_000);
  for (const canary of [
    'Quillfeather',
    'Ottoline',
    'MRN-774411',
    'canary-1',
    'glucose-1',
    'Marigold',
    'Glucose',
    'tester',
    Buffer.from(SENTENCE).toString('base64').slice(4, 24),
  ]) {
    expect(text.includes(canary), canary).toBe(false);
    expect(text.includes(Buffer.from(canary).toString('hex')), canary).toBe(false);
  }
});

test('nor do the files of the server, its write-ahead log among them', async () => {
  const folder = await asAdmin(system.server, async (admin) => {
    await admin.query('checkpoint');
    return (await admin.query('show data_directory')).rows[0].data_directory as string;
  });
  let [files, logs] = [0, 0];
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    let bytes: Buffer;
    try {
      bytes = readFileSync(path);
    } catch {
      // Another test's database was dropped meanwhile.
      continue;
    }
    files++;
    if (path.includes('pg_wal')) logs++;
    for (const canary of ['Quillfeather', 'Ottoline', 'MRN-774411', 'Marigold lantern', 'canary-1'])
      expect(bytes.includes(canary), `${canary} in ${path}`).toBe(false);
  }
  expect(files).toBeGreaterThan(300);
  expect(logs).toBeGreaterThan(0);
});

test('the annotation reads back for its own document', async () => {
  expect(await readAnnotation(tenant, 'canary-note')).toMatchObject({
    state: 'done',
    version: 1,
    pipeline: 'p1',
    annotation: { text: SENTENCE },
  });
});

/** Changes rows behind the store's back, reads, and puts them back. */
async function tampered(sql: string, values: unknown[], read: () => Promise<unknown>): Promise<string> {
  const client = await tenant.pool.connect();
  try {
    await client.query('create temporary table if not exists kept as select * from segment with no data');
    await client.query('truncate kept');
    await client.query('insert into kept select * from segment');
    const { rowCount } = await client.query(sql, values);
    expect(rowCount).toBeGreaterThan(0);
    return await refusal(read());
  } finally {
    await client.query('delete from segment');
    await client.query('insert into segment select * from kept');
    client.release();
  }
}

test('bodies that were swapped, cut, altered or taken away are refused', async () => {
  const rid = (n: number) => tenant.keys.rid('Patient', `canary-${n}`);
  const place = async (n: number) =>
    (await tenant.pool.query('select part, sid from resource where rid = $1', [rid(n)])).rows[0];
  const [one, two] = [await place(1), await place(2)];
  const read = () => store.read(tenant, 'Patient', 'canary-1');
  expect(await refusal(read())).toBe('none');
  const keys = [one.part, one.sid];
  const cases: [what: string, sql: string, values: unknown[]][] = [
    [
      'the body of another patient, with its list hash',
      'update segment s set bind = t.bind, sealed = t.sealed from segment t where s.part = $1 and s.sid = $2 and t.part = $3 and t.sid = $4',
      [...keys, two.part, two.sid],
    ],
    [
      'the body of another patient alone',
      'update segment s set sealed = t.sealed from segment t where s.part = $1 and s.sid = $2 and t.part = $3 and t.sid = $4',
      [...keys, two.part, two.sid],
    ],
    [
      'one bit',
      'update segment set sealed = set_bit(sealed, 500, 1 - get_bit(sealed, 500)) where part = $1 and sid = $2',
      keys,
    ],
    [
      'the tail',
      'update segment set sealed = substr(sealed, 1, length(sealed) - 1) where part = $1 and sid = $2',
      keys,
    ],
    ['the list hash', 'update segment set bind = bind + 1 where part = $1 and sid = $2', keys],
    ['no body', 'delete from segment where part = $1 and sid = $2', keys],
    ['another segment number', 'update segment set sid = sid + 1 where part = $1 and sid = $2', keys],
  ];
  for (const [what, sql, values] of cases)
    expect([what, await tampered(sql, values, read)]).toEqual([what, 'integrity']);
  expect(await refusal(read())).toBe('none');
});

test('a row that points at another slot or another version of its own segment is refused', async () => {
  await store.commit(
    tenant,
    [
      update(patient('slots')),
      update(observation('slot-1', 'slots')),
      update(observation('slot-2', 'slots')),
    ],
    actor,
  );
  const rid = tenant.keys.rid('Observation', 'slot-1');
  const read = () => store.readMany(tenant, [{ type: 'Observation', id: 'slot-1' }]);
  expect(await refusal(read())).toBe('none');
  for (const change of ['slot = 2', 'slot = 7', 'ver = 2']) {
    const { rows } = await tenant.pool.query('select ver, slot from resource where rid = $1', [rid]);
    await tenant.pool.query(`update resource set ${change} where rid = $1`, [rid]);
    expect([change, await refusal(read())]).toEqual([change, 'integrity']);
    await tenant.pool.query('update resource set ver = $2, slot = $3 where rid = $1', [
      rid,
      rows[0].ver,
      rows[0].slot,
    ]);
  }
});

test('two ids with one storage key: the second is refused on write and absent on read', async () => {
  await store.commit(tenant, [create(patient('first'))], actor);
  const colliding: Tenant = {
    ...tenant,
    keys: { ...tenant.keys, rid: (type, id) => tenant.keys.rid(type, id === 'second' ? 'first' : id) },
  };
  expect(await refusal(store.commit(colliding, [update(patient('second'))], actor))).toBe(
    'conflict writes[0]',
  );
  expect(await store.read(colliding, 'Patient', 'second')).toBeUndefined();
  expect(await store.readMany(colliding, [{ type: 'Patient', id: 'second' }])).toEqual([undefined]);
  expect(await store.history(colliding, 'Patient', 'second', { count: 5 })).toBeUndefined();
  expect(await store.read(colliding, 'Patient', 'first')).toMatchObject({ id: 'first' });
});
