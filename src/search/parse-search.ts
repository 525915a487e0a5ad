import { type Fault, invalid } from '../core/fault.js';
import { standardRegistry } from '../fhir/registry.js';
import { isResourceType, RESOURCE_TYPES } from '../fhir/resource-types.js';
import { ControlReader, type Controls, isControl } from './control.js';
import { parseFilter, type SearchRegistry, UnknownParameter } from './parse.js';
import { MAX_PARAMETERS, type SearchRequest } from './request.js';
import { combineCodedQuantity } from './rewrite.js';
import { requireValues } from './syntax.js';
import { allOf, type Node } from './tree.js';

/** A search request, understood. */
export interface ParsedSearch {
  /** Types searched, ascending by name. */
  readonly types: readonly string[];
  /** What each type's resources must satisfy. */
  readonly trees: ReadonlyMap<string, Node>;
  readonly controls: Controls;
  /** The parameters that count, as written, for the self link and the page links. */
  readonly used: readonly (readonly [string, string])[];
  /** How many parameters select resources. */
  readonly filters: number;
  readonly warnings: readonly Fault[];
}

/** Parameters of the exchange, not of the search; the shell that reads the request heeds them. */
const OF_THE_EXCHANGE: ReadonlySet<string> = new Set(['_format', '_pretty', '_cursor']);

/** A surrogate by itself: it cannot be written into a link. */
const HALF_A_CHARACTER = /\p{Surrogate}/u;

/** @throws Fault `invalid`, naming the parameter and the remedy; for an unknown parameter only when strict. */
export function parseSearch(
  request: SearchRequest,
  registry: SearchRegistry = standardRegistry,
): ParsedSearch {
  if (request.params.length > MAX_PARAMETERS)
    throw invalid(
      `More than ${MAX_PARAMETERS} parameters.`,
      request.params[MAX_PARAMETERS]![0].slice(0, 64),
      'Split the search into several, or give several values with commas.',
    );
  const types = typesOf(request);
  const controls = new ControlReader(types, registry);
  const filters: [string, string][] = [];
  const used: [string, string][] = [];
  const warnings: Fault[] = [];
  for (const [name, value] of request.params) {
    if (OF_THE_EXCHANGE.has(name)) continue;
    if (HALF_A_CHARACTER.test(name) || HALF_A_CHARACTER.test(value))
      throw invalid('A parameter is no Unicode text.', undefined, 'Encode it as UTF-8.');
    if (name === '_type' && request.type === undefined) {
      used.push([name, value]);
      continue;
    }
    try {
      if (isControl(name)) used.push(controls.take(name, value));
      // An empty value selects nothing and excludes nothing (R4 search, 3.1.1.4: such parameters are ignored).
      else if (value !== '') {
        parseFilter(types[0]!, name, value, registry);
        for (const type of types.slice(1)) parseFilter(type, name, value, registry);
        filters.push([name, value]);
        used.push([name, value]);
      }
    } catch (error) {
      if (request.strict || !(error instanceof UnknownParameter)) throw error;
      warnings.push(error);
    }
  }
  const compartment: Node[] = request.compartment
    ? [{ kind: 'compartment', patient: request.compartment.id }]
    : [];
  const trees = new Map(
    types.map((type) => {
      const nodes = filters.map(([name, value]) => parseFilter(type, name, value, registry));
      return [type, combineCodedQuantity(allOf([...compartment, ...nodes]))];
    }),
  );
  return {
    types,
    trees,
    controls: controls.finish(),
    used,
    filters: filters.length + compartment.length,
    warnings,
  };
}

function typesOf(request: SearchRequest): string[] {
  if (request.type !== undefined) {
    if (!isResourceType(request.type))
      throw invalid('No FHIR R4 resource type.', undefined, 'Search for a type such as Patient.');
    return [request.type];
  }
  const named = request.params
    .filter(([name]) => name === '_type')
    .flatMap(([, value]) => requireValues(value.split(','), '_type'));
  const types = [...new Set(named)].sort();
  const bad = types.find((t) => !isResourceType(t));
  if (bad !== undefined)
    throw invalid(
      `"${String(bad).slice(0, 64)}" is no FHIR R4 resource type.`,
      '_type',
      'Name types such as Patient,Observation.',
    );
  return types.length > 0 ? types : [...RESOURCE_TYPES];
}
