import { Fault, invalid } from '../core/fault.js';
import type { Resource } from '../core/resource.js';
import { isKindOf } from './elements.js';
import { compileExpression } from './paths.js';
import { findSearchParameter, type SearchParameter, type SearchParameterType } from './registry.js';
import { isResourceType, RESOURCE_TYPES } from './resource-types.js';

/** R4 search.html, "search types and the data types they search": a parameter of another type would find nothing. */
const DATA_TYPES: Partial<Record<SearchParameterType, readonly string[]>> = {
  string: ['string', 'markdown', 'code', 'id', 'HumanName', 'Address', 'uri', 'url', 'canonical'],
  token: [
    'code',
    'Coding',
    'CodeableConcept',
    'Identifier',
    'ContactPoint',
    'boolean',
    'string',
    'id',
    'uri',
    'integer',
    'positiveInt',
    'unsignedInt',
  ],
  reference: ['Reference', 'canonical', 'uri', 'url'],
  date: ['date', 'dateTime', 'instant', 'Period', 'Timing'],
  number: ['decimal', 'integer', 'positiveInt', 'unsignedInt', 'Range'],
  quantity: ['Quantity', 'Range', 'Money', 'SampledData'],
  uri: ['uri', 'url', 'canonical', 'oid', 'uuid'],
};

/** Where only the data says the type: contained resources, extensions. */
const UNTYPED = new Set(['Resource', 'Extension']);

/** A code can be written into a URL as it is, and holds no modifier, chain or prefix signs. */
const CODE = /^[A-Za-z_][A-Za-z0-9_-]{0,63}$/;

/** Codes that mean something to every search. */
const RESERVED = /^_/;

/**
 * The parameters a SearchParameter resource defines, one per base, ready for `extendedRegistry`; its expression is
 * compiled, so that what cannot be indexed is refused when it is written.
 * @throws Fault `invalid` naming the element, `unsupported` for composite and special ones, `conflict` where R4 has
 * the code already.
 */
export function customParameters(definition: Resource): SearchParameter[] {
  const { url, code, type, expression } = definition as Record<string, unknown>;
  if (typeof url !== 'string') throw at('url', 'It needs a canonical URL.');
  if (typeof code !== 'string' || !CODE.test(code) || RESERVED.test(code)) {
    throw at('code', 'Use letters, digits and -, beginning with a letter.');
  }
  if (typeof expression !== 'string' || expression.trim() === '')
    throw at('expression', 'It needs an expression.');
  const accepted = DATA_TYPES[type as SearchParameterType];
  if (!accepted) {
    throw new Fault('unsupported', 'Only simple search parameters can be added here.', {
      at: 'SearchParameter.type',
      remedy: `Use one of ${Object.keys(DATA_TYPES).join(', ')}.`,
    });
  }
  return basesOf(definition).map((base) => {
    if (findSearchParameter(base, code)) {
      throw new Fault('conflict', `R4 has a search parameter of this code for ${base} already.`, {
        at: 'SearchParameter.code',
        remedy: 'Choose another code.',
      });
    }
    const { types } = compileExpression(expression, base);
    if (![...types].some((t) => UNTYPED.has(t) || accepted.some((a) => isKindOf(t, a)))) {
      throw at('expression', `For ${base} it gives no value that a ${String(type)} parameter could search.`);
    }
    const targets = (Array.isArray(definition.target) ? definition.target : []).filter(isResourceType);
    return Object.freeze({ url, code, base, type: type as SearchParameterType, expression, targets });
  });
}

function basesOf(definition: Resource): readonly string[] {
  const bases: unknown[] = Array.isArray(definition.base) ? definition.base : [];
  if (bases.includes('Resource') || bases.includes('DomainResource')) return RESOURCE_TYPES;
  if (bases.length === 0 || !bases.every(isResourceType))
    throw at('base', 'Name the resource types it is for.');
  return [...new Set(bases)];
}

function at(element: string, remedy: string): Fault {
  return invalid(`SearchParameter.${element} cannot be used.`, `SearchParameter.${element}`, remedy);
}
