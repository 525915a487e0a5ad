import type { IncomingMessage, ServerResponse } from 'node:http';

const METHODS = 'GET, HEAD, POST, PUT, PATCH, DELETE';
const REQUEST_HEADERS = [
  'Accept',
  'Authorization',
  'Content-Type',
  'Idempotency-Key',
  'If-Match',
  'If-Modified-Since',
  'If-None-Exist',
  'If-None-Match',
  'Prefer',
  'X-Request-Id',
].join(', ');
const EXPOSED_HEADERS = 'Content-Location, ETag, Last-Modified, Location, X-Request-Id';
const PREFLIGHT_AGE_S = '600';

/**
 * Lets browser apps of the configured origins call the API (Fetch standard, CORS). No wildcard and no credentials:
 * the token is the app's own to send.
 * @returns true when the request was a preflight and is answered.
 */
export function cors(
  request: IncomingMessage,
  response: ServerResponse,
  origins: ReadonlySet<string>,
): boolean {
  const { origin } = request.headers;
  const preflight =
    request.method === 'OPTIONS' && request.headers['access-control-request-method'] !== undefined;
  if (origin === undefined || !origins.has(origin)) return false;
  response.setHeader('Access-Control-Allow-Origin', origin);
  response.setHeader('Access-Control-Expose-Headers', EXPOSED_HEADERS);
  if (!preflight) return false;
  response
    .writeHead(204, {
      'Access-Control-Allow-Methods': METHODS,
      'Access-Control-Allow-Headers': REQUEST_HEADERS,
      'Access-Control-Max-Age': PREFLIGHT_AGE_S,
      Vary: 'Origin',
    })
    .end();
  return true;
}
