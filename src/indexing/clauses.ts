import type { Clause, CompiledParameter } from './parameter-type.js';

/** Beginnings are indexed at these lengths; a search uses the longest that fits and rechecks the rest. */
const PREFIX_LENGTHS = [1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16];

/** The indexed lengths of the beginnings of a text of `length` units. */
export function prefixLengths(length: number): readonly number[] {
  return PREFIX_LENGTHS.filter((n) => n <= length);
}

/** OR of several compiled values: single terms become one array overlap, the rest an `or`. */
export function anyOf(parts: readonly CompiledParameter[]): CompiledParameter {
  const exact = parts.every((p) => p.exact);
  return { clause: orClause(parts.map((p) => p.clause)), exact };
}

export function orClause(clauses: readonly Clause[]): Clause {
  const terms: bigint[] = [];
  const others: Clause[] = [];
  for (const clause of clauses) {
    if (clause.kind === 'everything') return clause;
    if (clause.kind === 'nothing') continue;
    if (clause.kind === 'any-term') terms.push(...clause.terms);
    else if (clause.kind === 'all-terms' && clause.terms.length === 1) terms.push(clause.terms[0]!);
    else if (clause.kind === 'or') others.push(...clause.of);
    else others.push(clause);
  }
  const distinct = [...new Set(terms)];
  if (distinct.length === 1) others.unshift({ kind: 'all-terms', terms: distinct });
  else if (distinct.length > 1) others.unshift({ kind: 'any-term', terms: distinct });
  if (others.length === 0) return { kind: 'nothing' };
  return others.length === 1 ? others[0]! : { kind: 'or', of: others };
}

/** AND of several compiled parts: sets of terms become one array containment. */
export function allOf(parts: readonly CompiledParameter[]): CompiledParameter {
  const terms: bigint[] = [];
  const others: Clause[] = [];
  for (const { clause } of parts) {
    if (clause.kind === 'all-terms') terms.push(...clause.terms);
    else if (clause.kind === 'and') others.push(...clause.of);
    else if (clause.kind !== 'everything') others.push(clause);
  }
  if (terms.length > 0) others.unshift({ kind: 'all-terms', terms: [...new Set(terms)] });
  const exact = parts.every((p) => p.exact);
  if (others.some((c) => c.kind === 'nothing')) return { clause: { kind: 'nothing' }, exact };
  if (others.length === 0) return { clause: { kind: 'everything' }, exact };
  return { clause: others.length === 1 ? others[0]! : { kind: 'and', of: others }, exact };
}
