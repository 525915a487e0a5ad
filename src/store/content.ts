import { parseJson, stringifyJson } from '../core/json.js';
import type { Resource, StoredResource } from '../core/resource.js';

/**
 * The content of a resource: canonical JSON text of everything but resourceType, id, meta.versionId and
 * meta.lastUpdated. Those four stand in the segment's own list, so that equal content gives equal bytes whatever
 * its version, and nothing is stored twice. `meta` comes first where it has other elements.
 *
 * | resource | content |
 * |---|---|
 * | `{"resourceType":"Basic","id":"a"}` | `{}` |
 * | `{…,"meta":{"versionId":"3"},"code":{…}}` | `{"code":{…}}` |
 * | `{…,"meta":{"tag":[…]},"code":{…}}` | `{"meta":{"tag":[…]},"code":{…}}` |
 */
export function contentOf(resource: Resource): string {
  const out: Record<string, unknown> = {};
  const meta = resource.meta;
  if (meta) {
    const { versionId: _v, lastUpdated: _l, ...others } = meta;
    if (Object.keys(others).length > 0) out.meta = others;
  }
  for (const key in resource) {
    if (key !== 'resourceType' && key !== 'id' && key !== 'meta') out[key] = resource[key];
  }
  return stringifyJson(out);
}

export interface ContentIdentity {
  readonly type: string;
  readonly id: string;
  readonly version: number;
  /** ms since the epoch. */
  readonly lastUpdated: number;
}

const META_START = '{"meta":{';

/** The whole resource as JSON text, without parsing the content. */
export function resourceText(identity: ContentIdentity, content: string): string {
  const head = `{"resourceType":"${identity.type}","id":"${identity.id}","meta":{"versionId":"${identity.version}","lastUpdated":"${new Date(identity.lastUpdated).toISOString()}"`;
  if (content.startsWith(META_START)) return `${head},${content.slice(META_START.length)}`;
  if (content === '{}') return `${head}}}`;
  return `${head}},${content.slice(1)}`;
}

export function resourceOf(identity: ContentIdentity, content: string): StoredResource {
  return parseJson(resourceText(identity, content)) as StoredResource;
}

/** The resource as it stands after a write, from the object that was written; shares its elements. */
export function storedResource(identity: ContentIdentity, resource: Resource): StoredResource {
  const { resourceType: _t, id: _i, meta, ...elements } = resource;
  const { versionId: _v, lastUpdated: _l, ...others } = meta ?? {};
  return {
    resourceType: identity.type,
    id: identity.id,
    meta: {
      versionId: String(identity.version),
      lastUpdated: new Date(identity.lastUpdated).toISOString(),
      ...others,
    },
    ...elements,
  };
}
