import { Fault, invalid } from '../core/fault.js';
import { isFhirId } from '../core/ids.js';
import type { Resource } from '../core/resource.js';
import { documentReference, type Note, noteId } from '../ingest/note.js';
import type { Tenant } from '../tenancy/tenant.js';
import type { BundleDeps, ResolvedReferences } from './bundle.js';
import { parseCriteria } from './bundle-criteria.js';

/** What is said of every note of an import that does not say it itself. */
export type NoteDefaults = Partial<Omit<Note, 'text' | 'id'>>;

const PATIENT = /^(?:Patient\/)([A-Za-z0-9\-.]{1,64})$/;

/**
 * `Patient/{id}` of what a note calls its patient: a reference, an id that is here, or an identifier
 * (`system|value` or the value alone) that exactly one Patient has. Undefined where the note names none.
 * @throws Fault `precondition` (issue code `not-found`) where nobody answers to it: load the patients first.
 */
export async function resolvePatient(
  deps: BundleDeps,
  tenant: Tenant,
  patient: string | undefined,
  cache: ResolvedReferences,
): Promise<string | undefined> {
  if (!patient) return undefined;
  const reference = PATIENT.exec(patient);
  if (reference) return `Patient/${reference[1]}`;
  const key = `note-patient ${patient}`;
  const known = cache.get(key);
  if (known) return known;
  if (isFhirId(patient)) {
    const read = await deps.store.read(tenant, 'Patient', patient);
    if (read?.resource) {
      cache.set(key, `Patient/${patient}`);
      return `Patient/${patient}`;
    }
  }
  const criteria = parseCriteria(
    'Patient',
    new URLSearchParams({ identifier: escapeToken(patient) }).toString(),
    'patient',
  );
  const [matches = []] = await deps.findMany(tenant, [criteria], undefined);
  const [match] = matches;
  if (!match) {
    throw new Fault('precondition', 'No Patient has the id or identifier that the note names.', {
      at: 'patient',
      issueCode: 'not-found',
      remedy: 'Import the patients first, then run this import again.',
    });
  }
  if (matches.length > 1) {
    throw new Fault('precondition', 'Several Patients have the identifier that the note names.', {
      at: 'patient',
      issueCode: 'multiple-matches',
      remedy: 'Write it as system|value.',
    });
  }
  cache.set(key, `Patient/${match.id}`);
  return `Patient/${match.id}`;
}

/** A comma and a dollar have a meaning in search; the bar between system and value keeps its own. */
function escapeToken(text: string): string {
  return text.replace(/[\\,$]/g, (c) => `\\${c}`);
}

function encounterReference(encounter: string | undefined): string | undefined {
  if (!encounter) return undefined;
  const id = encounter.startsWith('Encounter/') ? encounter.slice('Encounter/'.length) : encounter;
  return isFhirId(id) ? `Encounter/${id}` : undefined;
}

/**
 * The DocumentReference of a note. `origin` names the place it was read from, so that a second run of the same input
 * finds the same document again.
 */
export async function noteResource(
  deps: BundleDeps,
  tenant: Tenant,
  note: Note,
  defaults: NoteDefaults,
  origin: string,
  cache: ResolvedReferences,
): Promise<Resource> {
  const merged: Note = {
    ...note,
    patient: note.patient ?? defaults.patient,
    date: note.date ?? defaults.date,
    type: note.type ?? defaults.type,
    author: note.author ?? defaults.author,
    encounter: note.encounter ?? defaults.encounter,
  };
  if (merged.text.trim() === '') throw invalid('The note has no text.', 'text');
  const subject = await resolvePatient(deps, tenant, merged.patient, cache);
  return documentReference(merged, noteId(origin, merged.id), {
    subject,
    encounter: encounterReference(merged.encounter),
  });
}
