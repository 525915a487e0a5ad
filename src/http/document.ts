import { Fault, invalid } from '../core/fault.js';
import { isFhirId, newId } from '../core/ids.js';
import type { Resource, StoredResource } from '../core/resource.js';
import { parseReference, visitReferences } from '../fhir/references.js';
import type { Store } from '../store/contract.js';
import { createResource, type WriteDeps } from '../tasks/bundle-interactions.js';
import type { Tenant } from '../tenancy/tenant.js';
import type { FhirRequest, Handler } from './exchange.js';
import { operationParams } from './operation-input.js';
import type { Route } from './router.js';
import { written } from './write.js';

/** Resources of one document, and how far from the Composition they may stand. */
const MAX_RESOURCES = 5_000;
const MAX_STEPS = 8;

/**
 * `Composition/{id}/$document` (R4 composition-operation-document.html): the Composition and everything it refers to,
 * directly or through others. `persist=true` stores the Bundle as well.
 */
export function documentRoutes(deps: WriteDeps): Route[] {
  const handle: Handler = async (request) => {
    const asked = new Map(await operationParams(request));
    const composition = await compositionOf(deps.store, request, asked);
    const found = await reachable(deps.store, request, composition);
    const bundle: Resource = {
      resourceType: 'Bundle',
      type: 'document',
      identifier: { system: 'urn:ietf:rfc:3986', value: `urn:uuid:${newId()}` },
      timestamp: composition.meta.lastUpdated,
      entry: found.map((resource) => ({
        fullUrl: `${request.base}/${resource.resourceType}/${resource.id}`,
        resource,
      })),
    };
    if (asked.get('persist') !== 'true') return { status: 200, resource: bundle };
    if (!request.access.allows('Bundle', 'c'))
      throw new Fault('forbidden', 'The token does not permit storing the document.');
    return { ...written(request, await createResource(deps, request, bundle), 201), status: 200 };
  };
  const claim = {
    kind: 'operation',
    name: 'document',
    definition: 'http://hl7.org/fhir/OperationDefinition/Composition-document',
    type: 'Composition',
  } as const;
  return ['Composition/:id/$document', 'Composition/$document'].flatMap((path): Route[] => [
    { method: 'GET', path, claim, needs: 'r', handle },
    { method: 'POST', path, claim, needs: 'r', handle },
  ]);
}

async function compositionOf(
  store: Store,
  request: FhirRequest,
  asked: ReadonlyMap<string, string>,
): Promise<StoredResource> {
  const id = request.at.id ?? asked.get('id')?.replace(/^Composition\//, '');
  if (id === undefined || !isFhirId(id))
    throw invalid(
      '$document needs the id of a Composition.',
      'id',
      'Send id=… or ask Composition/{id}/$document.',
    );
  const found = await store.read(request.tenant, 'Composition', id);
  if (!found) throw new Fault('not-found', 'No such Composition is known here.', { remedy: 'Check the id.' });
  if (!found.resource) throw new Fault('gone', 'The Composition was deleted.');
  return found.resource;
}

async function reachable(
  store: Store,
  request: FhirRequest,
  composition: StoredResource,
): Promise<StoredResource[]> {
  const found = new Map<string, StoredResource>([[nameOf(composition), composition]]);
  let edge: StoredResource[] = [composition];
  for (let step = 0; step < MAX_STEPS && edge.length > 0; step++) {
    const wanted = new Map<string, { type: string; id: string }>();
    for (const resource of edge) {
      visitReferences(resource, (text) => {
        const reference = parseReference(text, request.base);
        if (reference.kind !== 'local') return;
        const name = `${reference.type}/${reference.id}`;
        if (!found.has(name)) wanted.set(name, { type: reference.type, id: reference.id });
      });
    }
    edge = await readAllowed(store, request.tenant, request, [...wanted.values()]);
    for (const resource of edge) found.set(nameOf(resource), resource);
    if (found.size > MAX_RESOURCES) {
      throw new Fault('too-large', `The document has more than ${MAX_RESOURCES} resources.`, {
        remedy: 'Use a Composition that refers to less.',
      });
    }
  }
  return [...found.values()];
}

async function readAllowed(
  store: Store,
  tenant: Tenant,
  { access }: FhirRequest,
  keys: readonly { type: string; id: string }[],
): Promise<StoredResource[]> {
  const allowed = keys.filter(({ type }) => access.allows(type, 'r'));
  return (await store.readMany(tenant, allowed)).filter((resource) => resource !== undefined);
}

function nameOf({ resourceType, id }: StoredResource): string {
  return `${resourceType}/${id}`;
}
