import type { Resource } from '../core/resource.js';

/** On every resource that was derived from a note: the document it came from. */
export const DERIVED_FROM_DOCUMENT = 'https://cenote.health/fhir/StructureDefinition/derived-from-document';

/** Tags of this system say that a person confirmed, corrected or rejected a derived resource. */
export const REVIEW_SYSTEM = 'https://cenote.health/fhir/CodeSystem/review';

/** Id of the document a resource was derived from; undefined for one that was not. */
export function derivedFromDocument(resource: Resource): string | undefined {
  if (!Array.isArray(resource.extension)) return undefined;
  for (const extension of resource.extension as {
    url?: unknown;
    valueReference?: { reference?: unknown };
  }[]) {
    if (extension?.url !== DERIVED_FROM_DOCUMENT) continue;
    const reference = extension.valueReference?.reference;
    if (typeof reference === 'string' && reference.startsWith('DocumentReference/'))
      return reference.slice('DocumentReference/'.length);
  }
  return undefined;
}

/** A person has looked at it: a re-reading of the note leaves it as it is. */
export function isReviewed(resource: Resource): boolean {
  return resource.meta?.tag?.some((tag) => tag.system === REVIEW_SYSTEM) ?? false;
}
