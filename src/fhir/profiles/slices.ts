import { Decimal, digitsOf } from '../../core/json.js';
import type { Discriminator, ProfileNode } from './tree.js';

/** Whether a code of a value is in a value set; undefined where that cannot be said here. */
export type ValueSetMembership = (valueSet: string, value: unknown) => boolean | undefined;

/** A value found under a member, with the type its JSON name says. */
export interface Found {
  readonly value: unknown;
  readonly type: string;
  /** JSON name and, in an array, the index: `component[2]`. */
  readonly place: string;
}

type Object_ = Record<string, unknown>;

function isObject(value: unknown): value is Object_ {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Decimal);
}

/** Equality as `fixed[x]` means it: nothing more and nothing less. */
export function equals(a: unknown, b: unknown): boolean {
  return matchesPattern(a, b) && matchesPattern(b, a);
}

/** `pattern[x]`: what the pattern has, the value has too; an array has an item for each of the pattern's. */
export function matchesPattern(pattern: unknown, value: unknown): boolean {
  if (Array.isArray(pattern)) {
    return Array.isArray(value) && pattern.every((p) => value.some((v) => matchesPattern(p, v)));
  }
  if (isObject(pattern)) {
    return isObject(value) && Object.entries(pattern).every(([name, p]) => matchesPattern(p, value[name]));
  }
  const digits = digitsOf(pattern);
  return digits === undefined ? pattern === value : digits === digitsOf(value);
}

/** Whether a value belongs to a slice, by the discriminators of the sliced element (R4 profiling.html#discriminator). */
export function inSlice(
  slice: ProfileNode,
  discriminators: readonly Discriminator[],
  found: Found,
  membership: ValueSetMembership,
): boolean {
  return discriminators.every((d) => {
    switch (d.type) {
      case 'value':
      case 'pattern':
        return d.steps.length === 1 && d.steps[0] === 'url' && isExtension(slice)
          ? extensionUrl(slice) === (found.value as Object_ | null)?.url
          : satisfies(slice, d.steps, found.value, membership);
      case 'type':
        return d.steps.length > 0 || slice.types.some((t) => t.code === found.type);
      case 'exists': {
        const child = childAt(slice, d.steps);
        return !child || valuesAt(found.value, d.steps).length > 0 === child.max > 0;
      }
      default:
        // By profile of a target that is not here: it cannot be told apart, so it counts as any.
        return true;
    }
  });
}

function isExtension(slice: ProfileNode): boolean {
  return slice.types[0]?.code === 'Extension';
}

function extensionUrl(slice: ProfileNode): unknown {
  return slice.types[0]?.profiles[0] ?? slice.children.find((c) => c.name === 'url')?.fixed;
}

/** What a slice says at the end of a path, or on the way to it. */
function satisfies(
  node: ProfileNode,
  steps: readonly string[],
  value: unknown,
  membership: ValueSetMembership,
): boolean {
  if (node.fixed !== undefined) return equals(node.fixed, value);
  if (node.pattern !== undefined) return matchesPattern(node.pattern, value);
  const [step, ...rest] = steps;
  if (step === undefined) {
    if (node.binding?.strength === 'required') return membership(node.binding.valueSet, value) ?? true;
    const telling = node.children.filter(
      (c) => c.fixed !== undefined || c.pattern !== undefined || c.children.length > 0,
    );
    return telling.every((c) => {
      const inside = valuesAt(value, [c.name]);
      return c.min === 0 && inside.length === 0 ? true : inside.some((v) => satisfies(c, [], v, membership));
    });
  }
  const child = node.children.find((c) => c.name === step);
  if (!child) return true;
  const ways = [child, ...child.slices];
  return valuesAt(value, [step]).some(
    (v) => ways.some((w) => satisfies(w, rest, v, membership)) && allSay(ways, rest, v, membership),
  );
}

/** Where slices of a child carry the values (`coding:VSCat.code`), one of them must agree. */
function allSay(
  ways: readonly ProfileNode[],
  rest: readonly string[],
  value: unknown,
  membership: ValueSetMembership,
): boolean {
  const slices = ways.slice(1);
  return slices.length === 0 || slices.some((s) => satisfies(s, rest, value, membership));
}

function childAt(node: ProfileNode, steps: readonly string[]): ProfileNode | undefined {
  return steps.reduce<ProfileNode | undefined>((n, step) => n?.children.find((c) => c.name === step), node);
}

function valuesAt(value: unknown, steps: readonly string[]): unknown[] {
  let found: unknown[] = [value];
  for (const step of steps) {
    found = found.flatMap((v) => {
      const inside = isObject(v) ? v[step] : undefined;
      return inside === undefined || inside === null ? [] : Array.isArray(inside) ? inside : [inside];
    });
  }
  return found;
}
