import { isDeepStrictEqual } from 'node:util';
import { isFault } from '../../src/core/fault.js';
import { Decimal, stringifyJson } from '../../src/core/json.js';
import type { Resource } from '../../src/core/resource.js';
import { type SearchParameter, searchParametersOf } from '../../src/fhir/registry.js';
import { componentsOf, valuesOf } from '../../src/indexing/index.js';
import type { Rooms } from '../../src/system.js';
import type { Tenant } from '../../src/tenancy/tenant.js';

/** Values of one parameter in one resource that are searched for. */
const MAX_VALUES = 2;
const SEARCHES_AT_ONCE = 4;
const actor = { id: 'examples', kind: 'job' as const };

export interface ExampleCounts {
  passed: number;
  failed: number;
  /** Parameters with a value that no search text stands for, by reason. */
  readonly skipped: Map<string, number>;
  /** By parameter type: searched and found. */
  readonly byType: Map<string, { tried: number; found: number }>;
  /** One line each: which resource, what, why. */
  readonly exceptions: string[];
}

export function noExamples(): ExampleCounts {
  return { passed: 0, failed: 0, skipped: new Map(), byType: new Map(), exceptions: [] };
}

/**
 * Writes one resource, reads it back, and searches for it by every parameter that has a value in it. What is searched
 * for is made of the value's own FHIR shape, not of what the index made of it.
 */
export async function tryExample(
  rooms: Rooms,
  tenant: Tenant,
  name: string,
  resource: Resource,
  counts: ExampleCounts,
): Promise<void> {
  const type = resource.resourceType;
  const id = resource.id!;
  const note = (ok: boolean, text: string) => {
    if (ok) counts.passed++;
    else {
      counts.failed++;
      counts.exceptions.push(`${name}: ${text}`);
    }
  };
  try {
    await rooms.store.commit(tenant, [{ op: 'update', type, id, resource }], actor);
  } catch (error) {
    note(false, `not written: ${isFault(error) ? `${error.message} ${error.at ?? ''}` : String(error)}`);
    return;
  }
  const read = await rooms.store.read(tenant, type, id);
  note(contentOf(read?.resource) === contentOf(resource), 'read back as something else');
  const searches = searchParametersOf(type).flatMap((parameter) => searchesOf(parameter, resource, counts));
  for (let i = 0; i < searches.length; i += SEARCHES_AT_ONCE) {
    await Promise.all(
      searches.slice(i, i + SEARCHES_AT_ONCE).map(async ({ parameter, code, text }) => {
        const kind = counts.byType.get(parameter.type) ?? { tried: 0, found: 0 };
        counts.byType.set(parameter.type, kind);
        kind.tried++;
        const params = [[code, text] as const, ...(parameter.code === '_id' ? [] : [['_id', id] as const])];
        try {
          const base = rooms.baseOf(tenant);
          const { entries } = await rooms.search.search(tenant, { type, params, strict: true, base });
          const found = entries.some((e) => e.resource.id === id);
          if (found) kind.found++;
          note(found, `not found by ${code}=${text}`);
        } catch (error) {
          note(false, `${code}=${text}: ${isFault(error) ? error.message : String(error)}`);
        }
      }),
    );
  }
}

/** The content as text, apart from what the store itself sets; members in their order, decimals digit for digit. */
function contentOf(resource: Resource | undefined): string | undefined {
  if (!resource) return undefined;
  const { meta, id, resourceType, ...rest } = resource;
  const { versionId: _v, lastUpdated: _l, ...kept } = (meta ?? {}) as Record<string, unknown>;
  return stringifyJson({ resourceType, id, ...(isDeepStrictEqual(kept, {}) ? {} : { meta: kept }), ...rest });
}

interface ParameterSearch {
  readonly parameter: SearchParameter;
  readonly code: string;
  readonly text: string;
}

function searchesOf(
  parameter: SearchParameter,
  resource: Resource,
  counts: ExampleCounts,
): ParameterSearch[] {
  const { code, type } = parameter;
  // The store sets it; the words of a resource are no elements.
  if (['_lastUpdated', '_text', '_content'].includes(code)) return [];
  if (type === 'composite') return compositeSearches(parameter, resource);
  const values = valuesOf(parameter, resource);
  const texts = new Map<string, ParameterSearch>();
  for (const value of values)
    for (const { modifier = '', text } of textsOf(parameter, value))
      if (texts.size < MAX_VALUES)
        texts.set(`${modifier} ${text}`, { parameter, code: `${code}${modifier}`, text });
  if (values.length > 0 && texts.size === 0) {
    const reason = `${type}: ${shapeOf(values[0])}`;
    counts.skipped.set(reason, (counts.skipped.get(reason) ?? 0) + 1);
  }
  return [...texts.values()];
}

/** The members of a value that has none of those a search text is made of. */
function shapeOf(value: unknown): string {
  return typeof value === 'object' && value !== null
    ? Object.keys(value).sort().join('+') || 'empty'
    : typeof value;
}

function compositeSearches(parameter: SearchParameter, resource: Resource): ParameterSearch[] {
  const out: ParameterSearch[] = [];
  for (const element of valuesOf(parameter, resource)) {
    const texts = componentsOf(parameter).map(
      ({ parameter: part, path }) => path.from(element, resource).flatMap((v) => textsOf(part, v))[0]?.text,
    );
    if (texts.every((text) => text !== undefined) && out.length < MAX_VALUES)
      out.push({ parameter, code: parameter.code, text: texts.join('$') });
  }
  return out;
}

type Members = Record<string, unknown>;
interface Text {
  readonly modifier?: string;
  readonly text: string;
}

const escaped = (text: string) => text.replace(/[\\,$|]/g, (c) => `\\${c}`);
/** Addresses: `|` parts off a version there. */
const listed = (text: string) => text.replace(/[\\,]/g, (c) => `\\${c}`);
const text = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined;
const amount = (value: unknown): string | undefined =>
  typeof value === 'number' ? String(value) : value instanceof Decimal ? value.raw : undefined;
const all = (...texts: (string | undefined)[]): Text[] =>
  texts.flatMap((t) => (t === undefined ? [] : [{ text: t }]));

/** What finds a value, as a caller would write it who reads the resource (R4 search.html#ptypes). */
function textsOf({ type, code }: SearchParameter, value: unknown): Text[] {
  const v = (typeof value === 'object' && value !== null ? value : {}) as Members;
  switch (type) {
    case 'string':
      return stringTexts(value, v);
    case 'token':
      return tokenTexts(value, v);
    case 'date':
      // `Immunization.occurrence` may be any string: no date, nothing to search for.
      if (typeof value === 'string') return /^\d{4}(-\d\d){0,2}(T.*)?$/.test(value) ? [{ text: value }] : [];
      if (Array.isArray(v.event)) return all(text(v.event[0])).map((t) => ({ text: `ge${t.text}` }));
      if (text(v.start)) return [{ text: `ge${v.start}` }];
      return text(v.end) ? [{ text: `le${v.end}` }] : [];
    case 'number':
      return all(amount(value));
    case 'quantity': {
      const number = amount(v.value);
      if (number === undefined || v.comparator !== undefined) return [];
      if (text(v.code))
        return [{ text: `${number}|${escaped(text(v.system) ?? '')}|${escaped(v.code as string)}` }];
      const unit = text(v.unit) ?? text(v.currency);
      return [{ text: unit ? `${number}||${escaped(unit)}` : number }];
    }
    case 'uri':
      return all(text(value) && listed(value as string));
    case 'reference':
      return referenceTexts(value, v);
    default: {
      if (code !== 'near') return [];
      const [latitude, longitude] = [amount(v.latitude), amount(v.longitude)];
      return latitude && longitude ? [{ text: `${latitude}|${longitude}|1|km` }] : [];
    }
  }
}

function stringTexts(value: unknown, v: Members): Text[] {
  if (typeof value === 'string')
    return all(value.trim() === '' ? undefined : escaped(value.trim().slice(0, 60)));
  const given = Array.isArray(v.given) ? v.given[0] : undefined;
  const parts = [v.family, given, v.text, v.city, v.country, v.postalCode];
  return parts.flatMap((part) => all(text(part) && escaped((part as string).trim().slice(0, 60))));
}

function tokenTexts(value: unknown, v: Members): Text[] {
  if (typeof value === 'boolean') return [{ text: String(value) }];
  if (typeof value === 'string') return all(escaped(value));
  if (Array.isArray(v.coding))
    return (v.coding as Members[]).flatMap((coding) => tokenTexts(coding, coding ?? {}));
  const own = text(v.code) ?? text(v.value);
  const system = text(v.system);
  if (own === undefined) return system ? [{ text: `${escaped(system)}|` }] : [];
  // The system of a ContactPoint is no system of its values.
  if (system === undefined || /^[a-z]+$/.test(system)) return [{ text: escaped(own) }];
  return [{ text: `${escaped(system)}|${escaped(own)}` }];
}

function referenceTexts(value: unknown, v: Members): Text[] {
  if (typeof value === 'string') return value.startsWith('#') ? [] : all(listed(value));
  if (text(v.resourceType)) return text(v.id) ? [{ text: `${v.resourceType}/${v.id}` }] : [];
  const reference = text(v.reference);
  if (reference && !reference.startsWith('#')) return [{ text: listed(reference) }];
  const i = (v.identifier ?? {}) as Members;
  if (!text(i.value)) return [];
  return [
    { modifier: ':identifier', text: `${escaped(text(i.system) ?? '')}|${escaped(i.value as string)}` },
  ];
}
