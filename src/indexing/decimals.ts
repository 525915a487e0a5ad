/** Exact decimals: `mantissa` times ten to the `exponent`. */
export interface ExactDecimal {
  readonly mantissa: bigint;
  readonly exponent: number;
}

/** Longer numbers are no measurement; they are refused in searches and indexed as the nearest double. */
const MAX_DIGITS = 40;
const MAX_EXPONENT = 400;

/** Reads JSON-like digits with sign, fraction and exponent; undefined for anything else. Linear in the text. */
export function parseDecimal(text: string): ExactDecimal | undefined {
  let i = text[0] === '-' || text[0] === '+' ? 1 : 0;
  let digits = '';
  let exponent = 0;
  let point = false;
  for (; i < text.length; i++) {
    const c = text[i]!;
    if (c >= '0' && c <= '9') {
      digits += c;
      if (point) exponent--;
    } else if (c === '.' && !point) point = true;
    else break;
  }
  if (digits === '' || digits.length > MAX_DIGITS || text[i - 1] === '.') return undefined;
  if (text[i] === 'e' || text[i] === 'E') {
    const power = Number(text.slice(i + 1));
    const shown = text.slice(i + 1);
    if (shown === '' || !Number.isInteger(power) || shown.trim() !== shown || Math.abs(power) > MAX_EXPONENT)
      return undefined;
    exponent += power;
  } else if (i !== text.length) return undefined;
  const mantissa = BigInt(digits);
  return { mantissa: text[0] === '-' ? -mantissa : mantissa, exponent };
}

/** The nearest double. */
export function toNumber({ mantissa, exponent }: ExactDecimal): number {
  return Number(`${mantissa}e${exponent}`);
}

export function multiply(a: ExactDecimal, b: ExactDecimal): ExactDecimal {
  return { mantissa: a.mantissa * b.mantissa, exponent: a.exponent + b.exponent };
}

export function add(a: ExactDecimal, b: ExactDecimal): ExactDecimal {
  const exponent = Math.min(a.exponent, b.exponent);
  const scaled = (d: ExactDecimal) => d.mantissa * 10n ** BigInt(d.exponent - exponent);
  return { mantissa: scaled(a) + scaled(b), exponent };
}

/**
 * What a number with these digits may mean: half a unit of its last digit to either side, the upper end excluded
 * (R4 search.html#number: 100 is [99.5, 100.5), 100.00 is [99.995, 100.005)). A single digit with an exponent is read
 * to one more digit, since the specification reads 1e2 as [95, 105).
 */
export function impliedRange(text: string, value: ExactDecimal): { from: ExactDecimal; to: ExactDecimal } {
  const one = /^[-+]?\d[eE]/.test(text);
  const exponent = value.exponent - (one ? 2 : 1);
  const mantissa = value.mantissa * (one ? 100n : 10n);
  return { from: { mantissa: mantissa - 5n, exponent }, to: { mantissa: mantissa + 5n, exponent } };
}

const floats = new Float64Array(1);
const bits = new BigInt64Array(floats.buffer);

/** The next double above. */
export function nextUp(x: number): number {
  if (!Number.isFinite(x)) return x;
  if (x === 0) return Number.MIN_VALUE;
  floats[0] = x;
  bits[0] = bits[0]! + (x > 0 ? 1n : -1n);
  return floats[0]!;
}

/** The next double below. */
export function nextDown(x: number): number {
  return -nextUp(-x);
}
