/** The kinds of job; each has one file in `src/tasks`. */
export type JobKind =
  | 'import'
  | 'bulk-import'
  | 'annotate'
  | 'export'
  | 'reindex'
  | 'reseal'
  | 'rotate-index';

export type JobState = 'queued' | 'running' | 'done' | 'failed' | 'cancelled';

/** Counts only: progress stands unsealed in the control database. */
export type JobProgress = Readonly<Record<string, number>>;

export interface Job {
  readonly id: string;
  readonly tenantId: string;
  readonly tenant: string;
  readonly kind: JobKind;
  readonly state: JobState;
  readonly progress: JobProgress;
  /** Category of the fault and a text without patient data. */
  readonly error: string | undefined;
  /** Who may commit: a worker whose epoch is not the row's has lost the job. */
  readonly leaseEpoch: number;
  /** ms since the epoch. */
  readonly createdAt: number;
  readonly startedAt: number | undefined;
  readonly endedAt: number | undefined;
}

/** A worker holds a job this long without a sign of life before another may take it, in ms. */
export const LEASE_MS = 30_000;
/** How often a worker gives that sign, in ms. */
export const HEARTBEAT_MS = 5_000;
