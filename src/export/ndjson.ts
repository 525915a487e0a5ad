import { createHash, type Hash } from 'node:crypto';
import { type FileHandle, mkdir, open, readdir, rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { Fault } from '../core/fault.js';
import { stringifyJson } from '../core/json.js';
import type { StoredResource } from '../core/resource.js';

/** Bytes gathered per type before they are written: the memory an export needs, times the number of types. */
const BUFFER_BYTES = 256 * 1024;
/** A type's resources are split into files of at most this many, so that readers can work side by side. */
export const DEFAULT_RESOURCES_PER_FILE = 1_000_000;
const MANIFEST = 'manifest.json';

/** One finished file of an export. */
export interface ExportedFile {
  readonly type: string;
  /** Name within the folder. */
  readonly file: string;
  readonly count: number;
  readonly bytes: number;
  /** Hex SHA-256 of the file. */
  readonly sha256: string;
}

/** What an export wrote; stands in the folder as `manifest.json`, written last: a folder without it is unfinished. */
export interface ExportManifest {
  /** Instant as of which the content was read. */
  readonly transactionTime: string;
  /** What was asked for, in the words of the request. */
  readonly request: string;
  readonly format: 'application/fhir+ndjson';
  readonly output: readonly ExportedFile[];
  /** Resources per type over all files. */
  readonly counts: Readonly<Record<string, number>>;
  readonly total: number;
}

export interface NdjsonOptions {
  readonly directory: string;
  readonly transactionTime: string;
  readonly request: string;
  readonly resourcesPerFile?: number;
  readonly onProgress?: (resources: number) => void;
  readonly signal?: AbortSignal;
}

class TypeFile {
  private buffered: string[] = [];
  private size = 0;
  private readonly hash: Hash = createHash('sha256');
  count = 0;
  bytes = 0;

  constructor(
    readonly type: string,
    readonly file: string,
    private readonly directory: string,
    private readonly handle: FileHandle,
  ) {}

  static async create(directory: string, type: string, file: string): Promise<TypeFile> {
    // Patient data: readable by its owner alone.
    return new TypeFile(type, file, directory, await open(join(directory, `.${file}.part`), 'w', 0o600));
  }

  add(resource: StoredResource): boolean {
    const line = `${stringifyJson(resource)}\n`;
    this.buffered.push(line);
    this.size += line.length;
    this.count++;
    return this.size >= BUFFER_BYTES;
  }

  async flush(): Promise<void> {
    if (this.size === 0) return;
    const chunk = Buffer.from(this.buffered.join(''), 'utf8');
    this.buffered = [];
    this.size = 0;
    this.hash.update(chunk);
    this.bytes += chunk.length;
    await this.handle.writeFile(chunk);
  }

  async finish(): Promise<ExportedFile> {
    await this.flush();
    await this.handle.sync();
    await this.handle.close();
    await rename(join(this.directory, `.${this.file}.part`), join(this.directory, this.file));
    const { type, file, count, bytes } = this;
    return { type, file, count, bytes, sha256: this.hash.digest('hex') };
  }

  async abandon(): Promise<void> {
    await this.handle.close().catch(() => undefined);
    await unlink(join(this.directory, `.${this.file}.part`)).catch(() => undefined);
  }
}

/**
 * Writes resources as NDJSON, one file (or several) per type, into an empty folder. Never holds more than a buffer per
 * type. Files appear under their names when they are whole; the manifest last.
 * @throws Fault `conflict` when the folder holds another export, `unavailable` when it cannot be written.
 */
export async function exportNdjson(
  batches: AsyncIterable<readonly StoredResource[]>,
  options: NdjsonOptions,
): Promise<ExportManifest> {
  const { directory } = options;
  const perFile = options.resourcesPerFile ?? DEFAULT_RESOURCES_PER_FILE;
  await prepareFolder(directory);
  const openFiles = new Map<string, TypeFile>();
  const parts = new Map<string, number>();
  const output: ExportedFile[] = [];
  let total = 0;
  try {
    for await (const batch of batches) {
      options.signal?.throwIfAborted();
      for (const resource of batch) {
        const type = resource.resourceType;
        let file = openFiles.get(type);
        if (!file) {
          const part = (parts.get(type) ?? 0) + 1;
          parts.set(type, part);
          file = await TypeFile.create(
            directory,
            type,
            part === 1 ? `${type}.ndjson` : `${type}.${part}.ndjson`,
          );
          openFiles.set(type, file);
        }
        if (file.add(resource)) await file.flush();
        if (file.count >= perFile) {
          openFiles.delete(type);
          output.push(await file.finish());
        }
        total++;
      }
      options.onProgress?.(total);
    }
    for (const file of openFiles.values()) output.push(await file.finish());
    openFiles.clear();
  } catch (error) {
    for (const file of openFiles.values()) await file.abandon();
    throw error;
  }
  output.sort((a, b) => (a.file < b.file ? -1 : 1));
  const counts: Record<string, number> = {};
  for (const file of output) counts[file.type] = (counts[file.type] ?? 0) + file.count;
  const manifest: ExportManifest = {
    transactionTime: options.transactionTime,
    request: options.request,
    format: 'application/fhir+ndjson',
    output,
    counts,
    total,
  };
  await writeManifest(directory, manifest);
  return manifest;
}

async function prepareFolder(directory: string): Promise<void> {
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    for (const name of await readdir(directory)) {
      // What an interrupted export left behind.
      if (/^\..*\.ndjson\.part$/.test(name)) await unlink(join(directory, name));
      else if (name === MANIFEST || name.endsWith('.ndjson')) {
        throw new Fault('conflict', 'The folder already holds an export.', {
          remedy: 'Name an empty folder, or remove the old export.',
        });
      }
    }
  } catch (cause) {
    if (cause instanceof Fault) throw cause;
    throw new Fault('unavailable', 'The folder of the export cannot be written.', {
      cause,
      remedy: 'Name a folder this user may write.',
    });
  }
}

async function writeManifest(directory: string, manifest: ExportManifest): Promise<void> {
  const part = join(directory, `.${MANIFEST}.part`);
  const handle = await open(part, 'w', 0o600);
  try {
    await handle.writeFile(`${JSON.stringify(manifest, null, 2)}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(part, join(directory, MANIFEST));
}
