import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { packageRoot } from '../../src/core/package-root.js';
import { type Rooms, wireRooms } from '../../src/system.js';
import { runImport } from '../../src/tasks/import.js';
import { AHEAD_MS, type CrashSystem, contentDigest, crashInput, crashOnce } from '../bench/support/crash.js';
import { TEST_BASE_URL, type TestSystem, testSystem } from '../support/system.js';

/** `cenote import` killed with SIGKILL, as a process of its own; `cenote bench crash` does the same at 20 random points. */
let system: TestSystem;
let rooms: Rooms;
let crash: CrashSystem;

beforeAll(async () => {
  system = await testSystem({ tenants: [], clock: { now: () => Date.now() + AHEAD_MS } });
  rooms = wireRooms({ clock: system.clock, tenants: system.tenants, baseUrl: TEST_BASE_URL });
  const { host, port, user, password, database } = system.server;
  const login = encodeURIComponent(user) + (password ? `:${encodeURIComponent(password)}` : '');
  crash = {
    store: rooms.store,
    jobs: rooms.jobs,
    bundles: rooms.bundles,
    baseOf: (tenant) => rooms.baseOf(tenant),
    annotation: () => rooms.annotation(),
    tenant: async (name) => {
      await system.tenants.create(name);
      return system.tenant(name);
    },
    env: {
      DATABASE_URL: `postgres://${login}@${host}:${port}/${database}`,
      CENOTE_DATA_DIR: system.dir,
      CENOTE_BASE_URL: TEST_BASE_URL,
      CENOTE_KEY_DIR: join(system.dir, 'keys'),
    },
  };
});
afterAll(async () => {
  await rooms.closeRooms();
  await system.close();
});

it('an import that is killed goes on with another process, to the same end', async () => {
  expect(existsSync(join(packageRoot(), 'dist/src/cli/main.js')), 'npm run build').toBe(true);
  const folder = join(system.dir, 'input');
  // Without notes: each process would have to load what reads them.
  const { lines } = crashInput(folder, 40, 0);
  const calm = await system.tenants.create('calm').then(() => system.tenant('calm'));
  const { id } = await rooms.jobs.create(calm, 'import', {
    paths: [folder],
    folder,
    defaults: {},
    columns: {},
  });
  await runImport(
    { jobs: rooms.jobs, bundle: rooms.bundles, clock: rooms.clock },
    calm,
    await rooms.jobs.claim(calm, id),
    {
      base: rooms.baseOf(calm),
    },
  );
  const expected = await contentDigest(rooms.store, calm);
  const trial = await crashOnce(crash, { folder, lines }, 'killed', 300, expected);
  expect(trial).toMatchObject({ equal: true, addsUp: true });
  // The comparison sees a single resource that is missing.
  for await (const [first] of rooms.store.scan(calm, { types: ['Condition'] })) {
    await rooms.store.commit(calm, [{ op: 'delete', type: 'Condition', id: first!.id }], {
      id: 'test',
      kind: 'user',
    });
    break;
  }
  expect(await contentDigest(rooms.store, calm)).not.toBe(expected);
}, 60_000);
