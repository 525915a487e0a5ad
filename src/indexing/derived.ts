import { termText } from '../core/blind.js';
import type { Resource } from '../core/resource.js';
import { parseReference } from '../fhir/references.js';
import type { IndexContext } from './parameter-type.js';
import { KINDS } from './terms.js';

/** `meta.tag` of a resource that the NLP made from a note. */
export const ORIGIN_SYSTEM = 'https://cenote.health/fhir/CodeSystem/origin';
export const DERIVED_CODE = 'derived';
/** Extension of such a resource: a Reference to the DocumentReference it was made from. */
export const DERIVED_FROM_DOCUMENT = 'https://cenote.health/fhir/StructureDefinition/derived-from-document';

/** The term every resource made from a note has. */
export function derivedTerm(context: IndexContext): bigint {
  return context.blind(termText(KINDS.derived));
}

/** The term of all resources made from one document. */
export function derivedFromTerm(context: IndexContext, documentId: string): bigint {
  return context.blind(termText(KINDS.derived, documentId));
}

/** Whether the resource carries the tag of what was made from a note. */
export function isDerived(resource: Resource): boolean {
  const tags = resource.meta?.tag;
  return Array.isArray(tags) && tags.some((t) => t?.system === ORIGIN_SYSTEM && t.code === DERIVED_CODE);
}

/** The id of the document the resource was made from. */
export function derivedFrom(resource: Resource, base: string): string | undefined {
  if (!Array.isArray(resource.extension)) return undefined;
  for (const e of resource.extension as { url?: unknown; valueReference?: { reference?: unknown } }[]) {
    if (e?.url !== DERIVED_FROM_DOCUMENT || typeof e.valueReference?.reference !== 'string') continue;
    const parsed = parseReference(e.valueReference.reference, base);
    if (parsed.kind === 'local' && parsed.type === 'DocumentReference') return parsed.id;
  }
  return undefined;
}
