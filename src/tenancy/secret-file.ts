import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, linkSync, openSync, readFileSync, rmSync, statSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { Fault } from '../core/fault.js';

/** Others than the owner may do nothing with a secret's file. */
const OTHERS = 0o077;

/**
 * Writes a new file that only its owner may read, and has it on the disk when it returns.
 * @throws the system's EEXIST where the name is taken: a secret is never overwritten.
 */
export function writeSecretFile(path: string, content: string | Uint8Array): void {
  const fd = openSync(path, 'wx', 0o600);
  try {
    const bytes = typeof content === 'string' ? Buffer.from(content, 'utf8') : content;
    let done = 0;
    while (done < bytes.length) done += writeSync(fd, bytes, done);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  syncFolder(dirname(path));
}

/**
 * As `writeSecretFile`, but the name appears at once with its whole content or not at all. Returns false, and leaves
 * the file alone, where the name is taken: of two processes the first wins.
 */
export function createSecretFile(path: string, content: string | Uint8Array): boolean {
  const draft = `${path}.${process.pid}.${randomBytes(6).toString('hex')}`;
  writeSecretFile(draft, content);
  try {
    // link() never replaces.
    linkSync(draft, path);
    syncFolder(dirname(path));
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(draft, { force: true });
  }
}

/** @throws Fault `forbidden` where others than the owner may open the file: it may have been read already. */
export function readSecretFile(path: string): Buffer {
  const mode = statSync(path).mode & 0o777;
  if (process.platform !== 'win32' && (mode & OTHERS) !== 0) {
    throw new Fault(
      'forbidden',
      `${path} is open to other users (mode ${mode.toString(8).padStart(4, '0')}).`,
      {
        remedy: `Find out who read it, then run: chmod 600 ${path}`,
      },
    );
  }
  return readFileSync(path);
}

/** Makes a new or renamed entry of the folder survive a power cut. Not every system lets one open a folder. */
export function syncFolder(folder: string): void {
  let fd: number;
  try {
    fd = openSync(folder, 'r');
  } catch {
    return;
  }
  try {
    fsyncSync(fd);
  } catch {
    // Some file systems have no such thing; the file itself is synced.
  } finally {
    closeSync(fd);
  }
}
