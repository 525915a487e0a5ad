import type { SearchParameter } from '../fhir/registry.js';
import { anyOf } from './clauses.js';
import type { CompiledParameter, IndexContext, ParameterType } from './parameter-type.js';
import { unsupportedModifier } from './refusal.js';
import { parameterTerms, term } from './terms.js';

/** Paths deeper than this are found by their first so many steps and rechecked. */
const MAX_URI_STEPS = 12;

/** The text of a uri value; a canonical is `url|version`. */
export function uriOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

export function withoutVersion(canonical: string): string {
  const bar = canonical.indexOf('|');
  return bar > 0 ? canonical.slice(0, bar) : canonical;
}

/** `http://a/b/c` gives `http://a`, `http://a/b`, `http://a/b/c`; at most `MAX_URI_STEPS` of them. */
function steps(uri: string): string[] {
  const out: string[] = [];
  const scheme = uri.indexOf('://');
  let at = scheme < 0 ? 0 : scheme + 3;
  while (out.length < MAX_URI_STEPS) {
    const slash = uri.indexOf('/', at);
    if (slash < 0) {
      out.push(uri);
      break;
    }
    if (slash > at) out.push(uri.slice(0, slash));
    at = slash + 1;
  }
  return [...new Set(out)];
}

/** Every uri that could be above this one, or it: its beginnings up to a slash, with and without that slash. */
function above(uri: string): string[] {
  const out = [uri];
  for (let at = uri.indexOf('/'); at > 0; at = uri.indexOf('/', at + 1))
    out.push(uri.slice(0, at), uri.slice(0, at + 1));
  return [...new Set(out)];
}

function isBelow(uri: string, above: string): boolean {
  const root = above.endsWith('/') ? above.slice(0, -1) : above;
  return uri === root || uri.startsWith(`${root}/`);
}

/** Uris match whole, case and all; `:below` those that begin with it, `:above` its beginnings. R4 search.html#uri. */
export const uriParameter: ParameterType = {
  extract(parameter, values, _resource, to, context) {
    const terms = parameterTerms(context, parameter);
    for (const value of values) {
      const uri = uriOf(value);
      if (uri === undefined) continue;
      to.term(terms.one('uri', uri));
      // A canonical with a version is found without it too.
      const bare = withoutVersion(uri);
      if (bare !== uri) to.term(terms.one('uri', bare));
      for (const step of steps(bare)) to.term(terms.one('uriBelow', step));
      to.term(terms.fixed('present'));
    }
  },

  compile(query, context) {
    const each = (one: (p: SearchParameter, uri: string, c: IndexContext) => CompiledParameter) =>
      anyOf(query.values.map((v) => one(query.parameter, v.text, context)));
    switch (query.modifier) {
      case undefined:
        return each((p, uri, c) => ({
          clause: { kind: 'all-terms', terms: [term(c, 'uri', p, uri)] },
          exact: true,
        }));
      case 'below':
        return each((p, uri, c) => {
          const found = steps(uri.endsWith('/') ? uri.slice(0, -1) : uri);
          const wanted = term(c, 'uriBelow', p, found.at(-1) ?? uri);
          return { clause: { kind: 'all-terms', terms: [wanted] }, exact: found.length < MAX_URI_STEPS };
        });
      case 'above':
        return each((p, uri, c) => ({
          clause: { kind: 'any-term', terms: above(uri).map((s) => term(c, 'uri', p, s)) },
          exact: true,
        }));
      default:
        throw unsupportedModifier(query, 'Uris have :above, :below and :missing.');
    }
  },

  matches(query, values) {
    const uris = values.map(uriOf).filter((u) => u !== undefined);
    return query.values.some(({ text }) =>
      uris.some((uri) => {
        if (query.modifier === 'below') return isBelow(withoutVersion(uri), text);
        if (query.modifier === 'above') return isBelow(text, withoutVersion(uri)) || uri === text;
        return uri === text || uri.startsWith(`${text}|`);
      }),
    );
  },
};
