import { SealedFile, type SealedPlace } from '../export/sealed-file.js';
import { storedResources } from '../export/view-source.js';
import { type ViewFormat, writeView } from '../export/view-table.js';
import { compileView } from '../fhir/views/view.js';
import type { IndexContext } from '../indexing/parameter-type.js';
import type { Snapshot } from '../store/snapshot.js';
import type { TenantKeys } from '../tenancy/tenant.js';
import type { BulkFile, ViewsRequest } from './bulk-export-job.js';

const ENDINGS: Readonly<Record<ViewFormat, string>> = {
  json: 'json',
  ndjson: 'ndjson',
  csv: 'csv',
  parquet: 'parquet',
};

export interface ViewExport {
  readonly keys: TenantKeys;
  readonly folder: string;
  readonly placeOf: (name: string) => SealedPlace;
  readonly snapshot: Snapshot;
  readonly context: IndexContext;
  readonly views: ViewsRequest;
  readonly patients: readonly string[] | undefined;
  readonly sinceMs: number | undefined;
  /** Throws when the export must end. */
  readonly check: () => void;
  readonly onRows: (added: number) => void;
}

/** Writes one sealed file for each view, all of one moment. */
export async function exportViews(run: ViewExport): Promise<BulkFile[]> {
  const files: BulkFile[] = [];
  for (const { name, definition } of run.views.items) {
    const view = compileView(definition);
    const file = `${name}.${ENDINGS[run.views.format]}`;
    const sealed = await SealedFile.create(run.keys, run.folder, file, run.placeOf(file));
    try {
      let before = 0;
      const choice = { type: view.resource, patients: run.patients, sinceMs: run.sinceMs };
      const { rows } = await writeView(view, storedResources(run.snapshot, choice, run.context), {
        format: run.views.format,
        noHeader: run.views.noHeader,
        sink: { write: (chunk) => sealed.addBytes(chunk) },
        onRows: (done) => {
          run.check();
          run.onRows(done - before);
          before = done;
        },
      });
      await sealed.finish();
      files.push({ kind: 'output', type: name, name: file, count: rows });
    } catch (error) {
      await sealed.abandon();
      throw error;
    }
  }
  return files;
}
