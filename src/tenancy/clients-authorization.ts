import type pg from 'pg';
import type { Clock } from '../core/clock.js';
import { Fault } from '../core/fault.js';
import { type Client, type Clients, createClients } from './clients.js';
import { authenticateByAssertion } from './clients-assertion.js';
import { createJwksCache, type FetchedJwks } from './clients-jwks.js';
import { type OidcProvider, providerOf, verifyOidcToken } from './clients-oidc.js';
import { createIdTokens, type IdTokens } from './id-tokens.js';
import {
  type AccessToken,
  type AdminToken,
  issueToken,
  type TokenRequest,
  type TokenTenant,
  verifyAdminToken,
  verifyToken,
} from './tokens.js';

/** Who may ask for tokens, the tokens themselves, and whether they still count. */
export interface Authorization {
  readonly clients: Clients;
  readonly clock: Clock;
  /** @throws Fault `invalid` */
  issue(request: TokenRequest): string;
  /** @throws Fault `unauthenticated`, for a token that was taken back too. */
  verify(token: string, tenant: TokenTenant): Promise<AccessToken>;
  /** Says to apps who signed in. */
  readonly idTokens: IdTokens;
  /** Checks an administrator's token. @throws Fault `unauthenticated` */
  verifyAdmin(token: string): AdminToken;
  /** Who signed the assertion. @throws Fault `unauthenticated` */
  authenticate(tenant: TokenTenant, assertion: string, audiences: readonly string[]): Promise<Client>;
}

export interface AuthorizationOptions {
  readonly control: pg.Pool;
  readonly clock: Clock;
  /** Of `openTokenSecret`. */
  readonly secret: Buffer;
  /** File of the keys that sign identity tokens; keys of this process alone where not given. */
  readonly idTokenKeys?: string;
  /** Origins whose key sets may be fetched though they are on a private network or speak plain HTTP. */
  readonly trustedOrigins?: ReadonlySet<string>;
  /** Outside providers whose tokens count too. */
  readonly providers?: readonly OidcProvider[];
  readonly fetch?: (url: string, trusted: ReadonlySet<string>) => Promise<FetchedJwks>;
}

export function createAuthorization(options: AuthorizationOptions): Authorization {
  const { control, clock, secret, trustedOrigins = new Set<string>(), providers = [], fetch } = options;
  const clients = createClients({ control, clock, trustedOrigins });
  const keys = createJwksCache(clock, trustedOrigins, fetch);
  return {
    clients,
    clock,
    idTokens: createIdTokens(options.idTokenKeys, clock),
    issue: (request) => issueToken(secret, clock, request),
    async verify(token, tenant) {
      const provider = providerOf(providers, token);
      const checked = provider
        ? await verifyOidcToken(provider, keys, clock, token, tenant)
        : verifyToken(secret, clock, token, tenant);
      if (await clients.isRevoked(checked)) {
        throw new Fault('unauthenticated', 'The access token is not valid here.', {
          remedy: 'Get a new token for this tenant.',
          log: 'revoked',
        });
      }
      return checked;
    },
    verifyAdmin: (token) => verifyAdminToken(secret, clock, token),
    authenticate: (tenant, assertion, audiences) =>
      authenticateByAssertion({ clients, keys, clock }, tenant, assertion, audiences),
  };
}
