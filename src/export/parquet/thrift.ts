/** Types of fields and list elements in Thrift's compact protocol. */
export const THRIFT = { true: 1, false: 2, i32: 5, i64: 6, binary: 8, list: 9, struct: 12 } as const;

const MAX_SHORT_LIST = 14;
const MAX_SHORT_DELTA = 15;

/** Writes one struct of Thrift's compact protocol: what Parquet's page headers and footer are made of. */
export class ThriftWriter {
  private readonly out: number[] = [];
  private last = 0;

  i32(field: number, value: number): this {
    this.header(field, THRIFT.i32);
    return this.zigzag(value);
  }

  /** A whole number a double holds exactly. */
  i64(field: number, value: number): this {
    this.header(field, THRIFT.i64);
    return this.zigzag(value);
  }

  bool(field: number, value: boolean): this {
    return this.header(field, value ? THRIFT.true : THRIFT.false);
  }

  binary(field: number, value: string | Uint8Array): this {
    this.header(field, THRIFT.binary);
    return this.raw(value);
  }

  struct(field: number, write: (inner: ThriftWriter) => void): this {
    this.header(field, THRIFT.struct);
    return this.nested(write);
  }

  structs<T>(field: number, items: readonly T[], write: (inner: ThriftWriter, item: T) => void): this {
    this.list(field, THRIFT.struct, items.length);
    for (const item of items) this.nested((inner) => write(inner, item));
    return this;
  }

  i32s(field: number, items: readonly number[]): this {
    this.list(field, THRIFT.i32, items.length);
    for (const item of items) this.zigzag(item);
    return this;
  }

  binaries(field: number, items: readonly string[]): this {
    this.list(field, THRIFT.binary, items.length);
    for (const item of items) this.raw(item);
    return this;
  }

  /** The struct, ended. */
  end(): Buffer {
    this.out.push(0);
    return Buffer.from(this.out);
  }

  private nested(write: (inner: ThriftWriter) => void): this {
    const before = this.last;
    this.last = 0;
    write(this);
    this.out.push(0);
    this.last = before;
    return this;
  }

  private header(field: number, type: number): this {
    const delta = field - this.last;
    this.last = field;
    if (delta > 0 && delta <= MAX_SHORT_DELTA) this.out.push((delta << 4) | type);
    else {
      this.out.push(type);
      this.zigzag(field);
    }
    return this;
  }

  private list(field: number, type: number, length: number): void {
    this.header(field, THRIFT.list);
    if (length <= MAX_SHORT_LIST) this.out.push((length << 4) | type);
    else {
      this.out.push(0xf0 | type);
      this.varint(length);
    }
  }

  private raw(value: string | Uint8Array): this {
    const bytes = typeof value === 'string' ? Buffer.from(value, 'utf8') : value;
    this.varint(bytes.length);
    for (const byte of bytes) this.out.push(byte);
    return this;
  }

  private zigzag(value: number): this {
    return this.varint(value < 0 ? -value * 2 - 1 : value * 2);
  }

  private varint(value: number): this {
    let rest = value;
    // By division: offsets go beyond 32 bits.
    while (rest >= 128) {
      this.out.push((rest % 128) | 128);
      rest = Math.floor(rest / 128);
    }
    this.out.push(rest);
    return this;
  }
}
