/** A FHIR resource as parsed JSON. Read-only by convention: a step that changes one returns a new one. */
export interface Resource {
  resourceType: string;
  id?: string;
  meta?: ResourceMeta;
  [element: string]: unknown;
}

export interface ResourceMeta {
  versionId?: string;
  lastUpdated?: string;
  source?: string;
  profile?: string[];
  security?: Coding[];
  tag?: Coding[];
  extension?: unknown[];
}

export interface Coding {
  system?: string;
  version?: string;
  code?: string;
  display?: string;
}

export interface CodeableConcept {
  coding?: Coding[];
  text?: string;
}

/** A resource as stored: id, meta.versionId and meta.lastUpdated are present. */
export interface StoredResource extends Resource {
  id: string;
  meta: ResourceMeta & { versionId: string; lastUpdated: string };
}
