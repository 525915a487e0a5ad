import { Fault } from '../core/fault.js';
import type { Resource, StoredResource } from '../core/resource.js';
import { codeSystemOfR4 } from '../fhir/code-systems.js';
import { type CodeFilter, type CodeTree, codeTree, filtered, MAX_CODES, reach } from '../fhir/code-tree.js';
import { findSearchParameter } from '../fhir/registry.js';
import { requiredCodes } from '../fhir/required-codes.js';
import { typeNumber } from '../fhir/resource-types.js';
import { valueSetOfR4 } from '../fhir/value-sets.js';
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

/** Value sets that a value set is made of, one within the other. */
const MAX_NESTING = 8;
const HL7 = 'http://hl7.org/fhir/ValueSet/';
/** The set of all codes of a system, as R4 names it for SNOMED CT (snomedct.html#implicit). */
const ALL_CODES = '?fhir_vs';

const VALUE_SET_ADDRESS = /^ValueSet\/([A-Za-z0-9\-.]{1,64})$/;

interface Include {
  readonly system?: string;
  readonly concept?: readonly { readonly code?: string }[];
  readonly filter?: readonly CodeFilter[];
  readonly valueSet?: readonly string[];
}

interface Contained {
  readonly system?: string;
  readonly code?: string;
  readonly abstract?: boolean;
  readonly contains?: readonly Contained[];
}

export function codeKnowledge(reader: Reader, context: IndexContext): CodeKnowledge {
  const trees = new Map<string, Promise<CodeTree | undefined>>();

  function treeOf(system: string): Promise<CodeTree | undefined> {
    const known = trees.get(system) ?? codeSystem(system).then((found) => found && codeTree(found));
    trees.set(system, known);
    return known;
  }

  /** As the tenant stored it with its concepts, else as R4 has it. */
  async function codeSystem(canonical: string): Promise<Resource | undefined> {
    const stored = await byUrl(reader, context, 'CodeSystem', canonical);
    if (stored?.concept) return stored;
    const [url = '', version] = canonical.split('|');
    return codeSystemOfR4(url, version) ?? stored;
  }

  async function expand(canonical: string, depth: number): Promise<Map<string, Code>> {
    if (depth > MAX_NESTING) throw unknown(canonical, 'it is made of too many others');
    const stored = (await atAddress(canonical)) ?? (await byUrl(reader, context, 'ValueSet', canonical));
    if (stored) return expandResource(stored, depth);
    const [url = '', version] = canonical.split('|');
    const shipped = valueSetOfR4(url, version);
    if (shipped) return expandResource(shipped, depth);
    const bound = boundByR4(url);
    if (bound) return bound;
    const all = await allOf(url);
    if (all) return all;
    throw unknown(url, 'it is not known here');
  }

  /** The ValueSet that an address on this server is one of: an address goes before a name (R4 search.html#in). */
  async function atAddress(canonical: string): Promise<Resource | undefined> {
    const local = canonical.startsWith(`${context.base}/`)
      ? canonical.slice(context.base.length + 1)
      : canonical;
    const id = VALUE_SET_ADDRESS.exec(local)?.[1];
    if (id === undefined) return undefined;
    const [found] = await reader.resolve([{ type: 'ValueSet', id }]);
    return found;
  }

  /** The set of all codes of a system, by the system's address and `?fhir_vs`. */
  async function allOf(url: string): Promise<Map<string, Code> | undefined> {
    const system = url.endsWith(ALL_CODES) ? url.slice(0, -ALL_CODES.length) : undefined;
    return system === undefined ? undefined : keyed(await ofSystem(system, {}));
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
    const tree = await treeOf(system);
    if (!tree) throw unknown(system, 'the codes of its code system are not here');
    let codes = [...tree.concepts.keys()];
    for (const f of filter ?? []) {
      const wanted = new Set(filtered(tree, f));
      codes = codes.filter((code) => wanted.has(code));
    }
    return codes.map((code) => ({ system: system.split('|')[0]!, code }));
  }

  return {
    async valueSet(canonical) {
      return [...(await expand(canonical, 0)).values()];
    },
    async codesOf(valueSet) {
      return [...(await expandResource(valueSet, 0)).values()];
    },
    async related({ system, code }, way) {
      const tree = await treeOf(system);
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

/** The sets R4 binds elements to as required; undefined for another. */
function boundByR4(url: string): Map<string, Code> | undefined {
  const systems = url.startsWith(HL7) ? requiredCodes(url.slice(HL7.length)) : undefined;
  const codes: Code[] = [];
  for (const [system, list] of systems ?? []) for (const code of list ?? []) codes.push({ system, code });
  return codes.length === 0 ? undefined : keyed(codes);
}

function flatten(contains: readonly Contained[]): Code[] {
  return contains.flatMap((c) => [
    ...(c.code !== undefined && c.system !== undefined && c.abstract !== true
      ? [{ system: c.system, code: c.code }]
      : []),
    ...flatten(c.contains ?? []),
  ]);
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
