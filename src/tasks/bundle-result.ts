import type { Fault } from '../core/fault.js';
import type { Resource } from '../core/resource.js';
import { informationOutcome } from '../fhir/outcome.js';
import type { WriteOutcome, WriteResult } from '../store/contract.js';

/** What became of one entry. */
export type EntryResult =
  | { readonly kind: 'written'; readonly result: WriteResult }
  /** A conditional delete of several, or a delete where nothing was. */
  | { readonly kind: 'deleted'; readonly results: readonly WriteResult[] }
  | { readonly kind: 'read'; readonly read: ReadAnswer }
  | { readonly kind: 'failed'; readonly fault: Fault };

/** Of an entry that belongs to the half of a bundle that is not asked for. */
export const OTHER_PART: EntryResult = { kind: 'read', read: { status: 0 } };

/** Answer of a GET inside a bundle. */
export interface ReadAnswer {
  readonly status: number;
  readonly resource?: Resource;
  readonly version?: number;
  readonly lastUpdated?: number;
}

/** Counts of what a bundle did, for reports. */
export interface BundleCounts {
  created: number;
  updated: number;
  deleted: number;
  unchanged: number;
  rejected: number;
  /** Accepted resources (created, updated or unchanged) by type. */
  byType: Record<string, number>;
}

export function noCounts(): BundleCounts {
  return { created: 0, updated: 0, deleted: 0, unchanged: 0, rejected: 0, byType: {} };
}

export function countWrite(
  counts: BundleCounts,
  { outcome, type }: { outcome: WriteOutcome; type: string },
): void {
  counts[outcome]++;
  if (outcome !== 'deleted') counts.byType[type] = (counts.byType[type] ?? 0) + 1;
}

export interface EntryError {
  /** Position in the bundle, from 0. */
  readonly entry: number;
  readonly fault: Fault;
}

const REASONS: Readonly<Record<number, string>> = {
  200: 'OK',
  201: 'Created',
  204: 'No Content',
  304: 'Not Modified',
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  406: 'Not Acceptable',
  409: 'Conflict',
  410: 'Gone',
  412: 'Precondition Failed',
  413: 'Payload Too Large',
  415: 'Unsupported Media Type',
  422: 'Unprocessable Entity',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  503: 'Service Unavailable',
};

/** `201 Created`: what `Bundle.entry.response.status` holds. */
export function statusText(status: number): string {
  return REASONS[status] ? `${status} ${REASONS[status]}` : String(status);
}

export interface RenderOptions {
  readonly base: string;
  readonly returns: 'minimal' | 'representation' | 'OperationOutcome';
  /** The shell's own language for a fault. */
  readonly failure: (fault: Fault) => { status: number; outcome: Resource };
}

/** The entry of a batch-response or transaction-response (R4 http.html#transaction-response). */
export function responseEntry(result: EntryResult, options: RenderOptions): Record<string, unknown> {
  switch (result.kind) {
    case 'written':
      return writtenEntry(result.result, options);
    case 'deleted': {
      const [only] = result.results;
      const etag = result.results.length === 1 && only ? { etag: `W/"${only.version}"` } : {};
      return { response: { status: statusText(204), ...etag } };
    }
    case 'read':
      return readEntry(result.read, options);
    case 'failed': {
      const { status, outcome } = options.failure(result.fault);
      return { response: { status: statusText(status), outcome } };
    }
  }
}

function writtenEntry(result: WriteResult, { base, returns }: RenderOptions): Record<string, unknown> {
  const { outcome, type, id, version, lastUpdated, resource } = result;
  return {
    fullUrl: `${base}/${type}/${id}`,
    ...(returns === 'representation' && resource ? { resource } : {}),
    response: {
      status: statusText(outcome === 'created' ? 201 : 200),
      location: `${base}/${type}/${id}/_history/${version}`,
      etag: `W/"${version}"`,
      lastModified: new Date(lastUpdated).toISOString(),
      ...(returns === 'OperationOutcome'
        ? { outcome: informationOutcome(outcome === 'unchanged' ? 'It was there already.' : 'Stored.') }
        : {}),
    },
  };
}

function readEntry(
  { status, resource, version, lastUpdated }: ReadAnswer,
  { base }: RenderOptions,
): Record<string, unknown> {
  const isOutcome = resource?.resourceType === 'OperationOutcome' && status >= 400;
  return {
    ...(resource?.id !== undefined && resource.resourceType !== 'Bundle'
      ? { fullUrl: `${base}/${resource.resourceType}/${resource.id}` }
      : {}),
    ...(resource && !isOutcome ? { resource } : {}),
    response: {
      status: statusText(status),
      ...(version === undefined ? {} : { etag: `W/"${version}"` }),
      ...(lastUpdated === undefined ? {} : { lastModified: new Date(lastUpdated).toISOString() }),
      ...(isOutcome ? { outcome: resource } : {}),
    },
  };
}
