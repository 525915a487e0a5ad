import { Fault, isFault } from '../core/fault.js';
import type { Resource } from '../core/resource.js';
import { applyBundle, type BundleDeps } from '../tasks/bundle.js';
import type { Criteria } from '../tasks/bundle-criteria.js';
import type { Entry } from '../tasks/bundle-entry.js';
import type { BundlePart } from '../tasks/bundle-options.js';
import type { ReadAnswer } from '../tasks/bundle-result.js';
import type { FhirRequest, FhirResponse, Handler } from './exchange.js';
import { failure, HttpFault } from './outcome.js';
import { requireDecodable } from './query-text.js';
import type { Decorate } from './read.js';
import type { Matched } from './router.js';
import type { Access, Permission } from './scopes.js';
import { requireSearchable } from './search-access.js';

/** Answers a request made inside a bundle by the same handlers, with the same rights. */
export type Dispatch = (matched: Matched, request: FhirRequest) => Promise<FhirResponse>;

export interface BatchOptions {
  readonly decorate: Decorate;
  readonly multipleDelete: boolean;
  readonly match: (method: string, path: string) => Matched;
  readonly dispatch: Dispatch;
}

const PERMISSIONS: Readonly<Record<string, Permission>> = { POST: 'c', PUT: 'u', PATCH: 'u', DELETE: 'd' };

/** R4 http.html#transaction: POST of a batch or transaction to the base. */
export function batchHandler(deps: BundleDeps, options: BatchOptions, part?: BundlePart): Handler {
  return async (request) => {
    const { json } = await request.body(['json']);
    if (
      typeof json !== 'object' ||
      json === null ||
      (json as { resourceType?: unknown }).resourceType !== 'Bundle'
    ) {
      throw new Fault('invalid', 'The body is not a Bundle.', {
        at: 'resourceType',
        remedy:
          'Only a batch or a transaction goes to the base; send other resources to the address of their type.',
      });
    }
    const { response } = await applyBundle(deps, request.tenant, json as Resource, {
      mode: 'http',
      part,
      actor: request.actor,
      base: request.base,
      check: request.check,
      returns: request.prefer.return ?? 'minimal',
      multipleDelete: options.multipleDelete,
      failure: (fault) => failure(fault),
      maySearch: (criteria) => maySearch(request.access, criteria),
      authorise: (entry) => authorise(request, entry),
      read: (entry, onFailure) => readEntry(options, request, entry, onFailure),
      decorate: async (answer) => {
        if (!answer.resource) return answer;
        const [resource] = await options.decorate(request.tenant, [answer.resource]);
        return { ...answer, resource };
      },
    });
    return { status: 200, resource: response };
  };
}

/** Whether the caller may know what matches the criteria. */
function maySearch(access: Access, { type, params }: Criteria): boolean {
  try {
    if (!access.allows(type, 's')) return false;
    requireSearchable(access, type, params);
    return true;
  } catch (error) {
    if (isFault(error) && error.category === 'forbidden') return false;
    throw error;
  }
}

function authorise(request: FhirRequest, entry: Entry): void {
  // Reads and operations are authorised by their own routes.
  const permission = PERMISSIONS[entry.method];
  if (!permission || entry.type === undefined || entry.url.includes('$')) {
    if (entry.method === 'GET' || entry.method === 'HEAD') requireRead(request, entry);
    return;
  }
  if (!request.access.allows(entry.type, permission)) throw forbidden(entry);
  const criteria = entry.criteria ?? entry.ifNoneExist;
  if (criteria && !maySearch(request.access, criteria)) throw forbidden(entry);
}

/** Reads inside a transaction bypass the router, so the right to read is asked for here too. */
function requireRead(request: FhirRequest, entry: Entry): void {
  const instance = entry.type !== undefined && /^[A-Za-z]+\/[^?/]+/.test(entry.url);
  if (instance && !entry.url.includes('$') && !request.access.allows(entry.type!, 'r'))
    throw forbidden(entry);
}

function forbidden(entry: Entry): Fault {
  return new Fault('forbidden', 'The token does not permit this entry.', {
    at: `${entry.at}.request`,
    remedy: 'Ask for a scope that covers the type and the interaction.',
  });
}

async function readEntry(
  { match, dispatch }: BatchOptions,
  request: FhirRequest,
  entry: Entry,
  onFailure: 'throw' | 'answer',
): Promise<ReadAnswer> {
  try {
    const [path = '', query = ''] = splitOnce(entry.url, '?');
    requireDecodable(query);
    const matched = match(entry.method, `/${path}`);
    if (matched.route.claim.kind === 'system' && matched.route.claim.code !== 'search-system') {
      if (matched.route.claim.code === 'batch' || matched.route.claim.code === 'transaction') {
        throw new HttpFault(400, 'A bundle inside a bundle is not processed.', {
          at: `${entry.at}.request.url`,
        });
      }
    }
    const inner: FhirRequest = {
      ...request,
      method: entry.method === 'HEAD' ? 'GET' : entry.method,
      at: matched.at,
      params: [...new URLSearchParams(query)],
      headers: conditions(entry),
      body: async () => ({ kind: 'json', text: '', json: entry.resource }),
    };
    const { status, resource, version, lastUpdated } = await dispatch(matched, inner);
    return { status, resource: entry.method === 'HEAD' ? undefined : resource, version, lastUpdated };
  } catch (error) {
    if (onFailure === 'throw') throw error;
    const { status, outcome } = failure(error);
    return { status, resource: outcome };
  }
}

function conditions(entry: Entry): FhirRequest['headers'] {
  return {
    ...(entry.ifNoneMatch === undefined ? {} : { 'if-none-match': entry.ifNoneMatch }),
    ...(entry.ifModifiedSince === undefined ? {} : { 'if-modified-since': entry.ifModifiedSince }),
  };
}

function splitOnce(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}
