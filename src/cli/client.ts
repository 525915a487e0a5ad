import { readFileSync, statSync } from 'node:fs';
import type { Command } from 'commander';
import { Fault } from '../core/fault.js';
import type { Client, ClientAuth, Clients } from '../tenancy/clients.js';
import { MAX_JWKS_BYTES } from '../tenancy/clients-jwks.js';
import type { TenantRecord } from '../tenancy/tenant.js';
import { configOf, print, type SharedOptions, withDataDir, withSystem, withTenant } from './shell.js';
import { textTable } from './table.js';

interface RegisterOptions extends SharedOptions {
  tenant: string;
  id?: string;
  name: string;
  scope: string;
  jwks?: string;
  jwksUrl?: string;
  redirectUri?: string[];
  secret?: boolean;
}

interface ListOptions extends SharedOptions {
  tenant: string;
  json?: boolean;
}

export function register(program: Command): void {
  const client = program.command('client').description('register, list and revoke API clients');
  shared(client.command('register'))
    .description('register a backend service, or with --redirect-uri an app, that may ask for tokens')
    .requiredOption('--name <text>', 'what the client is called; users of an app see it')
    .requiredOption(
      '--scope <scopes>',
      'the most it is ever granted: "system/*.rs", "launch/patient patient/*.rs"',
    )
    .option('--id <id>', 'its client_id; a UUID where not given')
    .option(
      '--jwks <file>',
      'its public keys: a JWKS file with an RSA key (RS384) or an EC key on P-384 (ES384)',
    )
    .option('--jwks-url <url>', 'where its JWKS is fetched, at most every few minutes')
    .option('--redirect-uri <uri...>', 'of an app: where users return to, compared character by character')
    .option('--secret', 'of an app: make a client secret and print it, once')
    .addHelpText(
      'after',
      `
Examples:
  cenote client register --tenant clinic --name "Nightly export" --scope "system/*.rs" --jwks keys.json
  cenote client register --tenant clinic --name "Growth charts" --scope "launch/patient patient/*.rs" \\
    --redirect-uri https://charts.example.org/back
Clients find the token endpoint in {FHIR base}/.well-known/smart-configuration.`,
    )
    .action((options: RegisterOptions) =>
      withClients(options, async (clients, tenant) => {
        const { client: made, secret } = await clients.register(tenant, {
          id: options.id,
          name: options.name,
          kind: options.redirectUri ? 'app' : 'backend',
          auth: authOf(options),
          ...(options.jwks === undefined ? {} : { jwks: readJwksFile(options.jwks) }),
          jwksUrl: options.jwksUrl,
          redirectUris: options.redirectUri,
          scopes: options.scope,
        });
        print(`client_id      ${made.id}`);
        if (secret !== undefined) print(`client_secret  ${secret}`);
      }),
    );
  shared(client.command('list'))
    .description('list the clients of a tenant, revoked ones too')
    .option('--json', 'as JSON')
    .action((options: ListOptions) =>
      withClients(options, async (clients, tenant) => {
        const found = await clients.list(tenant);
        if (options.json) print(JSON.stringify(found.map(shown), null, 2));
        else
          print(
            textTable(
              ['client_id', 'name', 'kind', 'proves itself by', 'scopes', 'state'],
              found.map((c) => [
                c.id,
                c.name,
                c.kind,
                c.auth,
                c.scopes,
                c.revokedAt === undefined ? 'active' : 'revoked',
              ]),
            ),
          );
      }),
    );
  shared(client.command('revoke'))
    .argument('<id>', 'client_id')
    .description('revoke a client; its tokens stop counting within a second')
    .action((id: string, options: ListOptions) =>
      withClients(options, async (clients, tenant) => {
        await clients.revoke(tenant, id);
        print('revoked');
      }),
    );
}

const shared = <C extends Command>(command: C): C => withTenant(withDataDir(command));

async function withClients(
  options: ListOptions,
  work: (clients: Clients, tenant: TenantRecord) => Promise<void>,
): Promise<void> {
  await withSystem(options, async ({ tenants, clock }) => {
    const { createClients } = await import('../tenancy/clients.js');
    const tenant = await tenants.find(options.tenant);
    if (!tenant)
      throw new Fault('not-found', 'There is no tenant of that name.', { remedy: 'See: cenote tenant list' });
    const trustedOrigins = new Set(configOf(options).jwksOrigins);
    await work(createClients({ control: tenants.control, clock, trustedOrigins }), tenant);
  });
}

function authOf({ jwks, jwksUrl, redirectUri, secret }: RegisterOptions): ClientAuth | undefined {
  if (!secret) return undefined;
  if (jwks !== undefined || jwksUrl !== undefined || !redirectUri)
    throw new Fault('invalid', '--secret is for an app without keys.', { at: '--secret' });
  return 'client_secret';
}

function readJwksFile(file: string): unknown {
  const unreadable = (cause?: unknown) =>
    new Fault('invalid', 'The JWKS file cannot be read as JSON.', { at: '--jwks', cause });
  try {
    if (statSync(file).size > MAX_JWKS_BYTES) throw unreadable();
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch (cause) {
    throw cause instanceof Fault ? cause : unreadable(cause);
  }
}

function shown({ createdAt, revokedAt, ...client }: Client) {
  return {
    ...client,
    createdAt: new Date(createdAt).toISOString(),
    ...(revokedAt === undefined ? {} : { revokedAt: new Date(revokedAt).toISOString() }),
  };
}
