import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../core/package-root.js';

/** Reads one of the tables that `generate-tables.mjs` made of the official R4 definitions. */
export function readTable<T>(name: string): T {
  return JSON.parse(readFileSync(join(packageRoot(), 'src', 'fhir', 'tables', name), 'utf8')) as T;
}
