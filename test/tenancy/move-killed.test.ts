import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { packageRoot } from '../../src/core/package-root.js';
import type { Rooms } from '../../src/system.js';
import { asAdmin } from '../../src/tenancy/database.js';
import { MOVE_STEPS, type MoveStep } from '../../src/tenancy/move.js';
import type { Tenant } from '../../src/tenancy/tenant.js';
import { actor, create, patient } from '../store/support.js';
import { category, type MovingSystem, movingSystem, tenantsOn, whole } from '../support/moving.js';

let moving: MovingSystem;
let rooms: Rooms;

beforeAll(async () => {
  moving = await movingSystem();
  rooms = moving.rooms;
}, 120_000);
afterAll(() => moving.close());

/** Moves in a process of its own that is killed (SIGKILL) right after `step`. */
async function killedMover(name: string, to: string, step: MoveStep): Promise<void> {
  const { system, east } = moving;
  const told = {
    server: system.server,
    places: [['east', east.address]],
    keyDir: join(system.dir, 'keys'),
    name,
    to,
    step,
  };
  const script = join(packageRoot(), 'test/tenancy/stand-ins/killed-mover.mjs');
  const mover = spawn(process.execPath, [script, JSON.stringify(told)], { stdio: 'inherit' });
  const [, signal] = await once(mover, 'exit');
  expect(signal).toBe('SIGKILL');
}

let written = 0;
const accepted = new Map<string, string[]>();

/** Tries to write; remembers what was accepted. */
async function writes(tenant: Tenant): Promise<boolean> {
  const id = `w${written++}`;
  const outcome = await category(rooms.store.commit(tenant, [create(patient(id))], actor));
  expect(['no fault', 'unavailable']).toContain(outcome);
  if (outcome !== 'no fault') return false;
  const { name } = tenant.record;
  accepted.set(name, [...(accepted.get(name) ?? []), id]);
  return true;
}

/** The tenant works, has everything, and nobody who holds on to another place of it can write. */
async function works(name: string, held: readonly Tenant[]): Promise<Tenant> {
  const tenant = await moving.system.tenant(name);
  expect(await writes(tenant)).toBe(true);
  for (const old of held) if (old.record.epoch !== tenant.record.epoch) expect(await writes(old)).toBe(false);
  const ids = accepted.get(name) ?? [];
  const found = await Promise.all(ids.map(async (id) => (await rooms.store.read(tenant, 'Patient', id))?.id));
  expect(found).toEqual(ids);
  await whole(rooms, tenant);
  return tenant;
}

test('a mover killed after any step leaves one home; moving again or --revert makes it work', async () => {
  const { system, east } = moving;
  const name = 'killed';
  const held: Tenant[] = [await moving.filled(name)];
  let at = 'home';
  for (const [i, step] of MOVE_STEPS.entries()) {
    const to = at === 'home' ? 'east' : 'home';
    await killedMover(name, to, step);
    const row = (await system.tenants.find(name))!;
    // Until the last step it is where it was, and from the fence on nobody writes there, whoever asks.
    expect([step, row.place ?? 'home']).toEqual([step, step === 'moved' ? to : at]);
    expect([step, row.moving === true]).toEqual([step, !['prepared', 'moved'].includes(step)]);
    const fenced = !['prepared', 'announced', 'moved'].includes(step);
    if (fenced) for (const old of held) expect([step, await writes(old)]).toEqual([step, false]);
    if (step === 'compared') {
      const reader = await system.tenant(name);
      expect((await rooms.store.read(reader, 'Patient', 'p7'))?.version).toBe(1);
    }
    if (step === 'moved') {
      at = to;
      expect(await category(system.tenants.revertMove(name))).toBe('conflict');
    } else if (i % 2 === 0) {
      await system.tenants.revertMove(name);
    } else {
      await system.tenants.move(name, { to, noticeMs: 50 });
      at = to;
    }
    held.push(await works(name, held));
    // One database for it and one for each home that it had: what was copied in vain is gone.
    const { rows } = await system.tenants.control.query(
      'select state, count(*)::int as n from tenant_place group by state',
    );
    expect(rows.filter((r) => r.state !== 'former')).toEqual([]);
    await system.tenants.dropFormer(name);
    expect(await tenantsOn(east.address)).toBe(at === 'east' ? 2 : 0);
  }
}, 180_000);

async function until(done: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 200; i++) {
    if (await done().catch(() => false)) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error('did not happen in time');
}

test.each<['source' | 'target', MoveStep]>([
  ['source', 'fenced'],
  ['source', 'closed'],
  ['target', 'fenced'],
  ['target', 'caught up'],
])(
  'the %s server killed when it is %s: the tenant works at its home, and can be moved',
  async (which, step) => {
    const { system, east } = moving;
    const name = `${which}-${step.replace(/\W/g, '')}`;
    const held: Tenant[] = [await moving.filled(name)];
    if (which === 'source') {
      await system.tenants.move(name, { to: 'east', noticeMs: 50 });
      held.push(await works(name, held));
    }
    const [from, to] = which === 'source' ? ['east', 'home'] : ['home', 'east'];
    const failed = system.tenants.move(name, {
      to,
      onStep: (done) => {
        if (done === step) process.kill(east.pid, 'SIGKILL');
      },
    });
    const outcome = await category(failed);
    await until(() => asAdmin(east.address, async () => true));
    // The flip needs nothing of a target that has committed all rows: then the move has ended well.
    if (outcome === 'no fault') {
      expect([which, step]).toEqual(['target', 'caught up']);
      await works(name, held);
      return;
    }
    expect(outcome).toBe('unavailable');
    const row = (await system.tenants.find(name))!;
    expect(row.place ?? 'home').toBe(from);
    // Where the server was back in time the mover has undone everything itself.
    expect(['no fault', 'conflict']).toContain(await category(system.tenants.revertMove(name)));
    held.push(await works(name, held));
    await system.tenants.move(name, { to, noticeMs: 50 });
    await works(name, held);
  },
  120_000,
);
