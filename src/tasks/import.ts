import { resolve } from 'node:path';
import type { Clock } from '../core/clock.js';
import { Fault, isFault } from '../core/fault.js';
import { type Lane, measureFor } from '../core/profile.js';
import type { ValidationLevel } from '../fhir/validate.js';
import type { NoteColumns } from '../ingest/note-table.js';
import { type DocumentSource, isShared, localSource, type SourceFile } from '../ingest/source.js';
import { HEARTBEAT_MS, type Job } from '../jobs/job.js';
import type { Jobs } from '../jobs/jobs.js';
import { Profiler } from '../jobs/profile.js';
import { refreshStatistics } from '../store/statistics.js';
import type { Tenant } from '../tenancy/tenant.js';
import { type BundleDeps, ResolvedReferences } from './bundle.js';
import { checkAt } from './bundle-entry.js';
import { type FileImport, reject } from './import-apply.js';
import { Contested } from './import-contested.js';
import { importFile } from './import-file.js';
import { type FileState, loadLedger, newFileState, refusals, saveFileState } from './import-ledger.js';
import type { NoteDefaults } from './import-notes.js';
import { Postponed } from './import-postponed.js';
import {
  countOutcome,
  type DerivedCounts,
  type ImportError,
  type ImportReport,
  importReport,
  MAX_REPORTED_ERRORS,
  noDerivedCounts,
} from './import-report.js';
import { createLinePool, type LinePool } from './line-pool.js';

/** Files read side by side: while one waits for its commit the next is parsed. */
const FILES_AT_ONCE = 2;
/** A file that waits for another is tried again at most this often. */
const MAX_ROUNDS = 4;

/** What an import job is given; sealed in the job table. */
export interface ImportParams {
  /** As given; relative ones to `folder`. */
  readonly paths: readonly string[];
  readonly folder: string;
  readonly defaults: NoteDefaults;
  readonly columns: NoteColumns;
  /** How strictly resources are checked; as the tenant asks where not given, else `strict`. */
  readonly validation?: ValidationLevel;
  /** Whether Patients of FHIR files are joined to those who have one of their identifiers. */
  readonly link?: boolean;
}

export interface ImportProgress {
  readonly files: number;
  readonly filesDone: number;
  /** Bytes of the files finished, and of all. */
  readonly bytes: number;
  readonly bytesDone: number;
  readonly resources: number;
  readonly documents: number;
  readonly rejected: number;
}

export interface ImportDeps {
  readonly jobs: Jobs;
  readonly bundle: BundleDeps;
  readonly clock: Clock;
}

export interface ImportRun {
  readonly base: string;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: ImportProgress) => void;
  /** Where the files come from; the job's paths on this machine where not given. */
  readonly source?: DocumentSource;
  /** Called when every file is in: waits for the notes to be read, and answers what they yielded. */
  readonly annotate?: (signal: AbortSignal | undefined, profiler: Profiler) => Promise<DerivedCounts>;
  /** Called with the report before the job counts as done; what it throws fails the job. */
  readonly before?: (report: ImportReport) => Promise<void>;
  /** Bytes of all files from which lines of NDJSON are prepared in threads. */
  readonly threadsFromBytes?: number;
  /** What the signal does: `cancel` (a person stopped it) or `release` (the worker stops; another goes on). */
  readonly onStop?: 'cancel' | 'release';
}

/**
 * Runs an import job from where it stands. Stopped by the signal it is cancelled and can be resumed; what is
 * committed stays. Files that refer to what is not here yet are put off until the others are in.
 * @throws Fault when the import as a whole cannot go on; the job is then failed and can be resumed.
 */
export async function runImport(
  deps: ImportDeps,
  tenant: Tenant,
  job: Job,
  run: ImportRun,
): Promise<ImportReport> {
  const started = deps.clock.now();
  const profiler = new Profiler();
  const params = await deps.jobs.params<ImportParams>(tenant, job.id);
  const states: FileState[] = [];
  let lost: unknown;
  const stop = new AbortController();
  const onAbort = () => stop.abort(run.signal?.reason);
  if (run.signal?.aborted) onAbort();
  run.signal?.addEventListener('abort', onAbort);
  let progress: ImportProgress = {
    files: 0,
    filesDone: 0,
    bytes: 0,
    bytesDone: 0,
    resources: 0,
    documents: 0,
    rejected: 0,
  };
  const beat = setInterval(() => {
    profiler.sample();
    deps.jobs.beat(job, { ...progress }).catch((error) => {
      lost = error;
      stop.abort(error);
    });
  }, HEARTBEAT_MS);
  try {
    const files = await (run.source ?? localSource(pathsFrom(params))).files();
    // Where people are joined they are read before what refers to them, which is then rewritten.
    if (params.link) files.sort((a, b) => Number(goesFirst(b, true)) - Number(goesFirst(a, true)));
    const ledger = await loadLedger(tenant, job);
    for (const file of files) states.push(ledger.get(resolve(file.path)) ?? newFileState(tenant, file.path));
    const report = () => {
      progress = progressOf(files, states);
      run.onProgress?.(progress);
    };
    report();
    const threads = lineThreads(deps, tenant, run, params, files);
    try {
      await importAll(deps, tenant, job, run, params, files, states, stop.signal, report, profiler, threads);
    } finally {
      await threads?.close();
    }
    stop.signal.throwIfAborted();
    await refreshStatistics(tenant, changedBy(states));
    const derived = run.annotate ? await run.annotate(stop.signal, profiler) : noDerivedCounts();
    stop.signal.throwIfAborted();
    const seconds = (deps.clock.now() - started) / 1000;
    const result: ImportReport = {
      ...importReport(job.id, states, await reportedErrors(tenant, job), derived, seconds),
      ...(params.link ? { linked: linkedOf(states) } : {}),
      profile: profiler.profile(progress.resources, progress.documents),
    };
    await run.before?.(result);
    await deps.jobs.finish(tenant, job, 'done', { ...progress }, result);
    return result;
  } catch (error) {
    if (lost !== undefined) throw lost;
    const profile = profiler.profile(progress.resources, progress.documents);
    if (run.signal?.aborted) {
      if (run.onStop === 'release') {
        await deps.jobs.release(job, { ...progress });
        throw new Fault('unavailable', 'The worker stops; the import goes on with another.', {
          cause: error,
        });
      }
      await deps.jobs.finish(tenant, job, 'cancelled', { ...progress }, { profile });
      throw new Fault('conflict', 'The import was stopped.', {
        remedy: `Resume it with: cenote job resume ${job.id} --tenant ${job.tenant}`,
        cause: error,
      });
    }
    // The category alone: the row is not sealed, and a message may name a file, which may name a patient.
    const text = isFault(error) ? error.category : 'internal';
    await deps.jobs.finish(tenant, job, 'failed', { ...progress }, { profile }, text).catch(() => undefined);
    throw error;
  } finally {
    clearInterval(beat);
    run.signal?.removeEventListener('abort', onAbort);
  }
}

function levelOf({ validation }: ImportParams, { record }: Tenant): ValidationLevel {
  return validation ?? record.validation ?? 'strict';
}

/** A thread is worth it from so many bytes on: before it is ready, this one takes some MB itself. */
const THREADS_FROM_BYTES = 4 * 1024 * 1024;

/** None where people are joined or references proven: then lines are written one batch after the other. */
function lineThreads(
  { bundle }: ImportDeps,
  tenant: Tenant,
  { base, threadsFromBytes }: ImportRun,
  params: ImportParams,
  files: readonly SourceFile[],
): LinePool | undefined {
  if (params.link || tenant.record.integrity) return undefined;
  const expected = files.reduce((sum, { size }) => sum + (size ?? Number.POSITIVE_INFINITY), 0);
  if (expected < (threadsFromBytes ?? THREADS_FROM_BYTES)) return undefined;
  const settings = { base, level: levelOf(params, tenant) };
  return createLinePool(tenant, settings, () => bundle.store.parameters.assumed(tenant));
}

async function importAll(
  deps: ImportDeps,
  tenant: Tenant,
  job: Job,
  run: ImportRun,
  params: ImportParams,
  files: readonly SourceFile[],
  states: FileState[],
  signal: AbortSignal,
  report: () => void,
  profiler: Profiler,
  threads: LinePool | undefined,
): Promise<void> {
  const cache = new ResolvedReferences();
  const postponed = new Postponed();
  const order = inOrder(files, states, params.link);
  const begun = order.findLastIndex((state) => state.done || state.position > 0) + 1;
  const contested = new Contested(order, begun);
  const committed = async (state: FileState) => {
    if (!postponed.has(state) && !contested.has(state)) await saveFileState(tenant, job, state);
    report();
  };
  const common: Omit<FileImport, 'lastAttempt' | 'actor' | 'lane'> = {
    deps: deps.bundle,
    tenant,
    profiler,
    base: run.base,
    cache,
    defaults: params.defaults,
    columns: params.columns,
    link: params.link ?? false,
    check: checkAt(levelOf(params, tenant)),
    threads,
    postponed,
    contested,
    signal,
    committed,
  };
  const lanes = Array.from({ length: FILES_AT_ONCE }, (_, i) =>
    laneFor(job, profiler.lane(`worker ${i + 1}`)),
  );
  let open = files.map((_, i) => i).filter((i) => !states[i]!.done);
  for (let round = 1; open.length > 0; round++) {
    const deferred: number[] = [];
    const before = open.length;
    const queue = [...open];
    // The last round is the one in which nothing more can appear: its faults are final.
    const lastAttempt = round >= MAX_ROUNDS;
    const worker = async (own: (typeof lanes)[number]) => {
      for (let i = queue.shift(); i !== undefined; i = queue.shift()) {
        signal.throwIfAborted();
        const state = states[i]!;
        const from = performance.now();
        const before = state.counts.resources;
        const outcome = await importFile(files[i]!, state, { ...common, ...own, lastAttempt });
        profiler.file(
          state.path,
          performance.now() - from,
          files[i]!.size ?? 0,
          state.counts.resources - before,
        );
        if (outcome === 'deferred') deferred.push(i);
        else {
          state.done = true;
          await committed(state);
        }
      }
    };
    // Files that others refer to go in one after the other, before anything that would have to wait for them.
    const others = queue.splice(queue.findIndex((i) => !goesFirst(files[i]!, params.link)) >>> 0);
    const alone = performance.now();
    await worker(lanes[0]!);
    for (const { lane } of lanes.slice(1)) lane.add('wait', performance.now() - alone);
    queue.push(...others);
    const ended = await Promise.all(
      lanes.map(async (own) => {
        await worker(own);
        return performance.now();
      }),
    );
    // Who has no file left waits for who still has one.
    const last = Math.max(...ended);
    for (const [n, { lane }] of lanes.entries()) lane.add('wait', last - ended[n]!);
    deferred.sort((a, b) => a - b);
    open = deferred;
    // Without progress another ordinary round would only repeat the last.
    if (deferred.length === before) round = Math.max(round, MAX_ROUNDS - 1);
  }
  signal.throwIfAborted();
  const settled = await postponed.settle(
    { ...common, ...lanes[0]!, lastAttempt: true },
    (state, outcome, type) => countOutcome(state.counts, outcome, type),
    (state, line, fault) => reject(state, line, fault, true),
  );
  for (const state of settled) await committed(state);
  for (const state of await contested.settle({ ...common, ...lanes[0]!, lastAttempt: true }))
    await committed(state);
}

/** The files in the order in which the later one counts where two say the same record differently. */
function inOrder(files: readonly SourceFile[], states: readonly FileState[], link?: boolean): FileState[] {
  const places = files.map((_, i) => i);
  places.sort((a, b) => Number(goesFirst(files[b]!, link)) - Number(goesFirst(files[a]!, link)) || a - b);
  return places.map((i) => states[i]!);
}

/** Whether other files refer to this one, by its name. */
function goesFirst({ path, name }: SourceFile, link = false): boolean {
  return isShared(path) || (link && /^patient\b/i.test(name));
}

/** Who a worker acts as, and where its time is counted. */
function laneFor(job: Job, lane: Lane): Pick<FileImport, 'actor' | 'lane'> {
  const actor = { id: job.id, kind: 'job' } as const;
  measureFor(actor, lane);
  return { actor, lane };
}

function linkedOf(states: readonly FileState[]): NonNullable<ImportReport['linked']> {
  return {
    joined: states.reduce((sum, { counts }) => sum + (counts.joined ?? 0), 0),
    candidates: states.flatMap(({ path, candidates }) => candidates.map((one) => ({ file: path, ...one }))),
  };
}

/** The first refusals of each file, for the report. */
async function reportedErrors(tenant: Tenant, job: Job): Promise<ImportError[]> {
  const errors: ImportError[] = [];
  for await (const batch of refusals(tenant, job.id)) {
    errors.push(...batch.slice(0, MAX_REPORTED_ERRORS - errors.length));
    if (errors.length >= MAX_REPORTED_ERRORS) break;
  }
  return errors;
}

/** Resources that got a new version, those before an interruption included. */
function changedBy(states: readonly FileState[]): number {
  return states.reduce((sum, { counts }) => sum + counts.created + counts.updated + counts.deleted, 0);
}

/** The paths as given where the job still runs in its folder, else absolute. */
function pathsFrom({ paths, folder }: ImportParams): string[] {
  return paths.map((path) => (folder === process.cwd() ? path : resolve(folder, path)));
}

function progressOf(files: readonly SourceFile[], states: readonly FileState[]): ImportProgress {
  let filesDone = 0;
  let bytes = 0;
  let bytesDone = 0;
  let resources = 0;
  let documents = 0;
  let rejected = 0;
  files.forEach((file, i) => {
    const state = states[i]!;
    bytes += file.size ?? 0;
    if (state.done) {
      filesDone++;
      bytesDone += file.size ?? 0;
    }
    resources += state.counts.resources;
    documents += state.counts.documents;
    rejected += state.counts.rejected;
  });
  return { files: files.length, filesDone, bytes, bytesDone, resources, documents, rejected };
}
