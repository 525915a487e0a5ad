import type { Rooms } from '../../src/system.js';
import { type ImportParams, type ImportRun, runImport } from '../../src/tasks/import.js';
import type { ImportReport } from '../../src/tasks/import-report.js';
import type { Tenant } from '../../src/tenancy/tenant.js';

/** Where files lie, and what an import job is told beside. */
export type FolderImport = Pick<ImportParams, 'folder'> & Partial<ImportParams>;

/** An import of files on this machine as a job of its own, from its making to its report; a folder is read whole. */
export async function importFrom(
  rooms: Rooms,
  tenant: Tenant,
  params: FolderImport,
  run: Partial<ImportRun> = {},
): Promise<ImportReport> {
  const { id } = await rooms.jobs.create(tenant, 'import', {
    paths: [params.folder],
    defaults: {},
    columns: {},
    ...params,
  });
  return runImport(
    { jobs: rooms.jobs, bundle: rooms.bundles, clock: rooms.clock },
    tenant,
    await rooms.jobs.claim(tenant, id),
    { base: rooms.baseOf(tenant), ...run },
  );
}
