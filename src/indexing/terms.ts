import { type Blind, termText } from '../core/blind.js';
import type { SearchParameter } from '../fhir/registry.js';
import type { IndexContext } from './parameter-type.js';

/**
 * What each kind of blind term says about a resource. The letter is the first part of the term's text, the base type
 * and the parameter's code follow, so that a term of one parameter is never one of another.
 */
export const KINDS = {
  /** The parameter has a value (`:missing=false`). */
  present: 'm',
  /** A token's system and code. */
  systemCode: 't',
  /** A token's code in whatever system. */
  code: 'c',
  /** A token in this system, whatever its code. */
  system: 'y',
  /** A token's code that has no system. */
  bareCode: 'n',
  /** An identifier of this type: type's system and code, and the value. */
  ofType: 'o',
  /** The beginning of a token's display or text, folded. */
  display: 'd',
  /** The beginning of a string, folded. */
  prefix: 's',
  /** A whole string, as written. */
  exact: 'x',
  /** Three neighbouring characters of a string, folded. */
  trigram: 'g',
  /** The string is longer than its trigrams reach. */
  longString: 'l',
  /** A whole uri. */
  uri: 'u',
  /** The beginning of a uri up to a slash. */
  uriBelow: 'b',
  /** A reference to something that is not a resource of this tenant: URL, URN. */
  external: 'r',
  /** A reference by identifier. */
  identifier: 'i',
  /** The id of a reference's target, whatever its type. */
  targetId: 'e',
  /** Rows of a date or reference parameter. */
  parameter: 'p',
  /** Rows of a number or quantity parameter: values as written. */
  quantity: 'q',
  /** Rows of a quantity parameter: values converted to the unit all of its kind are compared in. */
  canonicalQuantity: 'k',
  /** As `quantity`, together with a code of the same observation or component. */
  codeQuantity: 'v',
  codeCanonicalQuantity: 'w',
  /** A unit of such a row. */
  unit: 'z',
  /** The unit of a quantity as a code or a word, whatever its system. */
  unitText: 'a',
  /** A word of the narrative or of the content. */
  word: 'f',
  /** Made by the NLP from a note; or from this very document. */
  derived: 'D',
  /** In a patient's compartment among others. */
  compartment: 'P',
  /** Rows of what a resource is called by canonical references. */
  canonical: 'C',
  /** What many values share, at the level `bucketed`. */
  bucket: 'B',
  /** Rows in clinical order. */
  sorted: 'S',
} as const;

export type TermKind = keyof typeof KINDS;

const heads = new Map<SearchParameter, Map<TermKind, string>>();

/** The fixed beginning of the terms of one parameter and kind, made once. */
export function termHead(kind: TermKind, parameter: SearchParameter): string {
  let byKind = heads.get(parameter);
  if (!byKind) {
    byKind = new Map();
    heads.set(parameter, byKind);
  }
  let head = byKind.get(kind);
  if (head === undefined) {
    head = termText(KINDS[kind], parameter.base, parameter.code);
    byKind.set(kind, head);
  }
  return head;
}

/** The blind term of `parts` under a parameter. */
export function term(
  context: IndexContext,
  kind: TermKind,
  parameter: SearchParameter,
  ...parts: string[]
): bigint {
  let text = termHead(kind, parameter);
  for (const p of parts) text += `${p.length}:${p}`;
  return context.blind(text);
}

/**
 * A cached kind keeps this many terms of one parameter and then starts anew: codes, displays and words repeat from
 * one resource to the next, and looking one up is six times as fast as making it.
 */
const MAX_CACHED = 4_096;

/**
 * The terms of one parameter under one tenant's key. `fresh` is for values that identify somebody, which would fill a
 * cache for nothing and outlive their use in memory.
 */
export class ParameterTerms {
  private readonly parameter: SearchParameter;
  private readonly context: IndexContext;
  private readonly whole = new Map<TermKind, bigint>();
  private readonly single = new Map<TermKind, Map<string, bigint>>();
  private readonly double = new Map<TermKind, Map<string, Map<string, bigint>>>();
  private readonly lists = new Map<string, readonly bigint[]>();
  private doubles = 0;

  constructor(parameter: SearchParameter, context: IndexContext) {
    this.parameter = parameter;
    this.context = context;
  }

  /** The term of the kind alone. */
  fixed(kind: TermKind): bigint {
    let found = this.whole.get(kind);
    if (found === undefined) {
      found = term(this.context, kind, this.parameter);
      this.whole.set(kind, found);
    }
    return found;
  }

  fresh(kind: TermKind, ...parts: string[]): bigint {
    return term(this.context, kind, this.parameter, ...parts);
  }

  one(kind: TermKind, part: string): bigint {
    let cache = this.single.get(kind);
    if (!cache) {
      cache = new Map();
      this.single.set(kind, cache);
    }
    let found = cache.get(part);
    if (found === undefined) {
      found = term(this.context, kind, this.parameter, part);
      if (cache.size >= MAX_CACHED) cache.clear();
      cache.set(part, found);
    }
    return found;
  }

  /** What `make` gives for a text that is likely to come again. */
  list(text: string, make: (text: string, terms: ParameterTerms) => readonly bigint[]): readonly bigint[] {
    let found = this.lists.get(text);
    if (found === undefined) {
      found = make(text, this);
      if (this.lists.size >= MAX_CACHED) this.lists.clear();
      this.lists.set(text, found);
    }
    return found;
  }

  two(kind: TermKind, a: string, b: string): bigint {
    let outer = this.double.get(kind);
    if (!outer || this.doubles >= MAX_CACHED) {
      outer = new Map();
      this.double.set(kind, outer);
      this.doubles = 0;
    }
    let inner = outer.get(a);
    if (!inner) {
      inner = new Map();
      outer.set(a, inner);
    }
    let found = inner.get(b);
    if (found === undefined) {
      found = term(this.context, kind, this.parameter, a, b);
      inner.set(b, found);
      this.doubles++;
    }
    return found;
  }
}

/** By the tenant's blind, so that a tenant's terms are gone with its keys. */
const byBlind = new WeakMap<Blind, Map<SearchParameter, ParameterTerms>>();

/** The term maker of a parameter, made once per parameter and tenant. */
export function parameterTerms(context: IndexContext, parameter: SearchParameter): ParameterTerms {
  let terms = byBlind.get(context.blind);
  if (!terms) {
    terms = new Map();
    byBlind.set(context.blind, terms);
  }
  let found = terms.get(parameter);
  if (!found) {
    found = new ParameterTerms(parameter, context);
    terms.set(parameter, found);
  }
  return found;
}
