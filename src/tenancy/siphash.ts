import { INPUT_AT, INPUT_BYTES, STATE_AT, siphashInstance } from './siphash-module.js';

/**
 * SipHash-2-4 with a 64-bit result (Aumasson and Bernstein, 2012): a keyed pseudo-random function, which is what blind
 * terms need; it is not used where a collision-resistant hash is. A resource has some forty terms: HMAC-SHA-256 through
 * node:crypto takes about 4 µs a value, this 0.13 µs.
 */
export interface SipHash {
  /** Hash of the UTF-8 bytes of `text`, as a signed 64-bit integer. */
  text(text: string): bigint;
  /** Hash of bytes, as a signed 64-bit integer. */
  bytes(bytes: Uint8Array): bigint;
}

/** "somepseudorandomlygeneratedbytes" as four little-endian words. */
const INITIAL = [0x736f6d6570736575n, 0x646f72616e646f6dn, 0x6c7967656e657261n, 0x7465646279746573n] as const;

/** Texts up to this many UTF-16 units fit the input whatever their letters. */
const SHORT_UNITS = Math.floor(INPUT_BYTES / 3);

const encoder = new TextEncoder();

/**
 * @param key 16 bytes
 */
export function createSipHash(key: Uint8Array): SipHash {
  if (key.length !== 16) throw new RangeError('a SipHash key has 16 bytes');
  const { memory, hash } = siphashInstance();
  const words = new DataView(memory.buffer);
  const halves = new DataView(key.buffer, key.byteOffset, 16);
  for (const [i, word] of INITIAL.entries())
    words.setBigUint64(i * 8, word ^ halves.getBigUint64((i % 2) * 8, true), true);
  const input = new Uint8Array(memory.buffer, INPUT_AT, INPUT_BYTES);

  /** A whole number of words, so that a long message is absorbed piece by piece. */
  const piece = INPUT_BYTES - (INPUT_BYTES % 8);

  function bytes(message: Uint8Array): bigint {
    let from = 0;
    let at = 0;
    for (; message.length - at > INPUT_BYTES; at += piece) {
      input.set(message.subarray(at, at + piece));
      hash(piece, -1, from);
      from = STATE_AT;
    }
    input.set(at === 0 ? message : message.subarray(at));
    return hash(message.length - at, message.length, from);
  }

  return {
    bytes,
    text(text) {
      if (text.length > SHORT_UNITS) return bytes(Buffer.from(text, 'utf8'));
      // Nearly all are ASCII, which is copied faster here than the encoder is called.
      let length = 0;
      for (; length < text.length; length++) {
        const c = text.charCodeAt(length);
        if (c > 127) break;
        input[length] = c;
      }
      if (length < text.length) length = encoder.encodeInto(text, input).written;
      return hash(length, length, 0);
    },
  };
}
