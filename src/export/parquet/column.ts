import { Bytes, Numbers } from '../bytes.js';
import type { TableColumn } from '../table.js';
import { writeHybrid } from './hybrid.js';
import { ThriftWriter } from './thrift.js';
import { type Bounds, PHYSICAL, storageOf, Values } from './values.js';

export type Compress = (data: Uint8Array) => Uint8Array;

/** Rows of a row group, at most. */
export const ROWS_PER_GROUP = 65_536;
/** A page of plain values is ended when it holds this much. */
const PAGE_BYTES = 1024 * 1024;
export const ENCODING = { plain: 0, rle: 3, dictionary: 8 } as const;
const PAGE = { dictionary: 2, dataV2: 3 } as const;

/** What the footer says of one column of one row group; places count from the chunk's first byte. */
export interface ChunkInfo {
  readonly values: number;
  readonly nulls: number;
  readonly compressed: number;
  readonly uncompressed: number;
  readonly encoding: number;
  readonly dictionaryBytes: number | undefined;
  readonly bounds: Bounds | undefined;
}

/** Where a page ends: rows, levels and values before it, and bytes of plain values. */
interface Break {
  readonly rows: number;
  readonly levels: number;
  readonly values: number;
  readonly bytes: number;
}

/**
 * One column of one row group as it grows (Parquet format 2, data pages of version 2). Rows without a value need not be
 * said: most columns of a wide table are empty.
 */
export class ColumnBuilder {
  private readonly values: Values;
  /** 1 where a row has a value. */
  private present: Uint8Array | undefined;
  /** Of a list, level by level. */
  private readonly definition = new Numbers();
  private readonly repetition = new Numbers();
  /** Rows of a list whose levels are said. */
  private listed = 0;
  private readonly breaks: Break[] = [];
  private pageStart = 0;

  constructor(private readonly column: TableColumn) {
    this.values = new Values(storageOf(column.type));
  }

  get bytes(): number {
    return this.values.bytes;
  }

  /** The value of a row; rows come in order, each once. */
  add(row: number, value: unknown): void {
    if (this.column.collection) this.addList(row, Array.isArray(value) ? value : [value]);
    else if (this.values.add(value)) {
      this.present ??= new Uint8Array(ROWS_PER_GROUP);
      this.present[row] = 1;
    }
    const { plain, count } = this.values;
    if (plain.length - this.pageStart < PAGE_BYTES) return;
    this.pageStart = plain.length;
    this.breaks.push({ rows: row + 1, levels: this.definition.length, values: count, bytes: plain.length });
  }

  private addList(row: number, list: readonly unknown[]): void {
    this.absentUntil(row);
    this.listed = row + 1;
    if (list.length === 0) this.level(0, LIST.empty);
    for (let i = 0; i < list.length; i++) {
      const value = list[i];
      const there = value !== null && value !== undefined && this.values.add(value);
      this.level(i === 0 ? 0 : 1, there ? LIST.value : LIST.null);
    }
  }

  private absentUntil(row: number): void {
    for (; this.listed < row; this.listed++) this.level(0, LIST.absent);
  }

  private level(repetition: number, definition: number): void {
    this.repetition.push(repetition);
    this.definition.push(definition);
  }

  /** Writes the pages of the column. @param rows of the row group */
  finish(out: Bytes, rows: number, compress: Compress): ChunkInfo {
    const { column, values } = this;
    if (column.collection) this.absentUntil(rows);
    const start = out.length;
    let uncompressed = 0;
    let dictionaryBytes: number | undefined;
    let encoding: number = ENCODING.plain;
    const bits = storageOf(column.type).physical === PHYSICAL.boolean;
    const dictionary = bits ? undefined : values.dictionary();
    if (dictionary) {
      encoding = ENCODING.dictionary;
      const packed = compress(dictionary.bytes);
      const header = new ThriftWriter()
        .i32(1, PAGE.dictionary)
        .i32(2, dictionary.bytes.length)
        .i32(3, packed.length)
        .struct(7, (d) => d.i32(1, dictionary.count).i32(2, ENCODING.plain))
        .end();
      out.add(header);
      out.add(packed);
      uncompressed += header.length + dictionary.bytes.length;
      dictionaryBytes = out.length - start;
    }
    const width = dictionary ? Math.ceil(Math.log2(dictionary.count)) : 0;
    const levels = column.collection ? this.definition.length : rows;
    let last: Break = { rows: 0, levels: 0, values: 0, bytes: 0 };
    const end: Break = { rows, levels, values: values.count, bytes: values.plain.length };
    // A break at the very end would leave an empty page behind it.
    const ends = dictionary ? [] : this.breaks.filter((b) => b.rows < rows);
    for (const next of [...ends, end]) {
      const data = new Bytes();
      let page: Uint8Array;
      if (dictionary) {
        data.uint8(width);
        writeHybrid(data, values.indices.view(), width);
        page = data.view();
      } else if (bits) page = values.bits();
      else page = values.plain.view(last.bytes, next.bytes);
      uncompressed += this.page(out, last, next, encoding, page, compress);
      last = next;
    }
    return {
      values: levels,
      nulls: levels - values.count,
      compressed: out.length - start,
      uncompressed,
      encoding,
      dictionaryBytes,
      bounds: values.bounds(),
    };
  }

  private page(
    out: Bytes,
    from: Break,
    to: Break,
    encoding: number,
    data: Uint8Array,
    compress: Compress,
  ): number {
    const repetition = new Bytes();
    const definition = new Bytes();
    let count: number;
    if (this.column.collection) {
      count = to.levels - from.levels;
      writeHybrid(repetition, this.repetition.view(from.levels, to.levels), 1);
      writeHybrid(definition, this.definition.view(from.levels, to.levels), 2);
    } else {
      count = to.rows - from.rows;
      writeHybrid(definition, this.present?.subarray(from.rows, to.rows) ?? new Uint8Array(count), 1);
    }
    const levels = repetition.length + definition.length;
    const packed = data.length === 0 ? data : compress(data);
    const header = new ThriftWriter()
      .i32(1, PAGE.dataV2)
      .i32(2, levels + data.length)
      .i32(3, levels + packed.length)
      .struct(8, (page) =>
        page
          .i32(1, count)
          .i32(2, count - (to.values - from.values))
          .i32(3, to.rows - from.rows)
          .i32(4, encoding)
          .i32(5, definition.length)
          .i32(6, repetition.length)
          .bool(7, data.length > 0),
      )
      .end();
    out.add(header);
    out.add(repetition.view());
    out.add(definition.view());
    out.add(packed);
    return header.length + levels + data.length;
  }
}

/** Definition levels of a list in the three-level form. */
const LIST = { absent: 0, empty: 1, null: 2, value: 3 } as const;
