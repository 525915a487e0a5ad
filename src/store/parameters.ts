import { Fault, isFault } from '../core/fault.js';
import { parseJson, stringifyJson } from '../core/json.js';
import type { Resource } from '../core/resource.js';
import { customParameters } from '../fhir/custom-parameters.js';
import {
  extendedRegistry,
  type ParameterRegistry,
  type SearchParameter,
  standardRegistry,
} from '../fhir/registry.js';
import type { Tenant } from '../tenancy/tenant.js';
import { faultOf } from './database.js';
import { inTransaction } from './transaction.js';

/** A SearchParameter resource of a tenant that the index heeds. */
export interface OwnParameter {
  readonly id: string;
  /** `indexing`: what is written is indexed by it, but not all that was there before; it cannot be searched yet. */
  readonly state: 'indexing' | 'live';
  /** url, code, base, type, expression and target of the definition. */
  readonly definition: Resource;
}

/** What is kept of a tenant's own parameters in its database. */
export interface OwnParameters {
  readonly parameters: readonly OwnParameter[];
  /** Types whose index rows were written in part by other parameters than these. */
  readonly dirty: readonly string[];
  /** Which versions of SearchParameter resources they were made of; empty before the first. */
  readonly mark: string;
}

export interface KnownParameters extends OwnParameters {
  /** Goes up with each change; 0: there never were any. */
  readonly epoch: number;
  /** What writing indexes by. */
  readonly indexed: ParameterRegistry;
  /** What can be searched by: every resource is indexed by it. */
  readonly live: ParameterRegistry;
}

/** A pool, a connection or a transaction of the store. */
export interface Asked {
  query(sql: string, values: unknown[]): Promise<{ rows: Record<string, unknown>[] }>;
}

/** The tenants' own search parameters. Each process keeps what it last read. */
export interface TenantParameters {
  /** What this process last read, without asking the database; a writer is fenced off where it is out of date. */
  assumed(tenant: Tenant): KnownParameters;
  /** As they are in the database now. */
  current(tenant: Tenant, db?: Asked): Promise<KnownParameters>;
  /** Those of an epoch that was read with a lock on it. */
  ofEpoch(tenant: Tenant, epoch: number, db: Asked): Promise<KnownParameters>;
  /**
   * Replaces them, waiting for the writers under way, who still index by the old ones; from its return on everybody
   * indexes by the new ones. `next` may answer undefined: then nothing changes.
   */
  change(
    tenant: Tenant,
    next: (before: KnownParameters) => OwnParameters | undefined,
  ): Promise<KnownParameters>;
}

const NONE: KnownParameters = Object.freeze({
  epoch: 0,
  parameters: [],
  dirty: [],
  mark: '',
  indexed: standardRegistry,
  live: standardRegistry,
});

/** Writers under way are waited for this long: as long as they wait for each other. */
const CHANGE_LOCK_TIMEOUT_MS = 30_000;

const READ = `select e.parameters as epoch, case when e.parameters <> $1 then o.sealed end as sealed, o.epoch as of
  from tenant_epoch e left join own_parameters o on o.part = e.part where e.part = 0`;

export function createTenantParameters(): TenantParameters {
  const kept = new WeakMap<Tenant, KnownParameters>();

  async function current(tenant: Tenant, db: Asked = tenant.pool): Promise<KnownParameters> {
    const before = kept.get(tenant) ?? NONE;
    const { rows } = await db.query(READ, [before.epoch]).catch((error: unknown) => {
      throw faultOf(error);
    });
    const row = rows[0] as { epoch: number; sealed: Buffer | null; of: number } | undefined;
    if (!row || row.epoch === before.epoch) return before;
    if (!row.sealed || row.of !== row.epoch)
      throw new Fault('integrity', 'The search parameters of this tenant do not agree with their epoch.', {
        remedy: 'Restore the tables tenant_epoch and own_parameters from one backup.',
      });
    const own = parseJson(tenant.keys.open(row.sealed, parametersContext(row.epoch)).toString('utf8'));
    const known = knownOf(row.epoch, own as OwnParameters);
    // Two reads may end in another order than they began.
    if ((kept.get(tenant)?.epoch ?? 0) < known.epoch) kept.set(tenant, known);
    return known;
  }

  async function ofEpoch(tenant: Tenant, epoch: number, db: Asked): Promise<KnownParameters> {
    const known = kept.get(tenant) ?? NONE;
    return known.epoch === epoch ? known : current(tenant, db);
  }

  return {
    assumed: (tenant) => kept.get(tenant) ?? NONE,
    current,
    ofEpoch,
    async change(tenant, next) {
      const known = await inTransaction(tenant, async (client) => {
        await client.query(`set local lock_timeout = ${CHANGE_LOCK_TIMEOUT_MS}`);
        const { rows } = await client.query('select parameters from tenant_epoch where part = 0 for update');
        const before = await ofEpoch(tenant, rows[0].parameters as number, client);
        const own = next(before);
        if (!own) return before;
        const epoch = before.epoch + 1;
        const sealed = tenant.keys.seal(Buffer.from(stringifyJson(own)), parametersContext(epoch));
        await client.query('update tenant_epoch set parameters = $1 where part = 0', [epoch]);
        await client.query(
          `insert into own_parameters (part, epoch, kv, sealed) values (0, $1, $2, $3)
           on conflict (part) do update set epoch = excluded.epoch, kv = excluded.kv, sealed = excluded.sealed`,
          [epoch, tenant.keys.currentVersion, sealed],
        );
        return knownOf(epoch, own);
      });
      if ((kept.get(tenant)?.epoch ?? 0) < known.epoch) kept.set(tenant, known);
      return known;
    },
  };
}

/** What a later release refuses (its R4 tables have the code now) is no parameter of the tenant's own any more. */
function accepted(definition: Resource): SearchParameter[] {
  try {
    return customParameters(definition);
  } catch (error) {
    if (isFault(error)) return [];
    throw error;
  }
}

/** What the parameters of an epoch are bound to. */
export function parametersContext(epoch: number) {
  return { purpose: 'body' as const, bind: ['own-parameters', epoch] };
}

function knownOf(epoch: number, { parameters, dirty, mark }: OwnParameters): KnownParameters {
  return {
    epoch,
    parameters,
    dirty,
    mark,
    indexed: registryOf(parameters),
    live: registryOf(parameters.filter(({ state }) => state === 'live')),
  };
}

/** The parameters of R4 and these. */
export function registryOf(parameters: readonly OwnParameter[]): ParameterRegistry {
  return extendedRegistry(parameters.flatMap(({ definition }) => accepted(definition)));
}
