import type { Command } from 'commander';
import { EXIT } from './report.js';
import { print, type SharedOptions, withDataDir, withSystem, withTenant } from './shell.js';

interface Options extends SharedOptions {
  tenant: string;
  json?: boolean;
}

export function register(program: Command): void {
  withTenant(withDataDir(program.command('verify')))
    .description(
      'recompute every index row of a tenant from its sealed bodies, check versions and audit rows, and compare in both directions',
    )
    .option('--json', 'print the report as one line of JSON')
    .addHelpText(
      'after',
      '\nStatus 0: all agrees. 1: differences were found; each kind is counted and the first are named by place.',
    )
    .action((options: Options) =>
      withSystem(options, async ({ tenants, store }, signal) => {
        const tenant = await tenants.open(options.tenant);
        const shown = process.stderr.isTTY;
        const report = await store.verify(tenant, {
          signal,
          onProgress: (done, of) => {
            if (shown) process.stderr.write(`\rverified ${done} of ${of} versions`);
          },
        });
        if (shown) process.stderr.write('\n');
        if (options.json) print(JSON.stringify(report));
        else {
          print(`current resources  ${report.resources}`);
          print(`deleted resources  ${report.deleted}`);
          print(`versions           ${report.versions}`);
          print(`sealed segments    ${report.segments}`);
          print(`index rows         ${report.indexRows}`);
          print(`audit rows         ${report.auditRows}`);
          print(`differences        ${report.total}`);
          for (const [kind, n] of Object.entries(report.differences)) print(`  ${kind}: ${n}`);
          for (const difference of report.first) print(`  ${difference.kind} at ${difference.place}`);
        }
        if (report.total > 0) process.exitCode = EXIT.foundWrong;
      }),
    );
}
