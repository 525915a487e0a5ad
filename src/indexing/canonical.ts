import { termText } from '../core/blind.js';
import type { Resource } from '../core/resource.js';
import { findSearchParameter, type SearchParameter } from '../fhir/registry.js';
import type { IndexContext } from './parameter-type.js';
import { KINDS } from './terms.js';
import { pathOf } from './values.js';

/**
 * Canonical references (R4 references.html#canonical) name a resource by its `url`, with or without a version. A
 * reference row is written for the element that names and one for the resource named, with the name in place of the
 * id: names hold a colon, which ids cannot. The two are joined where a search is chained through the element.
 */

/** A row has a type beside its target; a name is one for all types, so that it stands under this one. */
export const CANONICAL_TYPE = 'Basic';

/** The `param` of the rows that say what a resource is named. */
export function canonicalParam(context: IndexContext): bigint {
  return context.blind(termText(KINDS.canonical));
}

/** The names a canonical reference may use for a resource: `url`, and `url|version`. */
export function canonicalNames(resource: Resource): string[] {
  const { url, version } = resource as { url?: unknown; version?: unknown };
  if (typeof url !== 'string' || !hasCanonicalName(resource.resourceType)) return [];
  const name = canonicalName(url);
  if (name === undefined) return [];
  return typeof version === 'string' && version !== '' ? [name, `${name}|${version}`] : [name];
}

/** A canonical without its fragment; undefined where it is no absolute one. */
export function canonicalName(canonical: string): string | undefined {
  const name = canonical.split('#')[0]!;
  return name.includes(':') ? name : undefined;
}

/** Whether the parameter's elements may name resources by canonicals. */
export function holdsCanonicals(parameter: SearchParameter): boolean {
  const { types } = pathOf(parameter);
  return types.has('canonical') || types.has('uri');
}

/** Whether resources of the type may be named so. */
export function hasCanonicalName(type: string): boolean {
  return findSearchParameter(type, 'url')?.type === 'uri';
}
