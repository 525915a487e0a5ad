import { createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto';
import { lookup as lookUp } from 'node:dns/promises';
import { type RequestOptions, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { isIP } from 'node:net';
import type { Clock } from '../core/clock.js';
import { Fault, invalid } from '../core/fault.js';
import { checkAtConnect, isPublicAddress, pinnedLookup } from '../core/public-address.js';

/** Bytes of a key set, and keys in it. */
export const MAX_JWKS_BYTES = 64 * 1024;
export const MAX_JWKS_KEYS = 100;
/** For the whole fetch, names looked up and handshake included. */
const FETCH_MS = 5_000;
/** How long a fetched set counts where its server says nothing, and at most. */
const DEFAULT_AGE_MS = 5 * 60_000;
const MAX_AGE_MS = 15 * 60_000;
/** A key id that is not in the set makes it be fetched again, so that a new key works at once; but not more often than this. */
const REFETCH_AFTER_MS = 10_000;
const MAX_CACHED_SETS = 500;
const MIN_RSA_BITS = 2048;

/** What a client may sign with. Both are asked for by SMART's asymmetric authentication. */
export const ASSERTION_ALGORITHMS = ['RS384', 'ES384'] as const;
export type AssertionAlgorithm = (typeof ASSERTION_ALGORITHMS)[number];

/** Algorithms that a public key may be for; none with a shared secret. */
export const KEY_ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
] as const;
export type KeyAlgorithm = (typeof KEY_ALGORITHMS)[number];
const OF_RSA = KEY_ALGORITHMS.filter((a) => !a.startsWith('ES'));
const OF_CURVE: Readonly<Record<string, readonly KeyAlgorithm[]>> = {
  'P-256': ['ES256'],
  'P-384': ['ES384'],
};

/** A public key of a client or of an identity provider. */
export interface ClientKey {
  readonly kid: string;
  /** What it may verify: what its set says it is for, else what its kind can. */
  readonly algorithms: readonly KeyAlgorithm[];
  readonly key: KeyObject;
}

/**
 * Reads a key set (RFC 7517). Keys of other kinds and uses are left out; one that holds a private or a shared secret
 * makes the whole set refused, since whoever published it must know.
 * @throws Fault `invalid`
 */
export function readJwks(value: unknown): ClientKey[] {
  const keys = (value as { keys?: unknown } | null)?.keys;
  if (!Array.isArray(keys)) throw invalid('The key set has no keys.', 'jwks', 'Give a JWKS: {"keys":[…]}.');
  if (keys.length > MAX_JWKS_KEYS)
    throw new Fault('too-large', `The key set has more than ${MAX_JWKS_KEYS} keys.`, { at: 'jwks' });
  return keys.flatMap((key: unknown, i) => readKey(key, `jwks.keys[${i}]`));
}

function readKey(value: unknown, at: string): ClientKey[] {
  if (typeof value !== 'object' || value === null) throw invalid('A key is no object.', at);
  const jwk = value as Record<string, unknown>;
  if (jwk.kty === 'oct' || ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k'].some((secret) => secret in jwk))
    throw invalid(
      'The key set holds a private key.',
      at,
      'Publish the public key alone, and make a new pair: this one has been seen.',
    );
  if (typeof jwk.kid !== 'string' || jwk.kid === '' || jwk.kid.length > 200) return [];
  if (jwk.use !== undefined && jwk.use !== 'sig') return [];
  const possible = jwk.kty === 'RSA' ? OF_RSA : jwk.kty === 'EC' ? (OF_CURVE[String(jwk.crv)] ?? []) : [];
  const algorithms = possible.filter((a) => jwk.alg === undefined || jwk.alg === a);
  if (algorithms.length === 0) return [];
  let key: KeyObject;
  try {
    key = createPublicKey({ key: jwk as JsonWebKey, format: 'jwk' });
  } catch (cause) {
    throw new Fault('invalid', 'A key cannot be read.', { at, cause });
  }
  if (jwk.kty === 'RSA' && (key.asymmetricKeyDetails?.modulusLength ?? 0) < MIN_RSA_BITS)
    throw invalid(`An RSA key has less than ${MIN_RSA_BITS} bits.`, at);
  return [{ kid: jwk.kid, algorithms, key }];
}

/** Whether a key set may stand there: on the open internet, at an address that carries no other inside. */
export function mayServeKeySet(address: string): boolean {
  return isPublicAddress(address) && !/^::ffff:/i.test(address);
}

/**
 * Checks the address of a key set.
 * @param trusted origins that may stand on a private network or speak plain HTTP
 * @throws Fault `invalid`
 */
export function checkJwksUrl(text: string, trusted: ReadonlySet<string>): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const ok =
    url !== undefined &&
    text.length <= 1_000 &&
    url.username === '' &&
    url.password === '' &&
    url.hash === '' &&
    (url.protocol === 'https:' || (url.protocol === 'http:' && trusted.has(url.origin)));
  if (!ok)
    throw invalid('The address of the key set is not one that is fetched.', 'jwks_url', 'Give an https URL.');
  return url;
}

export interface FetchedJwks {
  readonly keys: readonly ClientKey[];
  readonly maxAgeMs: number;
}

/**
 * Fetches a key set: one request, no redirect, to an address that was looked up and checked before, so that a name that
 * answers differently the second time leads nowhere.
 * @throws Fault `unavailable` | `invalid`
 */
export async function fetchJwks(text: string, trusted: ReadonlySet<string>): Promise<FetchedJwks> {
  const url = checkJwksUrl(text, trusted);
  const signal = AbortSignal.timeout(FETCH_MS);
  const address = await addressOf(url, trusted.has(url.origin));
  return new Promise((resolve, reject) => {
    const fail = (why: string) =>
      reject(
        new Fault('unavailable', 'The key set of the client cannot be fetched.', {
          at: 'jwks_url',
          remedy: 'Check that its address answers with a JWKS.',
          log: why,
        }),
      );
    const options: RequestOptions = {
      method: 'GET',
      headers: { Accept: 'application/json', Connection: 'close' },
      agent: false,
      signal,
      lookup: pinnedLookup(address, isIP(address)),
    };
    const send = url.protocol === 'https:' ? requestHttps : requestHttp;
    const request = send(url, options, (answer) => {
      if (answer.statusCode !== 200) {
        answer.destroy();
        fail(`status ${answer.statusCode}`);
        return;
      }
      const chunks: Buffer[] = [];
      let size = 0;
      answer.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (size > MAX_JWKS_BYTES) {
          answer.destroy();
          fail('too large');
        } else chunks.push(chunk);
      });
      answer.on('error', () => fail('broken off'));
      answer.on('end', () => {
        try {
          const keys = readJwks(JSON.parse(Buffer.concat(chunks).toString('utf8')));
          resolve({ keys, maxAgeMs: maxAge(answer.headers['cache-control']) });
        } catch {
          fail('no key set');
        }
      });
    });
    if (!trusted.has(url.origin)) checkAtConnect(request, mayServeKeySet);
    request.on('error', (error) => fail((error as { code?: string }).code ?? error.name));
    request.end();
  });
}

async function addressOf(url: URL, trusted: boolean): Promise<string> {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const found = await lookUp(host, { all: true, verbatim: true }).catch(() => []);
  const refused = found.length === 0 || (!trusted && found.some((a) => !mayServeKeySet(a.address)));
  if (refused)
    throw new Fault('unavailable', 'The key set of the client cannot be fetched.', {
      at: 'jwks_url',
      remedy: 'Its address must lead to the open internet, or its origin stand in CENOTE_JWKS_ORIGINS.',
      log: found.length === 0 ? 'name not known' : 'private address',
    });
  return found[0]!.address;
}

/** A set is never kept longer than its Cache-Control permits. */
function maxAge(header: string | undefined): number {
  if (header === undefined) return DEFAULT_AGE_MS;
  if (/\bno-(?:store|cache)\b/i.test(header)) return 0;
  const seconds = /\bmax-age=(\d{1,9})\b/i.exec(header)?.[1];
  return seconds === undefined ? DEFAULT_AGE_MS : Math.min(Number(seconds) * 1000, MAX_AGE_MS);
}

export interface JwksCache {
  /** The keys with this id and algorithm, fetched again where there is none. @throws Fault `unavailable` */
  keys(url: string, kid: string, algorithm: KeyAlgorithm): Promise<ClientKey[]>;
}

interface Kept {
  readonly set: Promise<FetchedJwks>;
  readonly at: number;
}

export function createJwksCache(
  clock: Clock,
  trusted: ReadonlySet<string>,
  fetch: (url: string, trusted: ReadonlySet<string>) => Promise<FetchedJwks> = fetchJwks,
): JwksCache {
  const kept = new Map<string, Kept>();

  function fetched(url: string): Kept {
    if (kept.size >= MAX_CACHED_SETS) kept.delete(kept.keys().next().value!);
    const entry: Kept = { set: fetch(url, trusted), at: clock.now() };
    kept.delete(url);
    kept.set(url, entry);
    // What failed is tried again at the next request, though not by every one of a flood.
    entry.set.catch(() => {});
    return entry;
  }

  return {
    async keys(url, kid, algorithm) {
      const matching = (set: FetchedJwks) =>
        set.keys.filter((k) => k.kid === kid && k.algorithms.includes(algorithm));
      let entry = kept.get(url);
      const age = entry ? clock.now() - entry.at : 0;
      if (entry) {
        const set = await entry.set.catch(() => undefined);
        if (!set && age >= 1_000) entry = undefined;
        else if (set && age >= set.maxAgeMs) entry = undefined;
        else if (set && matching(set).length === 0 && age >= REFETCH_AFTER_MS) entry = undefined;
      }
      entry ??= fetched(url);
      return matching(await entry.set);
    },
  };
}
