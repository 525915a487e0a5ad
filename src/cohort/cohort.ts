import type pg from 'pg';
import type { Clock } from '../core/clock.js';
import { Fault } from '../core/fault.js';
import { newId } from '../core/ids.js';
import { stringifyJson } from '../core/json.js';
import type { Resource, StoredResource } from '../core/resource.js';
import { typeNumber } from '../fhir/resource-types.js';
import type { Search } from '../search/search.js';
import type { Actor, Store } from '../store/contract.js';
import { faultOf } from '../store/database.js';
import type { Tenant } from '../tenancy/tenant.js';
import { type CohortDefinition, type Criteria, parseDefinition } from './definition.js';
import { memberFilters } from './member-filter.js';
import { patientSet } from './patients.js';

/** Where a cohort's name stands on its Group: R4 has no search parameter for Group.name. */
export const COHORT_NAME_SYSTEM = 'https://cenote.health/fhir/cohort-name';
export const COHORT_CRITERIA_URL = 'https://cenote.health/fhir/StructureDefinition/cohort-criteria';

/** Members a snapshot keeps in its Group: some 15 MB of JSON. Larger cohorts are `live`. */
export const MAX_SNAPSHOT_MEMBERS = 200_000;
/** Patients fetched from the database at a time. */
const PATIENT_BATCH = 2_000;
/** Finding a cohort reads large parts of the index; longer than this it is given up. */
const FIND_TIMEOUT_MS = 10 * 60_000;
const MAX_LISTED = 1_000;

export interface Cohort {
  readonly id: string;
  readonly name: string;
  readonly description: string | undefined;
  readonly mode: 'snapshot' | 'live';
  readonly derived: CohortDefinition['derived'];
  /** Patients when it was made, or last counted. */
  readonly size: number;
  /** Instant of the Group's last version. */
  readonly updated: string;
  readonly definition: CohortDefinition;
}

export interface CohortPreview {
  readonly size: number;
  /** Each criterion by its place in the definition, such as `criteria.and[1]`. */
  readonly criteria: readonly {
    readonly at: string;
    readonly size: number;
    /** Of a criterion that is one. */
    readonly search?: string;
  }[];
}

export interface Cohorts {
  /**
   * Finds the patients and stores them as a Group, the criteria kept in it.
   * @throws Fault `invalid` for a definition that cannot be understood, `conflict` where the name is taken and `replace`
   * is not given, `too-large` for a snapshot of more than MAX_SNAPSHOT_MEMBERS.
   */
  create(
    tenant: Tenant,
    definition: unknown,
    options: { readonly actor: Actor; readonly base: string; readonly replace?: boolean },
  ): Promise<{ cohort: Cohort; group: StoredResource }>;
  list(tenant: Tenant, base: string): Promise<Cohort[]>;
  /** By the Group's id or the cohort's name. @throws Fault `not-found`. */
  find(tenant: Tenant, idOrName: string, base: string): Promise<Cohort>;
  /**
   * How many patients a definition means now, and each of its searches by itself, without storing anything. Needs no
   * name.
   */
  preview(tenant: Tenant, definition: unknown, base: string): Promise<CohortPreview>;
  /** Hashed ids of the patients of a definition, or of a stored cohort. */
  keys(
    tenant: Tenant,
    cohort: CohortDefinition | { readonly id: string },
    base: string,
  ): Promise<Set<bigint>>;
  /** Ids of the patients, a batch at a time: those kept in a snapshot, those found now for a live one. */
  members(tenant: Tenant, groupId: string, base: string): AsyncGenerator<string[]>;
}

export function createCohorts(parts: {
  readonly store: Store;
  readonly search: Search;
  readonly clock: Clock;
}): Cohorts {
  const { store, search } = parts;

  async function* patients(
    tenant: Tenant,
    definition: CohortDefinition,
    base: string,
  ): AsyncGenerator<StoredResource[]> {
    const { statement } = await patientSet(search, tenant, definition, base);
    for await (const rows of cursorRows(tenant, patientRows(statement.text), statement.values))
      yield await store.readRows(tenant, rows.map(rowKeyOf));
  }

  /** Hashed ids of a definition's patients who are here, or their number alone. */
  async function setKeys(
    tenant: Tenant,
    definition: Pick<CohortDefinition, 'criteria' | 'derived' | 'asOf'>,
    base: string,
    counted: boolean,
  ): Promise<{ keys: Set<bigint>; count: number }> {
    const { statement } = await patientSet(search, tenant, definition, base);
    const text =
      `select ${counted ? 'count(*) as rid' : 'r.rid'} from resource r` +
      ` where r.rtype = ${typeNumber('Patient')} and not r.deleted and r.rid in (select pkey from ${statement.text} s)`;
    const keys = new Set<bigint>();
    let count = 0;
    for await (const rows of cursorRows(tenant, text, statement.values))
      for (const row of rows) {
        if (counted) count = Number(row.rid);
        else keys.add(BigInt(String(row.rid)));
      }
    return { keys, count: counted ? count : keys.size };
  }

  async function byIdOrName(tenant: Tenant, idOrName: string, base: string): Promise<StoredResource> {
    const direct = await store.read(tenant, 'Group', idOrName);
    if (direct?.resource && definitionOf(direct.resource)) return direct.resource;
    const [named] = await search.findMatches(tenant, 'Group', nameQuery(idOrName), 1, base);
    if (named && definitionOf(named)) return named;
    throw new Fault('not-found', 'There is no cohort with this id or name.', {
      remedy: 'See cenote cohort list.',
    });
  }

  return {
    async create(tenant, input, { actor, base, replace = false }) {
      const definition = parseDefinition(input);
      const ids: string[] = [];
      let size = 0;
      for await (const batch of patients(tenant, definition, base)) {
        size += batch.length;
        if (definition.mode === 'live') continue;
        if (size > MAX_SNAPSHOT_MEMBERS)
          throw new Fault('too-large', `The cohort has more than ${MAX_SNAPSHOT_MEMBERS} patients.`, {
            remedy: 'Make it with mode "live": its patients are found anew whenever they are asked for.',
          });
        for (const patient of batch) ids.push(patient.id);
      }
      const group = groupOf(definition, size, ids);
      const stored = await store.transact(tenant, actor, async (tx) => {
        await tx.lock(`cohort ${definition.name}`);
        const [taken] = await search.findMatches(
          { tenant, tx },
          'Group',
          nameQuery(definition.name),
          1,
          base,
        );
        if (taken && !replace)
          throw new Fault('conflict', 'There is a cohort of this name.', {
            at: 'name',
            remedy: 'Choose another name, or replace it (cohort create --replace).',
          });
        const id = taken?.id ?? newId();
        const [result] = await tx.write([
          { op: taken ? 'update' : 'create', type: 'Group', id, resource: { ...group, id } },
        ]);
        return result!.resource!;
      });
      return { cohort: cohortOf(stored)!, group: stored };
    },

    async preview(tenant, input, base) {
      const named = typeof input === 'object' && input !== null && !Array.isArray(input) ? input : {};
      const definition = parseDefinition({ name: 'preview', ...named });
      const size = async (criteria: Criteria) =>
        (await setKeys(tenant, { ...definition, criteria }, base, true)).count;
      const criteria: { at: string; size: number; search?: string }[] = [];
      for (const [at, one] of placesOf(definition.criteria, 'criteria'))
        criteria.push({ at, size: await size(one), ...('search' in one ? { search: one.search } : {}) });
      return { size: criteria[0]!.size, criteria };
    },

    async keys(tenant, cohort, base) {
      if (!('id' in cohort)) return (await setKeys(tenant, cohort, base, false)).keys;
      const keys = new Set<bigint>();
      for await (const ids of this.members(tenant, cohort.id, base))
        for (const id of ids) keys.add(tenant.keys.rid('Patient', id));
      return keys;
    },

    async list(tenant, base) {
      const found = await search.findMatches(
        tenant,
        'Group',
        `identifier=${encodeURIComponent(`${COHORT_NAME_SYSTEM}|`)}`,
        MAX_LISTED,
        base,
      );
      const cohorts = found.map((g) => cohortOf(g)).filter((c) => c !== undefined);
      return cohorts.sort((a, b) => (a.name < b.name ? -1 : 1));
    },

    async find(tenant, idOrName, base) {
      return cohortOf(await byIdOrName(tenant, idOrName, base))!;
    },

    async *members(tenant, groupId, base) {
      const read = await store.read(tenant, 'Group', groupId);
      if (!read?.resource)
        throw new Fault(read ? 'gone' : 'not-found', 'There is no Group with this id.', { at: 'Group/{id}' });
      const definition = definitionOf(read.resource);
      if (definition?.mode === 'live') {
        for await (const batch of patients(tenant, definition, base)) yield batch.map((p) => p.id);
        return;
      }
      const ids = memberIds(read.resource);
      for (let i = 0; i < ids.length; i += PATIENT_BATCH) yield ids.slice(i, i + PATIENT_BATCH);
    },
  };
}

function nameQuery(name: string): string {
  const value = `${COHORT_NAME_SYSTEM}|${name.replace(/[\\,$|]/g, '\\$&')}`;
  return `identifier=${encodeURIComponent(value)}`;
}

function groupOf(definition: CohortDefinition, size: number, ids: readonly string[]): Resource {
  const { name, description, ...criteria } = definition;
  return {
    resourceType: 'Group',
    ...(description === undefined ? {} : { text: narrative(description) }),
    extension: [
      {
        url: COHORT_CRITERIA_URL,
        valueString: stringifyJson({
          name,
          ...(description === undefined ? {} : { description }),
          ...criteria,
        }),
      },
    ],
    identifier: [{ system: COHORT_NAME_SYSTEM, value: name }],
    active: true,
    type: 'person',
    actual: true,
    name,
    quantity: size,
    ...(ids.length === 0 ? {} : { member: ids.map((id) => ({ entity: { reference: `Patient/${id}` } })) }),
  };
}

function narrative(description: string): object {
  const escaped = description.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');
  return { status: 'generated', div: `<div xmlns="http://www.w3.org/1999/xhtml">${escaped}</div>` };
}

/** The definition kept in a Group; undefined for a Group that is no cohort of ours. */
function definitionOf(group: Resource): CohortDefinition | undefined {
  const extensions = (Array.isArray(group.extension) ? group.extension : []) as {
    url?: string;
    valueString?: string;
  }[];
  const text = extensions.find((e) => e.url === COHORT_CRITERIA_URL)?.valueString;
  if (text === undefined) return memberFilters(group);
  try {
    return parseDefinition(JSON.parse(text));
  } catch {
    // Written by somebody else under our URL: it is a Group, and no cohort.
    return undefined;
  }
}

function cohortOf(group: StoredResource): Cohort | undefined {
  const definition = definitionOf(group);
  if (!definition) return undefined;
  return {
    id: group.id,
    name: definition.name,
    description: definition.description,
    mode: definition.mode,
    derived: definition.derived,
    size: Number(group.quantity ?? memberIds(group).length),
    updated: group.meta.lastUpdated,
    definition,
  };
}

function memberIds(group: Resource): string[] {
  const members = (Array.isArray(group.member) ? group.member : []) as {
    inactive?: boolean;
    entity?: { reference?: string };
  }[];
  return members
    .filter((m) => m.inactive !== true)
    .map((m) => /(?:^|\/)Patient\/([A-Za-z0-9\-.]{1,64})$/.exec(m.entity?.reference ?? '')?.[1])
    .filter((id) => id !== undefined);
}

/** Every criterion of a tree with its place, the whole first. */
function placesOf(criteria: Criteria, at: string): [string, Criteria][] {
  const own: [string, Criteria] = [at, criteria];
  if ('not' in criteria) return [own, ...placesOf(criteria.not, `${at}.not`)];
  const name = 'and' in criteria ? 'and' : 'or' in criteria ? 'or' : undefined;
  if (name === undefined) return [own];
  const list = (criteria as Record<string, readonly Criteria[]>)[name]!;
  return [own, ...list.flatMap((one, i) => placesOf(one, `${at}.${name}[${i}]`))];
}

/** The patients of a set that are here, in an order that is theirs for good. */
function patientRows(set: string): string {
  return (
    'select r.part, r.rtype, r.rid, r.ver, r.sid, r.slot from resource r' +
    ` where r.rtype = ${typeNumber('Patient')} and not r.deleted and r.rid in (select pkey from ${set} s) order by r.rid`
  );
}

/** Reads a statement's rows through a cursor, in one snapshot, a batch in memory at a time. */
async function* cursorRows(
  tenant: Tenant,
  text: string,
  values: readonly unknown[],
): AsyncGenerator<Record<string, unknown>[]> {
  const client: pg.PoolClient = await tenant.pool.connect().catch((error: unknown) => {
    throw faultOf(error);
  });
  let broken = false;
  try {
    await client.query(
      `begin isolation level repeatable read read only; set local statement_timeout = ${FIND_TIMEOUT_MS};` +
        ' set local idle_in_transaction_session_timeout = 0',
    );
    await client.query(`declare found no scroll cursor for ${text}`, values as unknown[]);
    for (;;) {
      const { rows } = await client.query(`fetch ${PATIENT_BATCH} from found`);
      if (rows.length > 0) yield rows as Record<string, unknown>[];
      if (rows.length < PATIENT_BATCH) break;
    }
  } catch (error) {
    throw faultOf(error);
  } finally {
    // Nothing was written; the rollback also serves a consumer that stopped early.
    broken = await client.query('rollback').then(
      () => false,
      () => true,
    );
    client.release(broken);
  }
}

function rowKeyOf(row: Record<string, unknown>) {
  return {
    part: Number(row.part),
    rtype: Number(row.rtype),
    rid: BigInt(String(row.rid)),
    ver: Number(row.ver),
    sid: BigInt(String(row.sid)),
    slot: Number(row.slot),
  };
}
