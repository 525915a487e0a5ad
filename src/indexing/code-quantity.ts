import { coarseLevel } from '../core/blind.js';
import { findSearchParameter } from '../fhir/registry.js';
import { anyOf } from './clauses.js';
import { isCodeQuantity } from './composite.js';
import type { CompiledParameter, IndexContext, ParameterQuery } from './parameter-type.js';
import { quantityClause } from './quantity.js';
import { term } from './terms.js';
import { splitEscaped } from './values.js';

/**
 * `code=X` and `value-quantity=Y` in one search of Observations: rows of code and value together find them without
 * intersecting two long lists. Undefined where the two queries are not of that form; then each is compiled alone.
 */
export function codeQuantityTerms(
  code: ParameterQuery,
  quantity: ParameterQuery,
  context: IndexContext,
): CompiledParameter | undefined {
  // Only the exact index has such rows.
  if (coarseLevel(context.blind)) return undefined;
  if (code.modifier !== undefined || quantity.modifier !== undefined) return undefined;
  const composite = findSearchParameter(
    code.parameter.base,
    `${code.parameter.code}-${quantity.parameter.code}`,
  );
  if (composite?.type !== 'composite' || composite.unionOf || !isCodeQuantity(composite)) return undefined;
  const parts: CompiledParameter[] = [];
  for (const c of code.values) {
    const coding = splitEscaped(c.text, '|');
    if (coding.length !== 2 || coding[0] === '' || coding[1] === '') return undefined;
    const [system, value] = coding as [string, string];
    const raw = term(context, 'codeQuantity', composite, system, value);
    const canonical = term(context, 'codeCanonicalQuantity', composite, system, value);
    for (const q of quantity.values) parts.push(quantityClause(quantity, q, raw, canonical, context));
  }
  return parts.length === 0 ? undefined : anyOf(parts);
}
