import type { Resource } from '../../src/core/resource.js';
import { patientsOf } from '../../src/fhir/compartment.js';
import { parseReference } from '../../src/fhir/references.js';
import { findSearchParameter } from '../../src/fhir/registry.js';
import { matchesParameter, rangesOf, valuesOf } from '../../src/indexing/index.js';
import type { IndexContext } from '../../src/indexing/parameter-type.js';
import { parseFilter } from '../../src/search/parse.js';
import { valueHolds } from '../../src/search/recheck.js';
import { allOf, type Node } from '../../src/search/tree.js';

/**
 * The naive answer to a search: every resource looked at, every reference followed by looking through all of them. Slow
 * and plainly right; what search finds is compared with it.
 */
export function naiveSearch(
  all: readonly Resource[],
  type: string,
  params: readonly (readonly [string, string])[],
  context: IndexContext,
): string[] {
  const tree = allOf(params.map(([name, value]) => parseFilter(type, name, value)));
  return all
    .filter((r) => r.resourceType === type && holds(tree, r, all, context))
    .map((r) => r.id!)
    .sort();
}

function holds(node: Node, resource: Resource, all: readonly Resource[], context: IndexContext): boolean {
  switch (node.kind) {
    case 'everything':
      return true;
    case 'nothing':
      return false;
    case 'and':
      return node.of.every((n) => holds(n, resource, all, context));
    case 'or':
      return node.of.some((n) => holds(n, resource, all, context));
    case 'not':
      return !holds(node.of, resource, all, context);
    case 'parameter':
    case 'updated':
      return matchesParameter(node.query, resource, context);
    case 'value-test':
      return valueHolds(node, resource, context);
    case 'coded-quantity':
      return (
        matchesParameter(node.code, resource, context) && matchesParameter(node.quantity, resource, context)
      );
    case 'id':
      return node.ids.includes(resource.id!);
    case 'compartment':
      return patientsOf(resource, context.base).includes(node.patient);
    case 'chain': {
      const keys = referencesOf(node.query.parameter, resource, context);
      return all.some(
        (r) => r.resourceType === node.target && isNamed(r, keys) && holds(node.of, r, all, context),
      );
    }
    case 'has':
      return all.some(
        (r) =>
          r.resourceType === node.source &&
          isNamed(resource, referencesOf(node.query.parameter, r, context)) &&
          holds(node.of, r, all, context),
      );
  }
}

/** By `Type/id`, or by a canonical with or without its version. */
function isNamed(resource: Resource, keys: ReadonlySet<string>): boolean {
  const { url, version } = resource as { url?: string; version?: string };
  return (
    keys.has(`${resource.resourceType}/${resource.id}`) ||
    (url !== undefined && (keys.has(url) || keys.has(`${url}|${version}`)))
  );
}

function referencesOf(
  parameter: Parameters<typeof valuesOf>[0],
  resource: Resource,
  context: IndexContext,
): Set<string> {
  const keys = new Set<string>();
  for (const value of valuesOf(parameter, resource)) {
    if (typeof value === 'string' && value.includes(':')) keys.add(value.split('#')[0]!);
    const text = (value as { reference?: unknown })?.reference;
    const parsed = typeof text === 'string' ? parseReference(text, context.base) : undefined;
    if (parsed?.kind === 'local') keys.add(`${parsed.type}/${parsed.id}`);
  }
  return keys;
}

/** Sign of the order of two resources by sort keys such as `-date`; what has no value comes last in both directions. */
export function compareBy(keys: readonly string[], a: Resource, b: Resource): number {
  for (const key of keys) {
    const descending = key.startsWith('-');
    const code = descending ? key.slice(1) : key;
    const [x, y] = [a, b].map((r) => firstValue(code, descending, r));
    if (x === y) continue;
    if (x === undefined) return 1;
    if (y === undefined) return -1;
    return x < y !== descending ? -1 : 1;
  }
  return 0;
}

/** Of several values the one that comes first in the direction. */
function firstValue(code: string, descending: boolean, resource: Resource): string | number | undefined {
  if (code === '_id') return resource.id;
  // All were written at once.
  if (code === '_lastUpdated') return 0;
  const parameter = findSearchParameter(resource.resourceType, code)!;
  const values = valuesOf(parameter, resource).flatMap((value): (string | number)[] => {
    if (parameter.type === 'date') return rangesOf(value).map((r) => r.lo);
    if (parameter.type === 'quantity') return [inGrams(value as { value: number; code: string })];
    return typeof value === 'string' ? [value.normalize('NFD').replace(/\p{M}/gu, '').toLowerCase()] : [];
  });
  values.sort((p, q) => (p === q ? 0 : p < q !== descending ? -1 : 1));
  return values[0];
}

const GRAMS: Readonly<Record<string, number>> = { mg: 1e-3, g: 1, kg: 1e3 };

/** Rounded: a thousandth of 1.5 is not always the double that 0.0015 is. */
const inGrams = ({ value, code }: { value: number; code: string }) =>
  Number((value * GRAMS[code]!).toPrecision(12));
