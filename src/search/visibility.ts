import { coarseLevel } from '../core/blind.js';
import { Fault } from '../core/fault.js';
import type { Resource } from '../core/resource.js';
import { compartmentParameters, patientsOf } from '../fhir/compartment.js';
import { isResourceType, RESOURCE_TYPES, typeNumber } from '../fhir/resource-types.js';
import { matchesParameter } from '../indexing/index.js';
import type { IndexContext } from '../indexing/parameter-type.js';
import type { UnsureRule } from '../store/listed.js';
import type { Letter, Visibility } from '../store/visible.js';
import type { TenantKeys } from '../tenancy/tenant.js';
import { compartmentCondition, compileNode } from './compile.js';
import { ALWAYS, type Condition, every, optimize } from './condition.js';
import { isControl } from './control.js';
import { parseFilter } from './parse.js';
import { Binder, Renderer } from './render.js';
import { allOf, type Node } from './tree.js';

/** One scope, taken apart: what is permitted on which resources. */
export interface AccessGrant {
  /** A type, or `*` for all, now and in future. */
  readonly type: string;
  /** Some of `cruds`. */
  readonly letters: string;
  /** Only in this patient's compartment. */
  readonly patient?: string | undefined;
  /** Only what these search parameters find. */
  readonly query?: string | undefined;
}

/**
 * Types that hold nothing of any patient and that every record refers to: whoever sees one patient sees who treated them,
 * where and with what. They are read, never written, under a patient's scopes.
 */
const DIRECTORY: ReadonlySet<string> = new Set([
  'Practitioner',
  'PractitionerRole',
  'Organization',
  'Location',
  'HealthcareService',
  'Endpoint',
  'Medication',
  'Substance',
]);
const READING = new Set<Letter>(['r', 's']);
const MAX_QUERY_PARAMETERS = 10;

/** What one grant permits of one type. */
interface Rule {
  readonly types: readonly string[];
  readonly condition: Condition;
  holds(resource: Resource): boolean;
  /** Where the condition finds more than the rule shows. */
  readonly unsure?: UnsureRule;
}

const EVERYTHING: Pick<Rule, 'condition' | 'holds'> = { condition: ALWAYS, holds: () => true };

/**
 * Compiles grants to what is visible, once as a condition on index rows and once on opened resources. Deny by default: a
 * grant whose query cannot be decided by the resource itself permits nothing.
 */
export function visibilityOf(
  grants: readonly AccessGrant[],
  keys: Pick<TenantKeys, 'rid'>,
  context: IndexContext,
): Visibility {
  const byLetter = new Map<Letter, Rule[]>();
  const rules = (letter: Letter): Rule[] => {
    let found = byLetter.get(letter);
    if (!found) {
      found = grants
        .filter((g) => g.letters.includes(letter))
        .flatMap((g) => rulesOf(g, letter, keys, context));
      byLetter.set(letter, found);
    }
    return found;
  };
  const allowsAll = (letter: Letter) =>
    grants.some(
      (g) => g.type === '*' && g.letters.includes(letter) && g.patient === undefined && g.query === undefined,
    );
  return {
    grants,
    allowsAll,
    allows: (letter, resource) =>
      allowsAll(letter) ||
      rules(letter).some((rule) => rule.types.includes(resource.resourceType) && rule.holds(resource)),
    unsure: (letter) => rules(letter).flatMap((rule) => (rule.unsure ? [rule.unsure] : [])),
    rows: (letter, { values }) => rowsOf(rules(letter), values),
    reach(letters, { values }) {
      if (letters.some(allowsAll)) return 'true';
      return rowsOf(
        letters.flatMap(rules).map(({ unsure: _, ...rule }) => rule),
        values,
      );
    },
  };
}

/** SQL predicate on the row `r`; its values are added to `values`. */
function rowsOf(rules: readonly Rule[], values: unknown[]): string {
  if (rules.length === 0) return 'false';
  const bind = new Binder();
  bind.values.push(...values);
  // Tests on rows, one by one: the statement's own conditions find them.
  const renderer = new Renderer(bind, 'filter');
  const text = rules
    .map(({ types, condition, unsure }) => {
      if (unsure) return listed(unsure, bind);
      const numbers = types.map(typeNumber);
      return renderer.predicate(
        every([{ kind: 'types', types: numbers }, optimize(condition)]),
        'r',
        numbers,
      );
    })
    .join(' or ');
  values.push(...bind.values.slice(values.length));
  return `(${text})`;
}

/** The versions that were found to be shown. */
function listed({ shown }: UnsureRule, bind: Binder): string {
  if (!shown) throw new Fault('internal', 'What may be seen was asked for before it was known.');
  const columns = [
    bind.smallints(shown.map((row) => row.rtype)),
    bind.bigints(shown.map((row) => row.rid)),
    bind.bigints(shown.map((row) => row.ver)),
  ];
  return `(r.rtype, r.rid, r.ver::bigint) in (select * from unnest(${columns.join(', ')}))`;
}

function rulesOf(
  { type, patient, query }: AccessGrant,
  letter: Letter,
  keys: Pick<TenantKeys, 'rid'>,
  context: IndexContext,
): Rule[] {
  if (type !== '*' && !isResourceType(type)) return [];
  const types = type === '*' ? RESOURCE_TYPES : [type];
  if (query !== undefined) {
    return types.flatMap((t) => {
      const tree = treeOf(t, query);
      if (!tree) return [];
      return withPatient([t], patient, letter, keys, context).map((rule) =>
        narrowedBy(rule, t, tree, keys, context),
      );
    });
  }
  return withPatient(types, patient, letter, keys, context);
}

function withPatient(
  types: readonly string[],
  patient: string | undefined,
  letter: Letter,
  keys: Pick<TenantKeys, 'rid'>,
  context: IndexContext,
): Rule[] {
  if (patient === undefined) return [{ types, ...EVERYTHING }];
  const own = types.filter((t) => t === 'Patient' || compartmentParameters('Patient', t).length > 0);
  const directory = READING.has(letter) ? types.filter((t) => DIRECTORY.has(t)) : [];
  return [
    ...(own.length > 0
      ? [
          {
            types: own,
            condition: compartmentCondition(patient, keys, context),
            holds: (resource: Resource) => patientsOf(resource, context.base).includes(patient),
          },
        ]
      : []),
    ...(directory.length > 0 ? [{ types: directory, ...EVERYTHING }] : []),
  ];
}

function narrowedBy(
  rule: Rule,
  type: string,
  tree: Node,
  keys: Pick<TenantKeys, 'rid'>,
  context: IndexContext,
): Rule {
  const { condition, exact } = compileNode(type, tree, keys, context);
  const narrowed: Rule = {
    types: rule.types,
    condition: every([rule.condition, condition]),
    holds: (resource) => rule.holds(resource) && holds(tree, resource, context),
  };
  if (exact) return narrowed;
  // The exact index decides whatever a scope may ask for; what it does not is not understood.
  if (!coarseLevel(context.blind)) return { types: [], condition: ALWAYS, holds: () => false };
  const unsure: UnsureRule = {
    candidates: ({ values }) => rowsOf([narrowed], values),
    holds: (resource) => narrowed.holds(resource),
    shown: undefined,
  };
  return { ...narrowed, unsure };
}

/** The query of a scope as a tree; undefined where it is not understood, or where other resources decide. */
function treeOf(type: string, query: string): Node | undefined {
  const params = [...new URLSearchParams(query)];
  if (params.length === 0 || params.length > MAX_QUERY_PARAMETERS) return undefined;
  if (params.some(([name, value]) => isControl(name) || value === '')) return undefined;
  try {
    const tree = allOf(params.map(([name, value]) => parseFilter(type, name, value)));
    return decidedHere(tree) ? tree : undefined;
  } catch {
    // What no search could ask for narrows to nothing.
    return undefined;
  }
}

/** Modifiers whose answer is in a value set or in other resources. */
const ELSEWHERE = new Set(['in', 'not-in', 'above', 'below', 'identifier']);

function decidedHere(node: Node): boolean {
  switch (node.kind) {
    case 'parameter':
      return !ELSEWHERE.has(node.query.modifier ?? '');
    case 'coded-quantity':
    case 'id':
      return true;
    case 'and':
    case 'or':
      return node.of.every(decidedHere);
    case 'not':
      return decidedHere(node.of);
    default:
      return false;
  }
}

function holds(node: Node, resource: Resource, context: IndexContext): boolean {
  switch (node.kind) {
    case 'parameter':
      return matchesParameter(node.query, resource, context);
    case 'coded-quantity':
      return (
        matchesParameter(node.code, resource, context) && matchesParameter(node.quantity, resource, context)
      );
    case 'id':
      return resource.id !== undefined && node.ids.includes(resource.id);
    case 'and':
      return node.of.every((n) => holds(n, resource, context));
    case 'or':
      return node.of.some((n) => holds(n, resource, context));
    case 'not':
      return !holds(node.of, resource, context);
    default:
      return false;
  }
}
