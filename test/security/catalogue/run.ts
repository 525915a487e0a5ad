/**
 * `npm run test:security`: tries every row of the attack catalogue against a server in a process of its own, prints the
 * table, and ends in `N passed, N failed`. `-- S-10 S-12` tries these alone; `-- --chaos` breaks things around fifty
 * tenants for two minutes instead.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { createWriteStream, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readConfig } from '../../../src/config.js';
import { openSystem } from '../../../src/system.js';
import { emptyDataDir } from '../../../src/tenancy/data-dir.js';
import { embeddedServer } from '../../../src/tenancy/server.js';
import { chaos } from '../chaos.js';
import { CANARY, openLab, startKeyServer } from './lab.js';
import type { LoopDelay } from './loop-delay.js';
import { ROWS } from './rows.js';
import { Trial } from './trial.js';

/** Rows during which the event loop must stay free. */
const PARSERS = /^S-1[0-6]$/;
const MAX_P99_MS = 100;

const wanted = process.argv.slice(2).filter((w) => !w.startsWith('--'));
const chaotic = process.argv.includes('--chaos');
const rows = ROWS.filter(
  ({ id }) => (wanted.length === 0 && !chaotic) || wanted.some((w) => id.startsWith(w)),
);
const dataDir = mkdtempSync(join(tmpdir(), 'cenote-security-'));
const keyServer = await startKeyServer();
const env = { CENOTE_DATA_DIR: dataDir, CENOTE_JWKS_ORIGINS: keyServer.origin, CENOTE_TENANT_RATE: '100000' };
const system = await openSystem(readConfig({ port: 0 }, env));
const child = fork(fileURLToPath(new URL('./server.js', import.meta.url)), {
  env: { ...process.env, ...env },
  stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
});
const logFile = join(dataDir, 'server.log');
child.stderr?.pipe(createWriteStream(logFile));
const { port } = await told<{ port: number }>(child);
const server = await embeddedServer(dataDir);
let failed = 0;
let passed = 0;
if (chaotic) {
  const { requests, faults, statuses, wrong } = await chaos(
    { system, port, server: server.address },
    { tenants: 50, seconds: 120, seed: Date.now() % 1_000_000 },
  );
  for (const [kind, { done, refused, torn }] of Object.entries(requests).sort())
    console.log(`${kind.padEnd(28)} ${done} answered, ${refused} refused, ${torn} torn`);
  for (const [fault, n] of Object.entries(faults).sort()) console.log(`${fault.padEnd(50)} ${n}`);
  console.log(`statuses ${JSON.stringify(statuses)}`);
  for (const one of wrong) console.log(`wrong: ${one}`);
  check('fifty tenants while everything breaks: no answer holds the word of another', wrong.length === 0, '');
}
const lab = await openLab(system, port, keyServer, server.address);

let worst = 0;
let worstWall = 0;
let burst = 0;
console.log('row    inputs  right  slowest ms  loop p99 ms  longest work ms  what');
for (const row of rows) {
  child.send('reset');
  await told(child);
  const trial = new Trial();
  try {
    await row.attack(lab, trial);
  } catch (error) {
    trial.check('the row runs to its end', false, error instanceof Error ? error.message : String(error));
  }
  child.send('delay');
  const delay = await told<LoopDelay>(child);
  if (PARSERS.test(row.id)) {
    worst = Math.max(worst, delay.p99);
    worstWall = Math.max(worstWall, delay.wallP99);
    burst = Math.max(burst, delay.burst);
  }
  const cells = [
    row.id.padEnd(6),
    String(trial.inputs.length).padStart(6),
    String(trial.right).padStart(6),
    trial.slowestMs.toFixed(0).padStart(11),
    delay.p99.toFixed(1).padStart(12),
    delay.burst.toFixed(0).padStart(16),
  ];
  console.log(`${cells.join(' ')}  ${row.title}`);
  for (const { name, wrong } of trial.inputs)
    if (wrong !== undefined) console.log(`         wrong: ${name}: ${wrong}`);
  passed += trial.right;
  failed += trial.inputs.length - trial.right;
}
if (rows.length > 0)
  check(
    'the event loop of the server, parser attacks',
    worst < MAX_P99_MS,
    `p99 ${worst.toFixed(1)} ms at most (${worstWall.toFixed(1)} ms with what other programs took), longest work ${burst.toFixed(0)} ms`,
  );

await lab.close();
child.send('stop');
await new Promise((resolve) => child.once('exit', resolve));
await system.close();
await server.close();
const log = readFileSync(logFile, 'utf8');
check(
  'the log of the server',
  log.length > 0 && !log.includes(CANARY) && !log.includes('eyJ'),
  `${log.length} characters, no record and no token in them`,
);
await emptyDataDir(dataDir).catch(() => {});
rmSync(dataDir, { recursive: true, force: true });
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;

function check(name: string, right: boolean, figure: string): void {
  console.log(`${right ? 'right' : 'wrong'}: ${name}: ${figure}`);
  if (right) passed++;
  else failed++;
}

function told<T>(process: ChildProcess): Promise<T> {
  return new Promise((resolve, reject) => {
    const ended = (code: number | null) => reject(new Error(`The server ended with ${code}.`));
    process.once('exit', ended);
    process.once('message', (message) => {
      process.off('exit', ended);
      resolve(message as T);
    });
  });
}
