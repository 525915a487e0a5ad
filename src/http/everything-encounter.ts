import type { Resource } from '../core/resource.js';
import { compartmentParameters } from '../fhir/compartment.js';
import { parseReference } from '../fhir/references.js';
import { findSearchParameter } from '../fhir/registry.js';
import { RESOURCE_TYPES } from '../fhir/resource-types.js';
import { valuesOf } from '../indexing/index.js';
import type { PageEntry, SearchRequest } from '../search/request.js';
import type { Tenant } from '../tenancy/tenant.js';
import type { Pair } from './negotiate.js';
import type { Search } from './search.js';

/** The types of an Encounter's compartment, itself first: the order in which its pages come. */
const TYPES: readonly string[] = [
  'Encounter',
  ...RESOURCE_TYPES.filter(
    (type) => type !== 'Encounter' && compartmentParameters('Encounter', type).length > 0,
  ),
];

export interface EncounterPage {
  readonly entries: readonly PageEntry[];
  /** Type to go on with, and the search's own link within it. */
  readonly next: readonly [type: string, link: string] | undefined;
}

/**
 * A page of an Encounter's compartment (R4 encounter-operation-everything.html), type by type. A page holds at most
 * `count` matches: a type that does not fit whole, nor fills a page of its own, waits for the next.
 */
export async function encounterPage(
  search: Search,
  tenant: Tenant,
  id: string,
  {
    types,
    count,
    besides,
  }: { types: readonly string[] | undefined; count: number; besides: readonly Pair[] },
  from: readonly string[],
  asked: Pick<SearchRequest, 'base' | 'caller'>,
): Promise<EncounterPage> {
  const wanted = TYPES.filter((type) => types === undefined || types.includes(type));
  const entries: PageEntry[] = [];
  let matches = 0;
  let link = from[1] ?? '';
  const start = from[0] === undefined ? 0 : wanted.indexOf(from[0]);
  for (let i = Math.max(start, 0); i < wanted.length; i++) {
    const type = wanted[i]!;
    const params: Pair[] =
      link === ''
        ? [memberOf(type, id), ['_count', String(count)], ['_include', '*'], ...besides]
        : [...new URLSearchParams(link)];
    const page = await search(tenant, { type, params, strict: false, ...asked });
    const own = page.entries.filter(({ mode }) => mode === 'match').length;
    if (matches > 0 && matches + own > count) return { entries, next: [type, ''] };
    entries.push(...page.entries);
    matches += own;
    if (page.next !== undefined) return { entries, next: [type, page.next] };
    link = '';
    const following = wanted[i + 1];
    if (matches >= count && following !== undefined) return { entries, next: [following, ''] };
  }
  return { entries, next: undefined };
}

function memberOf(type: string, id: string): Pair {
  if (type === 'Encounter') return ['_id', id];
  const codes = compartmentParameters('Encounter', type);
  return ['_filter', codes.map((code) => `${code} eq "Encounter/${id}"`).join(' or ')];
}

/** Whether a resource is in the compartment itself, and so comes as a match of its own. */
export function inEncounter(resource: Resource, id: string, base: string): boolean {
  const { resourceType } = resource;
  if (resourceType === 'Encounter') return resource.id === id;
  return compartmentParameters('Encounter', resourceType).some((code) => {
    const parameter = findSearchParameter(resourceType, code);
    return (
      parameter !== undefined &&
      valuesOf(parameter, resource).some((value) => {
        const text = (value as { reference?: unknown } | null)?.reference;
        if (typeof text !== 'string') return false;
        const found = parseReference(text, base);
        return found.kind === 'local' && found.type === 'Encounter' && found.id === id;
      })
    );
  });
}
