import { Fault } from '../core/fault.js';
import type { Authorization } from '../tenancy/clients-authorization.js';
import type { AccessToken } from '../tenancy/tokens.js';
import { bearerToken } from './auth.js';
import { OAuthFault, type OAuthRequest } from './oauth-exchange.js';

/** Whose access token came with a request to the authorisation server. @throws OAuthFault `invalid_token` */
export async function callerOf(
  { verify }: Authorization,
  { tenant, http, query }: OAuthRequest,
): Promise<AccessToken> {
  try {
    return await verify(bearerToken(http, [...query]), tenant.record);
  } catch (error) {
    if (error instanceof Fault && error.category === 'unauthenticated')
      throw new OAuthFault('invalid_token', 'The access token is not valid here.', error.log);
    throw error;
  }
}
