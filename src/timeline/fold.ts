import { factKeys, type TimelineEvent } from './event.js';

/**
 * Shows the same fact once: of the derived events that share a key (kind, day, and a code or the words), one stays and
 * takes the sources of the others; where a structured resource says the same, it stays and they all go to it.
 * Structured resources are never folded into one another: two records are two events.
 *
 * Which one stays does not depend on the direction of reading: it is the first in time, then by type and id, so that
 * pages agree with each other.
 */
export function foldFacts(events: readonly TimelineEvent[]): TimelineEvent[] {
  const derived = events.filter((e) => e.derived);
  if (derived.length === 0) return [...events];
  const ordered = [...events].sort(byIdentity);
  const ownerOf = new Map<string, TimelineEvent>();
  // Structured ones own their keys before any derived one can; among equals the first in order.
  for (const e of ordered)
    if (!e.derived) for (const key of factKeys(e)) if (!ownerOf.has(key)) ownerOf.set(key, e);
  const told = new Map<TimelineEvent, TimelineEvent[]>();
  const folded = new Set<TimelineEvent>();
  for (const e of ordered) {
    if (!e.derived) continue;
    const keys = factKeys(e);
    const owner = keys.map((key) => ownerOf.get(key)).find((o) => o !== undefined);
    for (const key of keys) if (!ownerOf.has(key)) ownerOf.set(key, owner ?? e);
    if (!owner) continue;
    folded.add(e);
    const list = told.get(owner);
    if (list) list.push(e);
    else told.set(owner, [e]);
  }
  return events.filter((e) => !folded.has(e)).map((e) => (told.has(e) ? withSources(e, told.get(e)!) : e));
}

function withSources(event: TimelineEvent, others: readonly TimelineEvent[]): TimelineEvent {
  return {
    ...event,
    sources: [...new Set([event, ...others].flatMap((e) => e.sources))],
    words: [event, ...others].flatMap((e) => e.words),
  };
}

function byIdentity(a: TimelineEvent, b: TimelineEvent): number {
  return (
    (a.at ?? Number.MAX_SAFE_INTEGER) - (b.at ?? Number.MAX_SAFE_INTEGER) ||
    compare(a.resource.resourceType, b.resource.resourceType) ||
    compare(a.resource.id, b.resource.id)
  );
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
