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

/** Lines that follow each other. */
export interface LineBlock {
  /** Number of the first; the next number is that of the next line, and so on. */
  readonly first: number;
  readonly last: number;
  /** Their bytes with their ends, one part after the other; none of a line that is too long, only its end. */
  readonly parts: readonly Buffer[];
  readonly size: number;
  /** Numbers of the lines that were too long to be kept. */
  readonly tooLong: readonly number[];
}

/**
 * The lines of a stream, decompressed, many at a time: looking at each is left to who splits the blocks (`linesOf`).
 * @param most how many lines and bytes a block holds, but for a longer line alone
 * @param after lines up to this one are left out
 */
export async function* readLineBlocks(
  stream: Readable,
  most: { readonly lines: number; readonly bytes: number },
  after = 0,
  limit = MAX_LINE_BYTES,
): AsyncGenerator<LineBlock> {
  let line = 0;
  let parts: Buffer[] = [];
  let size = 0;
  let tooLong: number[] = [];
  let first = after + 1;
  /** What is there of a line whose end is not. */
  let open: Buffer[] = [];
  let openSize = 0;
  const put = (part: Buffer) => {
    if (part.length > 0) parts.push(part);
    size += part.length;
  };
  const close = (): LineBlock => {
    const block = { first, last: line, parts, size, tooLong };
    parts = [];
    size = 0;
    tooLong = [];
    first = line + 1;
    return block;
  };
  for await (const chunk of inflated(stream)) {
    /** Where lines begin that are whole and not put yet, and where the next does. */
    let run = 0;
    let from = 0;
    for (;;) {
      const at = chunk.indexOf(NEWLINE, from);
      if (at < 0) break;
      line++;
      const whole = openSize + at - from;
      if (line <= after || whole > limit) {
        put(chunk.subarray(run, from));
        if (line > after) {
          tooLong.push(line);
          put(END);
        }
        run = at + 1;
      } else if (openSize > 0) {
        for (const part of open) put(part);
      }
      open = [];
      openSize = 0;
      from = at + 1;
      if (line - first + 1 >= most.lines || size + from - run >= most.bytes) {
        put(chunk.subarray(run, from));
        run = from;
        if (line >= first) yield close();
      }
    }
    put(chunk.subarray(run, from));
    const rest = chunk.subarray(from);
    openSize += rest.length;
    if (openSize > limit) open = [];
    else if (rest.length > 0) open.push(rest);
  }
  if (openSize > 0) {
    line++;
    if (openSize > limit) tooLong.push(line);
    else if (line > after) for (const part of open) put(part);
    put(END);
  }
  if (line >= first) yield close();
}

const NEWLINE = 0x0a;
const END = Buffer.from([NEWLINE]);

/** The lines of a block's bytes with their numbers, as `readLines` gives them. */
export function* linesOf(
  bytes: Buffer,
  { first, tooLong }: Pick<LineBlock, 'first' | 'tooLong'>,
): Generator<Line> {
  const long = new Set(tooLong);
  for (let from = 0, line = first; from < bytes.length; line++) {
    const at = bytes.indexOf(NEWLINE, from);
    let end = at < 0 ? bytes.length : at;
    const next = end + 1;
    if (end > from && bytes[end - 1] === 0x0d) end--;
    if (long.has(line)) yield { line, bytes: undefined };
    else if (!isBlank(bytes, end, from)) yield { line, bytes: bytes.subarray(from, end) };
    from = next;
  }
}

function isBlank(bytes: Buffer, end: number, from = 0): boolean {
  for (let i = from; i < end; i++) {
    const b = bytes[i]!;
    if (b !== 0x20 && b !== 0x09) return false;
  }
  return true;
}
