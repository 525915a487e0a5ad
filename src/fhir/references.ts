import { isFhirId } from '../core/ids.js';
import type { Resource } from '../core/resource.js';
import { isResourceType } from './resource-types.js';

/** What a reference's text points at (R4 references.html#literal). */
export type ParsedReference =
  /** A resource of this tenant: `Type/id`, or the same under our own base. `version` after `/_history/`. */
  | { readonly kind: 'local'; readonly type: string; readonly id: string; readonly version?: string }
  /** An absolute URL elsewhere; type and id where it ends like a FHIR one. */
  | {
      readonly kind: 'external';
      readonly url: string;
      readonly type?: string;
      readonly id?: string;
      readonly version?: string;
    }
  /** `#id`, a resource inside the same one; `#` alone is the containing resource. */
  | { readonly kind: 'contained'; readonly id: string }
  /** `urn:uuid:…` or `urn:oid:…`: an entry of the same bundle, or something only its owner knows. */
  | { readonly kind: 'urn'; readonly urn: string }
  /** `Type?query` in a bundle: to be resolved by search before it is stored. */
  | { readonly kind: 'conditional'; readonly type: string; readonly query: string }
  /** None of these forms. */
  | { readonly kind: 'malformed' };

const MALFORMED: ParsedReference = { kind: 'malformed' };

/**
 * Reads the text of `Reference.reference`. `base` is the tenant's FHIR base without trailing slash; an absolute
 * reference under it is local.
 */
export function parseReference(text: string, base: string): ParsedReference {
  const c = text.charCodeAt(0);
  if (c === 35) return { kind: 'contained', id: text.slice(1) };
  const colon = text.indexOf(':');
  const slash = text.indexOf('/');
  const question = text.indexOf('?');
  if (question > 0 && (slash < 0 || question < slash) && isResourceType(text.slice(0, question))) {
    return { kind: 'conditional', type: text.slice(0, question), query: text.slice(question + 1) };
  }
  if (colon < 0 || (slash > 0 && slash < colon)) return relative(text, slash) ?? MALFORMED;
  if (text.startsWith('urn:')) return text.length > 4 ? { kind: 'urn', urn: text } : MALFORMED;
  if (base !== '' && text.startsWith(base) && text.charCodeAt(base.length) === 47) {
    const rest = text.slice(base.length + 1);
    return relative(rest, rest.indexOf('/')) ?? { kind: 'external', url: text };
  }
  return isScheme(text, colon) && colon + 1 < text.length ? external(text) : MALFORMED;
}

function relative(text: string, slash: number): Extract<ParsedReference, { kind: 'local' }> | undefined {
  if (slash < 0) return undefined;
  const type = text.slice(0, slash);
  if (!isResourceType(type)) return undefined;
  const next = text.indexOf('/', slash + 1);
  if (next < 0) {
    const id = text.slice(slash + 1);
    return isFhirId(id) ? { kind: 'local', type, id } : undefined;
  }
  const id = text.slice(slash + 1, next);
  if (!isFhirId(id) || !text.startsWith('/_history/', next)) return undefined;
  const version = text.slice(next + 10);
  return isFhirId(version) ? { kind: 'local', type, id, version } : undefined;
}

function external(url: string): ParsedReference {
  // `…/Type/id` or `…/Type/id/_history/version` at the end.
  let end = url.length;
  let version: string | undefined;
  const history = url.lastIndexOf('/_history/');
  if (history > 0 && isFhirId(url.slice(history + 10))) {
    version = url.slice(history + 10);
    end = history;
  }
  const idAt = url.lastIndexOf('/', end - 1);
  const typeAt = url.lastIndexOf('/', idAt - 1);
  const type = url.slice(typeAt + 1, idAt);
  const id = url.slice(idAt + 1, end);
  if (idAt <= 0 || !isResourceType(type) || !isFhirId(id)) return { kind: 'external', url };
  return { kind: 'external', url, type, id, ...(version === undefined ? {} : { version }) };
}

/** RFC 3986, 3.1: a letter, then letters, digits, `+`, `-`, `.`. */
function isScheme(text: string, colon: number): boolean {
  if (colon < 1) return false;
  for (let i = 0; i < colon; i++) {
    const c = text.charCodeAt(i);
    const letter = (c >= 97 && c <= 122) || (c >= 65 && c <= 90);
    const later = (c >= 48 && c <= 57) || c === 43 || c === 45 || c === 46;
    if (!letter && !(later && i > 0)) return false;
  }
  return true;
}

/** Says where a reference stands, such as `Encounter.participant[0].individual.reference`. Built only when asked. */
export type Where = () => string;

/** Gives the text to put in a reference's place; undefined leaves it as it is. */
export type ReferenceMapper = (reference: string, where: Where) => string | undefined;

/**
 * A resource with each `Reference.reference` replaced by what `fn` gives. What does not change is shared with the
 * original, which is left as it is; the very same object comes back when nothing changes. Elements of type uri that
 * hold a `urn:uuid:` or `urn:oid:` are offered too, since a transaction must replace them where they name one of its
 * entries (R4 http.html#trules).
 */
export function mapReferences<R extends Resource>(resource: R, fn: ReferenceMapper): R {
  const path: (string | number)[] = [];
  const where: Where = () => whereText(resource.resourceType, path);
  return mapObject(resource, fn, path, where) as R;
}

type Json = Record<string, unknown>;

function mapObject(object: Json, fn: ReferenceMapper, path: (string | number)[], where: Where): Json {
  let copy: Json | undefined;
  for (const name in object) {
    const value = object[name];
    let next: unknown = value;
    if (typeof value === 'string') {
      if (
        (name === 'reference' && isReference(object)) ||
        (value.startsWith('urn:') && name !== 'value' && isEntryUrn(value))
      ) {
        path.push(name);
        next = fn(value, where) ?? value;
        path.pop();
      }
    } else if (typeof value === 'object' && value !== null) {
      path.push(name);
      next = Array.isArray(value)
        ? mapArray(value, fn, path, where)
        : mapObject(value as Json, fn, path, where);
      path.pop();
    }
    if (next !== value) {
      copy ??= { ...object };
      copy[name] = next;
    }
  }
  return copy ?? object;
}

function mapArray(list: unknown[], fn: ReferenceMapper, path: (string | number)[], where: Where): unknown[] {
  let copy: unknown[] | undefined;
  for (let i = 0; i < list.length; i++) {
    const value = list[i];
    let next: unknown = value;
    if (typeof value === 'object' && value !== null) {
      path.push(i);
      next = Array.isArray(value)
        ? mapArray(value, fn, path, where)
        : mapObject(value as Json, fn, path, where);
      path.pop();
    } else if (typeof value === 'string' && isEntryUrn(value)) {
      path.push(i);
      next = fn(value, where) ?? value;
      path.pop();
    }
    if (next !== value) {
      copy ??= list.slice();
      copy[i] = next;
    }
  }
  return copy ?? list;
}

/** Three elements of R4 are named `reference` and are a uri: of DetectedIssue, Expression and Immunization.education. */
function isReference(holder: Json): boolean {
  return (
    holder.resourceType === undefined && holder.language === undefined && holder.documentType === undefined
  );
}

function isEntryUrn(text: string): boolean {
  return text.startsWith('urn:uuid:') || text.startsWith('urn:oid:');
}

/** Calls `fn` for each `Reference.reference` in the resource, contained ones included. */
export function visitReferences(resource: Resource, fn: (reference: string, where: Where) => void): void {
  const path: (string | number)[] = [];
  const where: Where = () => whereText(resource.resourceType, path);
  visit(resource, fn, path, where);
}

function visit(
  node: object,
  fn: (reference: string, where: Where) => void,
  path: (string | number)[],
  where: Where,
): void {
  if (Array.isArray(node)) {
    for (let i = 0; i < node.length; i++) {
      const value = node[i] as unknown;
      if (typeof value !== 'object' || value === null) continue;
      path.push(i);
      visit(value, fn, path, where);
      path.pop();
    }
    return;
  }
  for (const name in node) {
    const value = (node as Json)[name];
    if (typeof value === 'string') {
      if (name !== 'reference' || !isReference(node as Json)) continue;
      path.push(name);
      fn(value, where);
      path.pop();
    } else if (typeof value === 'object' && value !== null) {
      path.push(name);
      visit(value, fn, path, where);
      path.pop();
    }
  }
}

function whereText(type: string, path: readonly (string | number)[]): string {
  let text = type;
  for (const step of path) text += typeof step === 'number' ? `[${step}]` : `.${step}`;
  return text;
}
