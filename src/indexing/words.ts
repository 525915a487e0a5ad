import type { Resource } from '../core/resource.js';
import { allOf, anyOf } from './clauses.js';
import { fold, words } from './fold.js';
import type { CompiledParameter, IndexContext, ParameterQuery, ParameterType } from './parameter-type.js';
import { badValue, unsupportedModifier } from './refusal.js';
import { term } from './terms.js';

/** Words of one resource beyond this many are not indexed; a mark then says so, and searches recheck it. */
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

/** The words of the narrative: what stands between its tags. */
export function narrativeWords(resource: Resource): Set<string> {
  const div = (resource.text as { div?: unknown } | undefined)?.div;
  return new Set(typeof div === 'string' ? words(fold(withoutTags(div))) : []);
}

/** The words of every text in the resource, the narrative and contained resources included. */
export function contentWords(resource: Resource): Set<string> {
  const found = narrativeWords(resource);
  collect(resource, found, 0);
  return found;
}

/** A date, dateTime or instant. Its digits are no words, and would be a sixth of all terms of laboratory results. */
const DATE_TIME = /^\d{4}-\d\d(-\d\d(T[\d:.]{5,20}(Z|[+-]\d\d:\d\d))?)?$/;

function collect(node: object, found: Set<string>, depth: number): void {
  if (depth > 64) return;
  for (const [name, value] of Object.entries(node)) {
    if (NOT_WORDS.has(name)) continue;
    if (typeof value === 'string') {
      if (!DATE_TIME.test(value)) for (const word of words(fold(value))) found.add(word);
    } else if (typeof value === 'object' && value !== null) collect(value, found, depth + 1);
  }
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
function wordParameter(wordsOf: (resource: Resource) => Set<string>): ParameterType {
  return {
    extract(parameter, _values, resource, to, context) {
      let count = 0;
      for (const word of wordsOf(resource)) {
        if (++count > MAX_WORDS) {
          to.term(term(context, 'longString', parameter));
          return;
        }
        to.term(term(context, 'word', parameter, word));
      }
    },

    compile(query, context) {
      if (query.modifier !== undefined) throw unsupportedModifier(query, 'It has no modifiers.');
      return anyOf(query.values.map((v) => allWords(query, v.text, context)));
    },

    matches(query, _values, resource) {
      const present = wordsOf(resource);
      return query.values.some((v) => wanted(query, v.text).every((word) => present.has(word)));
    },
  };
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

export const narrativeParameter = wordParameter(narrativeWords);
export const contentParameter = wordParameter(contentWords);
