import { resolve } from 'node:path';
import type { Job } from '../jobs/job.js';
import type { Tenant } from '../tenancy/tenant.js';
import { type FileCounts, type ImportError, noFileCounts } from './import-report.js';

/** How far a job is with one file. Stands in the tenant's database, names sealed. */
export interface FileState {
  readonly path: string;
  readonly fkey: bigint;
  done: boolean;
  /** Lines or entries finished: where to go on. */
  position: number;
  counts: FileCounts;
  errors: ImportError[];
}

/** Ledger rows do not belong to a patient, so they share one part. */
const PART = 0;

/** Loads the files a job has begun, by absolute path. */
export async function loadLedger(tenant: Tenant, job: Job): Promise<Map<string, FileState>> {
  const { rows } = await tenant.pool.query(
    'select fkey, state, done, counts, sealed from import_file where part = $1 and job = $2',
    [PART, job.id],
  );
  const out = new Map<string, FileState>();
  for (const row of rows as {
    fkey: bigint;
    state: number;
    done: number;
    counts: FileCounts;
    sealed: Buffer;
  }[]) {
    const { path, errors } = JSON.parse(
      tenant.keys.open(row.sealed, context(job, BigInt(row.fkey))).toString(),
    ) as {
      path: string;
      errors: ImportError[];
    };
    out.set(resolve(path), {
      path,
      fkey: BigInt(row.fkey),
      done: row.state === 2,
      position: row.done,
      counts: row.counts,
      errors,
    });
  }
  return out;
}

/** A file the job has not begun. */
export function newFileState(tenant: Tenant, path: string): FileState {
  return {
    path,
    fkey: tenant.keys.digest(resolve(path)),
    done: false,
    position: 0,
    counts: noFileCounts(),
    errors: [],
  };
}

/** Writes down how far a file is. A later call for the same file replaces the row. */
export async function saveFileState(tenant: Tenant, job: Job, file: FileState): Promise<void> {
  const sealed = tenant.keys.seal(
    Buffer.from(JSON.stringify({ path: file.path, errors: file.errors })),
    context(job, file.fkey),
  );
  await tenant.pool.query(
    `insert into import_file (part, job, fkey, state, done, counts, sealed) values ($1, $2, $3, $4, $5, $6, $7)
     on conflict (part, job, fkey) do update
       set state = excluded.state, done = excluded.done, counts = excluded.counts, sealed = excluded.sealed`,
    [PART, job.id, file.fkey, file.done ? 2 : 1, file.position, JSON.stringify(file.counts), sealed],
  );
}

const context = (job: Job, fkey: bigint) => ({
  purpose: 'job' as const,
  bind: ['import-file', job.id, fkey],
});
