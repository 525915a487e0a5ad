import { isFhirId } from '../core/ids.js';
import type { Resource } from '../core/resource.js';
import { referenceTypeOf } from '../fhir/paths.js';
import { type ParsedReference, parseReference } from '../fhir/references.js';
import { findSearchParameter, type SearchParameter } from '../fhir/registry.js';
import { isResourceType } from '../fhir/resource-types.js';
import { CANONICAL_TYPE, canonicalName, holdsCanonicals } from './canonical.js';
import { anyOf, orClause } from './clauses.js';
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
import { parameterTerms, term } from './terms.js';
import { textsOf } from './token.js';
import { splitEscaped } from './values.js';

/** Up to this many target types, an id without type is looked for in each; above, by a term of the bare id. */
export const MAX_TARGETS_TRIED = 8;

type Object_ = Record<string, unknown>;

/**
 * The parameter whose rows answer for this one (`subject` for Observation.patient), and the one type this one is
 * narrowed to.
 */
export function rowParameter(parameter: SearchParameter): {
  rows: SearchParameter;
  only: string | undefined;
} {
  if (parameter.aliasOf === undefined) return { rows: parameter, only: undefined };
  const rows = findSearchParameter(parameter.base, parameter.aliasOf)!;
  return { rows, only: parameter.expression === rows.expression ? undefined : parameter.targets[0] };
}

/** What one value of a reference parameter points at. */
interface Pointed {
  readonly parsed: ParsedReference | undefined;
  readonly type: string | undefined;
  readonly identifier: { system: string; value: string } | undefined;
}

function pointedOf(value: unknown, resource: Resource, context: IndexContext): Pointed {
  if (typeof value === 'string')
    return { parsed: canonicalOf(value, context), type: undefined, identifier: undefined };
  if (typeof value !== 'object' || value === null) return NOWHERE;
  const v = value as Object_;
  if (typeof v.resourceType === 'string') {
    // Bundle.entry[0].resource: the resource itself stands where the reference would.
    if (!isFhirId(v.id) || !isResourceType(v.resourceType)) return NOWHERE;
    return {
      parsed: { kind: 'local', type: v.resourceType, id: v.id },
      type: v.resourceType,
      identifier: undefined,
    };
  }
  const i = v.identifier as Object_ | undefined;
  const identifier =
    typeof i?.value === 'string'
      ? { system: typeof i.system === 'string' ? i.system : '', value: i.value }
      : undefined;
  const text = typeof v.reference === 'string' ? v.reference : typeof v.url === 'string' ? v.url : undefined;
  const parsed = text === undefined ? undefined : parseReference(text, context.base);
  return {
    parsed,
    type: parsed?.kind === 'local' ? parsed.type : referenceTypeOf(value, resource),
    identifier,
  };
}

const NOWHERE: Pointed = { parsed: undefined, type: undefined, identifier: undefined };

/** A canonical or uri is a URL; only a `Type/id` of ours is local. */
function canonicalOf(text: string, context: IndexContext): ParsedReference {
  const parsed = parseReference(text, context.base);
  return parsed.kind === 'malformed' || parsed.kind === 'conditional'
    ? { kind: 'external', url: text }
    : parsed;
}

function urlOf(parsed: ParsedReference): string | undefined {
  if (parsed.kind === 'external') return parsed.url;
  if (parsed.kind === 'urn') return parsed.urn;
  return undefined;
}

/** References, by where they point; `:Type`, `:identifier`. R4 search.html#reference. */
export const referenceParameter: ParameterType = {
  extract(parameter, values, resource, to, context) {
    if (values.length === 0 || parameter.aliasOf !== undefined) return;
    const param = parameterTerms(context, parameter).fixed('parameter');
    for (const value of values) {
      const { parsed, type, identifier } = pointedOf(value, resource, context);
      if (identifier) {
        to.term(term(context, 'identifier', parameter, identifier.system, identifier.value));
        to.term(term(context, 'identifier', parameter, '*', identifier.value));
      }
      if (parsed?.kind === 'local') {
        to.reference({ param, targetType: parsed.type, targetId: parsed.id });
        if (targetsTried(parameter) === undefined) to.term(term(context, 'targetId', parameter, parsed.id));
        continue;
      }
      addElsewhere(parameter, parsed, type, to, context);
      const name = typeof value === 'string' ? canonicalName(value) : undefined;
      if (name !== undefined) to.reference({ param, targetType: CANONICAL_TYPE, targetId: name });
    }
  },

  compile(query, context) {
    if (query.modifier === 'identifier')
      return anyOf(query.values.map((v) => byIdentifier(query, v.text, context)));
    if (isTextual(query)) {
      for (const { text } of query.values)
        if (fold(text) === '')
          throw badValue(query, 'a text to look for', 'Give at least one letter or digit.');
      // What a reference is called is in no index: it would tell names. All that have one are looked at.
      return { clause: referencePresent(query.parameter, context), exact: false };
    }
    const asked = query.modifier;
    if (asked !== undefined && !isResourceType(asked)) {
      throw unsupportedModifier(
        query,
        'References have :identifier, :text, :code-text, :missing and the name of a resource type.',
      );
    }
    return anyOf(query.values.map((v) => compileReference(query, v.text, asked, context)));
  },

  matches(query, values, resource, context) {
    if (isTextual(query)) {
      const texts = values.flatMap((value) => textsOf(value).map(fold));
      return query.values.some(({ text }) => texts.some((t) => t.startsWith(fold(text))));
    }
    const pointed = values.map((v) => pointedOf(v, resource, context));
    return query.values.some(({ text }) => {
      if (query.modifier === 'identifier') {
        const [system, value] = identifierParts(query, text);
        return pointed.some(
          (p) => p.identifier?.value === value && (system === undefined || p.identifier.system === system),
        );
      }
      return pointed.some((p) => pointsAt(p, text, query, context));
    });
  },
};

/** Rows cannot say these: something outside this tenant, or a display alone. The term says that there is a value. */
function addElsewhere(
  parameter: SearchParameter,
  parsed: ParsedReference | undefined,
  type: string | undefined,
  to: RowSink,
  context: IndexContext,
): void {
  to.term(term(context, 'present', parameter));
  if (type !== undefined) to.term(term(context, 'present', parameter, type));
  const url = parsed && urlOf(parsed);
  if (url === undefined) return;
  to.term(term(context, 'external', parameter, url));
  const bar = url.indexOf('|');
  if (bar > 0) to.term(term(context, 'external', parameter, url.slice(0, bar)));
}

/** The types an id without a type is looked for in; undefined means any. */
function targetsTried({ targets }: SearchParameter): readonly string[] | undefined {
  return targets.length === 0 || targets.length > MAX_TARGETS_TRIED ? undefined : targets;
}

function compileReference(
  query: ParameterQuery,
  text: string,
  asked: string | undefined,
  context: IndexContext,
): CompiledParameter {
  const { rows, only } = rowParameter(query.parameter);
  const param = term(context, 'parameter', rows);
  const to = (targetType: string, targetId: string): Clause => ({
    kind: 'reference',
    param,
    targetType,
    targetId,
  });
  const allowed = asked ?? only;
  if (only !== undefined && allowed !== only) return { clause: { kind: 'nothing' }, exact: true };
  if (isFhirId(text)) {
    const targets = allowed === undefined ? (targetsTried(query.parameter) ?? targetsTried(rows)) : [allowed];
    const one = (kind: 'targetId' | 'external'): Clause => ({
      kind: 'all-terms',
      terms: [term(context, kind, rows, text)],
    });
    // `#id` and URLs do not look like an id, so that the terms of bare ids are of local references.
    const ways: Clause[] = targets ? targets.map((t) => to(t, text)) : [one('targetId')];
    if (allowed === undefined && holdsCanonicals(rows)) ways.push(one('external'));
    return { clause: orClause(ways), exact: true };
  }
  const parsed = parseReference(text, context.base);
  if (parsed.kind === 'local') {
    if (allowed !== undefined && parsed.type !== allowed) return { clause: { kind: 'nothing' }, exact: true };
    return { clause: to(parsed.type, parsed.id), exact: parsed.version === undefined };
  }
  const url = parsed.kind === 'malformed' ? text : urlOf(parsed);
  if (url === undefined || url === '') {
    throw badValue(query, 'a reference', 'Write it as id, Type/id, or an absolute URL.');
  }
  return {
    clause: { kind: 'all-terms', terms: [term(context, 'external', rows, url)] },
    exact: allowed === undefined,
  };
}

/** Searches what a reference is called (R5 search.html#modifiers: an addition). */
function isTextual({ modifier }: ParameterQuery): boolean {
  return modifier === 'text' || modifier === 'code-text';
}

function pointsAt(p: Pointed, text: string, query: ParameterQuery, context: IndexContext): boolean {
  const asked = query.modifier;
  if (!p.parsed) return false;
  const type = p.parsed.kind === 'local' ? p.parsed.type : p.type;
  if (asked !== undefined && type !== asked) return false;
  if (p.parsed.kind === 'local') {
    if (isFhirId(text)) {
      const tried = asked === undefined ? targetsTried(query.parameter) : undefined;
      return p.parsed.id === text && (tried?.includes(p.parsed.type) ?? true);
    }
    const wanted = parseReference(text, context.base);
    return (
      wanted.kind === 'local' &&
      wanted.type === p.parsed.type &&
      wanted.id === p.parsed.id &&
      (wanted.version === undefined || wanted.version === p.parsed.version)
    );
  }
  const url = urlOf(p.parsed);
  const id = isFhirId(text) && (asked !== undefined || !holdsCanonicals(rowParameter(query.parameter).rows));
  return url !== undefined && !id && (url === text || url.startsWith(`${text}|`));
}

function identifierParts(query: ParameterQuery, text: string): [system: string | undefined, value: string] {
  const parts = splitEscaped(text, '|');
  if (parts.length > 2 || parts.at(-1) === '') {
    throw badValue(query, 'an identifier', 'Write it as system|value, |value or value.');
  }
  return parts.length === 1 ? [undefined, parts[0]!] : [parts[0], parts[1]!];
}

function byIdentifier(query: ParameterQuery, text: string, context: IndexContext): CompiledParameter {
  const { rows, only } = rowParameter(query.parameter);
  const [system, value] = identifierParts(query, text);
  const wanted = term(context, 'identifier', rows, system ?? '*', value);
  return { clause: { kind: 'all-terms', terms: [wanted] }, exact: only === undefined };
}

/** A clause for "has a value" of a reference parameter. */
export function referencePresent(parameter: SearchParameter, context: IndexContext): Clause {
  const { rows, only } = rowParameter(parameter);
  const param = term(context, 'parameter', rows);
  const elsewhere =
    only === undefined ? term(context, 'present', rows) : term(context, 'present', rows, only);
  return {
    kind: 'or',
    of: [
      { kind: 'all-terms', terms: [elsewhere] },
      { kind: 'reference', param, ...(only === undefined ? {} : { targetType: only }) },
    ],
  };
}
