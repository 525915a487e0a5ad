import type { ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { stringifyJson } from '../core/json.js';
import type { Resource } from '../core/resource.js';
import { etag, type FhirResponse, httpDate } from './exchange.js';
import type { Prefer } from './negotiate.js';

const compress = promisify(gzip);

/** Two years, as browsers' own lists of such hosts ask for. */
export const STRICT_TRANSPORT = 'max-age=63072000; includeSubDomains';

/** Answers smaller than this are sent plain: compressing them costs more than it saves. */
const MIN_GZIP_BYTES = 8 * 1024;

/**
 * On every answer: records are never cached by anyone (S-56), never sniffed for another type, and a browser that
 * shows one runs nothing in it.
 */
export const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  'Cache-Control': 'no-store',
  'X-Content-Type-Options': 'nosniff',
  'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
  'Referrer-Policy': 'no-referrer',
};

export interface RenderContext {
  readonly head: boolean;
  readonly contentType: string;
  readonly pretty: boolean;
  readonly prefer: Prefer;
  readonly acceptsGzip: boolean;
  readonly requestId: string;
}

/** Writes an answer. R4 http.html: Location on every create, ETag and Last-Modified of versions, Prefer of writes. */
export async function respond(
  to: ServerResponse,
  answer: FhirResponse,
  context: RenderContext,
): Promise<void> {
  const headers: Record<string, string> = {
    ...SECURITY_HEADERS,
    'X-Request-Id': context.requestId,
    ...answer.headers,
  };
  if (answer.version !== undefined && answer.version > 0) headers.ETag = etag(answer.version);
  if (answer.lastUpdated !== undefined) headers['Last-Modified'] = httpDate(answer.lastUpdated);
  if (answer.location !== undefined) {
    headers.Location = answer.location;
    headers['Content-Location'] = answer.location;
  }
  if (answer.stream) {
    to.writeHead(answer.status, headers);
    if (context.head) {
      answer.stream.destroy();
      to.end();
      // A failure on the way ends the connection, so that nobody takes a part for the whole.
    } else await pipeline(answer.stream, to);
    return;
  }
  if (answer.bytes) {
    headers.Vary = 'Accept, Origin';
    headers['Content-Length'] = String(answer.bytes.length);
    to.writeHead(answer.status, headers).end(context.head ? undefined : answer.bytes);
    return;
  }
  const content = answer.json ?? bodyOf(answer, context.prefer);
  if (content === undefined) {
    if (answer.status !== 204 && answer.status !== 304) headers['Content-Length'] = '0';
    to.writeHead(answer.status, headers).end();
    return;
  }
  const text = stringifyJson(content, context.pretty ? 2 : undefined);
  let bytes: Buffer = Buffer.from(text, 'utf8');
  headers['Content-Type'] =
    answer.json === undefined
      ? (answer.contentType ?? context.contentType)
      : 'application/json; charset=utf-8';
  headers.Vary = 'Accept, Accept-Encoding, Origin, Prefer';
  if (context.acceptsGzip && bytes.length >= MIN_GZIP_BYTES) {
    bytes = await compress(bytes, { level: 4 });
    headers['Content-Encoding'] = 'gzip';
  }
  headers['Content-Length'] = String(bytes.length);
  to.writeHead(answer.status, headers);
  if (context.head) to.end();
  else to.end(bytes);
}

function bodyOf(answer: FhirResponse, prefer: Prefer): Resource | undefined {
  if (!answer.written) return answer.resource;
  if (prefer.return === 'minimal') return undefined;
  if (prefer.return === 'OperationOutcome') {
    const text = answer.status === 201 ? 'Created.' : 'Stored.';
    return {
      resourceType: 'OperationOutcome',
      issue: [{ severity: 'information', code: 'informational', diagnostics: text }],
    };
  }
  return answer.resource;
}

/** Whether the caller takes gzip (RFC 9110, 12.5.3). */
export function acceptsGzip(header: string | string[] | undefined): boolean {
  if (header === undefined) return false;
  return /(?:^|,)\s*(?:gzip|\*)\s*(?:;\s*q=(?!0(?:\.0+)?\s*(?:,|$))[\d.]+)?\s*(?:,|$)/i.test(String(header));
}
