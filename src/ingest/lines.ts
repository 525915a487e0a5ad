import type { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { Fault } from '../core/fault.js';
import { isGzip } from './format.js';

/** Longest line of NDJSON, in bytes. */
export const MAX_LINE_BYTES = 16 * 1024 * 1024;
/** Largest single JSON file or note, decompressed, in bytes. */
export const MAX_FILE_BYTES = 512 * 1024 * 1024;
/** A stream that unpacks to more than this many times its size is a bomb (RFC 1951 can reach 1032). */
const MAX_RATIO = 200;
/** Ratio is judged only after this many decompressed bytes: small files of repeated text are honest. */
const RATIO_FROM_BYTES = 64 * 1024 * 1024;

/**
 * Decompressed bytes of a stream that may be gzip, told by its first bytes rather than its name.
 * @throws Fault `too-large` when it unpacks beyond MAX_RATIO; `invalid` when the gzip is damaged.
 */
export async function* inflated(stream: Readable): AsyncGenerator<Buffer> {
  const input = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  const first = await input.next();
  if (first.done) return;
  const head = Buffer.from(first.value);
  async function* whole(): AsyncGenerator<Buffer> {
    yield head;
    for (;;) {
      const next = await input.next();
      if (next.done) return;
      yield Buffer.from(next.value);
    }
  }
  if (!isGzip(head)) {
    yield* whole();
    return;
  }
  const gunzip = createGunzip();
  let packed = 0;
  let unpacked = 0;
  const feeding = (async () => {
    for await (const chunk of whole()) {
      packed += chunk.length;
      if (!gunzip.write(chunk)) await new Promise((resume) => gunzip.once('drain', resume));
      if (gunzip.destroyed) return;
    }
    gunzip.end();
  })();
  feeding.catch((error) => gunzip.destroy(error as Error));
  try {
    for await (const chunk of gunzip as AsyncIterable<Buffer>) {
      unpacked += chunk.length;
      if (unpacked > RATIO_FROM_BYTES && unpacked > packed * MAX_RATIO) {
        throw new Fault('too-large', `The gzip data unpacks to more than ${MAX_RATIO} times its size.`);
      }
      yield chunk;
    }
  } catch (cause) {
    if (cause instanceof Fault) throw cause;
    throw new Fault('invalid', 'The gzip data is damaged.', { cause, remedy: 'Compress the file again.' });
  } finally {
    gunzip.destroy();
    stream.destroy();
  }
}

/** The whole of a stream, decompressed. @throws Fault `too-large` beyond `limit` bytes. */
export async function readWhole(stream: Readable, limit = MAX_FILE_BYTES): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of inflated(stream)) {
    size += chunk.length;
    if (size > limit) throw new Fault('too-large', `The file is larger than ${limit} bytes.`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
}

/** One line of a file. `line` counts from 1. `bytes` is undefined for a line that was too long to be kept. */
export interface Line {
  readonly line: number;
  readonly bytes: Buffer | undefined;
}

/** Lines of a stream, decompressed, without their ends (LF or CRLF); empty ones are skipped but counted. */
export async function* readLines(stream: Readable, limit = MAX_LINE_BYTES): AsyncGenerator<Line> {
  let line = 0;
  let parts: Buffer[] = [];
  let size = 0;
  let tooLong = false;
  const take = (): Line | undefined => {
    line++;
    const joined = tooLong ? undefined : parts.length === 1 ? parts[0]! : Buffer.concat(parts, size);
    const long = tooLong;
    parts = [];
    size = 0;
    tooLong = false;
    if (long) return { line, bytes: undefined };
    const end =
      joined!.length > 0 && joined![joined!.length - 1] === 0x0d ? joined!.length - 1 : joined!.length;
    return isBlank(joined!, end) ? undefined : { line, bytes: joined!.subarray(0, end) };
  };
  for await (const chunk of inflated(stream)) {
    let from = 0;
    for (;;) {
      const at = chunk.indexOf(0x0a, from);
      const piece = chunk.subarray(from, at < 0 ? chunk.length : at);
      size += piece.length;
      if (size > limit) {
        tooLong = true;
        parts = [];
      } else if (piece.length > 0) parts.push(piece);
      if (at < 0) break;
      if (parts.length === 0 && !tooLong) {
        line++;
        size = 0;
      } else {
        const done = take();
        if (done) yield done;
      }
      from = at + 1;
    }
  }
  if (parts.length > 0 || tooLong) {
    const done = take();
    if (done) yield done;
  }
}

function isBlank(bytes: Buffer, end: number): boolean {
  for (let i = 0; i < end; i++) {
    const b = bytes[i]!;
    if (b !== 0x20 && b !== 0x09) return false;
  }
  return true;
}
