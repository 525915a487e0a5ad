import { ASSERTION_ALGORITHMS } from '../tenancy/clients-jwks.js';
import { tokenEndpoint } from './oauth-exchange.js';

/** What of SMART App Launch 2.2 ("Capability sets") is served; EHR launch and OpenID Connect are not. */
export const SMART_CAPABILITIES = [
  'launch-standalone',
  'client-public',
  'client-confidential-symmetric',
  'client-confidential-asymmetric',
  'context-standalone-patient',
  'permission-offline',
  'permission-online',
  'permission-patient',
  'permission-user',
  'permission-v1',
  'permission-v2',
  'authorize-post',
] as const;

/** `.well-known/smart-configuration` of a tenant. It says the same of every name: nobody learns which tenants there are. */
export function smartConfiguration(origin: string, tenant: string): Record<string, unknown> {
  const at = `${origin}/oauth/${tenant}`;
  const methods = ['private_key_jwt', 'client_secret_basic'];
  return {
    issuer: at,
    authorization_endpoint: `${at}/authorize`,
    token_endpoint: tokenEndpoint(origin, tenant),
    introspection_endpoint: `${at}/introspect`,
    revocation_endpoint: `${at}/revoke`,
    grant_types_supported: ['authorization_code', 'client_credentials', 'refresh_token'],
    response_types_supported: ['code'],
    code_challenge_methods_supported: ['S256'],
    token_endpoint_auth_methods_supported: methods,
    token_endpoint_auth_signing_alg_values_supported: ASSERTION_ALGORITHMS,
    introspection_endpoint_auth_methods_supported: methods,
    revocation_endpoint_auth_methods_supported: methods,
    scopes_supported: [
      'system/*.cruds',
      'user/*.cruds',
      'patient/*.cruds',
      'launch/patient',
      'offline_access',
      'online_access',
    ],
    capabilities: SMART_CAPABILITIES,
  };
}
