import type { IncomingMessage } from 'node:http';
import { Fault, isFault } from '../core/fault.js';
import type { Actor } from '../store/contract.js';
import { decodeToken } from '../tenancy/decode-token.js';
import type { AccessToken, TokenTenant } from '../tenancy/tokens.js';
import { HttpFault } from './outcome.js';
import { type Access, accessOf, FULL_ACCESS } from './scopes.js';

/** @throws Fault `unauthenticated` */
export type VerifyToken = (token: string, tenant: TokenTenant) => AccessToken | Promise<AccessToken>;

export interface Caller {
  readonly access: Access;
  readonly actor: Omit<Actor, 'requestId'>;
  /** The reason of an emergency access; each use of it is told in the audit log. */
  readonly emergency?: string | undefined;
}

export const DEV_CALLER: Caller = { access: FULL_ACCESS, actor: { id: 'dev', kind: 'dev' } };

const MAX_AUTHORIZATION_CHARS = 9_000;

/**
 * The bearer token of a request (RFC 6750, 2.1). Only the header counts: addresses end up in logs and histories.
 * @throws Fault `unauthenticated` without one, HttpFault 400 for one in the address.
 */
export function bearerToken(
  request: IncomingMessage,
  params: readonly (readonly [string, string])[],
): string {
  if (params.some(([name]) => name === 'access_token')) {
    throw new HttpFault(400, 'A token in the address is refused.', {
      issueCode: 'security',
      remedy: 'Send it in the Authorization header, and get a new one: this one may stand in logs now.',
    });
  }
  const header = request.headers.authorization;
  if (header === undefined) {
    throw new Fault('unauthenticated', 'The request has no access token.', {
      remedy: 'Send Authorization: Bearer with a token for this tenant (cenote token makes one).',
    });
  }
  const token =
    header.length <= MAX_AUTHORIZATION_CHARS ? /^bearer +([\w.~+/-]+=*)$/i.exec(header)?.[1] : undefined;
  if (!token) {
    throw new Fault('unauthenticated', 'The Authorization header holds no bearer token.', {
      remedy: 'Send Authorization: Bearer followed by the token.',
    });
  }
  return token;
}

/**
 * Who calls, by the token.
 * @throws Fault `unauthenticated`; `forbidden` for a token that is good, but for another tenant.
 */
export async function authenticate(verify: VerifyToken, token: string, tenant: TokenTenant): Promise<Caller> {
  let checked: AccessToken;
  try {
    checked = await verify(token, tenant);
  } catch (error) {
    if (isFault(error) && (await isForAnother(verify, token, tenant))) {
      throw new Fault('forbidden', 'The token is for another tenant.', {
        remedy: 'Use a token for this tenant.',
      });
    }
    throw error;
  }
  return {
    emergency: checked.emergency,
    access: accessOf(checked.scopes.join(' '), checked.patient, checked.fhirUser),
    actor: {
      id: checked.subject,
      kind: checked.scopes.some((s) => s.startsWith('user/')) ? 'user' : 'client',
    },
  };
}

const AUDIENCE = /^\/fhir\/([a-z][a-z0-9-]{0,39})#([0-9a-f-]{36})$/;

/** Whether the token is wholly valid for the tenant that it names itself; its word alone is never taken. */
async function isForAnother(verify: VerifyToken, token: string, tenant: TokenTenant): Promise<boolean> {
  const claimed = decodeToken(token)?.payload.aud;
  const audience = typeof claimed === 'string' ? AUDIENCE.exec(claimed) : null;
  const [, name, id] = audience ?? [];
  if (!name || !id || (name === tenant.name && id === tenant.id)) return false;
  try {
    await verify(token, { name, id });
    return true;
  } catch {
    return false;
  }
}
