import { Fault } from '../core/fault.js';

/** The syntax tree of the part of FHIRPath (N1) that search parameters use. */
export type PathNode =
  | { readonly kind: 'this' }
  | { readonly kind: 'resource' }
  | { readonly kind: 'literal'; readonly value: string | number | boolean; readonly type?: string }
  /** A variable whose value only the run knows (`%rowIndex`); undefined is nothing. */
  | { readonly kind: 'cell'; readonly read: () => unknown; readonly type: string }
  | { readonly kind: 'empty' }
  | { readonly kind: 'member'; readonly of: PathNode | undefined; readonly name: string }
  | { readonly kind: 'index'; readonly of: PathNode; readonly index: number }
  | {
      readonly kind: 'call';
      readonly of: PathNode | undefined;
      readonly name: string;
      readonly args: readonly PathNode[];
    }
  | { readonly kind: 'type'; readonly of: PathNode; readonly op: 'is' | 'as'; readonly type: string }
  | { readonly kind: 'binary'; readonly op: string; readonly left: PathNode; readonly right: PathNode };

/** Expressions longer than this are refused; R4's longest for one base has 300 characters. */
const MAX_EXPRESSION_UNITS = 8_192;
const MAX_DEPTH = 64;

interface Token {
  readonly kind: 'name' | 'string' | 'number' | 'symbol' | 'variable' | 'date' | 'end';
  readonly text: string;
  readonly at: number;
}

const SYMBOLS = [
  '!=',
  '!~',
  '<=',
  '>=',
  '=',
  '~',
  '<',
  '>',
  '(',
  ')',
  '[',
  ']',
  '{',
  '}',
  '.',
  ',',
  '|',
  '+',
  '-',
  '&',
  '*',
  '/',
];

/** Weakest first (FHIRPath N1, 6: operator precedence). `is` and `as` bind between inequality and union. */
const LEVELS: readonly (readonly string[])[] = [
  ['implies'],
  ['or', 'xor'],
  ['and'],
  ['in', 'contains'],
  ['=', '!=', '~', '!~'],
  ['<', '>', '<=', '>='],
  ['|'],
  ['is', 'as'],
  ['+', '-', '&'],
  ['*', '/', 'div', 'mod'],
];

/** What a variable such as `%name_use` stands for; undefined where there is none of that name. */
export type Variables = (name: string) => PathNode | undefined;

/**
 * Parses an expression; `variables` are known besides those of FHIRPath itself.
 * @throws Fault `invalid` with the offset where it cannot be understood.
 */
export function parsePath(text: string, variables?: Variables): PathNode {
  if (text.length > MAX_EXPRESSION_UNITS) throw wrong('The expression is too long', MAX_EXPRESSION_UNITS);
  const tokens = tokenize(text);
  let i = 0;
  let depth = 0;
  const node = level(0);
  if (peek().kind !== 'end') throw wrong('The expression goes on where it should end', peek().at);
  return node;

  function peek(): Token {
    return tokens[i]!;
  }

  function take(symbol: string): boolean {
    if (peek().text !== symbol || peek().kind === 'string') return false;
    i++;
    return true;
  }

  function expect(symbol: string): void {
    if (!take(symbol)) throw wrong(`The expression needs "${symbol}"`, peek().at);
  }

  function level(n: number): PathNode {
    const ops = LEVELS[n];
    if (!ops) return postfix();
    if (++depth > MAX_DEPTH * LEVELS.length) throw wrong('The expression is nested too deep', peek().at);
    let left = level(n + 1);
    for (;;) {
      const { text: op, kind } = peek();
      if ((kind !== 'symbol' && kind !== 'name') || !ops.includes(op)) break;
      i++;
      left =
        op === 'is' || op === 'as'
          ? { kind: 'type', op, of: left, type: typeName() }
          : { kind: 'binary', op, left, right: level(n + 1) };
    }
    depth--;
    return left;
  }

  function typeName(): string {
    const token = peek();
    if (token.kind !== 'name') throw wrong('The expression needs the name of a type', token.at);
    i++;
    if ((token.text === 'FHIR' || token.text === 'System') && take('.')) return typeName();
    return token.text;
  }

  function postfix(): PathNode {
    let node = primary();
    for (;;) {
      if (take('.')) node = invocation(node);
      else if (take('[')) {
        const { at } = peek();
        const index = level(0);
        if (index.kind !== 'literal' || typeof index.value !== 'number' || !Number.isInteger(index.value))
          throw wrong('An index is a whole number', at);
        expect(']');
        node = { kind: 'index', of: node, index: index.value };
      } else return node;
    }
  }

  function invocation(of: PathNode | undefined): PathNode {
    const token = peek();
    if (token.kind === 'variable' && token.text === '$this') {
      i++;
      return of ?? { kind: 'this' };
    }
    if (token.kind !== 'name')
      throw wrong('The expression needs the name of an element or function', token.at);
    i++;
    if (!take('(')) return { kind: 'member', of, name: token.text };
    if (token.text === 'as' || token.text === 'is' || token.text === 'ofType') {
      const type = typeName();
      expect(')');
      return { kind: 'type', op: token.text === 'is' ? 'is' : 'as', of: of ?? { kind: 'this' }, type };
    }
    const args: PathNode[] = [];
    while (!take(')')) {
      if (args.length > 0) expect(',');
      args.push(level(0));
    }
    return { kind: 'call', of, name: token.text, args };
  }

  function primary(): PathNode {
    const token = peek();
    if (take('(')) {
      const inner = level(0);
      expect(')');
      return inner;
    }
    if (take('{')) {
      expect('}');
      return { kind: 'empty' };
    }
    if (token.kind === 'string' || token.kind === 'date') {
      i++;
      return { kind: 'literal', value: token.text };
    }
    if (token.kind === 'number') {
      i++;
      return { kind: 'literal', value: Number(token.text) };
    }
    if (take('-')) {
      const negated = postfix();
      if (negated.kind === 'literal' && typeof negated.value === 'number')
        return { kind: 'literal', value: -negated.value };
      return { kind: 'binary', op: '-', left: { kind: 'literal', value: 0 }, right: negated };
    }
    if (token.kind === 'variable') {
      i++;
      const known = variables?.(token.text.slice(1));
      if (known) return known;
      if (token.text === '$this') return { kind: 'this' };
      if (token.text === '%ucum') return { kind: 'literal', value: 'http://unitsofmeasure.org' };
      if (token.text === '%resource' || token.text === '%context' || token.text === '%rootResource')
        return { kind: 'resource' };
      throw wrong(`The variable ${token.text} is not known here`, token.at);
    }
    if (token.kind === 'name' && (token.text === 'true' || token.text === 'false')) {
      i++;
      return { kind: 'literal', value: token.text === 'true' };
    }
    return invocation(undefined);
  }
}

function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  let i = 0;
  while (i < text.length) {
    const c = text[i]!;
    if (' \t\r\n'.includes(c)) {
      i++;
      continue;
    }
    const at = i;
    if (c === "'" || c === '`') {
      const [value, after] = quoted(text, i, c);
      tokens.push({ kind: c === "'" ? 'string' : 'name', text: value, at });
      i = after;
    } else if (isNameStart(c)) {
      while (i < text.length && isNamePart(text[i]!)) i++;
      tokens.push({ kind: 'name', text: text.slice(at, i), at });
    } else if (c === '$' || c === '%') {
      i++;
      while (i < text.length && (isNamePart(text[i]!) || text[i] === '-')) i++;
      tokens.push({ kind: 'variable', text: text.slice(at, i), at });
    } else if (c >= '0' && c <= '9') {
      while (
        i < text.length &&
        ((text[i]! >= '0' && text[i]! <= '9') || (text[i] === '.' && isDigit(text[i + 1])))
      )
        i++;
      tokens.push({ kind: 'number', text: text.slice(at, i), at });
    } else if (c === '@') {
      i++;
      while (i < text.length && (isNamePart(text[i]!) || '-:+.'.includes(text[i]!))) i++;
      if (i === at + 1) throw wrong('A date needs digits', at);
      tokens.push({ kind: 'date', text: text.slice(at + 1, i), at });
    } else {
      const symbol = SYMBOLS.find((s) => text.startsWith(s, i));
      if (!symbol) throw wrong('The expression has a character that means nothing here', at);
      tokens.push({ kind: 'symbol', text: symbol, at });
      i += symbol.length;
    }
  }
  tokens.push({ kind: 'end', text: '', at: text.length });
  return tokens;
}

function quoted(text: string, start: number, quote: string): [string, number] {
  let value = '';
  for (let i = start + 1; i < text.length; i++) {
    const c = text[i]!;
    if (c === quote) return [value, i + 1];
    if (c === '\\') {
      i++;
      const escaped = text[i];
      value += escaped === 'n' ? '\n' : escaped === 't' ? '\t' : escaped === 'r' ? '\r' : (escaped ?? '');
    } else value += c;
  }
  throw wrong('A quotation does not end', start);
}

function isNameStart(c: string): boolean {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c === '_';
}

function isNamePart(c: string): boolean {
  return isNameStart(c) || (c >= '0' && c <= '9');
}

function isDigit(c: string | undefined): boolean {
  return c !== undefined && c >= '0' && c <= '9';
}

function wrong(message: string, offset: number): Fault {
  return new Fault('invalid', `${message} (at offset ${offset}).`, {
    at: 'expression',
    remedy: 'Write the expression in the part of FHIRPath that R4 uses for search parameters.',
  });
}
