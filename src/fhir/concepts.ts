import type { Coding, Resource } from '../core/resource.js';

/** A concept of a CodeSystem resource, wherever in its tree it stands. */
export interface Concept {
  readonly code: string;
  readonly display: string | undefined;
  readonly definition: string | undefined;
  readonly designations: readonly {
    readonly language?: string;
    readonly use?: Coding;
    readonly value: string;
  }[];
  /** Each with its `value[x]`. */
  readonly properties: readonly ({ readonly code: string } & Record<string, unknown>)[];
  /** Codes it is nested under directly. */
  readonly parents: readonly string[];
}

interface Node {
  readonly code?: string;
  readonly display?: string;
  readonly definition?: string;
  readonly designation?: Concept['designations'];
  readonly property?: Concept['properties'];
  readonly concept?: readonly Node[];
}

/** All concepts of a CodeSystem, parents before their children. */
export function* conceptsOf(codeSystem: Resource): Generator<Concept> {
  yield* walk((codeSystem.concept as Node[] | undefined) ?? [], undefined);
}

function* walk(nodes: readonly Node[], parent: string | undefined): Generator<Concept> {
  for (const { code, display, definition, designation = [], property = [], concept = [] } of nodes) {
    if (code === undefined) continue;
    yield {
      code,
      display,
      definition,
      designations: designation,
      properties: property,
      parents: parent === undefined ? [] : [parent],
    };
    yield* walk(concept, code);
  }
}

/** The concept of a code; case counts unless the code system says that it does not. */
export function findConcept(codeSystem: Resource, code: string): Concept | undefined {
  const fold = codeSystem.caseSensitive === false;
  const wanted = fold ? code.toLowerCase() : code;
  for (const concept of conceptsOf(codeSystem)) {
    if ((fold ? concept.code.toLowerCase() : concept.code) === wanted) return concept;
  }
  return undefined;
}

/** Whether a code lies under another, nested or by the properties `parent` and `child` (R4 codesystem.html#hierarchy). */
export function isUnder(codeSystem: Resource, code: string, ancestor: string): boolean {
  const children = new Map<string, string[]>();
  const link = (parent: string, child: string) => {
    const known = children.get(parent);
    if (known) known.push(child);
    else children.set(parent, [child]);
  };
  for (const concept of conceptsOf(codeSystem)) {
    for (const parent of concept.parents) link(parent, concept.code);
    for (const { code: name, valueCode } of concept.properties) {
      if (typeof valueCode !== 'string') continue;
      if (name === 'parent') link(valueCode, concept.code);
      if (name === 'child') link(concept.code, valueCode);
    }
  }
  const seen = new Set<string>();
  const open = [ancestor];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    for (const child of children.get(next) ?? []) {
      if (child === code) return true;
      if (seen.has(child)) continue;
      seen.add(child);
      open.push(child);
    }
  }
  return false;
}

/** The name in a language (BCP 47), a regional form of it too; undefined where there is none: the display stays. */
export function inLanguage(
  designations: Concept['designations'],
  wanted: string | undefined,
): string | undefined {
  if (wanted === undefined) return undefined;
  const tag = wanted.toLowerCase();
  const found =
    designations.find(({ language }) => language?.toLowerCase() === tag) ??
    designations.find(({ language }) => language?.toLowerCase().split('-')[0] === tag.split('-')[0]);
  return found?.value;
}
