import { invalid } from '../core/fault.js';
import type { SearchParameterType } from '../fhir/registry.js';
import type { SearchValue } from '../indexing/parameter-type.js';
import { MAX_OR_VALUES, MAX_VALUE_CHARS } from './request.js';

/**
 * The text of search parameters: names into their parts, values into OR'ed ones (R4 search, 3.1.1.4.5 "Escaping").
 */

/** Splits at `separator` where it is not escaped with a backslash. Escapes are kept. */
export function splitUnescaped(text: string, separator: string): string[] {
  if (!text.includes('\\')) return text.split(separator);
  const parts: string[] = [];
  let start = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (c === '\\') i++;
    else if (c === separator) {
      parts.push(text.slice(start, i));
      start = i + 1;
    }
  }
  parts.push(text.slice(start));
  return parts;
}

/** Removes one level of `\,` `\$` `\|` `\\`. A backslash before anything else stands for itself. */
export function unescapeText(text: string): string {
  return text.includes('\\') ? text.replace(/\\([,$|\\])/g, '$1') : text;
}

/** Escapes a text so that it is one search value. */
export function escapeText(text: string): string {
  return text.replace(/[,$|\\]/g, '\\$&');
}

const PREFIXED: ReadonlySet<SearchParameterType> = new Set(['date', 'number', 'quantity']);
const PREFIX = /^(eq|ne|gt|lt|ge|le|sa|eb|ap)(?=[-+.\d])/;

/** Undoes `\,` alone; all other escapes stay. */
function unescapeComma(text: string): string {
  return text.includes('\\') ? text.replace(/\\(.)/gs, (whole, c: string) => (c === ',' ? c : whole)) : text;
}

/** Types whose values have parts joined by `|` or `$`: those escapes are left for the parameter type to undo. */
const IN_PARTS: ReadonlySet<SearchParameterType> = new Set(['token', 'quantity', 'reference', 'composite']);

/**
 * The OR'ed values of one parameter. Empty ones are dropped.
 * @throws Fault `invalid` naming the parameter when there are too many or they are too long.
 */
export function parseValues(type: SearchParameterType, text: string, name: string): SearchValue[] {
  if (text.length > MAX_VALUE_CHARS)
    throw invalid(`The value is longer than ${MAX_VALUE_CHARS} characters.`, name, 'Shorten it.');
  const parts = requireValues(splitUnescaped(text, ','), name);
  if (parts.length > MAX_OR_VALUES)
    throw invalid(`More than ${MAX_OR_VALUES} values.`, name, 'Split the search into several.');
  return parts.map((part) => {
    const prefix = PREFIXED.has(type) ? PREFIX.exec(part)?.[1] : undefined;
    const rest = prefix ? part.slice(2) : part;
    return {
      prefix: (prefix ?? 'eq') as SearchValue['prefix'],
      text: IN_PARTS.has(type) ? unescapeComma(rest) : unescapeText(rest),
    };
  });
}

/**
 * The values there are. R4 has a parameter without any left out (search.html#3.1.1.3); commas alone are a mistake that
 * would find everything.
 * @throws Fault `invalid` naming the parameter
 */
export function requireValues(parts: readonly string[], name: string): string[] {
  const values = parts.filter((p) => p !== '');
  if (values.length === 0 && parts.length > 1)
    throw invalid('There is no value between the commas.', name, 'Give a value, or leave the parameter out.');
  return values;
}

/** What a parameter's name says: a leaf, one step of a chain, or one step of `_has`. */
export type ParameterName =
  | { readonly kind: 'leaf'; readonly code: string; readonly modifier: string | undefined }
  | {
      readonly kind: 'chain';
      readonly code: string;
      readonly target: string | undefined;
      readonly rest: string;
    }
  | { readonly kind: 'has'; readonly source: string; readonly code: string; readonly rest: string };

/** @throws Fault `invalid` for a `_has` with parts missing. */
export function parseName(name: string): ParameterName {
  if (name.length > MAX_VALUE_CHARS)
    throw invalid(`The name is longer than ${MAX_VALUE_CHARS} characters.`, undefined, 'Shorten the chain.');
  if (name.startsWith('_has:')) {
    const afterSource = name.indexOf(':', 5);
    const afterCode = name.indexOf(':', afterSource + 1);
    const source = name.slice(5, afterSource);
    const code = name.slice(afterSource + 1, afterCode);
    const rest = name.slice(afterCode + 1);
    if (afterSource < 0 || afterCode < 0 || !source || !code || !rest || rest.startsWith(':'))
      throw invalid(
        '_has needs a resource type, a reference parameter and a parameter.',
        '_has',
        'Write it as _has:Observation:patient:code=…',
      );
    return { kind: 'has', source, code, rest };
  }
  const dot = name.indexOf('.');
  const head = dot < 0 ? name : name.slice(0, dot);
  const colon = head.indexOf(':');
  const code = colon < 0 ? head : head.slice(0, colon);
  const suffix = colon < 0 ? undefined : head.slice(colon + 1);
  return dot < 0
    ? { kind: 'leaf', code, modifier: suffix }
    : { kind: 'chain', code, target: suffix, rest: name.slice(dot + 1) };
}

/** A query string from parameters, readable: only what RFC 3986 forbids in a query, and `&+#%`, is encoded. */
export function queryString(params: readonly (readonly [string, string])[]): string {
  const encode = (s: string) =>
    encodeURIComponent(s).replace(/%(?:2C|3A|2F|24|40|3B)/gi, (m) => decodeURIComponent(m));
  return params.map(([name, value]) => `${encode(name)}=${encode(value)}`).join('&');
}
