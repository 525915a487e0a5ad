/**
 * A one-dimensional array without nulls in the binary form of PostgreSQL (`array_recv`), as the value of a parameter:
 * neither side makes text of it or reads any.
 */
export function binaryArray(
  type: keyof typeof OIDS,
  values: readonly (number | bigint | string | Uint8Array)[],
): Buffer {
  const [oid, bytes] = OIDS[type];
  let room = HEAD_BYTES;
  for (const value of values) room += 4 + (bytes ?? (value as Uint8Array).length);
  const out = Buffer.allocUnsafe(room);
  const some = values.length > 0;
  out.writeInt32BE(some ? 1 : 0, 0);
  out.writeInt32BE(0, 4); // no nulls inside
  out.writeInt32BE(oid, 8);
  if (!some) return out.subarray(0, EMPTY_BYTES);
  out.writeInt32BE(values.length, 12);
  out.writeInt32BE(1, 16); // lower bound
  let at = HEAD_BYTES;
  for (const value of values) {
    const length = bytes ?? (value as Uint8Array).length;
    out.writeInt32BE(length, at);
    at += 4;
    switch (type) {
      case 'int2':
        out.writeInt16BE(value as number, at);
        break;
      case 'int4':
        out.writeInt32BE(value as number, at);
        break;
      case 'int8':
        out.writeBigInt64BE(BigInt(value as number | bigint), at);
        break;
      case 'uuid':
        out.write((value as string).replaceAll('-', ''), at, 'hex');
        break;
      default:
        out.set(value as Uint8Array, at);
    }
    at += length;
  }
  return out;
}

/** By type: its number, and the bytes of a value where they are always as many. */
const OIDS = {
  int2: [21, 2],
  int4: [23, 4],
  int8: [20, 8],
  uuid: [2950, 16],
  bytea: [17, undefined],
} as const;

const EMPTY_BYTES = 12;
const HEAD_BYTES = 20;
