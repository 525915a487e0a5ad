import type { SearchParameter } from '../fhir/registry.js';
import { typeNumber } from '../fhir/resource-types.js';
import {
  canonicalParam,
  codeQuantityTerms,
  compileParameter,
  dateBounds,
  hasCanonicalName,
  holdsCanonicals,
  sharedCompartmentTerm,
} from '../indexing/index.js';
import type { Clause, IndexContext, ParameterQuery } from '../indexing/parameter-type.js';
import type { TenantKeys } from '../tenancy/tenant.js';
import { ALWAYS, type Condition, every, NEVER } from './condition.js';
import { hasOneValue, parameterHash } from './index-terms.js';
import type { Node } from './tree.js';

/**
 * A tree compiled for the index. `condition` finds all matches; where `exact` is false it finds others too, and the
 * opened bodies must be rechecked.
 */
export interface Compiled {
  readonly condition: Condition;
  readonly exact: boolean;
}

type Keys = Pick<TenantKeys, 'rid'>;

/**
 * Compiles a tree over resources of `type`; a node that stands in several places is compiled once.
 * @throws Fault `invalid` for values that cannot be understood.
 */
export function compileNode(type: string, node: Node, keys: Keys, context: IndexContext): Compiled {
  const known = new Map<string, Map<Node, Compiled>>();
  const compile = (n: Node, t: string): Compiled => {
    let ofType = known.get(t);
    if (!ofType) {
      ofType = new Map();
      known.set(t, ofType);
    }
    let compiled = ofType.get(n);
    if (!compiled) {
      compiled = compileOne(t, n, compile, keys, context);
      ofType.set(n, compiled);
    }
    return compiled;
  };
  return compile(node, type);
}

function compileOne(
  type: string,
  node: Node,
  compile: (node: Node, type: string) => Compiled,
  keys: Keys,
  context: IndexContext,
): Compiled {
  const inner = (n: Node, t = type) => compile(n, t);
  switch (node.kind) {
    case 'everything':
      return { condition: ALWAYS, exact: true };
    case 'nothing':
      return { condition: NEVER, exact: true };
    case 'and': {
      const parts = node.of.map((n) => inner(n));
      return { condition: every(parts.map((p) => p.condition)), exact: parts.every((p) => p.exact) };
    }
    case 'or': {
      const parts = node.of.map((n) => inner(n));
      return {
        condition: { kind: 'or', of: parts.map((p) => p.condition) },
        exact: parts.every((p) => p.exact),
      };
    }
    case 'not': {
      // The complement of a superset is no superset: everything must then be opened.
      const part = inner(node.of);
      return part.exact
        ? { condition: { kind: 'not', of: part.condition }, exact: true }
        : { condition: ALWAYS, exact: false };
    }
    case 'parameter':
      return compileQuery(node.query, keys, context);
    case 'value-test':
      return { ...compileQuery(candidatesOf(node), keys, context), exact: false };
    case 'coded-quantity':
      return compileCodedQuantity(node.code, node.quantity, keys, context);
    case 'id':
      return { condition: { kind: 'rids', rids: node.ids.map((id) => keys.rid(type, id)) }, exact: true };
    case 'updated':
      return { condition: onLastUpdate(node.query, context), exact: true };
    case 'chain': {
      const of = inner(node.of, node.target);
      const param = parameterHash(node.query.parameter, context);
      const step = {
        kind: 'chain',
        param,
        targetType: typeNumber(node.target),
        of: of.condition,
      } as const;
      return { condition: byIdOrName(step, node.query.parameter, node.target, context), exact: of.exact };
    }
    case 'has': {
      const of = inner(node.of, node.source);
      const param = parameterHash(node.query.parameter, context);
      const step = { kind: 'has', sourceType: typeNumber(node.source), param, of: of.condition } as const;
      return { condition: byIdOrName(step, node.query.parameter, type, context), exact: of.exact };
    }
    case 'compartment':
      return { condition: compartmentCondition(node.patient, keys, context), exact: true };
  }
}

/** The query that finds every resource of which the test may hold. */
function candidatesOf({ test, query }: Extract<Node, { kind: 'value-test' }>): ParameterQuery {
  if (test === 'equals') return query;
  if (test === 'ends') return { ...query, modifier: 'contains' };
  return { ...query, modifier: 'missing', values: [{ prefix: 'eq', text: 'false' }] };
}

/** Canonical elements point at resources by their names, or by `Type/id` like any other. */
function byIdOrName(
  step: Extract<Condition, { kind: 'chain' | 'has' }>,
  parameter: SearchParameter,
  target: string,
  context: IndexContext,
): Condition {
  if (!holdsCanonicals(parameter) || !hasCanonicalName(target)) return step;
  return { kind: 'or', of: [step, { ...step, canonical: canonicalParam(context) }] };
}

export function compartmentCondition(patient: string, keys: Keys, context: IndexContext): Condition {
  return {
    kind: 'compartment',
    pkey: keys.rid('Patient', patient),
    shared: sharedCompartmentTerm(context, patient),
  };
}

function compileQuery(query: ParameterQuery, keys: Keys, context: IndexContext): Compiled {
  const { clause, exact } = compileParameter(query, context);
  const single = query.parameter.type === 'date' && hasOneValue(query.parameter);
  return { condition: clauseToCondition(clause, keys, single), exact };
}

/** Layout H: rows of code and quantity together; where the two are not of that form, each by itself. */
function compileCodedQuantity(
  code: ParameterQuery,
  quantity: ParameterQuery,
  keys: Keys,
  context: IndexContext,
): Compiled {
  const together = codeQuantityTerms(code, quantity, context);
  if (together) return { condition: clauseToCondition(together.clause, keys), exact: together.exact };
  const parts = [compileQuery(code, keys, context), compileQuery(quantity, keys, context)];
  return { condition: every(parts.map((p) => p.condition)), exact: parts.every((p) => p.exact) };
}

function clauseToCondition(clause: Clause, keys: Keys, single = false): Condition {
  switch (clause.kind) {
    case 'all-terms':
      return { kind: 'terms', all: true, terms: clause.terms };
    case 'any-term':
      return { kind: 'terms', all: false, terms: clause.terms };
    case 'date':
      return single ? { ...clause, single } : clause;
    case 'quantity':
      return { ...clause, unit: clause.unit };
    case 'reference': {
      const { param, targetType, targetId } = clause;
      return {
        kind: 'reference',
        param,
        targetType: targetType === undefined ? undefined : typeNumber(targetType),
        target:
          targetType === undefined || targetId === undefined ? undefined : keys.rid(targetType, targetId),
      };
    }
    case 'and':
    case 'or':
      return { kind: clause.kind, of: clause.of.map((c) => clauseToCondition(c, keys, single)) };
    case 'not':
      return { kind: 'not', of: clauseToCondition(clause.of, keys, single) };
    case 'everything':
    case 'nothing':
      return clause;
  }
}

/** `_lastUpdated` is a column of the row: its instant is both ends of the range. */
function onLastUpdate(query: ParameterQuery, context: IndexContext): Condition {
  const ranges = query.values.flatMap((value) => dateBounds(query, value, context.now));
  return {
    kind: 'or',
    of: ranges.map((b) => {
      const mins = [b.loMin, b.hiMin].filter((x) => x !== undefined);
      const maxs = [b.loMax, b.hiMax].filter((x) => x !== undefined);
      return {
        kind: 'updated',
        min: mins.length > 0 ? Math.max(...mins) : undefined,
        max: maxs.length > 0 ? Math.min(...maxs) : undefined,
      };
    }),
  };
}
