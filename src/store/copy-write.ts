import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { auditArrays, insertAuditArrays } from './audit-chain.js';
import { copyChunks } from './copy-binary.js';
import { intArray, run } from './database.js';
import { deletionsOf } from './delete-rows.js';
import { INDEX_TABLES, type RowSet, TABLE_KEYS, TABLES, type TableKey } from './row-set.js';

/** The rows of a big transaction in the form in which they are sent. */
export interface CopyRows extends Pick<RowSet, 'replaced' | 'relocated'> {
  /** What is copied into each table, as the chunks of one stream. */
  readonly tables: readonly (readonly [TableKey, readonly Buffer[]])[];
  /** See `auditArrays`. */
  readonly audit: readonly Buffer[] | undefined;
}

export function copyRows(rows: RowSet): CopyRows {
  const { values, bulk, replaced, relocated } = rows;
  return {
    replaced,
    relocated,
    tables: TABLE_KEYS.filter(
      (table) => table !== 'audit' && (values[table].length > 0 || (bulk[table]?.length ?? 0) > 0),
    ).map((table) => [table, copyChunks(TABLES[table], values[table], bulk[table])] as const),
    audit: values.audit.length > 0 ? auditArrays(values.audit) : undefined,
  };
}

/**
 * The rows of a big transaction by binary COPY, one stream per table. COPY cannot update, so rows that are replaced
 * are deleted first.
 */
export async function copyWrite(client: pg.PoolClient, rows: CopyRows): Promise<void> {
  if (rows.replaced.length > 0) await deleteReplaced(client, rows);
  if (rows.relocated.length > 0) await relocate(client, rows);
  for (const [table, chunks] of rows.tables) await copyTable(client, table, chunks);
  // Last: it holds the ends of the chains until the commit.
  if (rows.audit) await insertAuditArrays(client, rows.audit);
}

async function copyTable(client: pg.PoolClient, table: TableKey, chunks: readonly Buffer[]): Promise<void> {
  const shape = TABLES[table];
  const names = shape.columns.map(([name]) => name).join(', ');
  const stream = client.query(copyFrom(`copy ${shape.name} (${names}) from stdin (format binary)`));
  await pipeline(Readable.from(chunks), stream);
}

const KEYS = 'unnest($1::int[], $2::smallint[], $3::bigint[]) as k (part, rtype, rid)';

function keysOf(values: readonly (number | bigint)[]): string[] {
  const columns: (number | bigint)[][] = [[], [], []];
  for (let i = 0; i < values.length; i++) columns[i % 3]!.push(values[i]!);
  return columns.map(intArray);
}

async function deleteReplaced(client: pg.PoolClient, rows: CopyRows): Promise<void> {
  const keys = keysOf(rows.replaced);
  for (const table of [...INDEX_TABLES, 'resource'] as const)
    for (const [i, sql] of deletionsOf(table, KEYS).entries())
      await run(client, sql, keys, `store-delete ${table} ${i}`);
  if (rows.tables.some(([table]) => table === 'annotation'))
    await run(
      client,
      `delete from annotation t using unnest($1::int[], $2::bigint[]) as k (part, rid)
       where t.part = k.part and t.rid = k.rid`,
      [keys[0], keys[2]],
      'store-delete annotation',
    );
}

async function relocate(client: pg.PoolClient, rows: CopyRows): Promise<void> {
  for (let i = 0; i < rows.relocated.length; i += 4) {
    const [rtype, rid, part, former] = rows.relocated.slice(i, i + 4);
    await run(
      client,
      'update locator set part = $3, former = $4 where rtype = $1 and rid = $2',
      [rtype, rid, part, intArray(former as number[])],
      'store-relocate',
    );
  }
}
