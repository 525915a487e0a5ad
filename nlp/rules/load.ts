import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

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
