import type { StoredResource } from '../core/resource.js';
import { parsePartialDate } from '../fhir/dates.js';
import { type ParameterRegistry, standardRegistry } from '../fhir/registry.js';
import { typeNumber } from '../fhir/resource-types.js';
import { valuesOf } from '../indexing/index.js';
import type { TenantKeys } from '../tenancy/tenant.js';
import type { Position } from './cursor.js';
import { type Recheck, streamMatches } from './fill.js';
import type { BodyKey } from './order.js';
import type { Reader } from './reader.js';
import type { Find } from './statement.js';

/**
 * Sorting by what only the bodies hold (names, codes, ids): the index has keyed hashes of them, which have no order.
 * Every match is opened for each page, so the cost is that of all matches; memory is that of one page.
 */

type Key = string | number;

/** Comes after every value in both directions; no text sorts above it. */
const MISSING = '\u{10FFFF}';
const MAX_KEY_CHARS = 200;

interface Ranked {
  readonly resource: StoredResource;
  readonly keys: readonly Key[];
}

export interface SortedPage {
  readonly matches: readonly StoredResource[];
  readonly next: Position | undefined;
  /** All matches were seen, so their number is known. */
  readonly total: number;
}

export async function sortedPage(
  reader: Reader,
  find: Find,
  sort: readonly BodyKey[],
  after: Position,
  count: number,
  recheck: Recheck,
  registry: ParameterRegistry = standardRegistry,
): Promise<SortedPage> {
  const directions = [...sort.map((s) => s.descending), false, false];
  const compare = (a: readonly Key[], b: readonly Key[]) => compareKeys(a, b, directions);
  let kept: Ranked[] = [];
  let total = 0;
  const trim = () => {
    kept.sort((a, b) => compare(a.keys, b.keys));
    kept = kept.slice(0, count + 1);
  };
  for await (const batch of streamMatches(reader, { ...find, order: { kind: 'row' } }, recheck)) {
    total += batch.length;
    for (const resource of batch) {
      const keys = rankOf(resource, sort, reader.tenant.keys, registry);
      if (after.keys.length === 0 || compare(keys, after.keys) > 0) kept.push({ resource, keys });
    }
    trim();
  }
  const page = kept.slice(0, count);
  return {
    matches: page.map((r) => r.resource),
    next: kept.length > count ? { phase: 0, keys: page.at(-1)!.keys } : undefined,
    total,
  };
}

function rankOf(
  resource: StoredResource,
  sort: readonly BodyKey[],
  keys: TenantKeys,
  registry: ParameterRegistry,
): Key[] {
  const rid = keys.rid(resource.resourceType, resource.id);
  // The row's number as sortable text: shifted to be positive, padded.
  const row = (rid + 2n ** 63n).toString().padStart(20, '0');
  return [...sort.map((s) => sortValue(resource, s, registry)), typeNumber(resource.resourceType), row];
}

function compareKeys(a: readonly Key[], b: readonly Key[], descending: readonly boolean[]): number {
  for (let i = 0; i < a.length; i++) {
    const x = a[i]!;
    const y = b[i]!;
    if (x === y) continue;
    if (x === MISSING) return 1;
    if (y === MISSING) return -1;
    const less = typeof x === 'number' && typeof y === 'number' ? x < y : String(x) < String(y);
    return less !== (descending[i] ?? false) ? -1 : 1;
  }
  return 0;
}

/** The value that comes first in the direction asked, of all the parameter has in the resource. */
function sortValue(resource: StoredResource, sort: BodyKey, registry: ParameterRegistry): Key {
  if (sort.code === '_id') return resource.id;
  if (sort.code === '_lastUpdated') return Date.parse(resource.meta.lastUpdated);
  const parameter = registry.find(resource.resourceType, sort.code);
  if (!parameter) return MISSING;
  let best: Key | undefined;
  for (const value of valuesOf(parameter, resource)) {
    const key =
      parameter.type === 'date'
        ? dateKey(value)
        : parameter.type === 'number' || parameter.type === 'quantity'
          ? numberKey(value)
          : textKey(value);
    if (key === undefined) continue;
    if (best === undefined || compareKeys([key], [best], [sort.descending]) < 0) best = key;
  }
  return best ?? MISSING;
}

function dateKey(value: unknown): number | undefined {
  const text =
    typeof value === 'string'
      ? value
      : ((value as { start?: unknown; end?: unknown })?.start ?? (value as { end?: unknown })?.end);
  return typeof text === 'string' ? parsePartialDate(text)?.lo : undefined;
}

function numberKey(value: unknown): number | undefined {
  const n = Number(typeof value === 'object' && value !== null && 'value' in value ? value.value : value);
  return Number.isFinite(n) ? n : undefined;
}

/** The parts people sort by, family name first; case and accents do not count. */
const TEXT_PARTS = [
  'text',
  'family',
  'given',
  'display',
  'city',
  'line',
  'code',
  'value',
  'coding',
  'reference',
] as const;
const NAME_PARTS = ['family', 'given', 'text'] as const;

function textKey(value: unknown): string | undefined {
  const raw = rawText(value);
  return raw === undefined || raw === ''
    ? undefined
    : raw.normalize('NFD').replace(/\p{M}/gu, '').toLowerCase().slice(0, MAX_KEY_CHARS);
}

function rawText(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  if (Array.isArray(value))
    return value
      .map(rawText)
      .filter((v) => v !== undefined)
      .join(' ');
  if (typeof value !== 'object' || value === null) return undefined;
  const parts = value as Record<string, unknown>;
  if ('family' in parts || 'given' in parts)
    return NAME_PARTS.map((p) => rawText(parts[p]))
      .filter((v) => v !== undefined)
      .join(' ');
  for (const part of TEXT_PARTS) {
    const text = part in parts ? rawText(parts[part]) : undefined;
    if (text) return text;
  }
  return undefined;
}
