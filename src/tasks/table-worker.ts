import { parentPort } from 'node:worker_threads';
import { isFault } from '../core/fault.js';
import { encodeBatch } from '../export/table-batch.js';
import type { FromTableWorker, ToTableWorker } from './table-pool.js';

// A thread that makes tables of batches of resources, one at a time.
const port = parentPort;
if (!port) throw new Error('table-worker runs as a worker thread only');

port.on('message', async ({ spec, batch }: ToTableWorker) => {
  try {
    const made = await encodeBatch(spec, batch);
    const bytes = [made.bytes, ...(made.groups ?? []).map((g) => g.bytes)];
    // What was allocated together is moved once.
    const moved = new Set(bytes.flatMap((b) => (b ? [b.buffer as ArrayBuffer] : [])));
    port.postMessage({ made } satisfies FromTableWorker, [...moved]);
  } catch (error) {
    const fault = isFault(error)
      ? { category: error.category, message: error.message, at: error.at, remedy: error.remedy }
      : {
          category: 'internal' as const,
          message: 'A table could not be made.',
          // Only what it was: a message might quote the data.
          log: error instanceof Error ? error.name : 'error',
        };
    port.postMessage({ fault } satisfies FromTableWorker);
  }
});
