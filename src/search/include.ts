import { Fault } from '../core/fault.js';
import type { StoredResource } from '../core/resource.js';
import { parseReference } from '../fhir/references.js';
import { findSearchParameter, type SearchParameter, standardRegistry } from '../fhir/registry.js';
import { typeNumber } from '../fhir/resource-types.js';
import { CANONICAL_TYPE, canonicalNames, valuesOf } from '../indexing/index.js';
import type { IndexContext } from '../indexing/parameter-type.js';
import { compileNode } from './compile.js';
import { optimize } from './condition.js';
import type { IncludeRule } from './control.js';
import { streamRows } from './fill.js';
import { parameterHash } from './index-terms.js';
import type { Reader } from './reader.js';
import { Binder } from './render.js';
import { MAX_INCLUDED, MAX_ITERATE_ROUNDS } from './request.js';
import { foundRow } from './statement.js';
import { anyOf, type Node } from './tree.js';

/**
 * Resources that go along with the matches of a page: those they point at (`_include`) and those that point at them
 * (`_revinclude`). Rules with `:iterate` are applied again to what was added, in bounded rounds.
 */

export interface Included {
  readonly resources: readonly StoredResource[];
  readonly warnings: readonly Fault[];
}

const keyOf = (r: { resourceType: string; id: string }) => `${r.resourceType}/${r.id}`;

export async function includeFor(
  reader: Reader,
  matches: readonly StoredResource[],
  rules: readonly IncludeRule[],
  context: IndexContext,
): Promise<Included> {
  const known = new Set(matches.map(keyOf));
  const resources: StoredResource[] = [];
  let round: readonly StoredResource[] = matches;
  for (let n = 0; n <= MAX_ITERATE_ROUNDS && round.length > 0; n++) {
    const added: StoredResource[] = [];
    for (const rule of rules) {
      if (n > 0 && !rule.iterate) continue;
      const room = MAX_INCLUDED - resources.length - added.length;
      const found = rule.reverse
        ? await pointingAt(reader, round, rule, room + 1, context)
        : await pointedAt(reader, round, rule, context);
      for (const resource of found) {
        if (known.has(keyOf(resource))) continue;
        if (resources.length + added.length >= MAX_INCLUDED)
          return { resources: [...resources, ...added], warnings: [cut(rule)] };
        known.add(keyOf(resource));
        added.push(resource);
      }
    }
    resources.push(...added);
    round = added;
  }
  return { resources, warnings: [] };
}

function cut(rule: IncludeRule): Fault {
  return new Fault(
    'too-large',
    `Not all included resources are on this page: the limit is ${MAX_INCLUDED}.`,
    {
      at: rule.reverse ? '_revinclude' : '_include',
      remedy: 'Ask for smaller pages with _count, or search for the other type itself.',
      issueCode: 'too-costly',
    },
  );
}

async function pointedAt(
  reader: Reader,
  from: readonly StoredResource[],
  rule: IncludeRule,
  context: IndexContext,
): Promise<StoredResource[]> {
  const wanted = new Map<string, { type: string; id: string }>();
  const canonicals = new Map<string, Set<string>>();
  for (const resource of from) {
    if (rule.source !== '*' && rule.source !== resource.resourceType) continue;
    for (const parameter of parametersOf(rule, resource.resourceType, context)) {
      for (const value of valuesOf(parameter, resource)) {
        const text = typeof value === 'string' ? value : (value as { reference?: unknown } | null)?.reference;
        if (typeof text !== 'string') continue;
        const parsed = parseReference(text, context.base);
        if (parsed.kind === 'local') {
          const fits = rule.target === undefined || rule.target === parsed.type;
          if (fits && (parameter.targets.length === 0 || parameter.targets.includes(parsed.type)))
            wanted.set(`${parsed.type}/${parsed.id}`, { type: parsed.type, id: parsed.id });
        } else if (typeof value === 'string') {
          for (const type of rule.target ? [rule.target] : parameter.targets) {
            const urls = canonicals.get(type) ?? new Set();
            canonicals.set(type, urls.add(value));
          }
        }
      }
    }
  }
  const found = (await reader.resolve([...wanted.values()])).filter((r) => r !== undefined);
  for (const [type, urls] of canonicals) found.push(...(await byCanonical(reader, type, [...urls], context)));
  return found;
}

/** Reference parameters the rule stands for; an alias is left to the one it narrows when all are asked for. */
function parametersOf(
  rule: IncludeRule,
  type: string,
  { registry = standardRegistry }: IndexContext,
): readonly SearchParameter[] {
  if (rule.parameter !== '*') return [rule.parameter];
  return registry.parametersOf(type).filter((p) => p.type === 'reference' && !p.aliasOf);
}

/** Most canonical references one include resolves. */
const MAX_CANONICALS = 1_000;

/** Resources by canonical URL, with `|version` where one is given. */
async function byCanonical(
  reader: Reader,
  type: string,
  urls: readonly string[],
  context: IndexContext,
): Promise<StoredResource[]> {
  const url = findSearchParameter(type, 'url');
  if (!url) return [];
  const node = anyOf(
    urls.slice(0, MAX_CANONICALS).map((canonical): Node => {
      const text = canonical.split('#')[0]!.split('|')[0]!;
      return {
        kind: 'parameter',
        query: { parameter: url, modifier: undefined, values: [{ prefix: 'eq', text }] },
      };
    }),
  );
  const compiled = compileNode(type, node, reader.tenant.keys, context);
  const find = {
    types: [typeNumber(type)],
    condition: optimize(compiled.condition),
    order: { kind: 'row' as const },
  };
  const found: StoredResource[] = [];
  for await (const rows of streamRows(reader, find)) {
    reader.checkTime();
    for (const resource of await reader.open(rows.map((r) => r.row)))
      if (urls.some((u) => isCanonicalOf(u, resource))) found.push(resource);
    if (found.length >= MAX_INCLUDED) break;
  }
  return found;
}

function isCanonicalOf(canonical: string, resource: StoredResource): boolean {
  const [url, version] = canonical.split('#')[0]!.split('|');
  return resource.url === url && (version === undefined || resource.version === version);
}

async function pointingAt(
  reader: Reader,
  to: readonly StoredResource[],
  rule: IncludeRule,
  limit: number,
  context: IndexContext,
): Promise<StoredResource[]> {
  const targets = to.filter((r) => rule.target === undefined || r.resourceType === rule.target);
  if (targets.length === 0) return [];
  const bind = new Binder();
  // By id, and by the names that canonical references use.
  const pointed = targets.flatMap((r) => [
    [r.resourceType, r.id] as const,
    ...canonicalNames(r).map((name) => [CANONICAL_TYPE, name] as const),
  ]);
  const rids = pointed.map(([type, id]) => reader.tenant.keys.rid(type, id));
  const types = pointed.map(([type]) => typeNumber(type));
  const along =
    rule.source === '*'
      ? ''
      : `f.param = any(${bind.bigints(parametersOf(rule, rule.source, context).map((p) => parameterHash(p, context)))})` +
        ` and f.rtype = ${bind.smallint(typeNumber(rule.source))} and `;
  // The pairs are unnested once and joined, so that each target enters idx_reference_target by itself.
  const rows = await reader.query({
    text:
      'select distinct on (r.rtype, r.rid) r.part, r.rtype, r.rid, r.ver, r.sid, r.slot' +
      ` from unnest(${bind.bigints(rids)}, ${bind.smallints(types)}) t (rid, rtype)` +
      ' join idx_reference f on f.target = t.rid and f.ttype = t.rtype' +
      ' join resource r on r.part = f.part and r.rtype = f.rtype and r.rid = f.rid' +
      ` where ${along}not r.deleted` +
      ` order by r.rtype, r.rid limit ${bind.int(limit)}`,
    values: bind.values,
  });
  return reader.open(rows.map((r) => foundRow(r, { kind: 'row' }).row));
}
