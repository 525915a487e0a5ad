import { open } from 'node:fs/promises';
import { posix } from 'node:path';
import { Readable } from 'node:stream';
import { Fault, isFault } from '../core/fault.js';
import { inflated, readWhole } from './lines.js';
import type { SourceFile } from './source.js';
import { type TarMember, tarMembers } from './tar.js';
import { type RandomAccess, readEntry, zipEntries } from './zip.js';

/** Largest file of a zip archive, unpacked, in bytes: it is unpacked in memory. */
const MAX_ZIPPED_BYTES = 128 * 1024 * 1024;
/** Files of a tar archive up to this size are kept while they are looked at; larger ones are read in a pass each. */
const MAX_HELD_BYTES = 16 * 1024 * 1024;
/** Files of one tar archive that are held at once. */
const HELD_MEMBERS = 4;

const ARCHIVE = /\.(zip|tar|tgz|tar\.gz)$/i;
/** Archives that nobody packs with an ordinary Node; said so rather than read as noise. */
const OTHER_ARCHIVE = /\.(7z|rar|tar\.(bz2|xz|zst)|tbz2|txz)$/i;

export function isArchiveName(name: string): boolean {
  return ARCHIVE.test(name);
}

/**
 * The files of an archive, each to be read by itself; nothing is unpacked to disk. An archive within an archive is
 * refused, so bombs cannot nest. Where the archive cannot be read its one "file" fails with the reason when opened.
 */
export async function archiveFiles(archive: SourceFile): Promise<SourceFile[]> {
  try {
    return /\.zip$/i.test(archive.name) ? await zipFiles(archive) : await tarFiles(archive);
  } catch (error) {
    if (!isFault(error)) throw error;
    return [failing(archive.path, archive.name, archive.size, error)];
  }
}

function failing(path: string, name: string, size: number | undefined, fault: Fault): SourceFile {
  const open = () =>
    new Readable({
      read() {
        this.destroy(fault);
      },
    });
  return { path, name, size: size ?? 0, open };
}

interface Member {
  readonly name: string;
  readonly size: number;
  open(): Readable;
}

function filesOf(archive: SourceFile, members: readonly Member[]): SourceFile[] {
  const files = new Map<string, SourceFile>();
  for (const member of members) {
    if (member.name.split('/').some((part) => part.startsWith('.') || part === '__MACOSX')) continue;
    const path = `${archive.path}!/${member.name}`;
    const name = posix.basename(member.name);
    if (ARCHIVE.test(name) || OTHER_ARCHIVE.test(name)) {
      const nested = new Fault('unsupported', 'An archive within an archive is not read.', {
        remedy: 'Unpack the outer one first.',
      });
      files.set(member.name, failing(path, name, member.size, nested));
      continue;
    }
    files.set(member.name, {
      path,
      name,
      size: member.size,
      open: member.open,
      sibling: async (beside) => files.get(posix.join(posix.dirname(member.name), beside)),
    });
  }
  return [...files.values()];
}

async function zipFiles(archive: SourceFile): Promise<SourceFile[]> {
  const zip = await randomAccess(archive);
  const entries = await zipEntries(zip);
  const unpack = (entry: (typeof entries)[number]) =>
    async function* (): AsyncGenerator<Buffer> {
      yield await readEntry(zip, entry, MAX_ZIPPED_BYTES);
    };
  return filesOf(
    archive,
    entries.map((entry) => ({
      name: entry.name,
      size: entry.size,
      open: () => Readable.from(unpack(entry)()),
    })),
  );
}

/** A zip is read from its end; what can only be streamed is read whole. */
async function randomAccess(archive: SourceFile): Promise<RandomAccess> {
  const { localPath } = archive;
  if (localPath === undefined || archive.size === undefined) {
    const bytes = await readWhole(archive.open());
    return { size: bytes.length, read: async (offset, length) => bytes.subarray(offset, offset + length) };
  }
  return {
    size: archive.size,
    async read(offset, length) {
      // Opened anew each time, so that a job of many archives does not hold as many descriptors.
      const handle = await open(localPath, 'r');
      try {
        const bytes = Buffer.alloc(length);
        let read = 0;
        while (read < length) {
          const { bytesRead } = await handle.read(bytes, read, length - read, offset + read);
          if (bytesRead === 0) break;
          read += bytesRead;
        }
        return bytes.subarray(0, read);
      } finally {
        await handle.close();
      }
    },
  };
}

async function tarFiles(archive: SourceFile): Promise<SourceFile[]> {
  const listed: { name: string; size: number }[] = [];
  for await (const { name, size } of tarMembers(inflated(archive.open()))) listed.push({ name, size });
  const cursor = new TarCursor(archive);
  return filesOf(
    archive,
    listed.map(({ name, size }, ordinal) => ({
      name,
      size,
      open: () => Readable.from(size <= MAX_HELD_BYTES ? cursor.held(ordinal) : onePass(archive, ordinal)),
    })),
  );
}

async function* onePass(archive: SourceFile, ordinal: number): AsyncGenerator<Buffer> {
  for await (const member of tarMembers(inflated(archive.open()))) {
    if (member.ordinal !== ordinal) continue;
    yield* member.bytes();
    return;
  }
  throw changed();
}

/**
 * Reads the files of a tar archive in one pass as long as they are asked for in its order, which is how an import asks;
 * going back starts over.
 */
class TarCursor {
  #members: AsyncGenerator<TarMember> | undefined;
  #next = 0;
  readonly #held = new Map<number, Buffer>();
  #turn: Promise<unknown> = Promise.resolve();

  constructor(readonly archive: SourceFile) {}

  async *held(ordinal: number): AsyncGenerator<Buffer> {
    const turn = this.#turn.then(() => this.#read(ordinal));
    this.#turn = turn.catch(() => undefined);
    yield await turn;
  }

  async #read(ordinal: number): Promise<Buffer> {
    const known = this.#held.get(ordinal);
    if (known) return known;
    if (ordinal < this.#next || !this.#members) {
      await this.#members?.return(undefined);
      this.#members = tarMembers(inflated(this.archive.open()));
      this.#next = 0;
    }
    for (;;) {
      const { value: member, done } = await this.#members.next();
      if (done) {
        this.#members = undefined;
        throw changed();
      }
      this.#next = member.ordinal + 1;
      if (member.ordinal !== ordinal) continue;
      const parts: Buffer[] = [];
      let size = 0;
      for await (const part of member.bytes()) {
        parts.push(part);
        size += part.length;
        if (size > MAX_HELD_BYTES) throw changed();
      }
      const bytes = Buffer.concat(parts, size);
      this.#held.set(ordinal, bytes);
      for (const oldest of this.#held.keys()) {
        if (this.#held.size <= HELD_MEMBERS) break;
        this.#held.delete(oldest);
      }
      return bytes;
    }
  }
}

function changed(): Fault {
  return new Fault('invalid', 'The archive has changed since it was listed.', { remedy: 'Import it again.' });
}
