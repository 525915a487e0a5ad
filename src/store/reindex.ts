import { Fault } from '../core/fault.js';
import { isResourceType, typeNumber } from '../fhir/resource-types.js';
import { indexResource } from '../indexing/index.js';
import type { IndexContext, IndexRows } from '../indexing/parameter-type.js';
import type { Tenant } from '../tenancy/tenant.js';
import { addIndexRows } from './assemble.js';
import { type BodyPlace, openBodies } from './bodies.js';
import { resourceOf } from './content.js';
import { intArray, type Queryable, run } from './database.js';
import { SORTED_OF_RESOURCE } from './delete-rows.js';
import { RowSet, TABLES } from './row-set.js';
import { smallWrite } from './small-write.js';
import { inTransaction } from './transaction.js';

/** Resources whose rows are compared and rewritten in one transaction: their writers wait for it. */
const RESOURCES_PER_BATCH = 500;

export interface ReindexCounts {
  /** Current resources looked at. */
  readonly resources: number;
  /** Those whose rows were others. */
  readonly rewritten: number;
}

/**
 * Recomputes the index rows of current resources of some types in a range of parts (both ends inclusive) and replaces
 * those that are not as they should be. Doing it again changes nothing. `contextAt` gives the context of the epoch of
 * parameters that a transaction runs in.
 */
export async function reindexParts(
  tenant: Tenant,
  contextAt: (epoch: number, db: Queryable) => Promise<IndexContext>,
  types: readonly string[],
  parts: { readonly from: number; readonly to: number },
): Promise<ReindexCounts> {
  const numbers = intArray(types.filter(isResourceType).map(typeNumber));
  let after: [number, number, bigint] = [parts.from, -1, 0n];
  let resources = 0;
  let rewritten = 0;
  for (;;) {
    const [seen, changed, last] = await inTransaction(tenant, async (client, epoch) => {
      const keys = await run<Key>(
        client,
        `select part, rtype, rid from resource
         where (part, rtype, rid) > ($1, $2, $3) and part <= $4 and rtype = any ($5::smallint[]) and not deleted
         order by part, rtype, rid limit ${RESOURCES_PER_BATCH}`,
        [...after, parts.to, numbers],
        'store-reindex-keys',
      );
      if (keys.length === 0) return [0, 0, undefined] as const;
      const context = await contextAt(epoch, client);
      return [keys.length, await rewrite(tenant, client, context, keys), keys.at(-1)] as const;
    });
    resources += seen;
    rewritten += changed;
    if (seen < RESOURCES_PER_BATCH || !last) return { resources, rewritten };
    after = [last.part, last.rtype, last.rid];
  }
}

/** Writers under way are waited for this long: as long as they wait for each other. */
const FENCE_LOCK_TIMEOUT_MS = 30_000;

/** See `Store.fenceIndex`. */
export async function fenceIndex(tenant: Tenant, phase: number): Promise<void> {
  if (tenant.keys.indexPhase < phase)
    throw new Fault('unavailable', 'The keys of this tenant were changed meanwhile.', {
      remedy: 'Try again in a moment.',
    });
  await inTransaction(tenant, async (client) => {
    await client.query(`set local lock_timeout = ${FENCE_LOCK_TIMEOUT_MS}`);
    await run(client, 'update tenant_epoch set least_index = greatest(least_index, $1) where part = 0', [
      phase,
    ]);
  });
}

interface Key {
  part: number;
  rtype: number;
  rid: bigint;
}

interface CurrentRow extends Key, BodyPlace {
  part: number;
  rid: bigint;
  terms: bigint[];
}

/** Locks as writers do, in (type, id) order, and rewrites what differs. @returns how many were rewritten */
async function rewrite(
  tenant: Tenant,
  db: Queryable,
  context: IndexContext,
  keys: readonly Key[],
): Promise<number> {
  const columns = [
    intArray(keys.map((k) => k.part)),
    intArray(keys.map((k) => k.rtype)),
    intArray(keys.map((k) => k.rid)),
  ];
  await run(
    db,
    `select 1 from locator l join unnest($1::smallint[], $2::bigint[]) as k (rtype, rid)
       on l.rtype = k.rtype and l.rid = k.rid order by l.rtype, l.rid for update of l`,
    columns.slice(1),
    'store-reindex-lock',
  );
  // Read after the lock. What was moved or deleted meanwhile was written by the parameters in force.
  const rows = await run<CurrentRow>(
    db,
    `select r.part, r.rtype, r.rid, r.ver, r.sid, r.slot, r.terms from resource r
       join unnest($1::int[], $2::smallint[], $3::bigint[]) as k (part, rtype, rid)
       on r.part = k.part and r.rtype = k.rtype and r.rid = k.rid where not r.deleted`,
    columns,
    'store-reindex-rows',
  );
  const members = await openBodies(tenant.keys, db, rows);
  const stored = await storedRows(db, columns);
  const changed = new RowSet();
  const terms: { key: Key; terms: readonly bigint[]; sorted: readonly bigint[] }[] = [];
  rows.forEach((row, i) => {
    const member = members[i]!;
    const wanted = indexResource(resourceOf(member, member.content), context);
    if (!differs(tenant, row, wanted, stored.get(keyText(row)) ?? [])) return;
    changed.replaced.push(row.part, row.rtype, row.rid);
    addIndexRows(tenant.keys, row.part, row.rtype, row.rid, wanted, changed);
    terms.push({ key: row, terms: wanted.terms, sorted: wanted.sorted });
  });
  if (terms.length === 0) return 0;
  await smallWrite(db, changed);
  await run(
    db,
    `update resource r set terms = k.terms::bigint[], sorted = k.sorted::bigint[]
       from unnest($1::int[], $2::smallint[], $3::bigint[], $4::text[], $5::text[]) as k (part, rtype, rid, terms, sorted)
       where r.part = k.part and r.rtype = k.rtype and r.rid = k.rid`,
    [
      intArray(terms.map((t) => t.key.part)),
      intArray(terms.map((t) => t.key.rtype)),
      intArray(terms.map((t) => t.key.rid)),
      terms.map((t) => intArray(t.terms)),
      terms.map((t) => intArray(t.sorted)),
    ],
    'store-reindex-terms',
  );
  return terms.length;
}

const keyText = ({ part, rtype, rid }: Key) => `${part}/${rtype}/${rid}`;

const KEYS = 'unnest($1::int[], $2::smallint[], $3::bigint[]) as k (part, rtype, rid)';
const ofKey = (alias: string) =>
  `${alias}.part = k.part and ${alias}.rtype = k.rtype and ${alias}.rid = k.rid`;
const COMPARED = ['date', 'quantity', 'reference', 'sorted'] as const;

async function storedRows(db: Queryable, keys: readonly string[]): Promise<Map<string, string[]>> {
  const found = new Map<string, string[]>();
  for (const table of COMPARED) {
    const names = TABLES[table].columns.map(([name]) => name);
    const select = `select ${names.map((name) => `t.${name}`).join(', ')} from ${TABLES[table].name} t`;
    const rows = await run<Record<string, unknown>>(
      db,
      table === 'sorted'
        ? `${select} join resource r on ${SORTED_OF_RESOURCE} join ${KEYS} on ${ofKey('r')}
           union all ${select} join ${KEYS} on t.by_row and ${ofKey('t')}`
        : `${select} join ${KEYS} on ${ofKey('t')}`,
      keys,
      `store-reindex-${table}`,
    );
    for (const row of rows) {
      const key = keyText(row as unknown as Key);
      const list = found.get(key) ?? [];
      list.push(
        `${table} ${names
          .slice(3)
          .map((name) => String(row[name]))
          .join(' ')}`,
      );
      found.set(key, list);
    }
  }
  return found;
}

/** Whether other rows and terms should be there than those that are. */
function differs(
  { keys }: Tenant,
  { part, rtype, rid, terms }: CurrentRow,
  wanted: IndexRows,
  stored: readonly string[],
): boolean {
  if (wanted.terms.length !== terms.length) return true;
  const rows = new RowSet();
  addIndexRows(keys, part, rtype, rid, wanted, rows);
  // While the index key is changed nearly all differ in number: no need to look closer.
  if (COMPARED.reduce((n, table) => n + rows.count(table), 0) !== stored.length) return true;
  const before = [...stored, ...terms.map(String)].sort();
  return rowTexts(rows, wanted).some((text, k) => text !== before[k]);
}

/** Texts, as of those that are stored, of rows and terms, sorted. */
function rowTexts(rows: RowSet, wanted: IndexRows): string[] {
  const texts = wanted.terms.map(String);
  for (const table of COMPARED) {
    const width = TABLES[table].columns.length;
    const values = rows.values[table];
    for (let i = 0; i < values.length; i += width)
      texts.push(
        `${table} ${values
          .slice(i + 3, i + width)
          .map(String)
          .join(' ')}`,
      );
  }
  return texts.sort();
}
