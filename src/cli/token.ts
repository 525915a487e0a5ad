import type { Command } from 'commander';
import { systemClock } from '../core/clock.js';
import { Fault } from '../core/fault.js';
import { configOf, print, type SharedOptions, withDataDir, withSystem } from './shell.js';

interface TokenOptions extends SharedOptions {
  tenant?: string;
  admin?: boolean;
  scope: string;
  patient?: string;
  subject: string;
  fhirUser?: string;
  expires: string;
}

const UNITS_S: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };

export function register(program: Command): void {
  withDataDir(program.command('token'))
    .option('--tenant <name>', 'the tenant that the token is for')
    .option('--admin', 'instead of a tenant: a token for /admin, with the scopes admin.read, admin.write')
    .description('print an access token for a tenant, signed with this data folder\u2019s secret')
    .requiredOption(
      '--scope <scopes>',
      'SMART scopes, separated by spaces: "system/*.rs", "user/Observation.cruds"',
    )
    .option('--patient <id>', 'id of the Patient that patient/ scopes are about')
    .option('--subject <name>', 'who holds it, for the audit trail', 'local')
    .option('--fhir-user <reference>', 'the record that stands for its holder: Practitioner/id')
    .option('--expires <time>', 'how long it counts: 90s, 30m, 8h, 7d', '1h')
    .addHelpText(
      'after',
      '\nUse it as: curl -H "Authorization: Bearer $(cenote token --tenant T --scope \'system/*.rs\')" …',
    )
    .action((options: TokenOptions) =>
      withSystem(options, async ({ tenants }) => {
        const { issueAdminToken, issueToken, openTokenSecret } = await import('../tenancy/tokens.js');
        const { tenant: name, scope, patient, subject, fhirUser, expires } = options;
        const lifeS = secondsOf(expires);
        if ((name === undefined) !== (options.admin === true) || (options.admin && patient !== undefined))
          throw new Fault('invalid', 'A token is for a tenant (--tenant) or for /admin (--admin).', {
            at: '--tenant',
          });
        if (name === undefined) {
          const secret = openTokenSecret(configOf(options).tokenSecretFile);
          print(issueAdminToken(secret, systemClock, { scope, subject, lifeS }));
          return;
        }
        const tenant = await tenants.find(name);
        if (!tenant)
          throw new Fault('not-found', 'There is no tenant of that name.', {
            remedy: 'See: cenote tenant list',
          });
        const secret = openTokenSecret(configOf(options).tokenSecretFile);
        print(issueToken(secret, systemClock, { tenant, scope, patient, subject, fhirUser, lifeS }));
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
