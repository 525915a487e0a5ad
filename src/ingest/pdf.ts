import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { Fault, invalid } from '../core/fault.js';
import { packageRoot } from '../core/package-root.js';
import { type ExtractedText, MAX_TEXT_LENGTH, type TextExtractor } from './extractor.js';

/** Largest PDF, in bytes. */
const MAX_BYTES = 64 * 1024 * 1024;
const MAX_PAGES = 2_000;
/** Longest time for one PDF. */
const TIMEOUT_MS = 60_000;
/** Heap of the thread that reads PDFs; one that needs more ends the thread, not the process. */
const MAX_HEAP_MB = 768;

export type PdfQuestion = {
  readonly bytes: Uint8Array;
  readonly maxPages: number;
  readonly maxLength: number;
};
export type PdfAnswer = { readonly pages: readonly string[] } | { readonly failed: keyof typeof FAILURES };

const FAILURES = {
  pages: () => new Fault('too-large', `The PDF has more than ${MAX_PAGES} pages.`),
  length: () => new Fault('too-large', `The text of the PDF is longer than ${MAX_TEXT_LENGTH} characters.`),
  password: () =>
    new Fault('unsupported', 'The PDF is encrypted.', { remedy: 'Save it without a password first.' }),
  damaged: () => invalid('The PDF is damaged.', undefined, 'Print it to a new PDF.'),
  time: () => new Fault('too-large', `The PDF takes longer than ${TIMEOUT_MS / 1000} s to read.`),
  memory: () => new Fault('too-large', `The PDF takes more than ${MAX_HEAP_MB} MB of memory to read.`),
};

/**
 * PDF: the text of its pages, an empty line between them. Pages that are pictures have none. Read in a thread of its
 * own, since a hostile PDF can loop or eat memory within one call.
 */
export const pdfExtractor: TextExtractor = {
  name: 'pdf',
  reads: (type) => type === 'application/pdf' || type === 'application/x-pdf',
  async extract(bytes) {
    if (bytes.length > MAX_BYTES) throw new Fault('too-large', `The PDF is larger than ${MAX_BYTES} bytes.`);
    if (!Buffer.from(bytes.subarray(0, 1024)).includes('%PDF-')) throw invalid('The document is no PDF.');
    const answer = await inTurn(() =>
      ask({ bytes: Uint8Array.from(bytes), maxPages: MAX_PAGES, maxLength: MAX_TEXT_LENGTH }),
    );
    if ('failed' in answer) throw FAILURES[answer.failed]();
    return joined(answer.pages);
  },
};

function joined(pages: readonly string[]): ExtractedText {
  const starts: number[] = [];
  let text = '';
  for (const page of pages) {
    if (text !== '' && page !== '') text += '\n\n';
    starts.push(text.length);
    text += page;
  }
  // An empty page starts where the next one does; the last that starts at or before an offset holds it.
  return { text, toOriginal: (offset) => Math.max(1, starts.filter((start) => start <= offset).length) };
}

let worker: Worker | undefined;
let last: Promise<unknown> = Promise.resolve();

/** One PDF at a time: the thread is one, and its memory is what bounds it. */
function inTurn<T>(work: () => Promise<T>): Promise<T> {
  const next = last.then(work, work);
  last = next.catch(() => undefined);
  return next;
}

function ask(question: PdfQuestion): Promise<PdfAnswer> {
  worker ??= start();
  const asked = worker;
  return new Promise((resolve) => {
    const end = (answer: PdfAnswer, broken: boolean) => {
      clearTimeout(timer);
      for (const event of ['message', 'error', 'exit']) asked.removeAllListeners(event);
      if (broken) {
        if (worker === asked) worker = undefined;
        asked.on('error', () => undefined);
        void asked.terminate();
      }
      resolve(answer);
    };
    const timer = setTimeout(() => end({ failed: 'time' }, true), TIMEOUT_MS);
    asked.once('message', (answer: PdfAnswer) => end(answer, false));
    asked.once('error', (error: NodeJS.ErrnoException) =>
      end({ failed: error.code === 'ERR_WORKER_OUT_OF_MEMORY' ? 'memory' : 'damaged' }, true),
    );
    asked.once('exit', () => end({ failed: 'damaged' }, true));
    asked.postMessage(question, [question.bytes.buffer as ArrayBuffer]);
  });
}

function start(): Worker {
  const file = pathToFileURL(join(packageRoot(), 'dist', 'src', 'ingest', 'pdf-worker.js'));
  const thread = new Worker(file, {
    resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MB },
    stdout: true,
    stderr: true,
  });
  // An idle thread does not keep the process; while a PDF is read its deadline does.
  thread.unref();
  return thread;
}
