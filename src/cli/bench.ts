import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Command } from 'commander';
import { Fault } from '../core/fault.js';
import { packageRoot } from '../core/package-root.js';

const NAME = /^[a-z][a-z0-9-]{0,39}$/;

export function register(program: Command): void {
  // Needed for passThroughOptions, and harmless: the program has no option that a command shares.
  program.enablePositionalOptions();
  program
    .command('bench <name> [args...]')
    .description('run one of the project\u2019s benchmarks; each figure is one line of JSON')
    .allowUnknownOption()
    .passThroughOptions()
    .addHelpText(
      'after',
      () => `\nBenchmarks here: ${benchNames().join(', ') || 'none (run: npm run build)'}`,
    )
    .action(async (name: string, args: string[]) => {
      const file = join(benchFolder(), `${name}.js`);
      if (!NAME.test(name) || !existsSync(file))
        throw new Fault('not-found', `There is no benchmark of that name.`, {
          remedy: `There are: ${benchNames().join(', ') || 'none; run npm run build in a checkout of the project'}.`,
        });
      const bench = (await import(pathToFileURL(file).href)) as {
        run(args: readonly string[]): Promise<void>;
      };
      await bench.run(args);
    });
}

const benchFolder = (): string => join(packageRoot(), 'dist', 'test', 'bench');

function benchNames(): string[] {
  if (!existsSync(benchFolder())) return [];
  return readdirSync(benchFolder())
    .filter((file) => file.endsWith('.js'))
    .map((file) => file.slice(0, -3))
    .filter((name) => NAME.test(name))
    .sort();
}
