import type { Coding, StoredResource } from '../core/resource.js';
import { clinicalTime, sortInstant } from '../fhir/clinical-time.js';
import { parsePartialDate } from '../fhir/dates.js';
import { conceptOf, kindRow } from './kinds.js';
import { titleOf } from './title.js';

const OURS = 'https://cenote.health/fhir/StructureDefinition/';

/** Where in a note a derived fact was read. Offsets are UTF-16 units of the note's text, half-open. */
export interface Words {
  /** `DocumentReference/id`. */
  readonly document: string | undefined;
  readonly start: number;
  readonly end: number;
  readonly text: string;
  readonly score: number | undefined;
}

/** When something happened, as written. */
export type When =
  | { readonly dateTime: string }
  | { readonly period: { readonly start?: string; readonly end?: string } };

/** One resource seen as an event. */
export interface TimelineEvent {
  readonly resource: StoredResource;
  readonly kind: string;
  readonly title: string;
  /** What the event is about: a CodeableConcept, Coding, Reference or string. */
  readonly concept: unknown;
  /** Absent where the resource does not say. */
  readonly when: When | undefined;
  /** What the event is sorted by, ms; absent where undated. */
  readonly at: number | undefined;
  /** When this server learned it: an instant. */
  readonly recorded: string;
  readonly derived: boolean;
  /** The resources that say it, its own first; for derived ones their documents too. */
  readonly sources: readonly string[];
  readonly words: readonly Words[];
}

/** Reads an event out of a resource; undefined for a type that is no event, and for what was entered in error. */
export function eventOf(
  resource: StoredResource,
  concept: unknown = conceptOf(resource),
): TimelineEvent | undefined {
  const row = kindRow(resource.resourceType);
  if (!row || isMistake(resource)) return undefined;
  const time = clinicalTime(resource);
  const words = wordsIn(resource);
  const derived = isDerived(resource);
  const document = documentOf(resource);
  const own = `${resource.resourceType}/${resource.id}`;
  return {
    resource,
    kind: row.kind,
    title: titleOf(resource, concept),
    concept,
    when: time && whenAt(resource, time.element),
    at: time && sortInstant(time),
    recorded: resource.meta.lastUpdated,
    derived,
    sources: derived && document ? [own, document] : [own],
    words,
  };
}

const MISTAKE = 'entered-in-error';

/** A record that says of itself that it never happened. */
function isMistake(resource: StoredResource): boolean {
  const verification = resource.verificationStatus as { coding?: Coding[] } | undefined;
  return resource.status === MISTAKE || verification?.coding?.some((c) => c.code === MISTAKE) === true;
}

interface Extension {
  readonly url?: string;
  readonly extension?: readonly Extension[];
  readonly valueReference?: { readonly reference?: string };
  readonly valueString?: string;
  readonly valueInteger?: number;
  readonly valueDecimal?: unknown;
}

function extensionsOf(resource: StoredResource): readonly Extension[] {
  return Array.isArray(resource.extension) ? (resource.extension as Extension[]) : [];
}

function documentOf(resource: StoredResource): string | undefined {
  return extensionsOf(resource).find((e) => e.url === `${OURS}derived-from-document`)?.valueReference
    ?.reference;
}

export function isDerived(resource: StoredResource): boolean {
  return extensionsOf(resource).some((e) => e.url === `${OURS}derived-from-document`);
}

function wordsIn(resource: StoredResource): Words[] {
  const extensions = extensionsOf(resource);
  const score = extensions.find((e) => e.url === `${OURS}derivation-score`)?.valueDecimal;
  const document = documentOf(resource);
  return extensions
    .filter((e) => e.url === `${OURS}source-span`)
    .map((span) => {
      const part = (url: string) => span.extension?.find((e) => e.url === url);
      return {
        document,
        start: part('start')?.valueInteger ?? 0,
        end: part('end')?.valueInteger ?? 0,
        text: part('text')?.valueString ?? '',
        score: score === undefined ? undefined : Number(score),
      };
    });
}

/** The element's own words for the time; a Timing is given as the period its events span. */
function whenAt(resource: StoredResource, element: string): When | undefined {
  let values: unknown[] = [resource];
  for (const name of element.split('.').slice(1))
    values = values.flatMap((v) => {
      const next = typeof v === 'object' && v !== null ? (v as Record<string, unknown>)[name] : undefined;
      return Array.isArray(next) ? next : next === undefined ? [] : [next];
    });
  const whens = values.map(asWhen).filter((w) => w !== undefined);
  // Of several the earliest counts, as it does for the sorting.
  return whens.reduce<When | undefined>(
    (a, b) => (a === undefined || startOf(b) < startOf(a) ? b : a),
    undefined,
  );
}

function asWhen(value: unknown): When | undefined {
  if (typeof value === 'string') return { dateTime: value };
  if (typeof value !== 'object' || value === null) return undefined;
  const { start, end, event, repeat } = value as {
    start?: string;
    end?: string;
    event?: string[];
    repeat?: { boundsPeriod?: { start?: string; end?: string } };
  };
  if (Array.isArray(event) && event.length > 0) {
    const sorted = [...event].sort((a, b) => (parsePartialDate(a)?.lo ?? 0) - (parsePartialDate(b)?.lo ?? 0));
    return sorted.length === 1
      ? { dateTime: sorted[0]! }
      : { period: { start: sorted[0]!, end: sorted.at(-1)! } };
  }
  if (repeat?.boundsPeriod) return asWhen(repeat.boundsPeriod);
  if (typeof start !== 'string' && typeof end !== 'string') return undefined;
  return {
    period: { ...(typeof start === 'string' ? { start } : {}), ...(typeof end === 'string' ? { end } : {}) },
  };
}

function startOf(when: When): number {
  const text = 'dateTime' in when ? when.dateTime : (when.period.start ?? when.period.end);
  return (text === undefined ? undefined : parsePartialDate(text)?.lo) ?? Number.MAX_SAFE_INTEGER;
}

/** The clinical day as written where it happened, or what less than a day was written. */
export function dayOf(event: TimelineEvent): string {
  if (!event.when) return 'undated';
  const text =
    'dateTime' in event.when ? event.when.dateTime : (event.when.period.start ?? event.when.period.end);
  return text?.slice(0, 10) ?? 'undated';
}

/**
 * What makes two events of one kind and day the same fact: any coding in common, or the same words. Empty for what
 * notes do not repeat.
 */
export function factKeys(event: TimelineEvent): string[] {
  if (!kindRow(event.resource.resourceType)?.repeats) return [];
  const concept = event.concept as { coding?: Coding[]; text?: string; display?: string } | undefined;
  const head = `${event.kind}\n${dayOf(event)}\n`;
  const codes = (concept?.coding ?? [])
    .filter((c) => c.code)
    .map((c) => `${head}${c.system ?? ''}|${c.code}`);
  const words = [concept?.text, concept?.display, ...(concept?.coding ?? []).map((c) => c.display)];
  const texts = words.filter((t) => t !== undefined).map((t) => `${head}"${normalWords(t)}`);
  // A measurement is the same fact only with the same value: two readings of a day are two events.
  const value = event.resource.resourceType === 'Observation' ? `\n${valueKey(event)}` : '';
  return [...new Set([...codes, ...texts])].map((key) => key + value);
}

/** Kind, day and value of an Observation; undefined for what is none, or has no value. */
export function readingKey(event: TimelineEvent): string | undefined {
  if (event.resource.resourceType !== 'Observation') return undefined;
  const value = valueKey(event);
  return /\d/.test(value) ? `${event.kind}\n${dayOf(event)}\n${value}` : undefined;
}

interface Named {
  readonly coding?: readonly Coding[];
  readonly text?: string;
  readonly display?: string;
}

export const isCoded = ({ concept }: TimelineEvent) =>
  ((concept as Named | undefined)?.coding ?? []).some((c) => c.code !== undefined);

/** The words of all names of what an event is about. */
export function wordsOf({ concept }: TimelineEvent): ReadonlySet<string> {
  const { text, display, coding = [] } = (concept ?? {}) as Named;
  const names = [text, display, ...coding.map((c) => c.display)];
  return new Set(names.flatMap((name) => (name === undefined ? [] : normalWords(name).split(' '))));
}

/** The value however it is written: `0.90 mg/dL` and `0.9 mg/dL` are one reading. */
function valueKey({ resource, title }: TimelineEvent): string {
  const components = Array.isArray(resource.component) ? (resource.component as object[]) : [];
  const quantities = [resource, ...components]
    .map(
      (holder) =>
        (holder as { valueQuantity?: { value?: unknown; code?: string; unit?: string } }).valueQuantity,
    )
    .filter((q) => q?.value !== undefined)
    .map((q) => `${Number(q!.value)} ${(q!.code ?? q!.unit ?? '').toLowerCase()}`);
  return quantities.length > 0 ? quantities.join(' / ') : normalWords(title.split(': ').slice(1).join(' '));
}

/** Case, accents, punctuation and SNOMED's tags such as `(disorder)` do not make two facts of one. */
function normalWords(text: string): string {
  return text
    .replace(/\s\((disorder|finding|procedure|situation|substance|product|event)\)$/i, '')
    .normalize('NFD')
    .replace(/\p{M}/gu, '')
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .trim();
}
