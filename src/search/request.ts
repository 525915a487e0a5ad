import type { Fault } from '../core/fault.js';
import type { Resource, StoredResource } from '../core/resource.js';

/** A search as it arrives. Names and values are decoded; order is as written. */
export interface SearchRequest {
  /** Resource type; absent for a search over several types (`_type`, or all). */
  readonly type?: string;
  readonly params: readonly (readonly [name: string, value: string])[];
  /** Unknown parameters are a fault (`Prefer: handling=strict`), else a warning in the page. */
  readonly strict: boolean;
  /** FHIR base of the tenant without trailing slash. */
  readonly base: string;
  /** Only resources in this patient's compartment. */
  readonly compartment?: { readonly type: 'Patient'; readonly id: string };
  /** Binds page links to who asks; a link given to one caller then opens for no other. */
  readonly caller?: string;
}

export type EntryMode = 'match' | 'include' | 'outcome';

export interface PageEntry {
  readonly resource: Resource;
  readonly mode: EntryMode;
}

/** One page of a search result. */
export interface Page {
  readonly entries: readonly PageEntry[];
  /** Number of matches on all pages; absent unless asked for (`_total`, `_summary=count`). */
  readonly total?: number;
  /** Query string of what was really searched, without `?`. */
  readonly self: string;
  /** Query string of the next page, without `?`; absent on the last page. */
  readonly next?: string;
  /** What was ignored or cut, for an `outcome` entry. */
  readonly warnings: readonly Fault[];
}

/** One match of `findMatches`. */
export type Match = StoredResource;

/** Bounds of a search. Each is a named maximum so that no request can ask for unbounded work. */
export const DEFAULT_COUNT = 50;
export const MAX_COUNT = 1_000;
/** Parameters of one request, each AND'ed. */
export const MAX_PARAMETERS = 200;
/** Values of one parameter, OR'ed. */
export const MAX_OR_VALUES = 1_000;
/** Characters of one parameter's value. */
export const MAX_VALUE_CHARS = 64 * 1024;
/**
 * Steps of the chains of one parameter, `_has` included, each counted once for every type it goes to. A chain may be as
 * deep as that: what bounds it is what bounds the text and the values of any request.
 */
export const MAX_CHAIN_STEPS = 1_000;
/** Keys of one `_sort`. */
export const MAX_SORT_KEYS = 8;
/** Rounds of `:iterate`. */
export const MAX_ITERATE_ROUNDS = 8;
/** Resources added to one page by `_include` and `_revinclude` together. */
export const MAX_INCLUDED = 5_000;
