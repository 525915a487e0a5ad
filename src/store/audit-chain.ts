import { createHash } from 'node:crypto';
import { binaryArray } from './binary-array.js';
import { type Queryable, run } from './database.js';
import type { ColumnValue } from './row-set.js';

/** Strands of a part. More connections than this share them, and then wait for each other's commit. */
const MAX_STRANDS = 32;

/** Columns of an audit row in a RowSet: part, at, aid, kv, sealed, mac. */
const COLUMN_TYPES = ['int4', 'int8', 'uuid', 'int2', 'bytea', 'bytea'] as const;
const WIDTH = COLUMN_TYPES.length;

const strands = new WeakMap<object, number>();
let next = 0;

/** The strand a connection writes to, the same as long as it lives: two connections rarely hold the same end. */
export function strandOf(connection: Queryable): number {
  const known = strands.get(connection);
  if (known !== undefined) return known;
  const strand = next++ % MAX_STRANDS;
  strands.set(connection, strand);
  return strand;
}

/**
 * The steps of a statement that put audit rows (at most one of a part) to the end of their strands.
 * @param from rows as `unnest(…) as u (part, at, aid, kv, sealed, mac)`, perhaps joined with a gate
 * @param strand a parameter
 */
export function auditSteps(from: string, strand: string): [name: string, sql: string][] {
  return [
    [
      'audit_end',
      // In the order of their keys, so that two writers never wait for each other. The first row's place is its digest.
      `insert into audit_head as h (part, strand, seq, at, chain)
       select u.part, ${strand}::smallint, 1, u.at, u.mac from ${from} order by u.part
       on conflict (part, strand) do update
         set seq = h.seq + 1, at = excluded.at, chain = sha256(h.chain || excluded.chain)
       returning part, seq, chain`,
    ],
    [
      'new_audit',
      `insert into audit (part, at, aid, kv, sealed, strand, seq, chain)
       select u.part, u.at, u.aid, u.kv, u.sealed, ${strand}::smallint, e.seq, e.chain
       from audit_end e, ${from} where e.part = u.part`,
    ],
  ];
}

/** Audit rows as the arrays that are sent. */
export function auditArrays(values: readonly ColumnValue[]): Buffer[] {
  const columns: ColumnValue[][] = COLUMN_TYPES.map(() => []);
  for (let i = 0; i < values.length; i++) columns[i % WIDTH]!.push(values[i]!);
  return COLUMN_TYPES.map((type, at) => binaryArray(type, columns[at] as (number | string | Buffer)[]));
}

/**
 * Adds audit rows (columns as in a RowSet, no part twice) in the transaction of a connection, or in one of its own where
 * there is none.
 * @param durable whether the commit of a transaction of its own waits for the disk
 */
export async function insertAudit(
  connection: Queryable,
  values: readonly ColumnValue[],
  durable = true,
): Promise<void> {
  if (values.length > 0) await insertAuditArrays(connection, auditArrays(values), durable);
}

/** The same with what `auditArrays` gave. */
export async function insertAuditArrays(
  connection: Queryable,
  arrays: readonly Buffer[],
  durable = true,
): Promise<void> {
  const from = 'unnest($1::int[], $2::bigint[], $3::uuid[], $4::smallint[], $5::bytea[], $6::bytea[])';
  const steps = auditSteps(`${from} as u (part, at, aid, kv, sealed, mac)`, '$7');
  await run(
    connection,
    `with ${steps.map(([name, sql]) => `${name} as (${sql})`).join(', ')}
     ${durable ? 'select 1' : "select set_config('synchronous_commit', 'off', true)"}`,
    [...arrays, strandOf(connection)],
    durable ? 'store-audit' : 'store-audit-quick',
  );
}

/** Where a row stands in its strand: its own digest for the first, else of the place before and its digest. */
export function placeAfter(before: Uint8Array | undefined, mac: Uint8Array): Buffer {
  if (!before) return Buffer.from(mac);
  return createHash('sha256').update(before).update(mac).digest();
}
