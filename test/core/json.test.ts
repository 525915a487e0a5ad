import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isFault } from '../../src/core/fault.js';
import {
  Decimal,
  digitsOf,
  MAX_JSON_DEPTH,
  numberOf,
  parseJson,
  stringifyJson,
} from '../../src/core/json.js';

function messageOf(text: string): string {
  try {
    parseJson(text);
  } catch (error) {
    if (isFault(error) && error.category === 'invalid') return error.message;
    throw error;
  }
  throw new Error('was accepted');
}

describe('JSON', () => {
  it.each([
    ['{"value":1.10}'],
    ['{"value":100.00,"list":[1,2.50,{"deep":0.0}]}'],
    ['{"value":12345678901234567890}'],
    ['{"value":0.1234567890123456789012345678901234567890}'],
    ['{"value":-0,"low":-0.0,"high":-1.10}'],
    ['{"value":1e400,"other":1E-7,"tiny":0.0000001}'],
    ['{"with \\"escaped\\" name":{"a\\\\b":2.0}}'],
    ['1.10'],
    ['{"text":"1.10 and \\"2.0\\", 3.0","value":4.0}'],
    ['{"value":72.4,"whole":15,"text":"\\u00e9\\ud83d\\ude00"}'],
  ])('keeps the digits of %s', (text) => {
    expect(stringifyJson(parseJson(text))).toBe(
      text.replaceAll('\\u00e9', 'é').replaceAll('\\ud83d\\ude00', '😀'),
    );
  });

  it('gives decimals as numbers that know their digits', () => {
    const { value } = parseJson('{"value":1.10}') as { value: Decimal };
    expect(value).toBeInstanceOf(Decimal);
    expect(numberOf(value)).toBe(1.1);
    expect(digitsOf(value)).toBe('1.10');
    expect((value as unknown as number) > 1.05).toBe(true);
    expect(JSON.stringify({ value })).toBe('{"value":1.1}');
  });

  it('does not let text pass for a decimal when it is written', () => {
    const secret = stringifyJson([new Decimal('1.0')]);
    expect(secret).toBe('[1.0]');
    const text = '@0000@1.0';
    expect(parseJson(stringifyJson([text, new Decimal('2.0')]))).toEqual([text, new Decimal('2.0')]);
  });

  it.each([
    ['a member twice', '{"a":1,"b":2,"a":3}', 'twice'],
    ['a member twice, once escaped', '{"a":1,"\\u0061":2}', 'twice'],
    [
      'a member twice among many',
      `{${Array.from({ length: 40 }, (_, i) => `"k${i}":0`).join()},"k3":1}`,
      'twice',
    ],
    ['__proto__', '{"x":{"__proto__":{"y":1}}}', '__proto__'],
    ['NUL', '{"a":"x\\u0000"}', 'NUL'],
    ['half a surrogate pair, escaped', '{"a":"\\ud800x"}', 'surrogate'],
    ['the other half', '{"a":"\\udc00"}', 'surrogate'],
    ['half a surrogate pair', '{"a":"\ud800"}', 'surrogate'],
    ['too deep nesting', '['.repeat(100_000), 'deeper than 64'],
    ['a comma too many', '{"a":1,}', 'line 1, column 8'],
    ['a missing bracket', '{\n "a": [1, 2\n}', 'line 3, column 1'],
    ['an unclosed text', '{"a":"b', 'not valid JSON'],
    ['leading zeros', '[01]', 'line 1, column 3'],
    ['hexadecimal', '[0x10]', 'not valid JSON'],
    ['NaN', '[NaN]', 'not valid JSON'],
    ['nothing', '', 'not valid JSON'],
    ['a decimal without a name', '{1.10}', 'not valid JSON'],
    ['a decimal under a name with an escape that is none', '{"a\\x":1.10}', 'not valid JSON'],
    ['a decimal under a name with a line end', '{"a\nb":1.10}', 'not valid JSON'],
  ])('refuses %s', (_what, text, part) => {
    expect(messageOf(text)).toContain(part);
  });

  it('refuses lists without end where values are limited, before anything is made of them', () => {
    const list = (n: number) => `[${'{},'.repeat(n - 1)}{}]`;
    expect(parseJson(list(250_000), 4_000_000)).toHaveLength(250_000);
    expect(() => parseJson(list(250_001), 4_000_000)).toThrow(/more than 250000 elements/);
    expect(parseJson(list(250_001))).toHaveLength(250_001);
  });

  it('never repeats the text in a fault', () => {
    expect(messageOf('{"name":"Jane Roe" "x"')).not.toContain('Jane');
  });

  it('allows the deepest legal nesting', () => {
    const text = '['.repeat(MAX_JSON_DEPTH) + ']'.repeat(MAX_JSON_DEPTH);
    expect(stringifyJson(parseJson(text))).toBe(text);
  });

  it('allows the same name in different objects', () => {
    expect(parseJson('[{"a":1},{"a":{"a":2}},{"b":{"a":1},"a":3}]')).toEqual([
      { a: 1 },
      { a: { a: 2 } },
      { b: { a: 1 }, a: 3 },
    ]);
  });

  it('reads whatever JSON.stringify writes, as JSON.parse does', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6 }), (value) => {
        const text = JSON.stringify(value);
        fc.pre(!text.includes('\\u0000') && !text.includes('\\ud') && !text.includes('__proto__'));
        expect(stringifyJson(parseJson(text))).toBe(text);
        expect(JSON.stringify(parseJson(JSON.stringify(value, undefined, 2)))).toBe(text);
      }),
      { numRuns: 500 },
    );
  });

  it('takes time in proportion to the text', () => {
    const made = (count: number) =>
      JSON.stringify(Array.from({ length: count }, (_, i) => ({ code: `c${i}`, value: i / 8, s: 'a\\"b' })));
    const cost = (text: string) => {
      const start = process.cpuUsage();
      parseJson(text);
      const used = process.cpuUsage(start);
      return used.user + used.system;
    };
    const [small, large] = [made(10_000), made(80_000)];
    cost(small);
    expect(cost(large)).toBeLessThan(30 * Math.max(cost(small), 5_000));
  });
});
