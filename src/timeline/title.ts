import type { Coding, Resource } from '../core/resource.js';
import { conceptOf, kindRow } from './kinds.js';

/** Statuses without which the title would say the opposite, with the words for them. */
const NOT_SO: Readonly<Record<string, string>> = {
  'not-done': 'not done',
  'not-taken': 'not taken',
  cancelled: 'cancelled',
  refuted: 'ruled out',
  noshow: 'did not come',
  declined: 'declined',
};

/** The words a reader would call an event by: its text, display or code, and for a measurement its value. */
export function titleOf(resource: Resource, concept: unknown = conceptOf(resource)): string {
  const verification = resource.verificationStatus as { coding?: Coding[] } | undefined;
  const states = [resource.status, ...(verification?.coding ?? []).map((c) => c.code)];
  const not = states.map((s) => (typeof s === 'string' ? NOT_SO[s] : undefined)).find((s) => s !== undefined);
  const title = plainTitle(resource, concept);
  return not === undefined ? title : `${title} (${not})`;
}

function plainTitle(resource: Resource, concept: unknown): string {
  const title = wordsOf(concept) ?? kindRow(resource.resourceType)?.kind ?? resource.resourceType;
  const value = resource.resourceType === 'Observation' ? measuredValue(resource) : undefined;
  return value === undefined ? title : `${title}: ${value}`;
}

/** Words of a CodeableConcept, Coding, Reference or string. */
export function wordsOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value.trim() || undefined;
  if (typeof value !== 'object' || value === null) return undefined;
  const { text, coding, display, code, concept } = value as {
    text?: string;
    coding?: Coding[];
    display?: string;
    code?: unknown;
    concept?: unknown;
  };
  return (
    wordsOf(text) ??
    wordsOf(coding?.find((c) => c.display)?.display) ??
    wordsOf(coding?.[0]?.code) ??
    wordsOf(display) ??
    (typeof code === 'string' ? wordsOf(code) : undefined) ??
    wordsOf(concept)
  );
}

/** A measured value as it is written: `120 mg/dL`, a code's words, or the parts of a panel as `120 / 80 mm[Hg]`. */
function measuredValue(resource: Resource): string | undefined {
  const own = oneValue(resource);
  if (own !== undefined) return own;
  const parts = Array.isArray(resource.component) ? resource.component.slice(0, MAX_PARTS) : [];
  const texts = parts.map((p) => oneValue(p as Record<string, unknown>)).filter((t) => t !== undefined);
  return texts.length > 0 ? texts.join(' / ') : undefined;
}

const MAX_PARTS = 4;

function oneValue(holder: Record<string, unknown>): string | undefined {
  const quantity = holder.valueQuantity as
    | { value?: unknown; unit?: string; code?: string; comparator?: string }
    | undefined;
  if (quantity?.value !== undefined)
    return `${quantity.comparator ?? ''}${decimal(quantity.value)} ${quantity.unit ?? quantity.code ?? ''}`.trim();
  if (holder.valueCodeableConcept !== undefined) return wordsOf(holder.valueCodeableConcept);
  for (const name of ['valueString', 'valueDateTime', 'valueTime'] as const)
    if (typeof holder[name] === 'string') return holder[name] as string;
  if (holder.valueInteger !== undefined) return String(holder.valueInteger);
  if (typeof holder.valueBoolean === 'boolean') return holder.valueBoolean ? 'yes' : 'no';
  return undefined;
}

/** Measured numbers can have a dozen digits that say nothing to a reader. */
function decimal(value: unknown): string {
  const n = Number(value);
  return Number.isFinite(n) && String(value).length > 8 ? String(Math.round(n * 1000) / 1000) : String(value);
}
