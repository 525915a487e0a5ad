import { lookup } from 'node:dns/promises';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { isIP } from 'node:net';
import { posix } from 'node:path';
import { Readable } from 'node:stream';
import { Fault, invalid, isFault } from '../core/fault.js';
import { checkAtConnect, isPublicAddress, pinnedLookup } from '../core/public-address.js';
import type { SourceFile } from './source.js';

/** Whom this server may fetch from. Nobody, unless the operator says so. */
export interface RemotePolicy {
  /** Origins, as `new URL(…).origin` writes them: `https://data.example.org`. Compared exactly. */
  readonly origins: readonly string[];
  /** Those among them that may stand at private addresses and speak plain HTTP: a store in the house. */
  readonly privateOrigins: readonly string[];
}

/** Bytes of one remote file, as sent. */
export const MAX_REMOTE_BYTES = 64 * 1024 * 1024 * 1024;
const MAX_URL_CHARS = 4_000;
const MAX_REDIRECTS = 3;
/** The answer must begin within this time, and never pause for longer, in ms. */
const SILENCE_MS = 30_000;
/** One file takes at most this long, in ms. */
const WHOLE_MS = 6 * 3600_000;

/**
 * Reads an address that a caller wants fetched. Its origin must be one that the operator named, letter for letter.
 * @throws Fault `invalid`, `forbidden`; neither repeats the address, which may hold a signature.
 */
export function checkRemote(text: unknown, policy: RemotePolicy, at?: string): URL {
  if (typeof text !== 'string' || text.length > MAX_URL_CHARS || !URL.canParse(text))
    throw invalid('This is no address.', at, 'Give an absolute URL.');
  const url = new URL(text);
  if (url.username !== '' || url.password !== '')
    throw invalid('An address must not hold a name or password.', at, 'Use a signed address.');
  const inHouse = policy.privateOrigins.includes(url.origin);
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && inHouse))
    throw invalid('Files are fetched by https only.', at, 'Give an https address.');
  if (!inHouse && !policy.origins.includes(url.origin))
    throw new Fault('forbidden', 'This server may not fetch from that host.', {
      at,
      remedy: 'Ask the operator to add its origin to CENOTE_IMPORT_ORIGINS, or upload the file.',
    });
  return url;
}

/** The address to connect to: resolved once, all of its addresses looked at, and the connection made to that one. */
async function pinned(url: URL, policy: RemotePolicy): Promise<{ address: string; family: number }> {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  let found: { address: string; family: number }[];
  try {
    found = isIP(host) ? [{ address: host, family: isIP(host) }] : await lookup(host, { all: true });
  } catch (cause) {
    throw new Fault('unavailable', 'The host of an input cannot be found.', { cause });
  }
  const open = policy.privateOrigins.includes(url.origin);
  // One address inside is enough to refuse: the next look-up might have answered with that one.
  if (!open && found.some(({ address }) => !isPublicAddress(address)))
    throw new Fault('unsupported', 'The host of an input stands at an address that is not public.', {
      remedy: 'Ask the operator to add its origin to CENOTE_IMPORT_PRIVATE_ORIGINS.',
    });
  const [first] = found;
  if (!first) throw new Fault('unavailable', 'The host of an input has no address.');
  return first;
}

function answerOf(
  url: URL,
  { address, family }: { address: string; family: number },
  open: boolean,
  signal: AbortSignal,
) {
  return new Promise<IncomingMessage>((resolve, reject) => {
    const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
    const request = send(url, {
      method: 'GET',
      // No token of ours or of the caller's goes along.
      headers: { accept: 'application/fhir+ndjson, application/json;q=0.9, */*;q=0.5' },
      agent: false,
      signal,
      lookup: pinnedLookup(address, family),
    });
    if (!open) checkAtConnect(request, isPublicAddress);
    request.setTimeout(SILENCE_MS, () => request.destroy(new Error('silence')));
    request.on('response', resolve);
    request.on('error', reject);
    request.end();
  });
}

/** Opens an address after every check; redirects are checked as if they had been given. */
async function fetchRemote(
  text: string,
  policy: RemotePolicy,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  let url = checkRemote(text, policy);
  for (let hops = 0; ; hops++) {
    let answer: IncomingMessage;
    try {
      const open = policy.privateOrigins.includes(url.origin);
      answer = await answerOf(url, await pinned(url, policy), open, signal);
    } catch (cause) {
      if (isFault(cause)) throw cause;
      throw new Fault('unavailable', 'An input could not be fetched.', {
        cause,
        remedy: 'Resume the import.',
      });
    }
    const { statusCode = 0, headers } = answer;
    if (statusCode >= 300 && statusCode < 400 && headers.location !== undefined) {
      answer.destroy();
      if (hops >= MAX_REDIRECTS) throw new Fault('invalid', 'An input redirects too often.');
      url = redirected(headers.location, url, policy);
      continue;
    }
    if (statusCode === 200) return answer;
    answer.destroy();
    if (statusCode >= 500 || statusCode === 429)
      throw new Fault('unavailable', `The host of an input answers with ${statusCode}.`, {
        remedy: 'Resume the import later.',
      });
    throw new Fault('not-found', `The host of an input answers with ${statusCode}.`, {
      remedy: 'Check the address; a signed one may have expired.',
    });
  }
}

/** Where a redirect leads, checked as if it had been given; one that may not be followed is a fault of that file alone. */
function redirected(location: string, from: URL, policy: RemotePolicy): URL {
  try {
    return checkRemote(new URL(location, from).href, policy);
  } catch (cause) {
    throw new Fault('unsupported', 'An input redirects to where this server may not fetch from.', { cause });
  }
}

async function* remoteBytes(text: string, policy: RemotePolicy): AsyncGenerator<Buffer> {
  const signal = AbortSignal.timeout(WHOLE_MS);
  const answer = await fetchRemote(text, policy, signal);
  let size = 0;
  try {
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > MAX_REMOTE_BYTES) throw new Fault('too-large', 'An input is larger than 64 GB.');
      yield chunk;
    }
  } catch (cause) {
    if (isFault(cause)) throw cause;
    throw new Fault('unavailable', 'An input ended before its end.', { cause, remedy: 'Resume the import.' });
  } finally {
    answer.destroy();
  }
  // A connection that was cut must not pass for a short file.
  const declared = Number(answer.headers['content-length'] ?? size);
  if (declared !== size)
    throw new Fault('unavailable', 'An input ended before its end.', { remedy: 'Resume the import.' });
}

/** A file of another server. It is fetched anew each time it is opened; nothing of it is written to a disk. */
export function remoteFile(address: string, policy: RemotePolicy, path: string, name?: string): SourceFile {
  const url = checkRemote(address, policy);
  return {
    path,
    name: name ?? (posix.basename(decodeURI(url.pathname)) || 'input'),
    size: 0,
    open: () => Readable.from(remoteBytes(address, policy), { objectMode: false }),
  };
}
