import { intArray, type Queryable, run } from './database.js';
import {
  type ColumnType,
  type ColumnValue,
  INDEX_TABLES,
  type RowSet,
  TABLE_KEYS,
  TABLES,
} from './row-set.js';

/**
 * All rows of a small transaction in one statement: one insert per table as a CTE, columns as arrays. One round trip
 * and one plan; measured 2.7 times faster than a statement per table. The text depends only on which tables have rows,
 * so each of the few shapes is prepared once per connection.
 *
 * The parts of the statement see the database as it was before it, so a delete takes old rows only.
 */
export async function smallWrite(db: Queryable, rows: RowSet): Promise<void> {
  const parameters: unknown[] = [];
  const steps: string[] = [];
  let shape = '';
  const next = (value: unknown) => `$${parameters.push(value)}`;

  if (rows.replaced.length > 0) {
    shape += 'd';
    const keys = `unnest(${next(column(rows.replaced, 3, 0))}::int[], ${next(column(rows.replaced, 3, 1))}::smallint[], ${next(column(rows.replaced, 3, 2))}::bigint[]) as k (part, rtype, rid)`;
    for (const table of INDEX_TABLES)
      steps.push(
        `gone_${table} as (delete from ${TABLES[table].name} t using ${keys} where t.part = k.part and t.rtype = k.rtype and t.rid = k.rid)`,
      );
  }
  if (rows.moved.length > 0) {
    shape += 'm';
    const [part, rtype, rid] = [0, 1, 2].map((i) => next(column(rows.moved, 3, i)));
    const keys = `unnest(${part}::int[], ${rtype}::smallint[], ${rid}::bigint[]) as k (part, rtype, rid)`;
    steps.push(
      `gone_resource as (delete from resource t using ${keys} where t.part = k.part and t.rtype = k.rtype and t.rid = k.rid)`,
      `gone_annotation as (delete from annotation t using ${keys} where t.part = k.part and t.rid = k.rid)`,
      `relocated as (update locator l set part = k.part, former = k.former::int[]
        from unnest(${next(column(rows.relocated, 4, 0))}::smallint[], ${next(column(rows.relocated, 4, 1))}::bigint[],
          ${next(column(rows.relocated, 4, 2))}::int[], ${next(textArray(every(rows.relocated, 4, 3).map((f) => intArray(f as number[]))))}::text[])
          as k (rtype, rid, part, former) where l.rtype = k.rtype and l.rid = k.rid)`,
    );
  }
  for (const table of TABLE_KEYS) {
    const values = rows.values[table];
    if (values.length === 0) continue;
    shape += TABLE_KEYS.indexOf(table);
    const { name, columns, onConflict } = { onConflict: '', ...TABLES[table] };
    const width = columns.length;
    const sources = columns.map(
      ([, type], i) => `${next(columnLiteral(every(values, width, i), type))}::${arrayType(type)}`,
    );
    const names = columns.map(([column]) => column).join(', ');
    const picks = columns.map(([column, type]) =>
      type.endsWith('[]') ? `u.${column}::bigint[]` : `u.${column}`,
    );
    steps.push(
      `new_${table} as (insert into ${name} (${names}) select ${picks.join(', ')} from unnest(${sources.join(', ')}) as u (${names}) ${onConflict})`,
    );
  }
  await run(db, `with ${steps.join(',\n')}\nselect 1`, parameters, `store-write ${shape}`);
}

function every(values: readonly unknown[], width: number, index: number): unknown[] {
  const out: unknown[] = [];
  for (let i = index; i < values.length; i += width) out.push(values[i]);
  return out;
}

function column(values: readonly unknown[], width: number, index: number): string {
  return intArray(every(values, width, index) as (number | bigint)[]);
}

/** An array of arrays is unnested element by element in SQL, so inner arrays travel as text and are cast back. */
function arrayType(type: ColumnType): string {
  return type.endsWith('[]') ? 'text[]' : `${type}[]`;
}

function columnLiteral(values: unknown[], type: ColumnType): string {
  switch (type) {
    case 'bytea':
      return textArray((values as Buffer[]).map((b) => `\\x${b.toString('hex')}`));
    case 'int8[]':
      return textArray((values as bigint[][]).map((v) => intArray(v)));
    case 'bool':
      return `{${(values as boolean[]).map((v) => (v ? 't' : 'f')).join(',')}}`;
    case 'float8':
      // An open end is infinite; SQL spells that like JavaScript does.
      return `{${(values as number[]).join(',')}}`;
    case 'text':
    case 'uuid':
      return textArray(values as (string | null)[]);
    default:
      return intArray(values as ColumnValue[] as (number | bigint)[]);
  }
}

function textArray(values: readonly (string | null)[]): string {
  return `{${values.map((v) => (v === null ? 'NULL' : `"${v.replace(/["\\]/g, '\\$&')}"`)).join(',')}}`;
}
