import { Fault } from '../core/fault.js';
import type { Resource } from '../core/resource.js';
import { same } from './path-comparisons.js';
import { ANY, boolean, collected, type Emit, type Next, PUSH, property } from './path-emit.js';
import type { PathNode } from './path-parser.js';
import { referenceTypeOf } from './reference-type.js';

/** A function call to be compiled, with the compiler's own means. */
export interface Call {
  readonly name: string;
  /** What it is called on; `$this` where nothing stands before it. */
  readonly of: PathNode;
  readonly args: readonly PathNode[];
  /** Static types of the node the expression starts from and of the resource. */
  readonly type: string;
  readonly root: string;
  readonly next: Next;
  readonly build: (node: PathNode, type: string, root: string, next: Next) => Emit;
  readonly condition: (
    node: PathNode,
    type: string,
    root: string,
  ) => (value: unknown, resource: Resource) => boolean;
}

export type Compile = (call: Call) => Emit;

type Pair = readonly [after: Emit, value: unknown];

/** Collects the values of `of`, each with what comes after it, and lets `choose` keep some of them. */
export function selected(
  call: Omit<Call, 'name' | 'args' | 'condition'>,
  choose: (pairs: Pair[]) => readonly Pair[],
): Emit {
  const collect = call.build(call.of, call.type, call.root, (t) => {
    const after = call.next(t);
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

/** All values of the expression a function is called on. */
export function source(call: Call): Emit {
  return call.build(call.of, call.type, call.root, () => PUSH);
}

export function argument(call: Call, i = 0): PathNode {
  const arg = call.args[i];
  if (arg) return arg;
  throw new Fault('invalid', `The function ${call.name}() needs an argument.`, { at: 'expression' });
}

function constant(call: Call): string {
  const arg = argument(call);
  if (arg.kind === 'literal' && typeof arg.value === 'string') return arg.value;
  throw new Fault('invalid', `The function ${call.name}() needs a quoted text.`, { at: 'expression' });
}

function integer(call: Call, i = 0): number {
  const arg = argument(call, i);
  if (arg.kind === 'literal' && typeof arg.value === 'number') return arg.value;
  throw new Fault('invalid', `The function ${call.name}() needs a number.`, { at: 'expression' });
}

/** A question about the whole collection. */
function question(test: (found: unknown[]) => boolean): Compile {
  return (call) => {
    const collect = source(call);
    return boolean(call.next, (value, resource) => test(collected(collect, value, resource)));
  };
}

/** A new text of each value that has one. */
function text(change: (value: string, call: Call) => string): Compile {
  return (call) =>
    call.build(call.of, call.type, call.root, () => {
      const after = call.next('string');
      return (value, resource, out) => {
        if (typeof value === 'object' && value !== null && !('raw' in value)) return;
        after(change(String(value), call), resource, out);
      };
    });
}

/** A question about a text; the argument is a constant or an expression. */
function textQuestion(test: (value: string, wanted: string) => boolean): Compile {
  return (call) => {
    const collect = source(call);
    const wanted = call.build(argument(call), call.type, call.root, () => PUSH);
    return boolean(call.next, (value, resource) => {
      const [part] = collected(wanted, value, resource);
      if (typeof part !== 'string') return false;
      return collected(collect, value, resource).some((v) => typeof v === 'string' && test(v, part));
    });
  };
}

function pick(choose: (pairs: Pair[]) => readonly Pair[]): Compile {
  return (call) => selected(call, choose);
}

export function distinct(found: readonly unknown[]): unknown[] {
  const seen = new Set<unknown>();
  return found.filter((v) => {
    const key = typeof v === 'object' && v !== null ? JSON.stringify(v) : v;
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}

/** Calls `fn` with each value below a node; `deep` with theirs as well. */
function below(node: unknown, deep: boolean, fn: (value: unknown) => void): void {
  if (typeof node !== 'object' || node === null || 'raw' in node) return;
  for (const name in node) {
    if (name === 'resourceType' || name.startsWith('_')) continue;
    const value = (node as Record<string, unknown>)[name];
    for (const item of Array.isArray(value) ? value : [value]) {
      if (item === null || item === undefined) continue;
      fn(item);
      if (deep) below(item, true, fn);
    }
  }
}

function descend(deep: boolean): Compile {
  return (call) =>
    call.build(call.of, call.type, call.root, () => {
      const after = call.next(ANY);
      return (value, resource, out) => below(value, deep, (v) => after(v, resource, out));
    });
}

/** Two collections as one, by a rule. */
function together(rule: (a: unknown[], b: unknown[]) => readonly unknown[]): Compile {
  return (call) => {
    const left = source(call);
    const right = call.build(argument(call), call.type, call.root, () => PUSH);
    const after = call.next(ANY);
    return (value, resource, out) => {
      for (const v of rule(collected(left, value, resource), collected(right, value, resource)))
        after(v, resource, out);
    };
  };
}

export function extensions(url: string, after: Emit): Emit {
  return property('extension', (value, resource, out) => {
    if ((value as { url?: unknown }).url === url) after(value, resource, out);
  });
}

/** The contained resource a reference names, or a stand-in that carries only the type. */
function resolved(after: Emit): Emit {
  return (value, resource, out) => {
    const reference = (value as { reference?: unknown } | null)?.reference;
    const inside =
      typeof reference === 'string' && reference.startsWith('#')
        ? (resource.contained as Resource[] | undefined)?.find((c) => c?.id === reference.slice(1))
        : undefined;
    const type = inside ? undefined : referenceTypeOf(value, resource);
    if (inside) after(inside, resource, out);
    else if (type) after({ resourceType: type }, resource, out);
  };
}

/** The functions of FHIRPath that search parameters and R4's invariants use, each as its compiler. */
export const FUNCTIONS: Readonly<Record<string, Compile>> = {
  where: (call) =>
    call.build(call.of, call.type, call.root, (t) => {
      const holds = call.condition(argument(call), t, call.root);
      const after = call.next(t);
      return (value, resource, out) => {
        if (holds(value, resource)) after(value, resource, out);
      };
    }),
  select: (call) =>
    call.build(call.of, call.type, call.root, (t) => call.build(argument(call), t, call.root, call.next)),
  all: (call) => {
    const failing = call.build(call.of, call.type, call.root, (t) => {
      const holds = call.condition(argument(call), t, call.root);
      return (value, resource, out) => {
        if (!holds(value, resource)) out.push(false);
      };
    });
    return boolean(call.next, (value, resource) => collected(failing, value, resource).length === 0);
  },
  exists: (call) => {
    const collect = call.args[0] ? FUNCTIONS.where!({ ...call, next: () => PUSH }) : source(call);
    return boolean(call.next, (value, resource) => collected(collect, value, resource).length > 0);
  },
  empty: question((found) => found.length === 0),
  hasValue: question((found) => found.length === 1 && (typeof found[0] !== 'object' || 'raw' in found[0]!)),
  allTrue: question((found) => found.every((v) => v === true)),
  anyTrue: question((found) => found.some((v) => v === true)),
  allFalse: question((found) => found.every((v) => v === false)),
  anyFalse: question((found) => found.some((v) => v === false)),
  isDistinct: question((found) => distinct(found).length === found.length),
  not: (call) => {
    const collect = source(call);
    const after = call.next('boolean');
    return (value, resource, out) => {
      const found = collected(collect, value, resource);
      if (found.length > 0) after(found.length === 1 && found[0] === false, resource, out);
    };
  },
  iif: (call) => {
    // The condition is asked of what it is called on, also where that is nothing.
    const collect = source(call);
    const subject = (value: unknown, resource: Resource) => collected(collect, value, resource)[0];
    const type = call.of.kind === 'this' ? call.type : ANY;
    const holds = call.condition(argument(call), type, call.root);
    const yes = call.build(argument(call, 1), type, call.root, call.next);
    const no = call.args[2] ? call.build(call.args[2], type, call.root, call.next) : undefined;
    return (value, resource, out) => {
      const of = subject(value, resource);
      if (holds(of, resource)) yes(of, resource, out);
      else no?.(of, resource, out);
    };
  },
  count: (call) => {
    const collect = source(call);
    const after = call.next('integer');
    return (value, resource, out) => after(collected(collect, value, resource).length, resource, out);
  },
  distinct: (call) => {
    const collect = source(call);
    const after = call.next(ANY);
    return (value, resource, out) => {
      for (const v of distinct(collected(collect, value, resource))) after(v, resource, out);
    };
  },
  first: pick((pairs) => pairs.slice(0, 1)),
  last: pick((pairs) => pairs.slice(-1)),
  tail: pick((pairs) => pairs.slice(1)),
  single: pick((pairs) => (pairs.length === 1 ? pairs : [])),
  skip: (call) => selected(call, (pairs) => pairs.slice(integer(call))),
  take: (call) => selected(call, (pairs) => pairs.slice(0, integer(call))),
  trace: (call) => call.build(call.of, call.type, call.root, call.next),
  combine: together((a, b) => [...a, ...b]),
  union: together((a, b) => distinct([...a, ...b])),
  intersect: together((a, b) => distinct(a).filter((v) => b.some((w) => same(v, w)))),
  exclude: together((a, b) => a.filter((v) => !b.some((w) => same(v, w)))),
  children: descend(false),
  descendants: descend(true),
  extension: (call) =>
    call.build(call.of, call.type, call.root, () => extensions(constant(call), call.next('Extension'))),
  hasExtension: (call) => {
    const any = extensions(constant(call), PUSH);
    const collect = call.build(call.of, call.type, call.root, () => any);
    return boolean(call.next, (value, resource) => collected(collect, value, resource).length > 0);
  },
  resolve: (call) => call.build(call.of, call.type, call.root, () => resolved(call.next(ANY))),
  startsWith: textQuestion((v, w) => v.startsWith(w)),
  endsWith: textQuestion((v, w) => v.endsWith(w)),
  contains: textQuestion((v, w) => v.includes(w)),
  lower: text((v) => v.toLowerCase()),
  upper: text((v) => v.toUpperCase()),
  trim: text((v) => v.trim()),
  toString: text((v) => v),
  substring: text((v, call) =>
    v.slice(integer(call), call.args[1] ? integer(call) + integer(call, 1) : undefined),
  ),
  length: (call) => {
    const collect = source(call);
    const after = call.next('integer');
    return (value, resource, out) => {
      const [only] = collected(collect, value, resource);
      if (typeof only === 'string') after(only.length, resource, out);
    };
  },
  toInteger: (call) =>
    call.build(call.of, call.type, call.root, () => {
      const after = call.next('integer');
      return (value, resource, out) => {
        const n = typeof value === 'string' && /^[-+]?\d{1,10}$/.test(value) ? Number(value) : value;
        if (typeof n === 'number' && Number.isInteger(n)) after(n, resource, out);
      };
    }),
};
