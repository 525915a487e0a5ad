import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { Worker } from 'node:worker_threads';
import { Fault } from '../core/fault.js';
import { type FaultMessage, faultOfMessage } from '../core/fault-message.js';
import { packageRoot } from '../core/package-root.js';
import type { ValidationLevel } from '../fhir/validate.js';
import type { LineBlock } from '../ingest/lines.js';
import type { CopyRows } from '../store/copy-write.js';
import type { KnownParameters, OwnParameter } from '../store/parameters.js';
import type { KeptBatch, SealRequest, WriteColumns } from '../store/write-columns.js';
import type { DerivedKeys } from '../tenancy/keys.js';
import type { Tenant } from '../tenancy/tenant.js';

/** What a thread is started with. */
export interface LineSettings {
  /** FHIR base of the tenant, by which the index knows references to it. */
  readonly base: string;
  readonly level: ValidationLevel;
}

export interface BlockMessage {
  readonly kind: 'prepare';
  readonly block: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly first: number;
  readonly tooLong: readonly number[];
  /** How many there are, blank ones included. */
  readonly lines: number;
  readonly holdFormer: boolean;
  /** Given where they are not those of before. */
  readonly keys: DerivedKeys | undefined;
  readonly parameters: readonly OwnParameter[] | undefined;
}

export interface SealMessage {
  readonly kind: 'seal';
  readonly block: number;
  readonly request: SealRequest;
  /** Given where they are not those of before. */
  readonly keys: DerivedKeys | undefined;
}

/** Messages between the pool and `line-worker`. */
export interface ToLineWorker {
  readonly id: number;
  readonly message:
    | BlockMessage
    | SealMessage
    | { readonly kind: 'texts'; readonly block: number; readonly numbers: readonly number[] }
    | { readonly kind: 'release'; readonly block: number };
}

export type FromLineWorker = { readonly id: number } & (
  | { readonly answer: LineAnswer }
  | { readonly fault: FaultMessage }
);

export type LineAnswer =
  | PreparedLines
  /** Something in the block needs what only the main thread knows: nothing of it is kept. */
  | { readonly kind: 'other' }
  | { readonly kind: 'sealed'; readonly rows: CopyRows; readonly ms: number }
  | { readonly kind: 'texts'; readonly texts: readonly string[] };

export interface PreparedLines {
  readonly kind: 'prepared';
  readonly columns: WriteColumns;
  /** The line of each write. */
  readonly lines: Int32Array;
  /** Lines that are no JSON or too long; places are those of the text. */
  readonly faults: readonly { readonly line: number; readonly fault: FaultMessage }[];
  /** Resources that were refused; places are those of an entry. */
  readonly refused: readonly { readonly line: number; readonly fault: FaultMessage }[];
  /** The DocumentReferences among the writes, with the length of what is attached. */
  readonly documents: readonly {
    readonly n: number;
    readonly size: number;
    readonly withPatient: boolean;
  }[];
  readonly slow: readonly { readonly line: number; readonly ms: number; readonly bytes: number }[];
  /** Where the time went, in ms. */
  readonly ms: { readonly parse: number; readonly validate: number; readonly index: number };
}

/** A block whose lines a thread prepared and keeps until it is released. */
export interface ReadyBlock extends Omit<PreparedLines, 'kind' | 'faults' | 'refused'>, KeptBatch {
  readonly faults: readonly { readonly line: number; readonly fault: Fault }[];
  readonly refused: readonly { readonly line: number; readonly fault: Fault }[];
  /** Contents of resources (`contentOf`), by their number. */
  texts(numbers: readonly number[]): Promise<readonly string[]>;
  release(): void;
}

/** Prepares lines of NDJSON in threads of its own, for one tenant and one import. */
export interface LinePool {
  /**
   * @param sealed is told how long the sealing of the block took, in ms
   * @returns undefined where the lines have to be taken one by one in this thread
   */
  prepare(
    block: LineBlock,
    holdFormer: boolean,
    sealed: (ms: number) => void,
  ): Promise<ReadyBlock | undefined>;
  close(): Promise<void>;
}

/** This thread and the database need a core as well. */
const THREADS_MAX = 3;
const THREAD_MAX_HEAP_MB = 512;
/**
 * A resource is some 40 KB of objects, all of which are garbage before the next but one. A collection costs what outlives
 * it, so the fewer the better: with 64 MB to fill a thread takes a sixth less CPU than with 10. The space grows from 1 MB by
 * what survives, which is nearly nothing: it has to begin at that size.
 */
const THREAD_SEMI_SPACE_MB = 64;
/** V8 counts two half-spaces and one for large objects. */
const THREAD_YOUNG_MB = 3 * THREAD_SEMI_SPACE_MB;
/** Bytes of one message of COPY. */
const CHUNK_BYTES = 128 * 1024;

interface Thread {
  readonly worker: Worker;
  /** Blocks that are being prepared. */
  preparing: number;
  readonly waiting: Map<number, { resolve(answer: LineAnswer): void; reject(error: unknown): void }>;
  keys: DerivedKeys | undefined;
  epoch: number | undefined;
}

/**
 * Threads are started when there is something for them to do.
 * @param parameters what writing is indexed by now
 */
export function createLinePool(
  tenant: Tenant,
  settings: LineSettings,
  parameters: () => KnownParameters,
): LinePool {
  const most = Math.max(1, Math.min(THREADS_MAX, availableParallelism() - 1));
  const file = pathToFileURL(join(packageRoot(), 'dist', 'src', 'tasks', 'line-worker.js'));
  const threads = new Set<Thread>();
  let closed: Fault | undefined;
  let ids = 0;
  let blocks = 0;

  function start(): Thread {
    // Read when the thread makes its heap; there is no limit of a worker that says where it begins.
    setFlagsFromString(`--min-semi-space-size=${THREAD_SEMI_SPACE_MB}`);
    const worker = new Worker(file, {
      workerData: settings,
      resourceLimits: {
        maxOldGenerationSizeMb: THREAD_MAX_HEAP_MB,
        maxYoungGenerationSizeMb: THREAD_YOUNG_MB,
      },
    });
    const thread: Thread = { worker, preparing: 0, waiting: new Map(), keys: undefined, epoch: undefined };
    worker.unref();
    worker.once('online', () => setFlagsFromString('--min-semi-space-size=0'));
    worker.on('message', (message: FromLineWorker) => {
      const waiting = thread.waiting.get(message.id);
      thread.waiting.delete(message.id);
      if (thread.waiting.size === 0) worker.unref();
      if ('fault' in message) waiting?.reject(faultOfMessage(message.fault));
      else waiting?.resolve(message.answer);
    });
    worker.on('error', (cause) => {
      threads.delete(thread);
      const fault = new Fault('internal', 'A thread that prepares lines ended.', {
        remedy: 'Resume the import; if it happens again, run npm run build and see the log.',
        log: (cause as NodeJS.ErrnoException).code ?? cause.name,
        cause,
      });
      for (const { reject } of thread.waiting.values()) reject(fault);
    });
    threads.add(thread);
    return thread;
  }

  function ask(
    thread: Thread,
    message: ToLineWorker['message'],
    transfer: readonly ArrayBuffer[] = [],
  ): Promise<LineAnswer> {
    if (closed || !threads.has(thread)) return Promise.reject(closed ?? ended());
    return new Promise((resolve, reject) => {
      const id = ++ids;
      thread.waiting.set(id, { resolve, reject });
      thread.worker.ref();
      thread.worker.postMessage({ id, message } satisfies ToLineWorker, transfer as ArrayBuffer[]);
    });
  }

  /** One that is idle, or a new one, or the one with the least to do. */
  function next(): Thread {
    let least: Thread | undefined;
    for (const thread of threads) if (!least || thread.preparing < least.preparing) least = thread;
    return least && (least.preparing === 0 || threads.size >= most) ? least : start();
  }

  /** The keys, where the thread has others. */
  function keysFor(thread: Thread): DerivedKeys | undefined {
    const keys = tenant.keys.handOver();
    if (thread.keys === keys) return undefined;
    thread.keys = keys;
    return keys;
  }

  return {
    async prepare({ first, last, parts, size, tooLong }, holdFormer, sealed) {
      const thread = next();
      const { epoch, parameters: own } = parameters();
      const { indexPhase } = tenant.keys;
      const bytes = new Uint8Array(size);
      let at = 0;
      for (const part of parts) {
        bytes.set(part, at);
        at += part.length;
      }
      const block = ++blocks;
      const lines = last - first + 1;
      const fresh = thread.epoch === epoch ? undefined : own;
      thread.epoch = epoch;
      const keys = keysFor(thread);
      thread.preparing++;
      const answer = await ask(
        thread,
        { kind: 'prepare', block, bytes, first, tooLong, lines, holdFormer, keys, parameters: fresh },
        [bytes.buffer],
      ).finally(() => thread.preparing--);
      if (answer.kind !== 'prepared') return undefined;
      return {
        ...answer,
        faults: answer.faults.map(({ line, fault }) => ({ line, fault: faultOfMessage(fault) })),
        refused: answer.refused.map(({ line, fault }) => ({ line, fault: faultOfMessage(fault) })),
        parameters: epoch,
        indexPhase,
        async seal(request) {
          const done = await ask(thread, { kind: 'seal', block, request, keys: keysFor(thread) });
          if (done.kind !== 'sealed') throw ended();
          sealed(done.ms);
          return received(done.rows);
        },
        async texts(numbers) {
          const done = await ask(thread, { kind: 'texts', block, numbers });
          if (done.kind !== 'texts') throw ended();
          return done.texts;
        },
        release() {
          if (!closed && threads.has(thread))
            thread.worker.postMessage({
              id: ++ids,
              message: { kind: 'release', block },
            } satisfies ToLineWorker);
        },
      };
    },
    async close() {
      closed = ended();
      await Promise.all(
        [...threads].map((thread) => {
          threads.delete(thread);
          for (const { reject } of thread.waiting.values()) reject(closed);
          return thread.worker.terminate();
        }),
      );
    },
  };
}

function ended(): Fault {
  return new Fault('unavailable', 'The import ended.');
}

/** What was sent as buffers comes as arrays of bytes. */
function received(rows: CopyRows): CopyRows {
  const buffer = (bytes: Uint8Array) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  return {
    ...rows,
    tables: rows.tables.map(
      ([table, chunks]) => [table, chunks.flatMap((bytes) => pieces(buffer(bytes)))] as const,
    ),
    audit: rows.audit?.map(buffer),
  };
}

function pieces(bytes: Buffer): Buffer[] {
  const out: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES) out.push(bytes.subarray(at, at + CHUNK_BYTES));
  return out;
}
