import type { Resource, StoredResource } from '../core/resource.js';
import { eventOf, type TimelineEvent } from './event.js';
import { conceptOf } from './kinds.js';

/** Fetches current resources by id, in the order asked; undefined where there is none. */
export type Resolve = (
  keys: readonly { type: string; id: string }[],
) => Promise<readonly (StoredResource | undefined)[]>;

/**
 * The events of resources, undefined for those that are none. An event about something with a record of its own, such
 * as a MedicationRequest with a `medicationReference`, is called by what that record says.
 */
export async function eventsOf(
  resources: readonly StoredResource[],
  resolve: Resolve,
): Promise<(TimelineEvent | undefined)[]> {
  const wanted = new Map<string, { type: string; id: string }>();
  const references = resources.map((r) => {
    const reference = bareReference(conceptOf(r));
    const [type, id] = reference?.split('/') ?? [];
    if (reference !== undefined && type && id) wanted.set(reference, { type, id });
    return reference;
  });
  const keys = [...wanted.keys()];
  const found = new Map((await resolve([...wanted.values()])).map((r, i) => [keys[i], r]));
  return resources.map((r, i) => {
    const reference = references[i];
    if (reference === undefined) return eventOf(r);
    const target = reference.startsWith('#') ? containedIn(r, reference.slice(1)) : found.get(reference);
    return eventOf(r, target?.code ?? conceptOf(r));
  });
}

/** `Type/id` or `#id` of a Reference that has no words of its own. */
function bareReference(concept: unknown): string | undefined {
  const { reference, display } = (concept ?? {}) as { reference?: unknown; display?: unknown };
  if (typeof reference !== 'string' || display !== undefined) return undefined;
  return /^(#|[A-Z][A-Za-z]+\/)[A-Za-z0-9\-.]{1,64}$/.test(reference) ? reference : undefined;
}

function containedIn(resource: StoredResource, id: string): Resource | undefined {
  const contained = Array.isArray(resource.contained) ? (resource.contained as Resource[]) : [];
  return contained.find((c) => c.id === id);
}
