import type { Resource } from '../core/resource.js';

/** Tags of this system say that a person confirmed, corrected or rejected a derived resource. */
export const REVIEW_SYSTEM = 'https://cenote.health/fhir/CodeSystem/review';

/** A person has looked at it: a re-reading of the note leaves it as it is. */
export function isReviewed(resource: Resource): boolean {
  return resource.meta?.tag?.some((tag) => tag.system === REVIEW_SYSTEM) ?? false;
}
