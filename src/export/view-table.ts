import { Decimal, stringifyJson } from '../core/json.js';
import type { Resource } from '../core/resource.js';
import { typeDefinition } from '../fhir/elements.js';
import type { Row, View, ViewColumn } from '../fhir/views/view.js';
import {
  type ByteSink,
  type ColumnType,
  createTableWriter,
  type TableColumn,
  type TableFormat,
  type TableTotals,
} from './table.js';

/** The forms a view is given in: those of tables, and one JSON array of objects. */
export type ViewFormat = TableFormat | 'json';

export const VIEW_MEDIA_TYPES: Readonly<Record<ViewFormat, string>> = {
  json: 'application/json; charset=utf-8',
  ndjson: 'application/x-ndjson; charset=utf-8',
  csv: 'text/csv; charset=utf-8',
  parquet: 'application/vnd.apache.parquet',
};

/** Types of FHIR that tables have their own for; every other primitive is text. */
const COLUMN_TYPES: Readonly<Record<string, ColumnType>> = {
  boolean: 'boolean',
  integer: 'integer',
  positiveInt: 'integer',
  unsignedInt: 'integer',
  integer64: 'integer64',
  decimal: 'decimal',
  date: 'date',
  dateTime: 'instant',
  instant: 'instant',
};

/** SQL on FHIR's tag `ansi/type`, by the first word. */
const ANSI_TYPES: Readonly<Record<string, ColumnType>> = {
  BOOLEAN: 'boolean',
  SMALLINT: 'integer',
  INT: 'integer',
  INTEGER: 'integer',
  BIGINT: 'integer64',
  DECIMAL: 'decimal',
  NUMERIC: 'decimal',
  REAL: 'double',
  FLOAT: 'double',
  DOUBLE: 'double',
  DATE: 'date',
  TIMESTAMP: 'instant',
  CHARACTER: 'string',
  VARCHAR: 'string',
};

/** A column by its FHIR type. */
export type TypedColumn = Pick<ViewColumn, 'name' | 'type' | 'collection'> &
  Partial<Pick<ViewColumn, 'tags'>>;

/** The columns of a view as those of a table; a tag `ansi/type` outweighs the type. */
export function tableColumnsOf(columns: readonly TypedColumn[]): TableColumn[] {
  return columns.map((column) => ({
    name: column.name,
    type: typeOf(column),
    ...(column.collection ? { collection: true } : {}),
  }));
}

function typeOf({ type, tags }: TypedColumn): ColumnType {
  const word = /^\s*([A-Za-z]+)/.exec(tags?.get('ansi/type') ?? '')?.[1]?.toUpperCase();
  if (word !== undefined && Object.hasOwn(ANSI_TYPES, word)) return ANSI_TYPES[word]!;
  if (type === undefined) return 'json';
  return COLUMN_TYPES[type] ?? (typeDefinition(type) ? 'json' : 'string');
}

export interface ViewTableOptions {
  readonly format: ViewFormat;
  readonly sink: ByteSink;
  /** Rows, at most. */
  readonly limit?: number | undefined;
  /** Of CSV. */
  readonly noHeader?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onRows?: (rows: number) => void;
}

/** Writes the rows that a view gives of resources, a batch at a time. */
export function writeView(
  view: View,
  batches: AsyncIterable<readonly Resource[]>,
  options: ViewTableOptions,
): Promise<TableTotals> {
  return writeRows(view.columns, rowsOf(view, batches), options);
}

async function* rowsOf(view: View, batches: AsyncIterable<readonly Resource[]>): AsyncGenerator<Row[]> {
  for await (const batch of batches) {
    const found: Row[] = [];
    for (const resource of batch) view.rows(resource, found);
    yield found;
  }
}

/** Writes rows of columns with FHIR types, a batch at a time; changes the rows it is given. */
export async function writeRows(
  typed: readonly TypedColumn[],
  batches: AsyncIterable<Row[]>,
  { format, sink, limit = Number.POSITIVE_INFINITY, noHeader, signal, onRows }: ViewTableOptions,
): Promise<TableTotals> {
  const toTable = toCells(typed, format);
  const asJson = format === 'json' ? jsonArray(sink) : undefined;
  const writer = createTableWriter({
    format: format === 'json' ? 'ndjson' : format,
    columns: tableColumnsFor(typed, format),
    sink: asJson ?? sink,
    ...(noHeader ? { csv: { noHeader } } : {}),
  });
  let rows = 0;
  for await (const batch of batches) {
    signal?.throwIfAborted();
    const found = rows + batch.length > limit ? batch.slice(0, limit - rows) : batch;
    rows += found.length;
    for (const row of found) toTable(row);
    await writer.write(found);
    onRows?.(rows);
    if (rows >= limit) break;
  }
  const totals = await writer.close();
  await asJson?.end();
  return totals;
}

/** The columns as a format has them: values without a type of their own stand as they are in JSON, as text elsewhere. */
export function tableColumnsFor(typed: readonly TypedColumn[], format: ViewFormat): TableColumn[] {
  const columns = tableColumnsOf(typed);
  if (format === 'json' || format === 'ndjson') return columns;
  return columns.map((column) => (column.type === 'json' ? { ...column, type: 'string' } : column));
}

/** Changes the values of a row to those that the columns take. */
export function toCells(typed: readonly TypedColumn[], format: ViewFormat): (row: Row) => void {
  const columns = tableColumnsOf(typed);
  const plain = columns.flatMap((column, i) => (column.type === 'json' ? [i] : []));
  return (row) => {
    for (const i of plain) row[i] = shown(row[i], columns[i]!, format);
  };
}

function shown(value: unknown, { collection }: TableColumn, format: ViewFormat): unknown {
  if (value === null || value === undefined) return value;
  if (collection && Array.isArray(value))
    return value.map((v) => shown(v, { name: '', type: 'json' }, format));
  if (format === 'json' || format === 'ndjson') return stringifyJson(value);
  if (typeof value === 'string') return value;
  if (value instanceof Decimal) return value.raw;
  return stringifyJson(value);
}

/** Turns lines of JSON, as they come, into one array. */
export function jsonArray(sink: ByteSink): ByteSink & { end(): Promise<void> } {
  let begun = false;
  return {
    async write(chunk) {
      // A line end is never inside of a value: JSON writes it as \n.
      const lines = Buffer.from(chunk).toString('utf8').slice(0, -1).replaceAll('\n', ',\n');
      await sink.write(Buffer.from(`${begun ? ',\n' : '['}${lines}`, 'utf8'));
      begun = true;
    },
    end: () => sink.write(Buffer.from(begun ? ']\n' : '[]\n', 'utf8')),
  };
}
