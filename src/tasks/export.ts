import type { Clock } from '../core/clock.js';
import type { StoredResource } from '../core/resource.js';
import { type ExportManifest, exportNdjson } from '../export/ndjson.js';
import type { Store } from '../store/contract.js';
import type { Tenant } from '../tenancy/tenant.js';

export interface ExportRequest {
  readonly directory: string;
  /** Only these types. */
  readonly types?: readonly string[];
  /** Only what is in the compartments of these patients, a batch of ids at a time; everything where not given. */
  readonly patients?: AsyncIterable<readonly string[]>;
  /** ms since the epoch. */
  readonly sinceMs?: number;
  /** The request in words, for the manifest; no identifiers. */
  readonly request: string;
  readonly signal?: AbortSignal;
  readonly onProgress?: (resources: number) => void;
}

async function* batches(
  store: Store,
  tenant: Tenant,
  { types, patients, sinceMs }: ExportRequest,
): AsyncGenerator<readonly StoredResource[]> {
  if (!patients) yield* store.scan(tenant, { types, sinceMs });
  else for await (const ids of patients) yield* store.scan(tenant, { types, sinceMs, patients: ids });
}

/**
 * Streams a tenant's resources to files. Everything is of one snapshot of the database; of chosen patients, each batch
 * of them is.
 */
export async function runExport(
  deps: { store: Store; clock: Clock },
  tenant: Tenant,
  request: ExportRequest,
): Promise<ExportManifest> {
  return exportNdjson(batches(deps.store, tenant, request), {
    directory: request.directory,
    transactionTime: new Date(deps.clock.now()).toISOString(),
    request: request.request,
    onProgress: request.onProgress,
    signal: request.signal,
  });
}
