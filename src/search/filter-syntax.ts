import { type Fault, invalid } from '../core/fault.js';
import { MAX_VALUE_CHARS } from './request.js';

/**
 * The grammar of the `_filter` language (R4 search_filter.html). Logical expressions go from left to right, `and` and
 * `or` alike: parentheses say otherwise. Faults name the position in the text, never the text.
 */

export type Expression =
  | { readonly kind: 'and' | 'or'; readonly of: readonly Expression[] }
  | { readonly kind: 'not'; readonly of: Expression }
  | Comparison;

/** `path operator value`; `at` is where it stands, from 1. */
export interface Comparison {
  readonly kind: 'comparison';
  readonly path: Path;
  readonly operator: string;
  readonly value: string;
  /** Whether the value was quoted. */
  readonly quoted: boolean;
  readonly at: number;
}

/** `name`, `name.name`, or `name[filter].path`. */
export interface Path {
  readonly name: string;
  readonly within?: { readonly filter: Expression; readonly rest: Path };
}

const MAX_COMPARISONS = 500;
/** Parentheses and brackets in one another. */
const MAX_DEPTH = 100;

const ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
};

/** @throws Fault `invalid` naming the position. */
export function parseExpression(text: string): Expression {
  if (text.length > MAX_VALUE_CHARS) throw brokenAt(1, `it is longer than ${MAX_VALUE_CHARS} characters`);
  return new Parser(text).whole();
}

export function brokenAt(at: number, why: string, remedy?: string): Fault {
  return invalid(
    `The filter cannot be read at character ${at}: ${why}.`,
    '_filter',
    remedy ?? 'Write it as: given eq "peter" and birthdate ge 2014-10-10.',
  );
}

class Parser {
  #at = 0;
  #comparisons = 0;

  constructor(private readonly text: string) {}

  whole(): Expression {
    const expression = this.#filter(0);
    if (this.#at < this.text.length) throw this.#broken('and, or, or the end is expected');
    return expression;
  }

  #filter(depth: number): Expression {
    if (depth > MAX_DEPTH) throw this.#broken(`it is nested more than ${MAX_DEPTH} deep`);
    let left = this.#one(depth);
    for (;;) {
      const word = this.#word('and') ? 'and' : this.#word('or') ? 'or' : undefined;
      if (!word) return left;
      const right = this.#one(depth);
      // A run of one word is one list, so that a long filter is no deep one.
      left =
        left.kind === word && !this.#closed.has(left)
          ? { kind: word, of: [...left.of, right] }
          : { kind: word, of: [left, right] };
    }
  }

  /** Expressions in parentheses: what follows does not join them. */
  readonly #closed = new Set<Expression>();

  #one(depth: number): Expression {
    const negated = this.#word('not');
    this.#space();
    if (negated && this.text[this.#at] !== '(') throw this.#broken('after not comes a parenthesis');
    if (this.text[this.#at] !== '(') return this.#comparison(depth);
    const opened = this.#at++;
    const inner = this.#filter(depth + 1);
    this.#space();
    if (this.text[this.#at] !== ')') throw brokenAt(opened + 1, 'the parenthesis is not closed');
    this.#at++;
    this.#closed.add(inner);
    return negated ? { kind: 'not', of: inner } : inner;
  }

  #comparison(depth: number): Expression {
    this.#space();
    const at = this.#at + 1;
    if (++this.#comparisons > MAX_COMPARISONS)
      throw this.#broken(`it has more than ${MAX_COMPARISONS} comparisons`);
    const path = this.#path(depth);
    this.#space();
    const operator = this.#take(/[a-z]{2}(?![^\s])/y);
    if (operator === undefined) throw this.#broken('an operator such as eq is expected');
    this.#space();
    const quoted = this.text[this.#at] === '"';
    const value = quoted ? this.#quoted() : this.#take(/[^\s)\]]+/y);
    if (value === undefined) throw this.#broken('a value is expected');
    return { kind: 'comparison', path, operator, value, quoted, at };
  }

  #path(depth: number): Path {
    const name = this.#take(/[A-Za-z_][A-Za-z0-9_:.-]*/y);
    if (name === undefined) throw this.#broken('the name of a search parameter is expected');
    if (this.text[this.#at] !== '[') return { name };
    const opened = this.#at++;
    const filter = this.#filter(depth + 1);
    this.#space();
    if (this.text[this.#at] !== ']') throw brokenAt(opened + 1, 'the bracket is not closed');
    this.#at++;
    if (this.text[this.#at] !== '.') throw this.#broken('after a bracket comes a dot and a parameter');
    this.#at++;
    return { name, within: { filter, rest: this.#path(depth + 1) } };
  }

  /** A JSON string. */
  #quoted(): string {
    const opened = this.#at++;
    let value = '';
    for (; this.#at < this.text.length; this.#at++) {
      const c = this.text[this.#at]!;
      if (c === '"') {
        this.#at++;
        return value;
      }
      if (c !== '\\') value += c;
      else value += this.#escape();
    }
    throw brokenAt(opened + 1, 'the quotation mark is not closed');
  }

  #escape(): string {
    const c = this.text[++this.#at] ?? '';
    const plain = ESCAPES[c];
    if (plain !== undefined) return plain;
    const hex = /^u([0-9a-fA-F]{4})/.exec(this.text.slice(this.#at, this.#at + 5))?.[1];
    if (hex === undefined) throw this.#broken('it is no escape of a JSON string');
    this.#at += 4;
    return String.fromCharCode(Number.parseInt(hex, 16));
  }

  /** Takes the word where it stands next by itself. */
  #word(word: string): boolean {
    this.#space();
    const end = this.#at + word.length;
    if (!this.text.startsWith(word, this.#at) || /[^\s(]/.test(this.text[end] ?? ' ')) return false;
    this.#at = end;
    return true;
  }

  #space(): void {
    while (/\s/.test(this.text[this.#at] ?? '')) this.#at++;
  }

  #take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.text)?.[0];
    if (found !== undefined) this.#at += found.length;
    return found;
  }

  #broken(why: string): Fault {
    return brokenAt(this.#at + 1, why);
  }
}
