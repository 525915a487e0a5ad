import type { Clock } from '../core/clock.js';
import { type ExportManifest, exportNdjson } from '../export/ndjson.js';
import type { ScanOptions, Store } from '../store/contract.js';
import type { Tenant } from '../tenancy/tenant.js';

export interface ExportRequest {
  readonly directory: string;
  /** Only these types. */
  readonly types?: readonly string[];
  /** Only what is in the compartments of these patients; everything where not given. */
  readonly patients?: readonly string[];
  /** ms since the epoch. */
  readonly sinceMs?: number;
  /** The request in words, for the manifest; no identifiers. */
  readonly request: string;
  readonly signal?: AbortSignal;
  readonly onProgress?: (resources: number) => void;
}

/** Streams a tenant's resources to files of one snapshot of the database. */
export async function runExport(
  deps: { store: Store; clock: Clock },
  tenant: Tenant,
  request: ExportRequest,
): Promise<ExportManifest> {
  const { types, patients, sinceMs } = request;
  const options: ScanOptions = { types, patients, sinceMs };
  return exportNdjson(deps.store.scan(tenant, options), {
    directory: request.directory,
    transactionTime: new Date(deps.clock.now()).toISOString(),
    request: request.request,
    onProgress: request.onProgress,
    signal: request.signal,
  });
}
