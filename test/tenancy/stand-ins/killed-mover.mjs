// Moves a tenant in a process of its own that kills itself right after a step:
// node killed-mover.mjs '{"server", "places", "keyDir", "name", "to", "step"}'
import { systemClock } from '../../../dist/src/core/clock.js';
import { openTenants } from '../../../dist/src/tenancy/catalog.js';
import { openKeyFiles } from '../../../dist/src/tenancy/key-file.js';

const { server, places, keyDir, name, to, step } = JSON.parse(process.argv[2]);
const tenants = await openTenants({
  server,
  keys: openKeyFiles(keyDir),
  clock: systemClock,
  places: new Map(places),
});
await tenants.move(name, {
  to,
  noticeMs: 50,
  onStep: (done) => done === step && process.kill(process.pid, 'SIGKILL'),
});
