import type { Resource, StoredResource } from '../core/resource.js';
import { patientsOf } from '../fhir/compartment.js';
import { parseReference } from '../fhir/references.js';
import { typeNumber } from '../fhir/resource-types.js';
import { fold, matchesParameter, stringsOf, valuesOf } from '../indexing/index.js';
import type { IndexContext } from '../indexing/parameter-type.js';
import { compileNode } from './compile.js';
import { every, optimize } from './condition.js';
import type { Recheck } from './fill.js';
import { parameterHash } from './index-terms.js';
import type { Reader } from './reader.js';
import { foundRow, rowsStatement } from './statement.js';
import type { Node } from './tree.js';

/** Values of one parameter that are still compared one by one. */
const MANY_VALUES = 100;
/** Sources of one `_has` opened at a time. */
const SOURCE_BATCH = 100;

/**
 * Tells of opened resources whether they truly match their type's tree: the index holds keyed hashes, and some clauses
 * find more than was asked for. Chains and `_has` whose index conditions are exact are left to the index, since
 * rechecking them would open every target again.
 */
export function recheckerOf(
  trees: ReadonlyMap<string, Node>,
  reader: Reader,
  context: IndexContext,
): Recheck {
  const conjunctsOf = new Map<string, readonly Node[]>();
  for (const [type, tree] of trees) {
    const parts = tree.kind === 'and' ? tree.of : [tree];
    const trusted = (p: Node) => isCostly(p) && compileNode(type, p, reader.tenant.keys, context).exact;
    conjunctsOf.set(
      type,
      parts.filter((p) => !trusted(p)),
    );
  }
  return async (resources) => {
    const verdicts: boolean[] = [];
    for (const resource of resources) {
      const parts = conjunctsOf.get(resource.resourceType);
      verdicts.push(parts !== undefined && (await allHold(parts, resource, reader, context)));
    }
    return verdicts;
  };
}

async function allHold(
  nodes: readonly Node[],
  resource: StoredResource,
  reader: Reader,
  context: IndexContext,
): Promise<boolean> {
  for (const node of nodes) if (!(await holds(node, resource, reader, context))) return false;
  return true;
}

/** Whether rechecking would open other resources, or compare with as many values as a value set has. */
function isCostly(node: Node): boolean {
  switch (node.kind) {
    case 'chain':
    case 'has':
      return true;
    case 'parameter':
      return node.query.values.length > MANY_VALUES;
    case 'and':
    case 'or':
      return node.of.some(isCostly);
    case 'not':
      return isCostly(node.of);
    default:
      return false;
  }
}

async function holds(
  node: Node,
  resource: StoredResource,
  reader: Reader,
  context: IndexContext,
): Promise<boolean> {
  switch (node.kind) {
    case 'everything':
      return true;
    case 'nothing':
      return false;
    case 'and':
      return allHold(node.of, resource, reader, context);
    case 'or':
      for (const n of node.of) if (await holds(n, resource, reader, context)) return true;
      return false;
    case 'not':
      return !(await holds(node.of, resource, reader, context));
    case 'parameter':
    case 'updated':
      return matchesParameter(node.query, resource, context);
    case 'string-test':
      return stringHolds(node, resource);
    case 'coded-quantity':
      return (
        matchesParameter(node.code, resource, context) && matchesParameter(node.quantity, resource, context)
      );
    case 'id':
      return node.ids.includes(resource.id);
    case 'compartment':
      return patientsOf(resource as Resource).includes(node.patient);
    case 'chain':
      return chainHolds(node, resource, reader, context);
    case 'has':
      return hasHolds(node, resource, reader, context);
  }
}

/** Strings are compared without case and accents (R4 search.html#string). */
export function stringHolds(node: Extract<Node, { kind: 'string-test' }>, resource: Resource): boolean {
  const wanted = fold(node.query.values[0]!.text);
  const strings = valuesOf(node.query.parameter, resource).flatMap((v) => stringsOf(v).map(fold));
  return strings.some((s) => (node.test === 'equals' ? s === wanted : s.endsWith(wanted)));
}

async function chainHolds(
  node: Extract<Node, { kind: 'chain' }>,
  resource: StoredResource,
  reader: Reader,
  context: IndexContext,
): Promise<boolean> {
  const keys: { type: string; id: string }[] = [];
  for (const value of valuesOf(node.query.parameter, resource)) {
    const text = (value as { reference?: unknown } | null)?.reference;
    const parsed = typeof text === 'string' ? parseReference(text, context.base) : undefined;
    if (parsed?.kind === 'local' && parsed.type === node.target)
      keys.push({ type: parsed.type, id: parsed.id });
  }
  for (const target of await reader.resolve(keys))
    if (target && (await holds(node.of, target, reader, context))) return true;
  return false;
}

async function hasHolds(
  node: Extract<Node, { kind: 'has' }>,
  resource: StoredResource,
  reader: Reader,
  context: IndexContext,
): Promise<boolean> {
  const { keys } = reader.tenant;
  const inner = compileNode(node.source, node.of, keys, context);
  const pointsHere = {
    kind: 'reference' as const,
    param: parameterHash(node.query.parameter, context),
    targetType: typeNumber(resource.resourceType),
    target: keys.rid(resource.resourceType, resource.id),
  };
  const find = {
    types: [typeNumber(node.source)],
    condition: optimize(every([pointsHere, inner.condition])),
    order: { kind: 'row' as const },
  };
  let position = { phase: 0, keys: [] as readonly (string | number)[] };
  for (;;) {
    const rows = (await reader.query(rowsStatement(find, position, SOURCE_BATCH))).map((r) =>
      foundRow(r, find.order),
    );
    for (const source of await reader.open(rows.map((r) => r.row)))
      if (await holds(node.of, source, reader, context)) return true;
    if (rows.length < SOURCE_BATCH) return false;
    position = { phase: 0, keys: rows.at(-1)!.keys };
  }
}
