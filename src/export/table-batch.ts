import { parseJson } from '../core/json.js';
import type { StoredResource } from '../core/resource.js';
import { compileView, type Row, type View } from '../fhir/views/view.js';
import { csvEncoder } from './csv.js';
import { flatTable } from './flat.js';
import { ndjsonEncoder } from './ndjson-rows.js';
import { type RowGroup, RowGroupBuilder } from './parquet/file.js';
import type { CsvOptions, TableColumn } from './table.js';
import { tableColumnsFor, toCells, type ViewFormat } from './view-table.js';
import { zstdCompressor } from './zstd.js';

/**
 * Tables of resources, made a batch at a time: what a batch becomes depends on it and the table alone, so that batches
 * can be made by several threads at once and put together in order.
 */

/** What the rows are made from: everything of a resource (`flat.ts`), or what a ViewDefinition chooses. */
export type TableSource =
  | { readonly kind: 'flat'; readonly type: string }
  | { readonly kind: 'view'; readonly definition: object };

export interface TableSpec {
  readonly source: TableSource;
  readonly format: ViewFormat;
  readonly csv?: CsvOptions | undefined;
}

/** Resources as JSON in UTF-8, each with its length before it in 4 bytes (little-endian). */
export type TextBatch = Uint8Array<ArrayBuffer>;

/** What a batch became. */
export interface EncodedBatch {
  readonly rows: number;
  /** Of formats that are lines. */
  readonly bytes?: Uint8Array;
  /** Of Parquet. */
  readonly groups?: readonly RowGroup[];
}

/** Whoever makes batches: this thread or others. A batch that was handed over is no longer the caller's. */
export interface BatchEncoder {
  encode(
    spec: TableSpec,
    batch: TextBatch,
  ): {
    /** When the next batch may be handed over: later than at once where enough are on their way. */
    readonly accepted: Promise<unknown>;
    /** In any order. */
    readonly made: Promise<EncodedBatch>;
  };
}

/** Makes batches in this thread. */
export const ownThread: BatchEncoder = {
  encode(spec, batch) {
    const made = encodeBatch(spec, batch);
    return { accepted: made, made };
  },
};

interface CompiledTable {
  readonly columns: readonly TableColumn[];
  readonly view: View | undefined;
  /** Tells the cells of each row of a resource; `end` after each row. */
  cells(
    resource: StoredResource,
    text: string | Uint8Array,
    put: (column: number, value: unknown) => void,
    end: () => void,
  ): void;
}

/** Tables remembered compiled; the batches of an export are of few. */
const MAX_COMPILED = 256;
const compiled = new Map<string, CompiledTable>();

/** @throws Fault `invalid` for a definition that is no view. */
function compile({ source, format }: TableSpec): CompiledTable {
  const key = source.kind === 'flat' ? source.type : `${format} ${JSON.stringify(source.definition)}`;
  let found = compiled.get(key);
  if (!found) {
    found = source.kind === 'flat' ? flatOf(source.type) : viewOf(source.definition, format);
    if (compiled.size >= MAX_COMPILED) compiled.clear();
    compiled.set(key, found);
  }
  return found;
}

function flatOf(type: string): CompiledTable {
  const table = flatTable(type);
  return {
    columns: table.columns,
    view: undefined,
    cells(resource, text, put, end) {
      table.each(resource, put, text);
      end();
    },
  };
}

function viewOf(definition: object, format: ViewFormat): CompiledTable {
  const view = compileView(definition);
  const rows: Row[] = [];
  const shown = toCells(view.columns, format);
  return {
    columns: tableColumnsFor(view.columns, format),
    view,
    cells(resource, _text, put, end) {
      rows.length = 0;
      view.rows(resource, rows);
      for (const row of rows) {
        shown(row);
        for (let i = 0; i < row.length; i++) put(i, row[i]);
        end();
      }
    },
  };
}

/** The columns of a table, as its files have them. @throws Fault `invalid` */
export const columnsOf = (spec: TableSpec): readonly TableColumn[] => compile(spec).columns;

/** Makes one batch. @throws Fault `invalid` where a view does not fit a resource. */
export async function encodeBatch(spec: TableSpec, batch: TextBatch): Promise<EncodedBatch> {
  const table = compile(spec);
  const buffer = Buffer.from(batch.buffer, batch.byteOffset, batch.byteLength);
  // A column of doubles needs no digits beyond theirs, and the whole resource beside it is text; what a view chooses may
  // be a decimal as text.
  const exact = spec.format !== 'parquet' || table.view !== undefined;
  const parse = (exact ? parseJson : JSON.parse) as (text: string) => StoredResource;
  return spec.format === 'parquet' ? asGroups(table, buffer, parse) : asLines(spec, table, buffer, parse);
}

function* textsOf(batch: Buffer): Generator<Buffer> {
  for (let at = 0; at < batch.length; ) {
    const length = batch.readUInt32LE(at);
    at += 4;
    yield batch.subarray(at, at + length);
    at += length;
  }
}

async function asGroups(
  table: CompiledTable,
  batch: Buffer,
  parse: (text: string) => StoredResource,
): Promise<EncodedBatch> {
  const compress = await zstdCompressor();
  const builder = new RowGroupBuilder(table.columns);
  const groups: RowGroup[] = [];
  let rows = 0;
  const put = (column: number, value: unknown) => builder.put(column, value);
  const end = () => {
    rows++;
    if (builder.endRow()) groups.push(builder.take(compress));
  };
  for (const text of textsOf(batch)) table.cells(parse(text.toString('utf8')), text, put, end);
  if (builder.rows > 0) groups.push(builder.take(compress));
  return { rows, groups };
}

/** Rows handed to an encoder of lines at once. */
const ROWS_AT_ONCE = 500;

async function asLines(
  { format, csv }: TableSpec,
  table: CompiledTable,
  batch: Buffer,
  parse: (text: string) => StoredResource,
): Promise<EncodedBatch> {
  const chunks: Uint8Array[] = [];
  const emit = async (chunk: Uint8Array) => void chunks.push(chunk);
  const encoder =
    format === 'csv'
      ? csvEncoder(table.columns, emit, { ...csv, noHeader: true })
      : ndjsonEncoder(table.columns, emit);
  const width = table.columns.length;
  let held: unknown[][] = [];
  let row: unknown[] = new Array(width).fill(null);
  let rows = 0;
  const put = (column: number, value: unknown) => {
    row[column] = value;
  };
  const end = () => {
    rows++;
    held.push(row);
    row = new Array(width).fill(null);
  };
  for (const bytes of textsOf(batch)) {
    const text = bytes.toString('utf8');
    table.cells(parse(text), format === 'csv' ? bytes : text, put, end);
    if (held.length < ROWS_AT_ONCE) continue;
    await encoder.rows(held);
    held = [];
  }
  await encoder.rows(held);
  await encoder.end();
  // In memory of its own, which another thread can be given.
  const bytes = Buffer.allocUnsafeSlow(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return { rows, bytes };
}
