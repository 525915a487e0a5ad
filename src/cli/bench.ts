import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Command } from 'commander';
import { Fault } from '../core/fault.js';
import { packageRoot } from '../core/package-root.js';
import { print } from './shell.js';

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
      if (args.includes('--help')) {
        print(descriptionIn(file));
        return;
      }
      const bench = (await import(pathToFileURL(file).href)) as {
        run(args: readonly string[]): Promise<void>;
      };
      try {
        await bench.run(args);
      } catch (error) {
        if (!isWrongOption(error)) throw error;
        throw new Fault('invalid', 'The benchmark has no such option, or it wants another value.', {
          remedy: `See: cenote bench ${name} --help`,
        });
      }
    });
}

/** What `parseArgs` of Node throws. */
const isWrongOption = (error: unknown): boolean =>
  error instanceof TypeError &&
  'code' in error &&
  typeof error.code === 'string' &&
  error.code.startsWith('ERR_PARSE_ARGS_');

/** What the benchmark says of itself and its options: the comment on its `run`. */
function descriptionIn(file: string): string {
  const comment = /\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*export async function run\(/.exec(
    readFileSync(file, 'utf8'),
  );
  return (comment?.[1] ?? 'The benchmark has no options.').replace(/^\s*\* ?/gm, '').trim();
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
