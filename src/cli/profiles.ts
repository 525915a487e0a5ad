import { createReadStream, existsSync } from 'node:fs';
import type { Command } from 'commander';
import { Fault } from '../core/fault.js';
import { listProfiles, loadPackage } from '../tasks/profiles.js';
import { EXIT } from './report.js';
import { print, type SharedOptions, withDataDir, withSystem, withTenant } from './shell.js';
import { textTable } from './table.js';

interface Options extends SharedOptions {
  tenant: string;
  json?: boolean;
}

/** How many refused files the screen shows; the JSON has them all. */
const SHOWN_REFUSED = 20;

export function register(program: Command): void {
  const profiles = program.command('profiles').description('load profile packages and list their profiles');
  withTenant(withDataDir(profiles.command('load <package...>')))
    .description('store the definitions of FHIR R4 packages (.tgz) in a tenant')
    .option('--json', 'print one line of JSON for each package')
    .addHelpText(
      'after',
      `
Takes the profiles, value sets, code systems, search parameters and other definitions right in the package's folder,
as ordinary resources with their ids; loading a package again changes nothing. $validate uses them at once. Packages
that this one depends on are loaded by themselves. Status 1: something of a package was refused.`,
    )
    .action((paths: string[], options: Options) =>
      withSystem(options, async (system, signal) => {
        const tenant = await system.tenants.open(options.tenant);
        for (const path of paths) {
          if (!existsSync(path))
            throw new Fault('not-found', 'There is no such file.', {
              remedy: 'Give the path of a .tgz file.',
            });
          const loaded = await loadPackage(system.bundles, tenant, createReadStream(path), {
            actor: { id: 'profiles', kind: 'job' },
            base: system.baseOf(tenant),
            signal,
          });
          const { name, version, counts, refused } = loaded;
          if (refused.length > 0) process.exitCode = EXIT.foundWrong;
          const reasons = refused.map(({ file, fault }) => ({
            file,
            element: fault.at,
            message: fault.message,
          }));
          if (options.json) {
            print(JSON.stringify({ name, version, ...counts, refused: reasons }));
            continue;
          }
          print(
            `${name} ${version}: ${counts.created} created, ${counts.updated} updated, ${counts.unchanged} unchanged, ${counts.rejected} refused`,
          );
          const types = Object.entries(counts.byType).sort(([a], [b]) => (a < b ? -1 : 1));
          if (types.length > 0) print(textTable(['type', 'loaded'], types));
          for (const { file, element, message } of reasons.slice(0, SHOWN_REFUSED))
            print(`  ${[file, element].filter(Boolean).join(', ')}: ${message}`);
          if (reasons.length > SHOWN_REFUSED)
            print(`  … and ${reasons.length - SHOWN_REFUSED} more (--json has them)`);
        }
      }),
    );
  withTenant(withDataDir(profiles.command('list')))
    .description('the profiles and extensions of a tenant, by URL')
    .option('--json', 'print one line of JSON for each')
    .action((options: Options) =>
      withSystem(options, async (system) => {
        const lines = await listProfiles(system, await system.tenants.open(options.tenant));
        if (options.json) for (const line of lines) print(JSON.stringify(line));
        else if (lines.length === 0) print('No profile is loaded. Load a package with: cenote profiles load');
        else {
          print(
            textTable(
              ['url', 'version', 'type', 'status'],
              lines.map(({ url, version, type, status }) => [url, version, type, status]),
            ),
          );
        }
      }),
    );
}
