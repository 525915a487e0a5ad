import type { IncomingMessage } from 'node:http';
import type { Tenant } from '../tenancy/tenant.js';
import { readText } from './body.js';
import { HttpFault } from './outcome.js';

/** Error codes of RFC 6749 (4.1.2.1, 5.2), RFC 6750, RFC 7009 and OpenID Connect Core (3.1.2.6). */
export type OAuthError =
  | 'invalid_request'
  | 'invalid_client'
  | 'invalid_token'
  | 'invalid_grant'
  | 'unauthorized_client'
  | 'unsupported_grant_type'
  | 'unsupported_response_type'
  | 'unsupported_token_type'
  | 'invalid_scope'
  | 'access_denied'
  | 'interaction_required'
  | 'request_not_supported'
  | 'request_uri_not_supported'
  | 'server_error'
  | 'temporarily_unavailable';

/** A refusal in OAuth's own form. Its text names no client, no key and no patient. */
export class OAuthFault extends Error {
  constructor(
    readonly code: OAuthError,
    description: string,
    readonly log?: string,
  ) {
    super(description);
  }
  get status(): number {
    switch (this.code) {
      case 'invalid_client':
      case 'invalid_token':
        return 401;
      case 'access_denied':
        return 403;
      case 'temporarily_unavailable':
        return 503;
      default:
        return 400;
    }
  }
}

/** One request to an endpoint of the authorisation server of one tenant. */
export interface OAuthRequest {
  readonly tenant: Tenant;
  /** `http://host:port` as the caller may name us, without trailing slash. */
  readonly origin: string;
  readonly http: IncomingMessage;
  /** Of the address. */
  readonly query: URLSearchParams;
}

export interface OAuthAnswer {
  readonly status: number;
  readonly json?: unknown;
  readonly html?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** What the operator must see at once. */
  readonly alert?: string;
}

export type OAuthHandler = (request: OAuthRequest) => Promise<OAuthAnswer>;

const MAX_FORM_BYTES = 64 * 1024;

/** The form of a POST. @throws OAuthFault where a parameter comes twice (RFC 6749, 3.2) */
export async function formOf(http: IncomingMessage): Promise<Form> {
  const type = (http.headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase();
  if (type !== 'application/x-www-form-urlencoded') {
    throw new HttpFault(415, 'The body is no form.', {
      remedy: 'Send application/x-www-form-urlencoded.',
    });
  }
  return readForm(new URLSearchParams(await readText(http, MAX_FORM_BYTES)));
}

/** Parameters, each at most once; empty ones are as if absent. */
export type Form = ReadonlyMap<string, string>;

export function readForm(params: URLSearchParams): Form {
  const form = new Map<string, string>();
  for (const [name, value] of params) {
    if (form.has(name)) throw new OAuthFault('invalid_request', 'A parameter comes twice.');
    if (value !== '') form.set(name, value);
  }
  return form;
}

export function need(form: Form, name: string): string {
  const value = form.get(name);
  if (value === undefined) throw new OAuthFault('invalid_request', `The parameter ${name} is missing.`);
  return value;
}

export const tokenEndpoint = (origin: string, tenant: string): string => `${origin}/oauth/${tenant}/token`;
