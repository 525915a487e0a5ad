import type { Command } from 'commander';
import type { VerifyReport } from '../store/verify-report.js';
import { EXIT } from './report.js';
import { print, type SharedOptions, withDataDir, withSystem, withTenant } from './shell.js';

interface Options extends SharedOptions {
  tenant: string;
  json?: boolean;
}

export function register(program: Command): void {
  withTenant(withDataDir(program.command('verify')))
    .description(
      'recompute every index row of a tenant from its sealed bodies, check versions, the audit chains of the tenant and of administration with their anchors, and compare in both directions',
    )
    .option('--json', 'print the report as one line of JSON')
    .addHelpText(
      'after',
      '\nStatus 0: all agrees. 1: differences were found; each kind is counted and the first are named by place.',
    )
    .action((options: Options) =>
      withSystem(options, async ({ tenants, store, anchors, administration }, signal) => {
        const tenant = await tenants.open(options.tenant);
        const shown = process.stderr.isTTY;
        const anchored = await anchors?.read(tenant);
        const checked = await store.verify(tenant, {
          signal,
          anchors: anchored?.ends,
          onProgress: (done, of) => {
            if (shown) process.stderr.write(`\rverified ${done} of ${of} versions`);
          },
        });
        if (shown) process.stderr.write('\n');
        const acts = await administration.verify();
        const report = withAnchors(checked, [...(anchored?.broken ?? []), ...acts.broken]);
        if (options.json) print(JSON.stringify({ ...report, administrationRows: acts.rows }));
        else {
          print(`current resources  ${report.resources}`);
          print(`deleted resources  ${report.deleted}`);
          print(`versions           ${report.versions}`);
          print(`sealed segments    ${report.segments}`);
          print(`index rows         ${report.indexRows}`);
          print(`audit rows         ${report.auditRows} in ${report.auditStrands} strands of the chain`);
          print(`administration     ${acts.rows} rows of its own chain`);
          print(`anchored ends      ${anchored?.ends.length ?? 0}`);
          print(`differences        ${report.total}`);
          for (const [kind, n] of Object.entries(report.differences)) print(`  ${kind}: ${n}`);
          for (const difference of report.first) print(`  ${difference.kind} at ${difference.place}`);
        }
        if (report.total > 0) process.exitCode = EXIT.foundWrong;
      }),
    );
}

/** What is wrong with the file of anchors counts like what is wrong with the chain. */
function withAnchors(report: VerifyReport, broken: readonly string[]): VerifyReport {
  if (broken.length === 0) return report;
  const kind = 'audit-chain';
  return {
    ...report,
    differences: { ...report.differences, [kind]: (report.differences[kind] ?? 0) + broken.length },
    total: report.total + broken.length,
    first: [...broken.map((place) => ({ kind, place }) as const), ...report.first],
  };
}
