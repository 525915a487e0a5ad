import type { Resource, StoredResource } from '../core/resource.js';
import { parseReference, visitReferences } from '../fhir/references.js';
import type { PageEntry } from '../search/request.js';
import type { Store } from '../store/contract.js';
import type { Tenant } from '../tenancy/tenant.js';

/**
 * Whatever the matches of a page refer to and that is not on the page yet: `_include=*` knows the references that are
 * search parameters, a record has others (`MedicationRequest.reasonReference`, an Attachment's Binary).
 */
export async function referredTo(
  store: Store,
  tenant: Tenant,
  base: string,
  entries: readonly PageEntry[],
): Promise<PageEntry[]> {
  const known = new Set(entries.map(({ resource }) => `${resource.resourceType}/${resource.id}`));
  const wanted = new Map<string, { type: string; id: string }>();
  const want = (text: string, only?: string) => {
    const found = parseReference(text, base);
    if (found.kind !== 'local' || (only !== undefined && found.type !== only)) return;
    const name = `${found.type}/${found.id}`;
    if (!known.has(name)) wanted.set(name, { type: found.type, id: found.id });
  };
  for (const { resource, mode } of entries) {
    if (mode !== 'match') continue;
    visitReferences(resource, (text) => want(text));
    visitUrls(resource, (url) => want(url, 'Binary'));
  }
  const keys = [...wanted.values()];
  const found: StoredResource[] = [];
  for (let i = 0; i < keys.length; i += MAX_READ_AT_ONCE)
    for (const resource of await store.readMany(tenant, keys.slice(i, i + MAX_READ_AT_ONCE)))
      if (resource) found.push(resource);
  return found.map((resource) => ({ resource, mode: 'include' }));
}

/** Resources of one read; a page of 1,000 matches refers to few more than that. */
const MAX_READ_AT_ONCE = 1_000;

/** Every element named `url`: an Attachment's is where a Binary is named. */
function visitUrls(node: unknown, fn: (url: string) => void): void {
  if (typeof node !== 'object' || node === null) return;
  for (const [name, value] of Object.entries(node)) {
    if (name === 'url' && typeof value === 'string') fn(value);
    else visitUrls(value, fn);
  }
}

/** Whether a resource that came along is what was changed since; one without a time is. */
export function changedSince(resource: Resource, sinceMs: number | undefined): boolean {
  const when = (resource.meta as { lastUpdated?: string } | undefined)?.lastUpdated;
  return sinceMs === undefined || when === undefined || Date.parse(when) >= sinceMs;
}
