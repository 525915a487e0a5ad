import type { Command } from 'commander';
import { Fault } from '../core/fault.js';
import type { TenantRecord } from '../tenancy/tenant.js';
import { print, type SharedOptions, withDataDir, withSystem } from './shell.js';
import { textTable } from './table.js';

interface ListOptions extends SharedOptions {
  json?: true;
}

export function register(program: Command): void {
  const tenant = program.command('tenant').description('create, list and manage tenants');

  withDataDir(tenant.command('create <name>'))
    .description('make a tenant with its own database, role and keys')
    .option('--json', 'print the record as JSON')
    .action((name: string, options: ListOptions) =>
      withSystem(options, async ({ tenants }) => show(await tenants.create(name), options)),
    );

  withDataDir(tenant.command('list'))
    .description('list the tenants')
    .option('--json', 'one JSON object a line')
    .action((options: ListOptions) =>
      withSystem(options, async ({ tenants }) => {
        const records = await tenants.list();
        if (options.json) for (const record of records) print(JSON.stringify(shown(record)));
        else print(textTable(['name', 'state', 'created', 'database'], records.map(columns)));
      }),
    );

  withDataDir(tenant.command('show <name>'))
    .description('show one tenant and what it takes on the disk')
    .option('--json', 'print it as JSON')
    .action((name: string, options: ListOptions) =>
      withSystem(options, async ({ tenants }) => {
        const record = await tenants.find(name);
        if (!record)
          throw new Fault('not-found', 'There is no tenant of that name.', {
            remedy: 'See: cenote tenant list',
          });
        show(record, options, await tenants.diskBytes(record));
      }),
    );

  withDataDir(tenant.command('suspend <name>'))
    .description('refuse every access to a tenant until it is resumed; nothing is deleted')
    .action((name: string, options: ListOptions) =>
      withSystem(options, async ({ tenants }) => show(await tenants.setState(name, 'suspended'), options)),
    );

  withDataDir(tenant.command('resume <name>'))
    .description('let a suspended tenant work again')
    .action((name: string, options: ListOptions) =>
      withSystem(options, async ({ tenants }) => show(await tenants.setState(name, 'active'), options)),
    );
}

function columns(record: TenantRecord): string[] {
  return [record.name, record.state, created(record), record.database];
}

const created = (record: TenantRecord): string => new Date(record.createdAt).toISOString();

function shown(record: TenantRecord, bytes?: bigint): Record<string, unknown> {
  const { id, name, state, epoch, database } = record;
  const size = bytes === undefined ? {} : { databaseBytes: Number(bytes) };
  return { id, name, state, epoch, database, created: created(record), ...size };
}

function show(record: TenantRecord, options: ListOptions, bytes?: bigint): void {
  if (options.json) {
    print(JSON.stringify(shown(record, bytes)));
    return;
  }
  const rows = Object.entries(shown(record, bytes)).map(([name, value]) => `${name.padEnd(14)} ${value}`);
  print(rows.join('\n'));
}
