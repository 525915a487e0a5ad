import { Fault } from '../core/fault.js';
import type { SearchParameter } from '../fhir/registry.js';
import { componentsOf } from '../indexing/index.js';
import type { SearchValue } from '../indexing/parameter-type.js';
import { brokenAt, type Comparison, type Expression, type Path, parseExpression } from './filter-syntax.js';
import { escapeText } from './syntax.js';
import { allOf, anyOf, type Node } from './tree.js';

/**
 * The meaning of `_filter` (R4 search_filter.html#ops). A comparison becomes what the plain parameter with a prefix or
 * modifier would be, so that both are answered alike; what plain parameters cannot say is a `value-test`.
 */

/** How names of parameters are followed; what `parse.ts` does for plain parameters. */
export interface Names {
  find(type: string, code: string): SearchParameter | undefined;
  /** One plain search parameter with its value. */
  plain(type: string, code: string, modifier: string | undefined, value: string): Node;
  /** Follows the references of a name; `leaf` makes the end of it. */
  follow(
    type: string,
    name: string,
    leaf: (type: string, code: string, modifier: string | undefined) => Node,
  ): Node;
  /** The targets of a reference that satisfy `of`, of each type that has what `of` needs. */
  chain(type: string, code: string, target: string | undefined, of: (target: string) => Node): Node;
}

/** @throws Fault `invalid` at `_filter` naming the position, `unsupported` for operators that do not apply. */
export function parseFilterExpression(type: string, text: string, names: Names): Node {
  return build(type, parseExpression(text), names);
}

function build(type: string, expression: Expression, names: Names): Node {
  switch (expression.kind) {
    case 'and':
      return allOf(expression.of.map((e) => build(type, e, names)));
    case 'or':
      return anyOf(expression.of.map((e) => build(type, e, names)));
    case 'not':
      return { kind: 'not', of: build(type, expression.of, names) };
    case 'comparison':
      return onPath(type, expression.path, expression, names);
  }
}

function onPath(type: string, path: Path, comparison: Comparison, names: Names): Node {
  const { within } = path;
  return names.follow(type, path.name, (at, code, modifier) => {
    if (!within) return compare(at, code, modifier, comparison, names);
    const parameter = names.find(at, code);
    if (parameter?.type === 'composite') return onElement(parameter, within, comparison, names);
    return names.chain(at, code, modifier, (target) =>
      allOf([build(target, within.filter, names), onPath(target, within.rest, comparison, names)]),
    );
  });
}

/** `code-value-quantity[code eq loinc|1].value-quantity gt 5`: both of one element, which a composite value says. */
function onElement(
  parameter: SearchParameter,
  { filter, rest }: NonNullable<Path['within']>,
  comparison: Comparison,
  names: Names,
): Node {
  const given = [...conjunctsOf(filter), { ...comparison, path: rest }];
  const components = componentsOf(parameter);
  const parts = components.map(({ parameter: component }) => {
    const [one, more] = given.filter(
      (c) =>
        c?.path.within === undefined &&
        (c?.path.name === component.code || component.code.endsWith(`-${c?.path.name}`)),
    );
    return more ? undefined : one && partOf(component, one);
  });
  const value = parts.every((p) => p !== undefined) ? parts.join('$') : undefined;
  if (value === undefined || given.length !== components.length)
    throw brokenAt(
      comparison.at,
      `${parameter.code} needs one comparison with each of its parts, joined by and`,
      `Its parts are ${components.map((c) => c.parameter.code).join(' and ')}.`,
    );
  return names.plain(parameter.base, parameter.code, undefined, value);
}

function conjunctsOf(filter: Expression): (Comparison | undefined)[] {
  if (filter.kind === 'and') return filter.of.flatMap(conjunctsOf);
  return [filter.kind === 'comparison' ? filter : undefined];
}

function partOf(component: SearchParameter, { operator, value, quoted }: Comparison): string | undefined {
  const text = valueText(component, value, quoted);
  if (operator === 'eq' || (operator === 're' && component.type === 'reference')) return text;
  return PREFIXES.has(operator) && ORDERED.has(component.type) ? `${operator}${text}` : undefined;
}

const ORDERED: ReadonlySet<string> = new Set(['date', 'number', 'quantity']);
const PREFIXES: ReadonlySet<string> = new Set(['gt', 'lt', 'ge', 'le', 'ap', 'sa', 'eb']);

/** Names of code systems that the specification predefines. */
const SYSTEMS: Readonly<Record<string, string>> = {
  loinc: 'http://loinc.org',
  snomed: 'http://snomed.info/sct',
  rxnorm: 'http://www.nlm.nih.gov/research/umls/rxnorm',
  ucum: 'http://unitsofmeasure.org',
};

/** The value as a plain search parameter would have it: no separators but those of its type. */
function valueText(parameter: SearchParameter | undefined, value: string, quoted: boolean): string {
  switch (parameter?.type) {
    case 'token':
      return value
        .replace(/[,$]/g, '\\$&')
        .replace(/^(loinc|snomed|rxnorm|ucum)\|/, (_, name: string) => `${SYSTEMS[name]}|`);
    case 'quantity':
      return value.replace(/[,$]/g, '\\$&').replace(/\|ucum\|/, `|${SYSTEMS.ucum}|`);
    case 'reference':
      return value.replace(/[,$]/g, '\\$&');
    case 'composite':
      return value
        .replace(/,/g, '\\,')
        .replace(
          /(^|\$)(loinc|snomed|rxnorm)\|/g,
          (_, before: string, name: string) => `${before}${SYSTEMS[name]}|`,
        )
        .replace(/\|ucum\|/g, `|${SYSTEMS.ucum}|`);
    case 'special':
      return value;
    default:
      return quoted || parameter?.type === 'string' ? escapeText(value) : value.replace(/[,$]/g, '\\$&');
  }
}

function compare(
  type: string,
  name: string,
  modifier: string | undefined,
  comparison: Comparison,
  names: Names,
): Node {
  const { operator, value, quoted, at } = comparison;
  // The specification's own examples say `subject.id`.
  const code = name === 'id' && !names.find(type, 'id') ? '_id' : name;
  const parameter = names.find(type, code);
  const text = valueText(parameter, value, quoted);
  const plain = (m: string | undefined, v = text) => names.plain(type, code, m, v);
  if (operator === 'pr') {
    if (value !== 'true' && value !== 'false') throw brokenAt(at, 'after pr comes true or false');
    return plain('missing', value === 'true' ? 'false' : 'true');
  }
  // A modifier, which the grammar does not have but plain parameters do, goes with eq alone.
  if (modifier !== undefined) {
    if (operator !== 'eq') throw doesNotApply(operator, `${code}:${modifier.slice(0, 32)}`, at);
    return plain(modifier);
  }
  if (!parameter) return plain(undefined);
  if (parameter.type === 'string') return onString(parameter, operator, value, plain, at);
  switch (operator) {
    case 'eq':
      return plain(undefined);
    case 'ne':
      return unequal(parameter, plain, text);
    case 'gt':
    case 'lt':
    case 'ge':
    case 'le':
    case 'ap':
    case 'sa':
    case 'eb':
      if (ORDERED.has(parameter.type)) return plain(undefined, `${operator}${text}`);
      break;
    case 'po':
    case 'co':
      if (parameter.type === 'date' && code !== '_lastUpdated') {
        // Understood as a date first, so that what is none is refused alike.
        plain(undefined);
        return {
          kind: 'parameter',
          query: { parameter, modifier: undefined, values: [{ prefix: operator, text: value }] },
        };
      }
      break;
    case 're':
      if (parameter.type === 'reference') return plain(undefined);
      break;
    case 'in':
    case 'ni':
      if (parameter.type === 'token') return plain(operator === 'in' ? 'in' : 'not-in', escapeText(value));
      break;
    case 'ss':
    case 'sb':
      if (parameter.type === 'token') return plain(operator === 'ss' ? 'below' : 'above');
      break;
    default:
      if (!STRING_ALONE.has(operator))
        throw brokenAt(at, 'the operator is none of the language', `Use one of ${OPERATORS.join(' ')}.`);
  }
  throw doesNotApply(operator, code, at);
}

const STRING_ALONE: ReadonlySet<string> = new Set(['sw', 'ew']);
const OPERATORS = 'eq ne co sw ew gt lt ge le ap sa eb pr po ss sb in ni re'.split(' ');

function doesNotApply(operator: string, code: string, at: number): Fault {
  return new Fault('unsupported', `The operator ${operator} at character ${at} does not apply to ${code}.`, {
    at: '_filter',
    remedy: 'Use one that its type has (R4 search_filter.html#ops).',
  });
}

/** "An item in the set has an unequal value": what has none does not match. */
function unequal(
  parameter: SearchParameter,
  plain: (modifier: string | undefined, value?: string) => Node,
  text: string,
): Node {
  if (ORDERED.has(parameter.type)) return plain(undefined, `ne${text}`);
  const equal = plain(undefined);
  const present = plain('missing', 'false');
  if (equal.kind !== 'parameter') return allOf([present, { kind: 'not', of: equal }]);
  return { kind: 'value-test', test: 'unequal', query: equal.query };
}

/** Strings are compared whatever case and accents; the index finds those that begin so, or have a value at all. */
function onString(
  parameter: SearchParameter,
  operator: string,
  value: string,
  plain: (modifier: string | undefined, value?: string) => Node,
  at: number,
): Node {
  const values: SearchValue[] = [{ prefix: 'eq', text: value }];
  switch (operator) {
    case 'co':
      return plain('contains');
    case 'sw':
      return plain(undefined);
    case 'eq':
    case 'ne':
    case 'ew':
    case 'gt':
    case 'lt':
    case 'ge':
    case 'le':
      // Understood as a plain parameter as well, so that what cannot be understood is refused alike.
      plain(undefined);
      return {
        kind: 'value-test',
        test: TESTS[operator],
        query: { parameter, modifier: undefined, values },
      };
    default:
      if (!OPERATORS.includes(operator))
        throw brokenAt(at, 'the operator is none of the language', `Use one of ${OPERATORS.join(' ')}.`);
      throw doesNotApply(operator, parameter.code, at);
  }
}

const TESTS = {
  eq: 'equals',
  ne: 'unequal',
  ew: 'ends',
  gt: 'after',
  lt: 'before',
  ge: 'from',
  le: 'to',
} as const;
