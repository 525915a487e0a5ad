import type { IncomingMessage, ServerResponse } from 'node:http';
import { isFault } from '../core/fault.js';
import type { AccessLog } from '../store/access-log.js';
import type { Authorization } from '../tenancy/clients-authorization.js';
import type { Tenants } from '../tenancy/tenant.js';
import { authorizeHandler, decideHandler, type ReadAs } from './oauth-authorize.js';
import { emergencyHandler } from './oauth-emergency.js';
import { type OAuthAnswer, OAuthFault, type OAuthHandler } from './oauth-exchange.js';
import { introspectHandler, revokeHandler } from './oauth-inspect.js';
import { launchHandler } from './oauth-launch.js';
import { tokenHandler } from './oauth-token.js';
import { asFault, logText, statusOf } from './outcome.js';
import { SECURITY_HEADERS } from './respond.js';
import { openIdConfiguration, smartConfiguration } from './smart.js';

export interface OAuthDeps {
  readonly authorization: Authorization;
  readonly tenants: Tenants;
  readonly audit: AccessLog;
  readonly readAs: ReadAs;
  /** `http://host:port` as the caller may name us. */
  readonly origin: (request: IncomingMessage) => string;
}

/** Tenant, endpoint, query. */
const OAUTH_PATH = /^\/oauth\/([a-z][a-z0-9-]{0,39})\/([a-z]{1,20})(?:\?(.*))?$/;
/** What everybody may read, of any name. */
const PUBLIC_PATHS: readonly (readonly [name: string, path: RegExp])[] = [
  ['smart-configuration', /^\/fhir\/([a-z][a-z0-9-]{0,39})\/\.well-known\/smart-configuration(?:\?.*)?$/],
  ['openid-configuration', /^\/oauth\/([a-z][a-z0-9-]{0,39})\/\.well-known\/openid-configuration(?:\?.*)?$/],
  ['jwks', /^\/oauth\/([a-z][a-z0-9-]{0,39})\/jwks(?:\?.*)?$/],
];
/** Keys are kept for this long by who fetched them; a new one is published as much before it signs. */
const JWKS_AGE_S = 300;

function publicAt(url: string): { name: string; tenant: string } | undefined {
  for (const [name, path] of PUBLIC_PATHS) {
    const tenant = path.exec(url)?.[1];
    if (tenant !== undefined) return { name, tenant };
  }
  return undefined;
}

/** Whether the address is one that apps of any origin may read (SMART App Launch 2.2, "CORS"). */
export const isDiscovery = (url: string): boolean =>
  publicAt(url) !== undefined || /^\/fhir\/[a-z][a-z0-9-]{0,39}\/metadata(?:\?.*)?$/.test(url);

/** The tenant whose authorisation server the address is of. */
export function oauthTenant(url: string): string | undefined {
  return OAUTH_PATH.exec(url)?.[1] ?? publicAt(url)?.tenant;
}

/**
 * Refusals of one address before it is told to wait, and for how long; counted for each tenant and caller. Who has a
 * good proof is served all the same: behind a proxy others may have the same address.
 */
const MAX_REFUSALS = 60;
const REFUSALS_WINDOW_MS = 60_000;
const MAX_CALLERS = 10_000;

export interface OAuthSeen {
  readonly endpoint: string;
  readonly status: number;
  /** Why it was refused, for the log: no client, no key, no token. */
  readonly reason?: string | undefined;
  readonly alert?: string | undefined;
}

export type OAuthEndpoint = (request: IncomingMessage, response: ServerResponse) => Promise<OAuthSeen>;

/** Serves the authorisation server of each tenant below `/oauth/{tenant}`, and its SMART configuration. */
export function createOAuth({ authorization, tenants, audit, readAs, origin }: OAuthDeps): OAuthEndpoint {
  const handlers: Readonly<Record<string, OAuthHandler>> = {
    'POST token': tokenHandler(authorization),
    'POST introspect': introspectHandler(authorization),
    'POST revoke': revokeHandler(authorization),
    'POST emergency': emergencyHandler(authorization, audit),
    'POST launch': launchHandler(authorization, audit),
    'GET authorize': authorizeHandler(authorization),
    'POST authorize': decideHandler(authorization, readAs),
  };
  const refusals = createRefusals(() => authorization.clock.now());

  async function published(
    { name, tenant }: { name: string; tenant: string },
    at: string,
  ): Promise<OAuthAnswer> {
    switch (name) {
      case 'smart-configuration':
        return { status: 200, json: smartConfiguration(at, tenant) };
      case 'openid-configuration':
        return { status: 200, json: openIdConfiguration(at, tenant) };
      default:
        return {
          status: 200,
          json: await authorization.idTokens.jwks(),
          headers: { 'Cache-Control': `public, max-age=${JWKS_AGE_S}` },
        };
    }
  }

  return async (request, response) => {
    const url = request.url ?? '/';
    const open = publicAt(url);
    if (open) {
      const answer =
        request.method === 'GET' || request.method === 'HEAD'
          ? await published(open, origin(request))
          : failed(405, 'invalid_request', 'Use GET.', { Allow: 'GET, HEAD' });
      send(request, response, answer);
      return { endpoint: open.name, status: answer.status };
    }
    const [, name = '', endpoint = '', query = ''] = OAUTH_PATH.exec(url) ?? [];
    const caller = `${name} ${request.socket.remoteAddress ?? ''}`;
    let answer: OAuthAnswer;
    let reason: string | undefined;
    try {
      const handler = handlers[`${request.method} ${endpoint}`];
      if (!handler) {
        const known = Object.keys(handlers).some((h) => h.endsWith(` ${endpoint}`));
        answer = failed(known ? 405 : 404, 'invalid_request', 'Nothing is served here in this way.');
      } else {
        // An unknown tenant is an unknown client to whoever asks.
        const tenant = await tenants.open(name).catch((error: unknown) => {
          if (isFault(error) && (error.category === 'not-found' || error.category === 'forbidden'))
            throw new OAuthFault('invalid_client', 'The client could not be authenticated.', 'tenant');
          throw error;
        });
        answer = await handler({
          tenant,
          origin: origin(request),
          http: request,
          query: new URLSearchParams(query),
        });
      }
    } catch (error) {
      if (error instanceof OAuthFault) {
        reason = error.log ?? error.code;
        const wait = refusals.add(caller);
        const headers = { 'Retry-After': String(Math.ceil(wait / 1000)) };
        answer =
          wait > 0
            ? failed(429, 'temporarily_unavailable', 'Too many refusals. Wait.', headers)
            : failed(error.status, error.code, error.message, challenge(error));
      } else {
        const fault = asFault(error);
        const status = statusOf(fault);
        reason = status >= 500 ? logText(error) : fault.category;
        const code = status >= 500 ? 'server_error' : 'invalid_request';
        answer = failed(status, code, fault.message);
      }
    }
    send(request, response, answer);
    return { endpoint, status: answer.status, reason, alert: answer.alert };
  };
}

function challenge({ code }: OAuthFault): Record<string, string> {
  if (code === 'invalid_token') return { 'WWW-Authenticate': 'Bearer realm="cenote", error="invalid_token"' };
  return code === 'invalid_client' ? { 'WWW-Authenticate': 'Basic realm="cenote"' } : {};
}

function failed(
  status: number,
  error: string,
  error_description: string,
  headers: Readonly<Record<string, string>> = {},
): OAuthAnswer {
  return { status, json: { error, error_description }, headers: { 'Cache-Control': 'no-store', ...headers } };
}

function send(request: IncomingMessage, response: ServerResponse, answer: OAuthAnswer): void {
  const { status, json, html, headers } = answer;
  const body = html ?? (json === undefined ? '' : JSON.stringify(json));
  const unread = !request.complete && request.method !== 'GET' && request.method !== 'HEAD';
  response.writeHead(status, {
    ...SECURITY_HEADERS,
    ...(html === undefined ? {} : { 'Content-Type': 'text/html; charset=utf-8' }),
    ...(json === undefined ? {} : { 'Content-Type': 'application/json; charset=utf-8' }),
    'Content-Length': String(Buffer.byteLength(body)),
    ...(unread ? { Connection: 'close' } : {}),
    ...headers,
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}

/** Counts refusals by caller, so that nobody tries out secrets without end; bounded. */
function createRefusals(now: () => number): { add(caller: string): number } {
  const seen = new Map<string, { since: number; n: number }>();
  return {
    /** How long the caller is to wait, in ms; 0 below the limit. */
    add(caller) {
      let entry = seen.get(caller);
      if (!entry || now() - entry.since >= REFUSALS_WINDOW_MS) {
        seen.delete(caller);
        if (seen.size >= MAX_CALLERS) seen.delete(seen.keys().next().value!);
        entry = { since: now(), n: 0 };
        seen.set(caller, entry);
      }
      entry.n++;
      return entry.n > MAX_REFUSALS ? entry.since + REFUSALS_WINDOW_MS - now() : 0;
    },
  };
}
