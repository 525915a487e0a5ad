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
  /** The key is wiped when `use` has ended: it must not be found in the process's memory later. */
  const withKey = <T>(ref: string, use: (key: Buffer) => T): T => {
    const file = fileOf(ref);
    if (!existsSync(file)) throw missingKey(ref, file);
    const content = readSecretFile(file);
    const key = decoded(content);
    content.fill(0);
    try {
      if (key.length !== KEY_BYTES)
        throw new Fault('integrity', `The key file ${file} is damaged.`, {
          remedy: 'Restore it from a backup.',
        });
      return use(key);
    } finally {
      key.fill(0);
    }
  };

  return {
    kind: 'file',

    async createKey(ref) {
      const file = fileOf(ref);
      const key = randomBytes(KEY_BYTES);
      const content = encoded(key);
      key.fill(0);
      try {
        if (!createSecretFile(file, content)) throw keyExists(ref);
      } finally {
        content.fill(0);
      }
    },

    async hasKey(ref) {
      return existsSync(fileOf(ref));
    },

    async wrap(ref, plain, context) {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = withKey(ref, (key) => createCipheriv('aes-256-gcm', key, nonce));
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
      const bytes = Buffer.from(wrapped);
      const nonce = bytes.subarray(1, 1 + NONCE_BYTES);
      const decipher = withKey(ref, (key) => {
        if (bytes[0] !== FORMAT || bytes.length < 1 + NONCE_BYTES + TAG_BYTES) throw notWrappedHere();
        return createDecipheriv('aes-256-gcm', key, nonce);
      });
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

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const DIGITS = new Map([...ALPHABET].map((char, i) => [char.charCodeAt(0), i]));

/** Base64 and the end of a line. */
function encoded(bytes: Buffer): Buffer {
  const length = Math.ceil(bytes.length / 3) * 4;
  const out = Buffer.alloc(length + 1, '=');
  for (let i = 0, at = 0; i < bytes.length; i += 3, at += 4) {
    const three = (bytes[i]! << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0);
    const digits = Math.min(4, bytes.length - i + 1);
    for (let k = 0; k < digits; k++) out[at + k] = ALPHABET.charCodeAt((three >> (18 - 6 * k)) & 63);
  }
  out[length] = 0x0a;
  return out;
}

/** Base64 as bytes. Not by a string: nobody can wipe one. Empty where it is none. */
function decoded(text: Buffer): Buffer {
  let from = 0;
  let to = text.length;
  while (from < to && text[from]! <= 0x20) from++;
  while (from < to && (text[to - 1]! <= 0x20 || text[to - 1] === 0x3d)) to--;
  const out = Buffer.alloc(Math.floor(((to - from) * 3) / 4));
  let bits = 0;
  let held = 0;
  let at = 0;
  for (let i = from; i < to; i++) {
    const digit = DIGITS.get(text[i]!);
    if (digit === undefined) return Buffer.alloc(0);
    bits = ((bits << 6) | digit) & 0xfff;
    held += 6;
    if (held < 8) continue;
    held -= 8;
    out[at++] = (bits >> held) & 0xff;
  }
  return out;
}
