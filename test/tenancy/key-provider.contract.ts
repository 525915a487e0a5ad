import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isFault } from '../../src/core/fault.js';
import type { KeyProvider } from '../../src/tenancy/tenant.js';

export interface ProviderUnderTest {
  readonly provider: KeyProvider;
  /** The same keys through another instance, as another process would have them. */
  again(): Promise<KeyProvider>;
  close(): Promise<void>;
}

const categoryOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'no fault',
    (error: unknown) => (isFault(error) ? error.category : `not a fault: ${error}`),
  );

/** What every `KeyProvider` must do. `open` makes one with no keys in it. */
export function keyProviderContract(name: string, open: () => Promise<ProviderUnderTest>): void {
  describe(`key provider ${name}`, () => {
    let under: ProviderUnderTest;
    let provider: KeyProvider;
    const plain = randomBytes(32);
    beforeAll(async () => {
      under = await open();
      provider = under.provider;
      await provider.createKey('first');
      await provider.createKey('second');
    });
    afterAll(() => under.close());

    test('opens what it wrapped, also from another process', async () => {
      const wrapped = await provider.wrap('first', plain, 'here');
      expect(await provider.unwrap('first', wrapped, 'here')).toEqual(plain);
      expect(await (await under.again()).unwrap('first', wrapped, 'here')).toEqual(plain);
    });

    test('never wraps the same bytes the same way, nor leaves them readable', async () => {
      const [one, two] = [
        await provider.wrap('first', plain, 'here'),
        await provider.wrap('first', plain, 'here'),
      ];
      expect(one).not.toEqual(two);
      expect(one.includes(plain)).toBe(false);
    });

    test('refuses a wrapped key under another context', async () => {
      const wrapped = await provider.wrap('first', plain, 'tenant a');
      expect(await categoryOf(provider.unwrap('first', wrapped, 'tenant b'))).toBe('integrity');
      expect(await categoryOf(provider.unwrap('first', wrapped, ''))).toBe('integrity');
    });

    test('refuses a wrapped key under another key', async () => {
      const wrapped = await provider.wrap('first', plain, 'here');
      expect(await categoryOf(provider.unwrap('second', wrapped, 'here'))).toBe('integrity');
    });

    test('refuses a wrapped key with any byte changed, cut off or added', async () => {
      const wrapped = await provider.wrap('first', plain, 'here');
      for (let i = 0; i < wrapped.length; i++) {
        const changed = Buffer.from(wrapped);
        changed[i] = changed[i]! ^ 1;
        expect(await categoryOf(provider.unwrap('first', changed, 'here')), `byte ${i}`).toBe('integrity');
      }
      for (const length of [0, 1, 12, 28, wrapped.length - 1])
        expect(await categoryOf(provider.unwrap('first', wrapped.subarray(0, length), 'here'))).toBe(
          'integrity',
        );
      const longer = Buffer.concat([wrapped, Buffer.of(0)]);
      expect(await categoryOf(provider.unwrap('first', longer, 'here'))).toBe('integrity');
    });

    test('never replaces a key that is there', async () => {
      const wrapped = await provider.wrap('first', plain, 'here');
      expect(await categoryOf(provider.createKey('first'))).toBe('conflict');
      expect(await provider.unwrap('first', wrapped, 'here')).toEqual(plain);
    });

    test('made at the same moment by several, a key is one', async () => {
      const other = await under.again();
      const outcomes = await Promise.all(
        [provider, other, provider].map((p) => categoryOf(p.createKey('race'))),
      );
      expect(outcomes.sort()).toEqual(['conflict', 'conflict', 'no fault']);
      const wrapped = await provider.wrap('race', plain, 'here');
      expect(await other.unwrap('race', wrapped, 'here')).toEqual(plain);
    });

    test('is unavailable for a key that is not there, and makes none', async () => {
      expect(await categoryOf(provider.wrap('absent', plain, 'here'))).toBe('unavailable');
      expect(await categoryOf(provider.wrap('absent', plain, 'here'))).toBe('unavailable');
      expect(await categoryOf(provider.unwrap('absent', randomBytes(61), 'here'))).toBe('unavailable');
      expect(await categoryOf(provider.destroyKey('absent'))).toBe('unavailable');
    });

    test('says whether a key is there', async () => {
      expect(await provider.hasKey('first')).toBe(true);
      expect(await (await under.again()).hasKey('first')).toBe(true);
      expect(await provider.hasKey('absent')).toBe(false);
    });

    test('opens nothing any more once the key is destroyed, whoever asks', async () => {
      await provider.createKey('doomed');
      const wrapped = await provider.wrap('doomed', plain, 'here');
      await provider.destroyKey('doomed');
      expect(await provider.hasKey('doomed')).toBe(false);
      expect(await categoryOf(provider.unwrap('doomed', wrapped, 'here'))).toBe('unavailable');
      expect(await categoryOf((await under.again()).unwrap('doomed', wrapped, 'here'))).toBe('unavailable');
    });

    test.each(['', '..', '../escape', 'a/b', 'A', 'a b', `a${'b'.repeat(80)}`, '-a', 'a\0'])(
      'refuses %j as the name of a key',
      async (ref) => {
        expect(await categoryOf(provider.createKey(ref))).toBe('invalid');
        expect(await categoryOf(provider.wrap(ref, plain, 'here'))).toBe('invalid');
      },
    );

    test('says no key in its faults', async () => {
      const fault = await provider.wrap('absent', plain, 'here').catch((error: Error) => error);
      expect(JSON.stringify(fault) + String(fault)).not.toContain(plain.toString('base64').slice(0, 20));
    });
  });
}
