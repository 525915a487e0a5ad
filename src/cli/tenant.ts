import { type Command, Option } from 'commander';
import { INDEX_PRIVACY_LEVELS, type IndexPrivacy } from '../core/blind.js';
import { Fault } from '../core/fault.js';
import { VALIDATION_LEVELS, type ValidationLevel } from '../fhir/validate.js';
import { requestReseal } from '../tasks/reseal.js';
import { requestRotateIndex } from '../tasks/rotate-index.js';
import { ROTATION_LEVELS, type RotationLevel } from '../tenancy/key-rotation.js';
import type { TenantRecord } from '../tenancy/tenant.js';
import { print, type SharedOptions, withDataDir, withSystem } from './shell.js';
import { textTable } from './table.js';
import { registerMove } from './tenant-move.js';

interface ListOptions extends SharedOptions {
  json?: true;
}

interface CreateOptions extends ListOptions {
  indexPrivacy?: IndexPrivacy;
  validation?: ValidationLevel;
  integrity?: true;
}

interface SetOptions extends ListOptions {
  validation?: ValidationLevel | 'server';
  integrity?: boolean;
}

interface RotateOptions extends ListOptions {
  level: RotationLevel;
  reseal?: true;
}

export function register(program: Command): void {
  const tenant = program.command('tenant').description('create, list and manage tenants');

  withDataDir(tenant.command('create <name>'))
    .description('make a tenant with its own database, role and keys')
    .addOption(
      new Option('--validation <level>', 'how strictly what is written is checked').choices(
        VALIDATION_LEVELS,
      ),
    )
    .option('--integrity', 'refuse references to what is not here, and deletion of what is referred to')
    .addOption(
      new Option('--index-privacy <level>', 'how much the index tells whoever has a dump of the database')
        .choices(INDEX_PRIVACY_LEVELS)
        .default('exact'),
    )
    .option('--json', 'print the record as JSON')
    .addHelpText(
      'after',
      `
Searches find the same at each level of --index-privacy; it stays as chosen here. exact: each value has a keyed hash, dates
and numbers stand in clear. bucketed: values share hashes, dates are months, numbers are not kept, and what is found
is opened and looked at. none: nothing of any value; a search opens what its types, ids, patients and references leave.`,
    )
    .action((name: string, options: CreateOptions) =>
      withSystem(options, async ({ tenants }) => {
        const { validation, integrity, indexPrivacy } = options;
        show(await tenants.create(name, { validation, integrity, indexPrivacy }), options);
      }),
    );

  withDataDir(tenant.command('set <name>'))
    .description('change what a tenant asks of what is written to it from now on')
    .addOption(
      new Option(
        '--validation <level>',
        'how strictly what is written is checked; server: as the server is set',
      ).choices([...VALIDATION_LEVELS, 'server']),
    )
    .option('--integrity', 'refuse references to what is not here, and deletion of what is referred to')
    .option('--no-integrity', 'let references point to what is not here')
    .option('--json', 'print the record as JSON')
    .addHelpText(
      'after',
      `
What is stored already is not looked at. A request (X-Cenote-Validation) and an import (--validation) may still choose
another level; integrity they cannot choose.`,
    )
    .action((name: string, options: SetOptions) => {
      const { validation, integrity } = options;
      if (validation === undefined && integrity === undefined)
        throw new Fault('invalid', 'Nothing to set was given.', {
          remedy: 'Give --validation LEVEL, --integrity or --no-integrity.',
        });
      return withSystem(options, async ({ tenants }) =>
        show(await tenants.setDefaults(name, { validation, integrity }), options),
      );
    });

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
        show(record, options, await tenants.diskBytes(record), await tenants.formerPlaces(record));
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

  withDataDir(tenant.command('rotate-key <name>'))
    .description('change one of a tenant\u2019s keys while it is in use')
    .addOption(
      new Option(
        '--level <level>',
        'customer: a new key in the key provider; tenant: a new tenant key; body, audit, export: a new key for what is written, logged or put into files; patient: a new key that wraps patients\u2019 keys; index: a new key of the index',
      )
        .choices(ROTATION_LEVELS)
        .default('customer'),
    )
    .addHelpText(
      'after',
      `
customer and tenant wrap the same data keys anew; nothing stored is touched. The former customer key is not destroyed:
backups of the control database need it. body seals what is written from a few minutes on under a new key; what is
stored stays readable under its own. patient wraps the keys of patients' records: after it, with --reseal, copies of
table patient_key from before open no record, those of erased patients among them.

index leaves a job that writes the index anew under a new key and then destroys the old one; searches, reads and writes
go on. audit and export keep their former versions: the log is never written anew, and files stay as they are until they
expire.

--reseal leaves a job that seals everything under the new key and then destroys the older versions, while reads and
writes go on. A worker runs it (cenote serve, cenote worker), or: cenote job resume JOB --tenant NAME`,
    )
    .option('--reseal', 'with body or patient: seal what is stored anew, then destroy the older versions')
    .action((name: string, options: RotateOptions) =>
      withSystem(options, async ({ tenants, jobs }) => {
        if (options.reseal && options.level !== 'body' && options.level !== 'patient')
          throw new Fault('invalid', '--reseal goes with --level body or --level patient; nothing was done.');
        const rotation = await tenants.rotateKey(name, options.level);
        const { from, ...rest } = rotation;
        for (const [field, value] of Object.entries({ ...rest, inUseFrom: new Date(from).toISOString() }))
          print(`${field.padEnd(14)} ${value}`);
        if (options.level === 'index') {
          const job = await requestRotateIndex({ jobs }, await tenants.open(name));
          print(`${'indexJob'.padEnd(14)} ${job.id}`);
        }
        if (options.reseal) {
          const job = await requestReseal({ jobs }, await tenants.open(name), rotation);
          print(`${'resealJob'.padEnd(14)} ${job.id}`);
        }
      }),
    );

  registerMove(tenant);

  withDataDir(tenant.command('shred <name>'))
    .description('erase a tenant for good: its key is destroyed, its database removed; there is no way back')
    .requiredOption('--confirm <name>', 'the tenant\u2019s name once more')
    .action((name: string, options: SharedOptions & { confirm: string }) => {
      if (options.confirm !== name)
        throw new Fault('invalid', '--confirm does not repeat the name of the tenant; nothing was done.', {
          at: '--confirm',
        });
      return withSystem(options, async ({ tenants }) => {
        const { keyDestroyed } = await tenants.shred(name);
        print(keyDestroyed ? 'The key is destroyed.' : 'The key was destroyed before.');
        print(
          'No copy of the data can be opened any more, backups included; dates and counts in them stay readable,',
        );
        print('tied to nothing. Copies of the key file itself, such as backups of it, are yours to destroy.');
      });
    });
}

function columns(record: TenantRecord): string[] {
  const state = record.moving ? `${record.state}, moving` : record.state;
  return [record.name, state, created(record), placed(record)];
}

const placed = ({ place, database }: TenantRecord): string => (place ? `${place}/${database}` : database);

const created = (record: TenantRecord): string => new Date(record.createdAt).toISOString();

function shown(
  record: TenantRecord,
  bytes?: bigint,
  former: readonly string[] = [],
): Record<string, unknown> {
  const { id, name, state, epoch, database, indexPrivacy, place, moving } = record;
  const { validation = 'as the server', integrity = false } = record;
  const size = bytes === undefined ? {} : { databaseBytes: Number(bytes) };
  const rules = { validation, integrity, indexPrivacy };
  const where = {
    ...(place && { place }),
    ...(moving && { moving }),
    ...(former.length > 0 && { former: former.join(' ') }),
  };
  return { id, name, state, epoch, database, ...where, created: created(record), ...rules, ...size };
}

function show(
  record: TenantRecord,
  options: ListOptions,
  bytes?: bigint,
  former: readonly string[] = [],
): void {
  if (options.json) {
    print(JSON.stringify(shown(record, bytes, former)));
    return;
  }
  const rows = Object.entries(shown(record, bytes, former)).map(
    ([name, value]) => `${name.padEnd(14)} ${value}`,
  );
  print(rows.join('\n'));
}
