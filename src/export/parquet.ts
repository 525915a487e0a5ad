import { ByteWriter, type ColumnSource, ParquetWriter } from 'hyparquet-writer';
import { Decimal, stringifyJson } from '../core/json.js';
import { parsePartialDate } from '../fhir/dates.js';
import type { ColumnType, Emit, TableColumn, TableEncoder } from './table.js';
import { zstdCompressor } from './zstd.js';

/** A row group is closed at this many rows, or at this many bytes of values, whichever comes first. */
export const ROWS_PER_GROUP = 65_536;
export const BYTES_PER_GROUP = 48 * 1024 * 1024;
/** Text longer than this is not worth a dictionary: it seldom repeats, and looking costs time and memory. */
const PLAIN_TYPES: ReadonlySet<ColumnType> = new Set(['json']);
const DAY_MS = 86_400_000;
/** Bytes that a value without length of its own is counted as. */
const VALUE_BYTES = 8;

type SchemaElement = ConstructorParameters<typeof ParquetWriter>[0]['schema'][number];

/** The parquet type of a column's single value. */
function elementOf(type: ColumnType): Omit<SchemaElement, 'name'> {
  switch (type) {
    case 'boolean':
      return { type: 'BOOLEAN' };
    case 'integer':
      return { type: 'INT32' };
    case 'integer64':
      return { type: 'INT64' };
    case 'decimal':
    case 'double':
      return { type: 'DOUBLE' };
    case 'date':
      return { type: 'INT32', converted_type: 'DATE' };
    case 'instant':
      return {
        type: 'INT64',
        converted_type: 'TIMESTAMP_MILLIS',
        logical_type: { type: 'TIMESTAMP', isAdjustedToUTC: true, unit: 'MILLIS' },
      };
    default:
      return { type: 'BYTE_ARRAY', converted_type: 'UTF8' };
  }
}

/** Lists in the three-level form that every reader knows: optional group (LIST) > repeated list > optional element. */
function schemaOf(columns: readonly TableColumn[]): SchemaElement[] {
  const schema: SchemaElement[] = [{ name: 'root', num_children: columns.length }];
  for (const { name, type, collection } of columns) {
    if (collection)
      schema.push(
        { name, repetition_type: 'OPTIONAL', converted_type: 'LIST', num_children: 1 },
        { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
        { name: 'element', repetition_type: 'OPTIONAL', ...elementOf(type) },
      );
    else schema.push({ name, repetition_type: 'OPTIONAL', ...elementOf(type) });
  }
  return schema;
}

/** Rows as Parquet: zstd, row groups of bounded size, each column with its type and statistics. */
export function parquetEncoder(columns: readonly TableColumn[], emit: Emit): TableEncoder {
  const writer = new ByteWriter(1024 * 1024);
  const values: unknown[][] = columns.map(() => []);
  const convert = columns.map((c) => converterOf(c));
  let count = 0;
  let bytes = 0;
  let file: ParquetWriter | undefined;

  const open = async (): Promise<ParquetWriter> => {
    const compress = await zstdCompressor();
    file ??= new ParquetWriter({
      writer,
      schema: schemaOf(columns),
      codec: 'ZSTD',
      compressors: { ZSTD: compress },
      createdBy: 'cenote',
    });
    return file;
  };
  const drain = async (): Promise<void> => {
    const chunk = writer.getBytes().slice();
    // The writer's own count of bytes goes on; only its buffer begins anew.
    writer.index = 0;
    await emit(chunk);
  };
  const flush = async (): Promise<void> => {
    if (count === 0) return;
    const columnData: ColumnSource[] = columns.map(({ name, type }, i) => {
      const plain = PLAIN_TYPES.has(type) || values[i]!.length === 0;
      const data = pad(values[i]!, count);
      return { name, data, ...(plain ? { encoding: 'PLAIN' as const, statistics: false } : {}) };
    });
    await (await open()).write({ columnData, rowGroupSize: count });
    for (let i = 0; i < values.length; i++) values[i] = [];
    count = 0;
    bytes = 0;
    await drain();
  };
  return {
    async rows(rows) {
      for (const row of rows) {
        for (let i = 0; i < convert.length; i++) {
          const value = row[i];
          const stored = value === null || value === undefined ? null : convert[i]!(value);
          // Absent values are filled in when the next value comes: most columns of a wide table are empty.
          if (stored === null) continue;
          pad(values[i]!, count);
          values[i]!.push(stored);
          bytes += sizeOf(stored);
        }
        count++;
        if (count >= ROWS_PER_GROUP || bytes >= BYTES_PER_GROUP) await flush();
      }
    },
    flush,
    async end() {
      await flush();
      await (await open()).finish();
      await drain();
    },
    held: () => bytes,
  };
}

function pad(values: unknown[], length: number): unknown[] {
  while (values.length < length) values.push(null);
  return values;
}

function sizeOf(value: unknown): number {
  if (typeof value === 'string' || value instanceof Uint8Array) return value.length;
  if (!Array.isArray(value)) return VALUE_BYTES;
  let size = VALUE_BYTES;
  for (const v of value) size += typeof v === 'string' ? v.length : VALUE_BYTES;
  return size;
}

/** To what the library takes; a value that does not fit its column is absent rather than wrong. */
function converterOf({ type, collection }: TableColumn): (value: unknown) => unknown {
  const one = singleOf(type);
  if (!collection) return one;
  return (value) => (Array.isArray(value) ? value : [value]).map((v) => (v == null ? null : one(v)));
}

function singleOf(type: ColumnType): (value: unknown) => unknown {
  switch (type) {
    case 'boolean':
      return (v) => (typeof v === 'boolean' ? v : v === 'true' ? true : v === 'false' ? false : null);
    case 'integer':
      return (v) => {
        const n = Number(v);
        return Number.isInteger(n) && n >= -2_147_483_648 && n <= 2_147_483_647 ? n : null;
      };
    case 'integer64':
      return integer64;
    case 'decimal':
    case 'double':
      return (v) => {
        const n = v instanceof Decimal ? Number(v.raw) : Number(v);
        return Number.isNaN(n) || v === '' || typeof v === 'boolean' ? null : n;
      };
    case 'date':
      return (v) => {
        const ms = momentOf(v);
        return ms === null ? null : Math.floor(ms / DAY_MS);
      };
    case 'instant':
      return (v) => {
        const ms = momentOf(v);
        return ms === null ? null : BigInt(ms);
      };
    case 'json':
      // As bytes from here on: long text held by the thousand is what the garbage collector would copy most.
      return (v) => Buffer.from(typeof v === 'string' ? v : stringifyJson(v), 'utf8');
    default:
      return (v) =>
        typeof v === 'string'
          ? v
          : typeof v === 'object' && !(v instanceof Decimal)
            ? stringifyJson(v)
            : String(v);
  }
}

function integer64(value: unknown): bigint | null {
  try {
    const n = BigInt(value instanceof Decimal ? value.raw : (value as string | number | bigint));
    return BigInt.asIntN(64, n) === n ? n : null;
  } catch {
    return null;
  }
}

function momentOf(value: unknown): number | null {
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.getTime();
  if (typeof value === 'number') return Number.isFinite(value) ? Math.floor(value) : null;
  return typeof value === 'string' ? (parsePartialDate(value)?.lo ?? null) : null;
}
