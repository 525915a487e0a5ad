import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { termText } from '../../src/core/blind.js';
import { isFault } from '../../src/core/fault.js';
import { createTenantKeys, type TenantKeyMaterial } from '../../src/tenancy/keys.js';
import { createSipHash } from '../../src/tenancy/siphash.js';
import type { SealContext } from '../../src/tenancy/tenant.js';

function material(change: Partial<TenantKeyMaterial> = {}): TenantKeyMaterial {
  const key = (fill: number) => Buffer.alloc(32, fill);
  return {
    tenantId: '5f0c3a52-9f6b-4b8b-8a64-9a3a3a4f4a10',
    currentVersion: 1,
    body: new Map([[1, key(1)]]),
    index: key(2),
    audit: new Map([[1, key(3)]]),
    auditVersion: 1,
    export: new Map([[1, key(4)]]),
    exportVersion: 1,
    ...change,
  };
}

const context: SealContext = { purpose: 'body', bind: [12, 34n, 'list'] };

function refusal(work: () => unknown): string | undefined {
  try {
    work();
  } catch (error) {
    return isFault(error) ? error.category : `not a fault: ${error}`;
  }
  return undefined;
}

describe('SipHash-2-4', () => {
  // Vectors of the reference implementation: key 00..0f, message 00..len-1, result read little-endian.
  const vectors: [length: number, hash: string][] = [
    [0, '726fdb47dd0e0e31'],
    [1, '74f839c593dc67fd'],
    [2, '0d6c8009d9a94f5a'],
    [3, '85676696d7fb7e2d'],
    [7, 'ab0200f58b01d137'],
    [8, '93f5f5799a932462'],
    [15, 'a129ca6149be45e5'],
    [63, '958a324ceb064572'],
  ];
  const hash = createSipHash(Uint8Array.from({ length: 16 }, (_, i) => i));
  test.each(vectors)('gives the reference result for %i bytes', (length, expected) => {
    const message = Uint8Array.from({ length }, (_, i) => i);
    expect(BigInt.asUintN(64, hash.bytes(message)).toString(16).padStart(16, '0')).toBe(expected);
  });

  test('text and its UTF-8 bytes give the same hash, at every length and beyond ASCII', () => {
    const texts = [
      '',
      'a',
      'é',
      'Zoë 😀 Ω',
      'x'.repeat(63),
      'x'.repeat(5000),
      `${'y'.repeat(4095)}é`,
      'ä'.repeat(4096),
      'ö'.repeat(21_821),
      `${'z'.repeat(65_463)}é`,
      'long '.repeat(60_000),
    ];
    for (const t of texts) expect(hash.text(t)).toBe(hash.bytes(Buffer.from(t, 'utf8')));
  });

  /** The definition, word by word. */
  function reference(message: Uint8Array): bigint {
    const mask = (1n << 64n) - 1n;
    const rotl = (x: bigint, n: bigint) => ((x << n) | (x >> (64n - n))) & mask;
    const key = Buffer.from(Uint8Array.from({ length: 16 }, (_, i) => i));
    const [k0, k1] = [key.readBigUInt64LE(0), key.readBigUInt64LE(8)];
    let [a, b, c, d] = [
      k0 ^ 0x736f6d6570736575n,
      k1 ^ 0x646f72616e646f6dn,
      k0 ^ 0x6c7967656e657261n,
      k1 ^ 0x7465646279746573n,
    ];
    const round = () => {
      a = (a + b) & mask;
      c = (c + d) & mask;
      b = rotl(b, 13n) ^ a;
      d = rotl(d, 16n) ^ c;
      a = rotl(a, 32n);
      c = (c + b) & mask;
      a = (a + d) & mask;
      b = rotl(b, 17n) ^ c;
      d = rotl(d, 21n) ^ a;
      c = rotl(c, 32n);
    };
    const padded = Buffer.alloc(message.length - (message.length % 8) + 8);
    padded.set(message);
    padded[padded.length - 1] = message.length;
    for (let i = 0; i < padded.length; i += 8) {
      const word = padded.readBigUInt64LE(i);
      d ^= word;
      round();
      round();
      a ^= word;
    }
    c ^= 0xffn;
    for (let i = 0; i < 4; i++) round();
    return BigInt.asIntN(64, a ^ b ^ c ^ d);
  }

  test.each([64, 799, 65_456, 65_457, 65_464, 65_465, 130_921, 200_000])(
    'agrees with the definition for %i bytes, however the input is cut into pieces',
    (length) => {
      const message = randomBytes(length);
      expect(hash.bytes(message)).toBe(reference(message));
      expect(hash.bytes(message)).toBe(reference(message));
    },
  );

  test('a 10,000 value sample has no collision and uses both signs', () => {
    const seen = new Set<bigint>();
    for (let i = 0; i < 10_000; i++) seen.add(hash.text(`value ${i}`));
    expect(seen.size).toBe(10_000);
    const negative = [...seen].filter((h) => h < 0n).length;
    expect(negative).toBeGreaterThan(4500);
    expect(negative).toBeLessThan(5500);
  });
});

describe('blind values', () => {
  test('rid, term and digest of one text differ, and each is stable', () => {
    const keys = createTenantKeys(material());
    const values = [keys.blind('Patient/1'), keys.rid('Patient', '1'), keys.digest('Patient/1')];
    expect(new Set(values).size).toBe(3);
    const again = createTenantKeys(material());
    expect([again.blind('Patient/1'), again.rid('Patient', '1'), again.digest('Patient/1')]).toEqual(values);
    expect(keys.digest(Buffer.from('Patient/1'))).toBe(values[2]);
  });

  test('another tenant or another index key gives other values, a new body key the same ones', () => {
    const mine = createTenantKeys(material()).blind('x');
    expect(createTenantKeys(material({ tenantId: 'another' })).blind('x')).not.toBe(mine);
    expect(createTenantKeys(material({ index: randomBytes(32) })).blind('x')).not.toBe(mine);
    const rotated = new Map([
      [1, Buffer.alloc(32, 1)],
      [2, randomBytes(32)],
    ]);
    expect(createTenantKeys(material({ body: rotated, currentVersion: 2 })).blind('x')).toBe(mine);
  });

  test('terms with a separator in different places are different texts', () => {
    expect(termText('a|b', 'c')).not.toBe(termText('a', 'b|c'));
  });
});

describe('sealed pieces', () => {
  const keys = createTenantKeys(material());

  test.each([0, 1, 15, 16, 17, 1900, 100_000])('%i bytes come back as they were', (length) => {
    const plain = randomBytes(length);
    expect(keys.open(keys.seal(plain, context), context).equals(plain)).toBe(true);
  });

  test('the same bytes never seal to the same piece', () => {
    const salts = new Set<string>();
    for (let i = 0; i < 2000; i++)
      salts.add(keys.seal(Buffer.from('same'), context).subarray(5, 33).toString('hex'));
    expect(salts.size).toBe(2000);
  });

  test('every flipped bit is refused', () => {
    const sealed = keys.seal(Buffer.from('a note about someone'), context);
    for (let bit = 0; bit < sealed.length * 8; bit++) {
      const bad = Buffer.from(sealed);
      bad[bit >> 3]! ^= 1 << (bit & 7);
      expect(
        refusal(() => keys.open(bad, context)),
        `bit ${bit}`,
      ).toBe('integrity');
    }
  });

  test('every truncation and every extension is refused', () => {
    const sealed = keys.seal(Buffer.from('a note about someone'), context);
    for (let n = 0; n < sealed.length; n++)
      expect(
        refusal(() => keys.open(sealed.subarray(0, n), context)),
        `${n} bytes`,
      ).toBe('integrity');
    expect(refusal(() => keys.open(Buffer.concat([sealed, Buffer.from([0])]), context))).toBe('integrity');
  });

  const others: [what: string, context: SealContext][] = [
    ['another purpose', { ...context, purpose: 'audit' }],
    ['the job purpose of the same key version', { ...context, purpose: 'job' }],
    ['another number', { ...context, bind: [13, 34n, 'list'] }],
    ['another text', { ...context, bind: [12, 34n, 'lisu'] }],
    ['another order', { ...context, bind: [34n, 12, 'list'] }],
    ['a part missing', { ...context, bind: [12, 34n] }],
    ['a part more', { ...context, bind: [12, 34n, 'list', ''] }],
    ['a text in place of a number', { ...context, bind: ['12', 34n, 'list'] }],
    ['parts joined', { ...context, bind: [12, '34list'] }],
  ];
  test.each(others)('a piece is refused under %s', (_, other) => {
    expect(refusal(() => keys.open(keys.seal(Buffer.from('x'), context), other))).toBe('integrity');
  });

  test("a piece of another tenant is refused, even with that tenant's keys equal", () => {
    const other = createTenantKeys(material({ tenantId: '00000000-0000-4000-8000-000000000000' }));
    expect(refusal(() => other.open(keys.seal(Buffer.from('x'), context), context))).toBe('integrity');
  });

  test('old pieces open after rotation, new ones carry the new version, and a lost version is refused', () => {
    const old = keys.seal(Buffer.from('x'), context);
    const both = new Map([
      [1, Buffer.alloc(32, 1)],
      [2, Buffer.alloc(32, 9)],
    ]);
    const rotated = createTenantKeys(material({ body: both, currentVersion: 2 }));
    expect(rotated.open(old, context).toString()).toBe('x');
    const fresh = rotated.seal(Buffer.from('y'), context);
    expect(fresh.readUInt16BE(3)).toBe(2);
    expect(refusal(() => keys.open(fresh, context))).toBe('integrity');
    // Relabelling a piece with another version must not help.
    fresh.writeUInt16BE(1, 3);
    expect(refusal(() => rotated.open(fresh, context))).toBe('integrity');
  });
});
