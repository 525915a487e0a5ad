import { parentPort, workerData } from 'node:worker_threads';
import { Fault, invalid, isFault } from '../core/fault.js';
import { type FaultMessage, faultMessage } from '../core/fault-message.js';
import { parseJsonLine } from '../core/json.js';
import type { Resource } from '../core/resource.js';
import type { IndexContext } from '../indexing/parameter-type.js';
import { linesOf, MAX_LINE_BYTES } from '../ingest/lines.js';
import type { CopyRows } from '../store/copy-write.js';
import { KeptWrites } from '../store/kept-writes.js';
import { registryOf } from '../store/parameters.js';
import { keysOf } from '../tenancy/keys.js';
import type { TenantKeys } from '../tenancy/tenant.js';
import { checkAt, moved } from './bundle-entry.js';
import { keptId } from './bundle-import.js';
import { rewriteLinks } from './bundle-rewrite.js';
import { attachedUnits } from './import-apply.js';
import type {
  BlockMessage,
  FromLineWorker,
  LineAnswer,
  LineSettings,
  PreparedLines,
  SealMessage,
  ToLineWorker,
} from './line-pool.js';

// A thread that reads, checks, prepares and seals lines of NDJSON for an import, block by block.
const port = parentPort;
if (!port) throw new Error('line-worker runs as a worker thread only');

const { base, level } = workerData as LineSettings;
const check = checkAt(level);
const blocks = new Map<number, KeptWrites>();
let keys: TenantKeys;
let registry = registryOf([]);

/** A line that takes longer to be parsed is named in the profile, in ms. */
const SLOW_LINE_MS = 100;
/** Lines prepared before it is looked whether something is to be sealed: a transaction waits for that. */
const LINES_PER_TURN = 128;

/** Blocks are prepared one after the other. */
let turn = Promise.resolve();

port.on('message', ({ id, message }: ToLineWorker) => {
  if (message.kind === 'release') {
    blocks.get(message.block)?.release();
    blocks.delete(message.block);
    return;
  }
  // At once, since what is sealed meanwhile must be sealed under the newest.
  if (message.kind !== 'texts') take(message);
  const context = { blind: keys.blind, base, registry };
  const work = () => answer(id, () => answerTo(message, context));
  if (message.kind === 'prepare') turn = turn.then(work);
  else void work();
});

function take(message: BlockMessage | SealMessage): void {
  if (message.keys) keys = keysOf(message.keys);
  if (message.kind === 'prepare' && message.parameters) registry = registryOf(message.parameters);
}

async function answer(id: number, work: () => LineAnswer | Promise<LineAnswer>): Promise<void> {
  let message: FromLineWorker;
  const transfer: ArrayBuffer[] = [];
  try {
    const done = await work();
    message = { id, answer: done };
    if (done.kind === 'sealed') transfer.push(...buffersOf(done));
  } catch (error) {
    const fault: FaultMessage = isFault(error)
      ? faultMessage(error)
      : {
          ...faultMessage(new Fault('internal', 'Lines of the file could not be prepared.')),
          // Only what it was: a message might quote the data.
          log: error instanceof Error ? `${error.name} ${placeOf(error)}` : 'error',
        };
    message = { id, fault };
  }
  port!.postMessage(message, transfer);
}

/** The function in which it was thrown. */
function placeOf({ stack }: Error): string {
  return /\n\s+at (\S+)/.exec(stack ?? '')?.[1] ?? '';
}

function buffersOf({ rows }: Extract<LineAnswer, { kind: 'sealed' }>): Set<ArrayBuffer> {
  const all = [...rows.tables.flatMap(([, chunks]) => chunks), ...(rows.audit ?? [])];
  return new Set(all.map((bytes) => bytes.buffer as ArrayBuffer));
}

async function answerTo(
  message: Exclude<ToLineWorker['message'], { kind: 'release' }>,
  context: IndexContext,
): Promise<LineAnswer> {
  switch (message.kind) {
    case 'prepare':
      return prepare(message, context);
    case 'seal': {
      const from = performance.now();
      const rows = ownBuffers(kept(message.block).seal(keys, message.request));
      return { kind: 'sealed', rows, ms: performance.now() - from };
    }
    case 'texts': {
      const writes = kept(message.block);
      return {
        kind: 'texts',
        texts: message.numbers.map((n) => Buffer.from(writes.content(n)).toString('utf8')),
      };
    }
  }
}

function kept(block: number): KeptWrites {
  const writes = blocks.get(block);
  if (!writes) throw new Fault('internal', 'A block of lines is not there.');
  return writes;
}

/** Copies that nobody else holds, one for each table: what is sent away is gone here. */
function ownBuffers(rows: CopyRows): CopyRows {
  const own = (chunks: readonly Buffer[]): Buffer => {
    const out = Buffer.allocUnsafeSlow(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
    let at = 0;
    for (const chunk of chunks) {
      out.set(chunk, at);
      at += chunk.length;
    }
    return out;
  };
  return {
    ...rows,
    tables: rows.tables.map(([table, chunks]) => [table, [own(chunks)]] as const),
    audit: rows.audit?.map((array) => own([array])),
  };
}

async function prepare(
  { block, bytes, first, tooLong, lines, holdFormer }: BlockMessage,
  context: IndexContext,
): Promise<LineAnswer> {
  const whole = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const writes = new KeptWrites(context, lines, holdFormer);
  const seen = new Set<string>();
  const ordinals = new Map<string, number>();
  const numbers = new Int32Array(lines);
  const faults: PreparedLines['faults'][number][] = [];
  const refused: PreparedLines['refused'][number][] = [];
  const documents: PreparedLines['documents'][number][] = [];
  const slow: PreparedLines['slow'][number][] = [];
  const ms = { parse: 0, validate: 0, index: 0 };
  let turns = 0;
  for (const { line, bytes: text } of linesOf(whole, { first, tooLong })) {
    if (!text) {
      const fault = new Fault('too-large', `The line is longer than ${MAX_LINE_BYTES} bytes.`);
      faults.push({ line, fault: faultMessage(fault) });
      continue;
    }
    if (++turns % LINES_PER_TURN === 0) await new Promise(setImmediate);
    const from = performance.now();
    const json = text.toString('utf8');
    let value: unknown;
    let canonical: boolean;
    try {
      ({ value, canonical } = parseJsonLine(json));
      if (typeof value !== 'object' || value === null || Array.isArray(value))
        throw invalid('The line is no JSON object.');
    } catch (error) {
      if (!isFault(error)) throw error;
      faults.push({ line, fault: faultMessage(error) });
      continue;
    }
    const parsed = performance.now();
    ms.parse += parsed - from;
    if (parsed - from > SLOW_LINE_MS) slow.push({ line, ms: parsed - from, bytes: text.length });
    try {
      const resource = checked(value);
      const id = keptId(resource, undefined, ordinals);
      const validated = performance.now();
      ms.validate += validated - parsed;
      const key = `${resource.resourceType}/${id}`;
      // The later of two is another version, and a reference that is a search has to be searched: not from here.
      if (seen.has(key) || ((json.includes('?') || json.includes(ESCAPED)) && asksSearch(resource)))
        return { kind: 'other' };
      seen.add(key);
      // A mark in place of bytes that are no UTF-8 is not what was read.
      const same = canonical && resource === value && !json.includes('\ufffd');
      writes.add(keys, resource, id, same ? { bytes: text, units: json.length } : undefined);
      numbers[writes.length - 1] = line;
      if (resource.resourceType === 'DocumentReference')
        documents.push({
          n: writes.length - 1,
          size: attachedUnits(resource),
          withPatient: resource.subject !== undefined,
        });
      ms.index += performance.now() - validated;
    } catch (error) {
      if (!isFault(error)) throw error;
      refused.push({ line, fault: faultMessage(error) });
    }
  }
  blocks.set(block, writes);
  return {
    kind: 'prepared',
    columns: writes.columns,
    lines: numbers.subarray(0, writes.length),
    faults,
    refused,
    documents,
    slow,
    ms,
  };
}

/** A question mark as JSON may write it. */
const ESCAPED = '\\u003';

function checked(value: unknown): Resource {
  try {
    return check(value, undefined, 'bundle');
  } catch (error) {
    // As for an entry of a bundle, which lines are otherwise imported as.
    throw isFault(error) ? moved(error, 'Bundle.entry[0].resource') : error;
  }
}

function asksSearch(resource: Resource): boolean {
  let asks = false;
  rewriteLinks(resource, (text, isReference) => {
    asks ||= isReference && text.includes('?');
    return text;
  });
  return asks;
}
