import { allOf, anyOf } from './clauses.js';
import { eachWord, fold, words } from './fold.js';
import type { CompiledParameter, IndexContext, ParameterQuery, ParameterType } from './parameter-type.js';
import { badValue, unsupportedModifier } from './refusal.js';
import { type ParameterTerms, parameterTerms, term } from './terms.js';
import { contentTexts, narrativeTexts, type TextsOf } from './texts.js';

/** Beyond this many words a resource's are no longer indexed; a mark then says so, and searches recheck it. */
export const MAX_WORDS = 4_096;

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
  const distinct = new Set<string>();
  eachWord(fold(text), distinct);
  return [...distinct].map((word) => terms.one('word', word));
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
