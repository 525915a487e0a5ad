import type { Command } from 'commander';
import { print, type SharedOptions, withDataDir, withSystem } from './shell.js';

export function register(program: Command): void {
  withDataDir(program.command('worker'))
    .description('run a job worker: reads new documents of every tenant until it is stopped')
    .action((options: SharedOptions) =>
      withSystem(options, async (system, interrupted) => {
        const worker = await system.work((category) => process.stderr.write(`cenote: worker: ${category}\n`));
        print('Worker started; Ctrl-C stops it.');
        if (!interrupted.aborted)
          await new Promise((resolve) => interrupted.addEventListener('abort', resolve, { once: true }));
        await worker.stop();
      }),
    );
}
