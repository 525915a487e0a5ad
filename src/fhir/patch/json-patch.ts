import { Fault, invalid } from '../../core/fault.js';

/** JSON Patch (RFC 6902) on a resource. Pure: the input is never changed. */

/** Operations of one patch. */
export const MAX_PATCH_OPERATIONS = 1_000;

interface Operation {
  readonly op: string;
  readonly path: string;
  readonly from?: string;
  readonly value?: unknown;
}

/**
 * Reads a JSON Patch document.
 * @returns what applies it: target document in, patched document out.
 * @throws Fault `invalid` here for a malformed document, and at application `invalid` with issue code
 * `business-rule` for a path that is not there and for a `test` that fails, naming the operation's position.
 */
export function compileJsonPatch(document: unknown): (target: unknown) => unknown {
  if (!Array.isArray(document)) throw invalid('A JSON Patch is an array of operations.', 'patch');
  if (document.length > MAX_PATCH_OPERATIONS) {
    throw new Fault('too-large', `A patch has at most ${MAX_PATCH_OPERATIONS} operations.`, { at: 'patch' });
  }
  const operations = document.map((item: unknown, i) => readOperation(item, `patch[${i}]`));
  return (target) =>
    operations.reduce((state, operation, i) => apply(state, operation, `patch[${i}]`), target);
}

function readOperation(item: unknown, at: string): Operation {
  if (typeof item !== 'object' || item === null || Array.isArray(item))
    throw invalid('The operation is not an object.', at);
  const { op, path, from, value } = item as Record<string, unknown>;
  if (typeof op !== 'string' || !['add', 'remove', 'replace', 'move', 'copy', 'test'].includes(op)) {
    throw invalid('op is not one of add, remove, replace, move, copy, test.', `${at}.op`);
  }
  if (typeof path !== 'string' || (path !== '' && !path.startsWith('/'))) {
    throw invalid('path is not a JSON Pointer.', `${at}.path`, 'Start it with /, as in /name/0/family.');
  }
  if (op === 'move' || op === 'copy') {
    if (typeof from !== 'string' || (from !== '' && !from.startsWith('/')))
      throw invalid('from is not a JSON Pointer.', `${at}.from`);
    if (op === 'move' && path.startsWith(`${from}/`))
      throw invalid('A value cannot be moved into itself.', `${at}.path`);
    return { op, path, from };
  }
  if (op !== 'remove' && !('value' in item)) throw invalid(`${op} needs a value.`, `${at}.value`);
  return { op, path, value };
}

function apply(target: unknown, operation: Operation, at: string): unknown {
  const path = pointer(operation.path, `${at}.path`);
  switch (operation.op) {
    case 'add':
      return add(target, path, operation.value, at);
    case 'remove':
      return change(target, path, at, remove);
    case 'replace':
      if (path.length === 0) return operation.value;
      return change(target, path, at, (parent, key) => put(parent, key, operation.value, at));
    case 'move': {
      const from = pointer(operation.from ?? '', `${at}.from`);
      const value = get(target, from, at);
      return add(change(target, from, at, remove), path, value, at);
    }
    case 'copy':
      return add(target, path, get(target, pointer(operation.from ?? '', `${at}.from`), at), at);
    default:
      if (!equal(get(target, path, at), operation.value)) {
        throw new Fault(
          'invalid',
          'The test of the patch does not hold: the resource has another value there.',
          {
            at,
            issueCode: 'business-rule',
            remedy: 'Read the resource again and make the patch for its current content.',
          },
        );
      }
      return target;
  }
}

function pointer(text: string, at: string): string[] {
  if (text === '') return [];
  return text
    .slice(1)
    .split('/')
    .map((part) => {
      if (/~(?![01])/.test(part)) throw invalid('A ~ of the JSON Pointer is not followed by 0 or 1.', at);
      const key = part.replaceAll('~1', '/').replaceAll('~0', '~');
      if (key === '__proto__') throw invalid('The path has a forbidden name.', at);
      return key;
    });
}

function missing(at: string): Fault {
  return new Fault('invalid', 'The path leads nowhere in the resource.', {
    at,
    issueCode: 'business-rule',
    remedy: 'Use add for new elements; list positions start at 0.',
  });
}

type Container = unknown[] | Record<string, unknown>;

function isContainer(value: unknown): value is Container {
  if (Array.isArray(value)) return true;
  if (typeof value !== 'object' || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function index(list: readonly unknown[], key: string, at: string, end = list.length - 1): number {
  if (!/^(?:0|[1-9]\d{0,8})$/.test(key) || Number(key) > end) throw missing(at);
  return Number(key);
}

function get(target: unknown, path: readonly string[], at: string): unknown {
  let value = target;
  for (const key of path) {
    if (!isContainer(value)) throw missing(at);
    if (Array.isArray(value)) value = value[index(value, key, at)];
    else if (Object.hasOwn(value, key)) value = value[key];
    else throw missing(at);
  }
  return value;
}

/** Copies along the path and lets `edit` change the copy of the last container. */
function change(
  target: unknown,
  path: readonly string[],
  at: string,
  edit: (parent: Container, key: string, at: string) => Container,
): unknown {
  const [key, ...rest] = path;
  if (key === undefined) throw missing(at);
  if (!isContainer(target)) throw missing(at);
  if (rest.length === 0) return edit(target, key, at);
  const inner = change(get(target, [key], at), rest, at, edit);
  return put(target, key, inner, at);
}

function put(parent: Container, key: string, value: unknown, at: string): Container {
  if (Array.isArray(parent)) {
    const i = index(parent, key, at);
    return parent.map((item, n) => (n === i ? value : item));
  }
  if (!Object.hasOwn(parent, key)) throw missing(at);
  return { ...parent, [key]: value };
}

function remove(parent: Container, key: string, at: string): Container {
  if (Array.isArray(parent)) {
    const i = index(parent, key, at);
    return parent.filter((_item, n) => n !== i);
  }
  if (!Object.hasOwn(parent, key)) throw missing(at);
  const { [key]: _gone, ...rest } = parent;
  return rest;
}

function add(target: unknown, path: readonly string[], value: unknown, at: string): unknown {
  if (path.length === 0) return value;
  return change(target, path, at, (parent, key) => {
    if (!Array.isArray(parent)) return { ...parent, [key]: value };
    const i = key === '-' ? parent.length : index(parent, key, at, parent.length);
    return [...parent.slice(0, i), value, ...parent.slice(i)];
  });
}

/** Equality of JSON values; decimals by number, as RFC 6902, 4.6 says. */
function equal(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (Array.isArray(a))
    return Array.isArray(b) && a.length === b.length && a.every((item, i) => equal(item, b[i]));
  if (isContainer(a)) {
    if (!isContainer(b) || Array.isArray(b)) return false;
    const keys = Object.keys(a);
    const other = b;
    return (
      keys.length === Object.keys(other).length &&
      keys.every((key) => Object.hasOwn(other, key) && equal((a as Record<string, unknown>)[key], other[key]))
    );
  }
  if (typeof a === 'object' && a !== null) return Number(a) === Number(b);
  if (typeof b === 'object' && b !== null && typeof a === 'number') return a === Number(b);
  return false;
}
