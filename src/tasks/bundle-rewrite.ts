import type { Resource } from '../core/resource.js';

/**
 * Walks the links of a resource: `Reference.reference` wherever it stands (contained resources and extensions too),
 * every other string that may be a uri (R4 http.html#trules: "elements of type uri, url, oid, uuid"), and `href` and
 * `src` in narrative. `link` answers the text to put in place; the same text leaves it.
 *
 * @param link gets the text, whether it is a `Reference.reference`, and the path within the resource.
 * @returns the resource itself when nothing changed, otherwise a copy along the changed paths.
 */
export function rewriteLinks(resource: Resource, link: LinkMapper): Resource {
  return walk(resource, '', resource.resourceType, link) as Resource;
}

export type LinkMapper = (text: string, isReference: boolean, path: string) => string;

/** Strings that hold words or values, never a link, though one may equal a fullUrl (`Identifier.value`). */
const NOT_LINKS = new Set([
  'value',
  'valueString',
  'display',
  'title',
  'name',
  'description',
  'data',
  'id',
  'resourceType',
  'system',
  'code',
  'valueCode',
  'valueMarkdown',
  'valueBase64Binary',
  'status',
  'lastUpdated',
  'versionId',
]);

/** A urn or an absolute address: only such a text can stand for another entry outside of `Reference.reference`. */
const ABSOLUTE = /^(?:urn:|https?:)/;

function walk(value: unknown, key: string, path: string, link: LinkMapper): unknown {
  if (typeof value === 'string') {
    if (key === 'reference') return link(value, true, path);
    if (key === 'div') return value.includes('urn:') ? narrative(value, path, link) : value;
    if (NOT_LINKS.has(key) || !ABSOLUTE.test(value)) return value;
    return link(value, false, path);
  }
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) {
    let copy: unknown[] | undefined;
    for (let i = 0; i < value.length; i++) {
      const before: unknown = value[i];
      const after = walk(before, key, `${path}[${i}]`, link);
      if (after !== before) {
        copy ??= value.slice();
        copy[i] = after;
      }
    }
    return copy ?? value;
  }
  // Decimals that keep their digits are objects of their own class and have no links inside.
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return value;
  const from = value as Record<string, unknown>;
  let copy: Record<string, unknown> | undefined;
  for (const name of Object.keys(from)) {
    const before = from[name];
    if (typeof before === 'string' ? before.length < 5 : typeof before !== 'object') continue;
    const after = walk(before, name, `${path}.${name}`, link);
    if (after !== before) {
      copy ??= { ...from };
      copy[name] = after;
    }
  }
  return copy ?? value;
}

const LINK_ATTRIBUTE = /\b(href|src)="(urn:[^"]{1,200})"/g;

function narrative(div: string, path: string, link: LinkMapper): string {
  return div.replace(
    LINK_ATTRIBUTE,
    (_all, name: string, url: string) => `${name}="${link(url, false, path)}"`,
  );
}
