import { Fault, invalid } from '../core/fault.js';
import { isFhirId } from '../core/ids.js';
import {
  findSearchParameter,
  type ParameterRegistry,
  type SearchParameter,
  standardRegistry,
} from '../fhir/registry.js';
import { isResourceType } from '../fhir/resource-types.js';
import type { ParameterQuery } from '../indexing/parameter-type.js';
import { parseFilterExpression } from './filter.js';
import { MAX_CHAIN_STEPS, MAX_OR_VALUES } from './request.js';
import { parseName, parseValues, requireValues } from './syntax.js';
import { allOf, anyOf, EVERYTHING, NOTHING, type Node } from './tree.js';

/** The parameters a search may use. */
export interface SearchRegistry extends ParameterRegistry {
  /** Whether a parameter is known but not every resource is indexed by it yet. */
  isPending?(type: string, code: string): boolean;
}

/** Raised for a parameter the resource type does not have: fatal when strict, else a warning. */
export class UnknownParameter extends Fault {
  constructor(type: string, code: string, registry: SearchRegistry = standardRegistry) {
    const pending = registry.isPending?.(type, code) === true;
    const name = `"${code.slice(0, 64)}"`;
    super(
      'invalid',
      pending
        ? `The search parameter ${name} of ${type} is not indexed yet.`
        : `${type} has no search parameter ${name}.`,
      {
        at: code.slice(0, 64),
        remedy: pending
          ? 'Try again when its reindex job is done.'
          : `See the CapabilityStatement for the search parameters of ${type}.`,
        issueCode: 'not-supported',
      },
    );
  }
}

/**
 * One search parameter of a type as a tree. Nodes that several branches of a chain share stand in it several times.
 * @throws UnknownParameter, or Fault `invalid` for a name or value that cannot be understood.
 */
export function parseFilter(
  type: string,
  name: string,
  value: string,
  registry: SearchRegistry = standardRegistry,
): Node {
  const steps = { left: MAX_CHAIN_STEPS };
  return follow(type, name, (t, code, modifier) => parseLeaf(t, code, modifier, value, steps, registry), {
    registry,
    steps,
  });
}

/** What a name ends in: a parameter of the type that its references lead to. */
type Leaf = (type: string, code: string, modifier: string | undefined) => Node;

interface Bounds {
  readonly registry: SearchRegistry;
  /** Steps that may still be made for the whole parameter. */
  readonly steps: { left: number };
}

/** The steps of one name; what is left of it, by its length, has one meaning for each type. */
interface Walk extends Bounds {
  readonly leaf: Leaf;
  readonly known: Map<string, Map<number, Node | UnknownParameter>>;
}

/** Follows the references that a name names, and makes of its end what `leaf` says. */
function follow(type: string, name: string, leaf: Leaf, bounds: Bounds): Node {
  return stepFrom(type, name, { ...bounds, leaf, known: new Map() });
}

/** A step is made once for each type it goes to, however many branches lead there. */
function stepFrom(type: string, name: string, walk: Walk): Node {
  let ofType = walk.known.get(type);
  if (!ofType) {
    ofType = new Map();
    walk.known.set(type, ofType);
  }
  let found = ofType.get(name.length);
  if (!found) {
    try {
      found = newStep(type, name, walk);
    } catch (error) {
      if (!(error instanceof UnknownParameter)) throw error;
      found = error;
    }
    ofType.set(name.length, found);
  }
  if (found instanceof UnknownParameter) throw found;
  return found;
}

function newStep(type: string, name: string, walk: Walk): Node {
  const parsed = parseName(name);
  if (parsed.kind === 'leaf') return walk.leaf(type, parsed.code, parsed.modifier);
  countStep(walk, name);
  if (parsed.kind === 'chain')
    return chain(type, parsed.code, parsed.target, walk.registry, (target) =>
      stepFrom(target, parsed.rest, walk),
    );
  requireType(parsed.source, '_has');
  const parameter = referenceParameter(parsed.source, parsed.code, walk.registry);
  if (parameter.targets.length > 0 && !parameter.targets.includes(type))
    throw invalid(
      `${parsed.source}.${parsed.code} cannot point at ${type}.`,
      '_has',
      `It points at ${parameter.targets.join(', ')}.`,
    );
  const of = stepFrom(parsed.source, parsed.rest, walk);
  return { kind: 'has', source: parsed.source, query: bare(parameter), of };
}

function countStep({ steps }: Bounds, name: string): void {
  if (steps.left-- > 0) return;
  throw new Fault('too-large', `The chain has more than ${MAX_CHAIN_STEPS} steps.`, {
    at: name.slice(0, 64),
    remedy: 'Shorten it, or name the target types of its references, as in subject:Patient.name.',
    issueCode: 'too-costly',
  });
}

/** Without `:Type` the chain goes to every target that has the rest of it. */
function chain(
  type: string,
  code: string,
  named: string | undefined,
  registry: SearchRegistry,
  of: (target: string) => Node,
): Node {
  const parameter = referenceParameter(type, code, registry);
  if (named !== undefined) {
    requireType(named, code);
    if (parameter.targets.length > 0 && !parameter.targets.includes(named))
      throw invalid(
        `${type}.${code} cannot point at ${named}.`,
        code,
        `It points at ${parameter.targets.join(', ')}.`,
      );
    return { kind: 'chain', query: bare(parameter), target: named, of: of(named) };
  }
  if (parameter.targets.length === 0)
    throw invalid(
      `${type}.${code} may point at any type.`,
      code,
      `Name one: ${code}:Patient, before the dot.`,
    );
  const ways: Node[] = [];
  let unknown: UnknownParameter | undefined;
  for (const target of parameter.targets) {
    try {
      ways.push({ kind: 'chain', query: bare(parameter), target, of: of(target) });
    } catch (error) {
      if (!(error instanceof UnknownParameter)) throw error;
      unknown = error;
    }
  }
  if (ways.length === 0 && unknown) throw unknown;
  return anyOf(ways);
}

/** Parameters R4 defines that mean nothing here: several types are searched without one, and there are no named queries. */
const NOT_OF_A_TYPE: ReadonlySet<string> = new Set(['_type', '_query', '_has']);

function parseLeaf(
  type: string,
  code: string,
  modifier: string | undefined,
  value: string,
  steps: Bounds['steps'],
  registry: SearchRegistry,
): Node {
  if (code === '_id') return parseIds(modifier, value);
  if (code === '_filter') {
    if (modifier !== undefined) throw unsupportedModifier(code, modifier);
    return parseExpressionOf(type, value, steps, registry);
  }
  if (code === '_list') return parseList(modifier, value);
  const parameter = registry.find(type, code);
  if (!parameter || NOT_OF_A_TYPE.has(code)) throw new UnknownParameter(type, code, registry);
  const values = parseValues(parameter.type, value, code);
  if (values.length === 0) return EVERYTHING;
  if (code === '_lastUpdated') {
    if (modifier === 'missing') return everPresent(code, value);
    if (modifier !== undefined) throw unsupportedModifier(code, modifier);
    return { kind: 'updated', query: { parameter, modifier: undefined, values } };
  }
  if (modifier !== undefined && parameter.type === 'reference' && isResourceType(modifier))
    return { kind: 'parameter', query: ofTargetType(parameter, modifier, values) };
  return { kind: 'parameter', query: { parameter, modifier, values } };
}

function parseExpressionOf(
  type: string,
  text: string,
  steps: Bounds['steps'],
  registry: SearchRegistry,
): Node {
  return parseFilterExpression(type, text, {
    find: (t, code) => registry.find(t, code),
    plain(t, code, modifier, value) {
      if (code === '_filter') throw invalid('A filter has no filter in it.', '_filter', 'Use parentheses.');
      return parseLeaf(t, code, modifier, value, steps, registry);
    },
    follow: (t, name, leaf) => follow(t, name, leaf, { registry, steps }),
    chain(t, code, target, of) {
      countStep({ registry, steps }, code);
      return chain(t, code, target, registry, of);
    },
  });
}

/** `_id`, with `:not` as an addition. */
function parseIds(modifier: string | undefined, value: string): Node {
  if (modifier === 'missing') return everPresent('_id', value);
  const ids = requireValues(value.split(','), '_id');
  if (ids.length > MAX_OR_VALUES)
    throw invalid(`More than ${MAX_OR_VALUES} ids.`, '_id', 'Split the search into several.');
  if (modifier !== undefined && modifier !== 'not') throw unsupportedModifier('_id', modifier);
  // An id that can be no id matches nothing; it is not worth an error, since clients pass on what they were given.
  const node: Node = { kind: 'id', ids: [...new Set(ids)].filter(isFhirId) };
  return modifier === 'not' ? { kind: 'not', of: node } : node;
}

/** `_list=42`: what the List's entries point at. Lists kept by functions (`$current-problems`) are not served. */
function parseList(modifier: string | undefined, value: string): Node {
  if (modifier !== undefined) throw unsupportedModifier('_list', modifier);
  const ids = requireValues(value.split(','), '_list').map((id) => id.replace(/^List\//, ''));
  if (ids.some((id) => id.startsWith('$')))
    throw new Fault('unsupported', 'Lists that a server works out itself are not served.', {
      at: '_list',
      remedy: 'Name a List by its id.',
    });
  const item = findSearchParameter('List', 'item')!;
  return { kind: 'has', source: 'List', query: bare(item), of: { kind: 'id', ids: ids.filter(isFhirId) } };
}

/** `:missing` of what every stored resource has. */
function everPresent(code: string, value: string): Node {
  if (value !== 'true' && value !== 'false')
    throw invalid('Not true or false.', code, 'Write :missing=true or :missing=false.');
  return value === 'true' ? NOTHING : EVERYTHING;
}

/** `subject:Patient=123` says the same as `subject=Patient/123`. */
function ofTargetType(
  parameter: SearchParameter,
  target: string,
  values: ParameterQuery['values'],
): ParameterQuery {
  if (parameter.targets.length > 0 && !parameter.targets.includes(target))
    throw invalid(
      `${parameter.base}.${parameter.code} cannot point at ${target}.`,
      parameter.code,
      `It points at ${parameter.targets.join(', ')}.`,
    );
  const typed = values.map((v) => {
    if (!v.text.includes('/')) return { ...v, text: `${target}/${v.text}` };
    const last = v.text.split('/').at(-2);
    if (last !== target)
      throw invalid(
        `The reference is not to a ${target}.`,
        `${parameter.code}:${target}`,
        'Leave the modifier out, or name the type once.',
      );
    return v;
  });
  return { parameter, modifier: undefined, values: typed };
}

function referenceParameter(type: string, code: string, registry: SearchRegistry): SearchParameter {
  const parameter = registry.find(type, code);
  if (!parameter) throw new UnknownParameter(type, code, registry);
  if (parameter.type !== 'reference')
    throw invalid(
      `${type}.${code} is of type ${parameter.type}; only references can be chained.`,
      code,
      'Chain on a reference parameter.',
    );
  return parameter;
}

function requireType(type: string, at: string): void {
  if (!isResourceType(type))
    throw invalid(
      `"${String(type).slice(0, 64)}" is no FHIR R4 resource type.`,
      at,
      'Name a resource type such as Patient.',
    );
}

export function unsupportedModifier(code: string, modifier: string): Fault {
  return new Fault('invalid', `The modifier ":${modifier.slice(0, 32)}" does not apply to ${code}.`, {
    at: code,
    remedy: 'Leave it out.',
    issueCode: 'not-supported',
  });
}

function bare(parameter: SearchParameter): ParameterQuery {
  return { parameter, modifier: undefined, values: [] };
}

/** AND of the filters of one type. */
export function parseFilters(
  type: string,
  filters: readonly (readonly [string, string])[],
  registry: SearchRegistry = standardRegistry,
): Node {
  return allOf(filters.map(([name, value]) => parseFilter(type, name, value, registry)));
}
