import type { FileHandle } from 'node:fs/promises';

/**
 * The pieces of a sealed file on the disk:
 *
 * | bytes | what |
 * |---|---|
 * | 0 | 1 for the last piece, else 0 |
 * | 1–4 | length of the sealed bytes, big-endian |
 * | 5– | sealed; whoever seals binds it to its place, its number and whether it is the last |
 */
const HEAD_BYTES = 5;

export async function writePiece(handle: FileHandle, sealed: Uint8Array, last: boolean): Promise<void> {
  const head = Buffer.allocUnsafe(HEAD_BYTES);
  head[0] = last ? 1 : 0;
  head.writeUInt32BE(sealed.length, 1);
  await handle.writeFile(Buffer.concat([head, sealed]));
}

export interface PieceReader {
  /** Longest sealed piece that is taken for one, in bytes. */
  readonly maxSealedBytes: number;
  /** Opens a piece; `index` counts from 0. */
  readonly open: (sealed: Buffer, index: number, last: boolean) => Buffer | Promise<Buffer>;
  /** What a cut or altered file is answered with. */
  readonly damaged: () => Error;
}

/** The plain bytes of a file's pieces one after the other; closes the file at the end, or when the reader leaves. */
export async function* readPieces(handle: FileHandle, reader: PieceReader): AsyncGenerator<Buffer> {
  const { maxSealedBytes, open, damaged } = reader;
  const fill = async (buffer: Buffer) => {
    for (let at = 0; at < buffer.length; ) {
      const { bytesRead } = await handle.read(buffer, at, buffer.length - at);
      if (bytesRead === 0) throw damaged();
      at += bytesRead;
    }
  };
  try {
    const head = Buffer.allocUnsafe(HEAD_BYTES);
    for (let piece = 0, last = false; !last; piece++) {
      await fill(head);
      last = head[0] === 1;
      const length = head.readUInt32BE(1);
      if (length > maxSealedBytes) throw damaged();
      const sealed = Buffer.allocUnsafe(length);
      await fill(sealed);
      const plain = await open(sealed, piece, last);
      if (plain.length > 0) yield plain;
    }
  } finally {
    await handle.close();
  }
}
