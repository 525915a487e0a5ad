import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../core/clock.js';
import { Fault } from '../core/fault.js';
import { parseJson } from '../core/json.js';
import type { AccessLog } from '../store/access-log.js';
import type { AdminAct, AdminAudit } from '../tenancy/admin-audit.js';
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

/** Where what is done here is written down. */
export interface AdminLogs {
  readonly acts: AdminAudit;
  /** Of the tenants: what concerns one that is open stands there too. */
  readonly audit: AccessLog;
  readonly clock: Clock;
}

/**
 * Serves `/admin`. Denied by default: each row needs its scope, and only tokens made for `/admin` have it.
 * @param verify absent in development mode, which asks for no token
 */
export function createAdmin(
  deps: AdminDeps,
  verify: ((token: string) => AdminToken) | undefined,
  logs: AdminLogs,
): AdminEndpoint {
  const world = { ...deps, acts: logs.acts };
  return async (request, response) => {
    const [path = '', search = ''] = (request.url ?? '').split('?', 2);
    const query = new URLSearchParams(search);
    let route: AdminRoute | undefined;
    let subject: string | undefined;
    let status: number;
    let error: string | undefined;
    let act: Omit<AdminAct, 'outcome'> | undefined;
    let ended = false;
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
      act = { subject, action: actionOf(route), tenant: matched.at.tenant, target: matched.at.id };
      if (caller && !caller.scopes.includes(route.needs)) {
        throw new Fault('forbidden', 'The token does not permit this.', {
          remedy: `Use a token with the scope ${route.needs}.`,
        });
      }
      const body = request.method === 'POST' ? await bodyOf(request) : {};
      const changes = route.method !== 'GET';
      // Before and after: nothing is changed that does not stand here, whatever becomes of it.
      if (changes) await logs.acts.record({ ...act, outcome: 'begun' });
      if (route.closes) await tell(deps, logs, act, 202);
      const json = await route.handle(world, { at: matched.at, body, query, subject });
      status = route.status ?? 200;
      ended = true;
      await logs.acts.record({ ...act, outcome: 'done' });
      if (!route.closes) await tell(deps, logs, act, status);
      await respond(response, { status, json }, context);
    } catch (cause) {
      const { status: code, headers, outcome } = failure(cause);
      status = code;
      if (status >= 500) error = logText(cause);
      // What was done stays done, and the row of its beginning with it.
      if (act && !ended)
        await logs.acts
          .record({ ...act, outcome: status >= 500 ? 'failed' : 'refused' })
          .catch(() => undefined);
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

/** `POST tenants/:tenant/keys/rotate` → `post-tenants-keys-rotate`. */
const actionOf = ({ method, path }: AdminRoute): string =>
  [method.toLowerCase(), ...path.split('/').filter((s) => !s.startsWith(':'))].join('-');

/** Writes into the log of the tenant that it concerns, where there is one that works. */
async function tell(
  { tenants }: AdminDeps,
  { audit, clock }: AdminLogs,
  { subject, action, tenant }: Omit<AdminAct, 'outcome'>,
  status: number,
): Promise<void> {
  const record = tenant === undefined ? undefined : await tenants.find(tenant);
  if (record?.state !== 'active') return;
  await audit.record(await tenants.open(record.name), {
    actor: { id: subject, kind: 'user' },
    at: clock.now(),
    interaction: `$admin-${action}`,
    status,
  });
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
