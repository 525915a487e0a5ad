import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { packageRoot } from '../core/package-root.js';
import type { System } from '../system.js';
import { coreDumpsOn } from './core-dumps.js';
import { configOf, print, type SharedOptions, withAddress, withDataDir, withSystem } from './shell.js';

interface ServeOptions extends SharedOptions {
  dev?: boolean;
  worker: boolean;
}

/** The tenant of `serve --dev`. */
const DEV_TENANT = 'demo';

export function register(program: Command): void {
  withAddress(withDataDir(program.command('serve')))
    .description('run the API server, and a job worker in the same process')
    .option('--dev', 'for this machine only: no token is asked for, the tenant "demo" is made when absent')
    .option('--no-worker', 'leave the jobs to workers of their own (cenote worker)')
    .action(serve);
}

async function serve(options: ServeOptions): Promise<void> {
  const config = configOf(options);
  const dev = options.dev === true;
  const { checkServe } = await import('../system.js');
  await checkServe(config, dev);
  await withSystem(options, async (system, interrupted) => {
    if (dev && !(await system.tenants.find(DEV_TENANT))) await system.tenants.create(DEV_TENANT);
    await serveUntilStopped(system, interrupted, { dev, worker: options.worker });
  });
}

/** Runs the API, and a worker beside it where wanted, until the signal; prints where it listens. */
export async function serveUntilStopped(
  system: System,
  interrupted: AbortSignal,
  { dev, worker: withWorker }: { dev: boolean; worker: boolean },
): Promise<void> {
  const { config } = system;
  const log = (line: object) =>
    process.stderr.write(
      `${JSON.stringify({ time: new Date(system.clock.now()).toISOString(), ...line })}\n`,
    );
  if (!dev && coreDumpsOn())
    log({
      warning: 'core-dumps',
      remedy:
        'A crash would leave records and keys in a file, and there is no prlimit (util-linux) to turn that off: run with ulimit -c 0 (LimitCORE=0 of systemd).',
    });
  const worker = withWorker ? await system.work((category) => log({ worker: category })) : undefined;
  const wake = worker && ((tenant: string) => worker.wake(tenant));
  const server = await system.serve({ version: version(), dev, log, wake });
  const shown = config.port === 0 ? config.baseUrl.replace(/:0$/, `:${server.port}`) : config.baseUrl;
  print(`Cenote ${version()} listens on ${shown}`);
  print(
    dev
      ? `FHIR base: ${shown}/fhir/${DEV_TENANT} (no token asked for)`
      : `FHIR bases: ${shown}/fhir/{tenant}`,
  );
  await stopped(interrupted);
  await server.stop();
  await worker?.stop();
}

function version(): string {
  return (JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')) as { version: string })
    .version;
}

function stopped(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
