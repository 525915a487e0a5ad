import { add, type ExactDecimal, multiply, parseDecimal, toNumber } from './decimals.js';

export const UCUM = 'http://unitsofmeasure.org';

/**
 * Clinical units of UCUM that are compared with each other. One value of the canonical unit is `per` of the row's, or:
 * canonical = value × factor (+ shift). The canonical unit of a kind is the one most records use, since a value that
 * is in it needs one index row instead of two. Factors are exact (UCUM's own: a metre of mercury is 133.322 kPa); each row of a kind is tested against
 * its example: that many of the unit are that many of the canonical one.
 */
export interface UnitRow {
  readonly unit: string;
  readonly factor: string;
  /** Divides after the factor, where the conversion has no finite decimal. */
  readonly per?: string;
  /** Added before factor and divisor: Fahrenheit starts at 32, Kelvin 273.15 lower. */
  readonly shift?: string;
}

export interface UnitKind {
  readonly kind: string;
  readonly canonical: string;
  readonly rows: readonly UnitRow[];
}

function kind(name: string, canonical: string, rows: Record<string, string | [string, string]>): UnitKind {
  return {
    kind: name,
    canonical,
    rows: Object.entries(rows).map(([unit, f]) =>
      typeof f === 'string' ? { unit, factor: f } : { unit, factor: f[0], per: f[1] },
    ),
  };
}

export const UNIT_KINDS: readonly UnitKind[] = [
  kind('mass', 'kg', {
    g: '1e-3',
    mg: '1e-6',
    ug: '1e-9',
    ng: '1e-12',
    '[lb_av]': '0.45359237',
    '[oz_av]': '0.028349523125',
  }),
  kind('length', 'cm', { m: '100', mm: '0.1', um: '1e-4', km: '1e5', '[in_i]': '2.54', '[ft_i]': '30.48' }),
  kind('volume', 'mL', {
    L: '1000',
    l: '1000',
    dL: '100',
    cL: '10',
    ml: '1',
    uL: '1e-3',
    cm3: '1',
    '[foz_us]': '29.5735295625',
  }),
  kind('time', 'a', {
    mo: ['1', '12'],
    wk: ['7', '365.25'],
    d: ['1', '365.25'],
    h: ['1', '8766'],
    min: ['1', '525960'],
    s: ['1', '31557600'],
    ms: ['1', '31557600000'],
  }),
  kind('pressure', 'mm[Hg]', {
    kPa: ['1', '0.133322'],
    Pa: ['1', '133.322'],
    'cm[H2O]': ['0.0980665', '0.133322'],
  }),
  kind('mass concentration', 'mg/dL', {
    'g/dL': '1000',
    'g/L': '100',
    'mg/L': '0.1',
    'ug/dL': '1e-3',
    'ug/L': '1e-4',
    'ng/mL': '1e-4',
    'ng/dL': '1e-6',
    'ng/L': '1e-7',
    'pg/mL': '1e-7',
    'ug/mL': '0.1',
    'mg/mL': '100',
  }),
  kind('amount concentration', 'mmol/L', {
    'mol/L': '1000',
    'umol/L': '1e-3',
    'nmol/L': '1e-6',
    'pmol/L': '1e-9',
    'meq/L': '1',
    'mmol/dL': '10',
  }),
  kind('count concentration', '10*3/uL', {
    '/uL': '1e-3',
    '/mL': '1e-6',
    '/L': '1e-9',
    '10*6/uL': '1000',
    '10*6/L': '1e-3',
    '10*9/L': '1',
    '10*12/L': '1000',
    '10*3/mL': '1e-3',
    '10*6/mL': '1',
  }),
  kind('rate', '/min', { '/s': '60', Hz: '60', '/h': ['1', '60'] }),
  kind('flow', 'mL/min', { 'L/min': '1000', 'mL/s': '60', 'L/s': '60000', 'mL/h': ['1', '60'] }),
  kind('fraction', '%', { '1': '100', '10*-2': '1', '[ppth]': '0.1', '[ppm]': '1e-4' }),
  kind('enzyme activity', 'U/L', {
    'kU/L': '1000',
    'mU/mL': '1',
    'U/mL': '1000',
    'mU/L': '1e-3',
    'U/dL': '10',
  }),
  kind('international units', '[iU]/L', {
    '[IU]/L': '1',
    '[iU]/mL': '1000',
    '[IU]/mL': '1000',
    'm[iU]/L': '1e-3',
    'm[IU]/L': '1e-3',
    'm[iU]/mL': '1',
    'u[iU]/mL': '1e-3',
    'k[iU]/L': '1000',
  }),
  kind('body mass index', 'kg/m2', { 'g/m2': '1e-3', 'g/cm2': '10' }),
  kind('energy', 'kcal', { cal: '1e-3', kJ: ['1', '4.184'], J: ['1', '4184'], '[Cal]': '1' }),
  {
    kind: 'temperature',
    canonical: 'Cel',
    rows: [
      { unit: '[degF]', shift: '-32', factor: '5', per: '9' },
      { unit: 'K', shift: '-273.15', factor: '1' },
    ],
  },
];

interface Conversion {
  readonly canonical: string;
  readonly factor: ExactDecimal;
  readonly per: number | undefined;
  readonly shift: ExactDecimal | undefined;
}

const conversions = new Map<string, Conversion>();
for (const { canonical, rows } of UNIT_KINDS) {
  for (const row of [{ unit: canonical, factor: '1' } as UnitRow, ...rows]) {
    conversions.set(row.unit, {
      canonical,
      factor: parseDecimal(row.factor)!,
      per: row.per === undefined ? undefined : Number(row.per),
      shift: row.shift === undefined ? undefined : parseDecimal(row.shift),
    });
  }
}

/** Known units whose values are converted: all but the canonical ones. */
export const CONVERTED_UNITS: readonly string[] = [...conversions]
  .filter(([unit, { canonical }]) => unit !== canonical)
  .map(([unit]) => unit);

/** UCUM's annotations in braces say nothing about the size of a unit: `{beats}/min` is `/min`. */
export function plainUnit(code: string): string {
  let unit = code.replaceAll('^', '*');
  if (unit.includes('{')) {
    const stripped = unit.replace(/\{[^{}]*\}/g, '').replace(/\/$/, '');
    unit = stripped === '' ? unit : stripped;
  }
  return unit.startsWith('1/') ? unit.slice(1) : unit;
}

/** The canonical unit of a plain UCUM unit, if its kind is known. */
export function canonicalUnit(unit: string): string | undefined {
  return conversions.get(unit)?.canonical;
}

/** A value in a known plain unit, in its canonical unit. */
export function toCanonical(value: ExactDecimal, unit: string): number {
  const c = conversions.get(unit)!;
  const product = toNumber(multiply(c.shift ? add(value, c.shift) : value, c.factor));
  return c.per === undefined ? product : product / c.per;
}
