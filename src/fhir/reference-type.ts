import type { Resource } from '../core/resource.js';
import { isResourceType } from './resource-types.js';

/**
 * The type of resource a Reference points at: by its text, or that of the contained resource, or by its `type`.
 * Undefined where none of them says.
 */
export function referenceTypeOf(value: unknown, resource: Resource): string | undefined {
  const holder =
    typeof value === 'object' && value !== null
      ? (value as { reference?: unknown; type?: unknown })
      : undefined;
  const text = typeof value === 'string' ? value : holder?.reference;
  if (typeof text === 'string') {
    if (text.charCodeAt(0) === 35) {
      const inside = (resource.contained as Resource[] | undefined)?.find((c) => c?.id === text.slice(1));
      return inside?.resourceType;
    }
    const history = text.indexOf('/_history/');
    const end = history < 0 ? text.length : history;
    const idAt = text.lastIndexOf('/', end - 1);
    if (idAt > 0) {
      const type = text.slice(text.lastIndexOf('/', idAt - 1) + 1, idAt);
      if (isResourceType(type)) return type;
    }
    const question = text.indexOf('?');
    if (question > 0 && isResourceType(text.slice(0, question))) return text.slice(0, question);
  }
  return typeof holder?.type === 'string' ? holder.type : undefined;
}
