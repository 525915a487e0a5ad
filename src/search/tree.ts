import type { ParameterQuery } from '../indexing/parameter-type.js';

/**
 * What is asked for, as a tree over the resources of one type. It keeps the words of the search, so that the same
 * tree is compiled for the database and rechecked on opened bodies.
 */
export type Node =
  | { readonly kind: 'and'; readonly of: readonly Node[] }
  | { readonly kind: 'or'; readonly of: readonly Node[] }
  | { readonly kind: 'not'; readonly of: Node }
  /** A search parameter of the resource itself. */
  | { readonly kind: 'parameter'; readonly query: ParameterQuery }
  /** A value of the parameter that compares so with the query's one value: what only `_filter` can ask for. */
  | { readonly kind: 'value-test'; readonly test: ValueTest; readonly query: ParameterQuery }
  /** Layout H: one coding of the resource's `code` together with a bound on its quantity. */
  | { readonly kind: 'coded-quantity'; readonly code: ParameterQuery; readonly quantity: ParameterQuery }
  | { readonly kind: 'id'; readonly ids: readonly string[] }
  /** `_lastUpdated`: values OR'ed. */
  | { readonly kind: 'updated'; readonly query: ParameterQuery }
  /** A reference of the resource points at a `target` that satisfies `of`. */
  | { readonly kind: 'chain'; readonly query: ParameterQuery; readonly target: string; readonly of: Node }
  /** A `source` that satisfies `of` points at the resource with its reference `query.parameter`. */
  | { readonly kind: 'has'; readonly source: string; readonly query: ParameterQuery; readonly of: Node }
  | { readonly kind: 'compartment'; readonly patient: string }
  | { readonly kind: 'everything' }
  | { readonly kind: 'nothing' };

/** How a value is compared; all but `unequal` are for strings. */
export type ValueTest = 'equals' | 'unequal' | 'ends' | 'after' | 'before' | 'from' | 'to';

export const EVERYTHING: Node = { kind: 'everything' };
export const NOTHING: Node = { kind: 'nothing' };

/** A conjunction in its simplest form: flat, without `everything`, `nothing` if any part is. */
export function allOf(nodes: readonly Node[]): Node {
  const flat = nodes.flatMap((n) => (n.kind === 'and' ? n.of : [n])).filter((n) => n.kind !== 'everything');
  if (flat.some((n) => n.kind === 'nothing')) return NOTHING;
  return flat.length === 0 ? EVERYTHING : flat.length === 1 ? flat[0]! : { kind: 'and', of: flat };
}

/** A disjunction in its simplest form. */
export function anyOf(nodes: readonly Node[]): Node {
  const flat = nodes.flatMap((n) => (n.kind === 'or' ? n.of : [n])).filter((n) => n.kind !== 'nothing');
  if (flat.some((n) => n.kind === 'everything')) return EVERYTHING;
  return flat.length === 0 ? NOTHING : flat.length === 1 ? flat[0]! : { kind: 'or', of: flat };
}

function printQuery(query: ParameterQuery): string {
  const values = query.values.map((v) => (v.prefix === 'eq' ? v.text : v.prefix + v.text)).join(',');
  return `${query.parameter.code}${query.modifier ? `:${query.modifier}` : ''}=${values}`;
}

/** The tree as one line, for tests and for the log of a plan. Holds the values searched: never log it with them. */
export function printTree(node: Node): string {
  switch (node.kind) {
    case 'and':
    case 'or':
      return `(${node.kind} ${node.of.map(printTree).join(' ')})`;
    case 'not':
      return `(not ${printTree(node.of)})`;
    case 'parameter':
      return printQuery(node.query);
    case 'value-test':
      return `(${node.test} ${printQuery(node.query)})`;
    case 'coded-quantity':
      return `[${printQuery(node.code)} ${printQuery(node.quantity)}]`;
    case 'id':
      return `_id=${node.ids.join(',')}`;
    case 'updated':
      return printQuery(node.query);
    case 'chain':
      return `(${node.query.parameter.code} -> ${node.target} ${printTree(node.of)})`;
    case 'has':
      return `(${node.source}.${node.query.parameter.code} <- ${printTree(node.of)})`;
    case 'compartment':
      return `compartment=${node.patient}`;
    case 'everything':
    case 'nothing':
      return node.kind;
  }
}
