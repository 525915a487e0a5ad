import type { StoredResource } from '../core/resource.js';
import { type ParameterRegistry, standardRegistry } from '../fhir/registry.js';
import { typeNumber } from '../fhir/resource-types.js';
import { comparableNumber, rangesOf, valuesOf } from '../indexing/index.js';
import type { RowKey } from '../store/contract.js';
import type { TenantKeys } from '../tenancy/tenant.js';
import type { Position } from './cursor.js';
import { type Recheck, streamRows } from './fill.js';
import { momentNow } from './moment.js';
import { movedSince } from './moved.js';
import type { BodyKey } from './order.js';
import type { Reader } from './reader.js';
import type { Find } from './statement.js';

/**
 * Sorting by what only the bodies hold (names, codes, ids): the index has keyed hashes of them, which have no order, and
 * an order that the database could read would tell the names. Every match is opened for each page, so the cost is that of
 * all matches: rows are listed first and opened in the order they lie in their segments, each segment once, the next
 * ones being fetched while these are read. Kept are the keys and rows of one page.
 */

type Key = string | number;

/** Comes after every value in both directions; no text sorts above it. */
const MISSING = '\u{10FFFF}';
const MAX_KEY_CHARS = 200;
/** Rows listed at a time; what bounds the memory, at some 200 bytes each. */
const LISTED = 200_000;
/** Bodies opened at a time. */
const OPENED = 1_000;

interface Ranked {
  readonly row: RowKey;
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
  from: Position,
  count: number,
  recheck: Recheck,
  registry: ParameterRegistry = standardRegistry,
): Promise<SortedPage> {
  const directions = [...sort.map((s) => s.descending), false, false];
  const compare = (a: readonly Key[], b: readonly Key[]) => compareKeys(a, b, directions);
  const paged = from.keys.length > 0;
  const moment = from.moment ?? (await momentNow(reader));
  const now: Find = { ...find, order: { kind: 'row' } };
  const kept = new Map<string, Ranked>();
  const rank = (row: RowKey, place: StoredResource) => {
    const keys = rankOf(place, sort, reader.tenant.keys, registry);
    if (!paged || compare(keys, from.keys) > 0) kept.set(nameOf(row), { row, keys });
  };
  const cut = () => {
    if (kept.size <= count + 1) return;
    const best = [...kept].sort(([, a], [, b]) => compare(a.keys, b.keys)).slice(0, count + 1);
    kept.clear();
    for (const [name, ranked] of best) kept.set(name, ranked);
  };
  let total = 0;
  for await (const { rows, resources } of openedMatches(reader, { ...now, asOf: moment })) {
    const verdicts = await recheck(resources);
    rows.forEach((row, i) => {
      if (!verdicts[i]) return;
      total++;
      rank(row, resources[i]!);
    });
    cut();
  }
  // After the others: what is written between the two is found by the second.
  for await (const batch of movedSince(reader, now, moment)) {
    const verdicts = await recheck(await reader.open(batch.map((m) => m.row)));
    const former = await reader.openFormer(batch.map((m) => m.former));
    batch.forEach((m, i) => {
      if (!verdicts[i] || !former[i]) return;
      total++;
      rank(m.row, former[i]);
    });
    cut();
  }
  const ranked = [...kept.values()].sort((a, b) => compare(a.keys, b.keys));
  const page = ranked.slice(0, count);
  return {
    matches: await reader.open(page.map((r) => r.row)),
    next: ranked.length > count ? { phase: 0, keys: page.at(-1)!.keys, moment } : undefined,
    total,
  };
}

const nameOf = ({ rtype, rid }: RowKey) => `${rtype} ${rid}`;

/** All rows found, with their bodies: in the order of their segments within each list. */
async function* openedMatches(
  reader: Reader,
  find: Find,
): AsyncGenerator<{ rows: RowKey[]; resources: StoredResource[] }> {
  for await (const listed of streamRows(reader, find, LISTED)) {
    const rows = listed
      .map((r) => r.row)
      .sort((a, b) => a.part - b.part || Number(a.sid - b.sid) || a.slot - b.slot);
    const batches: RowKey[][] = [];
    for (let i = 0; i < rows.length; i += OPENED) batches.push(rows.slice(i, i + OPENED));
    let ahead = open(reader, batches[0]);
    for (let i = 0; i < batches.length; i++) {
      reader.checkTime();
      const opened = await ahead;
      ahead = open(reader, batches[i + 1]);
      yield { rows: batches[i]!, resources: opened };
    }
  }
}

function open(reader: Reader, rows: readonly RowKey[] | undefined): Promise<StoredResource[]> {
  const opened = rows ? reader.open(rows) : Promise.resolve([]);
  // Waited for in the next round; where that is never reached its failure is nobody's.
  opened.catch(() => undefined);
  return opened;
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
        ? dateKey(value, sort.descending)
        : parameter.type === 'number' || parameter.type === 'quantity'
          ? comparableNumber(value)
          : textKey(value);
    if (key === undefined) continue;
    if (best === undefined || compareKeys([key], [best], [sort.descending]) < 0) best = key;
  }
  return best ?? MISSING;
}

/** As the index has it: where what the date says begins. */
function dateKey(value: unknown, descending: boolean): number | undefined {
  const begins = rangesOf(value).map((r) => r.lo);
  if (begins.length === 0) return undefined;
  return begins.reduce((x, y) => (descending ? Math.max(x, y) : Math.min(x, y)));
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
