import { inflateRaw } from 'node:zlib';
import { Fault, invalid } from '../core/fault.js';

/** Reads `length` bytes at `offset` of what is zipped; fewer only at its end. */
export interface RandomAccess {
  readonly size: number;
  read(offset: number, length: number): Promise<Buffer>;
}

/** One file of a zip archive. */
export interface ZipEntry {
  /** Path within the archive, `/` between folders; checked: relative, without `..`. */
  readonly name: string;
  /** Bytes it says it unpacks to. */
  readonly size: number;
  readonly packedSize: number;
  readonly method: number;
  readonly headerAt: number;
}

/** Files in one archive. */
export const MAX_ENTRIES = 200_000;
/** An archive whose files together unpack to more than this many times its size is a bomb; DEFLATE reaches 1032. */
const MAX_RATIO = 200;
/** The ratio is judged only beyond this much: small files of repeated text are honest. */
const RATIO_FROM_BYTES = 64 * 1024 * 1024;
/** Bytes of the central directory. */
const MAX_DIRECTORY_BYTES = 64 * 1024 * 1024;

const END_SIGNATURE = 0x06054b50;
const END_BYTES = 22;
const MAX_COMMENT_BYTES = 0xffff;
const ZIP64_LOCATOR = 0x07064b50;
const ZIP64_END = 0x06064b50;
const ENTRY_SIGNATURE = 0x02014b50;
const LOCAL_SIGNATURE = 0x04034b50;

export function bufferAccess(bytes: Buffer): RandomAccess {
  return {
    size: bytes.length,
    read: async (offset, length) => bytes.subarray(offset, offset + length),
  };
}

/**
 * Lists the files of a zip archive from its central directory (APPNOTE 6.3.10, 4.3). Folders are left out.
 * @throws Fault `invalid` for a damaged or encrypted archive, one with overlapping files or a name that leaves it;
 *   `too-large` for one that unpacks to too much.
 */
export async function zipEntries(zip: RandomAccess): Promise<ZipEntry[]> {
  const { count, directoryAt, directorySize } = await findDirectory(zip);
  if (count > MAX_ENTRIES) throw new Fault('too-large', `The archive holds more than ${MAX_ENTRIES} files.`);
  if (directorySize > MAX_DIRECTORY_BYTES || directoryAt + directorySize > zip.size) throw damaged();
  const directory = await zip.read(directoryAt, directorySize);
  const entries: ZipEntry[] = [];
  let total = 0;
  let at = 0;
  for (let i = 0; i < count; i++) {
    if (at + 46 > directory.length || directory.readUInt32LE(at) !== ENTRY_SIGNATURE) throw damaged();
    const nameLength = directory.readUInt16LE(at + 28);
    const extraLength = directory.readUInt16LE(at + 30);
    const end = at + 46 + nameLength + extraLength + directory.readUInt16LE(at + 32);
    if (end > directory.length) throw damaged();
    const flags = directory.readUInt16LE(at + 8);
    const name = directory.toString('utf8', at + 46, at + 46 + nameLength).replaceAll('\\', '/');
    const sizes = wideSizes(directory, at, at + 46 + nameLength, extraLength);
    const method = directory.readUInt16LE(at + 10);
    const mode = directory.readUInt32LE(at + 38) >>> 16;
    at = end;
    if (name.endsWith('/')) continue;
    checkMemberName(name);
    // A link names something outside of what was handed over.
    if ((mode & 0o170000) === 0o120000) continue;
    if ((flags & 1) !== 0) {
      throw new Fault('unsupported', 'The archive is encrypted.', {
        remedy: 'Unpack it with its password first.',
      });
    }
    total += sizes.size;
    entries.push({ name, method, ...sizes });
  }
  if (total > RATIO_FROM_BYTES && total > zip.size * MAX_RATIO) {
    throw new Fault('too-large', `The archive unpacks to more than ${MAX_RATIO} times its size.`);
  }
  refuseOverlaps(entries, directoryAt);
  return entries;
}

/** Files that share their bytes unpack to far more than the archive's size: a bomb without nesting. */
function refuseOverlaps(entries: readonly ZipEntry[], directoryAt: number): void {
  const inOrder = [...entries].sort((a, b) => a.headerAt - b.headerAt);
  inOrder.forEach((entry, i) => {
    const next = inOrder[i + 1]?.headerAt ?? directoryAt;
    if (entry.headerAt + 30 + entry.packedSize > next) throw invalid('Files of the archive overlap.');
  });
}

/** @throws Fault `invalid` for a name that would lead out of the archive. */
export function checkMemberName(name: string): void {
  if (
    name === '' ||
    name.length > 4096 ||
    name.startsWith('/') ||
    /^[A-Za-z]:/.test(name) ||
    name.includes('\0') ||
    name.split('/').includes('..')
  ) {
    throw invalid(
      'The archive holds a file whose name leads out of it.',
      undefined,
      'Do not trust its maker.',
    );
  }
}

/**
 * Unpacks one file.
 * @throws Fault `too-large` beyond `limit` bytes; `invalid` where it is damaged or larger than it says.
 */
export async function readEntry(zip: RandomAccess, entry: ZipEntry, limit: number): Promise<Buffer> {
  if (entry.size > limit) throw new Fault('too-large', `The file is larger than ${limit} bytes.`);
  const header = await zip.read(entry.headerAt, 30);
  if (header.length < 30 || header.readUInt32LE(0) !== LOCAL_SIGNATURE) throw damaged();
  const at = entry.headerAt + 30 + header.readUInt16LE(26) + header.readUInt16LE(28);
  const packed = await zip.read(at, entry.packedSize);
  if (packed.length < entry.packedSize) throw damaged();
  if (entry.method === 0) {
    if (packed.length !== entry.size) throw damaged();
    return packed;
  }
  if (entry.method !== 8) {
    throw new Fault('unsupported', 'The archive uses a compression other than deflate.', {
      remedy: 'Pack it again with an ordinary zip.',
    });
  }
  return new Promise((resolve, reject) => {
    inflateRaw(packed, { maxOutputLength: Math.max(entry.size, 1) }, (error, bytes) => {
      if (error || bytes.length !== entry.size) reject(damaged(error));
      else resolve(bytes);
    });
  });
}

async function findDirectory(zip: RandomAccess) {
  const length = Math.min(zip.size, END_BYTES + MAX_COMMENT_BYTES);
  const tail = await zip.read(zip.size - length, length);
  for (let at = tail.length - END_BYTES; at >= 0; at--) {
    if (tail.readUInt32LE(at) !== END_SIGNATURE) continue;
    const count = tail.readUInt16LE(at + 10);
    const directorySize = tail.readUInt32LE(at + 12);
    const directoryAt = tail.readUInt32LE(at + 16);
    if (count !== 0xffff && directoryAt !== 0xffffffff) return { count, directorySize, directoryAt };
    return wideDirectory(zip, tail, at);
  }
  throw damaged();
}

async function wideDirectory(zip: RandomAccess, tail: Buffer, at: number) {
  const locator = at - 20;
  if (locator < 0 || tail.readUInt32LE(locator) !== ZIP64_LOCATOR) throw damaged();
  const end = await zip.read(Number(tail.readBigUInt64LE(locator + 8)), 56);
  if (end.length < 56 || end.readUInt32LE(0) !== ZIP64_END) throw damaged();
  return {
    count: Number(end.readBigUInt64LE(32)),
    directorySize: Number(end.readBigUInt64LE(40)),
    directoryAt: Number(end.readBigUInt64LE(48)),
  };
}

/** Sizes and place of an entry, from the ZIP64 field where the short ones are full. */
function wideSizes(directory: Buffer, entryAt: number, extraAt: number, extraLength: number) {
  let packedSize = directory.readUInt32LE(entryAt + 20);
  let size = directory.readUInt32LE(entryAt + 24);
  let headerAt = directory.readUInt32LE(entryAt + 42);
  for (let at = extraAt; at + 4 <= extraAt + extraLength; ) {
    const length = directory.readUInt16LE(at + 2);
    if (directory.readUInt16LE(at) === 1) {
      let field = at + 4;
      const wide = (): number => {
        if (field + 8 > at + 4 + length) throw damaged();
        const value = Number(directory.readBigUInt64LE(field));
        field += 8;
        return value;
      };
      if (size === 0xffffffff) size = wide();
      if (packedSize === 0xffffffff) packedSize = wide();
      if (headerAt === 0xffffffff) headerAt = wide();
    }
    at += 4 + length;
  }
  return { size, packedSize, headerAt };
}

function damaged(cause?: unknown): Fault {
  return new Fault('invalid', 'The zip archive is damaged.', { cause, remedy: 'Pack the files again.' });
}
