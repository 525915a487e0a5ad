import type { IncomingMessage } from 'node:http';
import { createGunzip } from 'node:zlib';
import { Fault, invalid } from '../core/fault.js';
import { HttpFault } from './outcome.js';

/** Decompressed bytes of one resource, and of a Bundle at the base. */
export const MAX_RESOURCE_BYTES = 16 * 1024 * 1024;
export const MAX_BUNDLE_BYTES = 64 * 1024 * 1024;
/** Content of a Binary: as Base64 it is a resource of 16 MB. */
export const MAX_CONTENT_BYTES = 12 * 1024 * 1024 - 4096;
/** Values in the JSON of one, and of the other. */
export const MAX_RESOURCE_VALUES = 250_000;
export const MAX_BUNDLE_VALUES = 4_000_000;
/** A form of `_search`. */
export const MAX_FORM_BYTES = 1024 * 1024;

/** JSON of records compresses 10 to 40 times; above this it is a bomb. Not looked at below the floor. */
const MAX_GZIP_RATIO = 200;
const GZIP_RATIO_FLOOR_BYTES = 1024 * 1024;

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false });

function tooLarge(limit: number): Fault {
  return new Fault('too-large', `The request body is larger than ${Math.floor(limit / (1024 * 1024))} MB.`, {
    remedy: 'Send it in smaller pieces, or use the import.',
    issueCode: 'too-long',
  });
}

/**
 * Reads the body as text, bounded after decompression.
 * @throws Fault `invalid` (not UTF-8), and as `readBytes`
 */
export async function readText(request: IncomingMessage, maxBytes: number): Promise<string> {
  const bytes = await readBytes(request, maxBytes);
  try {
    return UTF8.decode(bytes);
  } catch (cause) {
    throw new Fault('invalid', 'The request body is not valid UTF-8.', { remedy: 'Send UTF-8.', cause });
  }
}

/**
 * Reads the body, bounded after decompression. Only gzip and identity are understood: brotli packs 660,000 to one.
 * @throws Fault `too-large`, `invalid` (broken gzip), HttpFault 415 (other encodings)
 */
export async function readBytes(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const encoding = (request.headers['content-encoding'] ?? 'identity').trim().toLowerCase();
  if (encoding !== 'identity' && encoding !== 'gzip' && encoding !== 'x-gzip') {
    throw new HttpFault(415, 'The content encoding of the request body is not supported.', {
      remedy: 'Send it plain or with Content-Encoding: gzip.',
    });
  }
  const declared = Number(request.headers['content-length'] ?? 0);
  if (declared > maxBytes) throw tooLarge(maxBytes);
  return encoding === 'identity' ? collect(request, maxBytes) : collectGzip(request, maxBytes);
}

function collect(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > maxBytes) {
        request.pause();
        reject(tooLarge(maxBytes));
        return;
      }
      chunks.push(chunk);
    });
    request.on('end', () => resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, size)));
    request.on('aborted', () => reject(new Fault('timeout', 'The request ended before its body did.')));
    request.on('error', (cause) =>
      reject(new Fault('timeout', 'The request ended before its body did.', { cause })),
    );
  });
}

function collectGzip(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const gunzip = createGunzip();
    const chunks: Buffer[] = [];
    let packed = 0;
    let size = 0;
    const fail = (fault: Fault) => {
      request.unpipe(gunzip);
      request.pause();
      gunzip.destroy();
      reject(fault);
    };
    request.on('data', (chunk: Buffer) => {
      packed += chunk.length;
    });
    request.on('aborted', () => fail(new Fault('timeout', 'The request ended before its body did.')));
    gunzip.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > maxBytes) fail(tooLarge(maxBytes));
      else if (size > GZIP_RATIO_FLOOR_BYTES && size > packed * MAX_GZIP_RATIO)
        fail(tooLarge(GZIP_RATIO_FLOOR_BYTES));
      else chunks.push(chunk);
    });
    gunzip.on('end', () => resolve(Buffer.concat(chunks, size)));
    gunzip.on('error', () =>
      fail(invalid('The request body is not valid gzip.', undefined, 'Send it again, or plain.')),
    );
    request.pipe(gunzip);
  });
}
