import jwt from 'jsonwebtoken';
import type { Clock } from '../core/clock.js';
import { Fault } from '../core/fault.js';
import type { Client, Clients } from './clients.js';
import {
  ASSERTION_ALGORITHMS,
  type AssertionAlgorithm,
  type ClientKey,
  type JwksCache,
  readJwks,
} from './clients-jwks.js';
import { decodeToken } from './decode-token.js';
import type { TokenTenant } from './tokens.js';

/** SMART: the authentication JWT counts for at most five minutes. */
const MAX_ASSERTION_LIFE_S = 300;
const CLOCK_SKEW_S = 30;
const MAX_ASSERTION_CHARS = 8_192;
const MAX_JTI_CHARS = 200;
/** What a key id looks like before it is compared with those registered. */
const KID = /^[\x21-\x7e]{1,200}$/;

export interface AssertionDeps {
  readonly clients: Clients;
  readonly keys: JwksCache;
  readonly clock: Clock;
}

/**
 * Checks the assertion by which a client proves who it is (SMART asymmetric authentication; RFC 7523, 3). Everything the
 * assertion says of keys is compared with what was registered, and leads nowhere by itself.
 * @param audiences addresses of the token endpoint, any of which it may be made for
 * @throws Fault `unauthenticated`, one message for all reasons; the log says which.
 */
export async function authenticateByAssertion(
  { clients, keys, clock }: AssertionDeps,
  tenant: TokenTenant,
  assertion: string,
  audiences: readonly string[],
): Promise<Client> {
  if (assertion.length > MAX_ASSERTION_CHARS || !/^[\w-]+\.[\w-]+\.[\w-]+$/.test(assertion))
    throw refused('form');
  const decoded = decodeToken(assertion);
  if (!decoded) throw refused('form');
  const header: Record<string, unknown> = { ...decoded.header };
  const algorithm = ASSERTION_ALGORITHMS.find((a) => a === header.alg);
  if (!algorithm) throw refused('algorithm');
  if (header.typ !== 'JWT') throw refused('type');
  if (header.crit !== undefined) throw refused('critical headers');
  const { kid } = header;
  if (typeof kid !== 'string' || !KID.test(kid)) throw refused('key id');
  const { iss, sub } = decoded.payload;
  if (typeof iss !== 'string' || iss !== sub) throw refused('issuer');
  const client = await clients.find(tenant, iss);
  if (!client || client.revokedAt !== undefined || client.auth !== 'private_key_jwt') throw refused('client');
  if (header.jku !== undefined && header.jku !== client.jwksUrl) throw refused('key address');

  const found = await keysOf(keys, client, kid, algorithm);
  // None, or several that nothing tells apart, is a failure (SMART, "Signature Verification").
  if (found.length !== 1) throw refused('key');
  const payload = verified(assertion, found[0]!, algorithm, clock);
  const now = Math.floor(clock.now() / 1000);
  const { exp, iat, nbf, aud, jti } = payload;
  if (!isSeconds(exp) || exp > now + MAX_ASSERTION_LIFE_S + CLOCK_SKEW_S) throw refused('expiry');
  if (iat !== undefined && (!isSeconds(iat) || iat > now + CLOCK_SKEW_S)) throw refused('issued');
  if (nbf !== undefined && (!isSeconds(nbf) || nbf > now + CLOCK_SKEW_S)) throw refused('not before');
  const only: unknown = Array.isArray(aud) && aud.length === 1 ? aud[0] : aud;
  if (typeof only !== 'string' || !audiences.includes(only)) throw refused('audience');
  if (typeof jti !== 'string' || jti === '' || jti.length > MAX_JTI_CHARS) throw refused('jti');
  const first = await clients.useOnce(
    `assertion/${tenant.id}/${client.id}`,
    jti,
    (exp + 2 * CLOCK_SKEW_S) * 1000,
  );
  if (!first) throw refused('replayed');
  return client;
}

async function keysOf(
  cache: JwksCache,
  client: Client,
  kid: string,
  algorithm: AssertionAlgorithm,
): Promise<ClientKey[]> {
  if (client.jwksUrl !== undefined) {
    try {
      return await cache.keys(client.jwksUrl, kid, algorithm);
    } catch (error) {
      throw refused(error instanceof Fault ? `key set: ${error.log ?? ''}` : 'key set');
    }
  }
  return readJwks(client.jwks).filter((k) => k.kid === kid && k.algorithms.includes(algorithm));
}

function verified(
  assertion: string,
  { key }: ClientKey,
  algorithm: AssertionAlgorithm,
  clock: Clock,
): jwt.JwtPayload {
  try {
    const payload = jwt.verify(assertion, key, {
      algorithms: [algorithm],
      clockTimestamp: Math.floor(clock.now() / 1000),
      clockTolerance: CLOCK_SKEW_S,
    });
    if (typeof payload === 'string') throw refused('payload');
    return payload;
  } catch (error) {
    throw error instanceof Fault ? error : refused(error instanceof Error ? error.message : 'signature');
  }
}

function isSeconds(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0;
}

function refused(log: string): Fault {
  return new Fault('unauthenticated', 'The client could not be authenticated.', {
    remedy: 'Sign the assertion anew with a registered key, for this token endpoint.',
    log: `assertion: ${log}`,
  });
}
