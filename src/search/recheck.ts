import type { Resource, StoredResource } from '../core/resource.js';
import { patientsOf } from '../fhir/compartment.js';
import { parseReference } from '../fhir/references.js';
import { typeNumber } from '../fhir/resource-types.js';
import {
  CANONICAL_TYPE,
  canonicalName,
  canonicalNames,
  canonicalParam,
  fold,
  hasCanonicalName,
  holdsCanonicals,
  matchesParameter,
  someValueFails,
  stringsOf,
  valuesOf,
} from '../indexing/index.js';
import type { IndexContext } from '../indexing/parameter-type.js';
import { compileNode } from './compile.js';
import { type Condition, every, optimize } from './condition.js';
import type { Recheck } from './fill.js';
import { parameterHash } from './index-terms.js';
import type { Reader } from './reader.js';
import { foundRow, rowsStatement } from './statement.js';
import type { Node, ValueTest } from './tree.js';

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
    const known: Known = new Map();
    for (const resource of resources) {
      const parts = conjunctsOf.get(resource.resourceType);
      const about = { reader, context, known };
      verdicts.push(parts !== undefined && (await allHold(parts, resource, about)));
    }
    return verdicts;
  };
}

/** What was found of a node and a resource by `Type/id`: chains meet again at the same resources. */
type Known = Map<Node, Map<string, boolean>>;

interface About {
  readonly reader: Reader;
  readonly context: IndexContext;
  readonly known: Known;
}

async function allHold(nodes: readonly Node[], resource: StoredResource, about: About): Promise<boolean> {
  for (const node of nodes) if (!(await holds(node, resource, about))) return false;
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

async function holds(node: Node, resource: StoredResource, about: About): Promise<boolean> {
  const { context } = about;
  switch (node.kind) {
    case 'everything':
      return true;
    case 'nothing':
      return false;
    case 'and':
      return allHold(node.of, resource, about);
    case 'or':
      for (const n of node.of) if (await holds(n, resource, about)) return true;
      return false;
    case 'not':
      return !(await holds(node.of, resource, about));
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
      return node.ids.includes(resource.id);
    case 'compartment':
      return patientsOf(resource as Resource).includes(node.patient);
    case 'chain':
    case 'has':
      return onceFor(node, resource, about.known, () =>
        node.kind === 'chain' ? chainHolds(node, resource, about) : hasHolds(node, resource, about),
      );
  }
}

async function onceFor(
  node: Node,
  { resourceType, id }: StoredResource,
  known: Known,
  find: () => Promise<boolean>,
): Promise<boolean> {
  let verdicts = known.get(node);
  if (!verdicts) {
    verdicts = new Map();
    known.set(node, verdicts);
  }
  const key = `${resourceType}/${id}`;
  let verdict = verdicts.get(key);
  if (verdict === undefined) {
    verdict = await find();
    verdicts.set(key, verdict);
  }
  return verdict;
}

/** Strings are compared without case and accents (R4 search_filter.html#ops). */
export function valueHolds(
  { test, query }: Extract<Node, { kind: 'value-test' }>,
  resource: Resource,
  context: IndexContext,
): boolean {
  if (query.parameter.type !== 'string') return someValueFails(query, resource, context);
  const wanted = fold(query.values[0]!.text);
  const holdsFor: Record<ValueTest, (s: string) => boolean> = {
    equals: (s) => s === wanted,
    unequal: (s) => s !== wanted,
    ends: (s) => s.endsWith(wanted),
    after: (s) => s > wanted,
    before: (s) => s < wanted,
    from: (s) => s >= wanted,
    to: (s) => s <= wanted,
  };
  return valuesOf(query.parameter, resource)
    .flatMap((v) => stringsOf(v).map(fold))
    .some(holdsFor[test]);
}

async function chainHolds(
  node: Extract<Node, { kind: 'chain' }>,
  resource: StoredResource,
  about: About,
): Promise<boolean> {
  const { reader, context } = about;
  const keys: { type: string; id: string }[] = [];
  const names = new Set<string>();
  for (const value of valuesOf(node.query.parameter, resource)) {
    const text = typeof value === 'string' ? value : (value as { reference?: unknown } | null)?.reference;
    if (typeof text !== 'string') continue;
    const parsed = parseReference(text, context.base);
    if (parsed.kind === 'local') {
      if (parsed.type === node.target) keys.push({ type: parsed.type, id: parsed.id });
    } else if (typeof value === 'string') names.add(canonicalName(text) ?? '');
  }
  for (const target of await reader.resolve(keys))
    if (target && (await holds(node.of, target, about))) return true;
  if (names.size === 0 || !hasCanonicalName(node.target)) return false;
  const named = referencing(
    canonicalParam(context),
    [...names].map((name) => reader.tenant.keys.rid(CANONICAL_TYPE, name)),
  );
  return anyHolds(node.target, named, node.of, about);
}

function hasHolds(
  node: Extract<Node, { kind: 'has' }>,
  resource: StoredResource,
  about: About,
): Promise<boolean> {
  const { keys } = about.reader.tenant;
  const { parameter } = node.query;
  const targets = [keys.rid(resource.resourceType, resource.id)];
  if (holdsCanonicals(parameter))
    targets.push(...canonicalNames(resource).map((name) => keys.rid(CANONICAL_TYPE, name)));
  const pointsHere = referencing(parameterHash(parameter, about.context), targets);
  const inner = compileNode(node.source, node.of, keys, about.context);
  return anyHolds(node.source, every([pointsHere, inner.condition]), node.of, about);
}

/** A reference row of the parameter to any of the targets. */
function referencing(param: bigint, targets: readonly bigint[]): Condition {
  const of = targets.map((target) => ({ kind: 'reference', param, targetType: undefined, target }) as const);
  return of.length === 1 ? of[0]! : { kind: 'or', of };
}

/** Whether any resource of the type that meets the condition satisfies the node. */
async function anyHolds(type: string, condition: Condition, of: Node, about: About): Promise<boolean> {
  const { reader } = about;
  const find = {
    types: [typeNumber(type)],
    condition: optimize(condition),
    order: { kind: 'row' as const },
  };
  let position = { phase: 0, keys: [] as readonly (string | number)[] };
  for (;;) {
    reader.checkTime();
    const rows = (await reader.query(rowsStatement(find, position, SOURCE_BATCH))).map((r) =>
      foundRow(r, find.order),
    );
    for (const found of await reader.open(rows.map((r) => r.row)))
      if (await holds(of, found, about)) return true;
    if (rows.length < SOURCE_BATCH) return false;
    position = { phase: 0, keys: rows.at(-1)!.keys };
  }
}
