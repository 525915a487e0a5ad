import type { SearchParameter } from '../fhir/registry.js';
import { anyOf, prefixLengths } from './clauses.js';
import { fold } from './fold.js';
import type {
  Clause,
  CompiledParameter,
  IndexContext,
  ParameterQuery,
  ParameterType,
  RowSink,
} from './parameter-type.js';
import { badValue, unsupportedModifier } from './refusal.js';
import { term } from './terms.js';

/** Of a longer string only this much is cut into trigrams; a mark then says so, and `:contains` rechecks it. */
const MAX_TRIGRAM_UNITS = 128;

/** Parts of a HumanName and an Address that a search looks into (R4 search.html#string). */
const PARTS = [
  'text',
  'family',
  'given',
  'prefix',
  'suffix',
  'line',
  'city',
  'district',
  'state',
  'postalCode',
  'country',
];

/** The plain strings of a value: itself, or the parts of a HumanName or Address. */
export function stringsOf(value: unknown, out: string[] = []): string[] {
  if (typeof value === 'string') {
    if (value !== '') out.push(value);
  } else if (Array.isArray(value)) {
    for (const item of value) stringsOf(item, out);
  } else if (typeof value === 'object' && value !== null) {
    for (const part of PARTS) {
      const inside = (value as Record<string, unknown>)[part];
      if (inside !== undefined) stringsOf(inside, out);
    }
  }
  return out;
}

/**
 * Strings match from their beginning, whatever case and accents; `:exact` the whole string as written; `:contains`
 * anywhere in it. R4 search.html#string.
 */
export const stringParameter: ParameterType = {
  extract(parameter, values, _resource, to, context) {
    const seen = new Set<string>();
    for (const value of values) {
      for (const text of stringsOf(value)) {
        if (seen.has(text)) continue;
        seen.add(text);
        addString(parameter, text, to, context);
      }
    }
    if (seen.size > 0) to.term(term(context, 'present', parameter));
  },

  compile(query, context) {
    switch (query.modifier) {
      case undefined:
        return anyOf(query.values.map((v) => startsWith(query, v.text, context)));
      case 'exact':
        return anyOf(
          query.values.map((v) => ({
            clause: { kind: 'all-terms', terms: [term(context, 'exact', query.parameter, v.text)] },
            exact: true,
          })),
        );
      case 'contains':
        return anyOf(query.values.map((v) => containing(query, v.text, context)));
      default:
        throw unsupportedModifier(query, 'Strings have :exact, :contains and :missing.');
    }
  },

  matches(query, values) {
    const strings = values.flatMap((v) => stringsOf(v));
    return query.values.some(({ text }) => {
      if (query.modifier === 'exact') return strings.includes(text);
      const wanted = fold(text);
      if (query.modifier === 'contains') return strings.some((s) => fold(s).includes(wanted));
      return strings.some((s) => fold(s).startsWith(wanted));
    });
  },
};

function addString(parameter: SearchParameter, text: string, to: RowSink, context: IndexContext): void {
  const folded = fold(text);
  for (const length of prefixLengths(folded.length)) {
    to.term(term(context, 'prefix', parameter, folded.slice(0, length)));
  }
  to.term(term(context, 'exact', parameter, text));
  for (const gram of trigrams(folded.slice(0, MAX_TRIGRAM_UNITS)))
    to.term(term(context, 'trigram', parameter, gram));
  if (folded.length > MAX_TRIGRAM_UNITS) to.term(term(context, 'longString', parameter));
}

function trigrams(folded: string): Set<string> {
  const grams = new Set<string>();
  for (let i = 0; i + 3 <= folded.length; i++) grams.add(folded.slice(i, i + 3));
  return grams;
}

function startsWith(query: ParameterQuery, text: string, context: IndexContext): CompiledParameter {
  const folded = fold(text);
  if (folded === '') throw badValue(query, 'a text to look for', 'Give at least one letter or digit.');
  const length = prefixLengths(folded.length).at(-1)!;
  return {
    clause: { kind: 'all-terms', terms: [term(context, 'prefix', query.parameter, folded.slice(0, length))] },
    exact: length === folded.length,
  };
}

function containing(query: ParameterQuery, text: string, context: IndexContext): CompiledParameter {
  const folded = fold(text);
  if (folded === '') throw badValue(query, 'a text to look for', 'Give at least one letter or digit.');
  const { parameter } = query;
  if (folded.length < 3) {
    // Too short for a trigram: whatever has a value is opened and looked at.
    return { clause: { kind: 'all-terms', terms: [term(context, 'present', parameter)] }, exact: false };
  }
  const inside: Clause = {
    kind: 'all-terms',
    terms: [...trigrams(folded)].map((gram) => term(context, 'trigram', parameter, gram)),
  };
  const long: Clause = { kind: 'all-terms', terms: [term(context, 'longString', parameter)] };
  return { clause: { kind: 'or', of: [inside, long] }, exact: false };
}
