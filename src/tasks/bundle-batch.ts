import { Fault } from '../core/fault.js';
import type { Resource, StoredResource } from '../core/resource.js';
import type { Check, Entry } from './bundle-entry.js';
import {
  createResource,
  deleteResource,
  deleteWhere,
  patchResource,
  updateResource,
  updateWhere,
} from './bundle-interactions.js';
import { oneMatch } from './bundle-match.js';
import type { BundleDeps, BundleScope } from './bundle-options.js';
import { patchOf } from './bundle-patch.js';
import { resolveReferences } from './bundle-resolve.js';
import { type EntryResult, OTHER_PART } from './bundle-result.js';

/**
 * One entry of a batch (R4 http.html#batch): on its own, as if it had come alone. References between entries of a
 * batch are not resolved, conditional references are.
 * @throws Fault of the interaction
 */
export async function runBatchEntry(
  deps: BundleDeps,
  scope: BundleScope,
  entry: Entry,
  check: Check,
): Promise<EntryResult> {
  const { type, id, criteria, ifMatch } = entry;
  if (entry.method === 'GET' || entry.method === 'HEAD' || entry.url.includes('$')) {
    if (scope.part !== undefined && scope.part !== 'reads') return OTHER_PART;
    if (!scope.read)
      throw new Fault('unsupported', 'Reads are not served here.', { at: `${entry.at}.request.method` });
    return { kind: 'read', read: await scope.read(entry, 'answer') };
  }
  if (scope.part !== undefined && scope.part !== 'writes') return OTHER_PART;
  if (type === undefined) throw new Fault('internal', 'An entry that writes has no type.');
  switch (entry.method) {
    case 'POST': {
      const resource = await resolved(deps, scope, entry);
      return { kind: 'written', result: await createResource(deps, scope, resource, entry.ifNoneExist) };
    }
    case 'PUT': {
      const resource = await resolved(deps, scope, entry);
      const result =
        id !== undefined
          ? await updateResource(deps, scope, id, resource, ifMatch)
          : await updateWhere(deps, scope, criteria!, resource, ifMatch);
      return { kind: 'written', result };
    }
    case 'PATCH': {
      const target = id ?? (await patchTarget(deps, scope, entry)).id;
      return {
        kind: 'written',
        result: await patchResource(deps, scope, type, target, patchOf(entry.resource, check), ifMatch),
      };
    }
    case 'DELETE': {
      if (criteria)
        return {
          kind: 'deleted',
          results: await deleteWhere(deps, scope, criteria, scope.multipleDelete ?? false),
        };
      const result = await deleteResource(deps, scope, type, id!, ifMatch);
      return { kind: 'deleted', results: result ? [result] : [] };
    }
  }
}

async function resolved(deps: BundleDeps, scope: BundleScope, entry: Entry): Promise<Resource> {
  const pending = [{ resource: entry.resource!, at: `${entry.at}.resource`, fullUrl: undefined }];
  const [resource] = await resolveReferences(deps, pending, {
    tenant: scope.tenant,
    base: scope.base,
    targets: new Map(),
    refuseUnknownUrns: false,
    maySearch: scope.maySearch,
  });
  return resource!;
}

async function patchTarget(deps: BundleDeps, { tenant }: BundleScope, entry: Entry): Promise<StoredResource> {
  const match = await oneMatch(deps.find, tenant, entry.criteria!, `${entry.at}.request.url`);
  if (!match)
    throw new Fault('not-found', 'The criteria match no resource.', { at: `${entry.at}.request.url` });
  return match;
}
