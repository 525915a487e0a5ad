import { Decimal, numberOf } from '../core/json.js';
import { parsePartialDate } from './dates.js';

/** On collections, empty where FHIRPath says empty. */
export const COMPARISONS: Record<string, (a: unknown[], b: unknown[]) => boolean | undefined> = {
  '=': (a, b) => equal(a, b),
  '!=': (a, b) => negated(equal(a, b)),
  '~': (a, b) => equal(a, b) ?? false,
  '!~': (a, b) => !(equal(a, b) ?? false),
  '<': (a, b) => ordered(a, b, (x, y) => x < y),
  '>': (a, b) => ordered(a, b, (x, y) => x > y),
  '<=': (a, b) => ordered(a, b, (x, y) => x <= y),
  '>=': (a, b) => ordered(a, b, (x, y) => x >= y),
  in: (a, b) => (a.length === 0 ? undefined : a.length === 1 && b.some((v) => same(v, a[0]))),
  contains: (a, b) => (b.length === 0 ? undefined : b.length === 1 && a.some((v) => same(v, b[0]))),
};

function equal(a: unknown[], b: unknown[]): boolean | undefined {
  if (a.length === 0 || b.length === 0) return undefined;
  return a.length === b.length && a.every((v, i) => same(v, b[i]));
}

function negated(value: boolean | undefined): boolean | undefined {
  return value === undefined ? undefined : !value;
}

function ordered(
  a: unknown[],
  b: unknown[],
  test: (x: number | string, y: number | string) => boolean,
): boolean | undefined {
  if (a.length !== 1 || b.length !== 1) return undefined;
  const [x] = a as [unknown];
  const [y] = b as [unknown];
  if (typeof x === 'string' && typeof y === 'string') {
    // Dates of different precision cannot always be told apart: whichever reading satisfies the test counts.
    const [d, e] = [parsePartialDate(x), parsePartialDate(y)];
    return d && e ? test(d.lo, e.hi) || test(d.hi, e.lo) : test(x, y);
  }
  const [m, n] = [magnitude(x, y), magnitude(y, x)];
  return Number.isNaN(m) || Number.isNaN(n) ? undefined : test(m, n);
}

/** A number, or the value of a Quantity whose unit is the other's: across units nothing is said. */
function magnitude(value: unknown, other: unknown): number {
  if (typeof value !== 'object' || value === null || value instanceof Decimal) return Number(value);
  const { value: number, code, unit } = value as { value?: unknown; code?: unknown; unit?: unknown };
  const peer = other as { code?: unknown; unit?: unknown } | null;
  return peer?.code === code && (code !== undefined || peer?.unit === unit)
    ? (numberOf(number) ?? Number.NaN)
    : Number.NaN;
}

/** Equality of two values, by content. */
export function same(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) {
    return (
      typeof a !== 'string' &&
      typeof b !== 'string' &&
      Number(a) === Number(b) &&
      typeof a !== 'boolean' &&
      typeof b !== 'boolean'
    );
  }
  return JSON.stringify(a) === JSON.stringify(b);
}
