import type { IncomingHttpHeaders } from 'node:http';
import type { Readable } from 'node:stream';
import type { Clock } from '../core/clock.js';
import { Fault } from '../core/fault.js';
import type { Resource, StoredResource } from '../core/resource.js';
import type { Actor, Store } from '../store/contract.js';
import type { Check } from '../tasks/bundle-entry.js';
import type { Tenant } from '../tenancy/tenant.js';
import type { BodyKind, Pair, Prefer } from './negotiate.js';
import { HttpFault } from './outcome.js';
import type { Access } from './scopes.js';

/** Everything an interaction may read of its request: already authenticated, nothing of express in it. */
export interface FhirRequest {
  readonly tenant: Tenant;
  /** The tenant, where the caller may know of it; undefined only for what needs no token. */
  readonly recognised: Tenant | undefined;
  readonly actor: Actor;
  readonly access: Access;
  /** FHIR base of this tenant as the caller sees it, absolute, without trailing slash. */
  readonly base: string;
  /** Segments the route names: `:type`, `:id`, `:vid`. */
  readonly at: Readonly<Record<string, string>>;
  /** As sent; a HEAD is a GET to the handlers. */
  readonly method: string;
  readonly params: readonly Pair[];
  /** When it came, ms. */
  readonly now: number;
  readonly headers: IncomingHttpHeaders;
  readonly prefer: Prefer;
  /** Checks what is to be written, as strictly as the request asks. */
  readonly check: Check;
  /** The body as it is sent, for what is too large to be held; not together with `body`. */
  stream(): AsyncIterable<Buffer>;
  /** Reads and parses the body once. Text for a form, the bytes of a Binary's content, parsed JSON otherwise. */
  body(kinds: readonly BodyKind[]): Promise<RequestBody>;
}

export interface RequestBody {
  readonly kind: BodyKind;
  readonly text: string;
  readonly json: unknown;
  readonly bytes?: Buffer;
}

/** What an interaction answers; `respond.ts` turns it into bytes. */
export interface FhirResponse {
  readonly status: number;
  readonly resource?: Resource;
  /** An answer that is no resource, sent as plain JSON. */
  readonly json?: unknown;
  /** Sent instead of the resource, whose content it is; its Content-Type is among the headers. */
  readonly bytes?: Buffer;
  /** An answer too large to hold; its Content-Type is among the headers. */
  readonly stream?: Readable;
  /** What a stream gives out, for the log of accesses, which does not look into it. */
  readonly gives?: { readonly patients: readonly string[]; readonly count: number };
  /** ETag and Last-Modified of a versioned answer; `lastUpdated` in ms. */
  readonly version?: number;
  readonly lastUpdated?: number;
  /** Absolute. */
  readonly location?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Where the body of a request asks for another than its headers and address. */
  readonly contentType?: string;
  /** True: the resource is the result of a write and `Prefer: return` decides whether it is sent. */
  readonly written?: boolean;
}

export type Handler = (request: FhirRequest) => Promise<FhirResponse>;

/** What the handlers need of the system. */
export interface FhirDeps {
  readonly clock: Clock;
  readonly store: Store;
}

/** One of the route's segments. The router guarantees it; its absence is our mistake. */
export function segment(request: FhirRequest, name: 'type' | 'id' | 'vid'): string {
  const value = request.at[name];
  if (value === undefined)
    throw new Fault('internal', 'A route lacks a segment.', { log: `segment ${name}` });
  return value;
}

export function oneParam(request: Pick<FhirRequest, 'params'>, name: string): string | undefined {
  return request.params.find(([key]) => key === name)?.[1];
}

export function etag(version: number): string {
  return `W/"${version}"`;
}

/** HTTP-date of a FHIR instant. HTTP knows whole seconds only. */
export function httpDate(ms: number): string {
  return new Date(ms).toUTCString();
}

export function locationOf(base: string, type: string, id: string, version: number): string {
  return `${base}/${type}/${id}/_history/${version}`;
}

export function versionOf(resource: StoredResource): number {
  return Number(resource.meta.versionId);
}

const ENTITY_TAG = /^(?:W\/)?"([^"]{0,64})"$/;

/**
 * The version ids of an If-Match or If-None-Match list; `'*'` for the star.
 * @throws HttpFault 400 for a header that is not a list of entity tags.
 */
export function parseEntityTags(header: string, name: string): '*' | string[] {
  const text = header.trim();
  if (text === '*') return '*';
  const tags = text.split(',').map((part) => ENTITY_TAG.exec(part.trim())?.[1]);
  if (tags.length === 0 || tags.some((tag) => tag === undefined)) {
    throw new HttpFault(400, `The ${name} header is not a list of entity tags.`, {
      issueCode: 'value',
      remedy: `Send ${name}: W/"3" with the version id last seen.`,
    });
  }
  return tags as string[];
}

/**
 * The version that `If-Match` names, for an update, patch or delete; undefined without the header.
 * A star or several tags are refused, as "whatever is there" is no version to compare with.
 */
export function ifMatchVersion(headers: IncomingHttpHeaders): number | undefined {
  const header = headers['if-match'];
  if (header === undefined) return undefined;
  const tags = parseEntityTags(header, 'If-Match');
  if (tags === '*' || tags.length !== 1) {
    throw new HttpFault(400, 'If-Match must name exactly one version.', {
      issueCode: 'value',
      remedy: 'Send If-Match: W/"3" with the version id last seen.',
    });
  }
  // A tag that is no version of ours cannot match: version 0 exists for no resource with content.
  return /^[1-9]\d{0,8}$/.test(tags[0]!) ? Number(tags[0]) : NO_SUCH_VERSION;
}

/** Larger than any version, so that the store's compare-and-swap refuses it. */
const NO_SUCH_VERSION = 2_147_483_647;
