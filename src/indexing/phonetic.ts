import { anyOf } from './clauses.js';
import { eachWord, fold, words } from './fold.js';
import type { ParameterQuery, ParameterType } from './parameter-type.js';
import { badValue, unsupportedModifier } from './refusal.js';
import { stringsOf } from './string.js';
import { parameterTerms } from './terms.js';

/** Letters that sound alike (Soundex, U.S. National Archives); the others are vowels or silent. */
const CODES: Record<string, string> = {
  b: '1',
  f: '1',
  p: '1',
  v: '1',
  c: '2',
  g: '2',
  j: '2',
  k: '2',
  q: '2',
  s: '2',
  x: '2',
  z: '2',
  d: '3',
  t: '3',
  l: '4',
  m: '5',
  n: '5',
  r: '6',
};

const KEY_LENGTH = 4;

/** The Soundex key of a folded word: `robert` and `rupert` give `r163`. A word of other letters is its own key. */
export function soundex(word: string): string {
  const first = word[0]!;
  if (first < 'a' || first > 'z') return word;
  let key = first;
  let last = CODES[first];
  for (let i = 1; i < word.length && key.length < KEY_LENGTH; i++) {
    const c = word[i]!;
    const code = CODES[c];
    // h and w do not part equal sounds, vowels do.
    if (code !== undefined && code !== last) key += code;
    if (c !== 'h' && c !== 'w') last = code;
  }
  return key.padEnd(KEY_LENGTH, '0');
}

function keysOf(values: readonly unknown[]): Set<string> {
  const keys = new Set<string>();
  const to = { add: (word: string) => keys.add(soundex(word)) };
  for (const value of values) for (const text of stringsOf(value)) eachWord(fold(text), to);
  return keys;
}

function wantedKeys(query: ParameterQuery, text: string): string[] {
  const keys = words(fold(text)).map(soundex);
  if (keys.length === 0) throw badValue(query, 'a name', 'Give at least one letter.');
  return keys;
}

/** Names that sound alike: each word of the search sounds like some word of the name (R4 individual-phonetic). */
export const phoneticParameter: ParameterType = {
  extract(parameter, values, _resource, to, context) {
    const keys = keysOf(values);
    if (keys.size === 0) return;
    const terms = parameterTerms(context, parameter);
    for (const key of keys) to.term(terms.one('word', key));
    to.term(terms.fixed('present'));
  },

  compile(query, context) {
    if (query.modifier !== undefined) throw unsupportedModifier(query, 'It has :missing only.');
    const terms = parameterTerms(context, query.parameter);
    return anyOf(
      query.values.map((v) => ({
        clause: {
          kind: 'all-terms',
          terms: [...new Set(wantedKeys(query, v.text))].map((key) => terms.one('word', key)),
        },
        exact: true,
      })),
    );
  },

  matches(query, values) {
    const keys = keysOf(values);
    return query.values.some((v) => wantedKeys(query, v.text).every((key) => keys.has(key)));
  },
};
