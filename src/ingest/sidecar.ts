import { readFile } from 'node:fs/promises';
import { invalid } from '../core/fault.js';
import type { Note } from './note.js';

/** Largest sidecar, in bytes. */
const MAX_SIDECAR_BYTES = 64 * 1024;
const FIELDS = ['id', 'patient', 'date', 'type', 'author', 'encounter'] as const;

/**
 * What a JSON file beside a note says of it: `visit.txt.json` or `visit.json` for `visit.txt`, an object with any of
 * id, patient, date, type, author, encounter. Undefined where there is none.
 * @throws Fault `invalid` when there is one that cannot be understood: a note must not lose its patient silently.
 */
export async function readSidecar(notePath: string): Promise<Partial<Note> | undefined> {
  const plain = notePath.replace(/\.gz$/i, '');
  for (const path of [`${plain}.json`, plain.replace(/\.[^./\\]+$/, '.json')]) {
    const bytes = await readFile(path).catch(() => undefined);
    if (!bytes) continue;
    if (bytes.length > MAX_SIDECAR_BYTES)
      throw invalid(`the sidecar is larger than ${MAX_SIDECAR_BYTES} bytes`);
    let value: unknown;
    try {
      value = JSON.parse(bytes.toString('utf8'));
    } catch {
      throw invalid('the JSON sidecar of the note is not JSON');
    }
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw invalid('the JSON sidecar of the note is not an object');
    }
    // A FHIR resource that happens to have the same base name is no sidecar.
    if ('resourceType' in value) continue;
    const out: Partial<Record<(typeof FIELDS)[number], string>> = {};
    for (const [key, field] of Object.entries(value)) {
      const name = FIELDS.find((f) => f === key || `${f}_id` === key);
      if (!name)
        throw invalid(
          `the sidecar has an unknown field "${key.slice(0, 40)}"`,
          undefined,
          `Known: ${FIELDS.join(', ')}.`,
        );
      if (typeof field !== 'string' && typeof field !== 'number')
        throw invalid(`"${name}" of the sidecar is not text`);
      out[name] = String(field);
    }
    return out;
  }
  return undefined;
}
