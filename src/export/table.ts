import { createHash } from 'node:crypto';
import { csvEncoder } from './csv.js';
import { ndjsonEncoder } from './ndjson-rows.js';
import { parquetEncoder } from './parquet.js';

/**
 * Tables out: rows of typed columns written as Parquet, CSV or NDJSON, piece by piece, so that a table of any length
 * needs the memory of one row group.
 */

export type TableFormat = 'parquet' | 'csv' | 'ndjson';

/**
 * What a column holds, and which values it takes. `null` and `undefined` are an absent value everywhere.
 *
 * | type | value | Parquet |
 * |---|---|---|
 * | `string` | string (anything else by `String()`) | BYTE_ARRAY STRING |
 * | `boolean` | boolean | BOOLEAN |
 * | `integer` | number or digits, 32 bits | INT32 |
 * | `integer64` | number, bigint or digits, 64 bits | INT64 |
 * | `decimal` | number, or digits as text (kept as they are in CSV and NDJSON) | DOUBLE |
 * | `double` | number | DOUBLE |
 * | `date` | FHIR date; a partial one is its first day in Parquet, and itself elsewhere | INT32 DATE |
 * | `instant` | FHIR dateTime or instant, or a Date; a partial one is its first moment in Parquet | INT64 TIMESTAMP (ms, UTC) |
 * | `json` | any JSON value; a string is taken as JSON text already | BYTE_ARRAY STRING |
 */
export type ColumnType =
  | 'string'
  | 'boolean'
  | 'integer'
  | 'integer64'
  | 'decimal'
  | 'double'
  | 'date'
  | 'instant'
  | 'json';

export interface TableColumn {
  readonly name: string;
  readonly type: ColumnType;
  /** The values are arrays: LIST in Parquet, a JSON array in CSV. */
  readonly collection?: boolean;
}

/** Where the bytes go, in order; each call may be awaited before the next is made. Closing it is its owner's. */
export interface ByteSink {
  write(chunk: Uint8Array): Promise<void>;
}

export interface CsvOptions {
  /** Write an absent value as this (default: nothing), the empty string as `""`. */
  readonly nullAs?: string;
  /**
   * Put `'` before text that a spreadsheet would run as a formula (`= @`, tab, line ends; `+` and `-` before more than a
   * number). On by default: who opens a file by a click asks nothing, while programs that need such texts letter by letter can say so, or
   * take NDJSON or Parquet. Numbers and dates are never touched.
   */
  readonly formulaSafe?: boolean;
  /** Leave out the line of column names. */
  readonly noHeader?: boolean;
}

export interface TableWriterOptions {
  readonly format: TableFormat;
  readonly columns: readonly TableColumn[];
  readonly sink: ByteSink;
  readonly csv?: CsvOptions;
}

export interface TableTotals {
  readonly rows: number;
  readonly bytes: number;
  /** Hex, of all bytes written. */
  readonly sha256: string;
}

export interface TableWriter {
  /** Adds rows; each holds one value per column, in their order. */
  write(rows: readonly (readonly unknown[])[]): Promise<void>;
  /** Roughly how many bytes of rows are held, not written yet. */
  readonly held: number;
  /** Writes what is held, in Parquet as a row group of its own: for who keeps many tables open at once. */
  flush(): Promise<void>;
  /** Writes what is still held. The table is whole only after this. */
  close(): Promise<TableTotals>;
}

/** One format: turns rows to bytes; `emit` takes them in order. */
export interface TableEncoder {
  rows(rows: readonly (readonly unknown[])[]): Promise<void>;
  flush(): Promise<void>;
  end(): Promise<void>;
  held(): number;
}

export type Emit = (chunk: Uint8Array) => Promise<void>;

/** File name ending and media type of each format. */
export const TABLE_FORMATS: Readonly<Record<TableFormat, { extension: string; mediaType: string }>> = {
  parquet: { extension: 'parquet', mediaType: 'application/vnd.apache.parquet' },
  csv: { extension: 'csv', mediaType: 'text/csv' },
  ndjson: { extension: 'ndjson', mediaType: 'application/ndjson' },
};

/** Opens a table. */
export function createTableWriter(options: TableWriterOptions): TableWriter {
  const { sink } = options;
  const hash = createHash('sha256');
  let bytes = 0;
  let rows = 0;
  const emit: Emit = async (chunk) => {
    if (chunk.length === 0) return;
    hash.update(chunk);
    bytes += chunk.length;
    await sink.write(chunk);
  };
  const encoder = encoderOf(options, emit);
  return {
    async write(added) {
      rows += added.length;
      await encoder.rows(added);
    },
    get held() {
      return encoder.held();
    },
    flush: () => encoder.flush(),
    async close() {
      await encoder.end();
      return { rows, bytes, sha256: hash.digest('hex') };
    },
  };
}

function encoderOf({ format, columns, csv }: TableWriterOptions, emit: Emit): TableEncoder {
  switch (format) {
    case 'csv':
      return csvEncoder(columns, emit, csv);
    case 'ndjson':
      return ndjsonEncoder(columns, emit);
    case 'parquet':
      return parquetEncoder(columns, emit);
  }
}
