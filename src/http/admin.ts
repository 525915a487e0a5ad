import type { IncomingMessage, ServerResponse } from 'node:http';
import { Fault } from '../core/fault.js';
import { parseJson } from '../core/json.js';
import type { AdminToken } from '../tenancy/tokens.js';
import { ADMIN_ROUTES, type AdminDeps, type AdminRoute } from './admin-routes.js';
import { bearerToken } from './auth.js';
import { readText } from './body.js';
import { failure, HttpFault, logText } from './outcome.js';
import { requestId } from './request-id.js';
import { respond } from './respond.js';

const MAX_BODY_BYTES = 256 * 1024;
const SEGMENT = /^[A-Za-z0-9._~-]{1,100}$/;

export interface AdminSeen {
  /** The row of the table, not the address: it names no client. */
  readonly route: string;
  readonly subject: string | undefined;
  readonly status: number;
  readonly error?: string | undefined;
}

export type AdminEndpoint = (request: IncomingMessage, response: ServerResponse) => Promise<AdminSeen>;

/**
 * Serves `/admin`. Denied by default: each row needs its scope, and only tokens made for `/admin` have it.
 * @param verify absent in development mode, which asks for no token
 */
export function createAdmin(
  deps: AdminDeps,
  verify: ((token: string) => AdminToken) | undefined,
): AdminEndpoint {
  return async (request, response) => {
    const [path = '', search = ''] = (request.url ?? '').split('?', 2);
    const query = new URLSearchParams(search);
    let route: AdminRoute | undefined;
    let subject: string | undefined;
    let status: number;
    let error: string | undefined;
    const context = {
      head: false,
      contentType: 'application/fhir+json; charset=utf-8',
      pretty: false,
      prefer: {},
      acceptsGzip: false,
      requestId: requestId(request.headers['x-request-id']),
    };
    try {
      const caller = verify?.(bearerToken(request, [...query]));
      subject = caller?.subject ?? 'dev';
      const matched = match(request.method ?? 'GET', path);
      route = matched.route;
      if (caller && !caller.scopes.includes(route.needs)) {
        throw new Fault('forbidden', 'The token does not permit this.', {
          remedy: `Use a token with the scope ${route.needs}.`,
        });
      }
      const body = request.method === 'POST' ? await bodyOf(request) : {};
      const json = await route.handle(deps, { at: matched.at, body, query, subject });
      status = route.status ?? 200;
      await respond(response, { status, json }, context);
    } catch (cause) {
      const { status: code, headers, outcome } = failure(cause);
      status = code;
      if (status >= 500) error = logText(cause);
      const unread = !request.complete && request.method !== 'GET';
      await respond(
        response,
        { status, resource: outcome, headers: unread ? { ...headers, Connection: 'close' } : headers },
        context,
      );
    }
    return { route: route ? `${route.method} ${route.path}` : 'none', subject, status, error };
  };
}

function match(method: string, path: string): { route: AdminRoute; at: Record<string, string> } {
  const given = path.replace(/^\/admin\/?/, '').split('/');
  const allowed = new Set<string>();
  for (const route of ADMIN_ROUTES) {
    const at = align(route.path.split('/'), given);
    if (!at) continue;
    if (route.method === method) return { route, at };
    allowed.add(route.method);
  }
  if (allowed.size > 0) {
    const methods = [...allowed].sort().join(', ');
    throw new HttpFault(405, 'This method is not served at this address.', {
      remedy: `Use ${methods}.`,
      headers: { Allow: methods },
    });
  }
  throw new HttpFault(404, 'There is nothing at this address.', { issueCode: 'not-found' });
}

function align(segments: readonly string[], given: readonly string[]): Record<string, string> | undefined {
  if (segments.length !== given.length) return undefined;
  const at: Record<string, string> = {};
  for (const [i, segment] of segments.entries()) {
    const value = given[i]!;
    if (!segment.startsWith(':')) {
      if (segment !== value) return undefined;
    } else if (SEGMENT.test(value)) at[segment.slice(1)] = value;
    else return undefined;
  }
  return at;
}

/** A body must say that it is JSON, an empty one too: a form of another site's page cannot. */
async function bodyOf(request: IncomingMessage): Promise<Record<string, unknown>> {
  const type = (request.headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase();
  if (type !== 'application/json')
    throw new HttpFault(415, 'The body is not JSON.', { remedy: 'Send Content-Type: application/json.' });
  const text = await readText(request, MAX_BODY_BYTES);
  const body: unknown = text.trim() === '' ? {} : parseJson(text);
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw new Fault('invalid', 'The body is no JSON object.');
  return body as Record<string, unknown>;
}
