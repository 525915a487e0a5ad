import type { Blind } from '../core/blind.js';
import type { Resource } from '../core/resource.js';
import type { ParameterRegistry, SearchParameter } from '../fhir/registry.js';

/** An index row of a date parameter: the closed range of milliseconds the partial date covers. */
export interface DateRow {
  /** blind(termText('p', base, code)) */
  readonly param: bigint;
  /** ms since the epoch, UTC, inclusive. */
  readonly lo: number;
  /** ms since the epoch, UTC, inclusive. Open ends are MIN_MS and MAX_MS of `src/fhir/dates.ts`. */
  readonly hi: number;
}

/** An index row of a number or quantity parameter; also combined with the resource's code (layout H). */
export interface QuantityRow {
  /** blind of the parameter alone, or of the parameter together with one coding of the resource's `code`. */
  readonly term: bigint;
  /** blind of the unit (system and code, or its text), 0n where there is none. */
  readonly unit: bigint;
  /** Implied-precision range of the value, in the unit of the row. */
  readonly lo: number;
  readonly hi: number;
}

export interface ReferenceRow {
  readonly param: bigint;
  readonly targetType: string;
  readonly targetId: string;
}

/** Everything the index keeps of one resource version. Nothing in it can be read without the keys. */
export interface IndexRows {
  /** Distinct blind terms: tokens, strings and their prefixes, uris, references, identifiers. */
  readonly terms: readonly bigint[];
  readonly dates: readonly DateRow[];
  readonly quantities: readonly QuantityRow[];
  readonly references: readonly ReferenceRow[];
  /** Terms that get a row sorted by clinical date (type; type+code; type+category; type+patient+code). */
  readonly sorted: readonly bigint[];
  /** The patient whose compartment it is in, when it is in exactly one. A Patient is in its own. */
  readonly patient: string | undefined;
  /** Clinical time, ms since the epoch, by the rule of its type; undefined where undated. */
  readonly at: number | undefined;
}

/** One value of a search, after splitting at commas and unescaping; `prefix` only for ordered types. */
export interface SearchValue {
  /** `po` (overlaps) and `co` (contains) are for dates, and `_filter` alone can ask for them. */
  readonly prefix: 'eq' | 'ne' | 'gt' | 'lt' | 'ge' | 'le' | 'sa' | 'eb' | 'ap' | 'po' | 'co';
  readonly text: string;
}

/** What to look for in one parameter: any of `values` (OR). AND is several of these. */
export interface ParameterQuery {
  readonly parameter: SearchParameter;
  readonly modifier: string | undefined;
  readonly values: readonly SearchValue[];
}

/**
 * A condition on one resource row, in terms of the index tables; `src/search` renders it as SQL. `exact` false
 * means the rows found are a superset and `ParameterType.matches` must recheck them on the opened body.
 */
export type Clause =
  | { readonly kind: 'all-terms'; readonly terms: readonly bigint[] }
  | { readonly kind: 'any-term'; readonly terms: readonly bigint[] }
  | {
      readonly kind: 'date';
      readonly param: bigint;
      /** Bounds on the row's lo and hi; all given ones must hold. */
      readonly loMin?: number;
      readonly loMax?: number;
      readonly hiMin?: number;
      readonly hiMax?: number;
    }
  | {
      readonly kind: 'quantity';
      readonly term: bigint;
      readonly unit?: bigint;
      readonly loMin?: number;
      readonly loMax?: number;
      readonly hiMin?: number;
      readonly hiMax?: number;
    }
  | {
      readonly kind: 'reference';
      readonly param: bigint;
      readonly targetType?: string;
      readonly targetId?: string;
    }
  | { readonly kind: 'and'; readonly of: readonly Clause[] }
  | { readonly kind: 'or'; readonly of: readonly Clause[] }
  | { readonly kind: 'not'; readonly of: Clause }
  | { readonly kind: 'everything' }
  | { readonly kind: 'nothing' };

export interface CompiledParameter {
  readonly clause: Clause;
  /** False: the clause finds a superset; recheck with `matches`. */
  readonly exact: boolean;
}

export interface IndexContext {
  readonly blind: Blind;
  /** FHIR base of the tenant without trailing slash, to recognise absolute references to ourselves. */
  readonly base: string;
  /** ms since the epoch; what the prefix `ap` of dates measures from. Without it `ap` allows no slack. */
  readonly now?: number;
  /** The tenant's parameters; R4's alone where absent. Change it as a whole: what is known of it is kept by object. */
  readonly registry?: ParameterRegistry;
}

/** What `extract` adds to; the indexer merges and de-duplicates. */
export interface RowSink {
  term(term: bigint): void;
  date(row: DateRow): void;
  quantity(row: QuantityRow): void;
  reference(row: ReferenceRow): void;
}

/**
 * One search-parameter type. The three functions stand in one file so that what is written, what is searched
 * and what is rechecked cannot drift apart.
 */
export interface ParameterType {
  /** Adds the rows for `values`, the elements the parameter's expression selected in a resource. */
  extract(
    parameter: SearchParameter,
    values: readonly unknown[],
    resource: Resource,
    to: RowSink,
    context: IndexContext,
  ): void;
  /** @throws Fault `invalid` naming the parameter and the remedy where a value cannot be understood. */
  compile(query: ParameterQuery, context: IndexContext): CompiledParameter;
  /** Whether the resource's own elements satisfy the query: the definition of a right answer. */
  matches(
    query: ParameterQuery,
    values: readonly unknown[],
    resource: Resource,
    context: IndexContext,
  ): boolean;
}
