import { access, type FileHandle, open, rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import { Fault } from '../core/fault.js';
import type { TenantKeys } from '../tenancy/tenant.js';
import { readPieces, writePiece } from './sealed-pieces.js';

const compress = promisify(gzip);
const expand = promisify(gunzip);

/**
 * A file sealed under a tenant's export key, in pieces, so that neither who writes nor who reads ever holds more than
 * one. Each piece (`sealed-pieces.ts`) is a sealed gzip of at most PIECE_BYTES or one line, bound to the place, the number
 * of the piece and whether it is the last,
 * so a file that was cut, whose pieces were put in another order, or that stands under another name does not open.
 */
const PIECE_BYTES = 256 * 1024;
/** One resource may be longer than a piece is meant to be. */
const MAX_SEALED_BYTES = 256 * 1024 * 1024;

/** What a sealed file is bound to, besides its tenant. */
export type SealedPlace = readonly (string | number)[];

const context = (place: SealedPlace, piece: number, last: boolean) => ({
  purpose: 'export' as const,
  bind: [...place, piece, last ? 1 : 0],
});

/** Writes lines to a hidden file, which gets its name when it is whole. */
export class SealedFile {
  private lines: string[] = [];
  /** Of a file that is no text, instead of lines. */
  private bytes: Uint8Array[] = [];
  private size = 0;
  private piece = 0;
  count = 0;

  private constructor(
    private readonly keys: TenantKeys,
    private readonly folder: string,
    readonly name: string,
    private readonly place: SealedPlace,
    private readonly handle: FileHandle,
  ) {}

  static async create(
    keys: TenantKeys,
    folder: string,
    name: string,
    place: SealedPlace,
  ): Promise<SealedFile> {
    return new SealedFile(keys, folder, name, place, await open(join(folder, `.${name}.part`), 'w', 0o600));
  }

  /** Adds one line without its end. */
  async add(line: string): Promise<void> {
    this.lines.push(line, '\n');
    this.size += line.length + 1;
    this.count++;
    if (this.size >= PIECE_BYTES) await this.write(false);
  }

  /** Adds bytes as they are; a file has lines or bytes. */
  async addBytes(bytes: Uint8Array): Promise<void> {
    this.bytes.push(bytes);
    this.size += bytes.length;
    if (this.size >= PIECE_BYTES) await this.write(false);
  }

  /** Gives the file its name; what it holds is on the disk by then. */
  async finish(): Promise<void> {
    await this.write(true);
    await this.handle.sync();
    await this.handle.close();
    await rename(join(this.folder, `.${this.name}.part`), join(this.folder, this.name));
  }

  async abandon(): Promise<void> {
    await this.handle.close().catch(() => undefined);
    await unlink(join(this.folder, `.${this.name}.part`)).catch(() => undefined);
  }

  private async write(last: boolean): Promise<void> {
    const plain =
      this.bytes.length > 0 ? Buffer.concat(this.bytes) : Buffer.from(this.lines.join(''), 'utf8');
    const packed = await compress(plain, { level: 1 });
    this.lines = [];
    this.bytes = [];
    this.size = 0;
    const sealed = this.keys.seal(packed, context(this.place, this.piece++, last));
    await writePiece(this.handle, sealed, last);
  }
}

/**
 * Finds a file, and then gives its plain bytes piece by piece. It may be removed meanwhile: who reads reads on.
 * @throws Fault `not-found`; `integrity` while reading, where a piece is not what was written.
 */
export async function openSealedFile(
  keys: TenantKeys,
  folder: string,
  name: string,
  place: SealedPlace,
): Promise<AsyncGenerator<Buffer>> {
  try {
    await access(join(folder, name));
  } catch (cause) {
    throw new Fault('not-found', 'The file is no longer here.', { remedy: 'Export again.', cause });
  }
  return pieces(join(folder, name), keys, place);
}

async function* pieces(path: string, keys: TenantKeys, place: SealedPlace): AsyncGenerator<Buffer> {
  yield* readPieces(await open(path, 'r'), {
    maxSealedBytes: MAX_SEALED_BYTES,
    open: (sealed, piece, last) => expand(keys.open(sealed, context(place, piece, last))),
    damaged,
  });
}

function damaged(): Fault {
  return new Fault('integrity', 'The exported file is damaged.', { remedy: 'Export again.' });
}
