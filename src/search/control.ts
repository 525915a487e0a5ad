import { Fault, invalid } from '../core/fault.js';
import { type SearchParameter, standardRegistry } from '../fhir/registry.js';
import { isResourceType } from '../fhir/resource-types.js';
import { type SearchRegistry, UnknownParameter } from './parse.js';
import { DEFAULT_COUNT, MAX_COUNT, MAX_SORT_KEYS } from './request.js';
import { requireValues } from './syntax.js';

/** Parameters that say how to answer and not what to find. */

export type Summary = 'true' | 'text' | 'data' | 'count' | 'false';
export type Total = 'none' | 'estimate' | 'accurate';

export interface SortKey {
  /** Search parameter code, `_id` or `_lastUpdated`. */
  readonly code: string;
  readonly descending: boolean;
}

export interface IncludeRule {
  /** `*` stands for every reference parameter. */
  readonly source: string;
  readonly parameter: SearchParameter | '*';
  readonly target: string | undefined;
  readonly iterate: boolean;
  readonly reverse: boolean;
}

export interface Controls {
  readonly count: number;
  readonly sort: readonly SortKey[];
  readonly summary: Summary;
  readonly elements: readonly string[];
  /** Undefined where nothing was asked: then a total is given where it costs nothing. */
  readonly total: Total | undefined;
  readonly includes: readonly IncludeRule[];
}

const CONTROL_NAMES: ReadonlySet<string> = new Set([
  '_count',
  '_sort',
  '_summary',
  '_elements',
  '_total',
  '_include',
  '_revinclude',
  '_contained',
  '_containedType',
]);

/** Types of parameters whose values have no order, and why. */
const UNSORTABLE: Readonly<Record<string, string>> = {
  composite: 'it is a composite of several values, none of which comes first',
  special: 'it is a condition such as a distance from a point, and has no values',
};
const SORT_BY_ONE =
  'Sort by a date, number, quantity, string, token, reference or uri; several keys with commas.';

export function isControl(name: string): boolean {
  const colon = name.indexOf(':');
  return CONTROL_NAMES.has(colon < 0 ? name : name.slice(0, colon));
}

/** Collects controls one at a time; the last of a single-valued one wins. */
export class ControlReader {
  #count = DEFAULT_COUNT;
  #sort: SortKey[] = [];
  #summary: Summary = 'false';
  #elements: string[] = [];
  #total: Total | undefined;
  #includes: IncludeRule[] = [];

  constructor(
    private readonly types: readonly string[],
    private readonly registry: SearchRegistry = standardRegistry,
  ) {}

  /**
   * Takes one parameter and returns it as it counts, for the self link.
   * @throws UnknownParameter or Fault `invalid`.
   */
  take(name: string, value: string): [string, string] {
    const [base, modifier] = name.split(':', 2) as [string, string | undefined];
    switch (base) {
      case '_count':
        this.#count = countOf(value);
        return [name, String(this.#count)];
      case '_sort':
        this.#takeSort(value);
        return [name, value];
      case '_summary':
        this.#summary = oneOf(name, value, ['true', 'text', 'data', 'count', 'false']);
        return [name, value];
      case '_total':
        this.#total = oneOf<Total>(name, value, ['none', 'estimate', 'accurate']);
        return [name, value];
      case '_elements':
        this.#elements.push(...elementsOf(value));
        return [name, value];
      case '_include':
      case '_revinclude':
        this.#includes.push(includeRule(base, modifier, value, this.registry));
        return [name, value];
      default:
        if (base === '_contained' && value === 'false') return [name, value];
        throw new Fault('unsupported', 'Contained resources are not searched.', {
          at: name,
          remedy: 'Leave the parameter out, or use _contained=false.',
        });
    }
  }

  finish(): Controls {
    return {
      count: this.#count,
      sort: this.#sort,
      summary: this.#summary,
      elements: this.#elements,
      total: this.#total,
      includes: this.#includes,
    };
  }

  #takeSort(value: string): void {
    for (const part of requireValues(value.split(','), '_sort')) {
      const descending = part.startsWith('-');
      const code = descending ? part.slice(1) : part;
      const known = code === '_id' || code === '_lastUpdated';
      for (const type of this.types) {
        const parameter = known ? undefined : this.registry.find(type, code);
        if (!known && !parameter) throw new UnknownParameter(type, code, this.registry);
        const reason = parameter && UNSORTABLE[parameter.type];
        if (reason) throw invalid(`Results cannot be sorted by ${code}: ${reason}.`, '_sort', SORT_BY_ONE);
      }
      this.#sort.push({ code, descending });
    }
    if (this.#sort.length > MAX_SORT_KEYS)
      throw invalid(`More than ${MAX_SORT_KEYS} sort keys.`, '_sort', 'Name fewer.');
  }
}

/** A count above the maximum is cut to it, as R4 allows; the self link says so. */
function countOf(value: string): number {
  if (!/^\d{1,9}$/.test(value))
    throw invalid('The page size is not a whole number.', '_count', `Give 0 to ${MAX_COUNT}.`);
  return Math.min(Number(value), MAX_COUNT);
}

function oneOf<T extends string>(name: string, value: string, allowed: readonly T[]): T {
  const found = allowed.find((a) => a === value);
  if (!found) throw invalid(`Not a value of ${name}.`, name, `Use one of ${allowed.join(', ')}.`);
  return found;
}

function elementsOf(value: string): string[] {
  const names = requireValues(
    value.split(',').map((n) => n.trim()),
    '_elements',
  );
  const bad = names.find((n) => !/^[A-Za-z][A-Za-z0-9.]{0,127}$/.test(n));
  if (bad !== undefined)
    throw invalid('Not the name of an element.', '_elements', 'Give names such as status,code,subject.');
  return names;
}

function includeRule(
  name: string,
  modifier: string | undefined,
  value: string,
  registry: SearchRegistry,
): IncludeRule {
  if (modifier !== undefined && modifier !== 'iterate' && modifier !== 'recurse')
    throw invalid('Only :iterate applies to includes.', name, 'Leave the modifier out.');
  const [source, code, target] = value.split(':');
  const iterate = modifier !== undefined;
  const reverse = name === '_revinclude';
  if (value === '*') return { source: '*', parameter: '*', target: undefined, iterate, reverse };
  if (!source || !isResourceType(source) || !code)
    throw invalid(
      'An include names a resource type and a reference parameter.',
      name,
      'Write it as Observation:subject or Observation:subject:Patient.',
    );
  if (target !== undefined && !isResourceType(target))
    throw invalid('The target of an include is no resource type.', name, 'Name a type such as Patient.');
  if (code === '*') return { source, parameter: '*', target, iterate, reverse };
  const parameter = registry.find(source, code);
  if (!parameter) throw new UnknownParameter(source, code, registry);
  if (parameter.type !== 'reference')
    throw invalid(`${source}.${code} is no reference.`, name, 'Include along a reference parameter.');
  return { source, parameter, target, iterate, reverse };
}
