import type { Resource } from '../core/resource.js';
import { compileExpression, type PathFunction } from './paths.js';
import { parseReference } from './references.js';
import { findSearchParameter } from './registry.js';
import { readTable } from './tables.js';

type Table = Record<string, Record<string, string[]>>;

let table: Table | undefined;
const paths = new Map<string, readonly PathFunction[]>();

/** The compartments R4 defines: Patient, Encounter, RelatedPerson, Practitioner, Device. */
export function compartmentNames(): string[] {
  table ??= readTable<Table>('compartments.json');
  return Object.keys(table);
}

/**
 * The parameters of `type` that put a resource into a compartment (R4 compartmentdefinition.html); empty where that
 * type is never in it.
 */
export function compartmentParameters(compartment: string, type: string): readonly string[] {
  table ??= readTable<Table>('compartments.json');
  return table[compartment]?.[type] ?? [];
}

/**
 * Parameters whose references put a resource into a patient's compartment although the patient is not whom it is
 * about: the performer or asserter of another person's record. Who the record is about decides where it is kept.
 */
const SUBJECT_CODES = ['patient', 'subject', 'beneficiary', 'individual', 'for'];

function pathsOf(type: string): readonly PathFunction[] {
  let found = paths.get(type);
  if (!found) {
    const expressions = compartmentParameters('Patient', type)
      .map((code) => ({ code, expression: findSearchParameter(type, code)?.expression ?? '' }))
      .filter((p) => p.expression !== '')
      .sort((a, b) => rank(a.code) - rank(b.code));
    found = expressions.map((p) => compileExpression(p.expression, type));
    paths.set(type, found);
  }
  return found;
}

function rank(code: string): number {
  const at = SUBJECT_CODES.indexOf(code);
  return at < 0 ? SUBJECT_CODES.length : at;
}

/**
 * The ids of the patients in whose compartment the resource is, without repeats; those it is about first. A Patient
 * is in its own only: what links two patients' records together does not move either. Reads `Patient/id` and the same
 * under `base`; references elsewhere name nobody here.
 */
export function patientsOf(resource: Resource, base = ''): string[] {
  if (resource.resourceType === 'Patient') return resource.id === undefined ? [] : [resource.id];
  const ids: string[] = [];
  for (const path of pathsOf(resource.resourceType)) {
    for (const value of path(resource)) {
      const text = (value as { reference?: unknown }).reference;
      if (typeof text !== 'string') continue;
      const parsed = parseReference(text, base);
      if (parsed.kind === 'local' && parsed.type === 'Patient' && !ids.includes(parsed.id))
        ids.push(parsed.id);
    }
  }
  return ids;
}
