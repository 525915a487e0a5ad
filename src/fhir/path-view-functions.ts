import { Fault } from '../core/fault.js';
import { Decimal, digitsOf, numberOf } from '../core/json.js';
import type { Resource } from '../core/resource.js';
import { ANY, collected, type Emit, PUSH } from './path-emit.js';
import { argument, type Call, type Compile, source } from './path-functions.js';
import type { PathNode } from './path-parser.js';
import { referenceTypeOf } from './reference-type.js';

/**
 * The functions that SQL on FHIR adds to FHIRPath or leans on, and its sums. `matches` and its like are left out on
 * purpose: their patterns come from whoever writes a view, and one of them can hold a thread for minutes.
 */

/** Digits a double holds for certain; what comes after them is noise of the sum (0.1 + 0.2). */
const CERTAIN_DIGITS = 15;

function rounded(value: number): number | undefined {
  return Number.isFinite(value) ? Number(value.toPrecision(CERTAIN_DIGITS)) : undefined;
}

/** FHIRPath N1, 6.6. Undefined where FHIRPath says empty: dividing by nothing, adding what is no number. */
export function calculated(op: string, a: unknown, b: unknown): number | string | undefined {
  if (typeof a === 'string' || typeof b === 'string')
    return op === '+' && typeof a === 'string' && typeof b === 'string' ? a + b : undefined;
  const x = numberOf(a);
  const y = numberOf(b);
  if (x === undefined || y === undefined) return undefined;
  switch (op) {
    case '+':
      return rounded(x + y);
    case '-':
      return rounded(x - y);
    case '*':
      return rounded(x * y);
    case '/':
      return y === 0 ? undefined : rounded(x / y);
    case 'div':
      return y === 0 ? undefined : Math.trunc(x / y);
    default:
      return y === 0 ? undefined : rounded(x % y);
  }
}

/** A new value of each value that `change` has one for; `type` of the results, or that of the values. */
function each(
  change: (value: unknown, type: string, call: Call, resource: Resource) => unknown,
  type?: string,
): Compile {
  return (call) =>
    call.build(call.of, call.type, call.root, (t) => {
      const after = call.next(type ?? t);
      return (value, resource, out) => {
        const changed = change(value, t, call, resource);
        if (changed !== undefined) after(changed, resource, out);
      };
    });
}

function math(change: (value: number, argument: number | undefined) => number, type: string): Compile {
  return (call) => {
    const arg = call.args[0];
    if (arg && (arg.kind !== 'literal' || typeof arg.value !== 'number'))
      throw new Fault('invalid', `The function ${call.name}() needs a number.`, { at: 'expression' });
    const given = arg?.kind === 'literal' ? Number(arg.value) : undefined;
    return each((value) => {
      const n = numberOf(value);
      return n === undefined ? undefined : rounded(change(n, given));
    }, type)(call);
  };
}

/** The name of a type as an argument: `Patient`, `FHIR.Patient` or `'Patient'`. */
function typeArgument(node: PathNode | undefined): string | undefined {
  if (!node) return undefined;
  if (node.kind === 'member') return node.name;
  if (node.kind === 'literal' && typeof node.value === 'string') return node.value;
  throw new Fault('invalid', 'getReferenceKey() takes the name of a resource type.', { at: 'expression' });
}

/**
 * The key that `getResourceKey()` gives of the resource referred to: its id. What is not kept here, such as another
 * server's resource, keeps its whole address and so equals no key of ours.
 */
function referenceKey(reference: unknown): string | undefined {
  const text = (reference as { reference?: unknown } | null)?.reference;
  if (typeof text !== 'string' || text.startsWith('#')) return undefined;
  const local = /^[A-Z][A-Za-z]+\/([A-Za-z0-9\-.]{1,64})(?:\/_history\/[A-Za-z0-9\-.]{1,64})?$/.exec(text);
  return local ? local[1] : text;
}

const textOf = (value: unknown) => (typeof value === 'string' ? value : digitsOf(value));

/** A text of one argument, which may be an expression. */
function textArgument(call: Call, i: number): (value: unknown, resource: Resource) => string | undefined {
  const emit: Emit = call.build(argument(call, i), call.type, call.root, () => PUSH);
  return (value, resource) => textOf(collected(emit, value, resource)[0]);
}

export const VIEW_FUNCTIONS: Readonly<Record<string, Compile>> = {
  join: (call) => {
    const collect = source(call);
    const separator = call.args[0] ? textArgument(call, 0) : () => '';
    const after = call.next('string');
    return (value, resource, out) =>
      after(
        collected(collect, value, resource)
          .map((v) => textOf(v) ?? String(v))
          .join(separator(value, resource) ?? ''),
        resource,
        out,
      );
  },
  getResourceKey: each((value) => {
    const id = (value as Resource | null)?.id;
    return typeof id === 'string' ? id : undefined;
  }, 'string'),
  getReferenceKey: (call) => {
    const type = typeArgument(call.args[0]);
    return each(
      (value, _type, _call, resource) =>
        type === undefined || referenceTypeOf(value, resource) === type ? referenceKey(value) : undefined,
      'string',
    )(call);
  },
  lowBoundary: each((value, type) => boundary(value, type, 'low')),
  highBoundary: each((value, type) => boundary(value, type, 'high')),
  abs: math(Math.abs, 'decimal'),
  ceiling: math(Math.ceil, 'integer'),
  floor: math(Math.floor, 'integer'),
  truncate: math(Math.trunc, 'integer'),
  round: math((v, digits = 0) => {
    const factor = 10 ** Math.min(Math.max(Math.trunc(digits), 0), CERTAIN_DIGITS);
    return Math.round(v * factor) / factor;
  }, 'decimal'),
  sqrt: math(Math.sqrt, 'decimal'),
  exp: math(Math.exp, 'decimal'),
  ln: math(Math.log, 'decimal'),
  log: math((v, base = 10) => Math.log(v) / Math.log(base), 'decimal'),
  power: math((v, exponent = 1) => v ** exponent, 'decimal'),
  toDecimal: each((value) => {
    if (typeof value === 'boolean') return value ? 1 : 0;
    if (typeof value !== 'string') return numberOf(value) === undefined ? undefined : value;
    return /^[-+]?\d{1,30}(\.\d{1,30})?$/.test(value) ? Number(value) : undefined;
  }, 'decimal'),
  replace: (call) => {
    const pattern = textArgument(call, 0);
    const by = textArgument(call, 1);
    return each((value, _type, _call, resource) => {
      const [from, to] = [pattern(value, resource), by(value, resource)];
      return typeof value === 'string' && from !== undefined && to !== undefined
        ? value.replaceAll(from, () => to)
        : undefined;
    }, 'string')(call);
  },
  indexOf: (call) => {
    const wanted = textArgument(call, 0);
    return each((value, _type, _call, resource) => {
      const text = wanted(value, resource);
      return typeof value === 'string' && text !== undefined ? value.indexOf(text) : undefined;
    }, 'integer')(call);
  },
};

type Side = 'low' | 'high';

/** FHIRPath (continuous build) `lowBoundary`, `highBoundary`: what a value of its precision may at least and at most be. */
function boundary(value: unknown, staticType: string, side: Side): unknown {
  const digits = digitsOf(value);
  if (digits !== undefined) return decimalBoundary(digits, side);
  if (typeof value !== 'string') return undefined;
  const type = staticType === ANY || staticType === 'string' ? formOf(value) : staticType;
  switch (type) {
    case 'date':
      return dateBoundary(value, side);
    case 'dateTime':
    case 'instant':
      return dateTimeBoundary(value, side);
    case 'time':
      return timeBoundary(value, side);
    default:
      return undefined;
  }
}

function formOf(text: string): string | undefined {
  if (/^\d{4}(-\d\d(-\d\d)?)?$/.test(text)) return 'date';
  if (/^\d{4}-\d\d-\d\dT/.test(text)) return 'dateTime';
  return /^\d\d:\d\d/.test(text) ? 'time' : undefined;
}

/** Half of the last digit given, below or above; the digits count, so `1.0` is between 0.95 and 1.05. */
function decimalBoundary(digits: string, side: Side): number | Decimal | undefined {
  const parts = /^(-?)(\d{1,100})(?:\.(\d{1,100}))?$/.exec(digits);
  if (!parts) return undefined;
  const [, sign, whole, fraction = ''] = parts;
  const scaled =
    BigInt(`${whole}${fraction}`) * 10n * (sign === '-' ? -1n : 1n) + (side === 'low' ? -5n : 5n);
  const places = fraction.length + 1;
  const text = (scaled < 0n ? -scaled : scaled).toString().padStart(places + 1, '0');
  const raw = `${scaled < 0n ? '-' : ''}${text.slice(0, -places)}.${text.slice(-places)}`;
  return String(Number(raw)) === raw ? Number(raw) : new Decimal(raw);
}

function dateBoundary(text: string, side: Side): string | undefined {
  const parts = /^(\d{4})(?:-(\d\d))?(?:-(\d\d))?/.exec(text);
  if (!parts) return undefined;
  const [, year, month = side === 'low' ? '01' : '12', day] = parts;
  if (day !== undefined) return `${year}-${month}-${day}`;
  const last = new Date(Date.UTC(Number(year), Number(month), 0)).getUTCDate();
  return `${year}-${month}-${side === 'low' ? '01' : last}`;
}

function timeBoundary(text: string, side: Side): string | undefined {
  const parts = /^(\d\d)(?::(\d\d))?(?::(\d\d))?(?:\.(\d+))?/.exec(text);
  if (!parts) return undefined;
  const [, hour, minute, second, fraction = ''] = parts;
  const most = side === 'low' ? '00' : '59';
  return `${hour}:${minute ?? most}:${second ?? most}.${fraction.padEnd(3, side === 'low' ? '0' : '9')}`;
}

/** Without a zone it may have been written in any: the earliest is +14:00, the latest -12:00. */
function dateTimeBoundary(text: string, side: Side): string | undefined {
  const [day, clock] = text.split('T') as [string, string | undefined];
  const date = dateBoundary(day, side);
  if (date === undefined) return undefined;
  const zone = clock === undefined ? undefined : /(Z|[-+]\d\d:\d\d)$/.exec(clock)?.[1];
  const time =
    clock === undefined
      ? side === 'low'
        ? '00:00:00.000'
        : '23:59:59.999'
      : timeBoundary(zone ? clock.slice(0, -zone.length) : clock, side);
  return time && `${date}T${time}${zone ?? (side === 'low' ? '+14:00' : '-12:00')}`;
}
