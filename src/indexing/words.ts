import { allOf, anyOf } from './clauses.js';
import { eachWord, fold, words } from './fold.js';
import type { CompiledParameter, IndexContext, ParameterQuery, ParameterType } from './parameter-type.js';
import { badValue, unsupportedModifier } from './refusal.js';
import { type ParameterTerms, parameterTerms, term } from './terms.js';
import { contentTexts, narrativeTexts, type TextsOf } from './texts.js';

/** Beyond this many words a resource's are no longer indexed; a mark then says so, and searches recheck it. */
export const MAX_WORDS = 4_096;

/** `_text` and `_content`: the words asked for, in any order, with AND, OR and brackets. */
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
      return query.values.some((v) => holds(wanted(query, v.text), present));
    },
  };
}

function wordTerms(text: string, terms: ParameterTerms): bigint[] {
  const distinct = new Set<string>();
  eachWord(fold(text), distinct);
  return [...distinct].map((word) => terms.one('word', word));
}

/** What is looked for: words, joined by AND (or nothing) and OR, with brackets (R4 search.html#content). */
type Wanted =
  | { readonly kind: 'word'; readonly word: string }
  | { readonly kind: 'and' | 'or'; readonly of: readonly Wanted[] };

const MARKS = /[()]|[^\s()]+/g;

/** `(bone OR liver) and metastases`. A text whose brackets or operators do not add up is its words, all of them. */
function wanted(query: ParameterQuery, text: string): Wanted {
  const plain = words(fold(text));
  if (plain.length === 0) throw badValue(query, 'a word to look for', 'Give at least one word.');
  const marks = text.match(MARKS) ?? [];
  let at = 0;
  const operator = (name: string) => marks[at]?.toLowerCase() === name;
  const any = (): Wanted | undefined => {
    const of: Wanted[] = [];
    do {
      const part = every();
      if (!part) return undefined;
      of.push(part);
    } while (operator('or') && ++at);
    return of.length === 1 ? of[0] : { kind: 'or', of };
  };
  const every = (): Wanted | undefined => {
    const of: Wanted[] = [];
    while (at < marks.length && marks[at] !== ')' && !operator('or')) {
      if (operator('and')) {
        at++;
        if (of.length === 0 || at === marks.length || marks[at] === ')' || operator('or')) return undefined;
        continue;
      }
      if (marks[at] !== '(') {
        for (const word of words(fold(marks[at++]!))) of.push({ kind: 'word', word });
        continue;
      }
      at++;
      const inner = depth++ < MAX_BRACKETS ? any() : undefined;
      depth--;
      if (!inner || marks[at++] !== ')') return undefined;
      of.push(inner);
    }
    return of.length === 0 ? undefined : of.length === 1 ? of[0] : { kind: 'and', of };
  };
  let depth = 0;
  const found = any();
  if (found && at === marks.length) return found;
  return { kind: 'and', of: plain.map((word) => ({ kind: 'word', word })) };
}

const MAX_BRACKETS = 32;

function holds(asked: Wanted, present: ReadonlySet<string>): boolean {
  if (asked.kind === 'word') return present.has(asked.word);
  return asked.kind === 'and'
    ? asked.of.every((part) => holds(part, present))
    : asked.of.some((part) => holds(part, present));
}

function compileWanted(
  asked: Wanted,
  { parameter }: ParameterQuery,
  context: IndexContext,
): CompiledParameter {
  if (asked.kind === 'word')
    return {
      clause: { kind: 'all-terms', terms: [term(context, 'word', parameter, asked.word)] },
      exact: true,
    };
  const parts = asked.of.map((part) => compileWanted(part, { parameter } as ParameterQuery, context));
  return asked.kind === 'and' ? allOf(parts) : anyOf(parts);
}

function allWords(query: ParameterQuery, text: string, context: IndexContext): CompiledParameter {
  const { parameter } = query;
  const inside = compileWanted(wanted(query, text), query, context);
  const long = {
    clause: { kind: 'all-terms' as const, terms: [term(context, 'longString', parameter)] },
    exact: false,
  };
  return anyOf([inside, long]);
}

export const narrativeParameter = wordParameter(narrativeTexts);
export const contentParameter = wordParameter(contentTexts);
