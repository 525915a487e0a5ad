import type { Command } from 'commander';
import { type Config, readConfig } from '../config.js';
import { type Access, MAX_NAMED_PATIENTS } from '../store/audit.js';
import type { System } from '../system.js';
import type { Tenant } from '../tenancy/tenant.js';
import { turnCoreDumpsOff } from './core-dumps.js';
import { operator, witnessed } from './witness.js';

/** Options that many commands share, worded once. */
export function withDataDir<C extends Command>(command: C): C {
  command.option(
    '--data-dir <folder>',
    'folder of keys and the embedded PostgreSQL (CENOTE_DATA_DIR, default .cenote)',
  );
  return command;
}

export function withAddress<C extends Command>(command: C): C {
  command.option('--host <address>', 'address to listen on (CENOTE_HOST, default 127.0.0.1)');
  command.option('--port <number>', 'port of the API (CENOTE_PORT, default 8080)');
  return command;
}

export function withTenant<C extends Command>(command: C): C {
  command.requiredOption('--tenant <name>', 'the tenant to work in');
  return command;
}

/** The part of a command's options that `readConfig` looks at. */
export interface SharedOptions {
  dataDir?: string;
  host?: string;
  port?: string;
}

export function configOf(options: SharedOptions): Config {
  return readConfig({ dataDir: options.dataDir, host: options.host, port: options.port });
}

/**
 * Opens the system, runs `work` and closes it again, also when the command is interrupted: on Ctrl-C or SIGTERM the
 * signal given to `work` aborts, and what is open is closed once `work` has ended.
 */
export async function withSystem<T>(
  options: SharedOptions,
  work: (system: System, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { openSystem } = await import('../system.js');
  // Before the first key is in memory, and before a database is started, which inherits it.
  turnCoreDumpsOff();
  const interrupted = new AbortController();
  const onSignal = (name: NodeJS.Signals) => {
    // A second one ends the program at once; the database survives that.
    if (interrupted.signal.aborted) process.exit(128 + (name === 'SIGINT' ? 2 : 15));
    interrupted.abort();
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  try {
    const system = await openSystem(configOf(options));
    try {
      return await witnessed(system, () => work(system, interrupted.signal));
    } finally {
      await system.close();
    }
  } finally {
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
  }
}

/** What of a command's read is written down; see `Access`. */
type Read = Pick<Access, 'query' | 'patients' | 'patientCount' | 'resources' | 'count'>;

/**
 * Writes into the tenant's audit chain that a command reads records, before it shows them, and which user of the machine
 * ran it.
 * @throws Fault `unavailable` where it cannot be written
 */
export async function recordRead(
  { audit, clock }: Pick<System, 'audit' | 'clock'>,
  tenant: Tenant,
  command: string,
  read: Read,
): Promise<void> {
  const actor = { id: operator(), kind: 'user' } as const;
  const { patients } = read;
  await audit.record(tenant, {
    actor,
    at: clock.now(),
    interaction: `$${command}`,
    status: 200,
    ...read,
    ...(patients && {
      patients: patients.slice(0, MAX_NAMED_PATIENTS),
      patientCount: read.patientCount ?? patients.length,
    }),
  });
}

/** Writes to stdout. */
export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
