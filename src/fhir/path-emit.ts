import type { Resource } from '../core/resource.js';

/** Hands what it selects below `node` to `out`. Built once per expression; a search parameter runs it on each resource. */
export type Emit = (node: unknown, root: Resource, out: unknown[]) => void;

/** Builds what happens to the values of one static type. A bound code carries its value set: `code#account-status`. */
export type Next = (type: string) => Emit;

export const NOTHING: Emit = () => undefined;
export const PUSH: Emit = (node, _root, out) => {
  // `$this` of nothing is nothing.
  if (node !== undefined) out.push(node);
};

/** The static type of what only the data can tell: a contained resource, the values of `resolve()`. */
export const ANY = 'Resource';

export function property(name: string, after: Emit): Emit {
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

export function all(branches: readonly Emit[]): Emit {
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

export function collected(collect: Emit, value: unknown, resource: Resource): unknown[] {
  const out: unknown[] = [];
  collect(value, resource, out);
  return out;
}

export function boolean(next: Next, test: (value: unknown, resource: Resource) => boolean): Emit {
  const after = next('boolean');
  return (value, resource, out) => after(test(value, resource), resource, out);
}
