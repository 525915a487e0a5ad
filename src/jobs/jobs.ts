import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import type { Clock } from '../core/clock.js';
import { Fault } from '../core/fault.js';
import type { Tenant } from '../tenancy/tenant.js';
import { type Job, type JobKind, type JobProgress, type JobState, LEASE_MS } from './job.js';

/** At most this many jobs are listed. */
const MAX_LISTED = 200;

/** The job table of the control database. Parameters and results are sealed under the tenant's keys. */
export interface Jobs {
  create(tenant: Tenant, kind: JobKind, params: object): Promise<Job>;
  /** @throws Fault `not-found` */
  get(tenant: Tenant, id: string): Promise<Job>;
  list(tenant: Tenant, kind?: JobKind): Promise<Job[]>;
  params<T>(tenant: Tenant, id: string): Promise<T>;
  result<T>(tenant: Tenant, id: string): Promise<T | undefined>;
  /**
   * Takes a job for this worker: a queued one, a failed, cancelled or unfinished one given by id, or a running one
   * whose lease ran out.
   * @throws Fault `conflict` when another worker holds it or it is done.
   */
  claim(tenant: Tenant, id: string): Promise<Job>;
  /** Extends the lease and writes the counts. @throws Fault `conflict` when the lease was lost or the job cancelled. */
  beat(job: Job, progress: JobProgress): Promise<void>;
  finish(
    tenant: Tenant,
    job: Job,
    state: 'done' | 'failed' | 'cancelled',
    progress: JobProgress,
    result?: object,
    error?: string,
  ): Promise<void>;
  /** Gives the job back, to be resumed later. */
  release(job: Job, progress: JobProgress): Promise<void>;
  cancel(tenant: Tenant, id: string): Promise<void>;
  /** Lets a job that failed or was cancelled be taken by a worker again. @throws Fault `conflict` for any other. */
  requeue(tenant: Tenant, id: string): Promise<void>;
  /** Seals what is kept of the tenant's jobs under its current key. @returns how many were under an older one */
  reseal(tenant: Tenant): Promise<number>;
  /** Forgets a job, whatever its state: a worker that holds it has lost it. */
  remove(id: string): Promise<void>;
  /** Jobs of a kind, of all tenants, that ended before a time (ms); at most MAX_LISTED. */
  endedBefore(kind: JobKind, before: number): Promise<{ id: string; tenantId: string }[]>;
  /** A queued job of these kinds, or one whose worker died; undefined where there is none. */
  next(kinds: readonly JobKind[]): Promise<{ id: string; tenant: string } | undefined>;
}

export function createJobs(deps: { control: pg.Pool; clock: Clock }): Jobs {
  const { control, clock } = deps;

  const sealContext = (tenant: Tenant, id: string, what: 'params' | 'result') => ({
    purpose: 'job' as const,
    bind: [tenant.record.id, id, what],
  });

  async function row(tenant: Tenant, id: string): Promise<Record<string, unknown>> {
    const found = UUID.test(id)
      ? await control.query('select * from job where id = $1 and tenant_id = $2', [id, tenant.record.id])
      : { rows: [] };
    const first = found.rows[0] as Record<string, unknown> | undefined;
    if (!first)
      throw new Fault('not-found', 'There is no such job of this tenant.', {
        remedy: 'See the list of jobs.',
      });
    return first;
  }

  const held = async (job: Job, sql: string, values: unknown[]): Promise<void> => {
    const done = await control.query(`${sql} where id = $1 and lease_epoch = $2 and state = 'running'`, [
      job.id,
      job.leaseEpoch,
      ...values,
    ]);
    if (done.rowCount !== 1) {
      throw new Fault('conflict', 'The job was cancelled or taken over by another worker.', {
        remedy: 'Look at the job; resume it if it should go on.',
      });
    }
  };

  return {
    async create(tenant, kind, params) {
      const id = randomUUID();
      const sealed = tenant.keys.seal(Buffer.from(JSON.stringify(params)), sealContext(tenant, id, 'params'));
      await control.query(
        `insert into job (id, tenant_id, kind, state, params, created_at) values ($1, $2, $3, 'queued', $4, $5)`,
        [id, tenant.record.id, kind, sealed, clock.now()],
      );
      return jobOf(await row(tenant, id), tenant.record.name);
    },

    async get(tenant, id) {
      return jobOf(await row(tenant, id), tenant.record.name);
    },

    async list(tenant, kind) {
      const found = await control.query(
        `select * from job where tenant_id = $1 and ($2::text is null or kind = $2) order by created_at desc limit ${MAX_LISTED}`,
        [tenant.record.id, kind ?? null],
      );
      return found.rows.map((r) => jobOf(r as Record<string, unknown>, tenant.record.name));
    },

    async params<T>(tenant: Tenant, id: string) {
      const sealed = (await row(tenant, id)).params as Buffer;
      return JSON.parse(tenant.keys.open(sealed, sealContext(tenant, id, 'params')).toString()) as T;
    },

    async result<T>(tenant: Tenant, id: string) {
      const sealed = (await row(tenant, id)).result as Buffer | null;
      if (!sealed) return undefined;
      return JSON.parse(tenant.keys.open(sealed, sealContext(tenant, id, 'result')).toString()) as T;
    },

    async claim(tenant, id) {
      await row(tenant, id);
      const { rowCount: closed } = await control.query(
        'select from tenant where id = $1 and moving is not null',
        [tenant.record.id],
      );
      if (closed)
        throw new Fault('unavailable', 'This tenant is being moved; its jobs wait until it is there.', {
          remedy: 'Try again in a moment.',
        });
      const now = clock.now();
      const taken = await control.query(
        `update job set state = 'running', lease_epoch = lease_epoch + 1, lease_until = $3,
                started_at = coalesce(started_at, $4), ended_at = null, error = null
          where id = $1 and tenant_id = $2
            and (state in ('queued', 'failed', 'cancelled') or (state = 'running' and lease_until < $4))
            and not exists (select from tenant where tenant.id = $2 and tenant.moving is not null)
         returning *`,
        [id, tenant.record.id, now + LEASE_MS, now],
      );
      const first = taken.rows[0] as Record<string, unknown> | undefined;
      if (!first) {
        throw new Fault('conflict', 'The job is done, or another worker holds it.', {
          remedy: 'Look at its state with `cenote job show`.',
        });
      }
      return jobOf(first, tenant.record.name);
    },

    beat: (job, progress) =>
      held(job, 'update job set lease_until = $3, progress = $4', [
        clock.now() + LEASE_MS,
        JSON.stringify(progress),
      ]),

    async finish(tenant, job, state, progress, result, error) {
      const sealed = result
        ? tenant.keys.seal(Buffer.from(JSON.stringify(result)), sealContext(tenant, job.id, 'result'))
        : null;
      await held(
        job,
        'update job set state = $3, progress = $4, result = coalesce($5, result), error = $6, ended_at = $7, lease_until = 0',
        [state, JSON.stringify(progress), sealed, error ?? null, clock.now()],
      );
    },

    release: (job, progress) =>
      held(job, `update job set state = 'queued', lease_until = 0, progress = $3`, [
        JSON.stringify(progress),
      ]),

    async cancel(tenant, id) {
      const current = jobOf(await row(tenant, id), tenant.record.name);
      if (current.state === 'done') throw new Fault('conflict', 'The job is already done.');
      await control.query(
        `update job set state = 'cancelled', lease_epoch = lease_epoch + 1, ended_at = $3
          where id = $1 and tenant_id = $2 and state in ('queued', 'running', 'failed')`,
        [id, tenant.record.id, clock.now()],
      );
    },

    async requeue(tenant, id) {
      await row(tenant, id);
      const done = await control.query(
        `update job set state = 'queued', lease_until = 0, ended_at = null, error = null
          where id = $1 and tenant_id = $2 and state in ('failed', 'cancelled')`,
        [id, tenant.record.id],
      );
      if (done.rowCount !== 1)
        throw new Fault('conflict', 'The job is waiting, running or done: there is nothing to resume.');
    },

    async reseal(tenant) {
      const { keys, record } = tenant;
      const found = await control.query(
        `select id, params, result from job where tenant_id = $1
           and (get_byte(params, 3) * 256 + get_byte(params, 4) < $2
             or get_byte(result, 3) * 256 + get_byte(result, 4) < $2)`,
        [record.id, keys.currentVersion],
      );
      const again = (id: string, part: 'params' | 'result', sealed: Buffer | null) => {
        const bound = sealContext(tenant, id, part);
        return sealed && keys.seal(keys.open(sealed, bound), bound);
      };
      for (const { id, params, result } of found.rows as {
        id: string;
        params: Buffer;
        result: Buffer | null;
      }[])
        await control.query(
          `update job set params = $2, result = $3
             where id = $1 and params = $4 and result is not distinct from $5`,
          [id, again(id, 'params', params), again(id, 'result', result), params, result],
        );
      return found.rows.length;
    },

    async remove(id) {
      await control.query('delete from job where id = $1', [id]);
    },

    async endedBefore(kind, before) {
      const found = await control.query(
        `select id, tenant_id from job where kind = $1 and ended_at < $2
          and state in ('done', 'failed', 'cancelled') order by ended_at limit ${MAX_LISTED}`,
        [kind, before],
      );
      return found.rows.map((r: { id: string; tenant_id: string }) => ({ id: r.id, tenantId: r.tenant_id }));
    },

    async next(kinds) {
      const found = await control.query(
        `select job.id, tenant.name from job join tenant on tenant.id = job.tenant_id
          where job.kind = any($1) and tenant.state = 'active' and tenant.moving is null
            and (job.state = 'queued' or (job.state = 'running' and job.lease_until < $2))
          order by job.created_at limit 1`,
        [kinds, clock.now()],
      );
      const first = found.rows[0] as { id: string; name: string } | undefined;
      return first && { id: first.id, tenant: first.name };
    },
  };
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

function jobOf(row: Record<string, unknown>, tenant: string): Job {
  const time = (value: unknown) => (value === null || value === undefined ? undefined : Number(value));
  return {
    id: row.id as string,
    tenantId: row.tenant_id as string,
    tenant,
    kind: row.kind as JobKind,
    state: row.state as JobState,
    progress: row.progress as JobProgress,
    error: (row.error as string | null) ?? undefined,
    leaseEpoch: Number(row.lease_epoch),
    createdAt: Number(row.created_at),
    startedAt: time(row.started_at),
    endedAt: time(row.ended_at),
  };
}
