const FIRST_BYTES = 256;

/** Bytes that grow at their end, little-endian. */
export class Bytes {
  private buffer: Buffer;
  length = 0;

  constructor(capacity = FIRST_BYTES) {
    this.buffer = Buffer.allocUnsafeSlow(capacity);
  }

  uint8(value: number): void {
    this.room(1)[this.length++] = value;
  }

  int32(value: number): void {
    this.length = this.room(4).writeInt32LE(value, this.length);
  }

  int64(value: bigint): void {
    this.length = this.room(8).writeBigInt64LE(value, this.length);
  }

  double(value: number): void {
    this.length = this.room(8).writeDoubleLE(value, this.length);
  }

  /** A varint (LEB128) of 32 bits. */
  varint(value: number): void {
    let rest = value;
    while (rest >= 128) {
      this.uint8((rest & 127) | 128);
      rest >>>= 7;
    }
    this.uint8(rest);
  }

  /** Text as UTF-8 with its length before it in 4 bytes. @returns bytes of the text */
  text(value: string): number {
    // One unit of UTF-16 is at most three bytes of UTF-8.
    const buffer = this.room(4 + value.length * 3);
    const written = buffer.write(value, this.length + 4);
    buffer.writeUInt32LE(written, this.length);
    this.length += 4 + written;
    return written;
  }

  /** Text as UTF-8. */
  utf8(value: string): void {
    this.length += this.room(value.length * 3).write(value, this.length);
  }

  /** What the bytes stand in, with room for more of them behind `length`. */
  reserve(bytes: number): Uint8Array {
    return this.room(bytes);
  }

  /** Bytes with their length before them in 4 bytes. */
  sized(bytes: Uint8Array): void {
    this.int32(bytes.length);
    this.add(bytes);
  }

  add(bytes: Uint8Array): void {
    this.room(bytes.length).set(bytes, this.length);
    this.length += bytes.length;
  }

  /** A view, good until the next byte is added. */
  view(from = 0, to = this.length): Buffer {
    return this.buffer.subarray(from, to);
  }

  private room(bytes: number): Buffer {
    const needed = this.length + bytes;
    if (needed > this.buffer.length) {
      const bigger = Buffer.allocUnsafeSlow(Math.max(needed, this.buffer.length * 2));
      this.buffer.copy(bigger, 0, 0, this.length);
      this.buffer = bigger;
    }
    return this.buffer;
  }
}

/** Small whole numbers that grow at their end. */
export class Numbers {
  private numbers = new Uint32Array(64);
  length = 0;

  push(value: number): void {
    if (this.length === this.numbers.length) {
      const bigger = new Uint32Array(this.length * 2);
      bigger.set(this.numbers);
      this.numbers = bigger;
    }
    this.numbers[this.length++] = value;
  }

  view(from = 0, to = this.length): Uint32Array {
    return this.numbers.subarray(from, to);
  }
}
