import { Fault, invalid } from '../core/fault.js';
import type { ParameterRegistry, SearchParameter } from '../fhir/registry.js';
import type { SearchValue } from '../indexing/parameter-type.js';
import { MAX_CHAIN_STEPS } from './request.js';
import { escapeText } from './syntax.js';
import { allOf, anyOf, type Node } from './tree.js';

/**
 * The `_filter` language (R4 search_filter.html): comparisons of search parameters put together with `and`, `or`, `not`
 * and parentheses. `and` binds more strongly than `or`. A comparison becomes what the plain parameter with a prefix or
 * modifier would be, so that both are answered alike.
 */

/** Parses one search parameter with its value, as in a query string. */
export type ParseParameter = (type: string, name: string, value: string) => Node;

const MAX_FILTER_CHARS = 8_192;
const MAX_COMPARISONS = 100;
const MAX_DEPTH = 32;

type Lexeme = { readonly kind: 'word' | 'string' | 'open' | 'close'; readonly text: string };

/** @throws Fault `invalid` at `_filter`, `unsupported` for operators that are not served. */
export function parseFilterExpression(
  type: string,
  text: string,
  parameter: ParseParameter,
  registry: ParameterRegistry,
): Node {
  if (text.length > MAX_FILTER_CHARS) throw broken(`it is longer than ${MAX_FILTER_CHARS} characters`);
  const parser = new Parser(type, lexemes(text), parameter, registry);
  return parser.whole();
}

function broken(why: string): Fault {
  return invalid(
    `The filter cannot be read: ${why}.`,
    '_filter',
    'Write it as: given eq "peter" and birthdate ge 2014-10-10.',
  );
}

function lexemes(text: string): Lexeme[] {
  const found: Lexeme[] = [];
  let i = 0;
  while (i < text.length) {
    const c = text[i]!;
    if (/\s/.test(c)) i++;
    else if (c === '(' || c === ')') {
      found.push({ kind: c === '(' ? 'open' : 'close', text: c });
      i++;
    } else if (c === '"') {
      const [value, end] = quoted(text, i + 1);
      found.push({ kind: 'string', text: value });
      i = end;
    } else {
      const start = i;
      while (i < text.length && !/[\s()"]/.test(text[i]!)) i++;
      found.push({ kind: 'word', text: text.slice(start, i) });
    }
  }
  return found;
}

/** JSON's escapes, as the grammar says. */
function quoted(text: string, from: number): [value: string, end: number] {
  let value = '';
  for (let i = from; i < text.length; i++) {
    const c = text[i]!;
    if (c === '"') return [value, i + 1];
    if (c === '\\') value += ESCAPES[text[++i] ?? ''] ?? text[i] ?? '';
    else value += c;
  }
  throw broken('a quotation mark is not closed');
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t' };

class Parser {
  #at = 0;
  #comparisons = 0;

  constructor(
    private readonly type: string,
    private readonly lexemes: readonly Lexeme[],
    private readonly parameter: ParseParameter,
    private readonly registry: ParameterRegistry,
  ) {}

  whole(): Node {
    const node = this.#or(0);
    if (this.#at < this.lexemes.length) throw broken('something is left over at its end');
    return node;
  }

  #or(depth: number): Node {
    const parts = [this.#and(depth)];
    while (this.#take('or')) parts.push(this.#and(depth));
    return anyOf(parts);
  }

  #and(depth: number): Node {
    const parts = [this.#one(depth)];
    while (this.#take('and')) parts.push(this.#one(depth));
    return allOf(parts);
  }

  #one(depth: number): Node {
    if (depth > MAX_DEPTH) throw broken(`it is nested more than ${MAX_DEPTH} deep`);
    if (this.#take('not')) {
      if (this.#peek()?.kind !== 'open') throw broken('after not comes a parenthesis');
      return { kind: 'not', of: this.#one(depth + 1) };
    }
    if (this.#peek()?.kind === 'open') {
      this.#at++;
      const node = this.#or(depth + 1);
      if (this.lexemes[this.#at++]?.kind !== 'close') throw broken('a parenthesis is not closed');
      return node;
    }
    return this.#comparison();
  }

  #comparison(): Node {
    if (++this.#comparisons > MAX_COMPARISONS)
      throw broken(`it has more than ${MAX_COMPARISONS} comparisons`);
    const path = this.lexemes[this.#at++];
    const operator = this.lexemes[this.#at++];
    const value = this.lexemes[this.#at++];
    if (
      path?.kind !== 'word' ||
      operator?.kind !== 'word' ||
      !value ||
      value.kind === 'open' ||
      value.kind === 'close'
    )
      throw broken('a comparison is a parameter, an operator and a value');
    if (path.text.includes('[')) throw notServed('Conditions in brackets');
    return comparison(
      this.type,
      path.text,
      operator.text,
      value.text,
      value.kind === 'string',
      this.parameter,
      this.registry,
    );
  }

  #peek(): Lexeme | undefined {
    return this.lexemes[this.#at];
  }

  #take(word: string): boolean {
    const next = this.#peek();
    if (next?.kind !== 'word' || next.text !== word) return false;
    this.#at++;
    return true;
  }
}

function notServed(what: string): Fault {
  return new Fault('unsupported', `${what} cannot be used in a filter here.`, {
    at: '_filter',
    remedy: 'Use plain search parameters, or another operator.',
  });
}

/** `subject.name co "pet"`: the path's references are followed as a chain, its last parameter is compared. */
function comparison(
  type: string,
  path: string,
  operator: string,
  value: string,
  isString: boolean,
  parse: ParseParameter,
  registry: ParameterRegistry,
): Node {
  const steps = path.split('.');
  if (steps.length > MAX_CHAIN_STEPS) throw broken(`a path has more than ${MAX_CHAIN_STEPS} steps`);
  const last = steps.at(-1)!;
  const reference = steps.length === 1 ? registry.find(type, last) : undefined;
  const named = (suffix: string, text: string) => parse(type, `${path}${suffix}`, text);
  const text = isString ? escapeText(value) : value.replace(/[,$]/g, '\\$&');
  switch (operator) {
    case 'eq':
      return reference?.type === 'string' ? equalString(reference, value, named) : named('', text);
    case 'ne':
      return {
        kind: 'not',
        of: reference?.type === 'string' ? equalString(reference, value, named) : named('', text),
      };
    case 'co':
      return named(':contains', text);
    case 'sw':
      return named('', text);
    case 'ew':
      if (!reference) throw notServed('The operator ew on a path');
      return { kind: 'string-test', test: 'ends', query: queryOf(reference, 'contains', value) };
    case 'gt':
    case 'lt':
    case 'ge':
    case 'le':
    case 'ap':
    case 'sa':
    case 'eb':
      return named('', `${operator}${text}`);
    case 'pr':
      if (value !== 'true' && value !== 'false') throw broken('after pr comes true or false');
      return named(':missing', value === 'true' ? 'false' : 'true');
    case 're':
      return named('', text);
    case 'in':
      return named(':in', value);
    case 'ni':
      return named(':not-in', value);
    case 'ss':
      return named(':below', text);
    case 'sb':
      return named(':above', text);
    default:
      throw notServed(`The operator ${operator.slice(0, 8)}`);
  }
}

/** Strings are equal whatever case and accents; the index finds those that begin so. */
function equalString(
  parameter: SearchParameter,
  value: string,
  named: (suffix: string, text: string) => Node,
): Node {
  // Parsed as well, so that a value that cannot be understood is refused alike.
  named('', escapeText(value));
  return { kind: 'string-test', test: 'equals', query: queryOf(parameter, undefined, value) };
}

function queryOf(parameter: SearchParameter, modifier: string | undefined, text: string) {
  if (parameter.type !== 'string') throw notServed(`An operator of strings on ${parameter.code}`);
  const values: SearchValue[] = [{ prefix: 'eq', text }];
  return { parameter, modifier, values };
}
