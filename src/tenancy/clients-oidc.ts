import { readFileSync } from 'node:fs';
import jwt from 'jsonwebtoken';
import type { Clock } from '../core/clock.js';
import { Fault, invalid, isFault } from '../core/fault.js';
import { isFhirId } from '../core/ids.js';
import {
  type ClientKey,
  checkJwksUrl,
  type JwksCache,
  KEY_ALGORITHMS,
  type KeyAlgorithm,
  readJwks,
} from './clients-jwks.js';
import { decodeToken } from './decode-token.js';
import { grantedScopes, isScope, isUserReference, parseScope } from './scope.js';
import type { AccessToken, TokenTenant } from './tokens.js';

/** An outside OpenID provider whose access tokens (JWTs, RFC 9068) are taken, as the operator configured it. */
export interface OidcProvider {
  /** Stands before the subject in the audit log, so that nobody there is taken for somebody of ours. */
  readonly name: string;
  readonly issuer: string;
  readonly audience: string;
  readonly jwksUrl?: string;
  readonly keys?: readonly ClientKey[];
  readonly algorithms: readonly KeyAlgorithm[];
  /** Tenants that its tokens are for. */
  readonly tenants: readonly string[];
  /** Claims that hold the scopes, the patient and the subject; and the tenant, where tokens name one. */
  readonly claims: {
    readonly scope: string;
    readonly patient: string;
    readonly subject: string;
    /** Holds `Practitioner/id` or the like: a record of ours that stands for the user. */
    readonly fhirUser: string;
    readonly tenant: string | undefined;
  };
  /** The most that its tokens permit. */
  readonly scopes: string;
}

const MAX_PROVIDERS = 20;
const MAX_FILE_BYTES = 1024 * 1024;
const MAX_TOKEN_CHARS = 8_192;
const MAX_LIFE_S = 24 * 3600;
const CLOCK_SKEW_S = 30;
const KNOWN = new Set([
  'name',
  'issuer',
  'audience',
  'jwksUrl',
  'jwks',
  'algorithms',
  'tenants',
  'claims',
  'scopes',
]);

/** Reads the file of providers. @throws Fault `invalid` naming the place */
export function readOidcProviders(file: string, trusted: ReadonlySet<string>): OidcProvider[] {
  let value: unknown;
  try {
    const text = readFileSync(file, 'utf8');
    value = text.length <= MAX_FILE_BYTES ? JSON.parse(text) : undefined;
  } catch (cause) {
    throw new Fault('invalid', 'The file of OpenID providers cannot be read as JSON.', {
      at: 'CENOTE_OIDC_FILE',
      cause,
    });
  }
  if (!Array.isArray(value) || value.length > MAX_PROVIDERS)
    throw invalid(`The file of OpenID providers is no list of 1 to ${MAX_PROVIDERS}.`, 'CENOTE_OIDC_FILE');
  const providers = value.map((one, i) => readProvider(one, `CENOTE_OIDC_FILE[${i}]`, trusted));
  for (const field of ['name', 'issuer'] as const)
    if (new Set(providers.map((p) => p[field])).size < providers.length)
      throw invalid(`Two OpenID providers have the same ${field}.`, 'CENOTE_OIDC_FILE');
  return providers;
}

function readProvider(value: unknown, at: string, trusted: ReadonlySet<string>): OidcProvider {
  if (typeof value !== 'object' || value === null) throw invalid('A provider is no object.', at);
  const given = value as Record<string, unknown>;
  const unknown = Object.keys(given).find((name) => !KNOWN.has(name));
  if (unknown !== undefined) throw invalid('A provider has a field that is not known.', `${at}.${unknown}`);
  const text = (name: string, from = given): string => {
    const found = from[name];
    if (typeof found !== 'string' || found === '') throw invalid('A text is missing.', `${at}.${name}`);
    return found;
  };
  const list = (name: string): string[] => {
    const found = given[name];
    if (!Array.isArray(found) || found.length === 0 || !found.every((v) => typeof v === 'string'))
      throw invalid('A list of texts is missing.', `${at}.${name}`);
    return found;
  };
  const name = text('name');
  if (!/^[a-z][a-z0-9-]{0,39}$/.test(name)) throw invalid('A name has a-z, 0-9 and -.', `${at}.name`);
  const algorithms = given.algorithms === undefined ? ['RS256'] : list('algorithms');
  const known = algorithms.filter((a): a is KeyAlgorithm => KEY_ALGORITHMS.some((k) => k === a));
  if (known.length < algorithms.length)
    throw invalid(
      'An algorithm is none that is taken.',
      `${at}.algorithms`,
      `Use ${KEY_ALGORITHMS.join(', ')}.`,
    );
  if ((given.jwksUrl === undefined) === (given.jwks === undefined))
    throw invalid('A provider has either jwksUrl or jwks.', at);
  if (given.jwksUrl !== undefined) checkJwksUrl(text('jwksUrl'), trusted);
  const scopes = text('scopes');
  if (!scopes.split(' ').every(isScope)) throw invalid('A scope is none of SMART.', `${at}.scopes`);
  const claims = (given.claims ?? {}) as Record<string, unknown>;
  const claim = (of: string, usual: string) => (claims[of] === undefined ? usual : text(of, claims));
  return {
    name,
    issuer: text('issuer'),
    audience: text('audience'),
    ...(given.jwksUrl === undefined ? { keys: readJwks(given.jwks) } : { jwksUrl: text('jwksUrl') }),
    algorithms: known,
    tenants: list('tenants'),
    claims: {
      scope: claim('scope', 'scope'),
      patient: claim('patient', 'patient'),
      subject: claim('subject', 'sub'),
      fhirUser: claim('fhirUser', 'fhirUser'),
      tenant: claims.tenant === undefined ? undefined : text('tenant', claims),
    },
    scopes,
  };
}

/** The provider that the token says it is of; its word counts for nothing else. */
export function providerOf(providers: readonly OidcProvider[], token: string): OidcProvider | undefined {
  if (providers.length === 0 || token.length > MAX_TOKEN_CHARS) return undefined;
  const issuer = decodeToken(token)?.payload.iss;
  return providers.find((provider) => provider.issuer === issuer);
}

/** Checks a token of an outside provider. @throws Fault `unauthenticated`, one message for all reasons */
export async function verifyOidcToken(
  provider: OidcProvider,
  cache: JwksCache,
  clock: Clock,
  token: string,
  tenant: TokenTenant,
): Promise<AccessToken> {
  if (!provider.tenants.includes(tenant.name)) throw refused('tenant');
  const header: Record<string, unknown> = { ...decodeToken(token)?.header };
  const algorithm = provider.algorithms.find((a) => a === header.alg);
  if (!algorithm) throw refused('algorithm');
  if (header.crit !== undefined) throw refused('critical headers');
  // RFC 9068 sets access tokens apart; providers that do not, say JWT or nothing.
  if (![undefined, 'JWT', 'at+jwt', 'application/at+jwt'].includes(header.typ as string))
    throw refused('type');
  if (typeof header.kid !== 'string') throw refused('key id');
  const keys = await keysOf(provider, cache, header.kid, algorithm);
  if (keys.length !== 1) throw refused('key');
  const now = Math.floor(clock.now() / 1000);
  let payload: jwt.JwtPayload | string;
  try {
    payload = jwt.verify(token, keys[0]!.key, {
      algorithms: [algorithm],
      issuer: provider.issuer,
      audience: provider.audience,
      clockTimestamp: now,
      clockTolerance: CLOCK_SKEW_S,
    });
  } catch (cause) {
    throw refused(cause instanceof Error ? cause.message : 'signature');
  }
  if (typeof payload === 'string') throw refused('payload');
  const { exp, jti } = payload;
  if (typeof exp !== 'number' || exp > now + MAX_LIFE_S + CLOCK_SKEW_S) throw refused('expiry');
  const { claims } = provider;
  if (claims.tenant !== undefined && payload[claims.tenant] !== tenant.name) throw refused('tenant');
  const subject: unknown = payload[claims.subject];
  if (typeof subject !== 'string' || subject === '' || subject.length > 200) throw refused('subject');
  const patient: unknown = payload[claims.patient];
  if (patient !== undefined && !isFhirId(patient)) throw refused('patient');
  const given: unknown = payload[claims.scope];
  const asked = Array.isArray(given) ? given.filter((s) => typeof s === 'string').join(' ') : given;
  if (typeof asked !== 'string') throw refused('scope');
  const scopes = grantedScopes(asked, provider.scopes).filter((s) => {
    const scope = parseScope(s);
    return scope !== undefined && (scope.context !== 'patient' || patient !== undefined);
  });
  return {
    id: `${provider.name}/${typeof jti === 'string' ? jti : ''}`,
    subject: `${provider.name}/${subject}`,
    tenant,
    scopes,
    patient: patient as string | undefined,
    // An absolute address may be of another server: the same id there is somebody else.
    ...(isUserReference(payload[claims.fhirUser]) ? { fhirUser: payload[claims.fhirUser] } : {}),
    expiresAt: exp * 1000,
  };
}

async function keysOf(
  { jwksUrl, keys = [] }: OidcProvider,
  cache: JwksCache,
  kid: string,
  algorithm: KeyAlgorithm,
): Promise<readonly ClientKey[]> {
  if (jwksUrl === undefined) return keys.filter((k) => k.kid === kid && k.algorithms.includes(algorithm));
  try {
    return await cache.keys(jwksUrl, kid, algorithm);
  } catch (error) {
    throw refused(isFault(error) ? `key set: ${error.log ?? ''}` : 'key set');
  }
}

function refused(log: string): Fault {
  return new Fault('unauthenticated', 'The access token is not valid here.', {
    remedy: 'Get a new token for this tenant.',
    log: `OpenID provider: ${log}`,
  });
}
