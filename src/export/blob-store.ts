import { createReadStream } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, readFile, rename, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Fault } from '../core/fault.js';

/**
 * Where an export goes: named blobs that appear whole or not at all. Names are relative, of `/`-separated parts.
 * Implementations: a local folder, an S3-compatible store; one contract suite holds both.
 */
export interface BlobStore {
  /** For people: where it is, without secrets. */
  readonly place: string;
  /** Begins a blob; replaces one of that name when it is finished. */
  create(name: string): Promise<BlobWriter>;
  /** Whole small blobs, such as manifests; undefined where there is none. */
  get(name: string): Promise<Buffer | undefined>;
  put(name: string, bytes: Uint8Array): Promise<void>;
  /** A blob piece by piece. @throws Fault `not-found` */
  read(name: string): AsyncIterable<Uint8Array>;
  /** Whether anything but what `ignore` names stands here. */
  isEmpty(): Promise<boolean>;
  remove(name: string): Promise<void>;
}

export interface BlobWriter {
  write(chunk: Uint8Array): Promise<void>;
  /** Makes it durable and visible under its name. */
  finish(): Promise<void>;
  /** Leaves nothing behind. Harmless after `finish`. */
  abandon(): Promise<void>;
}

const NAME = /^[A-Za-z0-9][A-Za-z0-9._=-]*(?:\/[A-Za-z0-9][A-Za-z0-9._=-]*)*$/;

export function checkBlobName(name: string): string {
  if (!NAME.test(name) || name.length > 512)
    throw new Fault('internal', 'A file of the export has no proper name.');
  return name;
}

/** A local folder, readable by its owner alone. */
export function folderStore(folder: string): BlobStore {
  const path = (name: string) => join(folder, checkBlobName(name));
  const part = (name: string) => join(folder, dirname(name), `.${name.split('/').at(-1)}.part`);
  const ready = async (name: string) => {
    await mkdir(join(folder, dirname(name)), { recursive: true, mode: 0o700 });
  };
  return {
    place: folder,
    async create(name) {
      const final = path(name);
      return guarded(async () => {
        await ready(name);
        const handle = await open(part(name), 'w', 0o600);
        return new FileWriter(handle, part(name), final);
      });
    },
    async get(name) {
      return readFile(path(name)).catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return undefined;
        throw unavailable(error);
      });
    },
    async put(name, bytes) {
      const final = path(name);
      await guarded(async () => {
        await ready(name);
        const handle = await open(part(name), 'w', 0o600);
        const writer = new FileWriter(handle, part(name), final);
        await writer.write(bytes);
        await writer.finish();
      });
    },
    read(name) {
      return createReadStream(path(name), { highWaterMark: 1024 * 1024 });
    },
    async isEmpty() {
      const names = await readdir(folder).catch(() => [] as string[]);
      return names.every((name) => name.startsWith('.') && name.endsWith('.part'));
    },
    async remove(name) {
      await unlink(path(name)).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOENT') throw unavailable(error);
      });
    },
  };
}

class FileWriter implements BlobWriter {
  private over = false;

  constructor(
    private readonly handle: FileHandle,
    private readonly part: string,
    private readonly final: string,
  ) {}

  async write(chunk: Uint8Array): Promise<void> {
    await guarded(() => this.handle.writeFile(chunk));
  }

  async finish(): Promise<void> {
    await guarded(async () => {
      await this.handle.sync();
      await this.handle.close();
      this.over = true;
      await rename(this.part, this.final);
    });
  }

  async abandon(): Promise<void> {
    if (this.over) return;
    this.over = true;
    await this.handle.close().catch(() => undefined);
    await unlink(this.part).catch(() => undefined);
  }
}

async function guarded<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw unavailable(error);
  }
}

function unavailable(cause: unknown): Fault {
  if (cause instanceof Fault) return cause;
  const code = (cause as NodeJS.ErrnoException).code;
  return new Fault('unavailable', 'The folder for the export cannot be used.', {
    at: '--out',
    remedy: 'Check that it can be written and has room.',
    ...(code ? { log: code } : {}),
    cause,
  });
}
