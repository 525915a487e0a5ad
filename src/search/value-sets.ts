import { Fault } from '../core/fault.js';
import type { Resource, StoredResource } from '../core/resource.js';
import { findSearchParameter } from '../fhir/registry.js';
import { requiredCodes } from '../fhir/required-codes.js';
import { typeNumber } from '../fhir/resource-types.js';
import type { IndexContext } from '../indexing/parameter-type.js';
import { compileNode } from './compile.js';
import { optimize } from './condition.js';
import { START } from './order.js';
import type { Reader } from './reader.js';
import { foundRow, rowsStatement } from './statement.js';

/**
 * Which codes a value set has and which code lies under which, from the ValueSet and CodeSystem resources a tenant has
 * and the sets R4 itself binds. Read anew for each search: what was written a moment ago counts.
 */
export interface CodeKnowledge {
  /** @throws Fault `invalid` where the set is not known, `unsupported` where its rules are not. */
  valueSet(canonical: string): Promise<readonly Code[]>;
  /** The codes of a ValueSet resource at hand, stored or not. @throws as `valueSet` */
  codesOf(valueSet: Resource): Promise<readonly Code[]>;
  /** The code with all that lies under it (`below`) or over it (`above`). */
  related(code: Code, way: 'below' | 'above'): Promise<readonly Code[]>;
}

export interface Code {
  readonly system: string;
  readonly code: string;
}

/** Codes one modifier stands for; each becomes a term of the search. */
export const MAX_CODES = 10_000;
/** Value sets that a value set is made of, one within the other. */
const MAX_NESTING = 8;
const HL7 = 'http://hl7.org/fhir/ValueSet/';

interface ConceptNode {
  readonly code?: string;
  readonly concept?: readonly ConceptNode[];
  readonly property?: readonly { readonly code?: string; readonly valueCode?: string }[];
}

interface Include {
  readonly system?: string;
  readonly concept?: readonly { readonly code?: string }[];
  readonly filter?: readonly { readonly property?: string; readonly op?: string; readonly value?: string }[];
  readonly valueSet?: readonly string[];
}

interface Contained {
  readonly system?: string;
  readonly code?: string;
  readonly abstract?: boolean;
  readonly contains?: readonly Contained[];
}

export function codeKnowledge(reader: Reader, context: IndexContext): CodeKnowledge {
  const hierarchies = new Map<string, Promise<Hierarchy | undefined>>();

  function hierarchyOf(system: string): Promise<Hierarchy | undefined> {
    const known =
      hierarchies.get(system) ?? byUrl(reader, context, 'CodeSystem', system).then((r) => r && hierarchy(r));
    hierarchies.set(system, known);
    return known;
  }

  async function expand(canonical: string, depth: number): Promise<Map<string, Code>> {
    if (depth > MAX_NESTING) throw unknown(canonical, 'it is made of too many others');
    const stored = await byUrl(reader, context, 'ValueSet', canonical);
    return stored ? expandResource(stored, depth) : boundByR4(canonical);
  }

  async function expandResource(stored: Resource, depth: number): Promise<Map<string, Code>> {
    const expansion = (stored.expansion as { contains?: Contained[] } | undefined)?.contains;
    const compose = stored.compose as { include?: Include[]; exclude?: Include[] } | undefined;
    if (expansion && !compose) return keyed(flatten(expansion));
    const codes = new Map<string, Code>();
    for (const include of compose?.include ?? [])
      for (const [key, code] of await included(include, depth)) put(codes, key, code);
    for (const exclude of compose?.exclude ?? [])
      for (const key of (await included(exclude, depth)).keys()) codes.delete(key);
    return codes;
  }

  /** One include: its system's codes as listed or filtered, narrowed to those of all value sets it names. */
  async function included(include: Include, depth: number): Promise<Map<string, Code>> {
    let codes = include.system === undefined ? undefined : keyed(await ofSystem(include.system, include));
    for (const url of include.valueSet ?? []) {
      const other = await expand(url, depth + 1);
      codes = codes === undefined ? other : new Map([...codes].filter(([key]) => other.has(key)));
    }
    return codes ?? new Map();
  }

  async function ofSystem(system: string, { concept, filter }: Include): Promise<Code[]> {
    if (concept) return concept.flatMap((c) => (c.code === undefined ? [] : [{ system, code: c.code }]));
    const tree = await hierarchyOf(system);
    if (!tree) throw unknown(system, 'the codes of its code system are not here');
    let codes = [...tree.codes];
    for (const f of filter ?? []) {
      const wanted = filtered(tree, f);
      codes = codes.filter((code) => wanted.has(code));
    }
    return codes.map((code) => ({ system, code }));
  }

  return {
    async valueSet(canonical) {
      return [...(await expand(canonical, 0)).values()];
    },
    async codesOf(valueSet) {
      return [...(await expandResource(valueSet, 0)).values()];
    },
    async related({ system, code }, way) {
      const tree = await hierarchyOf(system);
      // A system without a hierarchy here: a code is below and above itself.
      const codes = tree ? reach(way === 'below' ? tree.children : tree.parents, code) : new Set([code]);
      return [...codes].map((c) => ({ system, code: c }));
    },
  };
}

function put(codes: Map<string, Code>, key: string, code: Code): void {
  codes.set(key, code);
  if (codes.size > MAX_CODES)
    throw new Fault('too-large', `The value set has more than ${MAX_CODES} codes.`, {
      remedy: 'Use a smaller one.',
    });
}

const keyOf = ({ system, code }: Code) => `${system}|${code}`;
const keyed = (codes: readonly Code[]) => new Map(codes.map((c) => [keyOf(c), c]));

function unknown(url: string, why: string): Fault {
  return new Fault('invalid', `The value set cannot be used: ${why}.`, {
    at: url.slice(0, 200),
    remedy: 'Store the ValueSet and its CodeSystem, or list the codes.',
    issueCode: 'not-found',
  });
}

/** The sets R4 binds elements to as required. */
function boundByR4(canonical: string): Map<string, Code> {
  const url = canonical.split('|')[0]!;
  const systems = url.startsWith(HL7) ? requiredCodes(url.slice(HL7.length)) : undefined;
  const codes: Code[] = [];
  for (const [system, list] of systems ?? []) for (const code of list ?? []) codes.push({ system, code });
  if (codes.length === 0) throw unknown(url, 'it is not known here');
  return keyed(codes);
}

function flatten(contains: readonly Contained[]): Code[] {
  return contains.flatMap((c) => [
    ...(c.code !== undefined && c.system !== undefined && c.abstract !== true
      ? [{ system: c.system, code: c.code }]
      : []),
    ...flatten(c.contains ?? []),
  ]);
}

/** Which code is directly under which. */
interface Hierarchy {
  readonly codes: ReadonlySet<string>;
  readonly children: ReadonlyMap<string, readonly string[]>;
  readonly parents: ReadonlyMap<string, readonly string[]>;
}

/** Nested concepts, and the properties `parent` and `child` (R4 codesystem.html#hierarchy). */
function hierarchy(codeSystem: Resource): Hierarchy {
  const codes = new Set<string>();
  const children = new Map<string, string[]>();
  const parents = new Map<string, string[]>();
  const link = (parent: string, child: string) => {
    children.set(parent, [...(children.get(parent) ?? []), child]);
    parents.set(child, [...(parents.get(child) ?? []), parent]);
  };
  const walk = (concepts: readonly ConceptNode[], parent: string | undefined) => {
    for (const { code, concept, property } of concepts) {
      if (code === undefined) continue;
      codes.add(code);
      if (parent !== undefined) link(parent, code);
      for (const p of property ?? []) {
        if (p.valueCode === undefined) continue;
        if (p.code === 'parent') link(p.valueCode, code);
        if (p.code === 'child') link(code, p.valueCode);
      }
      walk(concept ?? [], code);
    }
  };
  walk((codeSystem.concept as ConceptNode[] | undefined) ?? [], undefined);
  return { codes, children, parents };
}

function reach(links: ReadonlyMap<string, readonly string[]>, from: string): Set<string> {
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

function filtered(
  tree: Hierarchy,
  { property, op, value = '' }: NonNullable<Include['filter']>[number],
): Set<string> {
  if (property === 'concept' || property === 'code' || property === undefined) {
    if (op === 'is-a') return reach(tree.children, value);
    if (op === 'generalizes') return reach(tree.parents, value);
    if (op === 'in') return new Set(value.split(','));
    if (op === '=') return new Set([value]);
    const under = reach(tree.children, value);
    if (op === 'is-not-a') return new Set([...tree.codes].filter((c) => !under.has(c)));
    if (op === 'descendent-of') {
      under.delete(value);
      return under;
    }
  }
  throw new Fault('unsupported', 'A rule of the value set is not served.', {
    remedy: 'Store the value set with its codes listed.',
    log: `value set filter ${property} ${op}`,
  });
}

/** The newest ValueSet or CodeSystem with this canonical URL (`|version` where given). */
async function byUrl(
  reader: Reader,
  context: IndexContext,
  type: string,
  canonical: string,
): Promise<StoredResource | undefined> {
  const [url = '', version] = canonical.split('|');
  const parameter = findSearchParameter(type, 'url')!;
  const query = { parameter, modifier: undefined, values: [{ prefix: 'eq' as const, text: url }] };
  const { condition } = compileNode(type, { kind: 'parameter', query }, reader.tenant.keys, context);
  const find = { types: [typeNumber(type)], condition: optimize(condition), order: { kind: 'row' as const } };
  const rows = (await reader.query(rowsStatement(find, START, MAX_VERSIONS))).map((r) =>
    foundRow(r, find.order),
  );
  const found = (await reader.open(rows.map((r) => r.row))).filter(
    (r) => r.url === url && (version === undefined || r.version === version),
  );
  return found.sort((a, b) => (a.meta.lastUpdated < b.meta.lastUpdated ? 1 : -1))[0];
}

const MAX_VERSIONS = 20;
