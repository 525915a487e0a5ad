import { type Blind, termText } from '../core/blind.js';
import { digitsOf, numberOf } from '../core/json.js';
import { anyOf } from './clauses.js';
import { type ExactDecimal, impliedRange, nextDown, nextUp, parseDecimal, toNumber } from './decimals.js';
import type {
  Clause,
  CompiledParameter,
  IndexContext,
  ParameterQuery,
  ParameterType,
  RowSink,
  SearchValue,
} from './parameter-type.js';
import { badValue, unsupportedModifier } from './refusal.js';
import { KINDS, parameterTerms, term } from './terms.js';
import { CONVERTED_UNITS, canonicalUnit, plainUnit, toCanonical, UCUM } from './units.js';
import { splitEscaped } from './values.js';

/** Ends of ranges that are open; a finite double, since infinities do not survive every format. */
const LOWEST = -Number.MAX_VALUE;
export const HIGHEST = Number.MAX_VALUE;

/** SampledData with more points than this is indexed by its first ones. */
const MAX_SAMPLED_POINTS = 10_000;

type Object_ = Record<string, unknown>;

/** A number in a resource: the closed range it covers, as doubles, and its unit. */
interface Measured {
  readonly lo: number;
  readonly hi: number;
  /** As written, where the value is one plain number; used to convert without rounding twice. */
  readonly digits: string | undefined;
  readonly system: string | undefined;
  readonly code: string | undefined;
  readonly unit: string | undefined;
}

/** Reads number, Quantity (Age, Duration, Money too), Range and SampledData. */
export function measuredOf(value: unknown): Measured | undefined {
  const plain = numberOf(value);
  if (plain !== undefined) return ranged(plain, plain, value, {});
  if (typeof value !== 'object' || value === null) return undefined;
  const v = value as Object_;
  if (v.low !== undefined || v.high !== undefined) return rangeOf(v);
  if (v.origin !== undefined) return sampled(v);
  const number = numberOf(v.value);
  if (number === undefined) return undefined;
  switch (v.comparator) {
    case '<':
      return ranged(LOWEST, nextDown(number), undefined, v);
    case '<=':
      return ranged(LOWEST, number, undefined, v);
    case '>':
      return ranged(nextUp(number), HIGHEST, undefined, v);
    case '>=':
      return ranged(number, HIGHEST, undefined, v);
    default:
      return ranged(number, number, v.value, v);
  }
}

function ranged(lo: number, hi: number, source: unknown, v: Object_): Measured {
  const money = typeof v.currency === 'string' ? v.currency : undefined;
  return {
    lo: bounded(lo),
    hi: bounded(hi),
    digits: digitsOf(source),
    system: money === undefined ? text(v.system) : 'urn:iso:std:iso:4217',
    code: money ?? text(v.code),
    unit: text(v.unit),
  };
}

function rangeOf(range: Object_): Measured | undefined {
  const low = range.low as Object_ | undefined;
  const high = range.high as Object_ | undefined;
  const lo = numberOf(low?.value);
  const hi = numberOf(high?.value);
  if (lo === undefined && hi === undefined) return undefined;
  return ranged(lo ?? LOWEST, hi ?? HIGHEST, undefined, low ?? high!);
}

function sampled(data: Object_): Measured | undefined {
  const origin = data.origin as Object_;
  const zero = numberOf(origin?.value) ?? 0;
  const factor = numberOf(data.factor) ?? 1;
  const points = (typeof data.data === 'string' ? data.data : '')
    .split(' ', MAX_SAMPLED_POINTS)
    .map((p) => (p === '' ? Number.NaN : zero + factor * Number(p)))
    .filter((p) => !Number.isNaN(p));
  if (points.length === 0) return undefined;
  const lo = points.reduce((a, b) => Math.min(a, b));
  const hi = points.reduce((a, b) => Math.max(a, b));
  return ranged(lo, hi, undefined, origin);
}

function bounded(x: number): number {
  return Math.min(HIGHEST, Math.max(LOWEST, x));
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** How a row's unit is named: UCUM without annotations, other systems as they are. */
function unitTerm(context: IndexContext, system: string, code: string): bigint {
  return context.blind(termText(KINDS.unit, system, system === UCUM ? plainUnit(code) : code));
}

const convertedUnits = new WeakMap<Blind, readonly bigint[]>();

/** The units of rows as written that have a converted row beside them (`addQuantityRows`); made once for a tenant. */
export function convertedUnitTerms(context: IndexContext): readonly bigint[] {
  let terms = convertedUnits.get(context.blind);
  if (!terms) {
    terms = CONVERTED_UNITS.map((unit) => unitTerm(context, UCUM, unit));
    convertedUnits.set(context.blind, terms);
  }
  return terms;
}

/**
 * Adds the rows of one value under `raw` (the value as written) and, where its unit has a canonical other than
 * itself, under `canonical` (the converted value).
 */
export function addQuantityRows(
  m: Measured,
  raw: bigint,
  canonical: () => bigint,
  to: RowSink,
  context: IndexContext,
): void {
  const unit = m.system !== undefined && m.code !== undefined ? unitTerm(context, m.system, m.code) : 0n;
  to.quantity({ term: raw, unit, lo: m.lo, hi: m.hi });
  const converted = inCanonical(m);
  if (converted && converted.unit !== plainUnit(m.code!)) {
    to.quantity({
      term: canonical(),
      unit: unitTerm(context, UCUM, converted.unit),
      lo: converted.lo,
      hi: converted.hi,
    });
  }
}

function inCanonical(m: Measured): { unit: string; lo: number; hi: number } | undefined {
  if (m.system !== UCUM || m.code === undefined) return undefined;
  const unit = plainUnit(m.code);
  const wanted = canonicalUnit(unit);
  if (wanted === undefined) return undefined;
  if (wanted === unit) return { unit, lo: m.lo, hi: m.hi };
  const end = (x: number): number => {
    if (x === LOWEST || x === HIGHEST) return x;
    const exact = parseDecimal(m.digits ?? String(x));
    return exact ? toCanonical(exact, unit) : x;
  };
  return { unit: wanted, lo: end(m.lo), hi: end(m.hi) };
}

/** The number results are sorted by: in its kind's canonical unit, where it begins, or ends where it has no beginning. */
export function comparableNumber(value: unknown): number | undefined {
  const m = measuredOf(value);
  if (!m) return undefined;
  const { lo, hi } = inCanonical(m) ?? m;
  return lo === LOWEST ? hi : lo;
}

/** A searched number, with its ends still exact. */
interface Searched {
  readonly prefix: SearchValue['prefix'];
  readonly value: ExactDecimal;
  readonly from: ExactDecimal;
  readonly to: ExactDecimal;
  /** Undefined: any unit. `''`: the code or word whatever its system. */
  readonly system: string | undefined;
  readonly code: string | undefined;
}

function searchedOf(query: ParameterQuery, value: SearchValue): Searched {
  const parts = splitEscaped(value.text, '|');
  const [number = '', system, code] = parts;
  const exact = parseDecimal(number);
  const bare = query.parameter.type === 'number';
  if (!exact || (bare ? parts.length > 1 : parts.length !== 1 && (parts.length !== 3 || !code))) {
    throw badValue(
      query,
      bare ? 'a number' : 'a quantity',
      bare ? 'Write it as 5.4 or 1e-3.' : 'Write it as number, number|system|code or number||code.',
    );
  }
  return { prefix: value.prefix, value: exact, ...impliedRange(number, exact), system, code };
}

interface Bounds {
  readonly loMin?: number;
  readonly loMax?: number;
  readonly hiMin?: number;
  readonly hiMax?: number;
}

/**
 * R4 search.html#prefix: `eq` and `ne` by what the digits imply, the others by the number as it stands. `number`
 * turns an exact end into a double of the unit the rows are in; it must keep the order.
 */
function boundsOf(s: Searched, number: (d: ExactDecimal) => number): Bounds[] {
  const v = number(s.value);
  // With more digits than a double has, both ends may round onto the value itself, which is always inside.
  const from = Math.min(number(s.from), v);
  const to = Math.max(nextDown(number(s.to)), v);
  switch (s.prefix) {
    case 'eq':
    case 'po':
    case 'co':
      return [{ loMin: from, hiMax: to }];
    case 'ne':
      return [{ loMax: nextDown(from) }, { hiMin: nextUp(to) }];
    case 'gt':
      return [{ hiMin: nextUp(v) }];
    case 'lt':
      return [{ loMax: nextDown(v) }];
    case 'ge':
      return [{ hiMin: v }];
    case 'le':
      return [{ loMax: v }];
    case 'sa':
      return [{ loMin: nextUp(v) }];
    case 'eb':
      return [{ hiMax: nextDown(v) }];
    case 'ap': {
      const slack = {
        mantissa: s.value.mantissa < 0n ? -s.value.mantissa : s.value.mantissa,
        exponent: s.value.exponent - 1,
      };
      const minus = { mantissa: -slack.mantissa, exponent: slack.exponent };
      return [{ loMax: number(sum(s.value, slack)), hiMin: number(sum(s.value, minus)) }];
    }
  }
}

function sum(a: ExactDecimal, b: ExactDecimal): ExactDecimal {
  const exponent = Math.min(a.exponent, b.exponent);
  const scale = (d: ExactDecimal) => d.mantissa * 10n ** BigInt(d.exponent - exponent);
  return { mantissa: scale(a) + scale(b), exponent };
}

function holds(m: { lo: number; hi: number }, b: Bounds): boolean {
  return (
    (b.loMin === undefined || m.lo >= b.loMin) &&
    (b.loMax === undefined || m.lo <= b.loMax) &&
    (b.hiMin === undefined || m.hi >= b.hiMin) &&
    (b.hiMax === undefined || m.hi <= b.hiMax)
  );
}

/** The clauses for one searched quantity on rows under `raw` and `canonical`. */
export function quantityClause(
  query: ParameterQuery,
  value: SearchValue,
  raw: bigint,
  canonical: bigint,
  context: IndexContext,
): CompiledParameter {
  const s = searchedOf(query, value);
  const rows = (
    t: bigint,
    unit: bigint | undefined,
    number: (d: ExactDecimal) => number,
  ): CompiledParameter[] =>
    boundsOf(s, number).map((b) => {
      const clause: Clause = { kind: 'quantity', term: t, ...(unit === undefined ? {} : { unit }), ...b };
      return { clause, exact: true };
    });
  if (s.code === undefined) return anyOf(rows(raw, undefined, toNumber));
  if (s.system === '') {
    // The unit stands among the terms, not beside the number: of several values another may have it.
    const named: Clause = { kind: 'all-terms', terms: [term(context, 'unitText', query.parameter, s.code)] };
    const { clause } = anyOf(rows(raw, undefined, toNumber));
    return { clause: { kind: 'and', of: [named, clause] }, exact: false };
  }
  const unit = s.system === UCUM ? plainUnit(s.code) : s.code;
  const kind = s.system === UCUM ? canonicalUnit(unit) : undefined;
  if (kind === undefined) return anyOf(rows(raw, unitTerm(context, s.system!, s.code), toNumber));
  const inKind = unit === kind ? toNumber : (d: ExactDecimal) => toCanonical(d, unit);
  const kindTerm = unitTerm(context, UCUM, kind);
  // Values written in the canonical unit have no second row.
  return anyOf([...rows(raw, kindTerm, inKind), ...rows(canonical, kindTerm, inKind)]);
}

/** Whether a value of a resource satisfies a searched quantity. */
export function quantityMatches(query: ParameterQuery, value: SearchValue, m: Measured): boolean {
  const s = searchedOf(query, value);
  if (s.code === undefined) return boundsOf(s, toNumber).some((b) => holds(m, b));
  if (s.system === '')
    return (m.code === s.code || m.unit === s.code) && boundsOf(s, toNumber).some((b) => holds(m, b));
  const unit = s.system === UCUM ? plainUnit(s.code) : s.code;
  const kind = s.system === UCUM ? canonicalUnit(unit) : undefined;
  if (kind === undefined) {
    const theirs = m.system === UCUM && m.code !== undefined ? plainUnit(m.code) : m.code;
    return m.system === s.system && theirs === unit && boundsOf(s, toNumber).some((b) => holds(m, b));
  }
  const converted = inCanonical(m);
  if (converted?.unit !== kind) return false;
  const inKind = unit === kind ? toNumber : (d: ExactDecimal) => toCanonical(d, unit);
  return boundsOf(s, inKind).some((b) => holds(converted, b));
}

/** Numbers and quantities, by range. R4 search.html#number, #quantity. */
export const quantityParameter: ParameterType = {
  extract(parameter, values, _resource, to, context) {
    for (const value of values) {
      const m = measuredOf(value);
      if (!m) continue;
      const terms = parameterTerms(context, parameter);
      addQuantityRows(m, terms.fixed('quantity'), () => terms.fixed('canonicalQuantity'), to, context);
      if (m.code !== undefined) to.term(terms.one('unitText', m.code));
      if (m.unit !== undefined && m.unit !== m.code) to.term(terms.one('unitText', m.unit));
    }
  },

  compile(query, context) {
    if (query.modifier !== undefined) {
      throw unsupportedModifier(query, 'Numbers and quantities have :missing only; use prefixes such as gt.');
    }
    const raw = term(context, 'quantity', query.parameter);
    const canonical = term(context, 'canonicalQuantity', query.parameter);
    return anyOf(query.values.map((v) => quantityClause(query, v, raw, canonical, context)));
  },

  matches(query, values) {
    const measured = values.map(measuredOf).filter((m) => m !== undefined);
    return query.values.some((v) => measured.some((m) => quantityMatches(query, v, m)));
  },
};
