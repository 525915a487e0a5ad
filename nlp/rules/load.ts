import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';

let root: string | undefined;

/** The `nlp/` folder that holds rules and models, whether this runs from `dist/` or from the sources. */
export function nlpRoot(): string {
  if (root) return root;
  let dir = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(dir, 'package.json'))) {
    const up = dirname(dir);
    if (up === dir) throw new Error('package.json of cenote not found above the running code');
    dir = up;
  }
  root = join(dir, 'nlp');
  return root;
}

/**
 * Reads one JSON file of rules, such as `sections.json`. The caller compiles it once and keeps the result;
 * nothing is cached here.
 * @param name path below `nlp/rules`.
 */
export function readRules<T>(name: string): T {
  return JSON.parse(readFileSync(join(nlpRoot(), 'rules', name), 'utf8')) as T;
}

/** Reads one file of trained weights below `nlp/models` as bytes. */
export function readModel(name: string): Buffer {
  return readFileSync(join(nlpRoot(), 'models', name));
}

/** Longest result that memory is taken for at once. */
const UNZIPPED_MAX = 1 << 28;
const MARGIN_BYTES = 1024;

/**
 * The bytes of a gzip file, unzipped into one piece of memory, whose size its last four bytes tell: small pieces that are
 * put together are twice the memory, and what is left of them stays between what is kept.
 */
export function unzip(file: Buffer): Buffer {
  const length = file.length < 4 ? 0 : file.readUInt32LE(file.length - 4);
  return gunzipSync(file, { chunkSize: Math.min(UNZIPPED_MAX, length) + MARGIN_BYTES });
}
