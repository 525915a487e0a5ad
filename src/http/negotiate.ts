import type { IncomingHttpHeaders } from 'node:http';
import { HttpFault } from './outcome.js';

export type Pair = readonly [name: string, value: string];

export interface Prefer {
  readonly return?: 'minimal' | 'representation' | 'OperationOutcome';
  readonly handling?: 'strict' | 'lenient';
}

/** `Prefer` (RFC 7240; R4 http.html#ops and search.html#errors). Unknown preferences are ignored, as the RFC says. */
export function parsePrefer(header: string | string[] | undefined): Prefer {
  const text = Array.isArray(header) ? header.join(',') : (header ?? '');
  const out: { return?: Prefer['return']; handling?: Prefer['handling'] } = {};
  for (const part of text.slice(0, 1000).split(/[,;]/)) {
    const [name, value] = part.split('=').map((s) => s.trim().replace(/^"|"$/g, ''));
    if (name === 'return' && out.return === undefined) {
      if (value === 'minimal' || value === 'representation' || value === 'OperationOutcome')
        out.return = value;
    } else if (name === 'handling' && out.handling === undefined) {
      if (value === 'strict' || value === 'lenient') out.handling = value;
    }
  }
  return out;
}

const FHIR_JSON = 'application/fhir+json; charset=utf-8';
const PLAIN_JSON = 'application/json; charset=utf-8';

const notAcceptable = (remedy: string) =>
  new HttpFault(406, 'The representation asked for is not available.', { remedy });

const NDJSON = new Set(['application/fhir+ndjson', 'application/ndjson', 'application/x-ndjson']);
const VERSIONS = new Set(['4.0', '4.0.0', '4.0.1']);

interface MediaRange {
  readonly type: string;
  readonly q: number;
  readonly fhirVersion: string | undefined;
}

function parseAccept(text: string): MediaRange[] {
  return text
    .slice(0, 2000)
    .split(',')
    .map((range) => {
      const [type = '', ...rest] = range.split(';').map((s) => s.trim().toLowerCase());
      let q = 1;
      let fhirVersion: string | undefined;
      for (const parameter of rest) {
        const [name, value = ''] = parameter.split('=');
        if (name === 'q') q = Number(value);
        if (name === 'fhirversion') fhirVersion = value.replaceAll('"', '');
      }
      return { type, q: Number.isFinite(q) ? q : 0, fhirVersion };
    });
}

/**
 * Content type of the answer: `_format` outweighs `Accept` (R4 http.html#mime-type).
 * With `ndjson` a request for lines of JSON is as good: only a refusal is then of this type.
 * @throws HttpFault 406 for XML and anything else that is not JSON of R4.
 */
export function responseType(headers: IncomingHttpHeaders, params: readonly Pair[], ndjson = false): string {
  const format = params.find(([name]) => name === '_format')?.[1];
  if (format !== undefined) {
    // A `+` in a query string may have been read as a space.
    const [type = '', ...rest] = format.trim().toLowerCase().replace(' ', '+').split(';');
    const version = rest.find((p) => p.trim().startsWith('fhirversion='))?.split('=')[1];
    if (version !== undefined && !VERSIONS.has(version.trim())) {
      throw notAcceptable('Ask for FHIR version 4.0.');
    }
    if (type === 'json' || type === 'application/fhir+json' || type === 'application/json+fhir')
      return FHIR_JSON;
    if (type === 'application/json' || type === 'text/json') return PLAIN_JSON;
    throw notAcceptable('Use _format=json: JSON is the only format of this server.');
  }
  const accept = headers.accept;
  if (accept === undefined || accept === '' || accept === '*/*') return FHIR_JSON;
  const ranges = parseAccept(accept).filter((range) => range.q > 0);
  let plain = false;
  let wrongVersion = false;
  for (const { type, fhirVersion } of ranges) {
    if (type === 'application/fhir+json' || type === 'application/json+fhir') {
      if (fhirVersion === undefined || VERSIONS.has(fhirVersion)) return FHIR_JSON;
      wrongVersion = true;
    } else if (type === 'application/json' || type === 'text/json' || type === 'text/html') plain = true;
  }
  if (plain && ranges.some(({ type }) => type !== 'text/html')) {
    // A browser names text/html first and */* last: it shows application/json and would save application/fhir+json.
    if (ranges.some(({ type }) => type.endsWith('/json') || type === '*/*')) return PLAIN_JSON;
  }
  if (ranges.some(({ type }) => type === '*/*' || type === 'application/*')) return FHIR_JSON;
  if (ndjson && ranges.some(({ type }) => NDJSON.has(type))) return FHIR_JSON;
  throw wrongVersion
    ? notAcceptable('Ask for FHIR version 4.0.')
    : notAcceptable('Send "Accept: application/fhir+json": JSON is the only format of this server.');
}

const JSON_TYPES = new Set([
  'application/fhir+json',
  'application/json',
  'application/json+fhir',
  'text/json',
]);

/** What a patch may be, told with every refusal of another (RFC 5789, 2.2). */
export const ACCEPT_PATCH = { 'Accept-Patch': 'application/json-patch+json, application/fhir+json' };

/** Operations that answer with tables choose their format themselves: `_format=csv` is no mistake there. */
export const GIVES_TABLES = /\/\$(viewdefinition-run|run|cohort-features|features)$/;

/** The media types that `Accept` takes, those with q=0 left out; none without the header. */
export function acceptedTypes({ accept }: IncomingHttpHeaders): readonly string[] {
  return accept === undefined ? [] : parseAccept(accept).flatMap(({ type, q }) => (q > 0 ? [type] : []));
}

/** Whether a media type is one of a resource, and not of the content of a Binary. */
export function isFhirFormat(type: string): boolean {
  return JSON_TYPES.has(type) || type === 'application/fhir+xml' || type === 'application/fhir+turtle';
}

/** `bytes`: content of any type that is none of the others, for a Binary. */
export type BodyKind = 'json' | 'form' | 'json-patch' | 'amz-json' | 'bytes';

/**
 * What the body is, by `Content-Type`. A body without one is taken for JSON.
 * @throws HttpFault 415 for any type but the ones in `allowed`, and for charsets other than UTF-8.
 */
export function bodyKind(headers: IncomingHttpHeaders, allowed: readonly BodyKind[]): BodyKind {
  const header = headers['content-type'];
  if (header === undefined) return allowed.includes('json') ? 'json' : allowed[0]!;
  const [type = '', ...parameters] = header
    .toLowerCase()
    .split(';')
    .map((s) => s.trim());
  let kind: BodyKind | undefined;
  if (JSON_TYPES.has(type)) kind = 'json';
  else if (type === 'application/x-www-form-urlencoded') kind = 'form';
  else if (type === 'application/json-patch+json') kind = 'json-patch';
  else if (type === 'application/x-amz-json-1.0') kind = 'amz-json';
  if ((kind === undefined || !allowed.includes(kind)) && allowed.includes('bytes')) return 'bytes';
  if (kind === undefined || !allowed.includes(kind)) {
    const names = {
      bytes: 'of what it holds',
      json: 'application/fhir+json',
      form: 'application/x-www-form-urlencoded',
      'json-patch': 'application/json-patch+json',
      'amz-json': 'application/x-amz-json-1.0',
    };
    throw new HttpFault(415, 'The content type of the request body is not supported here.', {
      remedy: `Send Content-Type ${allowed.map((k) => names[k]).join(' or ')}.`,
      headers: allowed.includes('json-patch') ? ACCEPT_PATCH : {},
    });
  }
  for (const parameter of parameters) {
    const [name, value = ''] = parameter.split('=').map((s) => s.trim().replaceAll('"', ''));
    if (name === 'charset' && value !== 'utf-8' && value !== 'utf8' && value !== 'us-ascii') {
      throw new HttpFault(415, 'The character set of the request body is not supported.', {
        remedy: 'Send UTF-8.',
      });
    }
    if (name === 'fhirversion' && !VERSIONS.has(value)) {
      throw new HttpFault(415, 'The FHIR version of the request body is not supported.', {
        remedy: 'Send FHIR 4.0.',
      });
    }
  }
  return kind;
}
