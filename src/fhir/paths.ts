import { Fault } from '../core/fault.js';
import type { Resource } from '../core/resource.js';
import { choiceName, type ElementRow, isKindOf, typeDefinition } from './elements.js';
import { type PathNode, parsePath } from './path-parser.js';
import { isResourceType } from './resource-types.js';

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
  readonly types: ReadonlySet<string>;
  /** The value sets that its values of type `code` are bound to (`administrative-gender`). */
  readonly bindings: ReadonlySet<string>;
}

/** Hands what it selects below `node` to `out`. Built once per expression; a search parameter runs it on each resource. */
type Emit = (node: unknown, root: Resource, out: unknown[]) => void;

/** Builds what happens to the values of one static type. A bound code carries its value set: `code#account-status`. */
type Next = (type: string) => Emit;

const NOTHING: Emit = () => undefined;
const PUSH: Emit = (node, _root, out) => {
  out.push(node);
};

/** The static type of what only the data can tell: a contained resource, the values of `resolve()`. */
const ANY = 'Resource';

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
  const types = new Set<string>();
  const bindings = new Set<string>();
  const emit = build(parsePath(expression), base, base, (type) => {
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
    types,
    bindings,
  });
  if (compiled.size < MAX_COMPILED) compiled.set(key, fn);
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
      const after = next(literalType(node.value));
      return (_node, resource, out) => after(node.value, resource, out);
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
      return selected(node.of, type, root, next, (pairs) => pairs.slice(node.index, node.index + 1));
    case 'type':
      return node.op === 'as'
        ? build(node.of, type, root, (t) => narrowed(t, node.type, next))
        : isType(node, type, root, next);
    case 'call':
      return call(node, type, root, next);
    case 'binary':
      return binary(node, type, root, next);
  }
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

function property(name: string, after: Emit): Emit {
  if (after === NOTHING) return NOTHING;
  return (node, root, out) => {
    if (typeof node !== 'object' || node === null) return;
    const value = (node as Record<string, unknown>)[name];
    if (value === undefined || value === null) return;
    if (Array.isArray(value)) {
      for (let i = 0; i < value.length; i++)
        if (value[i] !== null && value[i] !== undefined) after(value[i], root, out);
    } else after(value, root, out);
  };
}

function all(branches: readonly Emit[]): Emit {
  const live = branches.filter((b) => b !== NOTHING);
  const [a, b] = live;
  if (!a) return NOTHING;
  if (live.length === 1) return a;
  if (live.length === 2) {
    return (node, root, out) => {
      a(node, root, out);
      b!(node, root, out);
    };
  }
  return (node, root, out) => {
    for (const emit of live) emit(node, root, out);
  };
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

/** R4 itself writes `DateTime` for `dateTime` in one place. */
function canonicalType(name: string): string {
  return name === 'DateTime' ? 'dateTime' : name;
}

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

/**
 * The type of resource a Reference points at: by its text, or that of the contained resource, or by its `type`.
 * Undefined where none of them says.
 */
export function referenceTypeOf(value: unknown, resource: Resource): string | undefined {
  const holder =
    typeof value === 'object' && value !== null
      ? (value as { reference?: unknown; type?: unknown })
      : undefined;
  const text = typeof value === 'string' ? value : holder?.reference;
  if (typeof text === 'string') {
    if (text.charCodeAt(0) === 35) {
      const inside = (resource.contained as Resource[] | undefined)?.find((c) => c?.id === text.slice(1));
      return inside?.resourceType;
    }
    const history = text.indexOf('/_history/');
    const end = history < 0 ? text.length : history;
    const idAt = text.lastIndexOf('/', end - 1);
    if (idAt > 0) {
      const type = text.slice(text.lastIndexOf('/', idAt - 1) + 1, idAt);
      if (isResourceType(type)) return type;
    }
    const question = text.indexOf('?');
    if (question > 0 && isResourceType(text.slice(0, question))) return text.slice(0, question);
  }
  return typeof holder?.type === 'string' ? holder.type : undefined;
}

type Pair = readonly [after: Emit, value: unknown];

/** Collects the values of `of`, each with what comes after it, and lets `choose` keep some of them. */
function selected(
  of: PathNode,
  type: string,
  root: string,
  next: Next,
  choose: (pairs: Pair[]) => readonly Pair[],
): Emit {
  const collect = build(of, type, root, (t) => {
    const after = next(t);
    return (node, _root, out) => {
      out.push([after, node]);
    };
  });
  return (node, resource, out) => {
    const pairs: Pair[] = [];
    collect(node, resource, pairs as unknown[]);
    for (const [after, value] of choose(pairs)) after(value, resource, out);
  };
}

function call(node: PathNode & { kind: 'call' }, type: string, root: string, next: Next): Emit {
  const of = node.of ?? THIS;
  const [arg] = node.args;
  switch (node.name) {
    case 'where':
      return build(of, type, root, (t) => {
        const holds = condition(needed(node, arg), t, root);
        const after = next(t);
        return (value, resource, out) => {
          if (holds(value, resource)) after(value, resource, out);
        };
      });
    case 'extension':
      return build(of, type, root, () => extensions(constant(node, arg), next('Extension')));
    case 'hasExtension': {
      const any = extensions(constant(node, arg), PUSH);
      const collect = build(of, type, root, () => any);
      return boolean(next, (value, resource) => collected(collect, value, resource).length > 0);
    }
    case 'exists':
    case 'empty': {
      const filtered: PathNode = arg ? { kind: 'call', of, name: 'where', args: [arg] } : of;
      const collect = build(filtered, type, root, () => PUSH);
      const wanted = node.name === 'exists';
      return boolean(next, (value, resource) => collected(collect, value, resource).length > 0 === wanted);
    }
    case 'not': {
      const holds = condition(of, type, root);
      return boolean(next, (value, resource) => !holds(value, resource));
    }
    case 'count': {
      const collect = build(of, type, root, () => PUSH);
      const after = next('integer');
      return (value, resource, out) => after(collected(collect, value, resource).length, resource, out);
    }
    case 'first':
      return selected(of, type, root, next, (pairs) => pairs.slice(0, 1));
    case 'last':
      return selected(of, type, root, next, (pairs) => pairs.slice(-1));
    case 'tail':
      return selected(of, type, root, next, (pairs) => pairs.slice(1));
    case 'single':
      return selected(of, type, root, next, (pairs) => (pairs.length === 1 ? pairs : []));
    case 'resolve':
      return build(of, type, root, () => resolved(next(ANY)));
    case 'startsWith':
    case 'endsWith':
    case 'contains': {
      const wanted = constant(node, arg);
      const collect = build(of, type, root, () => PUSH);
      const test = node.name as 'startsWith' | 'endsWith';
      const hit = (v: unknown) =>
        typeof v === 'string' && (node.name === 'contains' ? v.includes(wanted) : v[test](wanted));
      return boolean(next, (value, resource) => collected(collect, value, resource).some(hit));
    }
    case 'lower':
    case 'upper':
    case 'toString':
      return build(of, type, root, () => {
        const after = next('string');
        return (value, resource, out) => {
          const text = typeof value === 'object' ? undefined : String(value);
          if (text === undefined) return;
          after(
            node.name === 'lower' ? text.toLowerCase() : node.name === 'upper' ? text.toUpperCase() : text,
            resource,
            out,
          );
        };
      });
    default:
      throw new Fault('unsupported', `The function ${node.name}() is not available in search expressions.`, {
        at: 'expression',
        remedy: 'Use paths, where, exists, as, ofType, is, resolve, extension, first, last and comparisons.',
      });
  }
}

function needed(node: PathNode & { kind: 'call' }, arg: PathNode | undefined): PathNode {
  if (arg) return arg;
  throw new Fault('invalid', `The function ${node.name}() needs an argument.`, { at: 'expression' });
}

function constant(node: PathNode & { kind: 'call' }, arg: PathNode | undefined): string {
  if (arg?.kind === 'literal' && typeof arg.value === 'string') return arg.value;
  throw new Fault('invalid', `The function ${node.name}() needs a quoted text.`, { at: 'expression' });
}

function extensions(url: string, after: Emit): Emit {
  return property('extension', (value, resource, out) => {
    if ((value as { url?: unknown }).url === url) after(value, resource, out);
  });
}

/** The contained resource a reference names, or a stand-in that carries only the type. */
function resolved(after: Emit): Emit {
  return (value, resource, out) => {
    const text = (value as { reference?: unknown } | null)?.reference;
    const inside =
      typeof text === 'string' && text.startsWith('#')
        ? (resource.contained as Resource[] | undefined)?.find((c) => c?.id === text.slice(1))
        : undefined;
    const type = inside ? undefined : referenceTypeOf(value, resource);
    if (inside) after(inside, resource, out);
    else if (type) after({ resourceType: type }, resource, out);
  };
}

function collected(collect: Emit, value: unknown, resource: Resource): unknown[] {
  const out: unknown[] = [];
  collect(value, resource, out);
  return out;
}

function boolean(next: Next, test: (value: unknown, resource: Resource) => boolean): Emit {
  const after = next('boolean');
  return (value, resource, out) => after(test(value, resource), resource, out);
}

type Condition = (value: unknown, resource: Resource) => boolean;

/** A criterion: true when it yields exactly that, or one value that is no boolean (FHIRPath N1, 4.5). */
function condition(node: PathNode, type: string, root: string): Condition {
  const quick = quickCondition(node, type);
  if (quick) return quick;
  const collect = build(node, type, root, () => PUSH);
  return (value, resource) => {
    const found = collected(collect, value, resource);
    return found.length === 1 && found[0] !== false;
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

function binary(node: PathNode & { kind: 'binary' }, type: string, root: string, next: Next): Emit {
  if (node.op === '|') return all([build(node.left, type, root, next), build(node.right, type, root, next)]);
  if (node.op === 'and' || node.op === 'or' || node.op === 'xor' || node.op === 'implies') {
    const left = condition(node.left, type, root);
    const right = condition(node.right, type, root);
    switch (node.op) {
      case 'and':
        return boolean(next, (v, r) => left(v, r) && right(v, r));
      case 'or':
        return boolean(next, (v, r) => left(v, r) || right(v, r));
      case 'xor':
        return boolean(next, (v, r) => left(v, r) !== right(v, r));
      default:
        return boolean(next, (v, r) => !left(v, r) || right(v, r));
    }
  }
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

/** On collections, empty where FHIRPath says empty. */
const COMPARISONS: Record<string, (a: unknown[], b: unknown[]) => boolean | undefined> = {
  '=': (a, b) => equal(a, b),
  '!=': (a, b) => negated(equal(a, b)),
  '~': (a, b) => equal(a, b) ?? false,
  '!~': (a, b) => !(equal(a, b) ?? false),
  '<': (a, b) => ordered(a, b, (x, y) => x < y),
  '>': (a, b) => ordered(a, b, (x, y) => x > y),
  '<=': (a, b) => ordered(a, b, (x, y) => x <= y),
  '>=': (a, b) => ordered(a, b, (x, y) => x >= y),
  in: (a, b) => (a.length === 0 ? undefined : a.length === 1 && b.some((v) => same(v, a[0]))),
  contains: (a, b) => (b.length === 0 ? undefined : b.length === 1 && a.some((v) => same(v, b[0]))),
};

function equal(a: unknown[], b: unknown[]): boolean | undefined {
  if (a.length === 0 || b.length === 0) return undefined;
  return a.length === b.length && a.every((v, i) => same(v, b[i]));
}

function negated(value: boolean | undefined): boolean | undefined {
  return value === undefined ? undefined : !value;
}

function ordered(
  a: unknown[],
  b: unknown[],
  test: (x: number | string, y: number | string) => boolean,
): boolean | undefined {
  if (a.length !== 1 || b.length !== 1) return undefined;
  const [x] = a as [unknown];
  const [y] = b as [unknown];
  if (typeof x === 'string' && typeof y === 'string') return test(x, y);
  const [m, n] = [Number(x), Number(y)];
  return Number.isNaN(m) || Number.isNaN(n) ? undefined : test(m, n);
}

function same(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) {
    return (
      typeof a !== 'string' &&
      typeof b !== 'string' &&
      Number(a) === Number(b) &&
      typeof a !== 'boolean' &&
      typeof b !== 'boolean'
    );
  }
  return JSON.stringify(a) === JSON.stringify(b);
}
