/** An array of zeros whose memory threads have in common once it was sent to them. */
export function sharedArray<T extends Int32Array | Uint16Array | Int8Array | Uint8Array>(
  Kind: {
    new (buffer: SharedArrayBuffer, at?: number, length?: number): T;
    readonly BYTES_PER_ELEMENT: number;
  },
  length: number,
): T {
  return new Kind(new SharedArrayBuffer(length * Kind.BYTES_PER_ELEMENT));
}
