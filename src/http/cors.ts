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
const MAX_ORIGIN_CHARS = 300;

/**
 * Lets browser apps call the API (Fetch standard, CORS; SMART App Launch 2.2, "Considerations for cross-origin resource
 * sharing"): what tells them where to go, from every origin; the rest from those that may. No credentials: the token is
 * the app's own to send.
 * @returns true when the request was a preflight and is answered.
 */
export async function cors(
  request: IncomingMessage,
  response: ServerResponse,
  { open, mayCall }: { open: boolean; mayCall(origin: string): Promise<boolean> },
): Promise<boolean> {
  const { origin } = request.headers;
  if (origin === undefined || origin.length > MAX_ORIGIN_CHARS) return false;
  const preflight =
    request.method === 'OPTIONS' && request.headers['access-control-request-method'] !== undefined;
  if (!open && !(await mayCall(origin))) return false;
  response.setHeader('Access-Control-Allow-Origin', open ? '*' : origin);
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
