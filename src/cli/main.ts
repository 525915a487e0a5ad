#!/usr/bin/env node
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command, CommanderError } from 'commander';
import { packageRoot } from '../core/package-root.js';
import { EXIT, reportError } from './report.js';
import { witness } from './witness.js';

/** A command lives in a file of its own, which is loaded only when the command is run or its help asked for. */
interface CommandEntry {
  readonly name: string;
  readonly description: string;
  /** File beside this one, exporting `register(program: Command): void`. */
  readonly module: string;
}

const COMMANDS: readonly CommandEntry[] = [
  { name: 'demo', description: 'start everything with sample data and show what comes out', module: 'demo' },
  { name: 'serve', description: 'run the API server', module: 'serve' },
  { name: 'worker', description: 'run a job worker', module: 'worker' },
  { name: 'tenant', description: 'create, list and manage tenants', module: 'tenant' },
  { name: 'import', description: 'bring records and notes into a tenant', module: 'import' },
  { name: 'annotate', description: 'say what a note means; needs no database', module: 'annotate' },
  {
    name: 'timeline',
    description: 'show a patient\u2019s events in the order they happened',
    module: 'timeline',
  },
  { name: 'cohort', description: 'create, list and show cohorts', module: 'cohort' },
  {
    name: 'export',
    description: 'write a tenant\u2019s or a cohort\u2019s resources to files',
    module: 'export',
  },
  { name: 'view', description: 'show records as tables by ViewDefinitions', module: 'view' },
  {
    name: 'features',
    description: 'show what was known of patients at a point in time',
    module: 'features',
  },
  { name: 'token', description: 'make an access token for local use', module: 'token' },
  { name: 'client', description: 'register and revoke API clients', module: 'client' },
  { name: 'job', description: 'list, show, cancel and resume jobs', module: 'job' },
  { name: 'migrate', description: 'bring the databases to the current schema', module: 'migrate' },
  { name: 'terminology', description: 'load official code system releases', module: 'terminology' },
  { name: 'profiles', description: 'load profile packages', module: 'profiles' },
  { name: 'verify', description: 'check a tenant\u2019s index, history and audit trail', module: 'verify' },
  { name: 'bench', description: 'run the project\u2019s benchmarks', module: 'bench' },
];

/** The compiled file in `dist`, or the source where tests run it. */
const EXTENSION = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
const moduleUrl = (entry: CommandEntry): URL => new URL(`./${entry.module}${EXTENSION}`, import.meta.url);

/** Runs one command line. Returns the exit status; never throws. */
export async function main(args: readonly string[]): Promise<number> {
  const program = new Command('cenote')
    .description('A health data lake: FHIR R4 records and clinical notes in, dated and coded facts out.')
    .version(version(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'show this help')
    .helpCommand('help [command]', 'show the help of a command')
    .configureOutput({ outputError: (text, write) => write(oneLine(text)) })
    .addHelpText('after', HELP_AFTER)
    .exitOverride();
  try {
    const wanted = args.find((a) => !a.startsWith('-') && a !== 'help');
    for (const entry of COMMANDS) {
      if (!existsSync(fileURLToPath(moduleUrl(entry)))) continue;
      if (entry.name === wanted) {
        const module = (await import(moduleUrl(entry).href)) as { register(program: Command): void };
        module.register(program);
      } else {
        program.command(entry.name).description(entry.description).helpOption(false);
      }
    }
    for (const command of program.commands) overrideExit(command);
    program.hook('preAction', (_program, command) => witness(command));
    if (args.length === 0) {
      program.outputHelp();
      return EXIT.ok;
    }
    await program.parseAsync(args, { from: 'user' });
    return typeof process.exitCode === 'number' ? process.exitCode : EXIT.ok;
  } catch (error) {
    // Commander has printed its message or the help already.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.couldNotRun;
    return reportError(error);
  }
}

const HELP_AFTER = `
Every command has its own help: cenote COMMAND --help
Exit status: 0 done; 1 done, but something was found wrong; 2 could not run; 3 stored data is damaged; 70 a defect.
Settings are read from the environment (CENOTE_*, DATABASE_URL); the README has them all in a table.`;

/** A usage error in our own form. */
function oneLine(text: string): string {
  return `cenote: ${text
    .trim()
    .replace(/^error: /, '')
    .replaceAll('\n', ' ')} (see: cenote --help)\n`;
}

/** Usage errors anywhere below come back to us as errors, so that one place decides the exit status. */
function overrideExit(command: Command): void {
  command.exitOverride();
  for (const sub of command.commands) overrideExit(sub);
}

function version(): string {
  return (JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')) as { version: string })
    .version;
}

// Run when started as a program, by whatever link; a test imports `main` instead.
if (process.argv[1] && isThisFile(process.argv[1])) {
  // A reader that went away (`| head`) ends the program quietly, whatever command or help was writing.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(EXIT.ok);
    throw error;
  });
  process.exitCode = await main(process.argv.slice(2));
}

function isThisFile(path: string): boolean {
  try {
    return realpathSync(path) === fileURLToPath(import.meta.url);
  } catch {
    return false;
  }
}
