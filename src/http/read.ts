import { Fault } from '../core/fault.js';
import type { Resource } from '../core/resource.js';
import type { Store, VersionRead } from '../store/contract.js';
import type { Tenant } from '../tenancy/tenant.js';
import { builtInDefinition } from './definitions.js';
import {
  type FhirRequest,
  type FhirResponse,
  type Handler,
  oneParam,
  parseEntityTags,
  segment,
} from './exchange.js';
import { HttpFault } from './outcome.js';
import { shapeRead } from './shape-answer.js';

/** Fills in what a read adds to a stored resource without being part of it (the state of a note's annotation). */
export type Decorate = (tenant: Tenant, resources: readonly Resource[]) => Promise<readonly Resource[]>;

/** R4 http.html#read and #cread (conditional read). */
export function readHandler(store: Store, decorate: Decorate): Handler {
  return async (request) => {
    const [type, id] = [segment(request, 'type'), segment(request, 'id')];
    const found = await store.read(request.tenant, type, id);
    const builtIn = found ? undefined : builtInDefinition(type, id);
    if (builtIn) return { status: 200, resource: shapeRead(request, builtIn) };
    return render(request, found, decorate);
  };
}

/** R4 http.html#vread. A version is answered as it was stored. */
export function vreadHandler(store: Store): Handler {
  return async (request) => {
    const version = versionNumber(segment(request, 'vid'));
    const found =
      version === undefined
        ? undefined
        : await store.readVersion(request.tenant, segment(request, 'type'), segment(request, 'id'), version);
    return render(request, found, undefined);
  };
}

export function versionNumber(text: string): number | undefined {
  return /^[1-9]\d{0,8}$/.test(text) ? Number(text) : undefined;
}

async function render(
  request: FhirRequest,
  found: VersionRead | undefined,
  decorate: Decorate | undefined,
): Promise<FhirResponse> {
  if (!found) {
    throw new Fault('not-found', 'No such resource is known here.', {
      remedy: 'Check the type, the id and the version.',
    });
  }
  if (!found.resource) {
    throw new Fault('gone', 'The resource was deleted.', {
      remedy: 'Its history still holds the versions before.',
    });
  }
  const { version, lastUpdated } = found;
  const [resource] = decorate ? await decorate(request.tenant, [found.resource]) : [found.resource];
  // What a read adds may change while the version does not: then the caller's copy may be old all the same.
  const asStored = resource === found.resource;
  if (asStored && notModified(request, version, lastUpdated)) return { status: 304, version, lastUpdated };
  return { status: 200, resource: resource && shapeRead(request, resource), version, lastUpdated };
}

/** If-None-Match outweighs If-Modified-Since (RFC 9110, 13.2.2). */
function notModified(request: FhirRequest, version: number, lastUpdated: number): boolean {
  const none = request.headers['if-none-match'];
  if (none !== undefined) {
    const tags = parseEntityTags(none, 'If-None-Match');
    return tags === '*' || tags.includes(String(version));
  }
  const since = request.headers['if-modified-since'];
  if (since === undefined) return false;
  const at = Date.parse(since);
  // An unreadable date is ignored (RFC 9110, 13.1.3). HTTP dates have no milliseconds.
  return Number.isFinite(at) && Math.floor(lastUpdated / 1000) * 1000 <= at;
}

const MAX_HISTORY_COUNT = 1000;
const DEFAULT_HISTORY_COUNT = 100;

/** R4 http.html#history of one resource, newest first, paged by version. */
export function instanceHistoryHandler(
  store: Store,
  parseInstant: (text: string) => { lo: number; hi: number },
): Handler {
  return async (request) => {
    const type = segment(request, 'type');
    const id = segment(request, 'id');
    const since = oneParam(request, '_since');
    const at = oneParam(request, '_at');
    const below = oneParam(request, '_before');
    const page = await store.history(request.tenant, type, id, {
      sinceMs: since === undefined ? undefined : parseInstant(since).lo,
      ...periodOf(at, parseInstant),
      count: parseCount(oneParam(request, '_count')),
      belowVersion: below === undefined ? undefined : (versionNumber(below) ?? 1),
    });
    if (!page) {
      throw new Fault('not-found', 'No such resource is known here.', {
        remedy: 'Check the type and the id.',
      });
    }
    const self = new URLSearchParams(
      request.params.filter(([name]) => HISTORY_PARAMS.has(name)).map(([n, v]): [string, string] => [n, v]),
    );
    const here = `${request.base}/${type}/${id}/_history`;
    const link = [{ relation: 'self', url: self.size === 0 ? here : `${here}?${self}` }];
    const last = page.versions.at(-1);
    if (page.more && last) {
      self.set('_before', String(last.version));
      link.push({ relation: 'next', url: `${here}?${self}` });
    }
    return {
      status: 200,
      resource: {
        resourceType: 'Bundle',
        type: 'history',
        total: page.total,
        link: counts(request.params) ? link.slice(0, 1) : link,
        ...(counts(request.params) ? {} : historyEntries(request, page.versions)),
      },
      lastUpdated: page.versions[0]?.lastUpdated,
    };
  };
}

/** Whether a history is only asked how long it is (R4 search.html#summary: `count` of a Bundle). */
export function counts(params: FhirRequest['params']): boolean {
  return params.some(([name, value]) => name === '_summary' && value === 'count');
}

/** `_at`: versions that were current at some time of the period that the value stands for (R4 http.html#history). */
export function periodOf(
  at: string | undefined,
  parseInstant: (text: string) => { lo: number; hi: number },
): { atMs?: number; atFromMs?: number } {
  if (at === undefined) return {};
  const { lo, hi } = parseInstant(at);
  return { atMs: hi, atFromMs: lo };
}

const HISTORY_PARAMS = new Set(['_since', '_at', '_count', '_summary', '_elements', '_before']);

export function parseCount(text: string | undefined): number {
  if (text === undefined) return DEFAULT_HISTORY_COUNT;
  if (!/^\d{1,9}$/.test(text)) {
    throw new HttpFault(400, '_count is not a whole number.', {
      at: '_count',
      issueCode: 'value',
      remedy: `Send _count=0 to ${MAX_HISTORY_COUNT}.`,
    });
  }
  return Math.min(Number(text), MAX_HISTORY_COUNT);
}

/** The entries of a history, none where there are none: FHIR has no empty lists. `_summary` and `_elements` narrow them. */
export function historyEntries(
  request: Pick<FhirRequest, 'base' | 'params'>,
  versions: readonly VersionRead[],
): { entry?: Record<string, unknown>[] } {
  if (versions.length === 0) return {};
  return { entry: versions.map((version) => historyEntry(request, version)) };
}

const METHODS = { create: 'POST', update: 'PUT', delete: 'DELETE' } as const;

/** R4 bundle.html: a history entry says the request that made the version and how it was answered. */
function historyEntry(
  request: Pick<FhirRequest, 'base' | 'params'>,
  version: VersionRead,
): Record<string, unknown> {
  const { type, id, op, revived } = version;
  return {
    fullUrl: `${request.base}/${type}/${id}`,
    ...(version.resource ? { resource: shapeRead(request, version.resource) } : {}),
    request: { method: METHODS[op], url: op === 'create' ? type : `${type}/${id}` },
    response: {
      status:
        op === 'delete' ? '204 No Content' : version.version === 1 || revived ? '201 Created' : '200 OK',
      etag: `W/"${version.version}"`,
      lastModified: new Date(version.lastUpdated).toISOString(),
    },
  };
}
