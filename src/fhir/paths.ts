import { Fault } from '../core/fault.js';
import type { Resource } from '../core/resource.js';
import { choiceName, type ElementRow, isKindOf, typeDefinition } from './elements.js';
import { COMPARISONS } from './path-comparisons.js';
import { ANY, all, collected, type Emit, type Next, NOTHING, PUSH, property } from './path-emit.js';
import { FUNCTIONS, selected } from './path-functions.js';
import { type PathNode, parsePath, type Variables } from './path-parser.js';
import { calculated, VIEW_FUNCTIONS } from './path-view-functions.js';
import { referenceTypeOf } from './reference-type.js';
import { isResourceType } from './resource-types.js';

export { referenceTypeOf } from './reference-type.js';

/**
 * A compiled expression: the elements it selects in a resource, in order. `types` are the FHIR types its values can
 * have (`Quantity`, `code`, …; `Resource` where only the data can tell).
 */
export interface PathFunction {
  (resource: Resource): unknown[];
  /** As the call, but adds to `out`. */
  readonly into: (resource: Resource, out: unknown[]) => void;
  /** From an element of the resource instead of its root; for the components of composite parameters. */
  readonly from: (element: unknown, resource: Resource) => unknown[];
  /** As `from`, but adds to `out`: for loops that keep one array. */
  readonly emit: Emit;
  readonly types: ReadonlySet<string>;
  /** The value sets that its values of type `code` are bound to (`administrative-gender`). */
  readonly bindings: ReadonlySet<string>;
}

const compiled = new Map<string, PathFunction>();
/** More distinct expressions than R4 and a site's own parameters together; above it, nothing is kept. */
const MAX_COMPILED = 10_000;

/**
 * Compiles an expression of the FHIRPath subset of search parameters for resources (or elements) of type `base`.
 * Choice elements and types are resolved now, so that running it is only property look-ups.
 * @throws Fault `invalid` for a syntax error, `unsupported` for a function that is not in the subset.
 */
export function compileExpression(expression: string, base: string): PathFunction {
  const key = `${base} ${expression}`;
  const known = compiled.get(key);
  if (known) return known;
  const fn = compilePath(expression, { type: base, root: base });
  if (compiled.size < MAX_COMPILED) compiled.set(key, fn);
  return fn;
}

/** Where an expression is asked: from elements of `type` within resources of type `root`. */
export interface PathScope {
  readonly type: string;
  readonly root: string;
  readonly variables?: Variables;
}

/** As `compileExpression`, from an element's type and with variables; not kept. */
export function compilePath(expression: string, { type: base, root, variables }: PathScope): PathFunction {
  const types = new Set<string>();
  const bindings = new Set<string>();
  const emit = build(parsePath(expression, variables), base, root, (type) => {
    const [plain, binding] = type.split('#') as [string, string | undefined];
    types.add(plain);
    if (binding !== undefined) bindings.add(binding);
    return PUSH;
  });
  const call = (resource: Resource): unknown[] => {
    const out: unknown[] = [];
    emit(resource, resource, out);
    return out;
  };
  const fn: PathFunction = Object.assign(call, {
    into: (resource: Resource, out: unknown[]) => emit(resource, resource, out),
    from: (element: unknown, resource: Resource) => {
      const out: unknown[] = [];
      emit(element, resource, out);
      return out;
    },
    emit,
    types,
    bindings,
  });
  return fn;
}

/** `type` is the static type of the node the expression starts from, `root` that of the resource. */
function build(node: PathNode, type: string, root: string, next: Next): Emit {
  switch (node.kind) {
    case 'this':
      return next(type);
    case 'resource': {
      const after = next(root);
      return (_node, resource, out) => after(resource, resource, out);
    }
    case 'literal': {
      const after = next(node.type ?? literalType(node.value));
      return (_node, resource, out) => after(node.value, resource, out);
    }
    case 'cell': {
      const after = next(node.type);
      return (_node, resource, out) => {
        const value = node.read();
        if (value !== undefined) after(value, resource, out);
      };
    }
    case 'empty':
      return NOTHING;
    case 'member':
      if (node.of) return build(node.of, type, root, (t) => member(t, node.name, next));
      // A path may start with the name of its type.
      if (isKindOf(type, node.name)) return next(type);
      if (isResourceType(node.name) && type !== ANY) return NOTHING;
      return member(type, node.name, next);
    case 'index':
      return selected({ of: node.of, type, root, next, build }, (pairs) =>
        pairs.slice(node.index, node.index + 1),
      );
    case 'type':
      return node.op === 'as'
        ? build(node.of, type, root, (t) => narrowed(t, node.type, next))
        : isType(node, type, root, next);
    case 'call':
      return functionNamed(node.name)({ ...node, of: node.of ?? THIS, type, root, next, build, condition });
    case 'binary':
      return binary(node, type, root, next);
  }
}

function functionNamed(name: string) {
  if (Object.hasOwn(FUNCTIONS, name)) return FUNCTIONS[name]!;
  if (Object.hasOwn(VIEW_FUNCTIONS, name)) return VIEW_FUNCTIONS[name]!;
  throw new Fault('unsupported', `The function ${name}() is not available in expressions here.`, {
    at: 'expression',
    remedy: 'Use paths, where, exists, as, ofType, is, resolve, extension, first, last and comparisons.',
  });
}

function literalType(value: string | number | boolean): string {
  return typeof value === 'string' ? 'string' : typeof value === 'boolean' ? 'boolean' : 'decimal';
}

/** The values of a member. A choice element is one property per type, each with its own continuation. */
function member(type: string, name: string, next: Next): Emit {
  const definition = typeDefinition(type);
  if (!definition || type === ANY) return property(name, next(ANY));
  const element = definition.byName.get(name);
  // `resourceType` is no element; anything else unknown to R4 may still be in the data of a custom parameter.
  if (!element) return property(name, next(ANY));
  if (!element.choice) return property(name, next(boundType(element)));
  const branches: Emit[] = [];
  for (const t of element.types) {
    const after = next(t.code);
    if (after !== NOTHING) branches.push(property(choiceName(name, t.code), after));
  }
  return all(branches);
}

function boundType({ types, binding }: ElementRow): string {
  const { code } = types[0]!;
  return code === 'code' && binding?.strength === 'required' ? `code#${binding.valueSet}` : code;
}

/** `as` and `ofType`: settled now where the static type is known, by `resourceType` where it is not. */
function narrowed(type: string, wanted: string, next: Next): Emit {
  const name = canonicalType(wanted);
  if (type !== ANY) return isKindOf(type.split('#', 1)[0]!, name) ? next(type) : NOTHING;
  const after = next(name);
  return (node, root, out) => {
    if (hasType(node, name)) after(node, root, out);
  };
}

/** R4 itself writes `DateTime` and `Boolean`, FHIRPath's own types, for those of FHIR in a few places. */
function canonicalType(name: string): string {
  return SYSTEM_TYPES[name] ?? name;
}

const SYSTEM_TYPES: Readonly<Record<string, string>> = {
  Boolean: 'boolean',
  String: 'string',
  Integer: 'integer',
  Decimal: 'decimal',
  DateTime: 'dateTime',
  Time: 'time',
};

function hasType(node: unknown, name: string): boolean {
  if (typeof node === 'string')
    return !typeDefinition(name) && name !== 'boolean' && name !== 'decimal' && name !== 'integer';
  if (typeof node === 'boolean') return name === 'boolean';
  if (typeof node === 'number') return name === 'decimal' || name === 'integer';
  const type = (node as { resourceType?: unknown }).resourceType;
  return typeof type === 'string'
    ? isKindOf(type, name)
    : typeDefinition(name) !== undefined && !isResourceType(name);
}

function isType(node: PathNode & { kind: 'type' }, type: string, root: string, next: Next): Emit {
  const name = canonicalType(node.type);
  const after = next('boolean');
  // `resolve() is Patient`: read from the reference itself, since the target need not be here.
  const resolves = node.of.kind === 'call' && node.of.name === 'resolve' ? node.of : undefined;
  const subject = resolves ? (resolves.of ?? THIS) : node.of;
  const collect = build(subject, type, root, (t) => {
    if (resolves || t === ANY) return PUSH;
    const answer = isKindOf(t.split('#', 1)[0]!, name);
    return (_node, _root, out) => out.push(answer);
  });
  return (element, resource, out) => {
    const found: unknown[] = [];
    collect(element, resource, found);
    for (const value of found) {
      if (typeof value === 'boolean') after(value, resource, out);
      else after(resolves ? referenceTypeOf(value, resource) === name : hasType(value, name), resource, out);
    }
  };
}

const THIS: PathNode = { kind: 'this' };

type Condition = (value: unknown, resource: Resource) => boolean;
/** Undefined where FHIRPath says empty: neither true nor false. */
type Truth = (value: unknown, resource: Resource) => boolean | undefined;

/** A criterion: true when it yields exactly that, or one value that is no boolean (FHIRPath N1, 4.5). */
function condition(node: PathNode, type: string, root: string): Condition {
  const quick = quickCondition(node, type);
  if (quick) return quick;
  const holds = truth(node, type, root);
  return (value, resource) => holds(value, resource) === true;
}

function truth(node: PathNode, type: string, root: string): Truth {
  const collect = build(node, type, root, () => PUSH);
  return (value, resource) => {
    const found = collected(collect, value, resource);
    return found.length === 0 ? undefined : found.length === 1 && found[0] !== false;
  };
}

/** The two criteria that R4's parameters are full of, without the arrays: `resolve() is X` and `name='text'`. */
function quickCondition(node: PathNode, type: string): Condition | undefined {
  if (
    node.kind === 'type' &&
    node.op === 'is' &&
    node.of.kind === 'call' &&
    node.of.name === 'resolve' &&
    !node.of.of
  ) {
    const wanted = node.type;
    return (value, resource) => referenceTypeOf(value, resource) === wanted;
  }
  if (
    node.kind === 'binary' &&
    node.op === '=' &&
    node.left.kind === 'member' &&
    node.right.kind === 'literal'
  ) {
    const { name, of } = node.left;
    const wanted = node.right.value;
    const element = typeDefinition(type)?.byName.get(name);
    if (of || !element || element.choice || element.max > 1 || typeof wanted === 'number') return undefined;
    return (value) => (value as Record<string, unknown>)[name] === wanted;
  }
  return undefined;
}

/** FHIRPath N1, 6.5: logic with a third value. The right side is asked only where it can matter. */
const LOGIC = {
  and(a: boolean | undefined, b: () => boolean | undefined) {
    if (a === false) return false;
    const right = b();
    return right === false ? false : a && right;
  },
  or(a: boolean | undefined, b: () => boolean | undefined) {
    if (a === true) return true;
    const right = b();
    return right === true ? true : a === undefined ? undefined : right;
  },
  xor(a: boolean | undefined, b: () => boolean | undefined) {
    const right = b();
    return a === undefined || right === undefined ? undefined : a !== right;
  },
  implies(a: boolean | undefined, b: () => boolean | undefined) {
    if (a === false) return true;
    const right = b();
    return right === true ? true : a === undefined ? undefined : right;
  },
};

function binary(node: PathNode & { kind: 'binary' }, type: string, root: string, next: Next): Emit {
  if (node.op === '|') return all([build(node.left, type, root, next), build(node.right, type, root, next)]);
  if (node.op === 'and' || node.op === 'or' || node.op === 'xor' || node.op === 'implies') {
    const left = truth(node.left, type, root);
    const right = truth(node.right, type, root);
    const combine = LOGIC[node.op];
    const after = next('boolean');
    return (value, resource, out) => {
      const answer = combine(left(value, resource), () => right(value, resource));
      if (answer !== undefined) after(answer, resource, out);
    };
  }
  if (ARITHMETIC.has(node.op)) return arithmetic(node, type, root, next);
  const left = build(node.left, type, root, () => PUSH);
  const right = build(node.right, type, root, () => PUSH);
  const compare = COMPARISONS[node.op];
  if (!compare) {
    throw new Fault('unsupported', `The operator ${node.op} is not available in search expressions.`, {
      at: 'expression',
    });
  }
  const after = next('boolean');
  return (value, resource, out) => {
    const answer = compare(collected(left, value, resource), collected(right, value, resource));
    if (answer !== undefined) after(answer, resource, out);
  };
}

const ARITHMETIC = new Set(['&', '+', '-', '*', '/', 'div', 'mod']);

/** `&` joins texts, nothing counting as an empty one; `+` joins texts or adds; the others calculate. */
function arithmetic(node: PathNode & { kind: 'binary' }, type: string, root: string, next: Next): Emit {
  const left = build(node.left, type, root, () => PUSH);
  const right = build(node.right, type, root, () => PUSH);
  const { op } = node;
  const after = next(op === '&' ? 'string' : op === 'div' ? 'integer' : 'decimal');
  return (value, resource, out) => {
    const [a] = collected(left, value, resource);
    const [b] = collected(right, value, resource);
    if (op === '&') after(`${a ?? ''}${b ?? ''}`, resource, out);
    else if (a !== undefined && b !== undefined) {
      const result = calculated(op, a, b);
      if (result !== undefined) after(result, resource, out);
    }
  };
}
