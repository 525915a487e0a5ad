import type { IncomingHttpHeaders } from 'node:http';
import { Fault } from '../core/fault.js';
import type { Resource } from '../core/resource.js';
import type { FhirRequest, FhirResponse, Handler } from './exchange.js';
import { acceptedTypes, isFhirFormat, type Pair } from './negotiate.js';

/**
 * A Binary is read and written as its content itself, unless a FHIR format is asked for or sent
 * (R4 http.html#binary, binary.html#rest).
 */

/** Reference that decides who may see the content, on requests and answers (R4 binary.html#security). */
const SECURITY_CONTEXT = 'x-security-context';

/** `Binary.contentType` as it may be sent back in a header: a media type with parameters, nothing else. */
const MEDIA_TYPE = /^[\w.+-]+\/[\w.+-]+(?:; ?[\w.+-]+=(?:[\w.+:-]+|"[\w.+: -]*"))*$/;
const MAX_MEDIA_TYPE = 200;
const OCTETS = 'application/octet-stream';

/** What a browser may show where it is; all else it saves, so that no content is taken for a page of this server. */
const SHOWN = /^(?:image\/(?:png|jpeg|gif|webp)|text\/plain|application\/pdf)(?:;|$)/;

/** Whether an address is that of a Binary or of one of its versions. */
export const BINARY_PATH = /^\/Binary\/[^/$_][^/]*(?:\/_history\/[^/]+)?$/;

/** Whether a read asks for the content: it names no FHIR format, neither by `_format` nor by `Accept`. */
export function asksForContent(headers: IncomingHttpHeaders, params: readonly Pair[]): boolean {
  return !params.some(([name]) => name === '_format') && !acceptedTypes(headers).some(isFhirFormat);
}

/** A read or vread that answers with the content where it is asked for; other types and answers as they are. */
export function withContent(read: Handler): Handler {
  return async (request) => {
    const answer = await read(request);
    const { resource } = answer;
    if (resource?.resourceType !== 'Binary' || !asksForContent(request.headers, request.params))
      return answer;
    return { ...answer, ...contentOf(resource) };
  };
}

function contentOf({ contentType, data, securityContext }: Resource): Partial<FhirResponse> {
  const type = typeof contentType === 'string' && MEDIA_TYPE.test(contentType) ? contentType : OCTETS;
  const context = (securityContext as { reference?: unknown } | undefined)?.reference;
  return {
    bytes: Buffer.from(typeof data === 'string' ? data : '', 'base64'),
    headers: {
      'Content-Type': type,
      'Content-Disposition': SHOWN.test(type.toLowerCase()) ? 'inline' : 'attachment',
      'Content-Security-Policy': "sandbox; default-src 'none'; frame-ancestors 'none'",
      ...(typeof context === 'string' && /^[\x21-\x7e]+$/.test(context)
        ? { 'X-Security-Context': context }
        : {}),
    },
  };
}

/**
 * The Binary that a request's body stands for, under the id of its address.
 * @throws Fault `invalid` where the header is no media type or no reference.
 */
export function binaryOf(request: FhirRequest, content: Buffer): Resource {
  const contentType = (request.headers['content-type'] ?? OCTETS).trim().replace(/\s*;\s*/g, '; ');
  if (contentType.length > MAX_MEDIA_TYPE || !MEDIA_TYPE.test(contentType))
    throw new Fault('invalid', 'The Content-Type of the content is not a media type.', {
      at: 'Content-Type',
      remedy: 'Send one such as application/pdf.',
    });
  const context = request.headers[SECURITY_CONTEXT];
  const { id } = request.at;
  return {
    resourceType: 'Binary',
    ...(id === undefined ? {} : { id }),
    contentType,
    ...(context === undefined ? {} : { securityContext: { reference: String(context) } }),
    data: content.toString('base64'),
  };
}
