import { isResourceType } from './resource-types.js';
import { readTable } from './tables.js';

/**
 * The search parameters of R4, as data. `src/fhir/tables/search-parameters.json` is generated from the
 * official definitions by `src/fhir/generate-tables.mjs`; those of our own types (`own-search-parameters.json`), whose
 * URLs are written out, are all that is listed by hand.
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
  /**
   * A parameter that looks at exactly what several others look at together (Observation.combo-code: code and
   * component-code): their codes. It has no index rows of its own either.
   */
  readonly unionOf?: readonly string[];
}

/** A line of `search-parameters.json`. */
type Line = [
  code: string,
  base: string,
  type: SearchParameterType,
  urlEnd: string,
  expression: string,
  targets: string[],
  components: [code: string, expression: string][] | 0,
  aliasOf?: string | 0,
  unionOf?: string[] | 0,
];

const URL_BASE = 'http://hl7.org/fhir/SearchParameter/';

/** Resources that are no DomainResource: they have no `text`, so `_text` is not theirs. */
const PLAIN_RESOURCES = new Set(['Binary', 'Bundle', 'Parameters']);

/** Parameters whose matching needs more than the elements of one row; search handles them by their code. */
const CONTROL: readonly Line[] = [
  ['_list', 'Resource', 'special', 'Resource-list', '', [], 0],
  ['_has', 'Resource', 'special', 'Resource-has', '', [], 0],
  ['_type', 'Resource', 'special', 'Resource-type', '', [], 0],
];

let lines: Map<string, Line[]> | undefined;
const byType = new Map<string, Map<string, SearchParameter>>();

function linesOf(base: string): readonly Line[] {
  if (!lines) {
    lines = new Map();
    const own = readTable<Line[]>('own-search-parameters.json');
    for (const line of [...readTable<Line[]>('search-parameters.json'), ...own, ...CONTROL]) {
      const list = lines.get(line[1]);
      if (list) list.push(line);
      else lines.set(line[1], [line]);
    }
  }
  return lines.get(base) ?? [];
}

function parameterOf(line: Line, type: string): SearchParameter {
  const [code, , kind, urlEnd, expression, targets, components, aliasOf, unionOf] = line;
  return Object.freeze({
    url: urlEnd.startsWith('https:') ? urlEnd : URL_BASE + urlEnd,
    code,
    base: type,
    type: code === '_text' || code === '_content' ? 'special' : kind,
    expression,
    targets,
    ...(components ? { components: components.map(([c, e]) => ({ code: c, expression: e })) } : {}),
    ...(aliasOf ? { aliasOf } : {}),
    ...(unionOf ? { unionOf } : {}),
  });
}

function parametersByCode(type: string): Map<string, SearchParameter> {
  let found = byType.get(type);
  if (!found) {
    found = new Map();
    if (isResourceType(type)) {
      const bases = PLAIN_RESOURCES.has(type) ? ['Resource'] : ['Resource', 'DomainResource'];
      for (const base of [...bases, type]) {
        for (const line of linesOf(base)) found.set(line[0], parameterOf(line, type));
      }
    }
    byType.set(type, found);
  }
  return found;
}

const NOT_OF_A_ROW = new Set(['_list', '_has', '_type', '_query', '_filter']);
const listed = new Map<string, readonly SearchParameter[]>();

/**
 * The parameters that can be answered from a resource of `type` itself, with those every resource has (`_id`,
 * `_lastUpdated`, `_tag`, …). `base` of each is `type`. Empty for a name that is no resource type.
 */
export function searchParametersOf(type: string): readonly SearchParameter[] {
  let list = listed.get(type);
  if (!list) {
    list = Object.freeze([...parametersByCode(type).values()].filter((p) => !NOT_OF_A_ROW.has(p.code)));
    listed.set(type, list);
  }
  return list;
}

/** One parameter by its code, also `_list`, `_has`, `_type`, `_query` and `_filter` (type `special` or `token`). */
export function findSearchParameter(type: string, code: string): SearchParameter | undefined {
  return parametersByCode(type).get(code);
}

/** The search parameters one tenant knows: R4's, and those of its own active SearchParameter resources. */
export interface ParameterRegistry {
  /** As `searchParametersOf`. */
  parametersOf(type: string): readonly SearchParameter[];
  /** As `findSearchParameter`. */
  find(type: string, code: string): SearchParameter | undefined;
}

/** R4's parameters alone. */
export const standardRegistry: ParameterRegistry = {
  parametersOf: searchParametersOf,
  find: findSearchParameter,
};

/** R4's parameters and `custom` ones (of `customParameters`); a custom code never replaces one of R4's. */
export function extendedRegistry(custom: readonly SearchParameter[]): ParameterRegistry {
  if (custom.length === 0) return standardRegistry;
  const own = new Map<string, Map<string, SearchParameter>>();
  for (const parameter of custom) {
    if (findSearchParameter(parameter.base, parameter.code)) continue;
    const codes = own.get(parameter.base) ?? new Map<string, SearchParameter>();
    codes.set(parameter.code, parameter);
    own.set(parameter.base, codes);
  }
  const lists = new Map<string, readonly SearchParameter[]>();
  return {
    parametersOf(type) {
      let list = lists.get(type);
      if (!list) {
        list = Object.freeze([...searchParametersOf(type), ...(own.get(type)?.values() ?? [])]);
        lists.set(type, list);
      }
      return list;
    },
    find: (type, code) => findSearchParameter(type, code) ?? own.get(type)?.get(code),
  };
}
