import type pg from 'pg';
import type { IndexPrivacy } from '../core/blind.js';
import type { Clock } from '../core/clock.js';
import { Fault } from '../core/fault.js';
import type { Places } from './places.js';
import type { ServerAddress } from './postgres/embedded.js';
import type { KeyProvider, TenantDefaults, TenantRecord, TenantState } from './tenant.js';

/** What the parts of the catalog work with. */
export interface CatalogContext {
  /** The server's administrator; `database` is the control database. */
  readonly server: ServerAddress;
  /** Other servers that tenants may be on. */
  readonly places: Places;
  readonly control: pg.Pool;
  readonly keys: KeyProvider;
  readonly clock: Clock;
}

/** A row of `tenant` in the control database. */
export interface CatalogRow {
  readonly id: string;
  readonly name: string;
  readonly database: string;
  readonly state: TenantState;
  readonly epoch: number;
  readonly created_at: bigint;
  readonly key_provider: string;
  readonly key_ref: string;
  readonly role: string | null;
  readonly role_secret: Buffer | null;
  readonly validation: TenantDefaults['validation'] | null;
  readonly integrity: boolean;
  readonly index_privacy: IndexPrivacy;
  readonly index_version: number;
  readonly index_phase: number;
  readonly index_phase_at: bigint;
  /** Name of the place its database is at; null for the control database's server. */
  readonly place: string | null;
  /** How far a move is: see the migration. */
  readonly moving: 'copying' | 'switching' | null;
}

export const COLUMNS =
  'id, name, database, state, epoch, created_at, key_provider, key_ref, role, role_secret, validation, integrity, index_privacy,' +
  ' index_version, index_phase, index_phase_at, place, moving';

const NAME = /^[a-z][a-z0-9-]{0,39}$/;

/** 1 to 40 of a-z 0-9 -, starting with a letter: it stands in URLs. @throws Fault `invalid`. */
export function checkTenantName(name: string): void {
  if (!NAME.test(name))
    throw new Fault('invalid', 'A tenant name has 1 to 40 of a-z, 0-9 and -, and starts with a letter.', {
      at: 'tenant',
    });
}

export async function findRow(
  client: pg.Pool | pg.ClientBase,
  name: string,
): Promise<CatalogRow | undefined> {
  if (!NAME.test(name)) return undefined;
  const { rows } = await client.query<CatalogRow>(`select ${COLUMNS} from tenant where name = $1`, [name]);
  return rows[0];
}

export function noSuchTenant(): Fault {
  return new Fault('not-found', 'There is no tenant of that name.', {
    remedy: 'See the names with: cenote tenant list',
  });
}

/** @throws Fault `not-found`, or `forbidden` and `gone` by its state. */
export async function usableRow(control: pg.Pool, name: string): Promise<CatalogRow> {
  const found = await findRow(control, name);
  if (!found) throw noSuchTenant();
  if (found.state === 'suspended') throw new Fault('forbidden', 'This tenant is suspended.');
  if (found.state === 'shredded') throw new Fault('gone', 'This tenant was erased.');
  return found;
}

/** @throws Fault `unavailable` where the tenant's key is with another provider than ours. */
export function checkProvider(found: CatalogRow, keys: KeyProvider): void {
  if (found.key_provider !== keys.kind)
    throw new Fault(
      'unavailable',
      `This tenant's key is with another key provider (${found.key_provider}).`,
      {
        remedy: 'Configure that provider.',
      },
    );
}

export function recordOf(row: CatalogRow): TenantRecord {
  return {
    id: row.id,
    name: row.name,
    database: row.database,
    state: row.state,
    epoch: row.epoch,
    createdAt: Number(row.created_at),
    indexPrivacy: row.index_privacy,
    ...(row.validation ? { validation: row.validation } : {}),
    ...(row.integrity ? { integrity: true } : {}),
    ...(row.place === null ? {} : { place: row.place }),
    ...(row.moving === null ? {} : { moving: true as const }),
  };
}
