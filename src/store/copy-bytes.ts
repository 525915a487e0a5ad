/** Binary COPY, "Binary Format" in PostgreSQL's documentation of it: what stands before the first row. */
export const COPY_HEAD = Buffer.concat([Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1'), Buffer.alloc(8)]);
/** What stands after the last row. */
export const COPY_END = Buffer.from([0xff, 0xff]);

const INT8_OID = 20;
/** Of a value, its length word included. */
const ARRAY_HEAD_BYTES = 24;
const INT8_ELEMENT_BYTES = 12;

/**
 * Rows in the binary form of COPY, one after the other in one buffer that grows. Bulk loads write what they know as they
 * learn it: numbers in a buffer cost the garbage collector nothing, while as values they would be most of what it moves.
 */
export class CopyBytes {
  private buffer: Buffer;
  private view: DataView;
  length = 0;

  constructor(bytes: number) {
    this.buffer = Buffer.allocUnsafeSlow(bytes);
    this.view = new DataView(this.buffer.buffer);
  }

  /** Forgets what was written and keeps the buffer. What was given out of it is overwritten. */
  reset(): void {
    this.length = 0;
  }

  /** Bytes that it holds on to. */
  get capacity(): number {
    return this.buffer.length;
  }

  /** Makes room for so many bytes more. Called before a row is begun. */
  room(bytes: number): void {
    if (this.length + bytes <= this.buffer.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(this.buffer.length * 2, this.length + bytes));
    this.buffer.copy(grown, 0, 0, this.length);
    this.buffer = grown;
    this.view = new DataView(grown.buffer);
  }

  /** The number of columns of the row that begins. */
  columns(count: number): void {
    this.view.setInt16(this.length, count);
    this.length += 2;
  }

  /** The three columns that every row of a resource begins with. */
  key(part: number, rtype: number, rid: bigint): void {
    this.int4(part);
    this.int2(rtype);
    this.int8(rid);
  }

  int2(value: number): void {
    this.view.setInt32(this.length, 2);
    this.view.setInt16(this.length + 4, value);
    this.length += 6;
  }

  int4(value: number): void {
    this.view.setInt32(this.length, 4);
    this.view.setInt32(this.length + 4, value);
    this.length += 8;
  }

  int8(value: bigint): void {
    this.view.setInt32(this.length, 8);
    this.view.setBigInt64(this.length + 4, value);
    this.length += 12;
  }

  /** A bigint column from a whole number. */
  whole(value: number): void {
    const high = Math.floor(value / 4294967296);
    this.view.setInt32(this.length, 8);
    this.view.setInt32(this.length + 4, high);
    this.view.setUint32(this.length + 8, value - high * 4294967296);
    this.length += 12;
  }

  float8(value: number): void {
    this.view.setInt32(this.length, 8);
    this.view.setFloat64(this.length + 4, value);
    this.length += 12;
  }

  bool(value: boolean): void {
    this.view.setInt32(this.length, 1);
    this.view.setInt8(this.length + 4, value ? 1 : 0);
    this.length += 5;
  }

  null(): void {
    this.view.setInt32(this.length, -1);
    this.length += 4;
  }

  /** A bigint[] column; `int8sBytes` says what room it takes. */
  int8s(values: readonly bigint[]): void {
    const { view } = this;
    let at = this.length;
    const some = values.length > 0;
    view.setInt32(at, (some ? 20 : 12) + values.length * INT8_ELEMENT_BYTES);
    view.setInt32(at + 4, some ? 1 : 0);
    view.setInt32(at + 8, 0); // no nulls inside
    view.setInt32(at + 12, INT8_OID);
    at += 16;
    if (some) {
      view.setInt32(at, values.length);
      view.setInt32(at + 4, 1); // lower bound
      at += 8;
    }
    for (let i = 0; i < values.length; i++) {
      view.setInt32(at, 8);
      view.setBigInt64(at + 4, values[i]!);
      at += INT8_ELEMENT_BYTES;
    }
    this.length = at;
  }

  static int8sBytes(count: number): number {
    return ARRAY_HEAD_BYTES + count * INT8_ELEMENT_BYTES;
  }

  /** UTF-8 of a text, without a length; makes room itself. */
  utf8(text: string): void {
    this.room(text.length * 3);
    this.length += this.buffer.write(text, this.length, 'utf8');
  }

  /** Bytes that were written in this form before. */
  put(bytes: Uint8Array): void {
    this.buffer.set(bytes, this.length);
    this.length += bytes.length;
  }

  /** Writes one byte over another. */
  replace(at: number, byte: number): void {
    this.buffer[at] = byte;
  }

  /** A view; good until more is written. */
  slice(from: number, to: number): Buffer {
    return this.buffer.subarray(from, to);
  }
}
