import { Fault, invalid } from '../../core/fault.js';
import type { Resource } from '../../core/resource.js';
import { choiceName, type ElementRow, typeDefinition } from '../elements.js';
import { compileExpression } from '../paths.js';

/**
 * Where a FHIRPath leads in the JSON of a resource. A patch must know the place of what it changes, so it follows
 * the steps itself (members, positions, `where`, `first`, `last`, `ofType`, `as`, `extension`) and leaves only the
 * conditions inside `where` to the compiled expressions.
 */
export interface Place {
  /** JSON names and positions from the root. */
  readonly path: readonly (string | number)[];
  /** FHIR type of the element, a path such as `Patient.contact` for an anonymous one. */
  readonly type: string;
  readonly value: unknown;
}

export interface Resolved {
  readonly places: readonly Place[];
  /** The repeating element that the path ends in, whole: where `insert` and `move` work. */
  readonly list: readonly (string | number)[] | undefined;
}

type Step =
  | { readonly kind: 'member'; readonly name: string }
  | { readonly kind: 'index'; readonly index: number }
  | { readonly kind: 'call'; readonly name: string; readonly argument: string };

const MAX_PATH_CHARS = 1_000;

/** @throws Fault `invalid` for a path that cannot be read or names elements that the type has not. */
export function resolvePath(resource: Resource, path: string, at: string): Resolved {
  const [root, ...steps] = stepsOf(path, at);
  if (root?.kind !== 'member' || root.name !== resource.resourceType) {
    throw invalid(
      'The path does not start with the type of the resource.',
      at,
      `Start it with ${resource.resourceType}.`,
    );
  }
  let places: Place[] = [{ path: [], type: resource.resourceType, value: resource }];
  let list: readonly (string | number)[] | undefined;
  for (const step of steps) {
    if (step.kind === 'member') ({ places, list } = members(places, step.name, at));
    else {
      places =
        step.kind === 'index' ? places.slice(step.index, step.index + 1) : call(places, step, resource, at);
      list = undefined;
    }
  }
  return { places, list };
}

function members(
  places: readonly Place[],
  name: string,
  at: string,
): { places: Place[]; list: Resolved['list'] } {
  const found: Place[] = [];
  let list: Resolved['list'];
  for (const place of places) {
    const element = elementOf(place.type, name, at);
    for (const { jsonName, type } of jsonNames(element)) {
      const value = (place.value as Record<string, unknown> | null)?.[jsonName];
      const path = [...place.path, jsonName];
      if (element.max > 1 && places.length === 1) list = path;
      if (value === undefined) continue;
      if (Array.isArray(value))
        found.push(...value.map((item, i) => ({ path: [...path, i], type, value: item })));
      else found.push({ path, type, value });
    }
  }
  return { places: found, list };
}

/** The element of a type by its FHIRPath name, which for a choice is the name without the type. */
export function elementOf(type: string, name: string, at: string): ElementRow {
  const element = typeDefinition(type)?.byName.get(name);
  if (!element)
    throw invalid(
      `${type} has no element of that name.`,
      at,
      'Check the spelling; choices are named without their type.',
    );
  return element;
}

export function jsonNames(element: ElementRow): { jsonName: string; type: string }[] {
  return element.types.map(({ code }) => ({
    jsonName: element.choice ? choiceName(element.name, code) : element.name,
    type: code,
  }));
}

function call(
  places: readonly Place[],
  step: Extract<Step, { kind: 'call' }>,
  resource: Resource,
  at: string,
): Place[] {
  switch (step.name) {
    case 'first':
      return places.slice(0, 1);
    case 'last':
      return places.slice(-1);
    case 'where':
      return places.filter(({ type, value }) => {
        const [holds, ...more] = compileExpression(step.argument, type).from(value, resource);
        return holds === true && more.length === 0;
      });
    case 'ofType':
    case 'as':
      return places.filter(({ type }) => type === step.argument.trim());
    case 'extension': {
      const url = /^\s*'([^'\\]*)'\s*$/.exec(step.argument)?.[1];
      if (url === undefined) throw invalid('extension() needs the url of the extension.', at);
      return members(places, 'extension', at).places.filter(
        ({ value }) => (value as { url?: unknown }).url === url,
      );
    }
    default:
      throw new Fault('unsupported', `A patch path cannot use ${step.name.slice(0, 32)}().`, {
        at,
        remedy: 'Use members, positions, where(), first(), last(), ofType() and extension().',
      });
  }
}

const NAME = /^(?:[A-Za-z_]\w*|`[^`]+`)/;

function stepsOf(path: string, at: string): Step[] {
  if (path.length > MAX_PATH_CHARS) throw invalid(`A path has at most ${MAX_PATH_CHARS} characters.`, at);
  const steps: Step[] = [];
  let i = 0;
  while (i < path.length) {
    if (path[i] === '[') {
      const found = /^\[\s*(\d{1,6})\s*\]/.exec(path.slice(i));
      if (!found) throw unreadable(at);
      steps.push({ kind: 'index', index: Number(found[1]) });
      i += found[0].length;
      continue;
    }
    if (steps.length > 0) {
      if (path[i] !== '.') throw unreadable(at);
      i++;
    }
    const name = NAME.exec(path.slice(i))?.[0];
    if (!name) throw unreadable(at);
    i += name.length;
    if (path[i] !== '(') {
      steps.push({ kind: 'member', name: name.replaceAll('`', '') });
      continue;
    }
    const end = closing(path, i);
    if (end < 0) throw unreadable(at);
    steps.push({ kind: 'call', name, argument: path.slice(i + 1, end) });
    i = end + 1;
  }
  return steps;
}

function unreadable(at: string): Fault {
  return invalid(
    'The path cannot be read.',
    at,
    "Write it like Patient.identifier.where(use = 'official').value.",
  );
}

/** Position of the parenthesis that closes the one at `open`; texts in quotes are skipped. */
function closing(path: string, open: number): number {
  let depth = 0;
  let quoted = false;
  for (let i = open; i < path.length; i++) {
    const c = path[i];
    if (quoted) {
      if (c === '\\') i++;
      else if (c === "'") quoted = false;
    } else if (c === "'") quoted = true;
    else if (c === '(') depth++;
    else if (c === ')' && --depth === 0) return i;
  }
  return -1;
}
