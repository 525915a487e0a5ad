import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { freeAreas } from '../../nlp/2-mention/kernel-memory.js';
import type { SharedWeights } from '../../nlp/index.js';
import type { Annotation, DocumentContext } from '../../nlp/model.js';
import { Fault } from '../core/fault.js';
import { packageRoot } from '../core/package-root.js';

export interface NlpPoolOptions {
  /** Threads that read; one per core, at most `WORKERS_MAX`, where not given. */
  readonly workers?: number;
  /** Longest note taken, in UTF-16 code units. */
  readonly maxTextLength?: number;
  /** Longest time one note may take, in ms; its thread is replaced then. */
  readonly noteTimeoutMs?: number;
  /** Notes that may wait; more are refused. */
  readonly maxQueued?: number;
  /** File of a site's lexicon; the shipped one where not given. */
  readonly lexicon?: string | undefined;
}

export interface NlpPool {
  /** Of the pipeline, as recorded with every annotation. */
  readonly version: string;
  /**
   * Reads one note. The result depends on the text and context alone, not on the number or order of threads.
   * @throws Fault `too-large`, `too-many` (the queue is full), `timeout`, `internal`, `unavailable` (closed).
   */
  annotate(text: string, context: DocumentContext): Promise<Annotation>;
  /** The same as JSON, for who only passes it on; without the reasons of mentions where not asked for. */
  annotateJson(text: string, context: DocumentContext, reasons: boolean): Promise<string>;
  /** Ends the threads; notes still waiting fail with `unavailable`. */
  close(): Promise<void>;
}

/** What a thread is started with. */
export interface WorkerSettings {
  readonly lexicon: string | undefined;
  /** As another thread has read them; the first thread reads them itself and sends them. */
  readonly weights: SharedWeights | undefined;
  /** No other thread of the pool has this number, nor had it. */
  readonly number: number;
  /** One number: notes that the thread has read so far. Answers come in groups, so a thread that hangs is ahead of them. */
  readonly progress: Int32Array;
}

/** Messages between the pool and `nlp-worker`. */
export interface Handed {
  readonly text: string;
  readonly context: DocumentContext;
  readonly reasons: boolean;
}
export type ToWorker = readonly Handed[];
export type Answer = { readonly json: string } | { readonly failed: string };
export type FromWorker =
  | { readonly answers: readonly Answer[] }
  | { readonly weights: SharedWeights }
  | { readonly ready: string };

const WORKERS_MAX = 16;
const TEXT_MAX_LENGTH = 4_000_000;
const NOTE_TIMEOUT_MS = 60_000;
const QUEUED_MAX = 10_000;
/** Notes at the front of the queue that were handed over already. */
const HANDED_KEPT_MAX = 128;
/** Notes that a thread may hold, and characters handed over in one message. */
const BATCH_MAX_NOTES = 24;
/** A thread that holds this many or fewer is handed more, so that it never waits for this one. */
const BATCH_LOW = 12;
const BATCH_MAX_LENGTH = 200_000;
const WORKER_MAX_HEAP_MB = 1024;
/** What is new in a thread is garbage after one note: more room for it would be memory for nothing. */
const WORKER_MAX_YOUNG_MB = 12;
/** Threads that may end before they were ready, before the pool gives up. */
const STARTS_FAILED_MAX = 3;

interface Note extends Handed {
  resolve(json: string): void;
  reject(error: Fault): void;
}

interface Thread {
  readonly number: number;
  readonly worker: Worker;
  ready: boolean;
  /** Handed over and not answered yet, in order. */
  running: Note[];
  /** Notes answered so far; `progress` is ahead by those that were read and not answered yet. */
  answered: number;
  readonly progress: Int32Array;
  deadline: NodeJS.Timeout | undefined;
}

/**
 * Starts a thread and waits until it is ready; the others follow while notes are read. The first unpacks the weights,
 * for all of them, so that the event loop of this one never waits for it.
 */
export async function createNlpPool(options: NlpPoolOptions = {}): Promise<NlpPool> {
  const workers = Math.max(1, Math.min(WORKERS_MAX, options.workers ?? availableParallelism()));
  const maxTextLength = options.maxTextLength ?? TEXT_MAX_LENGTH;
  const noteTimeoutMs = options.noteTimeoutMs ?? NOTE_TIMEOUT_MS;
  const maxQueued = options.maxQueued ?? QUEUED_MAX;
  const file = pathToFileURL(join(packageRoot(), 'dist', 'src', 'tasks', 'nlp-worker.js'));
  let weights: SharedWeights | undefined;
  const threads = new Set<Thread>();
  const queue: Note[] = [];
  let head = 0;
  let closed = false;
  let startsFailed = 0;
  let startedThreads = 0;
  let started: (version: string) => void;
  let failedToStart: (error: Fault) => void;
  const firstReady = new Promise<string>((resolve, reject) => {
    started = resolve;
    failedToStart = reject;
  });

  const waiting = () => queue.length - head;

  function start(): void {
    const number = ++startedThreads;
    const progress = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
    const worker = new Worker(file, {
      resourceLimits: {
        maxOldGenerationSizeMb: WORKER_MAX_HEAP_MB,
        maxYoungGenerationSizeMb: WORKER_MAX_YOUNG_MB,
      },
      workerData: { lexicon: options.lexicon, weights, number, progress } satisfies WorkerSettings,
    });
    const thread: Thread = {
      number,
      worker,
      ready: false,
      running: [],
      answered: 0,
      progress,
      deadline: undefined,
    };
    threads.add(thread);
    worker.on('message', (message: FromWorker) => receive(thread, message));
    worker.on('error', (error) => ended(thread, error));
    worker.on('exit', () => ended(thread));
  }

  function receive(thread: Thread, message: FromWorker): void {
    // What a thread had sent before it was replaced: its notes are read again.
    if (!threads.has(thread)) return;
    if ('weights' in message) {
      weights ??= message.weights;
      while (threads.size < workers) start();
      return;
    }
    if ('ready' in message) {
      thread.ready = true;
      startsFailed = 0;
      started(message.ready);
    } else {
      thread.answered += message.answers.length;
      for (const answer of message.answers) {
        const note = thread.running.shift();
        if ('json' in answer) note?.resolve(answer.json);
        else note?.reject(new Fault('internal', 'The note could not be read.', { log: answer.failed }));
      }
    }
    if (thread.running.length > BATCH_LOW || !feed(thread)) watch(thread);
  }

  /** Hands notes that wait to a thread that has few; false where none wait. */
  function feed(thread: Thread): boolean {
    const batch: Note[] = [];
    const room = BATCH_MAX_NOTES - thread.running.length;
    for (let length = 0; waiting() > 0 && batch.length < room && length < BATCH_MAX_LENGTH; ) {
      const note = queue[head++]!;
      batch.push(note);
      length += note.text.length;
    }
    // Dropped some at a time, so that taking from the front stays cheap. Never many: each still holds its answer.
    if (head === queue.length || head > HANDED_KEPT_MAX) {
      queue.splice(0, head);
      head = 0;
    }
    if (batch.length === 0) {
      // An idle thread does not keep the process alive.
      if (thread.running.length === 0) thread.worker.unref();
      return false;
    }
    thread.running.push(...batch);
    thread.worker.ref();
    thread.worker.postMessage(
      batch.map(({ text, context, reasons }) => ({ text, context, reasons })) satisfies ToWorker,
    );
    watch(thread);
    return true;
  }

  /** Gives the note that is now being read its time. */
  function watch(thread: Thread): void {
    clearTimeout(thread.deadline);
    if (thread.running.length === 0) return;
    thread.deadline = setTimeout(() => {
      replace(
        thread,
        new Fault('timeout', `The note took longer than ${noteTimeoutMs / 1000} s to read.`, {
          remedy: 'Split the document into smaller ones.',
        }),
      );
    }, noteTimeoutMs);
  }

  /** Ends a thread: the note it was at fails, the others of its notes go back to the front of the queue. */
  function replace(thread: Thread, fault: Fault): void {
    if (!threads.delete(thread)) return;
    clearTimeout(thread.deadline);
    const others = thread.running;
    thread.running = [];
    const [current] = others.splice(Atomics.load(thread.progress, 0) - thread.answered, 1);
    current?.reject(fault);
    queue.splice(0, head, ...others);
    head = 0;
    // Only what has ended touches its part of the memory no more.
    void thread.worker.terminate().then(() => {
      if (weights) freeAreas(weights.tagger.memory, thread.number);
    });
    if (!closed) start();
  }

  function ended(thread: Thread, error?: Error): void {
    if (!threads.has(thread)) return;
    const fault = new Fault('internal', 'The note could not be read.', {
      log: `reader thread ended: ${(error as NodeJS.ErrnoException | undefined)?.code ?? error?.name ?? 'exit'}`,
    });
    if (!thread.ready && ++startsFailed >= STARTS_FAILED_MAX) {
      const unable = new Fault('unavailable', 'The reader of notes cannot be started.', {
        remedy: 'Run npm run build, and see the log.',
        log: error?.message,
        cause: error,
      });
      closed = true;
      threads.delete(thread);
      failedToStart(unable);
      for (const note of queue.splice(0).slice(head)) note.reject(unable);
      head = 0;
      return;
    }
    replace(thread, fault);
  }

  start();
  const version = await firstReady;

  const read = (text: string, context: DocumentContext, reasons: boolean): Promise<string> => {
    if (closed) return Promise.reject(new Fault('unavailable', 'The reader of notes is closed.'));
    if (text.length > maxTextLength) {
      return Promise.reject(
        new Fault('too-large', `The note is longer than ${maxTextLength} characters.`, {
          remedy: 'Split the document into smaller ones.',
        }),
      );
    }
    if (waiting() >= maxQueued) {
      return Promise.reject(
        new Fault('too-many', 'Too many notes are waiting to be read.', {
          remedy: 'Try again in a moment.',
        }),
      );
    }
    return new Promise((resolve, reject) => {
      queue.push({ text, context, reasons, resolve, reject });
      for (const thread of threads) {
        if (thread.ready && thread.running.length === 0) return feed(thread);
      }
    });
  };

  return {
    version,
    annotate: async (text, context) => JSON.parse(await read(text, context, true)) as Annotation,
    annotateJson: read,
    async close() {
      closed = true;
      const fault = new Fault('unavailable', 'The reader of notes was closed.');
      for (const note of queue.splice(0).slice(head)) note.reject(fault);
      head = 0;
      await Promise.all(
        [...threads].map((thread) => {
          threads.delete(thread);
          clearTimeout(thread.deadline);
          for (const note of thread.running) note.reject(fault);
          return thread.worker.terminate();
        }),
      );
    },
  };
}
