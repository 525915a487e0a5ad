import type { Command } from 'commander';
import { print, type SharedOptions, withDataDir, withSystem } from './shell.js';

export function register(program: Command): void {
  withDataDir(program.command('migrate'))
    .description(
      'bring the control database and every tenant\u2019s to the current schema; harmless to repeat',
    )
    .action((options: SharedOptions) =>
      withSystem(options, async ({ tenants }, signal) => {
        // Opening the system has migrated the control database.
        print('control database: current');
        for (const record of await tenants.list()) {
          if (signal.aborted || record.state === 'shredded') continue;
          if (record.moving) {
            print(`tenant ${record.name}: is being moved; when that has ended, run this again`);
            continue;
          }
          const applied = await tenants.migrateRecord(record);
          print(
            `tenant ${record.name}: ${applied.length === 0 ? 'current' : `applied ${applied.join(', ')}`}`,
          );
        }
      }),
    );
}
