import type { SearchParameter } from '../fhir/registry.js';
import { systemsOfValueSet } from '../fhir/required-codes.js';
import { anyOf } from './clauses.js';
import { fold } from './fold.js';
import type {
  CompiledParameter,
  IndexContext,
  ParameterQuery,
  ParameterType,
  RowSink,
} from './parameter-type.js';
import { badValue, unsupportedModifier } from './refusal.js';
import { type ParameterTerms, parameterTerms, term } from './terms.js';
import { pathOf, splitEscaped } from './values.js';

/** One coded thing in a resource, from whichever data type. Absent parts are undefined. */
export interface Token {
  readonly system: string | undefined;
  readonly code: string | undefined;
}

/** Beginnings of display and text are indexed at these lengths only; `:text` rechecks the rest. */
const DISPLAY_LENGTHS = [3, 6];

/** Value sets whose codes are booleans here (R4 search.html#token: boolean). */
const BOOLEAN_SYSTEM = 'http://terminology.hl7.org/CodeSystem/special-values';

interface Shape {
  readonly contact: boolean;
  /** Its values name somebody or something: identifiers, telephone numbers, ids. */
  readonly naming: boolean;
  /** Code systems that a bare `code` of it is from, by its element's value set (R4 search.html#token: "implicit"). */
  readonly implied: readonly string[];
}

const shapes = new Map<SearchParameter, Shape>();

function shapeOf(parameter: SearchParameter): Shape {
  let shape = shapes.get(parameter);
  if (!shape) {
    const { types, bindings } = pathOf(parameter);
    shape = {
      implied: [...bindings].flatMap((b) => systemsOfValueSet(b)),
      contact: types.has('ContactPoint'),
      naming: ['ContactPoint', 'Identifier', 'string', 'id', 'uri'].some((t) => types.has(t)),
    };
    shapes.set(parameter, shape);
  }
  return shape;
}

/** Whether its values name somebody or something: identifiers, telephone numbers, ids. */
export function isNaming(parameter: SearchParameter): boolean {
  return shapeOf(parameter).naming;
}

type Object_ = Record<string, unknown>;

/** Calls `fn` for each token of a value: code, boolean, Coding, CodeableConcept, Identifier, ContactPoint, string. */
export function eachToken(parameter: SearchParameter, value: unknown, fn: (token: Token) => void): void {
  if (typeof value === 'string') fn({ system: undefined, code: value });
  else if (typeof value === 'boolean') fn({ system: BOOLEAN_SYSTEM, code: String(value) });
  else if (typeof value === 'number') fn({ system: undefined, code: String(value) });
  else if (typeof value === 'object' && value !== null) objectTokens(parameter, value as Object_, fn);
}

function objectTokens(parameter: SearchParameter, value: Object_, fn: (token: Token) => void): void {
  if (Array.isArray(value.coding)) {
    for (const coding of value.coding as Object_[]) {
      if (coding) fn({ system: text(coding.system), code: text(coding.code) });
    }
    return;
  }
  if (text(value.code) !== undefined) fn({ system: text(value.system), code: text(value.code) });
  else if (text(value.value) !== undefined) {
    if (shapeOf(parameter).contact) fn({ system: undefined, code: contactKey(value.value as string) });
    else fn({ system: text(value.system), code: text(value.value) });
  } else if (text(value.system) !== undefined) fn({ system: text(value.system), code: undefined });
}

/** Mail addresses do not differ by case; telephone numbers not by the signs between their digits. */
function contactKey(value: string): string {
  const lower = value.trim().toLowerCase();
  if (lower.includes('@')) return lower;
  const digits = lower.replace(/[\s().\-/]/g, '');
  return /^\+?\d+$/.test(digits) ? digits : lower;
}

/** What `:text` searches: CodeableConcept.text, Coding.display, Identifier.type.text (R4 search.html#token). */
export function textsOf(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [];
  const v = value as Object_;
  const out: string[] = [];
  const add = (t: unknown) => {
    if (typeof t === 'string' && t !== '' && !out.includes(t)) out.push(t);
  };
  add(v.text);
  add(v.display);
  if (Array.isArray(v.coding)) for (const c of v.coding as Object_[]) add(c?.display);
  if (typeof v.type === 'object' && v.type !== null) add((v.type as Object_).text);
  return out;
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** Codes, identifiers and the like. R4 search.html#token. */
export const tokenParameter: ParameterType = {
  extract(parameter, values, _resource, to, context) {
    if (values.length === 0) return;
    const terms = parameterTerms(context, parameter);
    const each = isNaming(parameter) ? addIdentifying : addToken;
    for (const value of values) {
      eachToken(parameter, value, (token) => each(terms, token, to));
      for (const t of textsOf(value)) addDisplay(terms, t, to);
      addTyped(terms, value, to);
    }
    to.term(terms.fixed('present'));
  },

  compile(query, context) {
    switch (query.modifier) {
      case undefined:
        return anyOf(query.values.map((v) => compileToken(query, v.text, context)));
      case 'not': {
        const { clause, exact } = anyOf(query.values.map((v) => compileToken(query, v.text, context)));
        // What may be too much must not be taken away.
        return exact
          ? { clause: { kind: 'not', of: clause }, exact }
          : { clause: { kind: 'everything' }, exact };
      }
      case 'text':
      case 'code-text':
        return anyOf(query.values.map((v) => compileText(query, v.text, context)));
      case 'of-type':
        return anyOf(query.values.map((v) => compileOfType(query, v.text, context)));
      default:
        throw unsupportedModifier(query, 'Tokens have :not, :text, :code-text, :of-type and :missing.');
    }
  },

  matches(query, values) {
    const { parameter } = query;
    const some = (test: (token: Token) => boolean): boolean => {
      let found = false;
      for (const value of values) {
        eachToken(parameter, value, (token) => {
          found ||= test(token);
        });
      }
      return found;
    };
    const equals = (wanted: string): boolean => {
      const w = wantedToken(query, wanted);
      const implied = w.system !== undefined && shapeOf(parameter).implied.includes(w.system);
      return some(
        (t) =>
          (w.system === undefined || (t.system ?? '') === w.system || (implied && t.system === undefined)) &&
          (w.code === undefined || t.code === w.code),
      );
    };
    if (query.modifier === 'not') return !query.values.some((v) => equals(v.text));
    return query.values.some((v) => {
      if (query.modifier === 'text' || query.modifier === 'code-text') {
        const wanted = fold(v.text);
        return values.some((value) => textsOf(value).some((t) => fold(t).startsWith(wanted)));
      }
      if (query.modifier === 'of-type') {
        const [system, code, value] = ofTypeParts(query, v.text);
        return values.some((identifier) =>
          typesOf(identifier).some((t) => t.system === system && t.code === code && t.value === value),
        );
      }
      return equals(v.text);
    });
  },
};

function addToken(terms: ParameterTerms, { system, code }: Token, to: RowSink): void {
  if (code !== undefined) {
    to.term(terms.one('code', code));
    to.term(system === undefined ? terms.one('bareCode', code) : terms.two('systemCode', system, code));
  }
  if (system !== undefined && system !== BOOLEAN_SYSTEM) to.term(terms.one('system', system));
}

/** As `addToken`, without keeping the values. */
function addIdentifying(terms: ParameterTerms, { system, code }: Token, to: RowSink): void {
  if (code !== undefined) {
    to.term(terms.fresh('code', code));
    to.term(system === undefined ? terms.fresh('bareCode', code) : terms.fresh('systemCode', system, code));
  }
  if (system !== undefined) to.term(terms.one('system', system));
}

function addDisplay(terms: ParameterTerms, display: string, to: RowSink): void {
  const folded = fold(display);
  for (const length of DISPLAY_LENGTHS) {
    if (length <= folded.length) to.term(terms.one('display', folded.slice(0, length)));
  }
}

function addTyped(terms: ParameterTerms, value: unknown, to: RowSink): void {
  for (const t of typesOf(value)) to.term(terms.fresh('ofType', t.system, t.code, t.value));
}

/** The types of an Identifier that has a value. */
export function typesOf(value: unknown): { system: string; code: string; value: string }[] {
  const identifier = value as { value?: unknown; type?: { coding?: unknown } } | null;
  if (typeof identifier !== 'object' || typeof identifier?.value !== 'string') return [];
  const codings = identifier.type?.coding;
  if (!Array.isArray(codings)) return [];
  const id = identifier.value;
  return (codings as Object_[]).flatMap((c) =>
    typeof c?.code === 'string' ? [{ system: text(c.system) ?? '', code: c.code, value: id }] : [],
  );
}

/** `code`, `system|code`, `|code` (system `''`: it must have none) or `system|`. */
function wantedToken(query: ParameterQuery, value: string): Token {
  const parts = splitEscaped(value, '|');
  const shape = shapeOf(query.parameter);
  if (parts.length > 2 || parts.every((p) => p === '')) {
    throw badValue(query, 'a token', 'Write it as code, system|code, |code or system|.');
  }
  if (parts.length === 1)
    return { system: undefined, code: shape.contact ? contactKey(parts[0]!) : parts[0] };
  const [system, code] = parts as [string, string];
  return { system, code: code === '' ? undefined : shape.contact ? contactKey(code) : code };
}

/** The code, identifier or the like that a value of the search asks for; undefined where it asks for none. */
export function wantedCode(query: ParameterQuery, text: string): string | undefined {
  if (query.modifier === 'text' || query.modifier === 'code-text') return undefined;
  return query.modifier === 'of-type' ? ofTypeParts(query, text)[2] : wantedToken(query, text).code;
}

function compileToken(query: ParameterQuery, value: string, context: IndexContext): CompiledParameter {
  const { parameter } = query;
  const { system, code } = wantedToken(query, value);
  const implied = system !== undefined && shapeOf(parameter).implied.includes(system);
  if (code === undefined) {
    const inSystem = single(term(context, 'system', parameter, system!));
    // Values without a system may be of this one, or be no codes at all: they are looked at.
    return implied
      ? anyOf([inSystem, { ...single(term(context, 'present', parameter)), exact: false }])
      : inSystem;
  }
  if (system === undefined) return single(term(context, 'code', parameter, code));
  const bare = single(term(context, 'bareCode', parameter, code));
  if (system === '') return bare;
  const whole = single(term(context, 'systemCode', parameter, system, code));
  return implied ? anyOf([whole, bare]) : whole;
}

function compileText(query: ParameterQuery, value: string, context: IndexContext): CompiledParameter {
  const folded = fold(value);
  if (folded === '') throw badValue(query, 'a text to look for', 'Give at least one letter or digit.');
  const length = DISPLAY_LENGTHS.filter((n) => n <= folded.length).at(-1);
  if (length === undefined) return { ...single(term(context, 'present', query.parameter)), exact: false };
  return {
    ...single(term(context, 'display', query.parameter, folded.slice(0, length))),
    exact: length === folded.length,
  };
}

function ofTypeParts(query: ParameterQuery, value: string): [system: string, code: string, value: string] {
  const parts = splitEscaped(value, '|');
  if (parts.length !== 3 || parts[1] === '' || parts[2] === '') {
    throw badValue(query, 'an identifier with its type', 'Write it as system|code|value, all of them given.');
  }
  return parts as [string, string, string];
}

function compileOfType(query: ParameterQuery, value: string, context: IndexContext): CompiledParameter {
  return single(term(context, 'ofType', query.parameter, ...ofTypeParts(query, value)));
}

function single(wanted: bigint): CompiledParameter {
  return { clause: { kind: 'all-terms', terms: [wanted] }, exact: true };
}
