import type { Resource, StoredResource } from '../core/resource.js';
import { type ElementRow, typeDefinition } from '../fhir/elements.js';
import type { Summary } from './control.js';

/** R4 search, 3.1.1.5.8: a resource with parts left out says so, lest it be written back. */
const SUBSETTED = {
  system: 'http://terminology.hl7.org/CodeSystem/v3-ObservationValue',
  code: 'SUBSETTED',
  display: 'Resource encoded in summary mode',
};

const ALWAYS: ReadonlySet<string> = new Set(['resourceType', 'id', 'meta']);

/** The resource as `_summary` and `_elements` ask for it; unchanged where they ask for all of it. */
export function shape(resource: StoredResource, summary: Summary, elements: readonly string[]): Resource {
  if (elements.length > 0) {
    const named = new Set(elements.flatMap((e) => ownElement(e, resource.resourceType)));
    // Mandatory elements, and those that change what the others mean (R4 search.html#elements).
    return subset(resource, (e) => named.has(e.name) || e.min > 0 || e.modifier);
  }
  switch (summary) {
    case 'true':
      return subset(resource, (e) => e.summary);
    case 'text':
      return subset(resource, (e) => e.name === 'text' || e.min > 0);
    case 'data':
      return subset(resource, (e) => e.name !== 'text');
    default:
      return resource;
  }
}

/** `status`, or `Observation.status` for Observations alone. Deeper paths name their first element. */
function ownElement(path: string, type: string): string[] {
  const parts = path.split('.');
  if (/^[A-Z]/.test(parts[0]!)) {
    if (parts[0] !== type) return [];
    parts.shift();
  }
  return parts[0] ? [parts[0]] : [];
}

function subset(resource: StoredResource, keep: (element: ElementRow) => boolean): Resource {
  const members = typeDefinition(resource.resourceType)?.members;
  const out: Resource = { resourceType: resource.resourceType };
  for (const [name, value] of Object.entries(resource)) {
    // `_birthDate` goes with `birthDate`, `valueQuantity` with `value[x]`.
    const element = members?.get(name.startsWith('_') ? name.slice(1) : name)?.element;
    if (ALWAYS.has(name) || name === 'implicitRules' || (element && keep(element))) out[name] = value;
  }
  out.meta = { ...resource.meta, tag: [...(resource.meta.tag ?? []), SUBSETTED] };
  return out;
}
