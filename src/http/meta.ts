import { Fault, invalid } from '../core/fault.js';
import type { Coding, ResourceMeta } from '../core/resource.js';
import { RESOURCE_TYPES } from '../fhir/resource-types.js';
import type { Search } from '../search/search.js';
import type { Store } from '../store/contract.js';
import { isObject } from '../tasks/bundle-entry.js';
import { patchResource, type WriteDeps } from '../tasks/bundle-interactions.js';
import { type FhirRequest, type FhirResponse, type Handler, ifMatchVersion, segment } from './exchange.js';
import type { Pair } from './negotiate.js';
import { parametersBody } from './operation-input.js';
import { versionNumber } from './read.js';
import type { Route } from './router.js';

/**
 * R4 resource-operation-meta.html, -meta-add.html, -meta-delete.html. Adding and removing make a new version: nothing
 * that was stored is ever changed.
 */
export function metaRoutes(deps: WriteDeps, search: Pick<Search, 'stream'>): Route[] {
  const claim = (name: string) =>
    ({
      kind: 'operation',
      name,
      definition: `http://hl7.org/fhir/OperationDefinition/Resource-${name}`,
    }) as const;
  const read = readMeta(deps.store);
  const inUse = metaInUse(search);
  return [
    // What changes nothing may be asked for by GET; every operation may be by POST (R4 operations.html#request).
    ...(['GET', 'POST'] as const).flatMap((method): Route[] => [
      { method, path: ':type/:id/$meta', claim: claim('meta'), needs: 'r', handle: read },
      { method, path: ':type/:id/_history/:vid/$meta', claim: claim('meta'), needs: 'r', handle: read },
      { method, path: ':type/$meta', claim: claim('meta'), needs: 's', handle: inUse },
      { method, path: '$meta', claim: claim('meta'), needs: 'each', handle: inUse },
    ]),
    {
      method: 'POST',
      path: ':type/:id/$meta-add',
      claim: claim('meta-add'),
      needs: 'u',
      handle: changeMeta(deps, added),
    },
    {
      method: 'POST',
      path: ':type/:id/$meta-delete',
      claim: claim('meta-delete'),
      needs: 'u',
      handle: changeMeta(deps, removed),
    },
  ];
}

function answer(meta: ResourceMeta | undefined): FhirResponse {
  return {
    status: 200,
    resource: { resourceType: 'Parameters', parameter: [{ name: 'return', valueMeta: meta ?? {} }] },
  };
}

function readMeta(store: Store): Handler {
  return async (request) => {
    const [type, id] = [segment(request, 'type'), segment(request, 'id')];
    const version = request.at.vid === undefined ? undefined : (versionNumber(request.at.vid) ?? 0);
    const found =
      version === undefined
        ? await store.read(request.tenant, type, id)
        : await store.readVersion(request.tenant, type, id, version);
    if (!found)
      throw new Fault('not-found', 'No such resource is known here.', {
        remedy: 'Check the type and the id.',
      });
    if (!found.resource) throw new Fault('gone', 'The resource was deleted.');
    return answer(found.resource.meta);
  };
}

/** Resources with tags, profiles or labels that are looked at to say which are in use. */
const MAX_LOOKED_AT = 100_000;

/** The profiles, tags and labels in use in a type, or in all types that the caller may search. */
function metaInUse(search: Pick<Search, 'stream'>): Handler {
  return async ({ tenant, base, at, access, actor }) => {
    const types = at.type === undefined ? RESOURCE_TYPES.filter((t) => access.allows(t, 's')) : [at.type];
    let meta: ResourceMeta = {} as ResourceMeta;
    let count = 0;
    const params: Pair[] = [
      ['_filter', '_tag pr true or _profile pr true or _security pr true'],
      ...(at.type === undefined ? [['_type', types.join(',')] as Pair] : []),
    ];
    const asked = { ...(at.type === undefined ? {} : { type: at.type }), params, strict: true, base };
    if (types.length > 0)
      for await (const batch of search.stream(tenant, { ...asked, caller: actor.id })) {
        for (const resource of batch) meta = added(meta, resource.meta);
        count += batch.length;
        if (count > MAX_LOOKED_AT)
          throw new Fault('too-large', 'Too many resources have tags, profiles or labels to name them all.', {
            remedy: 'Ask for the $meta of a type with fewer of them, or of one resource.',
            issueCode: 'too-costly',
          });
      }
    const { profile, tag, security } = meta;
    return answer({
      ...part('profile', profile ?? []),
      ...part('tag', tag ?? []),
      ...part('security', security ?? []),
    } as ResourceMeta);
  };
}

type Change = (meta: ResourceMeta, given: ResourceMeta) => ResourceMeta;

function changeMeta(deps: WriteDeps, change: Change): Handler {
  return async (request) => {
    const given = await metaOf(request);
    const result = await patchResource(
      deps,
      request,
      segment(request, 'type'),
      segment(request, 'id'),
      (current) => request.check({ ...current, meta: change(current.meta, given) }, current.resourceType),
      ifMatchVersion(request.headers),
    );
    return { ...answer(result.resource?.meta), version: result.version, lastUpdated: result.lastUpdated };
  };
}

async function metaOf(request: FhirRequest): Promise<ResourceMeta> {
  const list = await parametersBody(request);
  const meta = list.find(({ name }) => name === 'meta')?.valueMeta;
  if (!isObject(meta))
    throw invalid(
      'The parameter meta is missing.',
      "Parameters.parameter.where(name='meta')",
      'Send it with valueMeta.',
    );
  for (const list of ['profile', 'tag', 'security']) {
    if (meta[list] !== undefined && !Array.isArray(meta[list]))
      throw invalid(`${list} is not a list.`, `Meta.${list}`);
  }
  return meta as ResourceMeta;
}

const sameCoding = (a: Coding, b: Coding) => a.system === b.system && a.code === b.code;

const added: Change = (meta, given) => ({
  ...meta,
  ...part('profile', [...new Set([...(meta.profile ?? []), ...(given.profile ?? [])])]),
  ...part('tag', withCodings(meta.tag, given.tag)),
  ...part('security', withCodings(meta.security, given.security)),
});

function withCodings(have: readonly Coding[] = [], more: readonly Coding[] = []): Coding[] {
  return [...have, ...more.filter((coding) => !have.some((other) => sameCoding(coding, other)))];
}

const removed: Change = ({ profile, tag, security, ...rest }, given) => ({
  ...rest,
  ...part(
    'profile',
    (profile ?? []).filter((url) => !given.profile?.includes(url)),
  ),
  ...part('tag', withoutCodings(tag, given.tag)),
  ...part('security', withoutCodings(security, given.security)),
});

function withoutCodings(have: readonly Coding[] = [], gone: readonly Coding[] = []): Coding[] {
  return have.filter((coding) => !gone.some((other) => sameCoding(coding, other)));
}

/** FHIR has no empty lists. */
function part<T>(name: string, list: readonly T[]): Record<string, readonly T[]> {
  return list.length > 0 ? { [name]: list } : {};
}
