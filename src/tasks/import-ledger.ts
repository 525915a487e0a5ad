import { resolve } from 'node:path';
import type { Job } from '../jobs/job.js';
import type { Tenant } from '../tenancy/tenant.js';
import type { Candidate } from './import-persons.js';
import { type FileCounts, type ImportError, noFileCounts } from './import-report.js';

/** How far a job is with one file. Stands in the tenant's database, names sealed. */
export interface FileState {
  readonly path: string;
  readonly fkey: bigint;
  done: boolean;
  /** Lines or entries finished: where to go on. */
  position: number;
  counts: FileCounts;
  /** Refused since the state was last written; then they stand in the database and this list is empty again. */
  errors: ImportError[];
  /** People who may be one, by id. */
  candidates: Candidate[];
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
    const { path, candidates = [] } = JSON.parse(
      tenant.keys.open(row.sealed, context(job, BigInt(row.fkey))).toString(),
    ) as {
      path: string;
      candidates?: Candidate[];
    };
    out.set(resolve(path), {
      path,
      fkey: BigInt(row.fkey),
      done: row.state === 2,
      position: row.done,
      counts: row.counts,
      errors: [],
      candidates,
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
    candidates: [],
  };
}

/** Position under which what was refused at the end of a file stands. */
const AT_END = -1;

/**
 * Writes down how far a file is, together with what was refused since the last time. A later call for the same file
 * replaces the row; a commit that is done again after a crash replaces what it refused.
 */
export async function saveFileState(tenant: Tenant, job: Job, file: FileState): Promise<void> {
  const sealed = tenant.keys.seal(
    Buffer.from(JSON.stringify({ path: file.path, candidates: file.candidates })),
    context(job, file.fkey),
  );
  const refused = [...file.errors].sort((a, b) => (a.line ?? 0) - (b.line ?? 0));
  const values = [
    PART,
    job.id,
    file.fkey,
    file.done ? 2 : 1,
    file.position,
    JSON.stringify(file.counts),
    sealed,
  ];
  const ledger = `insert into import_file (part, job, fkey, state, done, counts, sealed) values ($1, $2, $3, $4, $5, $6, $7)
     on conflict (part, job, fkey) do update
       set state = excluded.state, done = excluded.done, counts = excluded.counts, sealed = excluded.sealed`;
  if (refused.length === 0) {
    await tenant.pool.query(ledger, values);
    return;
  }
  const position = file.done ? AT_END : file.position;
  await tenant.pool.query(
    `with ledger as (${ledger})
     insert into import_error (part, job, fkey, position, count, sealed) values ($1, $2, $3, $8, $9, $10)
     on conflict (part, job, fkey, position) do update set count = excluded.count, sealed = excluded.sealed`,
    [
      ...values,
      position,
      refused.length,
      tenant.keys.seal(Buffer.from(JSON.stringify(refused)), errorContext(job.id, file.fkey, position)),
    ],
  );
  // What was refused while the row was being written waits for the next.
  file.errors = file.errors.slice(refused.length);
}

/** Rows of refusals opened at a time. */
const ROWS_AT_ONCE = 20;

/** What a job refused, in batches; of one file alone where its key is given. Files come in the order of their keys. */
export async function* refusals(
  tenant: Tenant,
  jobId: string,
  fkey?: bigint,
): AsyncGenerator<readonly ImportError[]> {
  let after: { fkey: bigint; position: number } | undefined;
  for (;;) {
    const { rows } = await tenant.pool.query(
      `select fkey, position, sealed from import_error
        where part = $1 and job = $2 and ($3::bigint is null or fkey = $3)
          and ($4::bigint is null or (fkey, position) > ($4, $5))
        order by fkey, position limit ${ROWS_AT_ONCE}`,
      [PART, jobId, fkey ?? null, after?.fkey ?? null, after?.position ?? null],
    );
    for (const row of rows as { fkey: bigint; position: number; sealed: Buffer }[]) {
      after = { fkey: BigInt(row.fkey), position: row.position };
      const plain = tenant.keys.open(row.sealed, errorContext(jobId, after.fkey, after.position));
      yield JSON.parse(plain.toString()) as ImportError[];
    }
    if (rows.length < ROWS_AT_ONCE) return;
  }
}

/**
 * Seals the ledger anew under the current key. A row that its job has just written is left: it has the current key.
 * @returns how many rows
 */
export async function resealLedger(tenant: Tenant): Promise<number> {
  const { keys, pool } = tenant;
  const { rows: files } = await pool.query(
    `select job::text, fkey, sealed from import_file where ${OLDER_KEY}`,
    [keys.currentVersion],
  );
  for (const { job, fkey, sealed } of files as { job: string; fkey: bigint; sealed: Buffer }[]) {
    const bound = context({ id: job }, BigInt(fkey));
    await pool.query('update import_file set sealed = $4 where job = $1 and fkey = $2 and sealed = $3', [
      job,
      fkey,
      sealed,
      keys.seal(keys.open(sealed, bound), bound),
    ]);
  }
  const { rows: errors } = await pool.query(
    `select job::text, fkey, position, sealed from import_error where ${OLDER_KEY} limit ${ERRORS_RESEALED_AT_ONCE}`,
    [keys.currentVersion],
  );
  for (const row of errors as { job: string; fkey: bigint; position: number; sealed: Buffer }[]) {
    const bound = errorContext(row.job, BigInt(row.fkey), row.position);
    await pool.query(
      'update import_error set sealed = $5 where job = $1 and fkey = $2 and position = $3 and sealed = $4',
      [row.job, row.fkey, row.position, row.sealed, keys.seal(keys.open(row.sealed, bound), bound)],
    );
  }
  const more = errors.length === ERRORS_RESEALED_AT_ONCE ? await resealLedger(tenant) : 0;
  return files.length + errors.length + more;
}

/** The version of the key stands in a sealed piece at bytes 3 and 4. */
const OLDER_KEY = 'get_byte(sealed, 3) * 256 + get_byte(sealed, 4) < $1';
const ERRORS_RESEALED_AT_ONCE = 1_000;

/** Forgets the ledger of a job whose results expired. */
export async function removeLedger(tenant: Tenant, jobId: string): Promise<void> {
  await tenant.pool.query('delete from import_error where part = $1 and job = $2', [PART, jobId]);
  await tenant.pool.query('delete from import_file where part = $1 and job = $2', [PART, jobId]);
}

const context = (job: Pick<Job, 'id'>, fkey: bigint) => ({
  purpose: 'job' as const,
  bind: ['import-file', job.id, fkey],
});

const errorContext = (jobId: string, fkey: bigint, position: number) => ({
  purpose: 'job' as const,
  bind: ['import-error', jobId, fkey, position],
});
