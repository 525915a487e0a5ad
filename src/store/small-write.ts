import { auditSteps, strandOf } from './audit-chain.js';
import { intArray, type Queryable, run } from './database.js';
import { deletionsOf } from './delete-rows.js';
import {
  type ColumnType,
  type ColumnValue,
  INDEX_TABLES,
  type RowSet,
  TABLE_KEYS,
  TABLES,
  type TableKey,
} from './row-set.js';

/**
 * All rows of a small transaction in one statement: one insert per table as a CTE, columns as arrays. One round trip
 * and one plan; measured 2.7 times faster than a statement per table. The text depends only on which tables have rows,
 * so each of the few shapes is prepared once per connection.
 *
 * The parts of the statement see the database as it was before it, so a delete takes old rows only.
 */
export async function smallWrite(db: Queryable, rows: RowSet): Promise<void> {
  const statement = new Statement();
  addDeletes(statement, rows);
  addMoves(statement, rows);
  addInserts(statement, rows, TABLE_KEYS, strandOf(db));
  await statement.run(db, 'select 1');
}

/** What has to hold for a write that is a transaction of its own. */
export interface Gate {
  /** Epoch of the catalog entry. */
  readonly epoch: number;
  /** Epoch of the search parameters that the rows were made by. */
  readonly parameters: number;
  /** Version that must be current; 0: the id must never have existed. */
  readonly version: number;
  /** Epoch of the patients' keys, where the rows were sealed under one. */
  readonly keys: number | undefined;
  /** Versions of the keys that the rows were sealed and wrapped under. */
  readonly body: number;
  readonly patient: number;
  /** Step of a change of the index key that the rows were made at. */
  readonly index: number;
}

export interface GateAnswer {
  /** Both epochs were the database's. */
  readonly fenced: boolean;
  /** The gate was open, and everything was written; otherwise nothing was. */
  readonly written: boolean;
}

/**
 * One resource in one statement that is its own transaction: a single round trip in place of four. The gate claims the
 * id, or compares and swaps the version; every other part of the statement joins it and so writes all or nothing.
 */
export async function gatedWrite(db: Queryable, rows: RowSet, gate: Gate): Promise<GateAnswer> {
  const statement = new Statement('gate');
  const keys = statement.value(gate.keys ?? null);
  statement.step(
    'fence',
    `select from tenant_epoch where part = 0 and epoch = ${statement.value(gate.epoch)}
       and parameters = ${statement.value(gate.parameters)} and least_body <= ${statement.value(gate.body)}
       and least_patient <= ${statement.value(gate.patient)} and least_index <= ${statement.value(gate.index)}
       and (${keys}::int is null or keys = ${keys}) for share`,
  );
  if (gate.version === 0) {
    const [rtype, rid, chk, part] = rows.claimed.map((v) => statement.value(v));
    statement.step(
      'gate',
      `insert into locator (rtype, rid, chk, part)
       select ${rtype}::smallint, ${rid}::bigint, ${chk}::int, ${part}::int from fence
       on conflict (rtype, rid) do nothing returning rid`,
    );
    addInserts(statement, rows, TABLE_KEYS, strandOf(db));
  } else {
    statement.shape += 's';
    const { names, source, pick } = statement.source('resource', rows.values.resource);
    const [part, rtype, rid] = rows.replaced.map((v) => statement.value(v));
    // The locator first, as every writer does; a version that was won by another while waiting closes the gate.
    statement.step(
      'held',
      `select from locator l, fence where l.rtype = ${rtype}::smallint and l.rid = ${rid}::bigint and l.part = ${part}::int
       for update of l`,
    );
    // The deletions see what was there when the statement began, so nobody may have rewritten the index rows of this very
    // version while it waited (`reindex.ts` does): then the gate is closed too, and the write is tried again.
    statement.step(
      'seen',
      `select r.xmin from resource r where r.part = ${part}::int and r.rtype = ${rtype}::smallint and r.rid = ${rid}::bigint`,
    );
    const changed = names.filter((name) => !['part', 'rtype', 'rid'].includes(name));
    statement.step(
      'gate',
      `update resource r set ${changed.map((name) => `${name} = ${pick(name)}`).join(', ')} from ${source}, held, seen
       where r.part = u.part and r.rtype = u.rtype and r.rid = u.rid and r.ver = ${statement.value(gate.version)}
         and r.xmin = seen.xmin
       returning r.rid`,
    );
    addDeletes(statement, rows);
    addInserts(
      statement,
      rows,
      TABLE_KEYS.filter((table) => table !== 'resource'),
      strandOf(db),
    );
  }
  const [answer] = await statement.run<{ fenced: boolean; written: boolean }>(
    db,
    'select exists (select from fence) as fenced, exists (select from gate) as written',
  );
  return answer!;
}

/** A statement of many CTEs, with its parameters. */
class Statement {
  readonly parameters: unknown[] = [];
  private readonly steps: string[] = [];
  /** Says which steps there are; names the prepared statement. */
  shape = '';

  /** @param gate a CTE that every write joins, so that it happens only where the gate has a row */
  constructor(readonly gate?: string) {
    if (gate) this.shape += 'g';
  }

  value(value: unknown): string {
    return `$${this.parameters.push(value)}`;
  }

  step(name: string, sql: string): void {
    this.steps.push(`${name} as (${sql})`);
  }

  /** Rows of a table as `unnest(…) as u (…)`, and how to select a column of it. */
  source(table: TableKey, values: readonly ColumnValue[]) {
    const { columns } = TABLES[table];
    const names: string[] = columns.map(([name]) => name);
    const arrays = columns.map(([, type], i) => {
      const literal = columnLiteral(every(values, columns.length, i), type);
      return `${this.value(literal)}::${arrayType(type)}`;
    });
    const lists = new Set<string>(columns.filter(([, type]) => type.endsWith('[]')).map(([name]) => name));
    return {
      names,
      source: `unnest(${arrays.join(', ')}) as u (${names.join(', ')})`,
      pick: (name: string) => (lists.has(name) ? `u.${name}::bigint[]` : `u.${name}`),
    };
  }

  /** Keys (part, rtype, rid) as `unnest(…) as k (…)`. */
  keys(values: readonly unknown[]): string {
    const [part, rtype, rid] = [0, 1, 2].map((i) => this.value(column(values, 3, i)));
    return `unnest(${part}::int[], ${rtype}::smallint[], ${rid}::bigint[]) as k (part, rtype, rid)`;
  }

  run<Row>(db: Queryable, last: string): Promise<Row[]> {
    return run<Row>(
      db,
      `with ${this.steps.join(',\n')}\n${last}`,
      this.parameters,
      `store-write ${this.shape}`,
    );
  }
}

function addDeletes(statement: Statement, rows: RowSet): void {
  if (rows.replaced.length === 0) return;
  statement.shape += 'd';
  const from = `${statement.keys(rows.replaced)}${statement.gate ? `, ${statement.gate}` : ''}`;
  for (const table of INDEX_TABLES)
    for (const [i, sql] of deletionsOf(table, from).entries()) statement.step(`gone_${table}_${i}`, sql);
}

function addMoves(statement: Statement, rows: RowSet): void {
  if (rows.moved.length === 0) return;
  statement.shape += 'm';
  const keys = statement.keys(rows.moved);
  statement.step(
    'gone_resource',
    `delete from resource t using ${keys} where t.part = k.part and t.rtype = k.rtype and t.rid = k.rid`,
  );
  statement.step(
    'gone_annotation',
    `delete from annotation t using ${keys} where t.part = k.part and t.rid = k.rid`,
  );
  const [rtype, rid, part] = [0, 1, 2].map((i) => statement.value(column(rows.relocated, 4, i)));
  const former = statement.value(textArray(every(rows.relocated, 4, 3).map((f) => intArray(f as number[]))));
  statement.step(
    'relocated',
    `update locator l set part = k.part, former = k.former::int[]
     from unnest(${rtype}::smallint[], ${rid}::bigint[], ${part}::int[], ${former}::text[]) as k (rtype, rid, part, former)
     where l.rtype = k.rtype and l.rid = k.rid`,
  );
}

function addInserts(statement: Statement, rows: RowSet, tables: readonly TableKey[], strand: number): void {
  for (const table of tables) {
    const values = rows.values[table];
    if (values.length === 0) continue;
    statement.shape += TABLE_KEYS.indexOf(table);
    const { name, onConflict } = { onConflict: '', ...TABLES[table] };
    const { names, source, pick } = statement.source(table, values);
    const from = `${source}${statement.gate ? `, ${statement.gate}` : ''}`;
    if (table === 'audit') {
      for (const [step, sql] of auditSteps(from, statement.value(strand))) statement.step(step, sql);
      continue;
    }
    statement.step(
      `new_${table}`,
      `insert into ${name} (${names.join(', ')}) select ${names.map(pick).join(', ')} from ${from} ${onConflict}`,
    );
  }
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
