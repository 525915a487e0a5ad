import { Fault } from '../core/fault.js';
import { isResourceType } from '../fhir/resource-types.js';

/** The search of a conditional interaction or reference: `Practitioner?identifier=…`. */
export interface Criteria {
  readonly type: string;
  readonly params: readonly (readonly [name: string, value: string])[];
  /** The same for any order and encoding of the same search: what is memoised and locked by. */
  readonly key: string;
}

/** Parameters that shape a result and select nothing (R4 search.html#3.1.1.5). */
const SHAPING = new Set([
  '_format',
  '_pretty',
  '_count',
  '_sort',
  '_summary',
  '_elements',
  '_total',
  '_include',
  '_revinclude',
  '_contained',
  '_containedType',
]);

const MAX_CRITERIA_CHARS = 4_000;

/**
 * Reads criteria from a query string, with or without the leading `?`.
 * @throws Fault `precondition` when they select nothing: criteria that match everything are always a mistake.
 */
export function parseCriteria(type: string, query: string, at: string): Criteria {
  if (query.length > MAX_CRITERIA_CHARS) {
    throw new Fault('invalid', `Search criteria are longer than ${MAX_CRITERIA_CHARS} characters.`, {
      at,
      remedy: 'Identify the resource by fewer parameters, such as its identifier.',
    });
  }
  const params = [...new URLSearchParams(query.startsWith('?') ? query.slice(1) : query)].filter(
    ([name, value]) => value !== '' && !SHAPING.has(name.split(':')[0]!),
  );
  if (params.length === 0) {
    throw new Fault('precondition', 'The criteria select nothing in particular.', {
      at,
      remedy: 'Name at least one search parameter with a value, such as identifier=system|value.',
      issueCode: 'required',
    });
  }
  const sorted = params
    .map(([n, v]) => [n, v] as const)
    .sort((a, b) => compare(a[0], b[0]) || compare(a[1], b[1]));
  return {
    type,
    params: sorted,
    key: `${type}?${new URLSearchParams(sorted.map(([n, v]): [string, string] => [n, v]))}`,
  };
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

const CONDITIONAL_REFERENCE = /^([A-Z][A-Za-z]{2,60})\?(.+)$/s;

/**
 * Criteria of a conditional reference (R4 http.html#trules, "Conditional References"); undefined for any other
 * reference. An absolute one is ours only under `base`.
 */
export function conditionalReference(text: string, base: string, at: string): Criteria | undefined {
  if (!text.includes('?')) return undefined;
  const local = text.startsWith(`${base}/`) ? text.slice(base.length + 1) : text;
  const found = CONDITIONAL_REFERENCE.exec(local);
  if (!found || !isResourceType(found[1]!)) return undefined;
  return parseCriteria(found[1]!, found[2]!, at);
}
