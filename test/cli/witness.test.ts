import { mkdtempSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readAuditLog } from '../../src/store/audit-log.js';
import type { Catalog } from '../../src/tenancy/catalog.js';
import { actor, create, testStore } from '../store/support.js';
import { cenote } from './command-line.js';
import { type OwnServer, ownServer } from './own-server.js';

/** Whoever works on the command line leaves what they read in the tenant's log, and what they administer in its own. */
let own: OwnServer;
let tenants: Catalog;
let env: Record<string, string>;
const dir = mkdtempSync(join(tmpdir(), 'cenote-witness-'));
const me = `cli/${userInfo().username}`;

beforeAll(async () => {
  own = await ownServer('witness', dir);
  ({ tenants, env } = own);
  const records = [
    { resourceType: 'Patient', id: 'p', gender: 'female', birthDate: '1970-01-01' },
    {
      resourceType: 'Condition',
      id: 'c',
      subject: { reference: 'Patient/p' },
      code: { text: 'Diabetes, type 2' },
      onsetDateTime: '2019-05-01',
    },
  ];
  await testStore().store.commit(await tenants.open('real'), records.map(create), actor);
});
afterAll(() => own.close());

const logged = async (interaction: string) => {
  const { facts } = await readAuditLog(await tenants.open('real'), {
    count: 100,
    interactions: [interaction],
  });
  return facts;
};

test.each([
  ['$timeline', ['timeline', 'p'], ['p']],
  ['$view-run', ['view', 'run', 'condition', '--patient', 'p'], ['p']],
  ['$cohort-preview', ['cohort', 'create', '--name', 'x', '--search', 'Condition', '--preview'], []],
  ['$cohort-list', ['cohort', 'list'], []],
  ['$export', ['export', '--out', join(dir, 'out'), '--patient', 'p'], ['p']],
])('%s of a command is in the tenant’s log, with who and of whom', async (interaction, args, patients) => {
  const ran = await cenote([...args, '--tenant', 'real'], env);
  expect([ran.status, ran.err]).toEqual([0, ran.err]);
  const [fact] = await logged(interaction);
  expect(fact).toMatchObject({ actor: { id: me }, status: 200 });
  expect(fact?.patients).toEqual(patients);
});

test('what is administered is in its own chain and the tenant’s log; verify names a row that was altered', async () => {
  const made = await cenote(
    [
      'client',
      'register',
      '--tenant',
      'real',
      '--name',
      'App',
      '--scope',
      'patient/*.rs',
      '--redirect-uri',
      'https://a.example/b',
    ],
    env,
  );
  expect(made.status).toBe(0);
  expect((await logged('$admin-client-register')).map((f) => f.actor.id)).toEqual([me]);
  const twice = await cenote(['tenant', 'create', 'real'], env);
  expect(twice.status).toBe(2);
  const { rows } = await tenants.control.query<{ entry: string }>(
    'select entry from admin_audit order by seq',
  );
  expect(rows.map(({ entry }) => JSON.parse(entry) as unknown)).toEqual([
    { subject: me, action: 'client-register', tenant: 'real', outcome: 'begun' },
    { subject: me, action: 'client-register', tenant: 'real', outcome: 'done' },
    { subject: me, action: 'tenant-create', tenant: 'real', outcome: 'begun' },
    { subject: me, action: 'tenant-create', tenant: 'real', outcome: 'refused' },
  ]);
  const good = await cenote(['verify', '--tenant', 'real'], env);
  expect([good.status, good.out]).toEqual([0, expect.stringContaining('administration     4 rows')]);
  await tenants.control.query("update admin_audit set entry = replace(entry, 'cli/', 'cli:') where seq = 2");
  const bad = await cenote(['verify', '--tenant', 'real'], env);
  expect(bad.status).toBe(1);
  expect(bad.out).toContain('audit-chain at administration row 2: is not what was written there');
});
