import type { Resource } from '../../core/resource.js';
import { requiredCodes } from '../required-codes.js';
import type { ValueSetMembership } from './slices.js';

interface Include {
  system?: string;
  concept?: { code?: string }[];
  filter?: unknown[];
  valueSet?: string[];
}

/** By system; undefined for a system all or part of whose codes cannot be listed here. */
type Codes = Map<string, Set<string> | undefined>;

const R4 = 'http://hl7.org/fhir/ValueSet/';
const MAX_NESTING = 8;

/**
 * Membership by the ValueSet and CodeSystem resources at hand (those of a package) and the sets R4 binds as required.
 * Sets made by a filter or of a system that is not here cannot be decided.
 */
export function membershipOf(resources: readonly Resource[]): ValueSetMembership {
  const sets = new Map<string, Resource>();
  const systems = new Map<string, Resource>();
  for (const r of resources) {
    if (r.resourceType === 'ValueSet' && typeof r.url === 'string') sets.set(r.url, r);
    if (r.resourceType === 'CodeSystem' && typeof r.url === 'string') systems.set(r.url, r);
  }
  const known = new Map<string, Codes | undefined>();

  function codesOf(url: string, depth: number): Codes | undefined {
    const bare = url.split('|')[0]!;
    if (known.has(bare)) return known.get(bare);
    if (depth > MAX_NESTING) return undefined;
    const set = sets.get(bare);
    const codes = set ? composed(set, depth) : r4Codes(bare);
    known.set(bare, codes);
    return codes;
  }

  function composed(set: Resource, depth: number): Codes | undefined {
    const compose = set.compose as { include?: Include[]; exclude?: Include[] } | undefined;
    if (!compose?.include || (compose.exclude ?? []).length > 0) return undefined;
    const codes: Codes = new Map();
    for (const include of compose.include) {
      for (const url of include.valueSet ?? []) {
        const nested = codesOf(url, depth + 1);
        if (!nested) return undefined;
        for (const [system, inside] of nested) add(codes, system, inside);
      }
      if (include.system === undefined) continue;
      if (include.concept) add(codes, include.system, new Set(include.concept.map((c) => String(c.code))));
      else add(codes, include.system, include.filter ? undefined : allCodes(systems.get(include.system)));
    }
    return codes;
  }

  return (valueSet, value) => {
    const codes = codesOf(valueSet, 0);
    if (!codes) return undefined;
    let undecided = false;
    const member = (system: unknown, code: unknown): boolean => {
      for (const [s, listed] of codes) {
        if (system !== undefined && system !== s) continue;
        if (listed === undefined) undecided = true;
        else if (listed.has(code as string)) return true;
      }
      return false;
    };
    const v = value as {
      coding?: { system?: unknown; code?: unknown }[];
      system?: unknown;
      code?: unknown;
    } | null;
    const found =
      typeof value === 'string'
        ? member(undefined, value)
        : Array.isArray(v?.coding)
          ? v.coding.some((c) => member(c?.system, c?.code))
          : v?.code !== undefined
            ? member(v.system, v.code)
            : // Text alone, or an extension: no code to be wrong.
              isEmptyPrimitive(value);
    return found || !undecided ? found : undefined;
  };
}

function isEmptyPrimitive(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'extension' in value;
}

function add(codes: Codes, system: string, more: Set<string> | undefined): void {
  const before = codes.get(system);
  if (more === undefined || (codes.has(system) && before === undefined)) codes.set(system, undefined);
  else codes.set(system, new Set([...(before ?? []), ...more]));
}

function r4Codes(url: string): Codes | undefined {
  const found = requiredCodes(url.startsWith(R4) ? url.slice(R4.length) : url);
  return found && new Map([...found].map(([system, codes]) => [system, codes && new Set(codes)]));
}

interface Concept {
  code?: string;
  concept?: Concept[];
}

function allCodes(system: Resource | undefined): Set<string> | undefined {
  if (system?.content !== 'complete' || !Array.isArray(system.concept)) return undefined;
  const codes = new Set<string>();
  const walk = (list: readonly Concept[]) => {
    for (const c of list) {
      if (c.code !== undefined) codes.add(c.code);
      if (c.concept) walk(c.concept);
    }
  };
  walk(system.concept as Concept[]);
  return codes;
}
