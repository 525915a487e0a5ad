import { request } from '../api.js';

/** A job as `$jobs` shows it. */
export interface Job {
  readonly id: string;
  readonly kind: string;
  readonly state: 'queued' | 'running' | 'done' | 'failed' | 'cancelled';
  readonly created: string;
  readonly started?: string;
  readonly ended?: string;
  readonly progress: Readonly<Record<string, number>>;
  readonly resourcesPerSecond?: number;
  readonly error?: string;
}

export interface JobError {
  readonly file: string;
  readonly line?: number;
  readonly element?: string;
  readonly message: string;
  readonly code: string;
}

export type Times = Readonly<Record<string, number>>;

interface Slow {
  readonly file: string;
  readonly line?: number;
  readonly ms: number;
  readonly size: number;
}

export interface Profile {
  readonly seconds: number;
  readonly resources: number;
  readonly documents: number;
  readonly cpuSeconds: number;
  readonly workers: readonly {
    readonly name: string;
    readonly ms: Times;
    readonly overTime: readonly Times[];
    readonly bucketMs: number;
  }[];
  readonly slowFiles: readonly (Slow & { readonly resources: number })[];
  readonly slowDocuments: readonly Slow[];
  readonly heapMb: readonly number[];
  readonly peakRssMb: number;
}

export interface Finding {
  readonly rule: string;
  readonly what: string;
  readonly remedy: string;
  readonly gain: number;
}

export interface Report {
  readonly files?: readonly { path: string; resources: number; documents: number; rejected: number }[];
  readonly resources?: {
    readonly created: number;
    readonly updated: number;
    readonly unchanged: number;
    readonly deleted: number;
    readonly rejected: number;
    readonly byType: Readonly<Record<string, number>>;
  };
  readonly derived?: { readonly created: number; readonly byType: Readonly<Record<string, number>> };
}

export interface JobDetail extends Job {
  readonly report?: Report;
  readonly errors?: readonly JobError[];
  readonly profile?: Profile;
  readonly findings?: readonly Finding[];
}

export const listJobs = (signal: AbortSignal) => request<{ jobs: Job[] }>('$jobs', { signal });
export const showJob = (id: string, signal: AbortSignal) =>
  request<JobDetail>(`$jobs/${encodeURIComponent(id)}`, { signal });
export const stopJob = (id: string) => request(`$jobs/${encodeURIComponent(id)}/cancel`, { method: 'POST' });
export const resumeJob = (id: string) =>
  request(`$jobs/${encodeURIComponent(id)}/resume`, { method: 'POST' });

const KINDS: Readonly<Record<string, string>> = {
  import: 'Import by command',
  'bulk-import': 'Import',
  annotate: 'Reading notes',
  export: 'Export',
  reindex: 'Re-index',
  reseal: 'Re-seal after a rotation',
  'rotate-index': 'Change of the index key',
};
export const kindText = (kind: string): string => KINDS[kind] ?? kind;

export const isLive = ({ state }: Job): boolean => state === 'queued' || state === 'running';

/** What the server lets go on through the API; a job of the command line is resumed there. */
export const canResume = ({ kind, state }: Job): boolean =>
  kind !== 'import' && kind !== 'export' && (state === 'failed' || state === 'cancelled');
