/**
 * The search parameters of R4, as data. `src/fhir/tables/search-parameters.json` is generated from the
 * official definitions by `src/fhir/generate-tables.mjs`; nothing here is listed by hand.
 */

export type SearchParameterType =
  | 'string'
  | 'token'
  | 'reference'
  | 'date'
  | 'number'
  | 'quantity'
  | 'uri'
  | 'composite'
  | 'special';

export interface SearchParameter {
  /** Canonical URL of the definition. */
  readonly url: string;
  readonly code: string;
  /** The resource type this row is for (a definition with several bases gives one row per base). */
  readonly base: string;
  readonly type: SearchParameterType;
  /** FHIRPath of this base only (the union's other branches removed). */
  readonly expression: string;
  /** Reference parameters: the resource types it may point at; empty means any. */
  readonly targets: readonly string[];
  /** Composite parameters: the components, each with its parameter code and expression relative to `expression`. */
  readonly components?: readonly { readonly code: string; readonly expression: string }[];
  /**
   * Reference parameters whose expression is another one's narrowed to one type (Observation.patient is
   * Observation.subject where it resolves to a Patient): the other's code. Such a parameter has no index rows
   * of its own.
   */
  readonly aliasOf?: string;
}
