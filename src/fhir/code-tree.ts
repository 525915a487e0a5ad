import { RE2JS } from 're2js';
import { Fault } from '../core/fault.js';
import type { Resource } from '../core/resource.js';
import { type Concept, conceptsOf } from './concepts.js';

/** The concepts of a code system and which lies directly under which. */
export interface CodeTree {
  readonly concepts: ReadonlyMap<string, Concept>;
  readonly children: ReadonlyMap<string, readonly string[]>;
  readonly parents: ReadonlyMap<string, readonly string[]>;
}

/** A rule of a value set (`ValueSet.compose.include.filter`). */
export interface CodeFilter {
  readonly property?: string;
  readonly op?: string;
  readonly value?: string;
}

/** Codes one question is answered with. */
export const MAX_CODES = 10_000;
const MAX_PATTERN = 500;

/** Nested concepts, and the properties `parent` and `child` (R4 codesystem.html#hierarchy). */
export function codeTree(codeSystem: Resource): CodeTree {
  const concepts = new Map<string, Concept>();
  const children = new Map<string, Set<string>>();
  const parents = new Map<string, Set<string>>();
  const link = (parent: string, child: string) => {
    set(children, parent).add(child);
    set(parents, child).add(parent);
  };
  for (const concept of conceptsOf(codeSystem)) {
    concepts.set(concept.code, concept);
    for (const parent of concept.parents) link(parent, concept.code);
    for (const { code, valueCode } of concept.properties) {
      if (typeof valueCode !== 'string') continue;
      if (code === 'parent') link(valueCode, concept.code);
      if (code === 'child') link(concept.code, valueCode);
    }
  }
  return { concepts, children: listed(children), parents: listed(parents) };
}

function set(links: Map<string, Set<string>>, from: string): Set<string> {
  const known = links.get(from) ?? new Set();
  links.set(from, known);
  return known;
}

const listed = (links: ReadonlyMap<string, ReadonlySet<string>>) =>
  new Map([...links].map(([from, to]): [string, string[]] => [from, [...to]]));

/**
 * A code with everything that the links lead to from it.
 * @throws Fault `too-large` over `MAX_CODES`
 */
export function reach(links: ReadonlyMap<string, readonly string[]>, from: string): Set<string> {
  const found = new Set([from]);
  const open = [from];
  for (let code = open.pop(); code !== undefined; code = open.pop()) {
    for (const next of links.get(code) ?? []) {
      if (found.has(next)) continue;
      if (found.size >= MAX_CODES)
        throw new Fault('too-large', `More than ${MAX_CODES} codes are related to this one.`, {
          remedy: 'Use a more specific code.',
        });
      found.add(next);
      open.push(next);
    }
  }
  return found;
}

/**
 * The codes that a rule leaves (R4 valueset-filter-operator), in the order of the code system.
 * @throws Fault `unsupported` for an operator that R4 does not have, `invalid` for a pattern that is none
 */
export function filtered(
  tree: CodeTree,
  { property = 'concept', op = '=', value = '' }: CodeFilter,
): string[] {
  const test = BY_CODE.has(property) ? (byTree(tree, op, value) ?? byValue(op, value)) : byValue(op, value);
  if (!test)
    throw new Fault('unsupported', 'A rule of the value set is not served.', {
      remedy: 'Use an operator of R4 (valueset-filter-operator), or list the codes.',
      log: `value set filter ${op}`,
    });
  return [...tree.concepts.values()].flatMap((concept) =>
    test(valuesOf(tree, concept, property), concept.code) ? [concept.code] : [],
  );
}

/** Names of the code itself in a rule. */
const BY_CODE = new Set(['concept', 'code']);

type Test = (values: readonly string[], code: string) => boolean;

function byTree(tree: CodeTree, op: string, value: string): Test | undefined {
  switch (op) {
    case 'is-a':
      return among(reach(tree.children, value));
    case 'descendent-of': {
      const under = reach(tree.children, value);
      under.delete(value);
      return among(under);
    }
    case 'is-not-a': {
      const under = reach(tree.children, value);
      return (_, code) => !under.has(code);
    }
    case 'generalizes':
      return among(reach(tree.parents, value));
    default:
      return undefined;
  }
}

const among =
  (codes: ReadonlySet<string>): Test =>
  (_, code) =>
    codes.has(code);

function byValue(op: string, value: string): Test | undefined {
  const listed = value.split(',').map((part) => part.trim());
  switch (op) {
    case '=':
      return (values) => values.includes(value);
    case 'in':
      return (values) => values.some((v) => listed.includes(v));
    case 'not-in':
      return (values) => !values.some((v) => listed.includes(v));
    case 'exists':
      return (values) => values.length > 0 === (value === 'true');
    case 'regex': {
      const pattern = linear(value);
      return (values) => values.some((v) => pattern.matches(v));
    }
    default:
      return undefined;
  }
}

/** A pattern that is matched in linear time, whatever it is: the value set may be anybody's. */
function linear(pattern: string): RE2JS {
  try {
    if (pattern.length <= MAX_PATTERN) return RE2JS.compile(pattern);
  } catch {
    // Told below.
  }
  throw new Fault('invalid', 'A rule of the value set is no regular expression that can be used here.', {
    at: 'ValueSet.compose.include.filter.value',
    remedy: `Use one without look-around and back-references, of at most ${MAX_PATTERN} characters.`,
  });
}

function valuesOf(tree: CodeTree, concept: Concept, property: string): readonly string[] {
  if (BY_CODE.has(property)) return [concept.code];
  if (property === 'display') return concept.display === undefined ? [] : [concept.display];
  if (property === 'parent') return tree.parents.get(concept.code) ?? [];
  if (property === 'child') return tree.children.get(concept.code) ?? [];
  return concept.properties.filter((p) => p.code === property).flatMap((p) => codeOrText(p));
}

function codeOrText(property: Record<string, unknown>): string[] {
  const key = Object.keys(property).find((name) => name.startsWith('value'));
  const value = key === undefined ? undefined : property[key];
  if (value === undefined || value === null) return [];
  if (typeof value === 'object') return 'code' in value ? [String(value.code)] : [];
  return [String(value)];
}

/** Whether a concept is no longer to be used (R4 codesystem-concept-properties: `inactive`, `status`). */
export function isInactive({ properties }: Concept): boolean {
  return properties.some(
    (p) =>
      (p.code === 'inactive' && p.valueBoolean === true) ||
      (p.code === 'status' && (p.valueCode === 'retired' || p.valueCode === 'inactive')),
  );
}

/** Whether a concept only groups others (R4 codesystem-concept-properties: `notSelectable`). */
export function isAbstract({ properties }: Concept): boolean {
  return properties.some((p) => p.code === 'notSelectable' && p.valueBoolean === true);
}
