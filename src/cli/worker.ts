import type { Command } from 'commander';
import { print, type SharedOptions, withDataDir, withSystem } from './shell.js';

export function register(program: Command): void {
  withDataDir(program.command('worker'))
    .description('run a job worker: reads the notes of all tenants as they arrive')
    .action((options: SharedOptions) =>
      withSystem(options, async (system, interrupted) => {
        const worker = await system.work((category) =>
          process.stderr.write(
            `${JSON.stringify({ time: new Date(system.clock.now()).toISOString(), worker: category })}\n`,
          ),
        );
        print('Cenote worker runs; Ctrl-C stops it.');
        if (!interrupted.aborted) {
          await new Promise<void>((resolve) =>
            interrupted.addEventListener('abort', () => resolve(), { once: true }),
          );
        }
        await worker.stop();
      }),
    );
}
