import { MAX_JSON_DEPTH } from '../core/json.js';
import type { Resource } from '../core/resource.js';
import { allOf, anyOf } from './clauses.js';
import { eachWord, fold, words } from './fold.js';
import type { CompiledParameter, IndexContext, ParameterQuery, ParameterType } from './parameter-type.js';
import { badValue, unsupportedModifier } from './refusal.js';
import { type ParameterTerms, parameterTerms, term } from './terms.js';

/** Beyond this many words a resource's are no longer indexed; a mark then says so, and searches recheck it. */
export const MAX_WORDS = 4_096;

/** Elements that hold no words: binary data, addresses of things, and what the server itself sets. */
const NOT_WORDS = new Set([
  'data',
  'resourceType',
  'reference',
  'system',
  'url',
  'fullUrl',
  'id',
  'meta',
  'div',
  'contentType',
  'hash',
]);

/** Members whose texts come from code systems and forms, and so repeat from one resource to the next. */
const REPEATING = new Set(['display', 'code', 'text', 'unit', 'status', 'use', 'type', 'intent']);

/** Longer texts are written for one resource only. */
const MAX_REPEATING_UNITS = 96;

/** Takes a text of a resource; `repeats` where other resources are likely to hold the same. */
type TextVisitor = (text: string, repeats: boolean) => void;
type TextsOf = (resource: Resource, visit: TextVisitor) => void;

/** The narrative: what stands between its tags. */
const narrativeTexts: TextsOf = (resource, visit) => {
  const div = (resource.text as { div?: unknown } | undefined)?.div;
  if (typeof div === 'string') visit(withoutTags(div), false);
};

/** Every text in the resource, the narrative and contained resources included. */
const contentTexts: TextsOf = (resource, visit) => {
  narrativeTexts(resource, visit);
  members(resource, visit, 0);
};

/** A date, dateTime or instant. Its digits are no words, and would be a sixth of all terms of laboratory results. */
const DATE_TIME = /^\d{4}-\d\d(-\d\d(T[\d:.]{5,20}(Z|[+-]\d\d:\d\d))?)?$/;

function members(node: object, visit: TextVisitor, depth: number): void {
  if (depth > MAX_JSON_DEPTH) return;
  for (const name in node) {
    if (!NOT_WORDS.has(name)) valueTexts(name, (node as Record<string, unknown>)[name], visit, depth);
  }
}

function valueTexts(name: string, value: unknown, visit: TextVisitor, depth: number): void {
  if (typeof value === 'string') {
    // Dates begin with a digit, most words do not: the first character saves the expression.
    if (value.charCodeAt(0) <= 57 && DATE_TIME.test(value)) return;
    visit(value, value.length <= MAX_REPEATING_UNITS && REPEATING.has(name));
  } else if (Array.isArray(value)) for (const item of value) valueTexts(name, item, visit, depth + 1);
  else if (typeof value === 'object' && value !== null) members(value, visit, depth + 1);
}

const ENTITIES: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: ' ' };

/** Tags become spaces, the commonest entities their characters. Linear in the text. */
function withoutTags(html: string): string {
  let out = '';
  let i = 0;
  while (i < html.length) {
    const open = html.indexOf('<', i);
    if (open < 0) return out + decoded(html.slice(i));
    out += `${decoded(html.slice(i, open))} `;
    const close = html.indexOf('>', open);
    if (close < 0) return out;
    i = close + 1;
  }
  return out;
}

function decoded(text: string): string {
  return text.includes('&')
    ? text.replace(/&([a-z]{2,4});/g, (all, name: string) => ENTITIES[name] ?? all)
    : text;
}

/** `_text` and `_content`: all the words asked for, in any order. */
function wordParameter(textsOf: TextsOf): ParameterType {
  return {
    extract(parameter, _values, resource, to, context) {
      const terms = parameterTerms(context, parameter);
      let count = 0;
      textsOf(resource, (text, repeats) => {
        if (count > MAX_WORDS) return;
        const found = repeats ? terms.list(text, wordTerms) : wordTerms(text, terms);
        count += found.length;
        for (const word of found) to.term(word);
      });
      if (count > MAX_WORDS) to.term(terms.fixed('longString'));
    },

    compile(query, context) {
      if (query.modifier !== undefined) throw unsupportedModifier(query, 'It has no modifiers.');
      return anyOf(query.values.map((v) => allWords(query, v.text, context)));
    },

    matches(query, _values, resource) {
      const present = new Set<string>();
      textsOf(resource, (text) => eachWord(fold(text), present));
      return query.values.some((v) => wanted(query, v.text).every((word) => present.has(word)));
    },
  };
}

function wordTerms(text: string, terms: ParameterTerms): bigint[] {
  return words(fold(text)).map((word) => terms.one('word', word));
}

function wanted(query: ParameterQuery, text: string): string[] {
  const found = words(fold(text));
  if (found.length === 0) throw badValue(query, 'a word to look for', 'Give at least one word.');
  return found;
}

function allWords(query: ParameterQuery, text: string, context: IndexContext): CompiledParameter {
  const { parameter } = query;
  const inside = allOf(
    wanted(query, text).map((word) => ({
      clause: { kind: 'all-terms', terms: [term(context, 'word', parameter, word)] },
      exact: true,
    })),
  );
  const long = {
    clause: { kind: 'all-terms' as const, terms: [term(context, 'longString', parameter)] },
    exact: false,
  };
  return anyOf([inside, long]);
}

export const narrativeParameter = wordParameter(narrativeTexts);
export const contentParameter = wordParameter(contentTexts);
