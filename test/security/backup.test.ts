import { execFileSync, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { readConfig } from '../../src/config.js';
import { openSystem, type System } from '../../src/system.js';
import { emptyDataDir } from '../../src/tenancy/data-dir.js';
import { asAdmin } from '../../src/tenancy/database.js';
import { ADMIN_ROLE } from '../../src/tenancy/postgres/cluster.js';
import { findPlace } from '../../src/tenancy/postgres/place.js';
import { actor, create } from '../store/support.js';

/**
 * S-52: a backup of the whole database server, taken before a tenant was shredded and restored after it, opens nothing; and
 * what a core dump of the database's processes holds.
 */
const WORD = `zqx${randomBytes(8).toString('hex')}`;
const root = mkdtempSync(join(tmpdir(), 'cenote-backup-'));
const live = join(root, 'live');
const restored = join(root, 'restored');
const KEYS = ['keys', 'token.secret', 'control-audit.key'];
const systems: System[] = [];

afterAll(async () => {
  for (const system of systems) await system.close();
  for (const dir of [live, restored]) await emptyDataDir(dir);
  rmSync(root, { recursive: true, force: true });
});

async function open(dataDir: string): Promise<System> {
  const system = await openSystem(readConfig({ dataDir, port: 0 }, {}));
  systems.push(system);
  return system;
}
async function close(system: System): Promise<void> {
  systems.splice(systems.indexOf(system), 1);
  await system.close();
}
const copy = (from: string, to: string, names: readonly string[]) => {
  for (const name of names)
    if (existsSync(join(from, name))) {
      rmSync(join(to, name), { recursive: true, force: true });
      cpSync(join(from, name), join(to, name), { recursive: true, preserveTimestamps: true });
      // cp leaves the mode of files, not that of folders made on the way.
      spawnSync('chmod', ['-R', 'go-rwx', join(to, name)]);
    }
};
const read = async (system: System) => {
  const tenant = await system.tenants.open('lake');
  return JSON.stringify((await system.store.read(tenant, 'Patient', 'p'))?.resource ?? null);
};

it('a backup from before a tenant was shredded opens no more when it is restored', async () => {
  let system = await open(live);
  await system.tenants.create('lake');
  const patient = { resourceType: 'Patient', id: 'p', name: [{ family: WORD }] };
  await system.store.commit(await system.tenants.open('lake'), [create(patient)], actor);
  expect(await read(system)).toContain(WORD);
  await dumps(system, live);
  await close(system);

  // The server stands still: its files are a backup of everything, WAL included.
  const place = findPlace(live)!;
  const home = `${place.home}-restored`;
  execFileSync('cp', ['-a', place.home, home]);
  mkdirSync(restored, { mode: 0o711 });
  writeFileSync(join(restored, 'postgres.json'), JSON.stringify({ ...place, home }), { mode: 0o600 });
  const before = join(root, 'before');
  mkdirSync(before);
  copy(live, before, KEYS);

  system = await open(live);
  await system.tenants.shred('lake');
  await close(system);

  copy(live, restored, KEYS);
  system = await open(restored);
  // The backup knows nothing of it: there the tenant is as alive as ever.
  expect((await system.tenants.find('lake'))?.state).toBe('active');
  await expect(system.tenants.open('lake')).rejects.toMatchObject({ category: 'unavailable' });
  await close(system);

  // With the keys as they were it does open: the refusal above came from their destruction and from nothing else.
  copy(before, restored, KEYS);
  system = await open(restored);
  expect(await read(system)).toContain(WORD);
  await close(system);
}, 300_000);

/**
 * Core dumps of the processes that served the tenant, by gdb's `gcore`: a gigabyte each, since they hold the database's shared
 * memory, so only where they are asked for (`npm run test:core`).
 */
async function dumps(system: System, dataDir: string): Promise<void> {
  if (process.env.CENOTE_TEST_CORE !== '1') return;
  const { home, password } = findPlace(dataDir)!;
  const port = Number(readFileSync(join(home, 'data', 'postmaster.pid'), 'utf8').split('\n')[3]);
  const server = { host: '127.0.0.1', port, user: ADMIN_ROLE, password, database: 'postgres' };
  const tenant = await system.tenants.open('lake');
  // A word that must be found, or nothing would be.
  const probe = `probe${randomBytes(8).toString('hex')}`;
  await tenant.pool.query(`select '${probe}'`);
  const core = join(root, 'core');
  const found = { probe: 0, word: 0, files: 0 };
  await asAdmin(server, async (admin) => {
    const { rows } = await admin.query<{ pid: number }>(
      'select pid from pg_stat_activity where datname = $1 or query like $2 limit 3',
      [tenant.record.database, `%${probe}%`],
    );
    for (const { pid } of rows) {
      const dumped = spawnSync('gcore', ['-o', core, String(pid)], { stdio: 'ignore' });
      expect(dumped.status).toBe(0);
      const holds = (text: string) => spawnSync('grep', ['-qaF', text, `${core}.${pid}`]).status === 0;
      found.files++;
      if (holds(probe)) found.probe++;
      if (holds(WORD)) found.word++;
      rmSync(`${core}.${pid}`);
    }
  });
  expect(found.files).toBeGreaterThan(0);
  expect(found.probe).toBeGreaterThan(0);
  expect(found.word).toBe(0);
}
