import { Bytes } from '../bytes.js';
import type { ColumnType, TableColumn } from '../table.js';
import { type ChunkInfo, ColumnBuilder, type Compress, ENCODING, ROWS_PER_GROUP } from './column.js';
import { ThriftWriter } from './thrift.js';
import { storageOf } from './values.js';

/** A row group is closed at this many bytes of values, or at `ROWS_PER_GROUP`, whichever comes first. */
export const BYTES_PER_GROUP = 48 * 1024 * 1024;
const MAGIC = Buffer.from('PAR1', 'latin1');
const FORMAT_VERSION = 2;
const CODEC_ZSTD = 6;
const REPETITION = { optional: 1, repeated: 2 } as const;
const CONVERTED = { utf8: 0, list: 3, date: 6, timestampMillis: 9 } as const;
const PAGE_TYPE = { dictionary: 2, dataV2: 3 } as const;

/** A row group that is written, wherever in a file it will stand: it can be made by another thread. */
export interface RowGroup {
  readonly rows: number;
  readonly bytes: Uint8Array;
  readonly chunks: readonly ChunkInfo[];
}

/** Gathers the rows of one row group by column. */
export class RowGroupBuilder {
  private columns: ColumnBuilder[];
  rows = 0;

  constructor(private readonly schema: readonly TableColumn[]) {
    this.columns = schema.map((column) => new ColumnBuilder(column));
  }

  /** A value of the row that is being added. */
  put(column: number, value: unknown): void {
    if (value !== null && value !== undefined) this.columns[column]!.add(this.rows, value);
  }

  /** Ends a row. @returns whether the group is full */
  endRow(): boolean {
    this.rows++;
    return (
      this.rows === ROWS_PER_GROUP || (this.rows % ROWS_LOOKED_AT === 0 && this.bytes >= BYTES_PER_GROUP)
    );
  }

  get bytes(): number {
    return this.columns.reduce((sum, column) => sum + column.bytes, 0);
  }

  /** The row group; the builder begins the next. */
  take(compress: Compress): RowGroup {
    const out = new Bytes(1024 * 1024);
    const chunks = this.columns.map((column) => column.finish(out, this.rows, compress));
    const group = { rows: this.rows, bytes: out.view(), chunks };
    this.columns = this.schema.map((column) => new ColumnBuilder(column));
    this.rows = 0;
    return group;
  }
}

/** How often the size of a growing group is added up. */
const ROWS_LOOKED_AT = 64;

/** Puts row groups into one file: what its bytes are, in order. */
export class ParquetFile {
  private readonly groups: { readonly at: number; readonly group: Omit<RowGroup, 'bytes'>; bytes: number }[] =
    [];
  private at = MAGIC.length;

  constructor(private readonly columns: readonly TableColumn[]) {}

  start(): Uint8Array {
    return MAGIC;
  }

  add({ rows, bytes, chunks }: RowGroup): Uint8Array {
    this.groups.push({ at: this.at, group: { rows, chunks }, bytes: bytes.length });
    this.at += bytes.length;
    return bytes;
  }

  /** The footer, the last bytes of the file. */
  end(): Uint8Array {
    const { columns } = this;
    const total = this.groups.reduce((sum, { group }) => sum + group.rows, 0);
    const footer = new ThriftWriter()
      .i32(1, FORMAT_VERSION)
      .structs(2, schemaOf(columns), (t, element) => element(t))
      .i64(3, total)
      .structs(4, this.groups, (t, { at, group, bytes }) => {
        let place = at;
        const placed = group.chunks.map((chunk, i) => {
          const here = place;
          place += chunk.compressed;
          return { chunk, here, column: columns[i]! };
        });
        t.structs(1, placed, (c, { chunk, here, column }) => chunkOf(c, chunk, here, column))
          .i64(
            2,
            group.chunks.reduce((sum, chunk) => sum + chunk.uncompressed, 0),
          )
          .i64(3, group.rows)
          .i64(5, at)
          .i64(6, bytes);
      })
      .binary(6, 'cenote')
      // Every column in the order its type defines, without which readers leave the bounds alone.
      .structs(7, columns, (t) => t.struct(1, () => undefined))
      .end();
    const length = Buffer.alloc(4);
    length.writeUInt32LE(footer.length);
    return Buffer.concat([footer, length, MAGIC]);
  }
}

function chunkOf(t: ThriftWriter, chunk: ChunkInfo, at: number, column: TableColumn): void {
  const { dictionaryBytes, bounds } = chunk;
  t.i64(2, at).struct(3, (m) => {
    m.i32(1, storageOf(column.type).physical)
      .i32s(2, [...(dictionaryBytes === undefined ? [] : [ENCODING.plain]), ENCODING.rle, chunk.encoding])
      .binaries(3, column.collection ? [column.name, 'list', 'element'] : [column.name])
      .i32(4, CODEC_ZSTD)
      .i64(5, chunk.values)
      .i64(6, chunk.uncompressed)
      .i64(7, chunk.compressed)
      .i64(9, at + (dictionaryBytes ?? 0));
    if (dictionaryBytes !== undefined) m.i64(11, at);
    m.struct(12, (s) => {
      s.i64(3, chunk.nulls);
      if (bounds) s.binary(5, bounds.max).binary(6, bounds.min);
    });
    // Which pages there are, so that a reader may skip a chunk by its dictionary alone.
    const pages =
      dictionaryBytes === undefined
        ? []
        : [
            [PAGE_TYPE.dictionary, ENCODING.plain],
            [PAGE_TYPE.dataV2, ENCODING.dictionary],
          ];
    if (pages.length > 0)
      m.structs(13, pages, (p, [type, encoding]) => p.i32(1, type!).i32(2, encoding!).i32(3, 1));
  });
}

type Element = (t: ThriftWriter) => void;

/** Lists in the three-level form that every reader knows: optional group (LIST) > repeated list > optional element. */
function schemaOf(columns: readonly TableColumn[]): Element[] {
  const elements: Element[] = [(t) => t.binary(4, 'root').i32(5, columns.length)];
  for (const { name, type, collection } of columns) {
    if (collection)
      elements.push(
        (t) => t.i32(3, REPETITION.optional).binary(4, name).i32(5, 1).i32(6, CONVERTED.list),
        (t) => t.i32(3, REPETITION.repeated).binary(4, 'list').i32(5, 1),
      );
    elements.push((t) => {
      t.i32(1, storageOf(type).physical)
        .i32(3, REPETITION.optional)
        .binary(4, collection ? 'element' : name);
      logicalType(t, type);
    });
  }
  return elements;
}

function logicalType(t: ThriftWriter, type: ColumnType): void {
  switch (type) {
    case 'string':
    case 'json':
      t.i32(6, CONVERTED.utf8).struct(10, (l) => l.struct(1, () => undefined));
      break;
    case 'date':
      t.i32(6, CONVERTED.date).struct(10, (l) => l.struct(6, () => undefined));
      break;
    case 'instant':
      t.i32(6, CONVERTED.timestampMillis).struct(10, (l) =>
        l.struct(8, (ts) => ts.bool(1, true).struct(2, (unit) => unit.struct(1, () => undefined))),
      );
      break;
  }
}
