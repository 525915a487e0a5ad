import { coarseLevel } from '../core/blind.js';
import { compartmentParameters } from '../fhir/compartment.js';
import { parseReference } from '../fhir/references.js';
import { type SearchParameter, standardRegistry } from '../fhir/registry.js';
import { typeNumber } from '../fhir/resource-types.js';
import { indexResource, sharedCompartmentTerm } from '../indexing/index.js';
import type { IndexContext } from '../indexing/parameter-type.js';
import type { TenantKeys } from '../tenancy/tenant.js';
import { compartmentCondition, compileNode } from './compile.js';
import { type Condition, conjuncts, every, isDeep, optimize, printCondition } from './condition.js';
import type { SortKey } from './control.js';
import { clinicalDateParameter, parameterHash, quantityOrder, sortedTermOf } from './index-terms.js';
import type { Order, SqlKey } from './order.js';
import type { ParsedSearch } from './parse-search.js';
import type { Find } from './statement.js';
import type { Node } from './tree.js';

/** Compiles a parsed search, chooses the order and the index that can give it. */
export function planSearch(
  parsed: ParsedSearch,
  keys: Pick<TenantKeys, 'rid'>,
  context: IndexContext,
): { find: Find; exact: boolean } {
  const compiled = parsed.types.map((type) => ({
    type,
    ...compileNode(type, parsed.trees.get(type)!, keys, context),
  }));
  const exact = compiled.every((c) => c.exact);
  const order = orderOf(parsed.controls.sort, parsed.types, context);
  const types = parsed.types.map(typeNumber).sort((a, b) => a - b);
  const condition = optimize(acrossTypes(compiled));
  const plain: Find = { types, condition, order, countTerm: countTermOf(parsed, context) };
  return { find: order.kind === 'clinical' ? inClinicalOrder(parsed, plain, keys, context) : plain, exact };
}

/** One condition for rows of several types. A term belongs to one type already, so it needs no type beside it. */
function acrossTypes(compiled: readonly { type: string; condition: Condition }[]): Condition {
  const first = optimize(compiled[0]!.condition);
  if (compiled.length === 1) return first;
  const all = compiled.map((c) => ({ rtype: typeNumber(c.type), condition: optimize(c.condition) }));
  // A deep chain is one for its type alone, and to print it would follow every branch.
  if (!all.some((c) => isDeep(c.condition)))
    if (all.every((c) => printCondition(c.condition) === printCondition(first))) return first;
  return {
    kind: 'or',
    of: all.map(({ rtype, condition }) =>
      condition.kind === 'terms'
        ? condition
        : every([{ kind: 'types', types: [rtype] }, ...conjuncts(condition)]),
    ),
  };
}

function orderOf(sort: readonly SortKey[], types: readonly string[], context: IndexContext): Order {
  if (sort.length === 0) return { kind: 'row' };
  const [first] = sort;
  if (sort.length === 1 && first!.code === '_lastUpdated')
    return { kind: 'updated', descending: first!.descending };
  // Only the exact index has values in their order.
  if (coarseLevel(context.blind)) return { kind: 'bodies', keys: sort };
  const type = types.length === 1 ? types[0] : undefined;
  if (type !== undefined && sort.length === 1 && clinicalDateParameter(type) === first!.code)
    return { kind: 'clinical', descending: first!.descending };
  const keys = sort.map((s) => sqlKey(s, type, context));
  if (!keys.every((k) => k !== undefined))
    return { kind: 'bodies', keys: sort.map((s, i) => ({ ...s, sql: keys[i] })) };
  return { kind: 'keys', keys, rowsOf: (resource) => indexResource(resource, context) };
}

function sqlKey(
  { code, descending }: SortKey,
  type: string | undefined,
  context: IndexContext,
): SqlKey | undefined {
  if (code === '_lastUpdated') return { from: 'updated', descending };
  const parameter = type === undefined ? undefined : (context.registry ?? standardRegistry).find(type, code);
  switch (parameter?.type) {
    case 'date':
      return { from: 'date', param: parameterHash(parameter, context), descending };
    case 'number':
    case 'quantity':
      if (parameter.unionOf) return undefined;
      return { from: 'quantity', ...quantityOrder(parameter, context), descending };
    default:
      return undefined;
  }
}

/**
 * The most selective ordered index that holds every match: the rows of patient and code, else the patient's timeline,
 * else the rows of the code, else those of the type.
 */
function inClinicalOrder(
  parsed: ParsedSearch,
  find: Find,
  keys: Pick<TenantKeys, 'rid'>,
  context: IndexContext,
): Find {
  const type = parsed.types[0]!;
  const tree = parsed.trees.get(type)!;
  const nodes: readonly Node[] = tree.kind === 'and' ? tree.of : [tree];
  const patient = nodes.map((n) => patientNamed(type, n, context)).find((p) => p !== undefined);
  const sortedTerm = sortedTermOf(type, nodes, patient, context);
  if (sortedTerm.kind === 'patient-code')
    return { ...find, sortedTerm: sortedTerm.term, sharedTerm: sharedCompartmentTerm(context, patient!) };
  if (patient !== undefined) {
    const compartment = compartmentCondition(patient, keys, context);
    const rest = conjuncts(find.condition).filter((c) => c.kind !== 'compartment');
    return { ...find, condition: every([compartment, ...rest]) };
  }
  return { ...find, sortedTerm: sortedTerm.term };
}

/** Where one coding of the type's code or category is all that is asked for, its sorted term. */
function countTermOf(parsed: ParsedSearch, context: IndexContext): bigint | undefined {
  const [type] = parsed.types;
  if (coarseLevel(context.blind)) return undefined;
  if (parsed.types.length !== 1 || type === undefined) return undefined;
  const tree = parsed.trees.get(type)!;
  if (tree.kind !== 'parameter') return undefined;
  const sorted = sortedTermOf(type, [tree], undefined, context);
  return sorted.kind === 'type' ? undefined : sorted.term;
}

/** The one patient whose compartment every match is in, where a conjunct says so. */
function patientNamed(type: string, node: Node, context: IndexContext): string | undefined {
  if (node.kind === 'compartment') return node.patient;
  if (node.kind !== 'parameter' || node.query.modifier !== undefined || node.query.values.length !== 1)
    return undefined;
  const { parameter } = node.query;
  if (parameter.type !== 'reference' || !isCompartmentParameter(type, parameter)) return undefined;
  const { text } = node.query.values[0]!;
  if (!text.includes('/'))
    return parameter.targets.length === 1 && parameter.targets[0] === 'Patient' ? text : undefined;
  const parsed = parseReference(text, context.base);
  return parsed.kind === 'local' && parsed.type === 'Patient' ? parsed.id : undefined;
}

/** Whether the parameter's references are among those that put the type into a patient's compartment. */
function isCompartmentParameter(type: string, parameter: SearchParameter): boolean {
  const codes = compartmentParameters('Patient', type);
  return (
    codes.includes(parameter.code) || (parameter.aliasOf !== undefined && codes.includes(parameter.aliasOf))
  );
}
