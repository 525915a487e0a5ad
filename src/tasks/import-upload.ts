import { randomUUID } from 'node:crypto';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { Fault } from '../core/fault.js';
import { readPieces, writePiece } from '../export/sealed-pieces.js';
import type { SourceFile } from '../ingest/source.js';
import type { TenantKeys } from '../tenancy/tenant.js';

/** Bytes of one upload, as sent. */
export const MAX_UPLOAD_BYTES = 8 * 1024 * 1024 * 1024;
/** Bytes sealed together, so that neither who writes nor who reads holds more. */
const PIECE_BYTES = 1024 * 1024;
/** A sealed piece is little longer than what it holds. */
const MAX_SEALED_BYTES = PIECE_BYTES + 1024;

const context = (id: string, piece: number, last: boolean) => ({
  purpose: 'export' as const,
  bind: ['import-upload', id, piece, last ? 1 : 0],
});

const pathOf = (folder: string, id: string) => join(folder, `${id}.sealed`);

/**
 * Keeps what a client sends until its import has read it: on the disk, sealed under the tenant's key in pieces, each
 * bound to its place, so that a file that was cut or put together from others does not open.
 * @returns the id of the upload and its size in bytes
 */
export async function keepUpload(
  keys: TenantKeys,
  folder: string,
  bytes: AsyncIterable<Buffer>,
  max = MAX_UPLOAD_BYTES,
): Promise<{ readonly id: string; readonly size: number }> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const id = randomUUID();
  const part = `${pathOf(folder, id)}.part`;
  const handle = await open(part, 'wx', 0o600);
  let piece = 0;
  const write = (plain: Buffer, last: boolean) =>
    writePiece(handle, keys.seal(plain, context(id, piece++, last)), last);
  try {
    let held: Buffer[] = [];
    let size = 0;
    let total = 0;
    for await (const chunk of bytes) {
      total += chunk.length;
      if (total > max)
        throw new Fault('too-large', `An upload has at most ${Math.floor(max / 1024 ** 2)} MB.`, {
          remedy: 'Send it in several imports, or let the server fetch it.',
        });
      held.push(chunk);
      size += chunk.length;
      if (size < PIECE_BYTES) continue;
      let all = Buffer.concat(held, size);
      for (; all.length >= PIECE_BYTES; all = all.subarray(PIECE_BYTES))
        await write(all.subarray(0, PIECE_BYTES), false);
      held = [all];
      size = all.length;
    }
    await write(Buffer.concat(held, size), true);
    await handle.sync();
    await handle.close();
    await rename(part, pathOf(folder, id));
    return { id, size: total };
  } catch (error) {
    await handle.close().catch(() => undefined);
    await rm(part, { force: true });
    throw error;
  }
}

/** An upload as an input file. It may be opened more than once. */
export function uploadedFile(
  keys: TenantKeys,
  folder: string,
  { id, name, size }: { readonly id: string; readonly name: string; readonly size: number },
): SourceFile {
  return {
    path: name,
    name,
    size,
    open: () => Readable.from(pieces(keys, folder, id), { objectMode: false }),
  };
}

async function* pieces(keys: TenantKeys, folder: string, id: string): AsyncGenerator<Buffer> {
  const handle = await open(pathOf(folder, id), 'r').catch((cause) => {
    throw new Fault('gone', 'The uploaded file is no longer here.', { remedy: 'Upload it again.', cause });
  });
  yield* readPieces(handle, {
    maxSealedBytes: MAX_SEALED_BYTES,
    open: (sealed, piece, last) => keys.open(sealed, context(id, piece, last)),
    damaged,
  });
}

function damaged(): Fault {
  return new Fault('integrity', 'The uploaded file is damaged.', { remedy: 'Upload it again.' });
}

/** Removes uploads that are no longer needed. */
export async function removeUploads(folder: string, ids: readonly string[]): Promise<void> {
  for (const id of ids) await rm(pathOf(folder, id), { force: true });
}
