import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { Fault } from '../core/fault.js';
import { archiveFiles, isArchiveName } from './archive.js';

/** One input file. `path` is what reports show; nothing of it goes into a log. */
export interface SourceFile {
  readonly path: string;
  readonly name: string;
  /** Bytes as stored, before decompression; undefined for a stream of unknown length. */
  readonly size: number | undefined;
  /** Where it lies on this machine, for what must be read from its end; undefined for streams and archives' files. */
  readonly localPath?: string;
  open(): Readable;
  /** The file of that name in the same folder; undefined where there is none. */
  sibling?(name: string): Promise<SourceFile | undefined>;
}

/** Where input comes from. Files are listed in the order in which they should be read. */
export interface DocumentSource {
  files(): Promise<SourceFile[]>;
}

/** At most this many files in one import; more is a sign of a wrong folder. */
export const MAX_SOURCE_FILES = 1_000_000;

/** How deep folders are followed. */
const MAX_FOLDER_DEPTH = 32;

/**
 * Shared resources (organisations, practitioners, locations) are written by exporters into files of their own that
 * the patients' files refer to; reading those first resolves every reference at the first attempt.
 */
const SHARED_FIRST = /^(0-|hospital|organi[sz]ation|practitioner|location)/i;

/** Whether a file is, by its name, one that others refer to. */
export function isShared(path: string): boolean {
  return SHARED_FIRST.test(basename(path));
}

function compareNames(a: string, b: string): number {
  const shared = Number(isShared(b)) - Number(isShared(a));
  return shared || (a < b ? -1 : a > b ? 1 : 0);
}

/** Files, folders and archives of the local file system. Hidden files and JSON sidecars of notes are no inputs. */
export function localSource(paths: readonly string[]): DocumentSource {
  return {
    async files() {
      const found = new Map<string, SourceFile>();
      for (const path of paths) {
        const list: SourceFile[] = [];
        await walk(path, 0, list);
        list.sort((a, b) => compareNames(a.path, b.path));
        for (const file of list) {
          // Files of an archive keep its order, in which they can be read in one pass; shared ones go first here too.
          const files = isArchiveName(file.name) ? await archiveFiles(file) : [file];
          files.sort((a, b) => Number(isShared(b.path)) - Number(isShared(a.path)));
          for (const one of files) found.set(resolve(one.path), one);
          if (found.size > MAX_SOURCE_FILES)
            throw new Fault('too-large', `More than ${MAX_SOURCE_FILES} files.`);
        }
      }
      return [...found.values()];
    },
  };
}

function localFile(path: string, size: number): SourceFile {
  return {
    path,
    name: basename(path),
    size,
    localPath: path,
    open: () => createReadStream(path),
    sibling: async (name) => {
      const beside = join(dirname(path), name);
      const info = await stat(beside).catch(() => undefined);
      return info?.isFile() ? localFile(beside, info.size) : undefined;
    },
  };
}

async function walk(path: string, depth: number, out: SourceFile[]): Promise<void> {
  const info = await stat(path).catch((cause) => {
    throw new Fault('not-found', `There is no file or folder at ${path}.`, {
      cause,
      remedy: 'Check the path.',
    });
  });
  if (info.isFile()) {
    if (out.length >= MAX_SOURCE_FILES) throw new Fault('too-large', `More than ${MAX_SOURCE_FILES} files.`);
    out.push(localFile(path, info.size));
    return;
  }
  if (!info.isDirectory()) return;
  if (depth >= MAX_FOLDER_DEPTH)
    throw new Fault('too-large', `Folders nested deeper than ${MAX_FOLDER_DEPTH}: ${path}.`);
  for (const entry of await readdir(path, { withFileTypes: true })) {
    if (entry.name.startsWith('.')) continue;
    // A link may point anywhere, and a loop of links never ends.
    if (entry.isSymbolicLink()) continue;
    await walk(join(path, entry.name), depth + 1, out);
  }
}

/** A single stream, such as standard input. It can be opened once. */
export function streamSource(name: string, stream: Readable): DocumentSource {
  return {
    async files() {
      return [{ path: name, name, size: undefined, open: () => stream }];
    },
  };
}
