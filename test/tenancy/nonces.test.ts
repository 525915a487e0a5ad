import { createDecipheriv, createHmac, randomBytes } from 'node:crypto';
import { expect, it } from 'vitest';
import { dataKey, sealBytes, sealedKeyVersion } from '../../src/tenancy/seal.js';

/**
 * S-51: how many pieces one key may seal. NIST SP 800-38D (8.3) allows 2^32 messages under one key with random nonces of 96
 * bits, at a chance of 2^-32 that two are alike. Each piece here has a key of its own, made of the data key and a random
 * salt of 128 bits, so that two pieces must be alike in 224 random bits together.
 */
const SALT_BITS = 128;
const NONCE_BITS = 96;
/** log2 of the chance that two of 2^n draws of `bits` bits are alike (birthday bound, n²/2 over the space). */
const collisionBits = (n: number, bits: number) => 2 * n - 1 - bits;

it.each([
  // A chance no greater than NIST's own bound of 2^-32, however much is stored.
  ['ten million pieces', Math.log2(1e7), -177],
  ['a piece for every byte of a petabyte', 50, -124],
  ['2^64 pieces', 64, -97],
])('%s under one key: the chance of a repeat stays beyond any that counts', (_what, log2Pieces, atMost) => {
  const chance = collisionBits(log2Pieces, SALT_BITS + NONCE_BITS);
  expect(chance).toBeLessThanOrEqual(atMost + 1);
  expect(chance).toBeLessThan(-32);
});

it('a plain random nonce would pass its budget where this does not', () => {
  // 2^33 pieces: one key with 96 random bits is past what NIST allows, the pair of salt and nonce is not near it.
  expect(collisionBits(33, NONCE_BITS)).toBeGreaterThan(-32);
  expect(collisionBits(33, SALT_BITS + NONCE_BITS)).toBeLessThan(-150);
});

/** Of 10^7 in `CENOTE_TEST_SEALS=10000000 npx vitest run test/tenancy/nonces.test.ts`, which takes a minute. */
const PIECES = Number(process.env.CENOTE_TEST_SEALS ?? 50_000);
/** Pieces whose every bit is looked at. */
const DRAWN = 4_000;

it(`${PIECES} pieces have ${PIECES} salts, nonces and keys, evenly spread`, () => {
  const key = dataKey(randomBytes(32));
  const aad = Buffer.from('x');
  const plain = Buffer.alloc(1);
  // Their first 48 bits: a generator that repeats itself, counts or is biased is met long before all bits are.
  const salts = new Set<number>();
  const nonces = new Set<number>();
  const ones = new Float64Array(28 * 8);
  for (let i = 0; i < PIECES; i++) {
    const sealed = sealBytes(key, 3, plain, aad);
    salts.add(sealed.readUIntBE(5, 6));
    nonces.add(sealed.readUIntBE(21, 6));
    if (i < DRAWN)
      for (let bit = 0; bit < ones.length; bit++) ones[bit]! += (sealed[5 + (bit >> 3)]! >> (bit & 7)) & 1;
  }
  // Of 2^48 values so many draws meet one twice by chance: n²/2^49, and a wide margin.
  const byChance = PIECES ** 2 / 2 ** 49;
  const allowed = Math.ceil(byChance + 6 * Math.sqrt(byChance) + 1);
  expect(PIECES - salts.size).toBeLessThanOrEqual(allowed);
  expect(PIECES - nonces.size).toBeLessThanOrEqual(allowed);
  // Each of the 224 bits is set half the time, to within six standard deviations.
  const drawn = Math.min(PIECES, DRAWN);
  for (const [bit, n] of ones.entries())
    expect(Math.abs(n - drawn / 2), `bit ${bit}`).toBeLessThan(6 * Math.sqrt(drawn / 4));
}, 1_200_000);

it('the key of a piece is made of its salt: it opens under that of its own and of no other', () => {
  const master = randomBytes(32);
  const sealed = sealBytes(dataKey(master), 3, Buffer.from('piece'), Buffer.alloc(0));
  expect(sealedKeyVersion(sealed)).toBe(3);
  // RFC 5869, 2.3 with one block, done here by hand.
  const info = Buffer.concat([Buffer.from('cenote seal 1', 'ascii'), Buffer.from([1])]);
  const openUnder = (salt: Uint8Array) => {
    const key = createHmac('sha256', master).update(salt).update(info).digest();
    const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(21, 33));
    decipher.setAAD(sealed.subarray(0, 5));
    decipher.setAuthTag(sealed.subarray(-16));
    return Buffer.concat([decipher.update(sealed.subarray(33, -16)), decipher.final()]).toString();
  };
  const salt = sealed.subarray(5, 21);
  expect(openUnder(salt)).toBe('piece');
  const other = Buffer.from(salt);
  other[15]! ^= 1;
  expect(() => openUnder(other)).toThrow();
});
