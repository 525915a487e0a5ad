import { CLINICAL_TIME_RULES } from '../fhir/clinical-time-rules.js';
import { typeDefinition } from '../fhir/elements.js';
import { findSearchParameter, type SearchParameter } from '../fhir/registry.js';
import {
  convertedUnitTerms,
  primaryCodeParameter,
  rowParameter,
  sortedCategoryTerm,
  sortedCodeTerm,
  sortedPatientCodeTerm,
  sortedTypeTerm,
  term,
} from '../indexing/index.js';
import type { IndexContext, ParameterQuery } from '../indexing/parameter-type.js';
import { splitUnescaped, unescapeText } from './syntax.js';
import type { Node } from './tree.js';

/** Which index rows and terms hold what a search needs, beyond what a clause says itself. */

/** The `param` of a date or reference parameter's rows; an alias has those of the parameter it narrows. */
export function parameterHash(parameter: SearchParameter, context: IndexContext): bigint {
  return term(context, 'parameter', rowParameter(parameter).rows);
}

/**
 * The rows by which results are sorted by a number or quantity, in the canonical unit of each kind: those of values that
 * were `converted`, and of values as written (`term`) in whatever unit is not among `units`, which are converted ones.
 */
export function quantityOrder(
  parameter: SearchParameter,
  context: IndexContext,
): { term: bigint; converted: bigint; units: readonly bigint[] } {
  return {
    term: term(context, 'quantity', parameter),
    converted: term(context, 'canonicalQuantity', parameter),
    units: convertedUnitTerms(context),
  };
}

/**
 * The parameter whose values the clinical time of a type is taken from first, where there is one: results sorted by it
 * can be read from the indexes in clinical order.
 */
export function clinicalDateParameter(type: string): string | undefined {
  if (!dateParameters.has(type)) dateParameters.set(type, findDateParameter(type));
  return dateParameters.get(type);
}

const dateParameters = new Map<string, string | undefined>();
/** How the date parameter of a type is called where it has one of its own. */
const DATE_CODES = [
  'date',
  'period',
  'onset-date',
  'authoredon',
  'effective',
  'whenhandedover',
  'start-date',
  'occurrence',
  'created',
  'recorded',
];

function findDateParameter(type: string): string | undefined {
  const first = CLINICAL_TIME_RULES.find((rule) => rule.type === type)?.elements[0]?.replace('[x]', '');
  if (first === undefined) return undefined;
  return DATE_CODES.find((code) => {
    const parameter = findSearchParameter(type, code);
    return parameter?.type === 'date' && elementOf(parameter.expression, type) === first;
  });
}

/** The one element an expression reads: `(Condition.onset as dateTime) | (Condition.onset as Period)` → `onset`. */
function elementOf(expression: string, type: string): string | undefined {
  const elements = new Set(
    expression.split('|').map((branch) =>
      branch
        .trim()
        .replace(/^\((.*)\)$/, '$1')
        .replace(/ as \w+$/, '')
        .replace(`${type}.`, ''),
    ),
  );
  return elements.size === 1 ? [...elements][0] : undefined;
}

/** A term with rows in clinical order that every match has: patient and code, code, category, or the bare type. */
export function sortedTermOf(
  type: string,
  nodes: readonly Node[],
  patient: string | undefined,
  context: IndexContext,
): { kind: 'patient-code' | 'code' | 'category' | 'type'; term: bigint } {
  const primary = primaryCodeParameter(type);
  const code = codingNamed(nodes, primary);
  if (code && patient !== undefined)
    return { kind: 'patient-code', term: sortedPatientCodeTerm(context, type, patient, ...code) };
  if (code) return { kind: 'code', term: sortedCodeTerm(context, type, ...code) };
  const category = codingNamed(nodes, 'category');
  if (category && findSearchParameter(type, 'category')?.type === 'token')
    return { kind: 'category', term: sortedCategoryTerm(context, type, ...category) };
  return { kind: 'type', term: sortedTypeTerm(context, type) };
}

function codingNamed(
  nodes: readonly Node[],
  code: string | undefined,
): [system: string, code: string] | undefined {
  for (const node of nodes) {
    const query =
      node.kind === 'parameter' ? node.query : node.kind === 'coded-quantity' ? node.code : undefined;
    const coding = query?.parameter.code === code ? oneCoding(query) : undefined;
    if (coding) return coding;
  }
  return undefined;
}

/** System and code of a token query for a single coding. */
export function oneCoding(query: ParameterQuery | undefined): [system: string, code: string] | undefined {
  if (query?.parameter.type !== 'token' || query.modifier !== undefined || query.values.length !== 1)
    return undefined;
  const [system, code, more] = splitUnescaped(query.values[0]!.text, '|').map(unescapeText);
  return system && code && more === undefined ? [system, code] : undefined;
}

const single = new Map<SearchParameter, boolean>();

/** Whether a resource has at most one value of the parameter: no element on its paths repeats. */
export function hasOneValue(parameter: SearchParameter): boolean {
  let one = single.get(parameter);
  if (one === undefined) {
    const element = elementOf(parameter.expression, parameter.base);
    one = element !== undefined && repeatsNowhere(parameter.base, element.split('.'));
    single.set(parameter, one);
  }
  return one;
}

function repeatsNowhere(type: string, path: readonly string[]): boolean {
  let at = type;
  for (const name of path) {
    const element = typeDefinition(at)?.byName.get(name);
    if (element?.max !== 1) return false;
    at = element.types[0]?.code ?? '';
  }
  return true;
}
