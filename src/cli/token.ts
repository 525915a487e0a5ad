import type { Command } from 'commander';
import { systemClock } from '../core/clock.js';
import { Fault } from '../core/fault.js';
import { configOf, print, type SharedOptions, withDataDir, withSystem, withTenant } from './shell.js';

interface TokenOptions extends SharedOptions {
  tenant: string;
  scope: string;
  patient?: string;
  subject?: string;
  expires: string;
}

const UNITS_S: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };

export function register(program: Command): void {
  withTenant(withDataDir(program.command('token')))
    .description('print an access token for a tenant, signed with this data folder\u2019s secret')
    .requiredOption(
      '--scope <scopes>',
      'SMART scopes, separated by spaces: "system/*.rs", "user/Observation.cruds"',
    )
    .option('--patient <id>', 'id of the Patient that patient/ scopes are about')
    .option('--subject <name>', 'who holds it, for the audit trail', 'local')
    .option('--expires <time>', 'how long it counts: 90s, 30m, 8h, 7d', '1h')
    .addHelpText(
      'after',
      '\nUse it as: curl -H "Authorization: Bearer $(cenote token --tenant T --scope \'system/*.rs\')" …',
    )
    .action((options: TokenOptions) =>
      withSystem(options, async ({ tenants }) => {
        const { issueToken, openTokenSecret } = await import('../tenancy/tokens.js');
        const { tenant: name, scope, patient, subject, expires } = options;
        const tenant = await tenants.find(name);
        if (!tenant)
          throw new Fault('not-found', 'There is no tenant of that name.', {
            remedy: 'See: cenote tenant list',
          });
        const secret = openTokenSecret(configOf(options).tokenSecretFile);
        print(
          issueToken(secret, systemClock, { tenant, scope, patient, subject, lifeS: secondsOf(expires) }),
        );
      }),
    );
}

/** `8h` → 28800. @throws Fault `invalid`. */
export function secondsOf(text: string): number {
  const match = /^(\d{1,9})([smhd])$/.exec(text);
  if (!match)
    throw new Fault('invalid', '--expires is a number and one of s, m, h, d.', {
      at: '--expires',
      remedy: 'Example: 8h',
    });
  return Number(match[1]) * (UNITS_S[match[2]!] ?? 1);
}
