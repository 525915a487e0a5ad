import { dayOf, factKeys, isCoded, readingKey, type TimelineEvent, wordsOf } from './event.js';
import { drugOf } from './ingredient.js';

/**
 * Shows the same fact once: of the derived events that share a key (kind, day, and a code or the words), one stays and
 * takes the sources of the others; where a structured resource says the same, it stays and they all go to it.
 * Structured resources are never folded into one another: two records are two events. A drug by its ingredient alone and
 * by its product ("lisinopril", "lisinopril 20 MG Oral Tablet") is one fact, unless the day tells of several strengths or
 * salts. A reading that a note has no code for ("A1c 9.8 %") is that of a structured result of its day with the same value,
 * if all its words are in the result's name ("Hemoglobin A1c"), and only one such result is there.
 *
 * Which one stays does not depend on the direction of reading: it is the first in time, then by type and id, so that
 * pages agree with each other.
 */
export function foldFacts(events: readonly TimelineEvent[]): TimelineEvent[] {
  const derived = events.filter((e) => e.derived);
  if (derived.length === 0) return [...events];
  const ordered = [...events].sort(byIdentity);
  const drugs = drugKeys(events);
  const keysOf = (e: TimelineEvent) => [...factKeys(e), ...(drugs.get(e) ?? [])];
  const ownerOf = new Map<string, TimelineEvent>();
  // Structured ones own their keys before any derived one can; among equals the first in order.
  for (const e of ordered)
    if (!e.derived) for (const key of keysOf(e)) if (!ownerOf.has(key)) ownerOf.set(key, e);
  const results = resultsByValue(ordered);
  const told = new Map<TimelineEvent, TimelineEvent[]>();
  const folded = new Set<TimelineEvent>();
  for (const e of ordered) {
    if (!e.derived) continue;
    const keys = keysOf(e);
    const owner = keys.map((key) => ownerOf.get(key)).find((o) => o !== undefined) ?? resultOf(e, results);
    for (const key of keys) if (!ownerOf.has(key)) ownerOf.set(key, owner ?? e);
    if (!owner) continue;
    folded.add(e);
    const list = told.get(owner);
    if (list) list.push(e);
    else told.set(owner, [e]);
  }
  return events.filter((e) => !folded.has(e)).map((e) => (told.has(e) ? withSources(e, told.get(e)!) : e));
}

/** Structured readings by kind, day and value. */
function resultsByValue(events: readonly TimelineEvent[]): Map<string, TimelineEvent[]> {
  const found = new Map<string, TimelineEvent[]>();
  for (const event of events) {
    const key = event.derived ? undefined : readingKey(event);
    if (key === undefined) continue;
    const known = found.get(key);
    if (known) known.push(event);
    else found.set(key, [event]);
  }
  return found;
}

function resultOf(
  event: TimelineEvent,
  results: ReadonlyMap<string, readonly TimelineEvent[]>,
): TimelineEvent | undefined {
  if (isCoded(event)) return undefined;
  const key = readingKey(event);
  const words = wordsOf(event);
  if (key === undefined || words.size === 0) return undefined;
  const same = (results.get(key) ?? []).filter((result) => {
    const its = wordsOf(result);
    return [...words].every((word) => its.has(word));
  });
  return same.length === 1 ? same[0] : undefined;
}

/**
 * Keys of drugs by kind, day and ingredients. A day that names several strengths or salts of a drug tells of a change of dose, or of
 * two prescriptions: there is no saying which of them the ingredient alone means, so nothing is folded.
 */
function drugKeys(events: readonly TimelineEvent[]): Map<TimelineEvent, string[]> {
  const told = new Map<string, { strengths: Set<string>; salts: Set<string>; events: TimelineEvent[] }>();
  for (const event of events) {
    if (event.kind !== 'medication' || factKeys(event).length === 0) continue;
    const drug = drugOf(event.concept);
    if (!drug) continue;
    const key = `${event.kind}\n${dayOf(event)}\ndrug:${drug.ingredients}`;
    const group = told.get(key) ?? { strengths: new Set(), salts: new Set(), events: [] };
    told.set(key, group);
    for (const strength of drug.strengths) group.strengths.add(strength);
    if (drug.salts !== undefined) group.salts.add(drug.salts);
    group.events.push(event);
  }
  const keys = new Map<TimelineEvent, string[]>();
  for (const [key, { strengths, salts, events: of }] of told)
    if (strengths.size <= 1 && salts.size <= 1) for (const event of of) keys.set(event, [key]);
  return keys;
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
