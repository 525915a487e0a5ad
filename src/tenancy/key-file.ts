import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Fault } from '../core/fault.js';
import { checkKeyName, keyExists, missingKey, notWrappedHere } from './key-providers/key-name.js';
import { createSecretFile, readSecretFile, syncFolder } from './secret-file.js';
import type { KeyProvider } from './tenant.js';

const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** First byte of what `wrap` returns. */
const FORMAT = 1;

/**
 * Customer keys as files, one a key, mode 0600, in a folder outside any database: whoever copies the database has
 * none of them. Keep the folder in a backup of its own; without it the data is lost, by design.
 */
export function openKeyFiles(folder: string): KeyProvider {
  if (!existsSync(folder)) {
    mkdirSync(folder, { recursive: true });
    chmodSync(folder, 0o700);
  }
  const fileOf = (ref: string): string => {
    checkKeyName(ref);
    return join(folder, `${ref}.key`);
  };
  const keyOf = (ref: string): Buffer => {
    const file = fileOf(ref);
    if (!existsSync(file)) throw missingKey(ref, file);
    const key = Buffer.from(readSecretFile(file).toString('utf8').trim(), 'base64');
    if (key.length !== KEY_BYTES)
      throw new Fault('integrity', `The key file ${file} is damaged.`, {
        remedy: 'Restore it from a backup.',
      });
    return key;
  };

  return {
    kind: 'file',

    async createKey(ref) {
      const file = fileOf(ref);
      if (!createSecretFile(file, `${randomBytes(KEY_BYTES).toString('base64')}\n`)) throw keyExists(ref);
    },

    async hasKey(ref) {
      return existsSync(fileOf(ref));
    },

    async wrap(ref, plain, context) {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv('aes-256-gcm', keyOf(ref), nonce);
      cipher.setAAD(associated(ref, context));
      return Buffer.concat([
        Buffer.of(FORMAT),
        nonce,
        cipher.update(plain),
        cipher.final(),
        cipher.getAuthTag(),
      ]);
    },

    async unwrap(ref, wrapped, context) {
      const key = keyOf(ref);
      const bytes = Buffer.from(wrapped);
      if (bytes[0] !== FORMAT || bytes.length < 1 + NONCE_BYTES + TAG_BYTES) throw notWrappedHere();
      const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(1, 1 + NONCE_BYTES));
      decipher.setAAD(associated(ref, context));
      decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
      try {
        return Buffer.concat([
          decipher.update(bytes.subarray(1 + NONCE_BYTES, -TAG_BYTES)),
          decipher.final(),
        ]);
      } catch {
        throw notWrappedHere();
      }
    },

    async destroyKey(ref) {
      const file = fileOf(ref);
      if (!existsSync(file)) throw missingKey(ref, file);
      // Overwritten first: it is all that stands between the sealed data and its reader.
      writeFileSync(file, randomBytes(statSync(file).size), { flag: 'r+', flush: true });
      rmSync(file);
      syncFolder(folder);
    },
  };
}

function associated(ref: string, context: string): Buffer {
  return Buffer.from(`cenote key-file 1|${ref.length}:${ref}|${context}`, 'utf8');
}
