import type { Resource } from '../core/resource.js';
import { compileExpression, type PathFunction } from '../fhir/paths.js';
import type { SearchParameter } from '../fhir/registry.js';

const paths = new Map<SearchParameter, PathFunction>();

/** The compiled expression of a parameter, made once. */
export function pathOf(parameter: SearchParameter): PathFunction {
  let path = paths.get(parameter);
  if (!path) {
    path = compileExpression(parameter.expression === '' ? '{}' : parameter.expression, parameter.base);
    paths.set(parameter, path);
  }
  return path;
}

/** The elements of `resource` a parameter looks at; an Extension counts as its value. */
export function valuesOf(parameter: SearchParameter, resource: Resource): unknown[] {
  const path = pathOf(parameter);
  const values = path(resource);
  return path.types.has('Extension') ? unwrapped(values) : values;
}

/** Extensions among `values` replaced by their `value[x]`. */
export function unwrapped(values: readonly unknown[]): unknown[] {
  return values.flatMap((value) => {
    if (typeof value !== 'object' || value === null || !('url' in value)) return [value];
    const name = Object.keys(value).find((key) => key.startsWith('value'));
    return name === undefined ? [value] : [(value as Record<string, unknown>)[name]];
  });
}

/** Splits `system|code` and the like at a separator that no backslash escapes, and removes the escapes. */
export function splitEscaped(text: string, separator: '|' | '$'): string[] {
  const parts: string[] = [];
  let part = '';
  for (let i = 0; i < text.length; i++) {
    const c = text[i]!;
    // `$` may be escaped where it separates nothing, too (R4 search.html#escaping).
    if (c === '\\' && (text[i + 1] === separator || text[i + 1] === '\\' || text[i + 1] === '$'))
      part += text[++i];
    else if (c === separator) {
      parts.push(part);
      part = '';
    } else part += c;
  }
  parts.push(part);
  return parts;
}
