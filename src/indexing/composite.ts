import { compileExpression, type PathFunction } from '../fhir/paths.js';
import { findSearchParameter, type SearchParameter } from '../fhir/registry.js';
import { allOf, anyOf } from './clauses.js';
import type {
  CompiledParameter,
  IndexContext,
  ParameterQuery,
  ParameterType,
  SearchValue,
} from './parameter-type.js';
import { addQuantityRows, measuredOf, quantityClause } from './quantity.js';
import { badValue, unsupportedModifier } from './refusal.js';
import { parameterTerms, term } from './terms.js';
import { eachToken } from './token.js';
import { pathOf, splitEscaped } from './values.js';

/** A component: its own parameter, and how its values are reached from an element of the composite's expression. */
interface Component {
  readonly parameter: SearchParameter;
  readonly path: PathFunction;
}

const ORDERED = new Set(['date', 'number', 'quantity']);
const PREFIXES = ['eq', 'ne', 'gt', 'lt', 'ge', 'le', 'sa', 'eb', 'ap'] as const;

const known = new Map<SearchParameter, readonly Component[]>();

/** The components of a composite; their expressions start from each type its own expression gives. */
export function componentsOf(parameter: SearchParameter): readonly Component[] {
  let found = known.get(parameter);
  if (!found) {
    const types = [...pathOf(parameter).types];
    found = (parameter.components ?? []).map((c) => {
      const own = findSearchParameter(parameter.base, c.code);
      if (!own)
        throw new Error(`${parameter.base}.${parameter.code}: component ${c.code} is no parameter of it`);
      return { parameter: own, path: compileExpression(c.expression, types[0] ?? parameter.base) };
    });
    known.set(parameter, found);
  }
  return found;
}

/** Composites of a code and a quantity have index rows of their own; the others are rechecked. */
export function isCodeQuantity(parameter: SearchParameter): boolean {
  const [a, b, more] = componentsOf(parameter);
  return a?.parameter.type === 'token' && b?.parameter.type === 'quantity' && more === undefined;
}

/** Several conditions on one and the same element, joined by `$`. R4 search.html#composite. */
export function compositeParameter(typeOf: (parameter: SearchParameter) => ParameterType): ParameterType {
  return {
    extract(parameter, values, resource, to, context) {
      if (!isCodeQuantity(parameter)) return;
      const [code, quantity] = componentsOf(parameter) as [Component, Component];
      const terms = parameterTerms(context, parameter);
      for (const value of values) {
        const measured = quantity.path.from(value, resource).map(measuredOf);
        if (measured.length === 0) continue;
        for (const coded of code.path.from(value, resource)) {
          eachToken(code.parameter, coded, ({ system, code: c }) => {
            if (system === undefined || c === undefined) return;
            for (const m of measured) {
              if (!m) continue;
              addQuantityRows(
                m,
                terms.two('codeQuantity', system, c),
                () => terms.two('codeCanonicalQuantity', system, c),
                to,
                context,
              );
            }
          });
        }
      }
    },

    compile(query, context) {
      if (query.modifier !== undefined)
        throw unsupportedModifier(query, 'Composites have no modifiers but :missing.');
      return anyOf(query.values.map((v) => compileOne(query, v, context, typeOf)));
    },

    matches(query, values, resource, context) {
      const components = componentsOf(query.parameter);
      return query.values.some((v) => {
        const parts = partsOf(query, v, components);
        return values.some((element) =>
          components.every(({ parameter, path }, i) =>
            typeOf(parameter).matches(
              { parameter, modifier: undefined, values: [parts[i]!] },
              path.from(element, resource),
              resource,
              context,
            ),
          ),
        );
      });
    },
  };
}

export function partsOf(
  query: ParameterQuery,
  value: SearchValue,
  components: readonly Component[],
): SearchValue[] {
  const texts = splitEscaped(value.text, '$');
  if (texts.length !== components.length || texts.some((t) => t === '')) {
    const shape = components.map((c) => c.parameter.code).join('$');
    throw badValue(query, 'a composite', `Write it as ${shape}, each part given.`);
  }
  return texts.map((text, i) => {
    if (!ORDERED.has(components[i]!.parameter.type)) return { prefix: 'eq', text };
    const prefix = PREFIXES.find((p) => text.startsWith(p));
    return prefix ? { prefix, text: text.slice(2) } : { prefix: 'eq', text };
  });
}

function compileOne(
  query: ParameterQuery,
  value: SearchValue,
  context: IndexContext,
  typeOf: (parameter: SearchParameter) => ParameterType,
): CompiledParameter {
  const { parameter } = query;
  const components = componentsOf(parameter);
  const parts = partsOf(query, value, components);
  const coding = splitEscaped(parts[0]!.text, '|');
  if (isCodeQuantity(parameter) && coding.length === 2 && coding[0] !== '' && coding[1] !== '') {
    const [system, code] = coding as [string, string];
    const quantityQuery = { parameter: components[1]!.parameter, modifier: undefined, values: [parts[1]!] };
    return quantityClause(
      quantityQuery,
      parts[1]!,
      term(context, 'codeQuantity', parameter, system, code),
      term(context, 'codeCanonicalQuantity', parameter, system, code),
      context,
    );
  }
  const each = components.map((c, i) => compileComponent(c.parameter, parts[i]!, context, typeOf));
  return { ...allOf(each), exact: false };
}

function compileComponent(
  parameter: SearchParameter,
  value: SearchValue,
  context: IndexContext,
  typeOf: (parameter: SearchParameter) => ParameterType,
): CompiledParameter {
  const sources = (parameter.unionOf ?? [parameter.code]).map(
    (code) => findSearchParameter(parameter.base, code)!,
  );
  return anyOf(
    sources.map((p) => typeOf(p).compile({ parameter: p, modifier: undefined, values: [value] }, context)),
  );
}
