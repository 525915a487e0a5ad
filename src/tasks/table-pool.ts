import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { Fault, type FaultCategory } from '../core/fault.js';
import { packageRoot } from '../core/package-root.js';
import {
  type BatchEncoder,
  type EncodedBatch,
  encodeBatch,
  type TableSpec,
  type TextBatch,
} from '../export/table-batch.js';

/** Makes tables in threads of its own, once there is enough to make. */
export interface TablePool extends BatchEncoder {
  /** Ends the threads; batches still waiting fail. */
  close(): Promise<void>;
}

/** Messages between the pool and `table-worker`. */
export interface ToTableWorker {
  readonly spec: TableSpec;
  readonly batch: TextBatch;
}
export type FromTableWorker =
  | { readonly made: EncodedBatch }
  | {
      readonly fault: { readonly category: FaultCategory; readonly message: string } & Partial<
        Record<'at' | 'remedy' | 'log', string | undefined>
      >;
    };

const THREADS_MAX = 4;
/** Bytes made in this thread before others are started: a start takes as long as some 10 MB. */
const WORTH_THREADS_BYTES = 32 * 1024 * 1024;
const THREAD_MAX_HEAP_MB = 512;

interface Waiting {
  readonly spec: TableSpec;
  readonly batch: TextBatch;
  accept(): void;
  resolve(made: EncodedBatch): void;
  reject(error: unknown): void;
}

export interface TablePoolOptions {
  /** One per core, at most 4, where not given. */
  readonly threads?: number;
  readonly worthThreadsBytes?: number;
}

/** Threads are started when they are worth it; a thread that ends fails the batch it was at. */
export function createTablePool(options: TablePoolOptions = {}): TablePool {
  const most = Math.max(1, Math.min(THREADS_MAX, options.threads ?? availableParallelism()));
  const worth = options.worthThreadsBytes ?? WORTH_THREADS_BYTES;
  const file = pathToFileURL(join(packageRoot(), 'dist', 'src', 'tasks', 'table-worker.js'));
  const queue: Waiting[] = [];
  /** What a thread is making; undefined while it has nothing to do. */
  const threads = new Map<Worker, Waiting | undefined>();
  let made = 0;
  let closed = false;

  function start(): Worker {
    const worker = new Worker(file, { resourceLimits: { maxOldGenerationSizeMb: THREAD_MAX_HEAP_MB } });
    worker.unref();
    worker.on('message', (message: FromTableWorker) => {
      const current = threads.get(worker);
      threads.set(worker, undefined);
      worker.unref();
      if ('made' in message) current?.resolve(message.made);
      else {
        const { category, message: text, ...rest } = message.fault;
        current?.reject(new Fault(category, text, rest));
      }
      next();
    });
    worker.on('error', (cause) => {
      const current = threads.get(worker);
      threads.delete(worker);
      current?.reject(
        new Fault('internal', 'A thread that makes tables ended.', {
          remedy: 'Run npm run build, and see the log.',
          log: (cause as NodeJS.ErrnoException).code ?? cause.name,
          cause,
        }),
      );
      next();
    });
    threads.set(worker, undefined);
    return worker;
  }

  function next(): void {
    while (queue.length > 0 && !closed) {
      let idle: Worker | undefined;
      for (const [worker, current] of threads) if (current === undefined) idle ??= worker;
      if (!idle && threads.size < most) idle = start();
      if (!idle) return;
      const job = queue.shift()!;
      threads.set(idle, job);
      idle.ref();
      idle.postMessage({ spec: job.spec, batch: job.batch } satisfies ToTableWorker, [job.batch.buffer]);
      job.accept();
    }
  }

  return {
    encode(spec, batch) {
      made += batch.length;
      if (made < worth && threads.size === 0) {
        const own = encodeBatch(spec, batch);
        return { accepted: own.catch(() => undefined), made: own };
      }
      let accept: () => void = () => undefined;
      const accepted = new Promise<void>((resolve) => {
        accept = resolve;
      });
      const result = new Promise<EncodedBatch>((resolve, reject) => {
        queue.push({ spec, batch, accept, resolve, reject });
      });
      next();
      return { accepted, made: result };
    },
    async close() {
      closed = true;
      const fault = new Fault('unavailable', 'The export ended.');
      for (const job of queue.splice(0)) {
        job.accept();
        job.reject(fault);
      }
      await Promise.all(
        [...threads].map(([worker, current]) => {
          threads.delete(worker);
          current?.reject(fault);
          return worker.terminate();
        }),
      );
    },
  };
}
