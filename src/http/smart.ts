import { ASSERTION_ALGORITHMS } from '../tenancy/clients-jwks.js';
import { ID_TOKEN_ALGORITHM } from '../tenancy/id-tokens.js';
import { tokenEndpoint } from './oauth-exchange.js';

/** What of SMART App Launch 2.2 ("Capability sets") is served. */
export const SMART_CAPABILITIES = [
  'launch-ehr',
  'launch-standalone',
  'client-public',
  'client-confidential-symmetric',
  'client-confidential-asymmetric',
  'sso-openid-connect',
  'context-banner',
  'context-style',
  'context-ehr-patient',
  'context-ehr-encounter',
  'context-standalone-patient',
  'context-standalone-encounter',
  'permission-offline',
  'permission-online',
  'permission-patient',
  'permission-user',
  'permission-v1',
  'permission-v2',
  'authorize-post',
] as const;

/** The issuer of a tenant's tokens; what it says of itself stands below it (OpenID Connect Discovery 1.0, 4). */
export const issuerOf = (origin: string, tenant: string): string => `${origin}/oauth/${tenant}`;

/** `.well-known/smart-configuration` of a tenant. It says the same of every name: nobody learns which tenants there are. */
export function smartConfiguration(origin: string, tenant: string): Record<string, unknown> {
  const at = issuerOf(origin, tenant);
  const methods = ['private_key_jwt', 'client_secret_basic'];
  return {
    issuer: issuerOf(origin, tenant),
    jwks_uri: `${at}/jwks`,
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
      'openid',
      'fhirUser',
      'profile',
      'launch',
      'system/*.cruds',
      'user/*.cruds',
      'patient/*.cruds',
      'launch/patient',
      'launch/encounter',
      'offline_access',
      'online_access',
    ],
    capabilities: SMART_CAPABILITIES,
  };
}

/** `.well-known/openid-configuration` of an issuer (OpenID Connect Discovery 1.0, 3); the same of every name too. */
export function openIdConfiguration(origin: string, tenant: string): Record<string, unknown> {
  const { capabilities, code_challenge_methods_supported, ...smart } = smartConfiguration(origin, tenant);
  return {
    ...smart,
    code_challenge_methods_supported,
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: [ID_TOKEN_ALGORITHM],
    claims_supported: ['iss', 'sub', 'aud', 'iat', 'exp', 'nonce', 'fhirUser', 'profile'],
    request_parameter_supported: false,
    request_uri_parameter_supported: false,
  };
}
