import { readTable } from './tables.js';

const NAMES = readTable<string[]>('resource-types.json');
const NUMBERS = new Map(NAMES.map((name, i) => [name, i + 1]));

/** All resource types: R4's in alphabetical order, then our own (`ViewDefinition`), in the order they were added. */
export const RESOURCE_TYPES: readonly string[] = NAMES;

/** Whether `name` is a resource type that can be stored here. */
export function isResourceType(name: unknown): name is string {
  return typeof name === 'string' && NUMBERS.has(name);
}

/**
 * The number that stands for a type in the database (`rtype`), from 1. It never changes: types are only appended.
 * @throws RangeError for a name that is no resource type; callers check input with `isResourceType` first.
 */
export function typeNumber(name: string): number {
  const n = NUMBERS.get(name);
  if (n === undefined) throw new RangeError('not a resource type');
  return n;
}

/** The type of a number that `typeNumber` gave. @throws RangeError for any other number. */
export function typeName(n: number): string {
  const name = NAMES[n - 1];
  if (name === undefined) throw new RangeError(`no resource type has the number ${n}`);
  return name;
}
