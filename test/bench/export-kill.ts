import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { readConfig } from '../../src/config.js';
import { packageRoot } from '../../src/core/package-root.js';
import { openSystem } from '../../src/system.js';
import { runExport } from '../../src/tasks/export.js';
import { removeEmbedded } from '../../src/tenancy/postgres/embedded.js';
import { line } from './support/figure.js';
import { filled } from './support/lake.js';
import { random } from './support/records.js';

/**
 * `cenote bench export-kill [--resources N] [--kills N] [--format F] [--seed N] [--data-dir FOLDER]`: exports made-up
 * records undisturbed, then again by a process of its own that is killed at as many random moments and begun anew. The
 * figure is how many files differ in the end: it must be 0.
 */
export async function run(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      resources: { type: 'string', default: '40000' },
      kills: { type: 'string', default: '20' },
      format: { type: 'string', default: 'ndjson' },
      seed: { type: 'string', default: '1' },
      'data-dir': { type: 'string' },
    },
  });
  const dataDir = values['data-dir'] ?? mkdtempSync(join(tmpdir(), 'cenote-bench-'));
  const out = mkdtempSync(join(tmpdir(), 'cenote-bench-out-'));
  const system = await openSystem(
    readConfig({ dataDir, port: 0 }, { ...process.env, CENOTE_DATA_DIR: dataDir }),
  );
  try {
    const tenant = await filled(system, Number(values.resources));
    const format = values.format as 'ndjson' | 'parquet' | 'csv';
    const buckets = 2 * Number(values.kills);
    const began = performance.now();
    const whole = await runExport(system, tenant, {
      directory: join(out, 'whole'),
      request: 'tenant',
      format,
      buckets,
    });
    const took = performance.now() - began;
    const again = join(out, 'killed');
    const next = random(Number(values.seed));
    let kills = 0;
    for (let over = false; !over; ) {
      const child = spawn(
        process.execPath,
        [
          join(packageRoot(), 'dist', 'src', 'cli', 'main.js'),
          ...['export', '--tenant', 'bench', '--data-dir', dataDir, '--quiet'],
          ...['--out', again, '--format', format, '--buckets', String(buckets)],
        ],
        { stdio: 'ignore' },
      );
      const ended = new Promise<number | null>((resolve) => child.on('exit', resolve));
      if (kills < Number(values.kills)) {
        // The program needs a while to begin; a kill may fall before, within or after what it writes.
        const timer = setTimeout(() => child.kill('SIGKILL'), 700 + next() * (300 + took / 4));
        const code = await ended;
        clearTimeout(timer);
        if (code === null) kills++;
        else over = true;
      } else over = (await ended) === 0;
    }
    const sums = (at: string) =>
      new Map(
        (JSON.parse(readFileSync(join(at, 'manifest.json'), 'utf8')) as typeof whole).output.map((f) => [
          f.file,
          f.sha256,
        ]),
      );
    const expected = sums(join(out, 'whole'));
    const found = sums(again);
    const differ = new Set(
      [...expected.keys(), ...found.keys()].filter((f) => expected.get(f) !== found.get(f)),
    );
    line(
      'export-kill',
      'files that differ',
      differ.size,
      '1',
      `${whole.total} resources in ${expected.size} files`,
      `${kills} kills`,
    );
    if (differ.size > 0) process.exitCode = 1;
  } finally {
    await system.close();
    rmSync(out, { recursive: true, force: true });
    if (!values['data-dir']) {
      await removeEmbedded(dataDir);
      rmSync(dataDir, { recursive: true, force: true });
    }
  }
}
