import { parseJson, stringifyJson } from '../core/json.js';
import type { StoredResource } from '../core/resource.js';
import type { Deidentifier } from '../export/deidentify/deidentify.js';
import type { Lifetime, Quality } from '../export/quality/quality.js';
import { viewQualityTable } from '../export/quality/view-table.js';
import { SealedFile, type SealedPlace } from '../export/sealed-file.js';
import type { BatchEncoder } from '../export/table-batch.js';
import { TableFile } from '../export/table-file.js';
import { storedMembers } from '../export/view-source.js';
import type { ViewFormat } from '../export/view-table.js';
import { compileView } from '../fhir/views/view.js';
import type { IndexContext } from '../indexing/parameter-type.js';
import { resourceText } from '../store/content.js';
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
  /** Who makes the tables. */
  readonly encoder: BatchEncoder;
  /** Takes out of resources what says who, before a view sees them. */
  readonly strip: Deidentifier | undefined;
  readonly quality: Quality | undefined;
  readonly lifetimes: ReadonlyMap<string, Lifetime>;
  /** Throws when the export must end. */
  readonly check: () => void;
  readonly onRows: (added: number) => void;
}

/** Writes one sealed file for each view, all of one moment. */
export async function exportViews(run: ViewExport): Promise<BulkFile[]> {
  const files: BulkFile[] = [];
  for (const { name, definition } of run.views.items) {
    const { strip, quality } = run;
    const { format, noHeader } = run.views;
    const view = compileView(definition);
    const looked = viewQualityTable(name, view);
    const file = `${name}.${ENDINGS[format]}`;
    const sealed = await SealedFile.create(run.keys, run.folder, file, run.placeOf(file));
    try {
      const table = new TableFile(
        { source: { kind: 'view', definition }, format, ...(noHeader ? { csv: { noHeader } } : {}) },
        { write: (chunk) => sealed.addBytes(chunk) },
        run.encoder,
        run.onRows,
      );
      const choice = { type: view.resource, patients: run.patients, sinceMs: run.sinceMs };
      for await (const members of storedMembers(run.snapshot, choice, run.context)) {
        run.check();
        for (const member of members) {
          let text = resourceText(member, member.content);
          if (strip || quality) {
            const stored = parseJson(text) as StoredResource;
            const given = strip ? strip.resource(stored) : stored;
            if (!given) continue;
            quality?.add(given, run.lifetimes, looked);
            if (strip) text = stringifyJson(given);
          }
          if (table.add(text)) await table.flush();
        }
      }
      const { rows } = await table.close();
      await sealed.finish();
      files.push({ kind: 'output', type: name, name: file, count: rows });
    } catch (error) {
      await sealed.abandon();
      throw error;
    }
  }
  return files;
}
