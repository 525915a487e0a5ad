/**
 * `npm run fuzz -- --seconds N [--seed S]`: sends damaged requests and reads damaged documents for as long, prints what
 * was tried and every defect with its input, and ends in `N passed, N failed`.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { readConfig } from '../../src/config.js';
import { authorizationOf, openSystem } from '../../src/system.js';
import { emptyDataDir } from '../../src/tenancy/data-dir.js';
import { fuzz } from './fuzz.js';
import { sender } from './sender.js';

const { values } = parseArgs({
  options: { seconds: { type: 'string', default: '60' }, seed: { type: 'string' } },
});
const seconds = Number(values.seconds);
const seed = Number(values.seed ?? Date.now() % 1_000_000);
const dataDir = mkdtempSync(join(tmpdir(), 'cenote-fuzz-'));
const config = readConfig({ dataDir, port: 0 }, { CENOTE_TENANT_RATE: '100000' });
const system = await openSystem(config);
const serving = await system.serve({
  version: '0.0.0',
  dev: false,
  log: (line) => {
    if (Number(line.status) >= 500) console.error(JSON.stringify(line));
  },
});
const record = await system.tenants.create('lake');
const token = authorizationOf(config, system).issue({
  tenant: record,
  scope: 'system/*.cruds',
  lifeS: Math.max(60, seconds * 2),
});
const end = Date.now() + seconds * 1000;
console.log(`seed ${seed}, ${seconds} s`);
const { rounds, findings } = await fuzz(
  { base: '/fhir/lake', token, send: sender(serving.port) },
  { seed, until: () => Date.now() > end },
);
for (const [kind, n] of Object.entries(rounds)) console.log(`${kind.padEnd(8)} ${n} inputs`);
for (const { kind, round, what } of findings) console.log(`wrong: ${kind}, round ${round}: ${what}`);
await serving.stop();
await system.close();
await emptyDataDir(dataDir).catch(() => {});
rmSync(dataDir, { recursive: true, force: true });
const tried = Object.values(rounds).reduce((sum, n) => sum + n, 0);
console.log(`${tried - findings.length} passed, ${findings.length} failed`);
process.exitCode = findings.length === 0 ? 0 : 1;
