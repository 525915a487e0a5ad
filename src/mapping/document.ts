import type { Coding } from '../core/resource.js';

/** Canonical base of our own definitions. */
export const CENOTE = 'https://cenote.health/fhir';

/** A FHIR Reference as far as mapping needs one. */
export interface Reference {
  reference?: string;
  display?: string;
}

/**
 * What the envelope of a note says: the DocumentReference it came in. The subject of every fact is read from
 * here, never from the text.
 */
export interface DocumentEnvelope {
  /** Tenant's UUID; part of every derived id, so that two tenants never share one. */
  readonly tenantId: string;
  /** Logical id of the DocumentReference. */
  readonly documentId: string;
  readonly documentVersion: number;
  /** ISO instant of that version; the facts were recorded then, however often they are derived again. */
  readonly recorded: string;
  /** `Patient/{id}`; without one there are no facts. */
  readonly subject?: string;
  /** `Encounter/{id}` */
  readonly encounter?: string;
  /** ISO date or dateTime the note speaks from. */
  readonly date?: string;
  readonly authors?: readonly Reference[];
  /** Version of the pipeline that made the annotation. */
  readonly pipeline: string;
}

export const ORIGIN_DERIVED: Coding = {
  system: `${CENOTE}/CodeSystem/origin`,
  code: 'derived',
  display: 'Derived from a note',
};

/** URL of one of our extensions. */
export function extensionUrl(name: string): string {
  return `${CENOTE}/StructureDefinition/${name}`;
}
