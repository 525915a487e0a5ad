import { createHash, createPrivateKey, generateKeyPair, type JsonWebKey, type KeyObject } from 'node:crypto';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';
import jwt from 'jsonwebtoken';
import type { Clock } from '../core/clock.js';
import { Fault } from '../core/fault.js';
import { createSecretFile, readSecretFile } from './secret-file.js';

/**
 * Identity tokens (OpenID Connect Core 1.0, 2) for apps whose user signed in, and the keys that sign them. SMART asks for
 * RS256 of every server that issues any. Issuers differ by tenant and the keys do not: an issuer's keys so tell nobody
 * whether there is such a tenant.
 */
export const ID_TOKEN_ALGORITHM = 'RS256';
export const ID_TOKEN_LIFE_S = 3_600;
const RSA_BITS = 2048;
const MAX_KEYS = 10;

export interface IdTokenRequest {
  readonly issuer: string;
  readonly subject: string;
  /** The client it is for. */
  readonly client: string;
  readonly nonce?: string | undefined;
  /** Absolute address of the user's resource. */
  readonly fhirUser?: string | undefined;
  /** Whether `profile`, the name that SMART 1 gave to the same address, was asked for too. */
  readonly profile?: boolean;
}

export interface IdTokens {
  issue(request: IdTokenRequest): Promise<string>;
  /** Public keys, the one in use first (RFC 7517). */
  jwks(): Promise<{ readonly keys: readonly JsonWebKey[] }>;
}

interface SigningKey {
  readonly kid: string;
  readonly key: KeyObject;
  readonly shown: JsonWebKey;
}

/**
 * @param file JWKS of private RSA keys, mode 0600: the first signs, all are published, so that a new one is put in front
 * and an old one taken out an hour later. It is made when the first token is asked for. Undefined: keys of this process alone.
 */
export function createIdTokens(file: string | undefined, clock: Clock): IdTokens {
  let opening: Promise<readonly SigningKey[]> | undefined;
  const keys = () => {
    opening ??= openKeys(file).catch((error: unknown) => {
      opening = undefined;
      throw error;
    });
    return opening;
  };
  return {
    async issue({ issuer, subject, client, nonce, fhirUser, profile }) {
      const [signing] = await keys();
      const now = Math.floor(clock.now() / 1000);
      const claims = {
        iss: issuer,
        sub: subject,
        aud: client,
        iat: now,
        exp: now + ID_TOKEN_LIFE_S,
        ...(nonce === undefined ? {} : { nonce }),
        ...(fhirUser === undefined ? {} : { fhirUser }),
        ...(fhirUser === undefined || !profile ? {} : { profile: fhirUser }),
      };
      return jwt.sign(claims, signing!.key, {
        algorithm: ID_TOKEN_ALGORITHM,
        header: { alg: ID_TOKEN_ALGORITHM, typ: 'JWT', kid: signing!.kid },
      });
    },
    jwks: async () => ({ keys: (await keys()).map((k) => k.shown) }),
  };
}

async function openKeys(file: string | undefined): Promise<readonly SigningKey[]> {
  if (file === undefined) return [signingKey(await newKey())];
  // Of two processes that make one at the same moment the first wins, and both read that.
  if (!existsSync(file)) createSecretFile(file, `${JSON.stringify({ keys: [await newKey()] }, null, 2)}\n`);
  const damaged = (cause?: unknown) =>
    new Fault('integrity', `The keys of identity tokens in ${file} are damaged.`, {
      remedy:
        'Put the file back, or delete it: a new key is made, and the tokens of the last hour no longer count.',
      cause,
    });
  try {
    const { keys } = JSON.parse(readSecretFile(file).toString('utf8')) as { keys: JsonWebKey[] };
    if (keys.length === 0 || keys.length > MAX_KEYS) throw damaged();
    return keys.map(signingKey);
  } catch (error) {
    throw error instanceof Fault ? error : damaged(error);
  }
}

async function newKey(): Promise<JsonWebKey> {
  const { privateKey } = await promisify(generateKeyPair)('rsa', { modulusLength: RSA_BITS });
  return privateKey.export({ format: 'jwk' });
}

function signingKey(jwk: JsonWebKey): SigningKey {
  const key = createPrivateKey({ key: jwk, format: 'jwk' });
  if (key.asymmetricKeyType !== 'rsa' || (key.asymmetricKeyDetails?.modulusLength ?? 0) < RSA_BITS)
    throw new Error('no RSA key');
  const { kty, n, e } = jwk;
  // RFC 7638: the same name in every process.
  const kid = createHash('sha256').update(JSON.stringify({ e, kty, n })).digest('base64url');
  return { kid, key, shown: { kty, n, e, kid, use: 'sig', alg: ID_TOKEN_ALGORITHM } };
}
