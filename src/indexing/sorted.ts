import type { Resource } from '../core/resource.js';
import { findSearchParameter } from '../fhir/registry.js';
import type { IndexContext } from './parameter-type.js';
import { type ParameterTerms, parameterTerms } from './terms.js';
import { eachToken, type Token } from './token.js';
import { valuesOf } from './values.js';

/**
 * Terms whose rows stand in clinical order (`idx_sorted`), so that "the latest of these" needs no sort:
 *
 * | term | answers |
 * |---|---|
 * | `sortedTypeTerm` | the latest of a type |
 * | `sortedCodeTerm` | the latest with this code |
 * | `sortedCategoryTerm` | the latest in this category |
 * | `sortedPatientCodeTerm` | a patient's latest with this code |
 *
 * Only resources with a clinical time have such rows; a search that must also list undated ones asks elsewhere.
 */
export function sortedTypeTerm(context: IndexContext, type: string): bigint {
  return maker(context, type, '_id')!.fixed('sorted');
}

/** @throws RangeError where the type has no `primaryCodeParameter`. */
export function sortedCodeTerm(context: IndexContext, type: string, system: string, code: string): bigint {
  return makerOfCode(context, type).two('sorted', system, code);
}

/** @throws RangeError where the type has no parameter `category`. */
export function sortedCategoryTerm(
  context: IndexContext,
  type: string,
  system: string,
  code: string,
): bigint {
  const terms = maker(context, type, 'category');
  if (!terms) throw new RangeError(`${type} has no category`);
  return terms.two('sorted', system, code);
}

/** @throws RangeError where the type has no `primaryCodeParameter`. */
export function sortedPatientCodeTerm(
  context: IndexContext,
  type: string,
  patientId: string,
  system: string,
  code: string,
): bigint {
  return makerOfCode(context, type).fresh('sorted', patientId, system, code);
}

function maker(context: IndexContext, type: string, code: string): ParameterTerms | undefined {
  const parameter = findSearchParameter(type, code);
  return parameter && parameterTerms(context, parameter);
}

function makerOfCode(context: IndexContext, type: string): ParameterTerms {
  const code = primaryCodeParameter(type);
  if (code === undefined) throw new RangeError(`${type} has no code`);
  return maker(context, type, code)!;
}

/** The parameter that says what a resource of the type is, where it is not `code`. */
const PRIMARY_CODE: Record<string, string> = {
  Encounter: 'type',
  DocumentReference: 'type',
  Immunization: 'vaccine-code',
};

/** The code of the parameter `sortedCodeTerm` is about; undefined where the type has none. */
export function primaryCodeParameter(type: string): string | undefined {
  const code = PRIMARY_CODE[type] ?? 'code';
  return findSearchParameter(type, code)?.type === 'token' ? code : undefined;
}

/** All sorted terms of a resource that has a clinical time. */
export function sortedTerms(
  resource: Resource,
  patient: string | undefined,
  context: IndexContext,
): bigint[] {
  const type = resource.resourceType;
  const terms = [sortedTypeTerm(context, type)];
  for (const { system, code } of tokens(resource, primaryCodeParameter(type))) {
    terms.push(sortedCodeTerm(context, type, system!, code!));
    if (patient !== undefined) terms.push(sortedPatientCodeTerm(context, type, patient, system!, code!));
  }
  for (const { system, code } of tokens(resource, 'category')) {
    terms.push(sortedCategoryTerm(context, type, system!, code!));
  }
  return terms;
}

function tokens(resource: Resource, parameterCode: string | undefined): Token[] {
  const parameter =
    parameterCode === undefined ? undefined : findSearchParameter(resource.resourceType, parameterCode);
  if (parameter?.type !== 'token') return [];
  const found: Token[] = [];
  for (const value of valuesOf(parameter, resource)) {
    eachToken(parameter, value, (token) => {
      const again = found.some((t) => t.system === token.system && t.code === token.code);
      if (token.system !== undefined && token.code !== undefined && !again) found.push(token);
    });
  }
  return found;
}
