import { mkdtempSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Catalog } from '../../src/tenancy/catalog.js';
import { actor, create, testStore } from '../store/support.js';
import { cenote } from './command-line.js';
import { type OwnServer, ownServer } from './own-server.js';

/** `cenote view` and `cenote features`, as a user runs them. */
let own: OwnServer;
let tenants: Catalog;
let env: Record<string, string>;
const dir = mkdtempSync(join(tmpdir(), 'cenote-view-'));

beforeAll(async () => {
  own = await ownServer('view', dir);
  ({ tenants, env } = own);
  const records = [
    { resourceType: 'Patient', id: 'p', gender: 'female' },
    {
      resourceType: 'Condition',
      id: 'c',
      subject: { reference: 'Patient/p' },
      code: { coding: [{ system: 'http://snomed.info/sct', code: '44054006' }], text: 'Diabetes, type 2' },
      onsetDateTime: '2019-05-01',
    },
  ];
  await testStore().store.commit(await tenants.open('real'), records.map(create), actor);
});
afterAll(() => own.close());

const run = (...args: string[]) => cenote([...args, '--tenant', 'real'], env);

test('cenote view list names the views that come with the program', async () => {
  const { status, out } = await run('view', 'list');
  expect(status).toBe(0);
  expect(out).toMatch(/^observation +Observation +Observations$/m);
});

test('cenote view run prints a table, or writes one that only its owner may read', async () => {
  const printed = await run('view', 'run', 'condition', '--format', 'csv', '--patient', 'p');
  expect(printed.status, printed.err).toBe(0);
  expect(printed.out).toMatch(/^id,patient_id,[^\n]*\r\nc,p,,2019-05-01,"Diabetes, type 2",44054006/);
  const file = join(dir, 'conditions.parquet');
  const written = await run('view', 'run', 'condition', '--format', 'parquet', '--out', file);
  expect(written.status, written.err).toBe(0);
  expect(readFileSync(file).subarray(0, 4).toString()).toBe('PAR1');
  expect(statSync(file).mode & 0o777).toBe(0o600);
});

test('cenote view run takes a view from a file, and says what is wrong with it', async () => {
  const file = join(dir, 'view.json');
  const view = (path: string) =>
    JSON.stringify({
      resourceType: 'ViewDefinition',
      resource: 'Patient',
      select: [{ column: [{ name: 'g', path }] }],
    });
  writeFileSync(file, view('gender'));
  expect((await run('view', 'run', file, '--format', 'json')).out).toBe('[{"g":"female"}]\n');
  writeFileSync(file, view('gender..'));
  const wrong = await run('view', 'run', file);
  expect(wrong.status).not.toBe(0);
  expect(wrong.err).toContain('ViewDefinition.select[0].column[0].path');
});

test('cenote features answers rows of patient and time, and writes all that was ever known', async () => {
  const file = join(dir, 'rows.csv');
  writeFileSync(file, 'patient,time\nPatient/p,2099-01-01\np,2018-01-01\n');
  const { status, out, err } = await run('features', '--feature', 'dm=condition', '--rows', file);
  expect(status, err).toBe(0);
  const lines = out.trim().split('\r\n');
  expect(lines[0]).toMatch(/^patient_id,index_time,dm_id,.*,dm_known_time$/);
  expect(lines[1]).toMatch(/^p,2099-01-01T00:00:00.000Z,c,/);
  expect(lines[2]).toMatch(/^p,2018-01-01T00:00:00.000Z,+$/);
  const history = await run('features', '--feature', 'condition', '--history');
  expect(history.out).toMatch(/,known_from,known_until\r\nc,p,/);
});
