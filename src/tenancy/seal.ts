import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createSecretKey,
  type KeyObject,
  randomFillSync,
} from 'node:crypto';
import { Fault } from '../core/fault.js';

/**
 * The sealed form of a piece of data.
 *
 * | bytes | what |
 * |---|---|
 * | 0–1 | magic `c7 4e` |
 * | 2 | format version, 1 |
 * | 3–4 | key version, big-endian |
 * | 5–20 | salt of the subkey, random |
 * | 21–32 | GCM nonce, random |
 * | 33– | ciphertext |
 * | last 16 | GCM tag |
 *
 * Every piece has a key of its own: HKDF-Expand (RFC 5869, 2.3; the data key is uniformly random, so no extract step)
 * of the data key with the salt. NIST SP 800-38D allows 2^32 random nonces under one key and a lake passes that;
 * with a 128-bit salt besides, no count of pieces that fits on disks comes near a repeat.
 */
const MAGIC_0 = 0xc7;
const MAGIC_1 = 0x4e;
const FORMAT = 1;
const SALT_AT = 5;
const NONCE_AT = 21;
const BODY_AT = 33;
const TAG_BYTES = 16;
export const SEAL_OVERHEAD_BYTES = BODY_AT + TAG_BYTES;
/** Key versions fit two bytes. */
export const MAX_KEY_VERSION = 0xffff;

/** Random bytes are drawn this many at a time: one system call then serves 292 pieces. */
const POOL_BYTES = 8192;
const pool = Buffer.alloc(POOL_BYTES);
let poolAt = POOL_BYTES;

/** Copies `n` fresh random bytes to `to` and forgets them. */
function drawRandom(to: Buffer, at: number, n: number): void {
  if (poolAt + n > POOL_BYTES) {
    randomFillSync(pool);
    poolAt = 0;
  }
  pool.copy(to, at, poolAt, poolAt + n);
  pool.fill(0, poolAt, poolAt + n);
  poolAt += n;
}

const INFO = Buffer.concat([Buffer.from('cenote seal 1', 'ascii'), Buffer.from([1])]);

function subkey(dataKey: KeyObject, sealed: Uint8Array): Buffer {
  return createHmac('sha256', dataKey).update(sealed.subarray(SALT_AT, NONCE_AT)).update(INFO).digest();
}

/** Keeps key bytes outside the JavaScript heap, where they are not copied by the garbage collector. */
export function dataKey(bytes: Uint8Array): KeyObject {
  if (bytes.length !== 32) throw new Fault('internal', 'A data key must have 32 bytes.');
  return createSecretKey(bytes);
}

/** AES-256-GCM under a fresh subkey. `aad` is authenticated besides the whole header. */
export function sealBytes(key: KeyObject, keyVersion: number, plain: Uint8Array, aad: Uint8Array): Buffer {
  const out = Buffer.allocUnsafe(BODY_AT + plain.length + TAG_BYTES);
  out[0] = MAGIC_0;
  out[1] = MAGIC_1;
  out[2] = FORMAT;
  out.writeUInt16BE(keyVersion, 3);
  drawRandom(out, SALT_AT, BODY_AT - SALT_AT);
  const cipher = createCipheriv('aes-256-gcm', subkey(key, out), out.subarray(NONCE_AT, BODY_AT));
  // The header is bound too: magic, format and key version cannot be altered without the tag failing.
  cipher.setAAD(Buffer.concat([out.subarray(0, SALT_AT), aad]));
  cipher.update(plain).copy(out, BODY_AT);
  cipher.final();
  cipher.getAuthTag().copy(out, BODY_AT + plain.length);
  return out;
}

/** @throws Fault `integrity` */
export function openBytes(key: KeyObject, sealed: Uint8Array, aad: Uint8Array): Buffer {
  if (sealed.length < SEAL_OVERHEAD_BYTES) throw broken();
  const end = sealed.length - TAG_BYTES;
  try {
    const decipher = createDecipheriv(
      'aes-256-gcm',
      subkey(key, sealed),
      sealed.subarray(NONCE_AT, BODY_AT),
      {
        authTagLength: TAG_BYTES,
      },
    );
    decipher.setAAD(Buffer.concat([sealed.subarray(0, SALT_AT), aad]));
    decipher.setAuthTag(sealed.subarray(end));
    const plain = decipher.update(sealed.subarray(BODY_AT, end));
    decipher.final();
    return plain;
  } catch (cause) {
    throw broken(cause);
  }
}

/** Key version a piece was sealed under. @throws Fault `integrity` where the header is not ours. */
export function sealedKeyVersion(sealed: Uint8Array): number {
  if (
    sealed.length < SEAL_OVERHEAD_BYTES ||
    sealed[0] !== MAGIC_0 ||
    sealed[1] !== MAGIC_1 ||
    sealed[2] !== FORMAT
  )
    throw broken();
  return (sealed[3]! << 8) | sealed[4]!;
}

function broken(cause?: unknown): Fault {
  return new Fault('integrity', 'Stored data failed its authentication and was not used.', {
    remedy: 'Run `cenote verify` for this tenant and restore the affected rows from a backup.',
    cause,
  });
}
