import { Fault, invalid } from '../../core/fault.js';
import type { Resource } from '../../core/resource.js';
import { choiceName } from '../elements.js';
import { MAX_PATCH_OPERATIONS } from './json-patch.js';
import { elementOf, type Place, resolvePath } from './places.js';

/** FHIRPath Patch (R4 fhirpatch.html) on a resource. Pure: the input is never changed. */

type Json = Record<string, unknown>;

interface Operation {
  readonly at: string;
  readonly type: string;
  readonly path: string;
  readonly name: string | undefined;
  readonly value: PatchValue | undefined;
  readonly index: number | undefined;
  readonly source: number | undefined;
  readonly destination: number | undefined;
}

/** A value with the FHIR type its name in Parameters said; undefined for an anonymous one, made of parts. */
interface PatchValue {
  readonly json: unknown;
  readonly type: string | undefined;
}

/**
 * Reads the Parameters of a FHIRPath Patch.
 * @returns what applies it.
 * @throws Fault `invalid` for malformed Parameters; at application with issue code `business-rule` (422) where a path
 * leads to no element or to several, naming the operation.
 */
export function compileFhirPathPatch(parameters: Json): (target: Resource) => Resource {
  const list = parameters.parameter ?? [];
  if (!Array.isArray(list)) throw invalid('parameter is not a list.', 'Parameters.parameter');
  if (list.length > MAX_PATCH_OPERATIONS) {
    throw new Fault('too-large', `A patch has at most ${MAX_PATCH_OPERATIONS} operations.`, {
      at: 'Parameters.parameter',
    });
  }
  const operations = list.map((item: unknown, i) => readOperation(item, `Parameters.parameter[${i}]`));
  return (target) => operations.reduce(apply, target);
}

function readOperation(item: unknown, at: string): Operation {
  const { name, part } = (item ?? {}) as Json;
  if (name !== 'operation' || !Array.isArray(part))
    throw invalid('The parameter is no operation with parts.', at);
  const parts = new Map(part.map((p: Json) => [p?.name, p]));
  const text = (key: string) => {
    const value = parts.get(key);
    const found = value?.valueCode ?? value?.valueString;
    return typeof found === 'string' ? found : undefined;
  };
  const whole = (key: string) => {
    const value =
      parts.get(key)?.valueInteger ?? parts.get(key)?.valueUnsignedInt ?? parts.get(key)?.valuePositiveInt;
    return Number.isInteger(value) && (value as number) >= 0 ? (value as number) : undefined;
  };
  const type = text('type');
  if (type === undefined || !['add', 'insert', 'delete', 'replace', 'move'].includes(type)) {
    throw invalid('type is not one of add, insert, delete, replace, move.', at);
  }
  const path = text('path');
  if (path === undefined) throw invalid('The operation has no path.', at);
  const operation: Operation = {
    at,
    type,
    path,
    name: text('name'),
    value: parts.has('value') ? readValue(parts.get('value')!, `${at}.part.where(name='value')`) : undefined,
    index: whole('index'),
    source: whole('source'),
    destination: whole('destination'),
  };
  const need = (key: keyof Operation) => {
    if (operation[key] === undefined) throw invalid(`The operation ${type} needs ${key}.`, at);
  };
  if (type === 'add') need('name');
  if (type === 'add' || type === 'insert' || type === 'replace') need('value');
  if (type === 'insert') need('index');
  if (type === 'move') {
    need('source');
    need('destination');
  }
  return operation;
}

/** A value[x], or an anonymous element spelt out in parts. */
function readValue(part: Json, at: string): PatchValue {
  const key = Object.keys(part).find((name) => name.startsWith('value'));
  if (key !== undefined) return { json: part[key], type: key.slice(5) };
  if (!Array.isArray(part.part)) throw invalid('The value is empty.', at);
  const json: Json = {};
  for (const item of part.part as Json[]) {
    const name = item?.name;
    if (typeof name !== 'string' || name === '' || name === '__proto__')
      throw invalid('A part of the value has no name.', at);
    const value = readValue(item, at);
    // An element that repeats is given by several parts of one name; whether one alone is a list, its type says later.
    const before = json[name];
    json[name] = before === undefined ? new Named([value]) : (before as Named).with(value);
  }
  return { json, type: undefined };
}

/** Values of one name inside an anonymous element, until its type tells their shape. */
class Named {
  constructor(readonly values: readonly PatchValue[]) {}
  with(value: PatchValue): Named {
    return new Named([...this.values, value]);
  }
}

function apply(target: Resource, operation: Operation): Resource {
  const { at, type, path } = operation;
  const { places, list } = resolvePath(target, path, at);
  switch (type) {
    case 'add':
      return add(target, one(places, at), operation);
    case 'replace': {
      const place = one(places, at);
      if (place.path.length === 0)
        throw invalid('A patch cannot replace the whole resource.', at, 'Use an update.');
      return set(target, place.path, shaped(operation.value!, place.type, at)) as Resource;
    }
    case 'delete': {
      // Deleting what is not there is done already; of several the specification lets none be deleted.
      if (places.length === 0) return target;
      const place = one(places, at);
      if (place.path.length === 0)
        throw invalid('A patch cannot delete the whole resource.', at, 'Use a delete.');
      return remove(target, place.path) as Resource;
    }
    default: {
      if (!list) throw processing('The path does not end in an element that repeats.', at);
      const items = places.map(({ value }) => value);
      const changed =
        type === 'insert'
          ? inserted(items, operation, elementType(places, target, path, at))
          : reordered(items, operation);
      return set(target, list, changed) as Resource;
    }
  }
}

function elementType(places: readonly Place[], target: Resource, path: string, at: string): string {
  const [first] = places;
  if (first) return first.type;
  const dot = path.lastIndexOf('.');
  const { places: parents } = resolvePath(target, path.slice(0, dot), at);
  return elementOf(one(parents, at).type, path.slice(dot + 1), at).types[0]!.code;
}

function inserted(items: readonly unknown[], { index, value, at }: Operation, type: string): unknown[] {
  if (index! > items.length) throw processing('The position is beyond the end of the list.', at);
  return [...items.slice(0, index), shaped(value!, type, at), ...items.slice(index)];
}

function reordered(items: readonly unknown[], { source, destination, at }: Operation): unknown[] {
  if (source! >= items.length || destination! >= items.length)
    throw processing('The position is beyond the end of the list.', at);
  const moved = [...items];
  const [item] = moved.splice(source!, 1);
  moved.splice(destination!, 0, item);
  return moved;
}

function add(target: Resource, parent: Place, { name, value, at }: Operation): Resource {
  const element = elementOf(parent.type, name!, at);
  const type = typeFor(
    element.types.map(({ code }) => code),
    value!,
    at,
  );
  const jsonName = element.choice ? choiceName(element.name, type) : element.name;
  const content = shaped(value!, type, at);
  const before = (parent.value as Json)[jsonName];
  const taken = element.choice
    ? element.types.some(({ code }) => choiceName(element.name, code) in (parent.value as Json))
    : before !== undefined;
  if (element.max === 1 && taken)
    throw processing('The element is there already and does not repeat.', at, 'Use replace.');
  const after = element.max > 1 ? [...(Array.isArray(before) ? before : []), content] : content;
  return set(target, [...parent.path, jsonName], after) as Resource;
}

/** The type of a choice element that a value is of. */
function typeFor(types: readonly string[], { type }: PatchValue, at: string): string {
  if (types.length === 1) return types[0]!;
  const found = types.find((code) => type !== undefined && code.toLowerCase() === type.toLowerCase());
  if (found) return found;
  throw processing('The value is of none of the types that the element can have.', at);
}

/** The JSON of a value as an element of that type: anonymous parts get the names and lists their type gives them. */
function shaped(value: PatchValue, type: string, at: string): unknown {
  if (value.type !== undefined) return value.json;
  const out: Json = {};
  for (const [name, named] of Object.entries(value.json as Record<string, Named>)) {
    const element = elementOf(type, name, at);
    const code = typeFor(
      element.types.map((t) => t.code),
      named.values[0]!,
      at,
    );
    const contents = named.values.map((item) => shaped(item, code, at));
    if (element.max === 1 && contents.length > 1)
      throw processing('An element of the value does not repeat.', at);
    out[element.choice ? choiceName(name, code) : name] = element.max > 1 ? contents : contents[0];
  }
  return out;
}

function one(places: readonly Place[], at: string): Place {
  const [place, ...more] = places;
  if (!place)
    throw processing('The path leads to no element of the resource.', at, 'Add the element around it first.');
  if (more.length > 0)
    throw processing('The path leads to several elements.', at, 'Choose one by position or where().');
  return place;
}

function processing(
  message: string,
  at: string,
  remedy = 'Read the resource again and make the patch for its current content.',
): Fault {
  return new Fault('invalid', message, { at, remedy, issueCode: 'business-rule' });
}

/** Copies along the path and puts the value at its end. */
function set(target: unknown, path: readonly (string | number)[], value: unknown): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return value;
  if (Array.isArray(target)) {
    const copy = [...target];
    copy[key as number] = set(copy[key as number], rest, value);
    return copy;
  }
  const from = target as Json;
  return { ...from, [key]: set(from[key], rest, value) };
}

/** Copies along the path without what it names; a list or object that becomes empty goes with it. */
function remove(target: unknown, path: readonly (string | number)[]): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return undefined;
  if (Array.isArray(target)) {
    const item = remove(target[key as number], rest);
    const items = target.flatMap((old, i) => (i === key ? (item === undefined ? [] : [item]) : [old]));
    return items.length > 0 ? items : undefined;
  }
  const { [key]: old, ...others } = target as Json;
  const item = remove(old, rest);
  // A primitive's own extensions stand beside it under the same name.
  if (rest.length === 0) delete others[`_${key}`];
  const left = item === undefined ? others : { ...(target as Json), [key]: item };
  return Object.keys(left).length > 0 ? left : undefined;
}
