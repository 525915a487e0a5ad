import { invalid } from '../core/fault.js';
import { digitsOf } from '../core/json.js';
import { isObject } from '../tasks/bundle-entry.js';
import type { FhirRequest } from './exchange.js';
import type { Pair } from './negotiate.js';

/** Values that one parameter of an operation may repeat, and parameters altogether. */
const MAX_PARAMETERS = 1_000;

/**
 * The simple parameters of an operation (R4 operations.html#request): of the address, and of the Parameters in the
 * body of a POST. Anything that is no primitive is left to the operation.
 */
export async function operationParams(request: FhirRequest): Promise<Pair[]> {
  if (request.method !== 'POST') return [...request.params];
  return [...request.params, ...primitivesOf(await parametersBody(request))];
}

/** The `parameter` list of the Parameters in the body; empty without one. @throws Fault `invalid` */
export async function parametersBody(request: FhirRequest): Promise<readonly Record<string, unknown>[]> {
  const { json } = await request.body(['json']);
  if (!isObject(json) || json.resourceType !== 'Parameters') {
    throw invalid(
      'The body of an operation is a Parameters resource.',
      'resourceType',
      'Send {"resourceType":"Parameters","parameter":[…]}.',
    );
  }
  const list = json.parameter ?? [];
  if (!Array.isArray(list) || list.length > MAX_PARAMETERS) {
    throw invalid(`parameter is not a list of at most ${MAX_PARAMETERS}.`, 'Parameters.parameter');
  }
  list.forEach((item, i) => {
    if (!isObject(item) || typeof item.name !== 'string')
      throw invalid('The parameter has no name.', `Parameters.parameter[${i}]`);
  });
  return list as Record<string, unknown>[];
}

function primitivesOf(list: readonly Record<string, unknown>[]): Pair[] {
  const pairs: Pair[] = [];
  for (const item of list) {
    const key = Object.keys(item).find((name) => name.startsWith('value'));
    const value = key === undefined ? undefined : item[key];
    const text = typeof value === 'string' || typeof value === 'boolean' ? String(value) : digitsOf(value);
    if (text !== undefined) pairs.push([item.name as string, text]);
  }
  return pairs;
}
