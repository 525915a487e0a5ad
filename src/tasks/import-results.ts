import { mkdir, open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Resource } from '../core/resource.js';
import type { Tenant } from '../tenancy/tenant.js';
import { refusals } from './import-ledger.js';
import type { ImportError, ImportReport } from './import-report.js';

/** HL7's own extensions that say which line of which file an issue is about. */
const FILE = 'http://hl7.org/fhir/StructureDefinition/operationoutcome-file';
const LINE = 'http://hl7.org/fhir/StructureDefinition/operationoutcome-issue-line';

/** One refused line or entry as a line of the error file. */
export function outcomeOf({ file, line, element, message, code }: ImportError): Resource {
  return {
    resourceType: 'OperationOutcome',
    extension: [{ url: FILE, valueString: file }],
    issue: [
      {
        ...(line === undefined ? {} : { extension: [{ url: LINE, valueInteger: line }] }),
        severity: 'error',
        code,
        diagnostics: message,
        ...(element === undefined ? {} : { expression: [element] }),
      },
    ],
  };
}

/** The error file of a job, or of one of its files, as pieces of NDJSON. */
export async function* errorLines(tenant: Tenant, jobId: string, fkey?: bigint): AsyncGenerator<Buffer> {
  for await (const batch of refusals(tenant, jobId, fkey))
    yield Buffer.from(batch.map((error) => `${JSON.stringify(outcomeOf(error))}\n`).join(''));
}

/** `manifest.json` of an import: what went in, what became of it, and where the rest is told. */
export function importManifest(report: ImportReport, at: number): Record<string, unknown> {
  const { created, updated, unchanged, deleted, rejected, byType } = report.resources;
  return {
    job: report.job,
    transactionTime: new Date(at).toISOString(),
    seconds: report.seconds,
    input: report.files,
    output: Object.entries(byType).map(([type, count]) => ({ type, count })),
    counts: { created, updated, unchanged, deleted, accepted: created + updated + unchanged, rejected },
    documents: report.documents,
    documentsWithoutPatient: report.documentsWithoutPatient,
    derived: report.derived,
    ...(report.linked ? { linked: report.linked } : {}),
    error: rejected === 0 ? [] : [{ type: 'OperationOutcome', file: ERROR_FILE, count: rejected }],
  };
}

export const ERROR_FILE = 'errors.ndjson';
export const MANIFEST_FILE = 'manifest.json';

/** Writes `manifest.json` and, where anything was refused, `errors.ndjson` into a folder, which is made. */
export async function writeImportResults(
  tenant: Tenant,
  report: ImportReport,
  folder: string,
  at: number,
): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  if (report.resources.rejected > 0) {
    const file = await open(join(folder, ERROR_FILE), 'w', 0o600);
    try {
      for await (const piece of errorLines(tenant, report.job)) await file.writeFile(piece);
    } finally {
      await file.close();
    }
  }
  // Last: whoever finds it finds the rest.
  await writeFile(join(folder, MANIFEST_FILE), `${JSON.stringify(importManifest(report, at), null, 2)}\n`, {
    mode: 0o600,
  });
}
