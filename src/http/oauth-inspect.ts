import { Fault } from '../core/fault.js';
import type { Authorization } from '../tenancy/clients-authorization.js';
import type { AccessToken } from '../tenancy/tokens.js';
import { clientOf } from './oauth-client.js';
import { formOf, need, OAuthFault, type OAuthHandler } from './oauth-exchange.js';
import { openContent, type RefreshContent } from './oauth-sealed.js';
import { issuerOf } from './smart.js';

const NO_STORE = { 'Cache-Control': 'no-store' };

/**
 * Introspection (RFC 7662) for a client that proves itself. Only a client that has keys or a secret may ask: others could
 * try out tokens they found.
 */
export function introspectHandler(authorization: Authorization): OAuthHandler {
  return async (request) => {
    const form = await formOf(request.http);
    const client = await clientOf(authorization, request, form);
    if (client.auth === 'none')
      throw new OAuthFault('invalid_client', 'Only a client that proves itself may introspect.');
    const token = await known(authorization, request.tenant.record, need(form, 'token'));
    if (!token) return { status: 200, json: { active: false }, headers: NO_STORE };
    const { id, subject, scopes, patient, encounter, fhirUser, client: of, expiresAt } = token;
    const { origin, tenant } = request;
    return {
      status: 200,
      headers: NO_STORE,
      json: {
        active: true,
        scope: scopes.join(' '),
        iss: issuerOf(origin, tenant.record.name),
        sub: subject,
        exp: Math.floor(expiresAt / 1000),
        jti: id,
        token_type: 'Bearer',
        aud: `${origin}/fhir/${tenant.record.name}`,
        ...(of === undefined ? {} : { client_id: of }),
        ...(patient === undefined ? {} : { patient }),
        ...(encounter === undefined ? {} : { encounter }),
        ...(fhirUser === undefined ? {} : { fhirUser: `${origin}/fhir/${tenant.record.name}/${fhirUser}` }),
      },
    };
  };
}

/** Revocation (RFC 7009) by the client that the token was issued to; a token that is none is no error. */
export function revokeHandler(authorization: Authorization): OAuthHandler {
  return async (request) => {
    const { clients } = authorization;
    const { record } = request.tenant;
    const form = await formOf(request.http);
    const client = await clientOf(authorization, request, form);
    const text = need(form, 'token');
    const token = await known(authorization, record, text);
    if (token) {
      if (token.client === client.id) await clients.revokeToken(token.id, token.expiresAt);
      return { status: 200, headers: NO_STORE };
    }
    try {
      const refresh = openContent<RefreshContent>(request.tenant, 'refresh', text);
      if (refresh.client === client.id) await clients.endFamily(record, client.id, refresh.family);
    } catch (error) {
      if (!(error instanceof OAuthFault)) throw error;
    }
    return { status: 200, headers: NO_STORE };
  };
}

async function known(
  { verify }: Authorization,
  tenant: { id: string; name: string },
  token: string,
): Promise<AccessToken | undefined> {
  try {
    return await verify(token, tenant);
  } catch (error) {
    if (error instanceof Fault && error.category === 'unauthenticated') return undefined;
    throw error;
  }
}
