import { Fault } from '../core/fault.js';
import { isFhirId } from '../core/ids.js';
import type { Resource } from '../core/resource.js';
import type { WriteResult } from '../store/contract.js';
import { type Criteria, parseCriteria } from '../tasks/bundle-criteria.js';
import { isObject } from '../tasks/bundle-entry.js';
import {
  createResource,
  deleteResource,
  deleteWhere,
  type Patch,
  patchResource,
  updateResource,
  updateWhere,
  type WriteDeps,
} from '../tasks/bundle-interactions.js';
import { oneMatch } from '../tasks/bundle-match.js';
import { fhirPathPatch, jsonPatch } from '../tasks/bundle-patch.js';
import { binaryOf } from './binary.js';
import {
  type FhirRequest,
  type FhirResponse,
  type Handler,
  ifMatchVersion,
  locationOf,
  parseEntityTags,
  segment,
} from './exchange.js';
import { ACCEPT_PATCH, type BodyKind } from './negotiate.js';
import { HttpFault } from './outcome.js';
import { requireSearchable } from './search-access.js';

/** R4 http.html#create, and #ccreate with `If-None-Exist`. */
export function createHandler(deps: WriteDeps): Handler {
  return async (request) => {
    const type = segment(request, 'type');
    const header = request.headers['if-none-exist'];
    const criteria =
      header === undefined ? undefined : parseCriteria(type, ofType(String(header), type), 'If-None-Exist');
    if (criteria) requireSearch(request, criteria);
    const resource = request.check(await resourceBody(request, type), type);
    const result = await createResource(deps, request, resource, criteria);
    return written(request, result, result.outcome === 'created' ? 201 : 200);
  };
}

/** `If-None-Exist` is the query alone; some clients write the type before it, which must be the one created. */
function ofType(header: string, type: string): string {
  return header.startsWith(`${type}?`) ? header.slice(type.length + 1) : header;
}

/** R4 http.html#update; `If-None-Match: *` makes it a create that fails where something is. */
export function updateHandler(deps: WriteDeps): Handler {
  return async (request) => {
    const type = segment(request, 'type');
    const id = segment(request, 'id');
    const ifMatch = expectedVersion(request);
    const body = await resourceBody(request, type);
    requireSameId(body, id);
    const result = await updateResource(deps, request, id, request.check(body, type), ifMatch);
    return written(request, result, result.outcome === 'created' ? 201 : 200);
  };
}

/** R4 http.html#cond-update. */
export function conditionalUpdateHandler(deps: WriteDeps): Handler {
  return async (request) => {
    const type = segment(request, 'type');
    const criteria = criteriaOf(request, type);
    requireSearch(request, criteria);
    const ifMatch = expectedVersion(request);
    const resource = request.check(await resourceBody(request, type), type);
    const result = await updateWhere(deps, request, criteria, resource, ifMatch);
    return written(request, result, result.outcome === 'created' ? 201 : 200);
  };
}

/** R4 http.html#patch: JSON Patch, or Parameters with a FHIRPath Patch. */
export function patchHandler(deps: WriteDeps): Handler {
  return async (request) => {
    const type = segment(request, 'type');
    const ifMatch = ifMatchVersion(request.headers);
    const patch = await patchBody(request);
    const result = await patchResource(deps, request, type, segment(request, 'id'), patch, ifMatch);
    return written(request, result, 200);
  };
}

export function conditionalPatchHandler(deps: WriteDeps): Handler {
  return async (request) => {
    const type = segment(request, 'type');
    const criteria = criteriaOf(request, type);
    requireSearch(request, criteria);
    const ifMatch = ifMatchVersion(request.headers);
    const patch = await patchBody(request);
    const match = await oneMatch(deps.find, request.tenant, criteria, undefined);
    if (!match)
      throw new Fault('not-found', 'The criteria match no resource.', { remedy: 'Correct the criteria.' });
    return written(request, await patchResource(deps, request, type, match.id, patch, ifMatch), 200);
  };
}

/** R4 http.html#delete. Deleting what is not there succeeds, so that a retry does. */
export function deleteHandler(deps: WriteDeps): Handler {
  return async (request) => {
    const ifMatch = ifMatchVersion(request.headers);
    const result = await deleteResource(
      deps,
      request,
      segment(request, 'type'),
      segment(request, 'id'),
      ifMatch,
    );
    return { status: 204, version: result?.version };
  };
}

/** R4 http.html#3.1.0.7.1. Several matches are deleted where the policy says so, else refused with 412. */
export function conditionalDeleteHandler(deps: WriteDeps, multiple: boolean): Handler {
  return async (request) => {
    const type = segment(request, 'type');
    const criteria = criteriaOf(request, type);
    requireSearch(request, criteria);
    await deleteWhere(deps, request, criteria, multiple);
    return { status: 204 };
  };
}

/** The resource sent; for a Binary any other content stands for itself. */
async function resourceBody(request: FhirRequest, type: string): Promise<unknown> {
  const { bytes, json } = await request.body(BODIES[type] ?? ['json']);
  return bytes ? binaryOf(request, bytes) : json;
}

const BODIES: Readonly<Record<string, readonly BodyKind[]>> = { Binary: ['json', 'bytes'] };

async function patchBody(request: FhirRequest): Promise<Patch> {
  const { kind, json } = await request.body(['json-patch', 'json']);
  if (kind === 'json-patch') return jsonPatch(json, request.check);
  if (!isObject(json) || json.resourceType !== 'Parameters') {
    throw new HttpFault(415, 'The body is no patch.', {
      remedy: 'Send a JSON Patch as application/json-patch+json, or Parameters with a FHIRPath Patch.',
      headers: ACCEPT_PATCH,
    });
  }
  return fhirPathPatch(json as Resource, request.check);
}

/** A conditional write tells whether something matches: it is a search too. */
function requireSearch({ access }: FhirRequest, { type, params }: Criteria): void {
  requireSearchable(access, type, params);
  if (!access.allows(type, 's')) {
    throw new Fault('forbidden', 'The token does not permit the search that a conditional interaction is.', {
      remedy: `Ask for a scope that searches ${type}.`,
    });
  }
}

function criteriaOf(request: FhirRequest, type: string): Criteria {
  return parseCriteria(
    type,
    new URLSearchParams(request.params.map(([n, v]): [string, string] => [n, v])).toString(),
    'url',
  );
}

function expectedVersion(request: FhirRequest): number | undefined {
  const none = request.headers['if-none-match'];
  if (none === undefined) return ifMatchVersion(request.headers);
  if (parseEntityTags(none, 'If-None-Match') !== '*') {
    throw new HttpFault(400, 'If-None-Match of an update can only be *.', {
      issueCode: 'value',
      remedy: 'Use If-Match to name a version.',
    });
  }
  return 0;
}

function requireSameId(body: unknown, id: string): void {
  if (!isObject(body) || body.id === id) return;
  const missing = body.id === undefined;
  throw new Fault(
    'invalid',
    missing ? 'The resource has no id.' : 'The id of the resource is not the one in the address.',
    {
      at: 'id',
      issueCode: missing ? 'required' : 'value',
      remedy: isFhirId(id) ? 'Put the id of the address into the resource.' : undefined,
    },
  );
}

export function written(request: FhirRequest, result: WriteResult, status: 200 | 201): FhirResponse {
  const { type, id, version, lastUpdated, resource } = result;
  return {
    status,
    resource,
    version,
    lastUpdated,
    location: locationOf(request.base, type, id, version),
    written: true,
  };
}
