import { coarseLevel } from '../core/blind.js';
import { Fault } from '../core/fault.js';
import type { Resource } from '../core/resource.js';
import { findSearchParameter, type SearchParameter } from '../fhir/registry.js';
import { allOf, anyOf, orClause } from './clauses.js';
import { coarseClause } from './coarse.js';
import { componentsOf } from './composite.js';
import { rangesOf } from './date.js';
import type { Clause, CompiledParameter, IndexContext, ParameterQuery } from './parameter-type.js';
import { measuredOf } from './quantity.js';
import { referencePresent } from './reference.js';
import { badValue } from './refusal.js';
import { term } from './terms.js';
import { parameterType } from './types.js';
import { pathOf, valuesOf } from './values.js';

/** Parameters that stand in columns of the row itself; search answers them without the index tables. */
export const ROW_COLUMNS = new Set(['_id', '_lastUpdated']);

/**
 * The condition on index rows that finds a query's resources. Text of values is as it came after splitting at commas;
 * `\|`, `\$` and `\\` in it are still escaped.
 * @throws Fault `invalid` for a value that cannot be understood, `unsupported` for a modifier that is not served.
 */
export function compileParameter(query: ParameterQuery, context: IndexContext): CompiledParameter {
  const { parameter, modifier } = query;
  const type = parameterType(parameter);
  if (!type || ROW_COLUMNS.has(parameter.code)) {
    throw new Fault('unsupported', `The parameter ${parameter.code} has no index of its own.`, {
      at: parameter.code,
    });
  }
  if (modifier === 'missing') return compileMissing(query, context);
  if (parameter.unionOf) {
    const parts = partsOf(parameter).map((p) => compileParameter({ ...query, parameter: p }, context));
    return modifier === 'not' ? allOf(parts) : anyOf(parts);
  }
  const exact = type.compile(query, context);
  if (!coarseLevel(context.blind)) return exact;
  return coarseClause(query, exact, (p) => presence(p, context), context);
}

/** Whether the resource itself satisfies the query; what search rechecks opened bodies with. */
export function matchesParameter(query: ParameterQuery, resource: Resource, context: IndexContext): boolean {
  const { parameter, modifier } = query;
  if (parameter.code === '_id') return query.values.some((v) => v.text === resource.id);
  const type = parameterType(parameter);
  if (!type) throw new Fault('internal', `The parameter ${parameter.code} cannot be matched on a resource.`);
  const values = valuesOf(parameter, resource);
  if (modifier === 'missing') return hasValue(parameter, values, resource) !== wantsMissing(query);
  return type.matches(query, values, resource, context);
}

/** Whether one of the resource's values by itself does not satisfy the query. */
export function someValueFails(query: ParameterQuery, resource: Resource, context: IndexContext): boolean {
  const type = parameterType(query.parameter)!;
  return valuesOf(query.parameter, resource).some((v) => !type.matches(query, [v], resource, context));
}

function partsOf(parameter: SearchParameter): SearchParameter[] {
  return parameter.unionOf!.map((code) => findSearchParameter(parameter.base, code)!);
}

function wantsMissing(query: ParameterQuery): boolean {
  const [value, more] = query.values;
  if (more === undefined && value?.text === 'true') return true;
  if (more === undefined && value?.text === 'false') return false;
  throw badValue(query, 'true or false', 'Write :missing=true or :missing=false.');
}

function compileMissing(query: ParameterQuery, context: IndexContext): CompiledParameter {
  const wanted = wantsMissing(query);
  if (coarseLevel(context.blind) === 'none') return { clause: { kind: 'everything' }, exact: false };
  const present = presence(query.parameter, context);
  const exact = query.parameter.type !== 'composite';
  if (wanted) {
    // A composite's presence is a superset, whose complement would lose rows.
    return exact
      ? { clause: { kind: 'not', of: present }, exact }
      : { clause: { kind: 'everything' }, exact };
  }
  return { clause: present, exact };
}

function presence(parameter: SearchParameter, context: IndexContext): Clause {
  if (parameter.unionOf) return orClause(partsOf(parameter).map((p) => presence(p, context)));
  switch (parameter.type) {
    case 'date':
      return { kind: 'date', param: term(context, 'parameter', parameter) };
    case 'number':
    case 'quantity':
      return { kind: 'quantity', term: term(context, 'quantity', parameter) };
    case 'reference':
      return referencePresent(parameter, context);
    case 'composite': {
      // A component may look at more types than its own parameter has rows of; it then says nothing.
      const telling = componentsOf(parameter).filter((c) =>
        [...c.path.types].every((t) => pathOf(c.parameter).types.has(t)),
      );
      return telling.length === 0
        ? { kind: 'everything' }
        : { kind: 'and', of: telling.map((c) => presence(c.parameter, context)) };
    }
    default:
      return { kind: 'all-terms', terms: [term(context, 'present', parameter)] };
  }
}

function hasValue(parameter: SearchParameter, values: readonly unknown[], resource: Resource): boolean {
  if (parameter.type === 'composite') {
    return values.some((element) =>
      componentsOf(parameter).every((c) => hasValue(c.parameter, c.path.from(element, resource), resource)),
    );
  }
  if (parameter.type === 'date') return values.some((v) => rangesOf(v).length > 0);
  if (parameter.type === 'number' || parameter.type === 'quantity')
    return values.some((v) => measuredOf(v) !== undefined);
  if (parameter.type === 'uri') return values.some((v) => typeof v === 'string' && v !== '');
  return values.length > 0;
}
