import { invalid } from '../core/fault.js';
import { NOTE_EXTENSIONS } from './format.js';
import { readWhole } from './lines.js';
import type { Note } from './note.js';
import type { SourceFile } from './source.js';

/** Largest sidecar, in bytes. */
const MAX_SIDECAR_BYTES = 64 * 1024;
const FIELDS = ['id', 'patient', 'date', 'type', 'author', 'encounter'] as const;

/**
 * What a JSON file beside a note says of it: `visit.txt.json` or `visit.json` for `visit.txt`, an object with any of
 * id, patient, date, type, author, encounter. Undefined where there is none.
 * @throws Fault `invalid` when there is one that cannot be understood: a note must not lose its patient silently.
 */
export async function readSidecar(file: SourceFile): Promise<Partial<Note> | undefined> {
  const plain = file.name.replace(/\.gz$/i, '');
  for (const candidate of [`${plain}.json`, plain.replace(/\.[^./\\]+$/, '.json')]) {
    const beside = await file.sibling?.(candidate);
    if (!beside) continue;
    const bytes = await readWhole(beside.open(), MAX_SIDECAR_BYTES);
    let value: unknown;
    try {
      value = JSON.parse(bytes.toString('utf8'));
    } catch {
      throw invalid('The JSON sidecar of the note is not JSON.');
    }
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw invalid('The JSON sidecar of the note is not an object.');
    }
    // A FHIR resource that happens to have the same base name is no sidecar.
    if ('resourceType' in value) continue;
    const out: Partial<Record<(typeof FIELDS)[number], string>> = {};
    for (const [key, field] of Object.entries(value)) {
      const name = FIELDS.find((f) => f === key || `${f}_id` === key);
      if (!name)
        throw invalid(
          `The sidecar has an unknown field "${key.slice(0, 40)}".`,
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

/** Whether a JSON file stands beside a note and describes it (`visit.json` for `visit.txt`): no input of its own. */
export async function describesNote(file: SourceFile, head: string): Promise<boolean> {
  if (head.includes('"resourceType"')) return false;
  const stem = file.name.replace(/\.json$/i, '');
  for (const extension of NOTE_EXTENSIONS) {
    for (const gz of ['', '.gz']) if (await file.sibling?.(`${stem}.${extension}${gz}`)) return true;
  }
  return false;
}
