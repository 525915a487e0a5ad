import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readConfig } from '../../src/config.js';
import { openSystem } from '../../src/system.js';
import { removeEmbedded } from '../../src/tenancy/postgres/embedded.js';
import { AHEAD_MS, type CrashSystem, crashInput, crashOnce, undisturbed } from './support/crash.js';
import { line } from './support/figure.js';
import { random } from './support/records.js';

/**
 * `cenote bench crash [POINTS] [SEED]`: kills `cenote import` (SIGKILL) at random points, lets another process go on,
 * and compares what is there in the end with an import that nobody disturbed.
 */
export async function run(args: readonly string[]): Promise<void> {
  const points = Number(args[0] ?? 20);
  const next = random(Number(args[1] ?? 7));
  const dataDir = mkdtempSync(join(tmpdir(), 'cenote-crash-'));
  const folder = mkdtempSync(join(tmpdir(), 'cenote-crash-input-'));
  try {
    const env = { CENOTE_DATA_DIR: dataDir };
    const system = await openSystem(readConfig({ dataDir, port: 0 }, { ...process.env, ...env }), {
      clock: { now: () => Date.now() + AHEAD_MS },
    });
    try {
      const crash: CrashSystem = {
        store: system.store,
        jobs: system.jobs,
        bundles: system.bundles,
        baseOf: (tenant) => system.baseOf(tenant),
        annotation: () => system.annotation(),
        env,
        tenant: async (name) => {
          await system.tenants.create(name);
          return system.tenants.open(name);
        },
      };
      const { lines } = crashInput(folder, 240, 60);
      const calm = await undisturbed(crash, folder);
      let tried = 0;
      let equal = 0;
      let within = 0;
      let longest = calm.ms;
      // One that ended by itself shows that the machine was slower before; it is no point.
      for (; within < points && tried < points * 3; tried++) {
        const trial = await crashOnce(
          crash,
          { folder, lines },
          `crash-${tried}`,
          next() * longest,
          calm.digest,
        );
        if (trial.equal && trial.addsUp) equal++;
        if (trial.ended) longest = Math.min(longest, trial.afterMs);
        else within++;
        process.stderr.write(`${JSON.stringify(trial)}\n`);
      }
      const data = `${lines} lines in bundles, NDJSON and a table of notes`;
      line('crash', 'runs killed before their end', within, '1', data);
      line(
        'crash',
        'runs with other content or counts than undisturbed',
        tried - equal,
        '1',
        data,
        `of ${tried}`,
      );
      if (equal !== tried || within < points) process.exitCode = 1;
    } finally {
      await system.close();
    }
  } finally {
    await removeEmbedded(dataDir);
    for (const path of [dataDir, folder]) rmSync(path, { recursive: true, force: true });
  }
}
